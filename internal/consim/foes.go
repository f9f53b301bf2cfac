package consim

import (
	"fmt"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// A foe is what all faulty nodes do together. It sees everything.
type foe interface {
	// watch is called once a round, after all correct nodes have ticked.
	watch(w *world)
	// answer is what faulty node j says to a poll of correct node i; nil: nothing.
	answer(w *world, j, i int, nonce machine.Nonce) (*machine.Answer, machine.Nonce)
}

var foes = map[string]func() foe{
	"silent":       func() foe { return silent{} },
	"contrary":     func() foe { return &contrary{} },
	"equivocating": func() foe { return &equivocating{} },
	"eclipse":      func() foe { return &contrary{} }, // Config.Eclipsed makes the difference
	"replay":       func() foe { return &replay{} },
	"drip":         func() foe { return &drip{} },
	"turncoat":     func() foe { return &turncoat{} },
}

// silent peers say nothing.
type silent struct{}

func (silent) watch(*world) {}
func (silent) answer(_ *world, _, _ int, n machine.Nonce) (*machine.Answer, machine.Nonce) {
	return nil, n
}

// all returns every item of the run for which keep holds, as an answer that says all of it is decided. In the window it
// is empty: faulty peers keep the camps apart.
func all(w *world, keep func(machine.ID) bool) *machine.Answer {
	a := &machine.Answer{Epoch: epoch, Closed: true}
	if w.round < w.c.Params.Window {
		return a
	}
	for _, id := range w.known {
		if keep(id) {
			a.In = append(a.In, machine.Vote{ID: id, Decided: true})
		}
	}
	return a
}

// ayes counts the correct nodes that prefer the item in, and those that have decided it in.
func (w *world) ayes(id machine.ID) (in, decided int) {
	for _, m := range w.nodes {
		if c, d := m.Outcome(epoch, id); c == machine.In {
			in++
			if d {
				decided++
			}
		}
	}
	return in, decided
}

// contrary peers say of each item what fewer correct nodes prefer, and that it is decided.
type contrary struct{ say *machine.Answer }

func (f *contrary) watch(w *world) {
	f.say = all(w, func(id machine.ID) bool {
		in, _ := w.ayes(id)
		return 2*in < w.correct
	})
}

func (f *contrary) answer(_ *world, _, _ int, n machine.Nonce) (*machine.Answer, machine.Nonce) {
	return f.say, n
}

// equivocating peers say to one half of the correct nodes that all is in, to the other that nothing is.
type equivocating struct{ in, out *machine.Answer }

func (f *equivocating) watch(w *world) {
	f.in = all(w, func(machine.ID) bool { return true })
	f.out = all(w, func(machine.ID) bool { return false })
}

func (f *equivocating) answer(_ *world, _, i int, n machine.Nonce) (*machine.Answer, machine.Nonce) {
	if i%2 == 0 {
		return f.in, n
	}
	return f.out, n
}

// replay peers send again what they once recorded: an answer of the start of the epoch, with the nonce of its poll.
type replay struct {
	said   *machine.Answer
	nonces map[int]machine.Nonce
}

func (f *replay) watch(w *world) {
	if f.said == nil {
		f.said = all(w, func(machine.ID) bool { return false })
		f.nonces = map[int]machine.Nonce{}
	}
}

func (f *replay) answer(_ *world, _, i int, n machine.Nonce) (*machine.Answer, machine.Nonce) {
	old, ok := f.nonces[i]
	if !ok {
		f.nonces[i] = n
		return f.said, n
	}
	return f.said, old
}

// drip peers say what most correct nodes prefer, and list one more item in each round, which they have just made.
type drip struct {
	say  *machine.Answer
	made int
}

func (f *drip) watch(w *world) {
	f.say = all(w, func(id machine.ID) bool {
		in, _ := w.ayes(id)
		return 2*in >= w.correct
	})
	faulty := w.c.Nodes - w.correct
	if w.round < w.c.Params.Window || faulty == 0 || f.made >= faulty*machine.MaxItemsPerOrigin {
		return
	}
	it := machine.Item{Epoch: epoch, Origin: w.ids[w.correct+f.made%faulty], Payload: fmt.Appendf(nil, "drip %d", f.made)}
	f.made++
	w.items[it.ID()] = it
	f.say.In = append(f.say.In, machine.Vote{ID: it.ID()})
	slices.SortFunc(f.say.In, func(x, y machine.Vote) int { return slices.Compare(x.ID[:], y.ID[:]) })
}

func (f *drip) answer(_ *world, _, _ int, n machine.Nonce) (*machine.Answer, machine.Nonce) {
	return f.say, n
}

// turncoat peers tell each node of each item what it prefers until a correct node has decided the item in, and from then
// on that it is out: they try to have a few decide before the rest turn.
type turncoat struct {
	turned map[machine.ID]bool
	to     map[int]*machine.Answer // of this round, by who is told
}

func (f *turncoat) watch(w *world) {
	f.to, f.turned = map[int]*machine.Answer{}, map[machine.ID]bool{}
	for _, id := range w.known {
		_, decided := w.ayes(id)
		f.turned[id] = decided > 0
	}
}

func (f *turncoat) answer(w *world, _, i int, n machine.Nonce) (*machine.Answer, machine.Nonce) {
	if f.to[i] == nil {
		f.to[i] = all(w, func(id machine.ID) bool {
			c, _ := w.nodes[i].Outcome(epoch, id)
			return c == machine.In && !f.turned[id]
		})
	}
	return f.to[i], n
}
