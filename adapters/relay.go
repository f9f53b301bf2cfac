package adapters

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"
)

// PeerSource gives AutoRelay random peers as candidates: it is an autorelay.PeerSource, for
// libp2p.EnableAutoRelayWithPeerSource. AutoRelay itself finds out which of them are relays, by connecting to them: a
// filter is not needed, and one that reads the peerstore would leave it with those that it knows already.
func (s *Source) PeerSource(_ context.Context, num int) <-chan peer.AddrInfo { return s.channel(num) }
