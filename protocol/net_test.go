package protocol

import (
	"fmt"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"
)

// testNet is a small network of nodes in lock step: every node ticks, then every exchange of the round happens. It is
// what the tests of this package need; the attack laboratory is internal/sim.
type testNet struct {
	rng    *rand.Rand
	ids    []peer.ID
	nodes  map[peer.ID]*Node // correct live nodes
	faulty []peer.ID
	bad    map[peer.ID]bool
	dead   map[peer.ID]bool
	views  map[peer.ID][]peer.ID
	acts   map[peer.ID]Actions // of the last round

	loss     float64 // share of exchanges that fail
	force    float64 // pushes of a faulty node a round, in honest nodes' worth
	phantom  bool    // pull replies of faulty nodes name ids that never answer
	fakes    int
	replyLen int              // of faulty nodes, 0 for l1
	silent   map[peer.ID]bool // nodes that do not answer in this round
}

func testRand(seed uint64) *rand.Rand {
	return rand.New(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 0x5e}))
}

func testID(i int) peer.ID { return peer.ID(fmt.Sprintf("peer-%06d-with-the-length-of-an-id", i)) }

// newTestNet makes n nodes of which the last share faulty are faulty, each with l1 random first contacts.
func newTestNet(n int, faulty float64, p Params, seed uint64) *testNet {
	t := &testNet{
		rng: testRand(seed), nodes: map[peer.ID]*Node{}, bad: map[peer.ID]bool{}, dead: map[peer.ID]bool{},
		views: map[peer.ID][]peer.ID{}, acts: map[peer.ID]Actions{}, force: 1, silent: map[peer.ID]bool{},
	}
	for i := range n {
		t.ids = append(t.ids, testID(i))
	}
	correct := n - int(faulty*float64(n)+.5)
	for _, id := range t.ids[correct:] {
		t.faulty, t.bad[id] = append(t.faulty, id), true
	}
	for i, id := range t.ids[:correct] {
		var first []peer.ID
		for range p.L1 {
			first = append(first, t.ids[t.rng.IntN(n)])
		}
		node, err := New(id, p, first, testRand(seed*1000+uint64(i)+1))
		if err != nil {
			panic(err)
		}
		t.nodes[id] = node
	}
	return t
}

func (t *testNet) correct() []peer.ID {
	var out []peer.ID
	for _, id := range t.ids {
		if t.nodes[id] != nil {
			out = append(out, id)
		}
	}
	return out
}

func (t *testNet) kill(id peer.ID) { delete(t.nodes, id); t.dead[id] = true }

func (t *testNet) lost() bool { return t.loss > 0 && t.rng.Float64() < t.loss }

// up reports whether an exchange with id succeeds.
func (t *testNet) up(id peer.ID) bool {
	return (t.nodes[id] != nil || t.bad[id]) && !t.silent[id] && !t.lost()
}

func (t *testNet) round() {
	live := t.correct()
	for _, id := range live {
		t.acts[id] = t.nodes[id].Tick()
		t.views[id] = t.nodes[id].View()
	}
	if len(t.faulty) > 0 {
		p := t.nodes[live[0]].p
		for _, id := range t.faulty {
			for range int(t.force * p.Alpha * float64(p.L1)) {
				t.nodes[live[t.rng.IntN(len(live))]].HandlePush(id)
			}
		}
	}
	for _, id := range live {
		n, a := t.nodes[id], t.acts[id]
		for _, to := range a.Pushes {
			if !t.up(to) {
				n.HandleProbeResult(to, Missed)
				continue
			}
			if peer := t.nodes[to]; peer != nil {
				peer.HandlePush(id)
			}
			n.HandleProbeResult(to, Alive)
		}
		for _, to := range a.Pulls {
			if !t.up(to) {
				n.HandleProbeResult(to, Missed)
				continue
			}
			if err := n.HandlePullReply(to, t.reply(to, n.p.L1)); err != nil {
				panic(err)
			}
			n.HandleProbeResult(to, Alive)
		}
		for _, to := range a.Probes {
			o := Alive
			if !t.up(to) {
				o = Missed
			}
			n.HandleProbeResult(to, o)
		}
	}
}

func (t *testNet) reply(from peer.ID, l int) []peer.ID {
	if !t.bad[from] {
		return t.views[from]
	}
	if t.replyLen > 0 {
		l = t.replyLen
	}
	var ids []peer.ID
	for range l {
		if t.phantom {
			t.fakes++
			ids = append(ids, peer.ID(fmt.Sprintf("phantom-%06d-with-the-length-of-an-id", t.fakes)))
			continue
		}
		ids = append(ids, t.faulty[t.rng.IntN(len(t.faulty))])
	}
	return ids
}

// shares returns the share of faulty (or never existing) ids in views and in counting sample slots, the share of slots
// that are filled, and the share of node slots that name the dead.
func (t *testNet) shares() (viewFaulty, sampleFaulty, filled, deadInSamples float64) {
	var v, vf, s, sf, slots, full, dead float64
	for _, id := range t.correct() {
		n := t.nodes[id]
		for _, x := range n.View() {
			v++
			if t.bad[x] || (t.nodes[x] == nil && !t.dead[x]) {
				vf++
			}
		}
		for _, x := range n.Sample() {
			s++
			if t.bad[x] || (t.nodes[x] == nil && !t.dead[x]) {
				sf++
			}
		}
		for _, x := range n.Slots() {
			slots++
			if x.ID != "" {
				full++
			}
			if t.dead[x.ID] {
				dead++
			}
		}
	}
	return vf / v, sf / s, full / slots, dead / slots
}
