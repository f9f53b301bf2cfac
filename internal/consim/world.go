package consim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	consensuswire "github.com/brahms-p2p/brahms-p2p/consensus/wire"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const epoch = 1

// A world is one run. Nodes are numbered: the correct ones first, then the faulty.
type world struct {
	c       Config
	rng     *rand.Rand
	correct int
	round   int
	ids     []peer.ID
	nodes   []*machine.Machine // of the correct
	starts  []int              // round of the first tick
	answers []*machine.Answer  // of the correct, of this round; nil: says nothing
	sizes   []int              // of the frames of those, in bytes
	fixed   [][]int            // FixedPicks, FromPool: the peers that each draws from
	taken   []int              // scratch of draw: the last draw that took the node
	draws   int

	clean, camps []machine.Item
	known        []machine.ID                // of both, ascending
	items        map[machine.ID]machine.Item // every item that there is: what faulty nodes can serve
	foe          foe

	polled, fetched, refused int
	sent                     int   // bytes of polls and answers of the correct
	closedAt                 []int // round, 0: open
}

func newWorld(c Config) (*world, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], c.Seed)
	w := &world{
		c: c, rng: rand.New(rand.NewChaCha8(seed)), correct: c.Nodes - int(math.Round(c.Faulty*float64(c.Nodes))),
		taken: make([]int, c.Nodes), items: map[machine.ID]machine.Item{},
	}
	for i := range c.Nodes {
		w.ids = append(w.ids, peer.ID(fmt.Sprintf("node%05d", i)))
	}
	for i := range w.correct {
		var s [32]byte
		binary.LittleEndian.PutUint64(s[:], w.rng.Uint64())
		m, err := machine.New(c.Params, rand.New(rand.NewChaCha8(s)))
		if err != nil {
			return nil, err
		}
		w.nodes = append(w.nodes, m)
		start := 0
		if float64(i) < c.Late*float64(w.correct) {
			start = c.Params.Window + c.LateAt
		}
		w.starts = append(w.starts, start)
	}
	w.answers, w.sizes = make([]*machine.Answer, w.correct), make([]int, w.correct)
	w.closedAt = make([]int, w.correct)
	w.fixed = make([][]int, w.correct)
	for i := range c.Items {
		w.clean = append(w.clean, w.item(w.correct-1-i%w.correct, "clean", i)) // of nodes that are not late
	}
	for i := range c.Camps {
		w.camps = append(w.camps, w.item(c.Nodes-1-i%c.Nodes, "camp", i))
	}
	for id := range w.items {
		w.known = append(w.known, id)
	}
	slices.SortFunc(w.known, func(a, b machine.ID) int { return bytes.Compare(a[:], b[:]) })
	w.foe = foes[c.Attack]()
	return w, nil
}

func (w *world) item(origin int, word string, n int) machine.Item {
	it := machine.Item{Epoch: epoch, Origin: w.ids[origin], Payload: fmt.Appendf(nil, "%s %d", word, n)}
	w.items[it.ID()] = it
	return it
}

// step runs a round: all tick, then all polls and fetches are served from what was said at the tick.
func (w *world) step() error {
	acts := make([]machine.Actions, w.correct)
	for i, m := range w.nodes {
		if w.round < w.starts[i] {
			continue
		}
		acts[i] = m.Tick(machine.Clock{Epoch: epoch, Age: uint64(w.round)})
		w.answers[i] = nil
		if a, ok := m.Answer(epoch); ok {
			w.answers[i], w.sizes[i] = &a, frameSize(consensuswire.PollResponse{Status: consensuswire.StatusOK, Answer: a})
		}
		if len(acts[i].Closed) > 0 {
			w.closedAt[i] = w.round
		}
	}
	if err := w.propose(); err != nil {
		return err
	}
	w.foe.watch(w)
	for i := range w.nodes {
		for _, f := range acts[i].Fetches {
			w.fetch(i, f)
		}
		for _, p := range acts[i].Polls {
			w.poll(i, p)
		}
	}
	w.round++
	return nil
}

// propose brings the items in: those of correct nodes at once, those of the camps too late to spread.
func (w *world) propose() error {
	if w.round == 0 {
		for i, it := range w.clean {
			if err := w.nodes[w.correct-1-i%w.correct].Propose(it); err != nil {
				return err
			}
		}
	}
	if w.round == w.c.Params.Window-1 {
		for n, it := range w.camps {
			share := w.c.Share + (w.c.ShareTo-w.c.Share)*float64(n)/float64(max(1, len(w.camps)-1))
			perm := w.rng.Perm(w.correct)
			for _, i := range perm[:int(math.Round(share*float64(w.correct)))] {
				if w.starts[i] > 0 {
					continue
				}
				if err := w.nodes[i].Propose(it); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *world) lost() bool { return w.c.Loss > 0 && w.rng.Float64() < w.c.Loss }

func (w *world) poll(i int, p machine.Poll) {
	picks := w.draw(i, p.K)
	ids := make([]peer.ID, len(picks))
	for at, j := range picks {
		ids[at] = w.ids[j]
	}
	asked, err := w.nodes[i].Ask(p.Epoch, ids)
	if err != nil {
		return // too few: the machine says so
	}
	request := frameSize(consensuswire.PollRequest{Epoch: p.Epoch, Nonce: p.Nonce})
	for at := range asked {
		w.polled++
		w.sent += request
		if w.lost() {
			continue
		}
		a, nonce := w.answer(picks[at], i, p.Nonce)
		if a == nil {
			continue
		}
		if w.nodes[i].HandleAnswer(asked[at], nonce, *a) != nil {
			w.refused++
		}
	}
}

// answer is what node j says to a poll of correct node i; nil: nothing.
func (w *world) answer(j, i int, nonce machine.Nonce) (*machine.Answer, machine.Nonce) {
	if j >= w.correct {
		return w.foe.answer(w, j, i, nonce)
	}
	if w.round < w.starts[j] {
		return nil, nonce
	}
	if w.answers[j] != nil {
		w.sent += w.sizes[j]
	}
	return w.answers[j], nonce
}

// frameSize is how many bytes a message has on the wire.
func frameSize(m interface{ Marshal() ([]byte, error) }) int {
	b, err := m.Marshal()
	if err != nil {
		panic(err) // a machine says nothing that cannot be said
	}
	return len(wire.AppendFrame(nil, b))
}

func (w *world) fetch(i int, f machine.Fetch) {
	w.fetched++
	var from int
	if _, err := fmt.Sscanf(string(f.From), "node%d", &from); err != nil || w.lost() {
		return
	}
	for _, id := range f.IDs {
		it, ok := w.items[id]
		if from < w.correct {
			it, ok = w.nodes[from].Item(f.Epoch, id)
		}
		if ok && w.nodes[i].HandleItem(f.From, it) != nil {
			w.refused++
		}
	}
}

// draw picks at most k distinct peers of node i.
func (w *world) draw(i, k int) []int {
	switch w.c.Picks {
	case FixedPicks:
		if w.fixed[i] == nil {
			w.fixed[i] = w.fresh(i, k)
		}
		return w.fixed[i]
	case FromPool:
		if w.fixed[i] == nil {
			w.fixed[i] = w.fresh(i, w.c.Pool)
		}
		pool := w.fixed[i]
		k = min(k, len(pool))
		for at := range k { // the first k of a shuffle
			j := at + w.rng.IntN(len(pool)-at)
			pool[at], pool[j] = pool[j], pool[at]
		}
		return pool[:k]
	}
	return w.fresh(i, k)
}

// fresh draws at most k distinct peers of node i from all.
func (w *world) fresh(i, k int) []int {
	x := float64(w.c.Nodes-w.correct) / float64(w.c.Nodes)
	if w.c.Picks == FromView {
		x = ViewFaulty(x)
	}
	if w.eclipsed(i) {
		x = w.c.By
	}
	w.draws++
	faulty, others := w.c.Nodes-w.correct, w.correct-1
	out := make([]int, 0, k)
	for len(out) < k && faulty+others > 0 {
		var j int
		if fromFaulty := w.rng.Float64() < x; others == 0 || fromFaulty && faulty > 0 {
			j = w.correct + w.rng.IntN(w.c.Nodes-w.correct)
		} else {
			j = w.rng.IntN(w.correct)
		}
		if j == i || w.taken[j] == w.draws {
			continue
		}
		w.taken[j] = w.draws
		if j >= w.correct {
			faulty--
		} else {
			others--
		}
		out = append(out, j)
	}
	return out
}

// eclipsed nodes are the last before the faulty, so that they are not the late ones.
func (w *world) eclipsed(i int) bool {
	return float64(w.correct-1-i) < w.c.Eclipsed*float64(w.correct)
}
