package sim

import (
	"reflect"
	"slices"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestAttackPoisonedStart: the faulty have their share of the first views, up to all, of distinct ids. Who joins later has
// first contacts like anybody. Balanced poisons nobody.
func TestAttackPoisonedStart(t *testing.T) {
	for _, c := range []struct {
		name        string
		share, want float64
	}{
		{"poisoned-start", -1, .8}, {"poisoned-start", 0, 0}, {"poisoned-start", .25, .25}, {"poisoned-start", .5, .5},
		{"poisoned-start", 1, 1},
		{"balanced", -1, -1},
	} {
		cfg := under(c.name, 100, func(x *Config) { x.L1, x.Share, x.Perfect = 20, c.share, false })
		w := build(t, cfg)
		var all counts
		for _, n := range w.correct {
			m := w.members[n]
			view := m.node.View()
			if len(view) != 20 || slices.Contains(view, m.id) || repeats(view) {
				t.Fatalf("%+v: node %d begins with %d ids: %v", c, n, len(view), w.classes(view))
			}
			got := w.classes(view)
			all.add(got)
			if c.want >= 0 && got[isFaulty] != int64(c.want*20+.5) {
				t.Fatalf("%+v: node %d begins with %d faulty ids of 20", c, n, got[isFaulty])
			}
		}
		if c.want < 0 {
			stattest.RequireBinomial(t, int(all[isFaulty]), int(all.total()), 20./99, falseAlarm, cfg.Seed)
		}
		w.round = 1
		var late counts
		for range 40 {
			m := w.arrive()
			view := m.node.View()
			if slices.Contains(view, m.id) || repeats(view) {
				t.Fatalf("%+v: newcomer %d begins with %d ids: %v", c, m.number, len(view), w.classes(view))
			}
			late.add(w.classes(view))
		}
		if got := late.viewFaulty(); got > .25 || got < .1 {
			t.Errorf("%+v: newcomers begin with a faulty share of %.2f", c, got)
		}
	}
	// Fewer faulty nodes than places: all of them, and no correct one in their stead.
	w := build(t, under("poisoned-start", 60, func(x *Config) { x.L1, x.Share, x.Perfect = 40, 1, false }))
	for _, n := range w.correct {
		if got := w.classes(w.members[n].node.View()); got[isFaulty] != 12 || got.total() != 12 {
			t.Fatalf("with 12 faulty nodes and share 1 a first view holds %v", got)
		}
	}
}

// TestAttackEclipseJoin: newcomers know faulty nodes only, and one correct seed. Under the hardened rules that gets them
// out; a newcomer without it stays in.
func TestAttackEclipseJoin(t *testing.T) {
	for _, c := range []struct {
		about string
		seed  bool
	}{{"with the seed", true}, {"control: without", false}} {
		w := build(t, under("eclipse-join", 60, func(c *Config) {
			c.Victims, c.Start, c.Perfect = 3, 5, false
		}))
		steps(w, 4)
		if len(w.attack.victims()) > 0 || len(w.members) != 60 {
			t.Fatalf("%d victims before their time", len(w.attack.victims()))
		}
		w.round++ // as step does, up to the first tick of the newcomers
		w.attack.begin(w)
		aim := slices.Clone(w.attack.victims())
		if len(aim) != 3 || len(w.members) != 63 || len(w.correct) != 51 {
			t.Fatalf("victims %v of %d members", aim, len(w.members))
		}
		for _, n := range aim {
			m := w.members[n]
			if view := m.node.View(); len(view) == 0 || !only(w.classes(view), isFaulty) || m.since != 5 {
				t.Fatalf("victim %d of round %d begins with %v", n, m.since, w.classes(view))
			}
			if !c.seed {
				m.node.(brahms).SetSeeds(w.idsOf(w.faulty))
			}
		}
		if others := w.arrive(); w.classes(others.node.View())[isCorrect] == 0 {
			t.Error("a newcomer that is no victim knows faulty nodes only")
		}
		// Round 5 is left at that. A victim is out once it knows a correct node, and one knows it.
		isOut := func(n int) bool {
			return w.classes(append(w.members[n].slots(), w.members[n].view...))[isCorrect] > 0 && w.holders([]int{n})[0] > 0
		}
		out := 0
		for out < len(aim) && w.round < 150 {
			w.step()
			out = 0
			for _, n := range aim {
				if isOut(n) {
					out++
				}
			}
		}
		if want := map[bool]int{true: 3}[c.seed]; out != want {
			t.Errorf("%s: %d victims are out by round %d, want %d", c.about, out, w.round, want)
		}
		if len(w.attack.victims()) != 3 {
			t.Errorf("%d victims in the end", len(w.attack.victims()))
		}
	}
}

// TestAttackEclipseJoinSeeds: of all that a newcomer comes back to by itself one is correct, and was there before.
func TestAttackEclipseJoinSeeds(t *testing.T) {
	w := build(t, under("eclipse-join", 60, func(c *Config) {
		c.Victims, c.Start, c.Perfect = 8, 1, false
		c.Override = map[string]string{"seed-every": "1"}
	}))
	w.round = 1
	w.attack.begin(w)
	seeds := map[peer.ID]bool{}
	for _, n := range w.attack.victims() {
		own := map[peer.ID]bool{}
		for range 8 { // two laps over four seeds; nothing is told to the node, so its view stays as it is
			acts := w.members[n].node.Tick()
			for _, id := range append(acts.Pushes, acts.Pulls...) {
				if w.class(id) != isFaulty {
					own[id], seeds[id] = true, true
				}
			}
		}
		if len(own) != 1 {
			t.Errorf("newcomer %d contacts %d correct nodes, want its one seed", n, len(own))
		}
	}
	for id := range seeds {
		if m := w.member(id); !m.up || m.since != 0 || slices.Contains(w.attack.victims(), m.number) {
			t.Errorf("seed %d came in round %d", m.number, m.since)
		}
	}
	if len(seeds) < 3 {
		t.Errorf("8 newcomers have %d correct seeds", len(seeds))
	}
}

// TestAttackChurnStorm: the share leaves in one round, once and for good.
func TestAttackChurnStorm(t *testing.T) {
	for _, c := range []struct {
		share float64
		left  int
	}{{-1, 24}, {.25, 36}, {0, 48}, {1, 2}} {
		w, _ := stage(t, under("churn-storm", 60, func(x *Config) { x.Share, x.Start = c.share, 4 }))
		before := slices.Clone(w.correct)
		for round := 1; round <= 8; round++ {
			w.step()
			want := 48
			if round >= 4 {
				want = c.left
			}
			if len(w.correct) != want || len(w.faulty) != 12 || len(w.members) != 60 {
				t.Fatalf("share %v, round %d: %d correct and %d faulty nodes, want %d and 12", c.share, round, len(w.correct), len(w.faulty), want)
			}
		}
		for _, n := range before {
			if m := w.members[n]; m.up != slices.Contains(w.correct, n) || m.up == (m.node == nil) {
				t.Fatalf("node %d is %+v", n, m)
			}
		}
		for _, n := range w.faulty {
			if !w.members[n].up {
				t.Errorf("faulty node %d left", n)
			}
		}
	}
}

// TestAttackFlap: each round the share goes off and returns so many rounds later, the same node in the same state.
func TestAttackFlap(t *testing.T) {
	const length = 3
	w, puppets := stage(t, under("flap", 60, func(c *Config) { c.Share, c.Length = .125, length }))
	everything(w, puppets)
	offSince := map[int]int{}
	ticks := map[int]int{}
	returned := 0
	for round := 1; round <= 20; round++ {
		for i, p := range puppets {
			ticks[i] = p.ticks
		}
		w.step()
		off := 0
		upBefore := 48 - len(offSince)
		back := 0
		for i := range puppets {
			m := w.members[i]
			since, was := offSince[i]
			if due := was && round == since+length; due {
				back++
				returned++
				delete(offSince, i)
				if m.up && m.since != round {
					t.Fatalf("round %d: node %d is back since %d", round, i, m.since)
				}
				was = false
			}
			switch {
			case was && m.up:
				t.Fatalf("round %d: node %d is back, it went off in %d", round, i, since)
			case !was && !m.up:
				off++
				offSince[i] = round
			}
			if m.node != participant(puppets[i]) {
				t.Fatalf("round %d: node %d is another", round, i)
			}
			if got := puppets[i].ticks - ticks[i]; (got == 1) != m.up {
				t.Fatalf("round %d: node %d ticks %d times, up: %v", round, i, got, m.up)
			}
			if m.up != slices.Contains(w.correct, i) {
				t.Fatalf("round %d: node %d is up: %v, among the correct: %v", round, i, m.up, !m.up)
			}
		}
		// A share of .125 of those that are up, rounded at random.
		up := upBefore + back
		if want := .125 * float64(up); float64(off) <= want-1 || float64(off) >= want+1 {
			t.Errorf("round %d: %d of %d go off, want %v", round, off, up, want)
		}
		for i, p := range puppets {
			for id := range p.replies {
				if to := w.member(id); !to.up && w.members[i].up {
					t.Fatalf("round %d: node %d, which is off, answered", round, to.number)
				}
			}
		}
	}
	if returned < 48 {
		t.Errorf("the test cannot fail: nodes returned %d times", returned)
	}
	for _, n := range w.faulty {
		if !w.members[n].up {
			t.Errorf("faulty node %d is off", n)
		}
	}
}

// TestAttackFlapKeepsState: a real node that was off comes back with the view and slots that it left with.
func TestAttackFlapKeepsState(t *testing.T) {
	w := build(t, under("flap", 60, func(c *Config) { c.Share, c.Length, c.Perfect = .1, 4, false }))
	steps(w, 10)
	gone := without(seq(48), w.correct)
	type state struct {
		node        participant
		view, slots any
	}
	look := func(m *member) state { return state{m.node, m.node.View(), m.slots()} }
	before := map[int]state{}
	w.round++
	w.attack.begin(w) // of round 11
	for _, n := range without(without(seq(48), w.correct), gone) {
		before[n] = look(w.members[n])
	}
	steps(w, 3)
	w.round++
	w.attack.begin(w) // of round 15, before anybody ticks
	if len(before) == 0 {
		t.Fatal("nobody went off")
	}
	for n, was := range before {
		m := w.members[n]
		if now := look(m); now.node != was.node || !reflect.DeepEqual(now, was) || m.id != makeID(memberID, uint64(n)) {
			t.Errorf("node %d is not what it was", n)
		}
		if m.since != 15 && m.up {
			t.Errorf("node %d is back since %d", n, m.since)
		}
	}
}

// TestAttackFlapLeavesOne: however many go off, one stays, and all return.
func TestAttackFlapLeavesOne(t *testing.T) {
	w, _ := stage(t, under("flap", 60, func(c *Config) { c.Share, c.Length = 1, 2 }))
	for range 12 {
		if w.step(); len(w.correct) < 1 {
			t.Fatalf("round %d: nobody is up", w.round)
		}
	}
}

// TestAttackPartition: during the cut nothing passes between the halves, before and after everything does. Afterwards the
// network grows together.
func TestAttackPartition(t *testing.T) {
	const from, length = 3, 4
	w, puppets := stage(t, under("partition", 60, func(c *Config) { c.Start, c.Length = from, length }))
	everything(w, puppets) // with the faulty too
	for round := 1; round <= 10; round++ {
		w.step()
		cut := round >= from && round < from+length
		across, passed := 0, 0
		within, met := 0, 0
		faulty := [2]int{} // pushes that arrived, within a half and across
		for i, p := range puppets {
			for id, o := range p.outcomes {
				ok := slices.Equal(o, []protocol.ProbeOutcome{protocol.Alive})
				_, replied := p.replies[id]
				if replied && !ok {
					t.Fatalf("round %d: a reply of %d, of which node %d was told %v", round, w.member(id).number, i, o)
				}
				if w.member(id).number%2 == i%2 {
					if within++; ok {
						met++
					}
				} else if across++; ok {
					passed++
				}
			}
			for _, id := range p.pushes {
				n := w.member(id).number
				if w.members[n].faulty {
					faulty[(n+i)%2]++
				} else if cut && n%2 != i%2 {
					t.Fatalf("round %d: a push of %d reached %d", round, n, i)
				}
			}
		}
		want := across
		if cut {
			want = 0
		}
		if passed != want || met != within || across == 0 || within == 0 {
			t.Errorf("round %d: %d of %d exchanges pass between the halves, %d of %d within", round, passed, across, met, within)
		}
		if (faulty[1] == 0) != cut || faulty[0] == 0 {
			t.Errorf("round %d: %d faulty pushes arrive within a half, %d across", round, faulty[0], faulty[1])
		}
	}
}

// TestAttackPartitionHeals: a cut leaves two networks, and they become one again some rounds after it.
func TestAttackPartitionHeals(t *testing.T) {
	w := build(t, under("partition", 80, func(c *Config) { c.Start, c.Length, c.Rounds = 10, 60, 120 }))
	steps(w, 9)
	if n, _ := w.graph().components(); n != 1 {
		t.Fatalf("%d components before the cut", n)
	}
	steps(w, 60)
	if n, largest := w.graph().components(); n < 2 || largest > 32 {
		t.Errorf("the test cannot fail: %d components at the end of the cut, the largest of %d nodes", n, largest)
	}
	for w.step(); w.round < 100; w.step() {
	}
	if n, _ := w.graph().components(); n != 1 {
		t.Errorf("%d components 30 rounds after the cut", n)
	}
}
