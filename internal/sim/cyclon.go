package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// cyclon is the naive sampler to compare with: a shuffle in the manner of Cyclon (Voulgaris, Gavidia, van Steen 2005).
// Each round a node exchanges cyclonShuffle entries with the peer that it has known longest; what arrives replaces what
// was sent. Its view is its sample. It believes whatever it is told.
type cyclon struct {
	self    peer.ID
	rng     *rand.Rand
	size    int
	entries []cyclonEntry
	sent    []peer.ID // of the open round
	round   int
}

type cyclonEntry struct {
	id  peer.ID
	age int
}

const cyclonShuffle = 8

func newCyclon(self peer.ID, size int, contacts []peer.ID, rng *rand.Rand) *cyclon {
	c := &cyclon{self: self, rng: rng, size: size}
	c.merge(contacts)
	return c
}

func (c *cyclon) Tick() protocol.Actions {
	c.round++
	c.sent = c.sent[:0]
	if len(c.entries) == 0 {
		return protocol.Actions{Round: uint64(c.round)}
	}
	oldest := 0
	for i := range c.entries {
		c.entries[i].age++
		if c.entries[i].age > c.entries[oldest].age {
			oldest = i
		}
	}
	partner := c.entries[oldest].id
	c.entries = slices.Delete(c.entries, oldest, oldest+1)
	c.sent = append(c.sent, c.some(cyclonShuffle-1)...)
	to := []peer.ID{partner}
	return protocol.Actions{Round: uint64(c.round), Pushes: to, Pulls: to}
}

// some returns distinct random entries, at most count.
func (c *cyclon) some(count int) []peer.ID {
	ids := c.View()
	c.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(count, len(ids))]
}

// Carries returns what was chosen for the partner; the id of the sender comes with the push.
func (c *cyclon) Carries() []peer.ID { return c.sent }

func (c *cyclon) HandlePush(from peer.ID, carried []peer.ID) {
	c.merge(append([]peer.ID{from}, carried[:min(len(carried), cyclonShuffle-1)]...))
}

// HandlePullReply takes the partner's half of the exchange: some entries of the view that it publishes.
func (c *cyclon) HandlePullReply(_ peer.ID, ids []peer.ID) error {
	ids = slices.Clone(ids)
	c.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	c.merge(ids[:min(len(ids), cyclonShuffle)])
	return nil
}

// merge takes new ids into free places, then into those of entries that were sent, then into random ones.
func (c *cyclon) merge(ids []peer.ID) {
	for _, id := range ids {
		if id == c.self || id == "" || slices.ContainsFunc(c.entries, func(e cyclonEntry) bool { return e.id == id }) {
			continue
		}
		e := cyclonEntry{id: id}
		if len(c.entries) < c.size {
			c.entries = append(c.entries, e)
			continue
		}
		place := -1
		for place < 0 && len(c.sent) > 0 {
			out := c.sent[0]
			c.sent = c.sent[1:]
			place = slices.IndexFunc(c.entries, func(e cyclonEntry) bool { return e.id == out })
		}
		if place < 0 {
			place = c.rng.IntN(len(c.entries))
		}
		c.entries[place] = e
	}
}

// HandleProbeResult drops a partner that does not answer: it left the view when it was asked.
func (c *cyclon) HandleProbeResult(peer.ID, protocol.ProbeOutcome) {}

func (c *cyclon) View() []peer.ID {
	out := make([]peer.ID, 0, len(c.entries))
	for _, e := range c.entries {
		out = append(out, e.id)
	}
	return out
}

func (c *cyclon) Sample() []peer.ID { return c.View() }
