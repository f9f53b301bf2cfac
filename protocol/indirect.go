package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MaxIndirect bounds Params.Indirect, MaxAsks how often one helper is asked in a round.
const (
	MaxIndirect = 16
	MaxAsks     = 3
)

// Indirect is a sampled id that is suspect, and whom to ask about it: each of Helpers is to probe Target in our stead.
type Indirect struct {
	Target  peer.ID
	Helpers []peer.ID // distinct members of the sample, in random order; at most Params.Indirect
}

// newAside returns a generator of its own for the choice of helpers, so that it moves no other draw: a node does the same
// with and without indirect probes until one of them changes what it knows.
func newAside(secret [32]byte) *rand.Rand {
	sum := sha256.Sum256(append([]byte("brahms/helpers"), secret[:]...))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}

// planIndirect chooses whom to ask about the sampled ids that a further miss would kill and that are contacted in the
// round that begins (n.seen), at most 2*Params.Probes of them (D30). Helpers are members of the sample that are not
// suspect: nobody but the node chose them. Each is asked at most MaxAsks times a round.
func (n *Node) planIndirect() []Indirect {
	clear(n.vouching)
	if n.p.Indirect == 0 {
		return nil
	}
	var suspects, helpers []peer.ID
	for _, id := range n.sample.Members() {
		switch misses := int(n.life.health[id].misses); {
		case misses == 0:
			helpers = append(helpers, id)
		case misses+1 >= n.p.Misses && n.seen[id]:
			suspects = append(suspects, id)
		}
	}
	if len(suspects) == 0 || len(helpers) == 0 {
		return nil
	}
	n.shuffleAside(suspects)
	n.shuffleAside(helpers)
	suspects = suspects[:min(len(suspects), 2*n.p.Probes)]
	// Where there are many suspects each has fewer helpers: one that had none would die of the others' bad links.
	left, asks := MaxAsks*len(helpers), 0
	var out []Indirect
	for i, id := range suspects {
		q := Indirect{Target: id}
		k := min(n.p.Indirect, len(helpers), (left+len(suspects)-i-1)/(len(suspects)-i))
		if k == 0 {
			break
		}
		left -= k
		for range k {
			q.Helpers = append(q.Helpers, helpers[asks%len(helpers)]) // neighbours in a ring, so distinct
			asks++
		}
		n.vouching[id] = len(q.Helpers)
		out = append(out, q)
	}
	return out
}

func (n *Node) shuffleAside(ids []peer.ID) {
	n.aside.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
}

// HandleIndirect takes what came of asking one helper about target (Actions.Indirect). ok says that the target itself has
// answered the helper: that it signed a nonce of ours, which the driver has checked. It puts off the target's death in the
// open round (D30) and does nothing else: the node itself has not reached the target, so it clears no suspicion and admits
// no challenger. No is nothing: the helper may not know the target, have no time, or lie. Answers of a round that is over,
// and more than were asked for, are dropped.
func (n *Node) HandleIndirect(target peer.ID, ok bool) {
	if n.vouching[target] == 0 {
		return
	}
	n.vouching[target]--
	h, known := n.life.health[target]
	if !ok || !known {
		return
	}
	h.vouched = uint32(n.round + 1)
	n.life.health[target] = h
}

// postpones reports whether the death of id, which h is known of, is put off: a helper has heard of it in the round that
// ends, and its death was put off at most Params.MaxPostpone-1 times since it answered us last.
func (n *Node) postpones(id peer.ID, h health) bool {
	if h.vouched != uint32(n.round+1) || int(h.postponed) >= n.p.MaxPostpone {
		return false
	}
	h.postponed++
	n.life.health[id] = h
	return true
}
