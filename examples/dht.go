package examples

import (
	dht "github.com/libp2p/go-libp2p-kad-dht"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/adapters"
)

// NewDHT starts a DHT on h that enters its network through random peers of src, and does so again whenever its routing
// table is empty. The seeds serve as long as the sampler knows nobody. Peers of the overlay must speak the DHT's
// protocol, most of them at least: the DHT finds out by connecting.
//
// The other way round, brahmshost.WithDiscover(adapters.SeedsOfTable(d.RoutingTable().ListPeers, h.Peerstore())) starts
// a sampler from a DHT that has its peers.
func NewDHT(h corehost.Host, src *adapters.Source, seeds []peer.AddrInfo, opts ...dht.Option) (*dht.IpfsDHT, error) {
	return dht.New(h, append([]dht.Option{dht.BootstrapPeersFunc(src.Bootstrap(seeds...))}, opts...)...)
}
