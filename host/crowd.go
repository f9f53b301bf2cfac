package host

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// crowd holds the round's pushes from public addresses until the round ends, and then lets through at most so many of each
// prefix, drawn uniformly: whoever fills a prefix with ids of its own takes the places of it, but not by being first, so
// its neighbours there get in as well, in proportion. The node counts a round's pushes when the round ends in any case,
// so the delay changes nothing. It belongs to the loop.
//
// What is not let through is neither load nor news. Were it load, an operator with a thousand ids at one address could
// keep every node overloaded, and so out of all pushes, for the price of that address. The limits of the gate bound what
// it costs to take in.
type crowd struct {
	fine, coarse int // most pushers of a prefix that count in a round; 0: all
	rng          *rand.Rand
	held         []heldPush
	of           map[peer.ID]int // index in held
}

func newPushed(c network.Conn, newer bool) pushed {
	p := pushed{from: c.RemotePeer(), newer: newer}
	p.fine, p.coarse, p.public = limit.Prefixes(c.RemoteMultiaddr())
	return p
}

// unread is who pushed in the round without being read: its stream found all places taken, or its push the queue full.
// It counts as load, but each sender once and each prefix as far as its pushes would, or few ids with many streams could
// overload a node for as long as they like. Senders beyond MaxPushers are not remembered: so many are overload in any
// case. It is safe for concurrent use.
type unread struct {
	mu sync.Mutex
	by map[peer.ID]pushed
}

func (u *unread) note(c network.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.by == nil {
		u.by = make(map[peer.ID]pushed)
	}
	if from := c.RemotePeer(); len(u.by) < protocol.MaxPushers {
		u.by[from] = newPushed(c, false)
	}
}

// take ends the round: it returns who was noted and forgets it.
func (u *unread) take() map[peer.ID]pushed {
	u.mu.Lock()
	defer u.mu.Unlock()
	by := u.by
	u.by = nil
	return by
}

// takeUnread counts the round's unread pushes as load, those from public addresses in competition with the others of
// their prefixes. Who was read as well does not count twice there.
func (s *Service) takeUnread() {
	c := &s.loop.crowd
	for from, p := range s.unread.take() {
		if c.fine == 0 || !p.public {
			s.overflow.Add(1)
			continue
		}
		if _, ok := c.of[from]; !ok && len(c.held) < protocol.MaxPushers {
			c.of[from] = len(c.held)
			c.held = append(c.held, heldPush{pushed: p, unread: true, times: 1})
		}
	}
}

// heldPush is what one sender pushed in the round.
type heldPush struct {
	pushed
	times  int
	unread bool
}

func newCrowd(l Limits, p protocol.Params) crowd {
	c := crowd{rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), of: make(map[peer.ID]int)}
	c.resize(l, p)
	return c
}

// resize sets the limits that go by the size of views.
func (c *crowd) resize(l Limits, p protocol.Params) {
	if l.PushShare > 0 {
		c.fine = max(1, int(math.Round(l.PushShare*float64(p.Shares().Push))))
		c.coarse = widePrefix * c.fine
	}
}

// takePushed takes a push that a handler queued.
func (s *Service) takePushed(p pushed) {
	c := &s.loop.crowd
	if c.fine == 0 || !p.public {
		s.pushNode(p)
		return
	}
	if i, ok := c.of[p.from]; ok {
		h := &c.held[i]
		h.times++
		h.newer = h.newer || p.newer
		return
	}
	if len(c.held) >= protocol.MaxPushers {
		s.overflow.Add(1) // as the node does with pushers that it cannot remember
		return
	}
	c.of[p.from] = len(c.held)
	c.held = append(c.held, heldPush{pushed: p, times: 1})
}

// pushNode gives a push to the node.
func (s *Service) pushNode(p pushed) {
	if p.newer {
		s.loop.node.Appeal(p.from)
	}
	s.loop.node.HandlePush(p.from)
}

// end empties the crowd and returns what the round may bring of it, and how many pushes it may not. The result holds
// until the next push.
func (c *crowd) end() (through []heldPush, refused int) {
	c.rng.Shuffle(len(c.held), func(i, j int) { c.held[i], c.held[j] = c.held[j], c.held[i] })
	fine, coarse := make(map[netip.Prefix]int), make(map[netip.Prefix]int)
	through = c.held[:0]
	for _, h := range c.held {
		if fine[h.fine] >= c.fine || coarse[h.coarse] >= c.coarse {
			refused += h.times
			continue
		}
		fine[h.fine]++
		coarse[h.coarse]++
		through = append(through, h)
	}
	c.held = c.held[:0]
	clear(c.of)
	return through, refused
}

// endCrowd gives the node the pushes that the round may bring, and counts the others.
func (s *Service) endCrowd() {
	s.takeUnread()
	through, refused := s.loop.crowd.end()
	s.refused.addN(ReasonPushCrowded, uint64(refused))
	if refused > 0 {
		s.cfg.tracers.refused(ReasonPushCrowded, uint64(refused))
	}
	for _, h := range through {
		if h.unread {
			s.overflow.Add(1)
			continue
		}
		for range min(h.times, maxTimes) {
			s.pushNode(h.pushed)
		}
	}
}

// maxTimes is how often one sender's pushes of a round are told to the node: the first counts, the second is carried to
// the next round, the third is only counted as a repeat.
const maxTimes = 3
