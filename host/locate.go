package host

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// A PeerInfo is where a peer is, as far as a service knows.
type PeerInfo struct {
	peer.AddrInfo
	// Prefix is that of the public address at which an exchange of ours succeeded last; before there was one, of the first
	// public address that is claimed. It is zero where there is none, as among private addresses.
	Prefix protocol.Prefix
	// Located is true once an exchange of ours has succeeded: Prefix is no mere claim then.
	Located bool
}

// Locate returns where the peer is, as far as the service knows: from the user, from the peer itself, or from what others
// tell of it. Peers of view and sample are known unless they were seeds without an address. It asks nobody.
func (s *Service) Locate(id peer.ID) PeerInfo {
	e, _ := s.book.get(id)
	return PeerInfo{AddrInfo: s.book.info(id), Prefix: s.book.where(id), Located: e.located}
}
