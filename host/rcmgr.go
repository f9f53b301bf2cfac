package host

import (
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// Bounds for the resource manager. Those of one peer are what serve.go has, or less: a stream that both refuse is better
// refused by libp2p, before the protocol is negotiated in full. Those of all peers leave some room beyond: there the oldest
// stream gives way to a new one, which libp2p cannot do, and takes a moment to end. Streams do not grow with the machine, since rounds do not;
// memory does, for services with more workers.
const (
	rcmgrEnding           = 64 // streams that gave way and have not ended yet
	rcmgrInbound          = maxInboundOfKind + rcmgrEnding
	rcmgrInboundOfAll     = maxInbound + rcmgrEnding
	rcmgrInboundPerPeer   = maxInboundPerPeer / 2
	rcmgrOutbound         = MaxWorkers
	rcmgrOutboundPerPeer  = 2 // one worker is with a peer at a time; one more that is being closed
	rcmgrMemory           = 32 << 20
	rcmgrMemoryPerPeer    = 1 << 20
	rcmgrProtocolsPerPeer = 2 * rcmgrOutboundPerPeer
)

// SetDefaultServiceLimits adds the limits of this service and of its three protocols, in all and by peer, to those of an
// application's resource manager. libp2p takes limits only before a host is made, so an application calls this before
// config.AutoScale; without it libp2p allows each protocol some hundred streams of one peer. prefixes are those of
// WithProtocolPrefix; without any, the protocols are those without a prefix.
func SetDefaultServiceLimits(config *rcmgr.ScalingLimitConfig, prefixes ...string) {
	none := rcmgr.BaseLimitIncrease{}
	more := rcmgr.BaseLimitIncrease{Memory: rcmgrMemory}
	config.AddServiceLimit(ServiceName, rcmgrLimit(rcmgrInboundOfAll, rcmgrOutbound, rcmgrMemory), more)
	config.AddServicePeerLimit(ServiceName, rcmgrLimit(maxInboundPerPeer, rcmgrProtocolsPerPeer, rcmgrMemoryPerPeer), none)
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	for _, prefix := range prefixes {
		for _, id := range []string{protocol.PushID, protocol.PullID, protocol.ProbeID} {
			id := coreprotocol.ID(prefix + id)
			config.AddProtocolLimit(id, rcmgrLimit(rcmgrInbound, rcmgrOutbound, rcmgrMemory), more)
			config.AddProtocolPeerLimit(id, rcmgrLimit(rcmgrInboundPerPeer, rcmgrOutboundPerPeer, rcmgrMemoryPerPeer), none)
		}
	}
}

func rcmgrLimit(in, out int, memory int64) rcmgr.BaseLimit {
	return rcmgr.BaseLimit{StreamsInbound: in, StreamsOutbound: out, Streams: in + out, Memory: memory}
}
