package protocol

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// The rules by which a hardened view is renewed. Those of life and death are in life_test.go.

func TestOnePushCountsASenderAndRound(t *testing.T) {
	n := newNode(t, Hardened(20), names("p", 30)...)
	n.Tick()
	push(n, "b", "b", "b", "b", "b", "c")
	for round, want := range []Status{
		{Pushes: 2, PushRepeats: 3}, // one of b is carried over, three are repeats
		{Pushes: 1},
		{Pushes: 0},
	} {
		n.Tick()
		if s := n.Status(); s.Pushes != want.Pushes || s.PushRepeats != want.PushRepeats {
			t.Errorf("round %d: %d pushes and %d repeats, want %d and %d", round+1, s.Pushes, s.PushRepeats, want.Pushes, want.PushRepeats)
		}
	}
	for range 5 { // who always pushes twice counts once
		push(n, "b", "b")
		if n.Tick(); n.Status().Pushes != 1 {
			t.Errorf("two pushes a round count as %d", n.Status().Pushes)
		}
	}
}

// TestRepeatsCountWithoutTheRule: CountRepeats is the negative control of one push a sender and round. A sender that
// repeats itself then takes as many slots as it sends pushes, and overloads the node alone.
func TestRepeatsCountWithoutTheRule(t *testing.T) {
	for _, repeats := range []bool{false, true} {
		n := newNode(t, with(Hardened(20), func(p *Params) { p.Ablate.CountRepeats = repeats }), names("p", 30)...)
		n.Tick()
		push(n, "b", "b", "b", "b", "b", "c")
		n.Tick()
		want := map[bool]int{false: 1, true: 5}[repeats]
		if got := countIn(n.View(), among("b")); got != want || n.Status().Pushes != want+1 {
			t.Errorf("repeats count: %v: %d of %d pushes fill %d slots, want %d", repeats, want, n.Status().Pushes, got, want)
		}
		for range 11 {
			push(n, "d")
		}
		if n.Tick(); n.Status().Overloaded != repeats {
			t.Errorf("repeats count: %v: one sender overloads: %v", repeats, n.Status().Overloaded)
		}
	}
}

// TestPushesAreAUniformChoiceOfTheRound and not the first comers, nor the last.
func TestPushesAreAUniformChoiceOfTheRound(t *testing.T) {
	p := with(Hardened(20), func(p *Params) { p.Threshold = 100 })
	n := newNode(t, p)
	pushers := names("x", 40)
	counts := make([]int, len(pushers))
	for range 3000 {
		push(n, pushers...)
		n.Tick()
		for _, id := range distinct(n.View()) {
			counts[slices.Index(pushers, id)]++
		}
	}
	stattest.RequireUniform(t, counts, errorRate, 1)
	var v verdict
	first := make([]int, len(pushers))
	for i := range 8 {
		first[i] = 3000
	}
	if stattest.RequireUniform(&v, first, errorRate, 1); !v.failed {
		t.Error("the control is void: first comers pass for a uniform choice")
	}
}

type verdict struct{ failed bool }

func (v *verdict) Helper()               {}
func (v *verdict) Fatalf(string, ...any) { v.failed = true }

func TestOverloadRules(t *testing.T) {
	for _, tuples := range []bool{false, true} {
		for _, c := range []struct {
			rule              OverloadRule
			want              Outcome
			pushed, pulled, s int // slots filled, of 8, 6, 6
		}{
			{OverloadKeep, KeptOverload, 0, 0, 0},
			{OverloadRefill, Refilled, 0, 6, 14},
			{OverloadDrop, Refilled, 0, 6, 6},
		} {
			t.Run(fmt.Sprintf("%s,tuples=%v", c.rule, tuples), func(t *testing.T) {
				p := with(quiet(20), func(p *Params) { p.Overload, p.Tuples = c.rule, tuples })
				n := newNode(t, p, names("p", 30)...)
				a := n.Tick()
				before := n.View()
				n.sample.Confirm("s")
				flood := names("x", 11)
				push(n, flood...)
				for _, from := range a.Pulls {
					answer(t, n, from, names("y", 9)...)
					if len(a.Pulls) < 6 { // a repeated draw is one request that fills two slots
						n.in.replies[len(n.in.replies)-1].k = 6
					}
				}
				a = n.Tick()
				v := n.View()
				if a.Outcome != c.want || !n.Status().Overloaded {
					t.Errorf("outcome %v, overloaded %v", a.Outcome, n.Status().Overloaded)
				}
				if c.want.Kept() {
					if !slices.Equal(v, before) {
						t.Errorf("the view changed to %v", v)
					}
					return
				}
				got := [3]int{countIn(v, among(flood...)), countIn(v, among(names("y", 9)...)), countIn(v, among("s"))}
				if got != [3]int{c.pushed, c.pulled, c.s} || len(v) != c.pulled+c.s {
					t.Errorf("pushes, pulls and sample fill %v of %d", got, len(v))
				}
			})
		}
	}
}

// TestOverloadStillFeedsTheSample, or a newcomer would never be learned under flood. StarveOnOverload is the negative
// control.
func TestOverloadStillFeedsTheSample(t *testing.T) {
	for _, starve := range []bool{false, true} {
		p := with(quiet(20), func(p *Params) { p.Ablate.StarveOnOverload, p.Challenges, p.L2 = starve, 20, 256 })
		n := newNode(t, p, "friend")
		learned := false
		for range 30 {
			a := n.Tick()
			push(n, names("x", 30)...)
			push(n, "newcomer")
			exchange(t, n, a, everyone, "friend")
			learned = learned || slices.Contains(a.Probes, "newcomer") || n.sample.Holds("newcomer") > 0
		}
		if learned == starve {
			t.Errorf("starve=%v: the newcomer was learned: %v", starve, learned)
		}
	}
}

func TestDroppedPushesCount(t *testing.T) {
	n := newNode(t, Hardened(20), names("p", 30)...)
	push(n, names("x", 5)...)
	n.HandlePushOverflow(5)
	n.HandlePushOverflow(-7) // a driver's bug must not hide a flood
	if n.Tick(); n.Status().Overloaded || n.Status().PushOverflow != 5 {
		t.Errorf("5 pushes and 5 dropped are the threshold of 10: %+v", n.Status())
	}
	n.HandlePushOverflow(11)
	if a := n.Tick(); !n.Status().Overloaded || n.Status().PushOverflow != 11 {
		t.Errorf("11 dropped pushes are not taken for overload: %v %+v", a.Outcome, n.Status())
	}
	for i := range MaxPushers + 10 {
		push(n, peer.ID(fmt.Sprint("flood", i)))
	}
	if got := len(n.in.pushers); got != MaxPushers {
		t.Errorf("%d pushers are remembered", got)
	}
	if n.Tick(); n.Status().PushOverflow != 10 || n.Status().Pushes != MaxPushers {
		t.Errorf("got %+v", n.Status())
	}
}

func TestThresholdFollowsTheLowerQuartileOfReplies(t *testing.T) {
	for _, c := range []struct {
		name    string
		lengths []int
		want    int
	}{
		{"no reply", nil, 10},
		{"as long as our own", []int{20, 20, 20}, 10},
		{"shorter than our own", []int{3, 3, 3}, 10},
		{"a network of longer views", []int{60, 60, 60}, 30},
		{"a lying majority", []int{256, 256, 20, 256, 20, 256, 20, 256}, 10},
		{"the other lying minority", []int{60, 1, 60, 60, 60}, 30},
	} {
		for name, tuples := range map[string]bool{"hardened": false, "paper": true} {
			p := with(Hardened(20), func(p *Params) { p.Tuples = tuples })
			n := newNode(t, p, names("p", 5)...)
			a := n.Tick()
			for i, length := range c.lengths {
				answer(t, n, distinct(a.Pulls)[i%len(distinct(a.Pulls))], names("y", length)...)
				if n.asked[distinct(a.Pulls)[i%len(distinct(a.Pulls))]] == 0 {
					n.asked[distinct(a.Pulls)[i%len(distinct(a.Pulls))]] = 1
				}
			}
			n.Tick()
			want := c.want
			if tuples {
				want = 10
			}
			push(n, names("x", want)...)
			if n.Tick(); n.Status().Overloaded || n.Status().Threshold != want {
				t.Errorf("%s, %s: %d pushes are overload, the threshold says %d", c.name, name, want, n.Status().Threshold)
			}
		}
	}
	// The round after a threshold was reached exactly.
	n := newNode(t, Hardened(20), names("p", 30)...)
	if push(n, names("x", 11)...); n.Tick().Outcome == Renewed || !n.Status().Overloaded {
		t.Error("11 pushes are not overload")
	}
	// .29*100 is less than 29 in floating point.
	odd := with(Hardened(100), func(p *Params) { p.Alpha, p.Beta, p.Gamma, p.Threshold = .29, .41, .30, 1 })
	n = newNode(t, odd, names("p", 30)...)
	if push(n, names("x", 29)...); n.Tick().Outcome == Refilled || n.Status().Threshold != 29 {
		t.Errorf("29 pushes are overload where .29*100 are allowed: %+v", n.Status())
	}
}

func TestMissingSlotsComeFromTheSample(t *testing.T) {
	for _, c := range []struct{ pushes, pulls int }{{0, 6}, {3, 6}, {8, 0}, {8, 2}, {2, 2}, {0, 0}} {
		n := newNode(t, quiet(20), names("p", 30)...)
		n.Tick()
		n.sample.Confirm("s")
		push(n, names("x", c.pushes)...)
		for _, from := range names("q", c.pulls) {
			n.asked[from] = 1
			answer(t, n, from, names("y", 9)...)
		}
		n.Tick()
		v := n.View()
		got := [3]int{countIn(v, among(names("x", 9)...)), countIn(v, among(names("y", 9)...)), countIn(v, among("s"))}
		if want := [3]int{c.pushes, c.pulls, 20 - c.pushes - c.pulls}; got != want {
			t.Errorf("%d pushes and %d replies: pushes, pulls and sample fill %v, want %v", c.pushes, c.pulls, got, want)
		}
	}
}

func TestAReplyFillsOneSlotForEachDrawOfItsSender(t *testing.T) {
	n := newNode(t, quiet(20), "b")
	n.SetSeeds(nil)
	n.shares.Push = 0 // not a small network
	a := n.Tick()
	n.sample.Confirm("s")
	if !slices.Equal(a.Pulls, []peer.ID{"b"}) || n.asked["b"] != 6 {
		t.Fatalf("pulls of %v, asked %v; want b once, for all six draws", a.Pulls, n.asked)
	}
	answer(t, n, "b", names("y", 100)...)
	n.Tick()
	if got := countIn(n.View(), func(id peer.ID) bool { return id[0] == 'y' }); got != 6 {
		t.Errorf("the reply fills %d slots, want 6", got)
	}
}

func TestHistoryIsOfMatureSlots(t *testing.T) {
	p := with(quiet(20), func(p *Params) { p.Maturity = 5 })
	found := false
	for i := 0; i < 100 && !found; i++ { // until a newcomer wins slots that death cleared, and no other
		young := peer.ID(fmt.Sprint("young", i))
		n := newNode(t, p, names("p", 30)...)
		for range 6 {
			n.Tick()
			verify(n, names("old", 9)...)
		}
		n.sample.Clear(n.sample.Members()[0])
		verify(n, young)
		mature := n.Sample()
		if n.sample.Holds(young) == 0 || slices.Contains(mature, young) {
			continue
		}
		found = true
		for range 3 {
			n.Tick()
			if v := n.View(); len(v) != 20 || countIn(v, among(mature...)) != 20 {
				t.Errorf("the mature sample is %v, the view was filled with %v", mature, v)
			}
		}
	}
	if !found {
		t.Error("no newcomer won only young slots")
	}
}

func TestSelfIsDroppedEverywhere(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, self, "b", "")
		n.SetSeeds([]peer.ID{self, "b", ""})
		for range 40 {
			a := n.Tick()
			push(n, self, "", "b")
			n.HandleProbeResult(self, Alive)
			n.HandleProbeResult("", Alive)
			n.HandleProbeResult(self, Missed)
			for _, from := range a.Pulls {
				answer(t, n, from, self, "", self, "b", self)
			}
			for _, ids := range [][]peer.ID{a.Pushes, a.Pulls, a.Probes, n.View(), n.Sample()} {
				if slices.Contains(ids, self) || slices.Contains(ids, "") {
					t.Fatalf("self or nobody in %v", ids)
				}
			}
			verify(n, a.Probes...)
		}
		if v := n.View(); countIn(v, among("b")) == 0 {
			t.Errorf("the view is %v", v)
		}
	})
}

func TestAReplyOfSelfOnlyIsWorthNothing(t *testing.T) {
	n := newNode(t, quiet(20), names("p", 30)...)
	a := n.Tick()
	n.sample.Confirm("s")
	answer(t, n, a.Pulls[0], self, self, self)
	n.Tick()
	if got := countIn(n.View(), among("s")); got != 20 {
		t.Errorf("the sample fills %d slots, want all", got)
	}
}

// TestTheDeadLeaveTheView at every Tick, whether it is renewed or not.
func TestTheDeadLeaveTheView(t *testing.T) {
	for _, rule := range []OverloadRule{OverloadKeep, OverloadRefill} {
		p := with(quiet(20), func(p *Params) { p.Overload, p.Maturity = rule, 1000 })
		n := newNode(t, p, names("p", 5)...)
		a := n.Tick()
		dead := a.Pushes[0]
		for range 2 {
			push(n, names("x", 50)...) // overload
			exchange(t, n, a, func(id peer.ID) bool { return id != dead }, dead)
			a = n.Tick()
		}
		if slices.Contains(n.View(), dead) || len(n.View()) == 0 || a.Outcome.Kept() != (rule == OverloadKeep) {
			t.Errorf("%s: outcome %v, the dead %s in the view %v", rule, a.Outcome, dead, n.View())
		}
	}
}

func TestRefreshPolicies(t *testing.T) {
	for _, c := range []struct {
		policy                          RefreshPolicy
		nothing, pushed, pulled, either Outcome
	}{
		{RefreshAlways, Renewed, Renewed, Renewed, Renewed},
		{RefreshEither, KeptNoPush, Renewed, Renewed, Renewed},
		{RefreshBoth, KeptNoPush, KeptNoPull, KeptNoPush, Renewed},
	} {
		for i, want := range []Outcome{c.nothing, c.pushed, c.pulled, c.either} {
			for _, tuples := range []bool{false, true} {
				p := with(quiet(20), func(p *Params) { p.Refresh, p.Tuples = c.policy, tuples })
				n := newNode(t, p, names("p", 30)...)
				a := n.Tick()
				n.sample.Confirm("s")
				before := n.View()
				if i&1 != 0 {
					push(n, "x")
				}
				if i&2 != 0 {
					answer(t, n, a.Pulls[0], "y")
				}
				a = n.Tick()
				if a.Outcome != want || a.Outcome.Kept() != slices.Equal(n.View(), before) {
					t.Errorf("%s, push %v, reply %v, tuples %v: %v, want %v", c.policy, i&1 != 0, i&2 != 0, tuples, a.Outcome, want)
				}
			}
		}
	}
}

func TestANodeThatKnowsNobodyIsAlone(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p)
		for range 50 {
			if a := n.Tick(); a.Outcome != Alone || len(a.Pushes)+len(a.Pulls)+len(a.Probes) != 0 {
				t.Fatalf("%+v", a)
			}
		}
		// Its seeds are tried in turn until one answers.
		seeds := names("seed", 20)
		n.SetSeeds(seeds)
		tried := map[peer.ID]bool{}
		for range 3 {
			n.Retry()
			a := n.Tick()
			if len(a.Pulls) != maxSeedsAtOnce || !slices.Equal(a.Pulls, a.Pushes) {
				t.Fatalf("%+v", a)
			}
			for _, id := range a.Pulls {
				tried[id] = true
			}
			exchange(t, n, a, nobody)
		}
		if len(tried) != len(seeds) {
			t.Errorf("of %d seeds %d were tried in 3 rounds", len(seeds), len(tried))
		}
		n.Retry()
		a := n.Tick()
		answer(t, n, a.Pulls[0], "b", "c")
		push(n, a.Pulls[0])
		if a = n.Tick(); a.Outcome != Renewed || countIn(n.View(), among("b", "c")) == 0 {
			t.Errorf("after a seed answered: %v, the view is %v", a.Outcome, n.View())
		}
	})
}

func TestSeedsAreContactedAtALowRateAlways(t *testing.T) {
	p := quiet(20)
	n := newNode(t, p, names("p", 30)...)
	n.SetSeeds([]peer.ID{"s1", "s2"})
	var turns []peer.ID
	for range 4 * p.SeedEvery {
		a := n.Tick()
		exchange(t, n, a, everyone, names("p", 30)...)
		for _, id := range []peer.ID{"s1", "s2"} {
			if slices.Contains(a.Pulls, id) && slices.Contains(a.Pushes, id) && a.Round%uint64(p.SeedEvery) == 0 {
				turns = append(turns, id)
			}
		}
		n.sample.Clear("s1")
		n.sample.Clear("s2")
	}
	if want := []peer.ID{"s1", "s2", "s1", "s2"}; !slices.Equal(turns, want) {
		t.Errorf("in %d rounds the seeds had turns %v, want %v", 4*p.SeedEvery, turns, want)
	}
}

func TestInASmallNetworkEverybodyIsAskedOnceARoundAndKind(t *testing.T) {
	p := quiet(20)
	others := names("p", p.Shares().Push) // as many as still count as small
	n := newNode(t, p, others[:3]...)
	for range 5 {
		exchange(t, n, n.Tick(), everyone, others...)
		push(n, others...)
	}
	for range 20 {
		a := n.Tick()
		for name, ids := range map[string][]peer.ID{"pushes": a.Pushes, "pulls": a.Pulls} {
			got := slices.Sorted(slices.Values(ids))
			if !slices.Equal(got, others) {
				t.Fatalf("round %d: %s to %v, want everybody once", a.Round, name, got)
			}
		}
		if len(a.Probes) != 0 {
			t.Fatalf("probes of %v, who are contacted anyway", a.Probes)
		}
		exchange(t, n, a, everyone, others...)
		push(n, others...)
	}
}

// TestActionsAreDistinct: a distinct id is contacted once a round and kind, and not probed where it is contacted.
func TestActionsAreDistinct(t *testing.T) {
	n := newNode(t, quiet(20), names("p", 30)...)
	sawMultiple := false
	for range 200 {
		a := n.Tick()
		if !isDistinct(a.Pushes) || !isDistinct(a.Pulls) || !isDistinct(a.Probes) {
			t.Fatalf("%+v", a)
		}
		if countIn(a.Probes, among(append(slices.Clone(a.Pushes), a.Pulls...)...)) != 0 {
			t.Fatalf("probes %v, pushes %v, pulls %v", a.Probes, a.Pushes, a.Pulls)
		}
		for _, k := range n.asked {
			sawMultiple = sawMultiple || k > 1
		}
		exchange(t, n, a, everyone, names("p", 30)...)
		push(n, names("p", 8)...)
	}
	if !sawMultiple {
		t.Error("the control is void: no id was drawn twice")
	}
}

func TestRefusedRepliesLeaveNoTrace(t *testing.T) {
	n := newNode(t, quiet(20), names("p", 5)...)
	a := n.Tick()
	from := a.Pulls[0]
	if err := n.HandlePullReply(from, names("y", MaxReply+1)); !errors.Is(err, ErrOversized) {
		t.Errorf("oversized: %v", err)
	}
	if err := n.HandlePullReply("stranger", names("y", 3)); !errors.Is(err, ErrUnsolicited) {
		t.Errorf("unsolicited: %v", err)
	}
	answer(t, n, from, "z")
	if err := n.HandlePullReply(from, names("y", 3)); !errors.Is(err, ErrUnsolicited) {
		t.Errorf("double: %v", err)
	}
	asked := from
	if n.Tick(); n.asked[asked] == 0 {
		asked = ""
	}
	if err := n.HandlePullReply("late", names("y", 3)); !errors.Is(err, ErrUnsolicited) || asked == "late" {
		t.Errorf("late: %v", err)
	}
	if countIn(n.View(), func(id peer.ID) bool { return id[0] == 'y' }) != 0 || n.Status().Pulls != 1 {
		t.Errorf("refused replies reached the view %v", n.View())
	}
}

// TestAReplyMayBeShared: it is not copied, so it must not be changed, nor kept beyond its round.
func TestAReplyMayBeShared(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, names("p", 5)...)
		ids := append(names("y", 9), self, "", "y1", "dead")
		want := slices.Clone(ids)
		n.life.once.bury("dead", 0, 99, false)
		answer(t, n, n.Tick().Pulls[0], ids...)
		push(n, "p1")
		if n.Tick(); !slices.Equal(ids, want) || countIn(n.View(), func(id peer.ID) bool { return id[0] == 'y' }) == 0 {
			t.Errorf("after it was used for the view %q the reply is %q", n.View(), ids)
		}
		if kept := n.in.replies[:1]; kept[0].ids != nil {
			t.Errorf("the reply is kept beyond its round: %q", kept[0].ids)
		}
	})
}
