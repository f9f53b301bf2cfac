package sim

import (
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// class is what an id in a view or sample turns out to be.
type class uint8

const (
	isCorrect class = iota // and up
	isFaulty
	isDead // correct, but off or gone
	isPhantom
	classes
)

func (w *world) class(id peer.ID) class {
	switch m := w.member(id); {
	case m == nil:
		return isPhantom
	case m.faulty:
		return isFaulty
	case m.up:
		return isCorrect
	}
	return isDead
}

// counts are ids by class.
type counts [classes]int64

func (c *counts) add(d counts) {
	for i := range c {
		c[i] += d[i]
	}
}

func (c counts) total() int64 { return c[isCorrect] + c[isFaulty] + c[isDead] + c[isPhantom] }

// viewFaulty leaves the dead and the phantoms out, which would lower it.
func (c counts) viewFaulty() float64 { return ratio(c[isFaulty], c[isCorrect]+c[isFaulty]) }

// sampleFaulty counts phantoms as faulty and leaves the dead out.
func (c counts) sampleFaulty() float64 {
	bad := c[isFaulty] + c[isPhantom]
	return ratio(bad, c[isCorrect]+bad)
}

// ratio is a/b, 0 where there is nothing.
func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// sums are the counts of one round over all correct nodes that are up. They are of integers, so that neither the order
// of adding nor the number of cores shows.
type sums struct {
	nodes                        int64
	view, sample, victim         counts
	victimSample                 counts
	slots, filled                int64
	overloaded, kept             int64 // nodes
	isolated, isolatedBoth       int64 // nodes
	victimIsolated               int64
	messages, probes, deaths     int64
	perfect, judged, judgedNodes int64 // slots, slots, nodes
}

func (s *sums) add(t sums) {
	s.nodes += t.nodes
	s.view.add(t.view)
	s.sample.add(t.sample)
	s.victim.add(t.victim)
	s.victimSample.add(t.victimSample)
	s.slots += t.slots
	s.filled += t.filled
	s.overloaded += t.overloaded
	s.kept += t.kept
	s.isolated += t.isolated
	s.isolatedBoth += t.isolatedBoth
	s.victimIsolated += t.victimIsolated
	s.messages += t.messages
	s.probes += t.probes
	s.deaths += t.deaths
	s.perfect += t.perfect
	s.judged += t.judged
	s.judgedNodes += t.judgedNodes
}

// measure sums up the state after a round.
func (w *world) measure() sums {
	isVictim := make(map[int]bool)
	for _, n := range w.attack.victims() {
		isVictim[n] = true
	}
	parts := make([]sums, w.workers())
	w.eachOn(w.correct, func(worker int, m *member) {
		parts[worker].add(w.examine(m, isVictim[m.number]))
	})
	var s sums
	for _, p := range parts {
		s.add(p)
	}
	s.add(w.truth.judge())
	return s
}

// examine is the share of m in the sums of a round.
func (w *world) examine(m *member, victim bool) sums {
	s := sums{nodes: 1, slots: w.slotCount(m)}
	for _, id := range m.view {
		if id != m.id {
			s.view[w.class(id)]++
		}
	}
	for _, id := range m.node.Sample() {
		s.sample[w.class(id)]++
	}
	s.filled = int64(m.filled())
	if s.view[isCorrect] == 0 {
		s.isolated = 1
		if !slices.ContainsFunc(m.slots(), func(id peer.ID) bool { return w.class(id) == isCorrect }) {
			s.isolatedBoth = 1
		}
	}
	if victim {
		s.victim, s.victimSample, s.victimIsolated = s.view, s.sample, s.isolated
	}
	s.messages = int64(len(m.acts.Pushes) + len(m.acts.Pulls) + len(m.acts.Probes))
	s.probes = int64(len(m.acts.Probes))
	if node, ok := m.node.(brahms); ok {
		st := node.Status()
		s.deaths = int64(st.Deaths)
		if st.Overloaded {
			s.overloaded = 1
		}
		if st.Outcome.Kept() && (m.since == 0 || m.since < w.round) { // a newcomer's first Tick closes no round
			s.kept = 1
		}
	}
	return s
}

// slots returns the ids of all filled slots of the sample, those that do not count yet among them. The baselines serve all
// that they hold.
func (m *member) slots() []peer.ID { return m.slotsIf(anySlot) }

func anySlot(protocol.Sampled) bool { return true }

// slotsIf is slots of those that counts is true of.
func (m *member) slotsIf(counts func(protocol.Sampled) bool) []peer.ID {
	node, ok := m.node.(brahms)
	if !ok {
		return m.node.Sample()
	}
	slots := node.Slots()
	out := make([]peer.ID, 0, len(slots))
	for _, s := range slots {
		if s.ID != "" && counts(s) {
			out = append(out, s.ID)
		}
	}
	return out
}

// filled is the number of m's slots that hold an id.
func (m *member) filled() int {
	if node, ok := m.node.(brahms); ok {
		return node.Filled()
	}
	return len(m.node.Sample())
}

// holders returns for each of the given members that is up how many correct nodes have it in a slot of their sample.
func (w *world) holders(numbers []int) []int { return w.holdersIn(numbers, anySlot) }

// holdersIn is holders by the slots that counts is true of.
func (w *world) holdersIn(numbers []int, counts func(protocol.Sampled) bool) []int {
	var out []int
	count := make([][]int32, w.workers())
	for i := range count {
		count[i] = make([]int32, len(w.members))
	}
	w.eachOn(w.correct, func(worker int, m *member) {
		ids := m.slotsIf(counts)
		for i, id := range ids {
			if k := w.member(id); k != nil && !slices.Contains(ids[:i], id) {
				count[worker][k.number]++
			}
		}
	})
	for _, n := range numbers {
		if !w.members[n].up {
			continue
		}
		sum := 0
		for _, c := range count {
			sum += int(c[n])
		}
		out = append(out, sum)
	}
	return out
}
