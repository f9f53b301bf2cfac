package protocol

import (
	"math"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/sampler"
)

// TestSizeIsTheCubeRoot: comparing cubes gives what the cube root gives.
func TestSizeIsTheCubeRoot(t *testing.T) {
	for n := range 300_000 {
		root := math.Cbrt(float64(n))
		if exact := math.Round(root); exact*exact*exact == float64(n) {
			root = exact
		}
		if want := min(max(40, int(math.Ceil(4*root))), 256); Size(n) != want {
			t.Fatalf("Size(%d) = %d, want %d", n, Size(n), want)
		}
	}
}

// TestResizedKeepsTheProportions: sizes that a node has come to are as good as sizes that it was given.
func TestResizedKeepsTheProportions(t *testing.T) {
	for l := 40; l <= MaxL1; l++ {
		if got, want := Hardened(40).Resized(l), Hardened(l); got != want {
			t.Errorf("resized to %d: %+v\nmade for it: %+v", l, got, want)
		}
	}
	p := with(Hardened(40), func(p *Params) { p.AdaptMin, p.AdaptMax, p.ViewFine, p.Diverse = 3, 4096, 0, 0 })
	for l := p.AdaptMin; l <= p.AdaptMax; l++ {
		q := p.Resized(l)
		if err := q.Validate(); err != nil {
			t.Fatalf("resized to %d: %v", l, err)
		}
		if q.L1 != min(l, MaxL1) || q.L2 != l || q.ViewFine != 0 || q.Diverse != 0 || q.Resized(40) == q && l != 40 {
			t.Fatalf("resized to %d: %+v", l, q)
		}
	}
}

func adaptive(l, most int) Params {
	return with(Hardened(l), func(p *Params) { p.AdaptMin, p.AdaptMax = l, most })
}

// TestNextSize: up by at most a quarter in a maturity time, down by at most an eighth in two, never beyond the bounds,
// and not at all within a standard error or where nothing is known.
func TestNextSize(t *testing.T) {
	p := adaptive(40, 256)
	at := func(n, stderr float64) SizeEstimate { return SizeEstimate{N: n, StdErr: stderr, OK: true} }
	for _, c := range []struct {
		size   int
		e      SizeEstimate
		rounds uint64
		want   int
	}{
		{40, at(10_000, 1600), 29, 40}, {40, at(10_000, 1600), 30, 50}, {50, at(10_000, 1600), 30, 62}, {80, at(10_000, 1600), 30, 87},
		{40, SizeEstimate{}, 1000, 40}, {87, SizeEstimate{}, 1000, 87},
		{87, at(10_000, 1600), 1000, 87}, {84, at(10_000, 1600), 1000, 84}, {90, at(10_000, 1600), 1000, 90}, // within 1 standard error: 82 to 91
		{81, at(10_000, 1600), 1000, 87}, {92, at(10_000, 1600), 1000, 87},
		{87, at(10, 2), 59, 87}, {87, at(10, 2), 60, 77}, {44, at(10, 2), 60, 40}, {40, at(10, 2), 60, 40},
		{250, at(1e9, 1e8), 30, 256}, {256, at(1e9, 1e8), 30, 256}, {40, at(1, 0), 60, 40}, {40, at(math.Inf(1), 0), 30, 50},
	} {
		if got := p.nextSize(c.size, c.e, c.rounds); got != c.want {
			t.Errorf("from %d by %+v after %d rounds: %d, want %d", c.size, c.e, c.rounds, got, c.want)
		}
	}
}

// TestSizesFollow feeds a node a network that grows at once from nothing to 10,000 nodes and loses all but 300 later.
func TestSizesFollow(t *testing.T) {
	p := adaptive(40, 256)
	n := newNode(t, p, "b")
	ids := make([]peer.ID, 9999)
	for i := range ids {
		ids[i] = testID(i)
	}
	feed := func(ids []peer.ID) {
		n.sample.Feed(ids, sampler.Namer{}, func(peer.ID) sampler.Verdict { return sampler.Trusted })
	}
	type step struct {
		round    uint64
		from, to int
	}
	// run returns the steps that the size takes, and fails t where one breaks what must hold.
	run := func(rounds int, ids []peer.ID) (steps []step) {
		for range rounds {
			feed(ids)
			before, slots, status := n.p, n.Slots(), n.Status()
			a := n.Tick()
			requireBounds(t, n, a)
			verify(n, a.Pushes...)
			s := n.Status()
			if s.L1 != n.p.L1 || s.L2 != n.p.L2 || n.shares != n.p.Shares() || n.sample.Len() != s.L2 || n.p != p.Resized(s.L2) {
				t.Fatalf("round %d: sizes %d and %d, parameters %+v", s.Round, s.L1, s.L2, n.p)
			}
			if s.L2 == before.L2 {
				continue
			}
			steps = append(steps, step{s.Round, before.L2, s.L2})
			after := n.Slots()
			held := map[uint64]Sampled{}
			for _, x := range slots {
				held[x.Key] = x
			}
			for i, x := range after { // what was served is served, and nothing that is young
				if was, ok := held[x.Key]; ok && i < min(len(slots), len(after)) && was.Mature && (x.ID != was.ID || !x.Mature) {
					t.Fatalf("round %d: slot %d went from %+v to %+v", s.Round, i, was, x)
				}
			}
			if s.SampleMature < min(status.SampleMature, s.L2*3/4) {
				t.Fatalf("round %d: %d mature slots, there were %d", s.Round, s.SampleMature, status.SampleMature)
			}
		}
		return steps
	}
	up := run(250, ids)
	for i, x := range up {
		if i > 0 && x.round-up[i-1].round < 30 || x.to < x.from || x.to > x.from+x.from/4 {
			t.Errorf("growing: %+v", up)
		}
	}
	e := n.Status().Size
	if l := n.Status().L2; l < p.fitting(e.N-e.StdErr) || l > p.fitting(e.N+e.StdErr) || l < 78 || l > 96 || len(up) < 4 || up[0].round < 30 {
		t.Errorf("after 250 rounds of 10,000 nodes: %+v, estimate %+v", up, e)
	}
	for _, id := range ids[299:] {
		n.sample.Clear(id)
	}
	down := run(700, ids[:299])
	for i, x := range down {
		if i > 0 && x.round-down[i-1].round < 60 || x.to > x.from || x.to < x.from-x.from/8 {
			t.Errorf("shrinking: %+v", down)
		}
	}
	if s := n.Status(); s.L1 != 40 || s.L2 != 40 || !s.Size.OK || math.Abs(s.Size.N-300) > 3*s.Size.StdErr {
		t.Errorf("after 700 rounds of 300 nodes: %d slots, estimate %+v, steps %+v", s.L2, s.Size, down)
	}

	still := newNode(t, Hardened(40), "b") // the control: without AdaptMax nothing moves
	for range 100 {
		still.sample.Feed(ids, sampler.Namer{}, func(peer.ID) sampler.Verdict { return sampler.Trusted })
		still.Tick()
	}
	if s := still.Status(); s.L1 != 40 || s.L2 != 40 || !s.Size.OK {
		t.Errorf("sizes that are fixed: %+v", s)
	}
}

// TestTheSampleKeepsItsSize: where KeepSample is set the view alone follows, and the sample's slots and budgets are what they were.
func TestTheSampleKeepsItsSize(t *testing.T) {
	p := with(Hardened(320), func(p *Params) {
		p.L1, p.ViewFine, p.ViewCoarse = 40, Hardened(40).ViewFine, Hardened(40).ViewCoarse
		p.AdaptMin, p.AdaptMax, p.KeepSample = 40, 256, true
	})
	n := newNode(t, p, "b")
	ids := make([]peer.ID, 9999)
	for i := range ids {
		ids[i] = testID(i)
	}
	slots := n.Slots()
	for range 250 {
		n.sample.Feed(ids, sampler.Namer{}, func(peer.ID) sampler.Verdict { return sampler.Trusted })
		n.Tick()
	}
	s := n.Status()
	if l := Hardened(s.L1); s.L1 < 78 || s.L1 > 96 || s.L2 != 320 || n.p.ViewFine != l.ViewFine || n.p.ViewCoarse != l.ViewCoarse || n.shares != n.p.Shares() {
		t.Errorf("a view of %d and a sample of %d among 10,000, parameters %+v", s.L1, s.L2, n.p)
	}
	if want := Hardened(320); n.p.Probes != want.Probes || n.p.Challenges != want.Challenges || n.p.MaxDeaths != want.MaxDeaths || n.p.Diverse != want.Diverse {
		t.Errorf("budgets of the sample moved with the view: %+v", n.p)
	}
	for i, x := range n.Slots() {
		if x.Key != slots[i].Key {
			t.Fatalf("slot %d has another key than before", i)
		}
	}
}

// TestNewSlotsAreOfferedWhoAnswered: they need not wait for gossip.
func TestNewSlotsAreOfferedWhoAnswered(t *testing.T) {
	n := newNode(t, adaptive(40, 256), "b")
	ids := names("id", 60)
	n.Tick()
	verify(n, ids...)
	n.status.Size = SizeEstimate{N: 5000, OK: true}
	n.round = 30
	if n.adapt(); n.p.L2 != 50 || n.sample.Filled() != 50 || n.status.SampleFilled != 50 {
		t.Errorf("%d slots, %d filled, status says %d", n.p.L2, n.sample.Filled(), n.status.SampleFilled)
	}
}

// TestANewcomerWithAShortViewIsNotOverloaded in a network whose views are 87 long: 35 pushes a round are normal there. The
// threshold goes by what replies show. With replies of 40 (the negative control) it is overloaded in every round.
func TestANewcomerWithAShortViewIsNotOverloaded(t *testing.T) {
	for _, c := range []struct {
		length    int
		low, high int // overloaded rounds of 100
	}{{87, 0, 15}, {40, 95, 100}} {
		n, r := newNode(t, Hardened(40), names("seed", 20)...), testRand(7)
		ids := names("id", 500)
		over := 0
		for round := range 101 {
			a := n.Tick()
			if round > 0 && n.Status().Overloaded {
				over++
			}
			for _, id := range a.Pulls {
				answer(t, n, id, ids[:c.length]...)
			}
			for _, id := range ids {
				if r.Float64() < 35./500 {
					push(n, id)
				}
			}
		}
		if over < c.low || over > c.high {
			t.Errorf("replies of %d: overloaded in %d of 100 rounds, want %d to %d", c.length, over, c.low, c.high)
		}
	}
}

// TestAViewThatIsTooLongIsCut at random, not at its end.
func TestAViewThatIsTooLongIsCut(t *testing.T) {
	n := newNode(t, adaptive(40, 256), names("b", 40)...)
	n.resize(80)
	n.view = names("v", 80)
	n.resize(70)
	if v := n.View(); len(v) != 70 || slices.Equal(v, names("v", 80)[:70]) || !isDistinct(v) {
		t.Errorf("the view is %d long", len(v))
	}
}
