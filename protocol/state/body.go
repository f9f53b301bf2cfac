package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/sampler"
)

// The body is, in this order: network, saved, self, round, hash, secret (32 bytes), generation, next position, slots, view,
// met, once, never, records. Numbers are unsigned varints, of the least length. Texts, ids and records are their
// length and their bytes; lists their length and their elements:
//
//	slot     id, hash (8 bytes, big endian), position, born, age, diverse (0 or 1)
//	tomb     id, left, wait, appeal in, appeal wait
//	record   floor, raw

// The least bytes of an element, by which the length of a list is bounded before it is allocated.
const (
	leastSlot   = 1 + 8 + 4
	leastTomb   = 5
	leastRecord = 2
)

type writer struct {
	b   []byte
	err error
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

func (w *writer) text(name, text string, most int) {
	if len(text) > most && w.err == nil {
		w.err = fmt.Errorf("%w: %s of %d bytes, at most %d", ErrBounds, name, len(text), most)
	}
	w.uint(uint64(len(text)))
	w.b = append(w.b, text...)
}

func (w *writer) length(name string, n, most int) {
	if n > most && w.err == nil {
		w.err = fmt.Errorf("%w: %d %s, at most %d", ErrBounds, n, name, most)
	}
	w.uint(uint64(n))
}

func (w *writer) id(id peer.ID) { w.text("id", string(id), MaxID) }

func (w *writer) ids(name string, ids []peer.ID, most int) {
	w.length(name, len(ids), most)
	for _, id := range ids {
		w.id(id)
	}
}

func (w *writer) tombs(tombs []protocol.Tomb) {
	w.length("tombstones", len(tombs), maxList)
	for _, t := range tombs {
		w.id(t.ID)
		for _, v := range []uint32{t.Left, t.Wait, t.AppealIn, t.AppealWait} {
			w.uint(uint64(v))
		}
	}
}

func encodeBody(s *Snapshot) ([]byte, error) {
	var w writer
	n := &s.Node
	w.text("network", s.Network, MaxNetwork)
	w.uint(s.Saved)
	w.id(n.Self)
	w.uint(n.Round)
	w.text("hash", string(n.Sample.Hash), maxHash)
	w.b = append(w.b, n.Sample.Secret[:]...)
	w.uint(n.Sample.Generation)
	w.uint(n.Sample.Next)
	w.length("slots", len(n.Sample.Slots), sampler.MaxL2)
	for _, x := range n.Sample.Slots {
		w.id(x.ID)
		w.b = binary.BigEndian.AppendUint64(w.b, x.Hash)
		w.uint(x.Key)
		w.uint(x.Born)
		if x.Age < 0 || x.Age > math.MaxInt32 {
			return nil, fmt.Errorf("%w: age=%d must be between 0 and %d", ErrBounds, x.Age, math.MaxInt32)
		}
		w.uint(uint64(x.Age))
		diverse := uint64(0)
		if x.Diverse {
			diverse = 1
		}
		w.uint(diverse)
	}
	w.ids("ids in the view", n.View, protocol.MaxL1)
	w.ids("ids that answered", n.Met, maxList)
	w.tombs(n.Once)
	w.tombs(n.Never)
	w.length("records", len(s.Records), MaxRecords)
	for _, r := range s.Records {
		w.uint(uint64(r.Floor))
		w.text("record", string(r.Raw), MaxRecord)
	}
	return w.b, w.err
}

// reader reads from the front of b. After its first error everything is zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.b = nil
}

var errShort = errors.New("the body ends too early")

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail("%w", errShort)
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// uint reads a number of at most most.
func (r *reader) uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.fail("%w, or a number has more than 64 bits", errShort)
		return 0
	case n > 1 && r.b[n-1] == 0:
		r.fail("a number is longer than it must be")
		return 0
	case v > most:
		r.fail("%d is over %d", v, most)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// text shares the bytes of the body.
func (r *reader) text(most int) []byte { return r.take(int(r.uint(uint64(most)))) }

func (r *reader) id() peer.ID { return peer.ID(r.text(MaxID)) }

// length reads that of a list of at most most elements, which take least bytes or more each.
func (r *reader) length(least, most int) int { return int(r.uint(uint64(min(len(r.b)/least, most)))) }

func (r *reader) ids(most int) []peer.ID {
	n := r.length(1, most)
	if n == 0 {
		return nil
	}
	ids := make([]peer.ID, n)
	for i := range ids {
		ids[i] = r.id()
	}
	return ids
}

func (r *reader) tombs() []protocol.Tomb {
	n := r.length(leastTomb, maxList)
	if n == 0 {
		return nil
	}
	tombs := make([]protocol.Tomb, n)
	for i := range tombs {
		t := &tombs[i]
		t.ID = r.id()
		for _, v := range []*uint32{&t.Left, &t.Wait, &t.AppealIn, &t.AppealWait} {
			*v = uint32(r.uint(math.MaxUint32))
		}
	}
	return tombs
}

func (r *reader) slots() []sampler.SlotState {
	n := r.length(leastSlot, sampler.MaxL2)
	if n == 0 {
		return nil
	}
	slots := make([]sampler.SlotState, n)
	for i := range slots {
		x := &slots[i]
		x.ID = r.id()
		if b := r.take(8); b != nil {
			x.Hash = binary.BigEndian.Uint64(b)
		}
		x.Key, x.Born = r.uint(math.MaxUint64), r.uint(math.MaxUint64)
		x.Age = int(r.uint(math.MaxInt32))
		x.Diverse = r.uint(1) == 1
	}
	return slots
}

func (r *reader) records() []Record {
	n := r.length(leastRecord, MaxRecords)
	if n == 0 {
		return nil
	}
	records := make([]Record, n)
	for i := range records {
		records[i].Floor = uint8(r.uint(math.MaxUint8))
		records[i].Raw = r.text(MaxRecord)
	}
	return records
}

// decodeBody reads what encodeBody writes. The records of the result share the bytes of b.
func decodeBody(b []byte) (*Snapshot, error) {
	r := &reader{b: b}
	s := new(Snapshot)
	n := &s.Node
	s.Network = string(r.text(MaxNetwork))
	s.Saved = r.uint(math.MaxUint64)
	n.Self = r.id()
	n.Round = r.uint(math.MaxUint64)
	n.Sample.Hash = sampler.Kind(r.text(maxHash))
	copy(n.Sample.Secret[:], r.take(len(n.Sample.Secret)))
	n.Sample.Generation, n.Sample.Next = r.uint(math.MaxUint64), r.uint(math.MaxUint64)
	n.Sample.Slots = r.slots()
	n.View, n.Met = r.ids(protocol.MaxL1), r.ids(maxList)
	n.Once, n.Never = r.tombs(), r.tombs()
	s.Records = r.records()
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes are left", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}
