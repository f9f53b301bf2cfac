package consensus

import (
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
)

// Bounds for the resource manager; those of serve.go are the tighter ones for streams of others, but for some room there:
// a stream that gives way to another takes a moment to end.
const (
	rcmgrInbound         = maxInbound + 64
	rcmgrOutboundPerPeer = 2 * maxInboundPerPeer
	rcmgrMemory          = 16 << 20
	rcmgrMemoryPerPeer   = 1 << 20
)

// SetDefaultServiceLimits adds the limits of this service and its two protocols, in all and by peer, to those of an
// application's resource manager. libp2p takes limits only before a host is made, so an application calls this before
// config.AutoScale. prefixes are those of WithProtocolPrefix; without any, the protocols are those without a prefix.
func SetDefaultServiceLimits(config *rcmgr.ScalingLimitConfig, prefixes ...string) {
	limit := func(in, out int, memory int64) rcmgr.BaseLimit {
		return rcmgr.BaseLimit{StreamsInbound: in, StreamsOutbound: out, Streams: in + out, Memory: memory}
	}
	none, more := rcmgr.BaseLimitIncrease{}, rcmgr.BaseLimitIncrease{Memory: rcmgrMemory}
	all, one := limit(rcmgrInbound, MaxWorkers, rcmgrMemory), limit(maxInboundPerPeer, rcmgrOutboundPerPeer, rcmgrMemoryPerPeer)
	config.AddServiceLimit(ServiceName, all, more)
	config.AddServicePeerLimit(ServiceName, one, none)
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	for _, prefix := range prefixes {
		for _, id := range exchangeIDs {
			config.AddProtocolLimit(coreprotocol.ID(prefix+id), all, more)
			config.AddProtocolPeerLimit(coreprotocol.ID(prefix+id), one, none)
		}
	}
}
