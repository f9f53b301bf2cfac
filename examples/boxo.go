package examples

import (
	"io"

	"github.com/ipfs/boxo/bootstrap"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"

	"github.com/brahms-p2p/brahms-p2p/adapters"
)

// Bootstrap keeps h connected to some peers, as kubo does: to random peers of src, to the seeds as long as the sampler
// knows nobody, and where neither helps to the peers of file, in which it keeps the sample. rt may be nil. Options
// change what boxo's defaults are.
func Bootstrap(h corehost.Host, rt routing.Routing, src *adapters.Source, seeds []peer.AddrInfo, file *adapters.PeerFile,
	opts ...func(*bootstrap.BootstrapConfig)) (io.Closer, error) {
	opts = append([]func(*bootstrap.BootstrapConfig){
		bootstrap.WithBackupPeers(file.Load, src.SaveSample(file.Save)),
		func(c *bootstrap.BootstrapConfig) { c.BootstrapPeers = src.Bootstrap(seeds...) },
	}, opts...)
	return bootstrap.Bootstrap(h.ID(), h, rt, bootstrap.BootstrapConfigWithPeers(nil, opts...))
}
