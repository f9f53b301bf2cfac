package consensus

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// over is a context that has ended: Fresh then returns what there is.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// draw returns up to k distinct peers to poll, and how many of them are fresh: with fresh set, as many as the bank has,
// which come first. The others are drawn from the sample. Peers that are known not to speak the protocol are passed over:
// a fresh one is used up by that, brahmshost.WhereLooks*k of them at most, so that nobody else's draws are biased.
func (s *Service) draw(k int, fresh bool) (picks []peer.AddrInfo, freshOnes int) {
	seen := map[peer.ID]bool{s.self: true}
	add := func(p peer.AddrInfo) bool {
		if seen[p.ID] {
			return false
		}
		seen[p.ID] = true
		if !s.speaks(p.ID) {
			s.counts.passedOver.Add(1)
			return false
		}
		picks = append(picks, p)
		return true
	}
	for looks := brahmshost.WhereLooks * k; fresh && len(picks) < k && looks > 0; {
		got, err := s.sampler.Fresh(over, min(k-len(picks), looks))
		for _, p := range got {
			if add(p) {
				freshOnes++
			}
		}
		if looks -= len(got); err != nil || len(got) == 0 {
			break
		}
	}
	for _, p := range s.sampler.Draw(len(s.sampler.Snapshot().Peers)) {
		if len(picks) >= k {
			break
		}
		add(p)
	}
	return picks, freshOnes
}

// speaks reports whether a peer may speak a protocol: false for one of which we know which protocols it has, and not
// this. A peer says so itself, over an authenticated connection, so nobody can say it of another.
func speaks(ps peerstore.ProtoBook, id peer.ID, p coreprotocol.ID) bool {
	known, err := ps.GetProtocols(id)
	if err != nil || len(known) == 0 {
		return true // we never met
	}
	has, err := ps.SupportsProtocols(id, p)
	return err != nil || len(has) > 0
}
