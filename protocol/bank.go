package protocol

import (
	"cmp"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/sampler"
	"github.com/libp2p/go-libp2p/core/peer"
)

// This file holds the bank (D29): slots beside the sample, fed by the same stream, whose ids are handed out once each. The
// sample is sticky by design; who needs choices that are independent of the last ones takes them from the bank.

// lately is for how many rounds an answer stands for life in the bank: who answered within them takes a slot unprobed, and
// only such ids are handed out. Who holds a slot is asked again two rounds before that is over.
const lately = 12

// A Pick is an id that the bank can hand out.
type Pick struct {
	ID      peer.ID
	Key     uint64 // what Spend wants: the slot, until it is spent
	Proven  bool   // reached by a dial of ours
	Diverse bool   // of a slot that ranks ids by the prefix of their address first
}

// newBank returns the bank that p asks for, nil for none.
func newBank(p Params, self peer.ID, secret [32]byte, where func(peer.ID) Prefix) (*sampler.Bank, error) {
	if p.Bank == 0 {
		return nil, nil
	}
	return sampler.NewBank(sampler.Config{
		L2: p.Bank, Hash: p.Hash, Secret: secret, Self: self, Maturity: p.BankMaturity, FilterSize: p.Filter,
		Diverse: p.Bank * p.Diverse / p.L2, Prefix: where, // as great a part as of the sample
	})
}

// Picks returns what the bank can hand out now, in the order of its slots: the ids of mature slots that answered within the
// last rounds and have not missed since. Who takes some of them must choose by something else than the ids, and tell
// Spend before the next Tick: after it the slot has the same id to offer, or none.
func (n *Node) Picks() []Pick {
	if n.bank == nil {
		return nil
	}
	var out []Pick
	for _, p := range n.bank.Ready() {
		if h := n.life.health[p.ID]; n.fresh(h) {
			out = append(out, Pick{ID: p.ID, Key: p.Key, Proven: h.proven, Diverse: p.Diverse})
		}
	}
	return out
}

// Spend tells which picks were handed out, by their keys: their slots begin anew under fresh ones. Keys that were spent
// before change nothing.
func (n *Node) Spend(keys ...uint64) {
	if n.bank != nil && n.bank.Spend(keys...) > 0 {
		n.in.spent = true
	}
}

// fresh reports whether the id with the given health answered within the last rounds and has not missed since.
func (n *Node) fresh(h health) bool {
	return h.verified && h.misses == 0 && uint64(h.answered)+lately >= n.round
}

// judgePick is judge for the bank. Most of what would win there is known from other exchanges: it needs no probe.
func (n *Node) judgePick(id peer.ID) sampler.Verdict {
	switch {
	case n.refuses(id):
		return sampler.Refused
	case n.fresh(n.life.health[id]):
		return sampler.Trusted
	}
	return sampler.Unknown
}

// holds returns how many slots of sample and bank id holds.
func (n *Node) holds(id peer.ID) int {
	held := n.sample.Holds(id)
	if n.bank != nil {
		held += n.bank.Holds(id)
	}
	return held
}

// seated reports whether id waits for a slot of sample or bank.
func (n *Node) seated(id peer.ID) bool {
	return n.sample.Seated(id) || n.bank != nil && n.bank.Seated(id)
}

// unbank takes id, which died or left, out of the bank.
func (n *Node) unbank(id peer.ID) {
	if n.bank != nil && n.bank.Clear(id) > 0 {
		n.in.spent = true
	}
}

// restock offers the ids that the node knows to have answered to slots of the bank that were emptied, by hand or by death:
// under a fresh key they can only lose to what the stream brings, and without them a slot has nothing to fall back on.
func (n *Node) restock() {
	if n.p.Ablate.BankFromStream {
		return
	}
	for _, ids := range [][]peer.ID{n.sample.Members(), n.view, n.life.met.ids} {
		n.bank.Feed(ids, sampler.Namer{}, n.judgePick)
	}
}

// bankProbes is how many ids are probed in a round for the bank's sake alone, at most.
func (p Params) bankProbes() int {
	switch {
	case p.Bank == 0:
		return 0
	case p.BankProbes > 0:
		return p.BankProbes
	}
	return max(2, p.Bank/4)
}

// MaxProbes is how many ids a node probes in a round at most: its rotation, twice as many suspects, challengers, and what
// the bank wants.
func (p Params) MaxProbes() int { return 3*p.Probes + p.Challenges + p.bankProbes() }

// planBank adds the probes of the round that begins for the bank's sake: half of the budget, rounded up, for ids that
// hold slots, the rest and what those leave for challengers. The sample's probes are planned before and lose nothing by it.
// add reports whether the id was not among what the round does anyway.
func (n *Node) planBank(add func(peer.ID) bool) {
	if n.bank == nil {
		return
	}
	budget, spent := n.p.bankProbes(), 0
	for _, id := range n.staleHolders() {
		if spent >= (budget+1)/2 {
			break
		}
		if add(id) {
			spent++
		}
	}
	for _, id := range n.bank.Challengers(budget-spent, n.round, n.rng.Shuffle) {
		if add(id) {
			spent++
		}
	}
	n.status.BankProbes = spent
}

// staleHolders returns whom to probe to know that those who hold slots of the bank are alive: the suspects, and those
// whose last answer is nearly too old; the oldest first. Young slots are not left out: an id that answers now and then
// would hold one until it is handed out, and the ids of mature slots would be the ones that happen to be heard of.
func (n *Node) staleHolders() []peer.ID {
	out := slices.DeleteFunc(slices.Clone(n.bank.Members()), func(id peer.ID) bool {
		h := n.life.health[id]
		return h.misses == 0 && uint64(h.answered)+lately-2 > n.round
	})
	slices.SortStableFunc(out, func(a, b peer.ID) int {
		return cmp.Compare(n.life.health[a].answered, n.life.health[b].answered)
	})
	return out
}

// concludeBank sums up the bank.
func (n *Node) concludeBank(s *Status) {
	if n.bank == nil {
		return
	}
	s.BankSlots, s.BankFilled = n.bank.Len(), n.bank.Filled()
	s.BankPicks = len(n.Picks())
}

// bankInUse returns the ids that hold slots of the bank or wait for one.
func (n *Node) bankInUse() []peer.ID {
	if n.bank == nil {
		return nil
	}
	return append(slices.Clone(n.bank.Members()), n.bank.Seats()...)
}
