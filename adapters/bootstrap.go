package adapters

import (
	"context"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// BootstrapPeers is how many peers the function of Bootstrap gives at once, at most. The DHT dials two of them; boxo
// dials all, and asks twice a minute also when it needs nobody.
const BootstrapPeers = 4

// Bootstrap returns a function that says through whom to enter a network: for dht.BootstrapPeersFunc, and for
// BootstrapPeers of boxo's bootstrap.BootstrapConfig. It gives random peers, within the pace of the source, and the
// given seeds only as long as the service knows nobody. So a list of seeds that are dead by now does no harm, and
// whoever lost everybody comes back through peers that nobody chose for it.
func (s *Source) Bootstrap(seeds ...peer.AddrInfo) func() []peer.AddrInfo {
	seeds = slices.Clone(seeds)
	return func() []peer.AddrInfo {
		if s.active() != nil || len(s.service().Sample()) == 0 {
			return slices.Clone(seeds)
		}
		return s.Take(BootstrapPeers)
	}
}

// SaveSample wraps the save function of boxo's bootstrap.WithBackupPeers: instead of those that boxo wants to save, who
// are the peers that happen to be connected and may be anybody's choice, it saves the sample, as long as there is one.
func (s *Source) SaveSample(save func(context.Context, []peer.AddrInfo)) func(context.Context, []peer.AddrInfo) {
	return func(ctx context.Context, connected []peer.AddrInfo) {
		if s.active() == nil {
			if sample := s.service().Sample(); len(sample) > 0 {
				connected = sample
			}
		}
		save(ctx, connected)
	}
}
