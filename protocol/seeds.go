package protocol

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/view"
)

// Bounds on whom a node contacts although they stand in no view.
const (
	maxSeedsAtOnce = 8 // in one round of a node that knows nobody, or of those that did not answer
	maxRevisits    = 8 // that Revisit asked for, in one round
)

// solitude is the back-off of a node that knows nobody (D23).
type solitude struct {
	tries int
	wait  int    // rounds from the last try to the next, before jitter; 0 before the first
	due   uint64 // round of the next try
}

// unmet are the seeds that have never answered a pull, and the back-off with which they are asked again (D34). The faulty may
// be the first that push to a newcomer: then it is not alone, while a seed that was down for a moment, or whose answer got
// lost, is taken for an invention and refused. Nobody else tells it of correct peers.
type unmet struct {
	ids    []peer.ID // distinct
	failed []peer.ID // those of ids that were asked in vain
	met    bool      // some seed has answered
	wait   int       // rounds from the last try to the next; 0 before the first
	due    uint64    // round of the next try
}

// SetSeeds replaces the peers that are contacted at a low rate always, in their order, and with back-off while the node
// knows nobody or they did not answer. An id that is repeated has as many turns. Self and empty ids are dropped.
func (n *Node) SetSeeds(ids []peer.ID) {
	before := n.seeds
	n.seeds = view.Without(ids, func(id peer.ID) bool { return id == "" || id == n.self })
	u := &n.unmet
	known := u.ids
	u.ids = slices.DeleteFunc(n.distinct(n.seeds), func(id peer.ID) bool {
		return slices.Contains(before, id) && !slices.Contains(known, id) // it has answered
	})
	u.failed = slices.DeleteFunc(u.failed, func(id peer.ID) bool { return !slices.Contains(u.ids, id) })
}

// meetSeeds notes which seeds answered a pull of the round that ends, and which did not.
func (n *Node) meetSeeds() {
	u := &n.unmet
	for _, id := range slices.Clone(u.ids) {
		switch open, asked := n.asked[id]; {
		case asked && open > 0:
			u.fail(id)
		case asked:
			if !u.met {
				u.met, u.wait, u.due = true, 0, 0 // from now on for those that failed
			}
			here := func(x peer.ID) bool { return x == id }
			u.ids, u.failed = slices.DeleteFunc(u.ids, here), slices.DeleteFunc(u.failed, here)
		}
	}
}

// fail notes that id was asked in vain, if it is a seed that never answered.
func (u *unmet) fail(id peer.ID) {
	if slices.Contains(u.ids, id) && !slices.Contains(u.failed, id) {
		u.failed = append(u.failed, id)
	}
}

// turn returns whom to ask again in the round that begins: up to 8 of the seeds that failed, and until one has answered of
// all; the first time at once, the second a round later, and then after a wait that doubles up to most rounds, for ever.
func (u *unmet) turn(round uint64, most int) []peer.ID {
	pool := &u.failed
	if !u.met {
		pool = &u.ids
	}
	switch {
	case len(*pool) == 0:
		u.wait, u.due = 0, 0
		return nil
	case round < u.due:
		return nil
	}
	u.wait = min(max(1, 2*u.wait), most)
	u.due = round + uint64(u.wait)
	ids := slices.Clone((*pool)[:min(len(*pool), maxSeedsAtOnce)])
	*pool = slices.Concat((*pool)[len(ids):], ids)
	return ids
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
// Params.SeedEvery rounds, and with back-off those that did not answer; while the node knows nobody up to 8 of its seeds
// and of those who answered it once, with back-off, and whether this is such a try.
func (n *Node) seedsDue(outcome Outcome) (ids []peer.ID, try bool) {
	if outcome == Alone {
		return n.try()
	}
	n.solitude = solitude{}
	if !n.p.Tuples && !n.p.Ablate.SeedsInTurn { // the paper knows no seeds but the first view
		ids = n.unmet.turn(n.round, n.p.AloneWait)
	}
	if len(n.seeds) > 0 && n.round%uint64(n.p.SeedEvery) == 0 {
		ids = append(ids, turn(n.seeds, &n.seedAt, 1)...)
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
