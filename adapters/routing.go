package adapters

import (
	"context"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

var _ routing.PeerRouting = (*Source)(nil)

// FindPeer returns the addresses of a peer that the service knows (brahmshost.Service.Lookup), and routing.ErrNotFound
// for any other: it asks nobody. What is asked for by id is not bounded by the pace. To the exchanges of a service
// itself it answers nothing, since they have tried all that may be tried (brahmshost.Exchanging).
func (s *Source) FindPeer(ctx context.Context, id peer.ID) (peer.AddrInfo, error) {
	if err := id.Validate(); err != nil {
		return peer.AddrInfo{}, err
	}
	if svc := s.service(); svc != nil && !brahmshost.Exchanging(ctx) {
		if info, ok := svc.Lookup(id); ok {
			return info, nil
		}
	}
	return peer.AddrInfo{}, routing.ErrNotFound
}

// Routing returns the source. It has the shape that libp2p.Routing wants: with it, the host connects to ids of the
// overlay without being told addresses.
func (s *Source) Routing(corehost.Host) (routing.PeerRouting, error) { return s, nil }
