package sampler

import "github.com/libp2p/go-libp2p/core/peer"

// This file holds how a diverse slot ranks ids (D27). Ids are free and addresses are not: in a plain slot whoever has a
// thousand ids has a thousand chances, in a diverse slot one for each prefix that the ids are at.

// A Prefix is where an id is, in the words of its driver: Fine is what is handed out by itself (a /24 of IPv4, a /48 of
// IPv6), Coarse the greater part of the network that Fine lies in (a /16, a /32). Both are opaque, and shorter than an id.
// The zero Prefix is that of ids of which nothing is known or that have no public address. It is one prefix like any
// other, so that an address which cannot be judged is no way around the rule; where nobody has a prefix, a diverse slot
// ranks by the id alone.
type Prefix struct{ Coarse, Fine string }

// ranker is the scratch space of rank.
type ranker struct {
	at, place    []uint64
	coarse, fine []uint64
}

// diverse is the number of slots that rank by prefix.
func (c Config) diverse() int {
	if c.Prefix == nil {
		return 0
	}
	return c.Diverse
}

// rank sets out[k] to the rank of id, which has digest d, in the slot byBorn[first+k]: in a plain slot the hash of the id
// under the slot's key; in a diverse one 16 bits of the hash of its coarse prefix, 16 of its fine one, and 32 of the id.
// So the order is that of (coarse, fine, id), each by a secret random function of the slot. Where 16 bits of two prefixes
// agree they are one to that slot; nobody can look for such prefixes.
func (g *Group) rank(out []uint64, id peer.ID, d Digest, first int) {
	at := g.at[first:]
	if h, ok := g.hash.(*aesHash); ok && g.straight && first == 0 {
		h.sumFirst(out, d)
	} else {
		g.hash.Sum(out, id, d, at)
	}
	if g.diverse == 0 {
		return
	}
	x := &g.scratch
	x.at, x.place = x.at[:0], x.place[:0]
	for k, wide := range g.wide[first:] {
		if wide {
			x.at, x.place = append(x.at, at[k]), append(x.place, uint64(k))
		}
	}
	p := g.cfg.Prefix(id)
	x.coarse, x.fine = g.sumPrefix(x.coarse, p.Coarse), g.sumPrefix(x.fine, p.Fine)
	for j, k := range x.place {
		out[k] = x.coarse[j]>>48<<48 | x.fine[j]>>48<<32 | out[k]>>32
	}
}

// sumPrefix returns the hashes of a prefix at the positions scratch.at, in the storage of out if that is large enough.
func (g *Group) sumPrefix(out []uint64, prefix string) []uint64 {
	for len(out) < len(g.scratch.at) {
		out = append(out, 0)
	}
	g.hash.Sum(out, peer.ID(prefix), g.digest.sum(peer.ID(prefix)), g.scratch.at)
	return out
}

// relocate ranks id, which answered just now, by its prefix as it is known now, and leaves its ranks in g.ranks. A slot
// that it holds by a prefix that ranked better is cleared: whoever lost to that prefix must be heard again. It returns how
// many were. id itself is offered again by the caller.
func (g *Group) relocate(id peer.ID) (cleared int) {
	held := g.held[id] > 0
	if g.diverse == 0 || !held && !g.contested {
		return 0
	}
	g.ranks = g.Hashes(g.ranks, id)
	if !held {
		return 0
	}
	worse := func(i int) bool { return g.slots[i].diverse && g.slots[i].id == id && g.ranks[i] > g.slots[i].hash }
	for i := range g.slots {
		switch s := &g.slots[i]; {
		case !s.diverse:
		case worse(i):
			cleared++
		case s.id == id && g.ranks[i] < s.hash:
			g.win(s, id, g.ranks[i])
		}
	}
	if cleared > 0 {
		g.empty(worse, g.cfg.Rekey)
	}
	return cleared
}
