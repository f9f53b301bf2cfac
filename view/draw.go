package view

import (
	"math/rand/v2"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Draw returns n independent uniform choices from ids, with replacement: the paper's rand(V, n). An id that stands k
// times in ids is drawn k times as often. It returns nil if n <= 0 or ids is empty.
func Draw(r *rand.Rand, ids []peer.ID, n int) []peer.ID {
	if n <= 0 || len(ids) == 0 {
		return nil
	}
	out := make([]peer.ID, n)
	for i := range out {
		out[i] = ids[r.IntN(len(ids))]
	}
	return out
}

// DrawBut is Draw from the entries of ids for which gone is false: Draw of Without, mostly without asking gone about all.
func DrawBut(r *rand.Rand, ids []peer.ID, n int, gone func(peer.ID) bool) []peer.ID {
	const tries = 8 // draws of which all were gone, after which it is cheaper to look at all entries
	out := make([]peer.ID, 0, max(0, n))
	failed := 0
	for len(out) < n && len(ids) > 0 {
		id := ids[r.IntN(len(ids))]
		if !gone(id) {
			out, failed = append(out, id), 0
			continue
		}
		if failed++; failed == tries {
			return append(out, Draw(r, Without(ids, gone), n-len(out))...)
		}
	}
	return out
}

// Choose returns a uniform choice of n of the entries of ids without replacement, in random order: each entry (not each
// distinct id) at most once. With n >= len(ids) it returns all of them, shuffled. It does not change ids.
func Choose(r *rand.Rand, ids []peer.ID, n int) []peer.ID { return ChooseIf(r, ids, n, nil) }

// ChooseIf is Choose of the entries that admit lets in. admit is asked about each entry once at most, in the random order
// of the result, until n are in, and may go by whom it let in before; nil lets in all.
func ChooseIf(r *rand.Rand, ids []peer.ID, n int, admit func(peer.ID) bool) []peer.ID {
	n = min(n, len(ids))
	if n <= 0 {
		return nil
	}
	out := append([]peer.ID(nil), ids...)
	// Fisher-Yates, stopped when n are in: what is looked at next is one of the entries that were not looked at yet.
	in := 0
	for i := 0; i < len(out) && in < n; i++ {
		j := i + r.IntN(len(out)-i)
		out[i], out[j] = out[j], out[i]
		if admit == nil || admit(out[i]) {
			out[in] = out[i]
			in++
		}
	}
	return out[:in:in]
}

// Distinct returns the distinct ids of ids in the order of their first occurrence.
func Distinct(ids []peer.ID) []peer.ID {
	out := make([]peer.ID, 0, len(ids))
	seen := make(map[peer.ID]struct{}, len(ids))
	for _, id := range ids {
		if _, ok := seen[id]; ok {
			continue
		}
		seen[id] = struct{}{}
		out = append(out, id)
	}
	return out
}

// Without returns the entries of ids for which gone is false, in order. It does not change ids, and returns them as they
// are, uncopied, where none is gone.
func Without(ids []peer.ID, gone func(peer.ID) bool) []peer.ID {
	first := slices.IndexFunc(ids, gone)
	if first < 0 {
		return slices.Clip(ids)
	}
	out := append(make([]peer.ID, 0, len(ids)-1), ids[:first]...)
	for _, id := range ids[first+1:] {
		if !gone(id) {
			out = append(out, id)
		}
	}
	return out
}
