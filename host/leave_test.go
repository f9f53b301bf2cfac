package host

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// holders is how many live services have id in view or sample.
func (sw *fakeSwarm) holders(id peer.ID) (n int) {
	for _, s := range sw.live() {
		if s.self != id && holds(s, id) {
			n++
		}
	}
	return n
}

// TestLeaverIsForgottenByAll: whoever holds a leaver asks it within a round of probes, so that it need not go on answering
// for longer, and nobody who heard it holds it at the end of that round. None of them counts a death.
func TestLeaverIsForgottenByAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := newFakeSwarm(t, 30, second/2, WithLeaveQuiet(2*second))
		after(60*second + second/3)
		leaver := sw.all[peerNo(5)]
		before, deaths := sw.holders(leaver.self), 0
		if before < 20 {
			t.Fatalf("only %d of 29 hold it", before)
		}
		start, left := time.Now(), make(chan time.Duration, 1)
		go func() {
			if err := leaver.Leave(context.Background()); err != nil {
				t.Errorf("Leave: %v", err)
			}
			left <- time.Since(start)
		}()
		lap := (leaver.cfg.params.L2 + leaver.cfg.params.Probes - 1) / leaver.cfg.params.Probes
		last := 0
		for round := 1; round <= lap+8; round++ {
			settle(second)
			for _, s := range sw.live() {
				deaths += s.Snapshot().Node.Deaths
			}
			if sw.holders(leaver.self) > 0 {
				last = round
			}
		}
		t.Logf("of %d that held it the last forgot it %d rounds after it began to leave; Leave took %v", before, last+1, <-left)
		if last > lap+1 || deaths != 0 {
			t.Errorf("somebody held the leaver for %d rounds, want at most %d; %d deaths", last, lap+1, deaths)
		}
		sw.kill(leaver.self)
		sw.close()
	})
}

// sampleHolders are the live services that have id in a slot.
func (sw *fakeSwarm) sampleHolders(id peer.ID) (n int) {
	for _, s := range sw.live() {
		if slices.ContainsFunc(s.Snapshot().Slots, func(x protocol.Sampled) bool { return x.ID == id }) {
			n++
		}
	}
	return n
}

// TestLeaverReturns: under the same id, at once, it wins back the slots that it had: keys are kept. Those to whom it pushes
// take it up in the next rounds, the others when they do no longer refuse what gossip says of it.
func TestLeaverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := newFakeSwarm(t, 30, second/2, WithLeaveQuiet(2*second))
		after(60*second + second/3)
		gone := sw.all[peerNo(5)]
		before := sw.sampleHolders(gone.self)
		if err := gone.Leave(context.Background()); err != nil {
			t.Errorf("Leave: %v", err)
		}
		for sw.holders(gone.self) > 0 {
			settle(second)
		}
		sw.join(t, gone.self, WithBootstrap(infos(peerNo(6))...))
		back := 0
		for round := 1; round <= 20 && back == 0; round++ {
			settle(second)
			if sw.sampleHolders(gone.self) >= before {
				back = round
			}
		}
		t.Logf("%d of 29 sampled it before it left, as many again %d rounds after its return", before, back)
		if before < 15 || back == 0 || back > 12 {
			t.Errorf("%d of 29 sampled it before it left, as many again %d rounds after its return", before, back)
		}
		sw.close()
	})
}

// TestPullFromLeaver: the view is served until the end, with the word that its owner leaves, the same bytes for everybody;
// so a newcomer that knows only the leaver meets the others.
func TestPullFromLeaver(t *testing.T) {
	t.Parallel()
	ha, hb, hc := newHost(t), newHost(t), newHost(t)
	a := join(t, ha)
	b := join(t, hb, at(ha))
	c := join(t, hc, at(ha), WithLeaveQuiet(time.Minute))
	met(t, a, b, c)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- c.Leave(ctx) }()
	eventually(t, func() bool { return !c.Active() && !holds(a, c.self) && !holds(b, c.self) }, "a and b hear that c leaves")

	hd := newHost(t)
	if err := hd.Connect(t.Context(), peer.AddrInfo{ID: c.self, Addrs: hc.Addrs()}); err != nil {
		t.Fatal(err)
	}
	var answers []wire.PullResponse
	for range 2 {
		st, err := hd.NewStream(t.Context(), c.self, c.protocols[pull])
		if err != nil {
			t.Fatal(err)
		}
		var res wire.PullResponse
		if err := ask(st, wire.PullRequest{}, wire.MaxPullResponse, func(frame []byte) (err error) {
			res, err = wire.DecodePullResponse(frame)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, res)
	}
	if r := answers[0]; r.Status != wire.StatusLeaving || len(r.Entries) == 0 || !slices.EqualFunc(r.Entries, answers[1].Entries,
		func(x, y wire.Entry) bool { return x.Count == y.Count && slices.Equal(x.Record, y.Record) }) {
		t.Errorf("two pulls from a leaver: %v with %d entries, %v with %d", r.Status, len(r.Entries), answers[1].Status, len(answers[1].Entries))
	}
	d := join(t, hd, at(hc))
	eventually(t, func() bool { return samples(d, a.self) && samples(d, b.self) }, "a newcomer meets the others by the leaver's view")
	if holds(d, c.self) {
		t.Error("the newcomer holds the leaver")
	}
	cancel()
	if err := <-left; err != context.Canceled {
		t.Errorf("Leave returned %v", err)
	}
}

// TestLeaverIsAskedNoMore: after the word that a peer leaves the other exchanges of the job are left out.
func TestLeaverIsAskedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newFakeNet(func(_ context.Context, k kind, id peer.ID) answer {
			a := yes(k, peerNos(1, 5)...)
			if id == peerNo(0) {
				a.outcome = protocol.Leaving
			}
			return a
		})
		s := fakeService(t, net, steady(WithBootstrap(infos(peerNo(0))...))...)
		s.start()
		settle(5*second + second/2)
		if calls := net.seen(peerNo(0)); len(calls) != 1 || calls[0].kind != pull {
			t.Errorf("a peer that leaves was asked %d times: %+v", len(calls), calls)
		}
		if snap := s.Snapshot(); snap.Node.Deaths != 0 || len(snap.Peers) != 4 || snap.Node.Pulls == 0 {
			t.Errorf("its view was not used: %+v", snap.Node)
		}
		s.Close()
	})
}

// TestToldIsBounded: who comes while we leave is remembered up to a bound, beyond which nobody holds Leave up.
func TestToldIsBounded(t *testing.T) {
	in := newInbound()
	in.watch()
	for i := range maxTold + 100 {
		in.last = time.Time{}
		in.arrived(peerNo(i))
		news := !in.last.IsZero()
		if news != (i < maxTold) {
			t.Fatalf("comer %d holds Leave up: %v", i, news)
		}
	}
	if len(in.told) != maxTold {
		t.Errorf("%d remembered", len(in.told))
	}
}

// TestHalvesMeetAgain: two halves of 12 that reach nobody of the other one for 60 rounds know none of them any more, and
// are one network again by the one seed that leads across. Without its turn they never are.
func TestHalvesMeetAgain(t *testing.T) {
	merge := func(t *testing.T, p protocol.Params) (apart bool, rounds int) {
		synctest.Test(t, func(t *testing.T) {
			const n = 12
			sw := newFakeSwarm(t, 2*n, second/10, WithParams(p))
			after(40*second + second/3)
			sw.mu.Lock()
			sw.cut = func(a, b peer.ID) bool { return (a < peerNo(n)) != (b < peerNo(n)) }
			sw.mu.Unlock()
			settle(60 * second)
			apart = sw.across(n) == 0
			sw.mu.Lock()
			sw.cut = nil
			sw.mu.Unlock()
			for round := 1; round <= 60 && rounds == 0; round++ {
				settle(second)
				if sw.across(n) > 1 { // one each way makes one component
					rounds = round
				}
			}
			sw.close()
		})
		return apart, rounds
	}
	p := protocol.Hardened(40)
	apart, rounds := merge(t, p)
	t.Logf("apart %v, together %d rounds after the cut", apart, rounds)
	most := p.SeedEvery + p.SeedEvery/10 + 2 // a turn of rounds that jitter makes longer, and the exchange
	if !apart || rounds == 0 || rounds > most {
		t.Errorf("apart %v, together after %d rounds, want at most %d", apart, rounds, most)
	}
	p.SeedEvery = 1 << 20
	if apart, rounds = merge(t, p); !apart || rounds != 0 {
		t.Errorf("the negative control does not show: apart %v, together after %d rounds without seeds", apart, rounds)
	}
}

// across is in how many of the two directions somebody of one half, the first n and the others, knows one of the other.
func (sw *fakeSwarm) across(n int) (ways int) {
	known := map[bool]bool{}
	for _, s := range sw.live() {
		snap := s.Snapshot()
		ids := slices.Clone(snap.View)
		for _, slot := range snap.Slots {
			ids = append(ids, slot.ID)
		}
		first := s.self < peerNo(n)
		for _, id := range ids {
			if id != "" && (id < peerNo(n)) != first {
				known[first] = true
			}
		}
	}
	return len(known)
}
