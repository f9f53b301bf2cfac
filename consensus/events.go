package consensus

import "github.com/brahms-p2p/brahms-p2p/consensus/machine"

// EvtDecided is emitted on the host's event bus when an epoch was closed: Items is its set, final, ascending by id.
// Nobody may change what it holds.
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
