package host

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// tagName and tagWeight mark the peers of view and sample at the connection manager, weakly: of two idle connections it
// closes the other one first, and it stays free to close ours.
const (
	tagName   = "brahms"
	tagWeight = 1
)

// links are the connections that we dialled ourselves, and the peers that are tagged. Connections belong to the
// application: only our own are ever closed, and only while nobody uses them.
type links struct {
	own    map[network.Conn]uint64 // the round in which we used them last
	tagged map[peer.ID]bool
}

func (l *links) used(c network.Conn, dialled bool, round uint64) {
	if _, ok := l.own[c]; !ok && (!dialled || c.Stat().Direction != network.DirOutbound) {
		return
	}
	l.own[c] = max(l.own[c], round)
}

// tick closes the connections that were idle for long enough and moves the tags to the peers of the round.
func (l *links) tick(s *Service, round uint64) {
	if s.host == nil {
		return
	}
	manager := s.host.ConnManager()
	for c, dialled := range s.loans.take() {
		l.used(c, dialled, max(round, 1)-1)
	}
	for c, last := range l.own {
		switch {
		case c.IsClosed():
			delete(l.own, c)
		case s.cfg.idleRounds == 0 || last+uint64(s.cfg.idleRounds) >= round:
		case s.loop.wants(c.RemotePeer()):
			// The round that begins has work for it.
		case len(c.GetStreams()) > 0 || manager.IsProtected(c.RemotePeer(), ""):
			// Somebody uses it, or wants it kept.
		default:
			delete(l.own, c)
			s.detached.Go(func() { _ = c.Close() }) // it may wait for the transport
		}
	}

	snap := s.Snapshot()
	wanted := make(map[peer.ID]bool, len(snap.View)+len(snap.Peers))
	for _, id := range snap.View {
		wanted[id] = true
	}
	for _, p := range snap.Peers {
		wanted[p.ID] = true
	}
	for id := range l.tagged {
		if !wanted[id] {
			manager.UntagPeer(id, tagName)
		}
	}
	for id := range wanted {
		if !l.tagged[id] {
			manager.TagPeer(id, tagName, tagWeight)
		}
	}
	l.tagged = wanted
}

// wants reports whether a worker is with id or will be in this round.
func (l *loopState) wants(id peer.ID) bool {
	return l.busy[id] || slices.ContainsFunc(l.queue, func(j job) bool { return j.id == id })
}

func (l *links) close(s *Service) {
	if s.host == nil {
		return
	}
	for id := range l.tagged {
		s.host.ConnManager().UntagPeer(id, tagName)
	}
}
