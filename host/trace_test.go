package host

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// ledgerTracer writes down what it is told.
type ledgerTracer struct {
	mu        sync.Mutex
	exchanged map[Exchange]map[protocol.ProbeOutcome]int
	longest   time.Duration
	served    map[Exchange]uint64
	refused   map[Reason]uint64
	rounds    []uint64
	last      *Status
}

func newLedgerTracer() *ledgerTracer {
	return &ledgerTracer{
		exchanged: make(map[Exchange]map[protocol.ProbeOutcome]int), served: make(map[Exchange]uint64), refused: make(map[Reason]uint64),
	}
}

func (l *ledgerTracer) Exchanged(e Exchange, o protocol.ProbeOutcome, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.exchanged[e] == nil {
		l.exchanged[e] = make(map[protocol.ProbeOutcome]int)
	}
	l.exchanged[e][o]++
	l.longest = max(l.longest, took)
}

func (l *ledgerTracer) Served(e Exchange, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served[e]++
}

func (l *ledgerTracer) Refused(why Reason, times uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[why] += times
}

func (l *ledgerTracer) RoundEnded(s *Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rounds, l.last = append(l.rounds, s.Round), s
}

// TestTracer: every tracer sees each exchange once, with its outcome and time, and each round after it was published.
func TestTracer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick, mute := peerNo(0), peerNo(1)
		net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
			if id == mute {
				return silence(ctx, 300*time.Millisecond)
			}
			return yes(k, quick)
		})
		one, two := newLedgerTracer(), newLedgerTracer()
		s := fakeService(t, net, steady(WithBootstrap(infos(quick, mute)...), WithTracer(one), WithTracer(nil), WithTracer(two))...)
		s.start()
		settle(10*second + second/2)
		s.Close()
		want := make(map[Exchange]map[protocol.ProbeOutcome]int)
		for _, c := range net.seen() {
			e, o := Exchange(c.kind), protocol.Alive
			if c.id == mute {
				o = protocol.Missed
			}
			if want[e] == nil {
				want[e] = make(map[protocol.ProbeOutcome]int)
			}
			want[e][o]++
		}
		for i, l := range []*ledgerTracer{one, two} {
			for _, e := range Exchanges() {
				for _, o := range []protocol.ProbeOutcome{protocol.Alive, protocol.Missed} {
					if l.exchanged[e][o] != want[e][o] {
						t.Errorf("tracer %d: %d exchanges %s %s, want %d", i, l.exchanged[e][o], e, o, want[e][o])
					}
				}
			}
			if l.longest != 300*time.Millisecond {
				t.Errorf("tracer %d: the longest exchange took %v", i, l.longest)
			}
			for j, r := range l.rounds {
				if r != uint64(j+1) {
					t.Fatalf("tracer %d: rounds %v", i, l.rounds)
				}
			}
			if len(l.rounds) != 10 || l.last.Snapshot != s.Snapshot() || l.last.ID != s.self {
				t.Errorf("tracer %d: %d rounds, the last is not that of Status", i, len(l.rounds))
			}
		}
		if want[ExchangePull][protocol.Alive] == 0 || want[ExchangePush][protocol.Alive]+want[ExchangeProbe][protocol.Alive] == 0 || want[ExchangePull][protocol.Missed] == 0 {
			t.Errorf("the run shows too little: %v", want)
		}
		for i, c := range Exchanges() {
			if c.String() != kindNames[kind(i)] {
				t.Errorf("exchange %d is called %s", i, c)
			}
		}
	})
}

// TestSuspectsArePublished: who missed stands in the snapshot until it answers, and not before.
func TestSuspectsArePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flaky := peerNo(0)
		var mute bool
		var mu sync.Mutex
		net := newFakeNet(func(_ context.Context, k kind, id peer.ID) answer {
			mu.Lock()
			defer mu.Unlock()
			if mute && id == flaky {
				return answer{outcome: protocol.Missed, unreached: true}
			}
			return yes(k, flaky, peerNo(1), peerNo(2), peerNo(3))
		})
		s := fakeService(t, net, steady(WithBootstrap(infos(peerNos(0, 4)...)...))...)
		s.start()
		settle(5*second + second/2)
		if got := s.Snapshot().Suspects; len(got) != 0 {
			t.Fatalf("suspects %v while all answer", got)
		}
		mu.Lock()
		mute = true
		mu.Unlock()
		settle(second) // it misses once, in the round that is open now
		mu.Lock()
		mute = false
		mu.Unlock()
		settle(second)
		if got := s.Snapshot().Suspects; len(got) != 1 || got[0] != flaky {
			t.Errorf("suspects %v, want the peer that missed", got)
		}
		settle(second)
		if got := s.Snapshot().Suspects; len(got) != 0 {
			t.Errorf("suspects %v after it answered again", got)
		}
		s.Close()
	})
}
