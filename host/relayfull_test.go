package host

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestFullRelayIsNoDeath: a relay that carries as many calls to a peer as it may says nothing against the peer. Controls:
// one with room brings the answer, and one to which the peer is not connected any more is a miss.
func TestFullRelayIsNoDeath(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		circuits int
		gone     bool
		want     protocol.ProbeOutcome
	}{
		"full":             {1, false, protocol.NoEvidence},
		"room":             {2, false, protocol.Alive},
		"gone":             {2, true, protocol.Missed},
		"gone and no room": {1, true, protocol.Missed},
	} {
		t.Run(name, func(t *testing.T) {
			limits := relay.DefaultResources()
			limits.MaxCircuits = c.circuits
			r := newHost(t, libp2p.EnableRelayService(relay.WithResources(limits)), libp2p.ForceReachabilityPublic())
			at := peer.AddrInfo{ID: r.ID(), Addrs: r.Addrs()}
			target := newHost(t, libp2p.NoListenAddrs, libp2p.EnableRelay())
			if _, err := client.Reserve(t.Context(), target, at); err != nil {
				t.Fatal(err)
			}
			join(t, target)
			circuit := peer.AddrInfo{ID: target.ID(), Addrs: []multiaddr.Multiaddr{
				multiaddr.StringCast(r.Addrs()[0].String() + "/p2p/" + r.ID().String() + "/p2p-circuit")}}

			other := newHost(t)
			if err := other.Connect(network.WithAllowLimitedConn(t.Context(), "test"), circuit); err != nil {
				t.Fatal(err)
			}
			asker := join(t, newHost(t))
			asker.host.Peerstore().AddAddrs(circuit.ID, circuit.Addrs, time.Hour)
			if c.gone {
				target.Close()
				eventually(t, func() bool { return r.Network().Connectedness(target.ID()) == network.NotConnected }, "the relay sees it go")
			}
			if a := asker.net.exchange(t.Context(), probe, target.ID()); a.outcome != c.want {
				t.Errorf("%v: %v, want %v", a.err, a.outcome, c.want)
			}
		})
	}
}
