package view

import (
	"math"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Shares are the slots of a view by where their ids come from. Their sum is l1.
type Shares struct {
	Push    int // alpha*l1
	Pull    int // beta*l1
	History int // gamma*l1
}

// Split divides l1 >= 3 slots by weights that sum to 1. Push and pull are rounded to the nearest slot and the history
// gets the rest, so that the shares always sum to l1: truncating each by itself loses slots (nine of ten are left at
// l1 = 10 with .45/.45/.10). A weight above zero is worth at least one slot.
func Split(l1 int, alpha, beta, gamma float64) Shares {
	slots := func(weight float64) int {
		n := int(math.Round(weight * float64(l1)))
		if weight > 0 {
			n = max(1, n)
		}
		return n
	}
	s := Shares{Push: slots(alpha), Pull: slots(beta)}
	least := 0
	if gamma > 0 {
		least = 1
	}
	for s.Push+s.Pull+least > l1 {
		if s.Push >= s.Pull {
			s.Push--
		} else {
			s.Pull--
		}
	}
	s.History = l1 - s.Push - s.Pull
	return s
}

// Size is l1.
func (s Shares) Size() int { return s.Push + s.Pull + s.History }

// Tuple is the paper's renewal (line 36): alpha*l1 draws from the pushed ids, beta*l1 from the pulled ones and gamma*l1
// from the history, each with replacement, so that whoever fills a share with repeats is drawn as often. A share whose
// source is empty stays empty.
func Tuple(r *rand.Rand, s Shares, pushed, pulled, history []peer.ID) []peer.ID {
	v := make([]peer.ID, 0, s.Size())
	v = append(v, Draw(r, pushed, s.Push)...)
	v = append(v, Draw(r, pulled, s.Pull)...)
	return append(v, Draw(r, history, s.History)...)
}

// Fill is the hardened renewal, one message one slot (D3): each entry of pushed and of
// pulled fills at most one slot of its share, a uniform choice of them where there are more than slots. What is missing
// comes from the history and never from the other kind, so whoever always answers gains nothing from what others lost.
// With no history at all those slots keep a uniform part of the old view, without replacement: drawing with replacement
// would lose ids in every round of a quiet network.
//
// Of pushed and pulled only those get in that admit lets in (ChooseIf), nil being all; what that leaves free counts as
// missing.
func Fill(r *rand.Rand, s Shares, pushed, pulled, history, old []peer.ID, admit func(peer.ID) bool) []peer.ID {
	v := make([]peer.ID, 0, s.Size())
	v = append(v, ChooseIf(r, pushed, s.Push, admit)...)
	v = append(v, ChooseIf(r, pulled, s.Pull, admit)...)
	missing := s.Size() - len(v)
	if len(history) == 0 {
		return append(v, Choose(r, old, missing)...)
	}
	return append(v, Draw(r, history, missing)...)
}
