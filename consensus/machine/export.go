package machine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrState: Restore was given bytes that Export has not made, or that another version has.
var ErrState = errors.New("consensus: not a state of this version")

const (
	stateVersion = 1
	// MaxState bounds an exported state, in bytes.
	MaxState = Epochs*(MaxItems*(MaxOrigin+MaxPayload+MaxSignature+64)+64) + 64
)

// Export returns the state, to be given to Restore after a restart: a node that forgot what it preferred and decided
// would answer otherwise than it did. Open polls are not part of it. The driver guards it against damage; the bytes are
// no secret.
func (m *Machine) Export() []byte {
	w := writer{stateVersion}
	w.flags(m.began)
	w.uint(m.clock.Epoch)
	w.uint(m.clock.Age)
	w.uint(uint64(len(m.epochs)))
	for _, e := range m.epochs {
		w.uint(e.number)
		w.flags(e.late, e.over, e.closed)
		for _, n := range []int{e.polls, e.quiet, e.shut, len(e.items)} {
			w.uint(uint64(n))
		}
		for _, x := range e.items {
			w.instance(x)
		}
	}
	return w
}

// Restore is New with the state of Export. It fails with ErrState if data is not such a state in exactly the form that
// Export writes.
func Restore(p Params, rng *rand.Rand, data []byte) (*Machine, error) {
	m, err := New(p, rng)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || len(data) > MaxState || data[0] != stateVersion {
		return nil, fmt.Errorf("%w: %d bytes", ErrState, len(data))
	}
	r := reader{b: data[1:]}
	r.flags(&m.began)
	m.clock = Clock{Epoch: r.uint(), Age: r.uint()}
	for n := r.count(Epochs); n > 0 && r.ok(); n-- {
		m.epochs = append(m.epochs, r.epoch())
	}
	if !r.ok() || len(r.b) > 0 || !m.sound() || !slices.Equal(m.Export(), data) {
		return nil, fmt.Errorf("%w: malformed", ErrState)
	}
	for _, e := range m.epochs {
		e.publish()
	}
	return m, nil
}

// SameExport reports whether two states of Export differ in nothing but the age of the clock. A restored machine gets that
// from its driver again: a state that is older by it alone is as good.
func SameExport(a, b []byte) bool {
	headA, restA := cutAge(a)
	headB, restB := cutAge(b)
	return bytes.Equal(headA, headB) && bytes.Equal(restA, restB)
}

// cutAge cuts the age of the clock out of a state.
func cutAge(b []byte) (head, rest []byte) {
	const fixed = 2 // version and flags
	if len(b) < fixed {
		return b, nil
	}
	_, epoch := binary.Uvarint(b[fixed:])
	if epoch <= 0 {
		return b, nil
	}
	_, age := binary.Uvarint(b[fixed+epoch:])
	if age <= 0 {
		return b, nil
	}
	return b[:fixed+epoch], b[fixed+epoch+age:]
}

// sound reports whether a restored state is one that a machine can be in, as far as its methods rely on it.
func (m *Machine) sound() bool {
	if m.began != (len(m.epochs) > 0) {
		return false
	}
	for i, e := range m.epochs {
		if i > 0 && m.epochs[i-1].number >= e.number || e.number > m.clock.Epoch || m.clock.Epoch-e.number >= Epochs {
			return false
		}
		for j, x := range e.items {
			if j > 0 && e.items[j-1].id.compare(x.id) >= 0 || x.item.Epoch != e.number || x.item.Check() != nil {
				return false
			}
			if e.closed && !x.decided {
				return false
			}
		}
	}
	return !m.began || m.epochs[len(m.epochs)-1].number == m.clock.Epoch
}

type writer []byte

func (w *writer) uint(v uint64) { *w = binary.AppendUvarint(*w, v) }

func (w *writer) bytes(b []byte) {
	w.uint(uint64(len(b)))
	*w = append(*w, b...)
}

// flags writes at most 8 flags as one byte.
func (w *writer) flags(set ...bool) {
	var b byte
	for i, v := range set {
		if v {
			b |= 1 << i
		}
	}
	*w = append(*w, b)
}

func (w *writer) instance(x *instance) {
	w.bytes([]byte(x.item.Origin))
	w.bytes(x.item.Payload)
	w.bytes(x.item.Signature)
	w.flags(x.prefer == In, x.decided, x.last == In, x.held)
	for _, n := range []uint32{x.conf[Out], x.conf[In], x.streak, x.idle, x.taken[Out], x.taken[In]} {
		w.uint(uint64(n))
	}
}

// A reader reads what a writer wrote. After an error all its methods return zero values.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) ok() bool { return !r.bad }

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of at most limit.
func (r *reader) count(limit uint64) int {
	v := r.uint()
	if v > limit {
		r.bad = true
		return 0
	}
	return int(v)
}

func (r *reader) bytes(limit uint64) []byte {
	n := r.count(limit)
	if n > len(r.b) {
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	b := slices.Clone(r.b[:n])
	r.b = r.b[n:]
	return b
}

func (r *reader) flags(set ...*bool) {
	if len(r.b) == 0 || r.b[0]>>len(set) != 0 {
		r.bad = true
	}
	if r.bad {
		return
	}
	for i, v := range set {
		*v = r.b[0]>>i&1 == 1
	}
	r.b = r.b[1:]
}

func (r *reader) epoch() *epoch {
	e := newEpoch(r.uint(), false)
	r.flags(&e.late, &e.over, &e.closed)
	const counter = 1 << 31
	e.polls, e.quiet, e.shut = r.count(counter), r.count(counter), r.count(counter)
	for n := r.count(MaxItems); n > 0 && r.ok(); n-- {
		x := r.instance(e.number)
		e.items = append(e.items, x)
		e.origins[x.item.Origin]++
	}
	return e
}

func (r *reader) instance(epoch uint64) *instance {
	x := &instance{item: Item{
		Epoch: epoch, Origin: peer.ID(r.bytes(MaxOrigin)), Payload: r.bytes(MaxPayload), Signature: r.bytes(MaxSignature),
	}}
	var in, lastIn bool
	r.flags(&in, &x.decided, &lastIn, &x.held)
	x.prefer, x.last = colour(in), colour(lastIn)
	for _, n := range []*uint32{&x.conf[Out], &x.conf[In], &x.streak, &x.idle, &x.taken[Out], &x.taken[In]} {
		*n = uint32(r.count(1<<32 - 1))
	}
	x.id = x.item.ID()
	return x
}

func colour(in bool) Colour {
	if in {
		return In
	}
	return Out
}
