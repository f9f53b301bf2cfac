package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// How the word perfect is computed: a slot is perfect if it holds the id of least hash under its current key among all
// ids other than the node's own that are dialable and have been up for upLong rounds: younger ones cannot have spread.
const (
	upLong     = 30
	exactUpTo  = 2000 // nodes of a simulation in which all correct nodes are measured
	measured   = 256  // correct nodes that are measured in larger ones
	candidates = 8    // least ids that are remembered for each slot, so that leavers do not cost hashing all ids again
)

// truth knows which id each slot of the measured nodes should hold. A nil truth knows nothing and costs nothing.
type truth struct {
	w       *world
	rng     *rand.Rand // its own: the adversary draws the same without a truth
	nodes   map[int]*judged
	chosen  []int     // who is measured where not all are, in order of their numbers
	pending []arrival // of members that have not been up long enough yet, in order of time
}

// arrival is that a member came up. One that went off since has another when it comes back, or none.
type arrival struct{ number, since int }

// judged is a measured node.
type judged struct {
	round int      // in which it was judged last: whatever came up while it was off is not in best
	keys  []uint64 // of the slots, when best was computed
	best  [][]candidate
	sums  []uint64 // scratch
}

// candidate is one of the least ids of a slot, in ascending order.
type candidate struct {
	hash   uint64
	number int
}

func newTruth(w *world) *truth {
	return &truth{w: w, rng: w.seeded('t', 0), nodes: make(map[int]*judged)}
}

// measured returns the numbers of the nodes to judge in this round: all correct ones that are up, in large networks some,
// who stay the same until they leave.
func (t *truth) measured() []int {
	for n := range t.nodes {
		if t.w.members[n].node == nil {
			delete(t.nodes, n) // gone for ever
		}
	}
	numbers := t.w.correct
	if t.w.cfg.most() > exactUpTo {
		t.chosen = slices.DeleteFunc(t.chosen, func(n int) bool { return t.w.members[n].node == nil })
		for len(t.chosen) < min(measured, len(t.w.correct)) {
			n := t.w.correct[t.rng.IntN(len(t.w.correct))]
			if i, found := slices.BinarySearch(t.chosen, n); !found {
				t.chosen = slices.Insert(t.chosen, i, n)
			}
		}
		numbers = nil
		for _, n := range t.chosen {
			if t.w.members[n].up {
				numbers = append(numbers, n)
			}
		}
	}
	for _, n := range numbers {
		if t.nodes[n] == nil {
			t.nodes[n] = &judged{}
		}
	}
	return numbers
}

// entered notes that a member came up.
func (t *truth) entered(number int) {
	if t != nil {
		t.pending = append(t.pending, arrival{number, t.w.round})
	}
}

// settled reports whether the member counts as part of the network. Those of the start do at once.
func (t *truth) settled(m *member) bool {
	return m.up && (m.since == 0 || t.w.round-m.since >= upLong) && (!m.faulty || t.w.attack.dialable(t.w, m))
}

// judge counts the perfect slots of the measured nodes that are up, among the slots that count (protocol.Node.Sample).
func (t *truth) judge() sums {
	if t == nil {
		return sums{}
	}
	var fresh []int
	for len(t.pending) > 0 {
		a := t.pending[0]
		if t.w.round-a.since < upLong {
			break
		}
		if m := t.w.members[a.number]; t.settled(m) {
			fresh = append(fresh, m.number)
		}
		t.pending = t.pending[1:]
	}
	numbers := t.measured()
	parts := make([]sums, t.w.workers())
	t.w.eachOn(numbers, func(worker int, m *member) {
		perfect, of := t.slots(t.nodes[m.number], m, fresh)
		parts[worker].add(sums{perfect: perfect, judged: of, judgedNodes: 1})
	})
	var s sums
	for _, p := range parts {
		s.add(p)
	}
	return s
}

// slots returns how many slots of m are perfect, of how many that count.
func (t *truth) slots(j *judged, m *member, fresh []int) (perfect, of int64) {
	m.addr.judged = true // by where ids are, not by what is claimed
	defer func() { m.addr.judged = false }()
	node := m.node.(brahms).Node
	slots := node.Slots()
	stale := len(j.keys) != len(slots) || j.round != t.w.round-1
	j.round = t.w.round
	for i := range slots {
		stale = stale || slots[i].Key != j.keys[i]
	}
	if stale {
		t.rebuild(j, m, slots)
	}
	for _, n := range fresh {
		if n != m.number && !stale {
			j.insert(node, n, t.w.members[n].id)
		}
	}
	// At the start of the simulation young slots count, until the first filled one is mature, as they do for users: t50 to
	// t99 tell how a network converges. A newcomer is judged by its mature slots only.
	mature := m.since > 0 || slices.ContainsFunc(slots, func(s protocol.Sampled) bool { return s.ID != "" && s.Mature })
	for i, s := range slots {
		if mature && !s.Mature {
			continue
		}
		of++
		want, ok := t.least(j, i)
		if !ok {
			t.rebuild(j, m, slots)
			if want, ok = t.least(j, i); !ok {
				continue // nobody is left
			}
		}
		if s.ID == want {
			perfect++
		}
	}
	return perfect, of
}

// least is the id that slot i should hold. It fails if all that are remembered are gone.
func (t *truth) least(j *judged, i int) (peer.ID, bool) {
	for _, c := range j.best[i] {
		if m := t.w.members[c.number]; t.settled(m) {
			return m.id, true
		}
	}
	return "", false
}

// rebuild looks at all members.
func (t *truth) rebuild(j *judged, m *member, slots []protocol.Sampled) {
	j.keys = j.keys[:0]
	j.best = make([][]candidate, len(slots))
	for i := range slots {
		j.keys = append(j.keys, slots[i].Key)
		j.best[i] = make([]candidate, 0, candidates+1)
	}
	node := m.node.(brahms).Node
	for _, other := range t.w.members {
		if other != m && t.settled(other) {
			j.insert(node, other.number, other.id)
		}
	}
}

// insert puts a member among the candidates of each slot where it belongs there.
func (j *judged) insert(node *protocol.Node, number int, id peer.ID) {
	j.sums = node.Hashes(j.sums, id)
	for i, h := range j.sums {
		best := j.best[i]
		if len(best) == candidates && h >= best[len(best)-1].hash {
			continue
		}
		k, found := slices.BinarySearchFunc(best, candidate{h, number}, func(a, b candidate) int {
			if a.hash != b.hash {
				if a.hash < b.hash {
					return -1
				}
				return 1
			}
			return a.number - b.number
		})
		if found {
			continue // it was away and is remembered
		}
		best = slices.Insert(best, k, candidate{h, number})
		j.best[i] = best[:min(len(best), candidates)]
	}
}
