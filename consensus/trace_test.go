package consensus

import (
	"sync"
	"testing"
	"time"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
)

// ledger writes down what it is told.
type ledger struct {
	mu        sync.Mutex
	exchanged map[Exchange]map[Outcome]uint64
	served    map[Exchange]uint64
	refused   map[Reason]uint64
	rounds    []uint64
}

func newLedger() *ledger {
	l := &ledger{exchanged: map[Exchange]map[Outcome]uint64{}, served: map[Exchange]uint64{}, refused: map[Reason]uint64{}}
	for _, e := range Exchanges() {
		l.exchanged[e] = map[Outcome]uint64{}
	}
	return l
}

func (l *ledger) Exchanged(e Exchange, o Outcome, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exchanged[e][o]++
}

func (l *ledger) Served(e Exchange, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served[e]++
}

func (l *ledger) Refused(why Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[why]++
}

func (l *ledger) RoundOpened(s *Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rounds = append(l.rounds, s.Round)
}

// TestTracer: every tracer sees each exchange once with what came of it, and each round, as Status counts them.
func TestTracer(t *testing.T) {
	one, two := newLedger(), newLedger()
	c := newCrowd(t, 5, WithParams(small()))
	c.all[0].Close()
	c.all[0] = c.net.join(t, 0, c.sampler(0), withManualRounds(), WithParams(small()), WithTracer(one), WithTracer(nil), WithTracer(two))
	c.round()
	c.propose(1, "x")
	c.until("all have closed", 20, func() bool { return c.closed(7) })
	s := c.all[0]
	good, bad := vectorBytes(t, requestTypes[ExchangeFetch])
	s.handle(ExchangeFetch, newMemStream(c.ids[1], lan, framed(good[0])))
	s.handle(ExchangeFetch, newMemStream(c.ids[1], lan, framed(bad[0])))
	st := s.Status()
	s.Close()
	for i, l := range []*ledger{one, two} {
		polls := uint64(0)
		for _, n := range l.exchanged[ExchangePoll] {
			polls += n
		}
		if polls != st.Picked || l.exchanged[ExchangePoll][Answered] != st.Answered || st.Answered == 0 {
			t.Errorf("tracer %d: polls %v, the status has %d, %d answered", i, l.exchanged[ExchangePoll], st.Picked, st.Answered)
		}
		if l.exchanged[ExchangePoll][Unknown] == 0 || l.exchanged[ExchangeFetch][Answered] != 1 {
			t.Errorf("tracer %d: %v: the run shows too little", i, l.exchanged)
		}
		if l.served[ExchangeFetch] != 1 || st.Served != 1 || l.refused[ReasonBadMessage] != 1 || len(l.refused) != 1 {
			t.Errorf("tracer %d: served %v, refused %v", i, l.served, l.refused)
		}
		for k, r := range l.rounds {
			if r != uint64(k+1) {
				t.Fatalf("tracer %d: rounds %v", i, l.rounds)
			}
		}
		if uint64(len(l.rounds)) != st.Round {
			t.Errorf("tracer %d: %d rounds of %d", i, len(l.rounds), st.Round)
		}
	}
}

// stuck is a tracer that holds up the loop.
type stuck struct {
	*ledger
	in, out chan struct{}
}

func (s stuck) RoundOpened(*Status) {
	s.in <- struct{}{}
	<-s.out
}

// TestNobodyWaitsForTheLoop: while the loop stands, polls and fetches of others are answered, and readers read.
func TestNobodyWaitsForTheLoop(t *testing.T) {
	tr := stuck{newLedger(), make(chan struct{}), make(chan struct{})}
	s := newMemNet().join(t, 0, sampleOf(1), withManualRounds(), WithTracer(tr))
	go s.step(machine.Clock{Epoch: 7})
	<-tr.in // the loop stands from here on
	res, err := wire.DecodePollResponse(must(s.answer(ExchangePoll, must(wire.PollRequest{Epoch: 7, Nonce: testNonce}.Marshal()))))
	if err != nil || res.Status != wire.StatusOK {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := s.answer(ExchangeFetch, must(wire.FetchRequest{Epoch: 7, IDs: []machine.ID{{}}}.Marshal())); err != nil {
		t.Error(err)
	}
	if _, ok := s.Decided(7); ok || s.Epoch() != 7 || s.Status().Round != 1 {
		t.Errorf("%+v", s.Status())
	}
	close(tr.out)
}
