package examples

import (
	"testing"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/adapters"
)

// dhtOptions are those of a DHT of our own. Newcomers are its clients, so that they do not know of each other.
func dhtOptions(mode dht.ModeOpt) []dht.Option {
	return []dht.Option{dht.ProtocolPrefix("/example"), dht.Mode(mode)}
}

// startDHT starts the DHT of a host that others enter through. It enters through those of seeds.
func startDHT(t testing.TB, h corehost.Host, seeds ...peer.AddrInfo) *dht.IpfsDHT {
	t.Helper()
	d, err := dht.New(h, append(dhtOptions(dht.ModeServer), dht.BootstrapPeers(seeds...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// newcomer starts a DHT as NewDHT has it, on a host that knows nobody.
func newcomer(t testing.TB, src *adapters.Source, seeds []peer.AddrInfo) (corehost.Host, *dht.IpfsDHT) {
	t.Helper()
	h := newHost(t)
	d, err := NewDHT(h, src, seeds, dhtOptions(dht.ModeClient)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return h, d
}

// TestDHTWithDeadSeeds: a DHT all of whose seeds are dead joins through the sample, and answers questions. Negative
// control: with the seeds alone it stays alone.
func TestDHTWithDeadSeeds(t *testing.T) {
	hosts, svc := overlay(t, 6)
	for _, h := range hosts {
		startDHT(t, h)
	}
	seeds := deadSeeds(t, 3)
	alone, control := newcomer(t, bound(t, nil), seeds)
	_, d := newcomer(t, bound(t, svc), seeds)

	eventually(t, func() bool { return d.RoutingTable().Size() > 0 }, "the DHT has joined")
	if err := <-d.ForceRefresh(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.FindPeer(t.Context(), hosts[5].ID()); err != nil {
		t.Errorf("the DHT that joined does not find a peer: %v", err)
	}
	<-control.ForceRefresh()
	if n := len(alone.Network().Peers()); n != 0 || control.RoutingTable().Size() != 0 {
		t.Errorf("the control has %d peers", n)
	}
}

// TestDHTLosesEverybody: all peers of a DHT go for good while others come whom it has never met, and it comes back
// through them. Negative control: a DHT that has only the seeds it came by stays alone.
func TestDHTLosesEverybody(t *testing.T) {
	hosts, svc := overlay(t, 5)
	for _, h := range hosts {
		startDHT(t, h)
	}
	h, d := newcomer(t, bound(t, svc), nil)
	alone, control := newcomer(t, bound(t, nil), []peer.AddrInfo{infoOf(hosts[0])})
	for _, d := range []*dht.IpfsDHT{d, control} {
		eventually(t, func() bool { return d.RoutingTable().Size() > 0 }, "the DHT has joined")
	}

	later := more(t, hosts[0], 4) // without a DHT: nobody's table has them
	eventually(t, func() bool { return samples(svc, later...) }, "the sampler knows those who came")
	for _, gone := range hosts {
		gone.Close()
	}
	eventually(t, func() bool { return connected(h, hosts...)+connected(alone, hosts...) == 0 }, "everybody is lost")
	eventually(t, func() bool { return len(svc.Sample()) == len(later) && samples(svc, later...) },
		"the sampler has dropped the dead")
	eventually(t, func() bool {
		<-d.ForceRefresh() // asks those in the table
		return d.RoutingTable().Size() == 0
	}, "the table is empty")
	for _, h := range later {
		startDHT(t, h)
	}
	eventually(t, func() bool {
		<-d.ForceRefresh()
		<-control.ForceRefresh()
		return connected(h, later...) > 0 && d.RoutingTable().Size() > 0
	}, "the DHT is back")
	if err := <-d.ForceRefresh(); err != nil {
		t.Error(err)
	}
	if n := len(alone.Network().Peers()); n != 0 {
		t.Errorf("the control has %d peers", n)
	}
}
