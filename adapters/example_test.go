package adapters_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"

	"github.com/brahms-p2p/brahms-p2p/adapters"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// friend starts another host with a service, for the examples: the one that has the answers.
func friend() (corehost.Host, func()) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(50*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	return h, func() { svc.Close(); h.Close() }
}

// start starts a service on h that knows friend, and returns when it has sampled him.
func start(h, friend corehost.Host) *brahmshost.Service {
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(50*time.Millisecond),
		brahmshost.WithBootstrap(peer.AddrInfo{ID: friend.ID(), Addrs: friend.Addrs()}))
	if err != nil {
		log.Fatal(err)
	}
	for wait := time.NewTicker(10 * time.Millisecond); len(svc.Sample()) == 0; <-wait.C {
	}
	return svc
}

// A source is made first, since AutoRelay and routing are options of the host; then the host, then the service.
func ExampleNew() {
	other, stop := friend()
	defer stop()

	src, err := adapters.New()
	if err != nil {
		log.Fatal(err)
	}
	h, err := libp2p.New(
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.EnableAutoRelayWithPeerSource(src.PeerSource),
		libp2p.Routing(src.Routing),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	svc := start(h, other) // brahmshost.New
	defer svc.Close()
	if err := src.Bind(svc); err != nil {
		log.Fatal(err)
	}

	// Connect to a peer of which only the id is known.
	fmt.Println(h.Connect(context.Background(), peer.AddrInfo{ID: other.ID()}))
	// Output: <nil>
}

// Whoever wants a discovery.Discovery gets peers of the namespaces that the overlay stands for.
func ExampleSource_Discovery() {
	other, stop := friend()
	defer stop()
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	svc := start(h, other)
	defer svc.Close()
	src, _ := adapters.New(adapters.WithPace(20, 60)) // 20 peers at once, one a second
	if err := src.Bind(svc); err != nil {
		log.Fatal(err)
	}

	d, err := src.Discovery("my-app", adapters.PubsubTopic("chat"))
	if err != nil {
		log.Fatal(err)
	}
	found, err := d.FindPeers(context.Background(), "my-app")
	if err != nil {
		log.Fatal(err)
	}
	for p := range found {
		fmt.Println(p.ID == other.ID())
	}
	_, err = d.FindPeers(context.Background(), "another-app")
	fmt.Println(err)
	// Output:
	// true
	// adapters: nothing is known of peers of this namespace: "another-app"
}

// A list of seeds that died long ago does no harm once the service knows somebody.
func ExampleSource_Bootstrap() {
	other, stop := friend()
	defer stop()
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	dead, _ := peer.AddrInfoFromString("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")

	src, _ := adapters.New()
	bootstrap := src.Bootstrap(*dead) // for dht.BootstrapPeersFunc, or boxo's BootstrapConfig.BootstrapPeers
	fmt.Println(bootstrap()[0].ID == dead.ID)
	svc := start(h, other)
	defer svc.Close()
	if err := src.Bind(svc); err != nil {
		log.Fatal(err)
	}
	peers := bootstrap()
	fmt.Println(len(peers), peers[0].ID == other.ID())
	// Output:
	// true
	// 1 true
}

// Peers that speak a protocol, without preferring those that happen to be connected.
func ExampleSource_Supporting() {
	other, stop := friend()
	defer stop()
	other.SetStreamHandler("/chat/1.0.0", func(s network.Stream) { _ = s.Close() })
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	svc := start(h, other)
	defer svc.Close()
	src, _ := adapters.New()
	if err := src.Bind(svc); err != nil {
		log.Fatal(err)
	}

	for _, id := range []protocol.ID{"/chat/1.0.0", "/mail/1.0.0"} {
		peers, err := src.Supporting(context.Background(), h, 3, id)
		fmt.Println(id, len(peers), err)
	}
	// Output:
	// /chat/1.0.0 1 <nil>
	// /mail/1.0.0 0 <nil>
}

// Without asking anybody: peers of which it is known that they speak a protocol, for they are connected.
func ExampleSupports() {
	other, stop := friend()
	defer stop()
	other.SetStreamHandler("/chat/1.0.0", func(s network.Stream) { _ = s.Close() })
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	svc := start(h, other) // its exchanges connect the two
	defer svc.Close()

	fmt.Println(len(svc.RandomWhere(3, adapters.Supports(h.Peerstore(), "/chat/1.0.0"))))
	fmt.Println(len(svc.RandomWhere(3, adapters.Supports(h.Peerstore(), "/mail/1.0.0"))))
	// Output:
	// 1
	// 0
}

// Peers of the local network become seeds: mdns reports them, the service asks for them. internal/nattest runs it on a LAN.
func ExampleFound() {
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	found := new(adapters.Found)
	lan := mdns.NewMdnsService(h, "my-app", found) // lan.Start() begins to listen
	defer lan.Close()
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true), brahmshost.WithDiscover(found.Seeds))
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()

	p, _ := peer.AddrInfoFromString("/ip4/192.168.1.7/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
	found.HandlePeerFound(*p) // what mdns does
	seeds, _ := found.Seeds(context.Background())
	fmt.Println(seeds[0].Addrs)
	// Output: [/ip4/192.168.1.7/tcp/4001]
}

// Whatever libp2p discovers peers with, a service can start from: a rendezvous point, a DHT's provider records
// (discovery/routing), or here the sampler of another network whose peers run this one too.
func ExampleSeedsFrom() {
	other, stop := friend()
	defer stop()
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	svc := start(h, other)
	defer svc.Close()
	src, _ := adapters.New()
	if err := src.Bind(svc); err != nil {
		log.Fatal(err)
	}
	d, err := src.Discovery("my-app")
	if err != nil {
		log.Fatal(err)
	}

	find := adapters.SeedsFrom(d, "my-app") // for brahmshost.WithDiscover
	seeds, err := find(context.Background())
	fmt.Println(len(seeds), seeds[0].ID == other.ID(), err)
	// Output: 1 true <nil>
}

// A list of ids whose addresses the peerstore has, as the routing table of a DHT: SeedsOfTable(dht.RoutingTable().ListPeers,
// h.Peerstore()). Here it is all peers with which a host is connected.
func ExampleSeedsOfTable() {
	other, stop := friend()
	defer stop()
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	if err := h.Connect(context.Background(), peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}); err != nil {
		log.Fatal(err)
	}

	find := adapters.SeedsOfTable(h.Network().Peers, h.Peerstore()) // for brahmshost.WithDiscover
	seeds, err := find(context.Background())
	fmt.Println(len(seeds), seeds[0].ID == other.ID(), err)
	// Output: 1 true <nil>
}

// Seeds from several sources: whatever works is enough.
func ExampleAnySeeds() {
	file, err := adapters.OpenPeerFile(filepath.Join(os.TempDir(), "no-such-peers"))
	if err != nil {
		log.Fatal(err)
	}
	found := new(adapters.Found)
	h, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer h.Close()
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true),
		brahmshost.WithDiscover(adapters.AnySeeds(file.Seeds, found.Seeds)))
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	fmt.Println(svc.Active())
	// Output: true
}

// A list of peers on disk, in the shape of boxo's bootstrap.WithBackupPeers(file.Load, src.SaveSample(file.Save)).
func ExampleOpenPeerFile() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	file, err := adapters.OpenPeerFile(filepath.Join(dir, "peers"))
	if err != nil {
		log.Fatal(err)
	}
	src, _ := adapters.New() // without a service nobody is sampled: who is connected is saved
	save := src.SaveSample(file.Save)

	p, _ := peer.AddrInfoFromString("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
	save(context.Background(), []peer.AddrInfo{*p})
	fmt.Println(file.Load(context.Background())[0].ID == p.ID, file.Err())
	// Output: true <nil>
}
