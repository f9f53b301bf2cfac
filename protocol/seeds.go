package protocol

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/view"
)

// Bounds on whom a node contacts although they stand in no view.
const (
	maxSeedsAtOnce = 8 // in one round of a node that knows nobody
	maxRevisits    = 8 // that Revisit asked for, in one round
)

// solitude is the back-off of a node that knows nobody (D23).
type solitude struct {
	tries int
	wait  int    // rounds from the last try to the next, before jitter; 0 before the first
	due   uint64 // round of the next try
}

// SetSeeds replaces the peers that are contacted at a low rate always, in their order, and with back-off while the node
// knows nobody. An id that is repeated has as many turns. Self and empty ids are dropped.
func (n *Node) SetSeeds(ids []peer.ID) {
	n.seeds = view.Without(ids, func(id peer.ID) bool { return id == "" || id == n.self })
}

// Revisit asks for a push to and a pull from ids in the next round although they may stand in no view: peers that the
// driver remembers, or was told of just now. At most 8 wait for a round, the others are dropped; so are self, empty ids
// and repeats.
func (n *Node) Revisit(ids ...peer.ID) {
	for _, id := range ids {
		if len(n.revisits) < maxRevisits && id != n.self && id != "" && !slices.Contains(n.revisits, id) {
			n.revisits = append(n.revisits, id)
		}
	}
}

// Retry ends the back-off of a node that knows nobody: it tries again in the next round. It is for drivers that saw
// something change, such as their own addresses.
func (n *Node) Retry() { n.solitude.wait, n.solitude.due = 0, 0 }

// seedsDue returns whom to contact in the round that begins although they stand in no view: one seed every
// Params.SeedEvery rounds; while the node knows nobody up to 8 of its seeds and of those who answered it once, with
// back-off, and whether this is such a try.
func (n *Node) seedsDue(outcome Outcome) (ids []peer.ID, try bool) {
	if outcome == Alone {
		return n.try()
	}
	n.solitude = solitude{}
	if len(n.seeds) > 0 && n.round%uint64(n.p.SeedEvery) == 0 {
		ids = turn(n.seeds, &n.seedAt, 1)
	}
	return ids, false
}

// try is the part of seedsDue for a node that knows nobody (D23). Its first try is due at once, the second a round later;
// then the wait doubles up to Params.AloneWait rounds, shortened by up to a half at random, so that those who lost each
// other together do not come back together. It goes on for ever. Those who answered once are tried as well: two peers
// without seeds meet again after a broken uplink. Seeds have half of the places where there are enough.
func (n *Node) try() (ids []peer.ID, due bool) {
	s := &n.solitude
	due = n.round >= s.due
	if due {
		s.tries++
		s.wait = min(max(1, 2*s.wait), n.p.AloneWait)
		wait := s.wait
		if wait > 1 {
			wait -= n.rng.IntN(wait/2 + 1)
		}
		s.due = n.round + uint64(wait)

		seeds := n.distinct(n.seeds)
		met := slices.DeleteFunc(slices.Clone(n.life.met.ids), func(id peer.ID) bool { return slices.Contains(seeds, id) })
		some := min(len(seeds), max(maxSeedsAtOnce/2, maxSeedsAtOnce-len(met)))
		ids = append(turn(seeds, &n.seedAt, some), turn(met, &n.metAt, maxSeedsAtOnce-some)...)
	}
	n.status.Tries, n.status.NextTry = s.tries, int(s.due-n.round)
	n.status.Acquaintances = len(n.seeds) + len(n.life.met.ids)
	return ids, due
}

// turn returns count of ids, at most all, from the place on at which the last turn ended.
func turn(ids []peer.ID, at *int, count int) []peer.ID {
	var out []peer.ID
	for range min(count, len(ids)) {
		out = append(out, ids[*at%len(ids)])
		*at++
	}
	return out
}
