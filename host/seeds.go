package host

import (
	"context"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// maxFound bounds the seeds that the discover function adds to those of the user; the newest replace the oldest.
const maxFound = 64

// seek asks the discover function for seeds when seeds are due, off the loop and once at a time.
func (s *Service) seek(a protocol.Actions) {
	l := &s.loop
	due := a.Trying || a.Outcome != protocol.Alone && a.Round >= l.seekAt
	if s.cfg.discover == nil || l.seeking || s.leaving.Load() || !due {
		return
	}
	l.seeking, l.seekAt = true, a.Round+uint64(s.cfg.params.SeedEvery)
	s.running.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, max(s.cfg.interval, s.cfg.dial))
		defer cancel()
		found, err := s.cfg.discover(ctx)
		if err != nil {
			log.Debugw("discover", "err", err)
		}
		select {
		case s.seeds <- found:
		case <-s.life.Done():
		}
	})
}

func (s *Service) takeSeeds(found []peer.AddrInfo) {
	l := &s.loop
	l.seeking = false
	var fresh []peer.ID
	for _, p := range found {
		if p.ID.Validate() != nil || p.ID == s.self || slices.Contains(l.bootstrap, p.ID) || slices.Contains(l.found, p.ID) {
			continue
		}
		if err := s.book.addSeed(p); err != nil {
			s.refuseError(origin{peer: p.ID}, err)
			continue
		}
		if len(l.found) == maxFound {
			s.book.dropSeed(l.found[0])
			l.found = l.found[1:]
		}
		l.found = append(l.found, p.ID)
		fresh = append(fresh, p.ID)
	}
	l.node.SetSeeds(turns(l.bootstrap, l.found))
	if l.node.Status().Outcome == protocol.Alone {
		l.node.Revisit(fresh...) // not only when back-off lets us
	}
}

// revisits is how many peers of the book a service that knows nobody visits after each try of its seeds.
const revisits = 8

// revisit lets the node contact peers that the book remembers and nothing uses, in the next round: one every
// Params.SeedEvery rounds, each service at its own time, and some with each try of a service that knows nobody. So two
// parts of a network that lost each other find together again, also where no seed leads from one to the other.
func (s *Service) revisit(a protocol.Actions) {
	count := 0
	switch {
	case s.leaving.Load():
	case a.Trying:
		count = revisits
	case a.Outcome != protocol.Alone && (a.Round+uint64(s.loop.phase))%uint64(s.cfg.params.SeedEvery) == 0:
		count = 1
	}
	if count > 0 {
		s.loop.node.Revisit(s.book.acquaintances(count)...)
	}
}

// turns returns the order in which seeds are contacted: every second one is the user's, so that whoever feeds the discover
// function with many does not crowd them out.
func turns(bootstrap, found []peer.ID) []peer.ID {
	var out []peer.ID
	for i := range max(len(bootstrap), len(found)) {
		for _, ids := range [][]peer.ID{bootstrap, found} {
			if len(ids) > 0 {
				out = append(out, ids[i%len(ids)])
			}
		}
	}
	return out
}
