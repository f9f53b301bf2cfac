package consensus

import (
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// EvtDecided is emitted on the host's event bus when an epoch was closed: Items is its set, final, ascending by id. Nobody
// may change what it holds.
//
// A subscriber must read: libp2p's bus waits for it, and with it each further Subscribe to the type. The service itself
// does not wait; events that its queue has no room for are dropped and counted (Status.EventsDropped).
type EvtDecided struct {
	Prefix string // the service's protocol prefix: a host may have several services
	Epoch  uint64
	Items  []Item
}

// EvtStatusChanged is emitted on the host's event bus when an epoch came into another phase. What is said of subscribers
// at EvtDecided holds here.
type EvtStatusChanged struct {
	Prefix string
	Epoch  uint64
	Phase  machine.Phase
}

// EvtPeerMisbehaved is emitted on the host's event bus at the end of a round in which a peer sent what no correct peer
// sends: at most one for each peer and round, and MaxOffenders a round. What is said of subscribers at EvtDecided holds here.
type EvtPeerMisbehaved struct {
	Peer     peer.ID
	Addr     multiaddr.Multiaddr // of the connection: a relay's address, with /p2p-circuit, where one is between
	Reason   Reason              // of the first offence of the round
	Protocol coreprotocol.ID     // of the first offence of the round
	Count    int                 // offences in the round, whatever their reason
	Round    uint64              // the closed round
}

// MaxOffenders is how many misbehaving peers one round names, in events and in the log.
const MaxOffenders = 64
