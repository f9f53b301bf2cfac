package sampler

import (
	"github.com/dchest/siphash"
	"github.com/libp2p/go-libp2p/core/peer"
)

// filter remembers for each id the generation up to which every slot has decided on it. It holds 64-bit keyed
// fingerprints in sets of ways entries and at most limit entries in all: an evicted id is hashed again when it comes
// back, so a small filter costs time and never correctness. Two ids with one fingerprint would hide one of them from the
// sample; the key is secret, so that happens with the probability of a random 64-bit collision and not at will.
type filter struct {
	k0, k1 uint64
	input  []byte // scratch of print
	limit  int
	used   int
	marks  []mark // a power of two of sets, of ways marks each
}

type mark struct {
	print uint64
	last  uint64 // generation; 0 is an empty place
}

const (
	ways        = 8
	firstFilter = 32 * ways // entries that a new filter has room for: 4 KiB
)

// newFilter returns a filter that remembers at most limit ids, or ways of them if limit is below that.
func newFilter(k0, k1 uint64, limit int) *filter {
	size := ways
	for 2*size <= min(limit, firstFilter) {
		size *= 2
	}
	return &filter{k0: k0, k1: k1, limit: limit, marks: make([]mark, size)}
}

func (f *filter) print(id peer.ID) uint64 {
	f.input = append(f.input[:0], id...) // a conversion would allocate
	return siphash.Hash(f.k0, f.k1, f.input)
}

func (f *filter) set(print uint64) []mark {
	sets := uint64(len(f.marks) / ways)
	i := print & (sets - 1) * ways
	return f.marks[i : i+ways]
}

// last returns the generation noted for print, 0 if there is none.
func (f *filter) last(print uint64) uint64 {
	set := f.set(print)
	for i := range set {
		if set[i].print == print {
			return set[i].last
		}
	}
	return 0
}

// note sets the generation of print. In a full set it replaces the mark of the oldest generation, the lowest place
// first: that id is the likeliest to need hashing again anyway.
func (f *filter) note(print, generation uint64) {
	if f.used*2 > len(f.marks) && 2*len(f.marks) <= f.limit {
		f.grow()
	}
	set := f.set(print)
	victim := 0
	for i := range set {
		if set[i].print == print && set[i].last != 0 {
			set[i].last = generation
			return
		}
		if set[i].last < set[victim].last {
			victim = i
		}
	}
	if set[victim].last == 0 {
		f.used++
	} else if set[victim].last == generation {
		// All marks are of this generation: spread the loss instead of always losing place 0.
		victim = int(print >> 61)
	}
	set[victim] = mark{print: print, last: generation}
}

func (f *filter) grow() {
	old := f.marks
	f.marks, f.used = make([]mark, 2*len(old)), 0
	for _, m := range old {
		if m.last == 0 {
			continue
		}
		set := f.set(m.print)
		for i := range set {
			if set[i].last == 0 {
				set[i] = m
				f.used++
				break
			}
		}
	}
}
