package sampler

import "github.com/libp2p/go-libp2p/core/peer"

// filter remembers for each id the generation up to which every slot has decided on it. It holds marks in sets of ways
// and at most limit of them in all: an evicted id is hashed again when it comes back, so a small filter costs time and
// never correctness.
//
// Two ids with one print would hide one of them from the sample. A mark holds 48 bits of it and its set tells setBits
// more where there are so many sets, so a new id is taken for one that was seen with probability limit * 2^-53, or 2^-45 if
// that is more: 2^-40 at DefaultFilterSize. The print
// is of a keyed digest, so that is chance and not at will.
type filter struct {
	limit int
	used  int
	base  uint64   // the generation that marks count from
	sink  uint64   // of touch
	marks []uint64 // a power of two of sets, of ways marks each: 48 bits of print, 16 bits of generation; 0 is empty
}

const (
	ways        = 8
	setBits     = 5
	firstFilter = ways << setBits // marks that a new filter has room for: 2 KiB

	ageBits = 16
	maxAge  = 1<<ageBits - 1 // generations after base that a mark can tell apart
)

// newFilter returns a filter that remembers at most limit ids, or ways of them if limit is below that.
func newFilter(limit int) *filter {
	size := ways
	for 2*size <= min(limit, firstFilter) {
		size *= 2
	}
	return &filter{limit: limit, marks: make([]uint64, size)}
}

// set returns where the marks of print are. Its low bits are those of print that no mark holds; above them are bits that
// marks do hold, so that grow can tell where a mark belongs.
func (f *filter) set(print uint64) []uint64 {
	sets := uint64(len(f.marks) / ways)
	i := (print>>ageBits<<setBits | print&(1<<setBits-1)) & (sets - 1) * ways
	return f.marks[i : i+ways]
}

// last returns the generation noted for print, 0 if there is none.
func (f *filter) last(print uint64) uint64 {
	for _, m := range f.set(print) {
		if (m^print)>>ageBits == 0 && m != 0 {
			return f.base + m&maxAge
		}
	}
	return 0
}

// touch fetches the marks of the ids with the given keys from memory. It has no branches that depend on what it reads, so
// a processor waits for many at a time; last would have it wait for each.
func (f *filter) touch(ids []key) {
	for i := range ids {
		f.sink ^= f.set(ids[i].print)[0]
	}
}

// fetch is touch for the ids themselves, which lie wherever they were received.
func (f *filter) fetch(ids []peer.ID) {
	for _, id := range ids {
		if len(id) > 0 {
			f.sink ^= uint64(id[len(id)-1])
		}
	}
}

// note sets the generation of print, which is 1 or more and not below any noted before. In a full set it replaces the
// mark of the oldest generation, the lowest place first: that id is the likeliest to need hashing again anyway.
func (f *filter) note(print, generation uint64) {
	if generation-f.base > maxAge {
		clear(f.marks) // once in 65535 deaths: all ids are hashed again
		f.used, f.base = 0, generation-1
	}
	if f.used*2 > len(f.marks) && 2*len(f.marks) <= f.limit {
		f.grow()
	}
	age := generation - f.base
	set := f.set(print)
	victim := 0
	for i, m := range set {
		if (m^print)>>ageBits == 0 && m != 0 {
			set[i] = print&^maxAge | age
			return
		}
		if m&maxAge < set[victim]&maxAge {
			victim = i
		}
	}
	if set[victim] == 0 {
		f.used++
	} else if set[victim]&maxAge == age {
		// All marks are of this generation: spread the loss instead of always losing place 0.
		victim = int(print >> 61)
	}
	set[victim] = print&^maxAge | age
}

func (f *filter) grow() {
	old := f.marks
	f.marks = make([]uint64, 2*len(old))
	for i, m := range old {
		if m == 0 {
			continue
		}
		set := f.set(m&^maxAge | uint64(i/ways)&(1<<setBits-1))
		for k := range set { // half of the marks of an old set have room in one of the two new ones
			if set[k] == 0 {
				set[k] = m
				break
			}
		}
	}
}
