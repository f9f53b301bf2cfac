package sim

import (
	"slices"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// oracle computes perfect from scratch: for each slot of each measured node it hashes all ids that count.
type oracle struct {
	w     *world
	since map[int]int // round in which a member came up last, kept by the test
}

func (o *oracle) look() {
	for n := range o.w.members {
		if _, ok := o.since[n]; !ok {
			o.since[n] = o.w.round
		}
	}
}

func (o *oracle) counts(m *member) bool {
	if !m.up {
		return false
	}
	if came := o.since[m.number]; came > 0 && o.w.round < came+30 {
		return false
	}
	return !m.faulty || o.w.attack.dialable(o.w, m)
}

func (o *oracle) judge(measured []int) (perfect, of, nodes int64) {
	for _, n := range measured {
		m := o.w.members[n]
		if !m.up {
			continue
		}
		nodes++
		node := m.node.(brahms).Node
		slots := node.Slots()
		least := make([]uint64, len(slots))
		want := make([]peer.ID, len(slots))
		for _, x := range o.w.members {
			if x == m || !o.counts(x) {
				continue
			}
			for i, h := range node.Hashes(nil, x.id) {
				if want[i] == "" || h < least[i] {
					least[i], want[i] = h, x.id
				}
			}
		}
		// Young slots count only at the start of the simulation: a node that came or returned is judged by mature ones.
		young := o.since[n] == 0 && !slices.ContainsFunc(slots, func(s protocol.Sampled) bool { return s.Mature && s.ID != "" })
		for i, s := range slots {
			if !s.Mature && !young {
				continue
			}
			of++
			if want[i] != "" && s.ID == want[i] {
				perfect++
			}
		}
	}
	return perfect, of, nodes
}

// flapping takes correct nodes off and brings them back, and notes when.
func (o *oracle) flapping(each, length int) func(*world) {
	back := map[int][]int{}
	return func(w *world) {
		if numbers := back[w.round]; len(numbers) > 0 {
			w.on(numbers)
			for _, n := range numbers {
				o.since[n] = w.round
			}
		}
		gone := w.pick(each)
		w.off(gone)
		back[w.round+length] = gone
	}
}

func TestPerfectAgainstHashingEverything(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		stage  func(*staged, *oracle)
	}{
		{"quiet", func(*Config) {}, func(*staged, *oracle) {}},
		{"churn", func(c *Config) { c.Churn = .02 }, func(*staged, *oracle) {}},
		{"joins", func(c *Config) { c.Join, c.JoinAt = 8, 5 }, func(*staged, *oracle) {}},
		{"flapping", func(*Config) {}, func(s *staged, o *oracle) { s.onBegin = o.flapping(1, 5) }},
		{"flapping again before it counts, with churn off", func(*Config) {}, func(s *staged, o *oracle) { s.onBegin = o.flapping(3, 2) }},
		{"newcomers while some flap", func(c *Config) { c.Join, c.JoinAt = 10, 12 }, func(s *staged, o *oracle) { s.onBegin = o.flapping(2, 7) }},
		{"new keys", func(c *Config) { c.Preset, c.Loss, c.Churn = "paper", .1, .01 }, func(*staged, *oracle) {}},
		{"new keys and flapping", func(c *Config) { c.Preset, c.Loss = "paper", .02 }, func(s *staged, o *oracle) { s.onBegin = o.flapping(1, 4) }},
		{"half of the faulty silent", func(*Config) {}, func(s *staged, _ *oracle) {
			s.onAnswer = func(x exchange) (protocol.ProbeOutcome, int) {
				if x.to == nil || x.to.number%2 == 0 {
					return protocol.Missed, 0
				}
				return protocol.Alive, 0
			}
		}},
		{"the faulty fall silent", func(*Config) {}, func(s *staged, o *oracle) {
			s.onAnswer = func(x exchange) (protocol.ProbeOutcome, int) {
				if o.w.round > 40 {
					return protocol.Missed, 0
				}
				return protocol.Alive, 0
			}
		}},
		{"new faulty ids", func(c *Config) { c.Churn = .01 }, func(s *staged, _ *oracle) {
			s.onBegin = func(w *world) {
				if w.round%3 == 0 {
					w.enter(true)
				}
			}
		}},
		{"most leave at once", func(*Config) {}, func(s *staged, _ *oracle) {
			s.onBegin = func(w *world) {
				if w.round == 35 {
					w.leave(w.pick(34)) // more than a slot's candidates
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := network(50, 75, func(c *Config) { c.Faulty, c.Workers = .2, 2 }, c.change)
			w := build(t, cfg)
			o := &oracle{w: w, since: map[int]int{}}
			o.look()
			s := &staged{}
			c.stage(s, o)
			w.attack = s
			moved, last := false, int64(-1)
			for range cfg.Rounds {
				w.step()
				o.look()
				got := w.measure()
				perfect, of, nodes := o.judge(w.correct)
				if got.perfect != perfect || got.judged != of || got.judgedNodes != nodes {
					t.Fatalf("round %d: %d of %d slots of %d nodes are perfect, hashing everything gives %d of %d of %d",
						w.round, got.perfect, got.judged, got.judgedNodes, perfect, of, nodes)
				}
				if !slices.IsSorted(w.correct) {
					t.Fatalf("round %d: the correct nodes are not in order: %v", w.round, w.correct)
				}
				moved = moved || last >= 0 && perfect != last
				last = perfect
			}
			if !moved || last == 0 {
				t.Errorf("the test tells nothing: perfect slots never changed, or ended at %d", last)
			}
		})
	}
}

// TestPerfectIsOfAllSlotsWhileNoneIsMature, and then of the mature ones, empty ones against it.
func TestPerfectIsOfAllSlotsWhileNoneIsMature(t *testing.T) {
	w := build(t, network(40, 40))
	all := int64(len(w.correct) * w.params.L2)
	for w.round < 29 {
		w.step()
		if s := w.measure(); s.judged != all {
			t.Fatalf("round %d: %d slots were judged, want all %d while none is mature", w.round, s.judged, all)
		}
	}
	for range 5 {
		w.step()
		w.measure()
	}
	// A dead id's slots start anew and count no more until they are mature again.
	gone := w.members[w.correct[0]]
	holding := int64(0)
	for _, n := range w.correct[1:] {
		for _, s := range w.members[n].node.(brahms).Slots() {
			if s.ID == gone.id {
				holding++
			}
		}
	}
	if holding == 0 {
		t.Fatal("nobody sampled the node that is to leave")
	}
	w.leave([]int{gone.number})
	for range 20 {
		w.step()
	}
	w.truth = newTruth(w) // as if it had just begun to look
	if s := w.measure(); s.judged != int64(len(w.correct)*w.params.L2)-holding {
		t.Errorf("%d slots were judged of %d, %d were cleared", s.judged, len(w.correct)*w.params.L2, holding)
	}
}

func TestLargeNetworksAreMeasuredInPart(t *testing.T) {
	w := build(t, network(exactUpTo+1, 1))
	numbers := slices.Clone(w.truth.measured())
	if len(numbers) != measured || len(w.truth.nodes) != measured {
		t.Errorf("%d nodes are measured, want %d", len(numbers), measured)
	}
	if !slices.IsSorted(numbers) {
		t.Error("the measured nodes are not in order")
	}
	if numbers[measured-1] < exactUpTo/2 {
		t.Error("only nodes of low numbers are measured")
	}
	w.leave(slices.Clone(numbers[:10]))
	again := w.truth.measured()
	if len(again) != measured || len(w.truth.nodes) != measured || slices.Contains(again, numbers[0]) || !slices.Contains(again, numbers[20]) {
		t.Errorf("after 10 left %d nodes are measured, want %d, those that stayed among them", len(again), measured)
	}
}
