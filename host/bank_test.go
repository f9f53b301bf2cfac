package host

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// shortBank are parameters with a bank of the given slots that are mature after so many rounds.
func shortBank(slots, maturity int) Option {
	p := protocol.Hardened(40)
	p.Bank, p.BankMaturity = slots, maturity
	return WithParams(p)
}

// crowded starts a service with a bank in a bubble, in a network of n peers that all answer.
func crowded(t *testing.T, n int, opts ...Option) *Service {
	ids := peerNos(0, n)
	net := newFakeNet(func(_ context.Context, k kind, _ peer.ID) answer { return yes(k, ids...) })
	s := fakeService(t, net, steady(append([]Option{WithBootstrap(infos(ids...)...)}, opts...)...)...)
	s.start()
	return s
}

// ended is a context that has ended: Fresh does not wait.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestEachPickIsTakenOnce: many take from the trays of two rounds at once, and each place goes to one of them. Negative
// control: trays with marks of their own hand everything out twice.
func TestEachPickIsTakenOnce(t *testing.T) {
	const places, takers = 500, 16
	for _, shared := range []bool{true, false} {
		trays := [2]*tray{{}, {}}
		for i := range places {
			mark := new(atomic.Bool)
			for k, tr := range trays {
				if k > 0 && !shared {
					mark = new(atomic.Bool)
				}
				tr.picks = append(tr.picks, pick{peer.AddrInfo{ID: peerNo((i + 7*k) % places)}, mark})
			}
		}
		var taken atomic.Int64
		var all sync.WaitGroup
		for g := range takers {
			all.Go(func() {
				for k := g; ; k++ {
					_, one := trays[k%2].take()
					_, other := trays[(k+1)%2].take()
					for _, ok := range []bool{one, other} {
						if ok {
							taken.Add(1)
						}
					}
					if !one && !other {
						return
					}
				}
			})
		}
		all.Wait()
		want := int64(places)
		if !shared {
			want *= 2
		}
		if taken.Load() != want || shared && trays[0].left()+trays[1].left() != 0 {
			t.Errorf("shared marks %v: %d of %d places taken, want %d", shared, taken.Load(), places, want)
		}
	}
}

// TestPicksAcrossRounds: while rounds go by, callers together get no more than the slots yield, each slot once in its time.
func TestPicksAcrossRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, maturity, callers, rounds = 12, 3, 8, 60
		s := crowded(t, 50, shortBank(slots, maturity))
		var got atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for {
					peers, err := s.Fresh(ctx, 1)
					got.Add(int64(len(peers)))
					if err != nil {
						return
					}
				}
			})
		}
		settle(rounds * second)
		cancel()
		all.Wait()
		st := s.Status().Picks
		if st.Taken != uint64(got.Load()) || st.Slots != slots {
			t.Errorf("%d were taken, status says %+v", got.Load(), st)
		}
		if most := int64(slots * (rounds/maturity + 1)); got.Load() > most || got.Load() < most/2 {
			t.Errorf("%d fresh peers in %d rounds from %d slots of maturity %d, want %d at most and half of that at least",
				got.Load(), rounds, slots, maturity, most)
		}
		if n := len(s.loop.marks); n > slots {
			t.Errorf("%d marks for %d slots", n, slots)
		}
		s.Close()
	})
}

// TestFresh: it takes what there is, waits for the rest, and says why it came back with less.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowded(t, 50, shortBank(4, 5))
		if peers, err := s.Fresh(ended(), 1); len(peers) != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("before the first round: %v, %v", peers, err)
		}
		settle(10 * second)
		if left := s.Status().Picks.Left; left != 4 {
			t.Fatalf("%d of 4 slots have somebody", left)
		}
		if peers, err := s.Fresh(ended(), 3); len(peers) != 3 || err != nil {
			t.Errorf("three of four: %v, %v", peers, err)
		}
		if peers, err := s.Fresh(ended(), 3); len(peers) != 1 || !errors.Is(err, context.Canceled) {
			t.Errorf("three of one that is left: %v, %v", peers, err)
		}
		before := s.Snapshot().Round
		peers, err := s.Fresh(t.Context(), 6)
		if rounds := s.Snapshot().Round - before; len(peers) != 6 || err != nil || rounds < 6 || rounds > 20 {
			t.Errorf("six from four slots: %v, %v, after %d rounds", peers, err, rounds)
		}
		for _, n := range []int{0, -1} {
			if peers, err := s.Fresh(ended(), n); len(peers) != 0 || err != nil {
				t.Errorf("Fresh(%d): %v, %v", n, peers, err)
			}
		}
		gone := errors.New("the caller has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		if _, err := s.Fresh(ctx, 100); !errors.Is(err, gone) {
			t.Errorf("the cause of the context is lost: %v", err)
		}
		closed := make(chan error)
		go func() { _, err := s.Fresh(context.Background(), 100); closed <- err }()
		synctest.Wait()
		s.Close()
		if err := <-closed; !errors.Is(err, ErrClosed) {
			t.Errorf("closed while it waits: %v", err)
		}
	})
}

// TestRandomTakesFreshOnesFirst, then draws from the sample, and the status tells the two apart.
func TestRandomTakesFreshOnesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowded(t, 200, shortBank(6, 5))
		settle(15 * second)
		if got := s.Random(2); len(got) != 2 {
			t.Fatalf("Random(2): %v", got)
		}
		// Of six slots some may name one peer, and a repeat is used up: 15 pairs of 200.
		if st := s.Status().Picks; st.Taken < 2 || st.Taken > 4 || st.Repeated != 0 || st.Left < 2 || st.Left > 4 {
			t.Errorf("after two of six: %+v", st)
		}
		if got := s.Random(10); len(got) != 10 {
			t.Errorf("Random(10): %v", got)
		}
		if st := s.Status().Picks; st.Taken > 6 || st.Taken < 3 || st.Repeated < 6 || st.Left != 0 {
			t.Errorf("after twelve of six: %+v", st)
		}
		before := s.Status().Picks
		if got := s.Draw(10); len(got) != 10 || s.Status().Picks != before {
			t.Errorf("Draw(10): %v, %+v", got, s.Status().Picks)
		}
		s.Close()
	})
}

// TestWithoutABank: Random draws from the sample, Fresh says what is missing.
func TestWithoutABank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowded(t, 50, WithBank(0))
		settle(40 * second)
		if got := s.Random(5); len(got) != 5 {
			t.Errorf("Random(5): %v", got)
		}
		if st := s.Status().Picks; st != (PickStatus{}) {
			t.Errorf("status: %+v", st)
		}
		if _, err := s.Fresh(t.Context(), 1); !errors.Is(err, ErrNoBank) {
			t.Errorf("Fresh: %v", err)
		}
		s.Close()
	})
}

// TestBankOptions: the default, what goes without one, and what is refused.
func TestBankOptions(t *testing.T) {
	for _, c := range []struct {
		opts []Option
		want int
	}{
		{nil, DefaultBank},
		{[]Option{WithBank(0)}, 0},
		{[]Option{WithBank(100), WithViewSize(60)}, 100},
		{[]Option{WithPreset("paper")}, 0},
		{[]Option{WithParams(protocol.Hardened(40))}, 0},
	} {
		if cfg, err := newConfig(c.opts); err != nil || cfg.params.Bank != c.want {
			t.Errorf("bank of %d slots, %v, want %d", cfg.params.Bank, err, c.want)
		}
	}
	for want, opts := range map[string][]Option{
		"bank=-1 must be between 0 and 1024":                     {WithBank(-1)},
		"bank=1025 must be between 0 and 1024":                   {WithBank(1025)},
		"bank=5 must be 0 where ids are fed directly: what it h": {WithBank(5), WithPreset("paper")},
	} {
		if err := CheckOptions(opts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	cfg, _ := newConfig(nil)
	if none, _ := newConfig([]Option{WithBank(0)}); cfg.limits.Dials <= none.limits.Dials {
		t.Errorf("the budget of dials knows nothing of the bank: %d, %d without one", cfg.limits.Dials, none.limits.Dials)
	}
}

// TestProvenOnlyHoldsForPicks: who answered over a connection of its own dialling only is not handed out.
func TestProvenOnlyHoldsForPicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := peerNos(0, 30)
		net := newFakeNet(func(_ context.Context, k kind, id peer.ID) answer {
			a := yes(k, ids...)
			if id < peerNo(15) {
				a.outcome = protocol.AliveUnproven
			}
			return a
		})
		s := fakeService(t, net, steady(WithBootstrap(infos(ids...)...), shortBank(20, 3), WithProvenOnly(true))...)
		s.start()
		settle(12 * second)
		peers, _ := s.Fresh(ended(), 20)
		if len(peers) == 0 || len(peers) == 20 {
			t.Errorf("%d of 20 picks are of proven peers", len(peers))
		}
		for _, p := range peers {
			if p.ID < peerNo(15) {
				t.Errorf("%s is handed out unproven", p.ID)
			}
		}
		s.Close()
	})
}

// TestFreshPeersOfRealHosts: they come with addresses that reach them, and rounds bring more.
func TestFreshPeersOfRealHosts(t *testing.T) {
	t.Parallel()
	first := newHost(t)
	a := join(t, first, shortBank(8, 3))
	all := map[peer.ID]bool{}
	for range 4 {
		h := newHost(t)
		join(t, h, shortBank(8, 3), at(first))
		all[h.ID()] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*second)
	defer cancel()
	peers, err := a.Fresh(ctx, 20)
	if err != nil || len(peers) != 20 {
		t.Fatalf("%d fresh peers, %v", len(peers), err)
	}
	third := newHost(t)
	for _, p := range peers {
		if !all[p.ID] {
			t.Fatalf("%s is nobody of this network", p.ID)
		}
		if err := third.Connect(ctx, p); err != nil {
			t.Errorf("the address of a fresh peer does not reach it: %v", err)
		}
	}
	if st := a.Status().Picks; st.Taken != 20 || st.Repeated != 0 {
		t.Errorf("status %+v", st)
	}
}
