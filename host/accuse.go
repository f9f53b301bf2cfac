package host

import (
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
)

// An Offence is what a protocol on top of the service, such as package spread, holds against a peer.
type Offence struct {
	Peer     peer.ID
	Addr     multiaddr.Multiaddr // of the connection; nil if it is not known
	Reason   Reason              // a constant of that protocol's own closed set, never text that a peer chose
	Protocol coreprotocol.ID
}

// Accuse holds an offence against a peer as if one of the service's own protocols had seen it: at the end of the round there
// is one EvtPeerMisbehaved and one line in the canonical log for all that the peer did, whatever the protocols were, and
// offences that go on for rounds show in Status().Health. So an app that bans peers subscribes to one event, and a flood
// fills neither log nor bus. Only what no correct peer does is an offence. It never waits; what comes after Close is lost.
func (s *Service) Accuse(o Offence) {
	s.offences.note(origin{peer: o.Peer, addr: o.Addr, protocol: o.Protocol}, o.Reason)
}
