package examples

import (
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"

	"github.com/brahms-p2p/brahms-p2p/adapters"
)

// SeedsOfDHT are seeds for a sampler (brahmshost.WithDiscover) from a DHT: those who advertise a namespace in it, as
// discovery/routing does, and the peers of its routing table. Where only some peers of the DHT have the sampler, the namespace
// finds them; each of them has to advertise it: util.Advertise(ctx, routing.NewRoutingDiscovery(d), namespace).
func SeedsOfDHT(d *dht.IpfsDHT, namespace string) adapters.Seeds {
	return adapters.AnySeeds(
		adapters.SeedsFrom(routing.NewRoutingDiscovery(d), namespace),
		adapters.SeedsOfTable(d.RoutingTable().ListPeers, d.Host().Peerstore()),
	)
}
