package examples

import (
	"testing"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"

	"github.com/brahms-p2p/brahms-p2p/adapters"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// enter starts a DHT and waits until its table has n peers.
func enter(t testing.TB, h corehost.Host, n int, seeds ...peer.AddrInfo) *dht.IpfsDHT {
	t.Helper()
	d := startDHT(t, h, seeds...)
	eventually(t, func() bool {
		<-d.ForceRefresh()
		return d.RoutingTable().Size() >= n
	}, "the table of the DHT has %d peers", n)
	return d
}

// TestSeedsOfDHT: a sampler without any address to start from joins through a DHT, by the DHT's table or by those who advertise
// a namespace in it, and samples all who have one. It runs on a host of its own, so that nothing but seeds connects it. Negative
// control: by a namespace that nobody advertises it stays alone.
func TestSeedsOfDHT(t *testing.T) {
	const namespace = "sampler"
	var hosts []corehost.Host // of a DHT
	var seed []peer.AddrInfo
	var advertised []*routing.RoutingDiscovery
	for i := range 6 {
		h := newHost(t)
		d := enter(t, h, i, seed...)
		if i == 0 {
			seed = []peer.AddrInfo{infoOf(h)}
		}
		hosts = append(hosts, h)
		advertised = append(advertised, routing.NewRoutingDiscovery(d))
	}
	samplers := hosts[3:] // the rest has the DHT alone
	for i, h := range samplers {
		join(t, h, samplers[:min(1, i)]...)
		if _, err := advertised[3+i].Advertise(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	d := enter(t, newHost(t), len(hosts), seed...)
	start := func(seeds adapters.Seeds) *brahmshost.Service {
		svc, err := brahmshost.New(newHost(t), brahmshost.WithAllowPrivate(true),
			brahmshost.WithRoundInterval(100*time.Millisecond),
			brahmshost.WithLimits(brahmshost.Limits{AddrDials: brahmshost.Unlimited}), brahmshost.WithDiscover(seeds))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { svc.Close() })
		return svc
	}
	for about, seeds := range map[string]adapters.Seeds{
		"both":          SeedsOfDHT(d, namespace),
		"its table":     adapters.SeedsOfTable(d.RoutingTable().ListPeers, d.Host().Peerstore()),
		"its namespace": adapters.SeedsFrom(routing.NewRoutingDiscovery(d), namespace),
	} {
		svc := start(seeds)
		eventually(t, func() bool { return samples(svc, samplers...) }, "by %s of the DHT all are sampled", about)
		if samples(svc, hosts[0]) {
			t.Errorf("by %s: a peer without a sampler is sampled", about)
		}
	}
	alone := start(adapters.SeedsFrom(routing.NewRoutingDiscovery(d), "another"))
	eventually(t, func() bool { return alone.Status().Round >= 20 }, "20 rounds")
	if n := len(alone.Sample()); n != 0 {
		t.Errorf("the control samples %d", n)
	}
}
