package host_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// A network of two on this machine: the second peer knows the first, and the first learns of the second by its push.
func Example() {
	first, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	second, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer first.Close()
	defer second.Close()

	found := make(chan *brahmshost.Snapshot, 1)
	local := []brahmshost.Option{brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(50 * time.Millisecond)}
	svc, err := brahmshost.New(first, append(local, brahmshost.WithRoundHook(func(s *brahmshost.Snapshot) {
		if len(s.Peers) > 0 {
			select {
			case found <- s:
			default:
			}
		}
	}))...)
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	other, err := brahmshost.New(second, append(local,
		brahmshost.WithBootstrap(peer.AddrInfo{ID: first.ID(), Addrs: first.Addrs()}))...)
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()

	<-found
	fmt.Println(len(svc.Sample()), svc.Sample()[0].ID == second.ID())
	// Output: 1 true
}

// Ten lines that add Brahms to an app.
func ExampleNew() {
	h, err := libp2p.New()
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	seed, _ := peer.AddrInfoFromString("/dnsaddr/seed.example.org/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
	svc, err := brahmshost.New(h, brahmshost.WithBootstrap(*seed))
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	for _, p := range svc.Random(3) {
		_ = h.Connect(context.Background(), p)
	}
}

// Random draws from the sample as it stands; Status tells whether that is uniform yet.
func ExampleService_Random() {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	round := make(chan bool, 1)
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true), brahmshost.WithRoundHook(func(*brahmshost.Snapshot) {
		select {
		case round <- true:
		default:
		}
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()

	<-round
	for _, p := range svc.Random(3) {
		fmt.Println(p.ID, p.Addrs)
	}
	if svc.Status().Node.Young {
		fmt.Println("the sample is young")
	}
	// Output: the sample is young
}

// The host's event bus tells when the health of the service changes, and which peers misbehave.
func ExampleEvtHealthChanged() {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	sub, err := h.EventBus().Subscribe([]any{new(brahmshost.EvtHealthChanged), new(brahmshost.EvtPeerMisbehaved)})
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true))
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()

	for e := range sub.Out() { // read on, or libp2p's bus waits
		switch e := e.(type) {
		case brahmshost.EvtPeerMisbehaved:
			fmt.Println(e.Peer, "at", e.Addr, "sent", e.Count, "times", e.Reason)
		case brahmshost.EvtHealthChanged:
			for _, t := range e.New {
				fmt.Println(t.Condition, "because", t.Reason)
			}
			return
		}
	}
	// Output:
	// young because no slot of 40 is mature, 0 are filled: the sample is not uniform yet
	// alone because of 0 ids in the view none has answered since the start, and no push came; 0 seeds and former contacts, 1 tries, the next in 1 rounds
}

// Who keeps connections to the sample follows its changes.
func ExampleEvtSampleChanged() {
	first, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	second, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer first.Close()
	defer second.Close()
	sub, err := first.EventBus().Subscribe(new(brahmshost.EvtSampleChanged))
	if err != nil {
		log.Fatal(err)
	}
	defer sub.Close()
	local := []brahmshost.Option{brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(50 * time.Millisecond)}
	svc, err := brahmshost.New(first, local...)
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	other, err := brahmshost.New(second, append(local, brahmshost.WithBootstrap(peer.AddrInfo{ID: first.ID(), Addrs: first.Addrs()}))...)
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()

	e := (<-sub.Out()).(brahmshost.EvtSampleChanged)
	fmt.Println(e.Reason, len(e.Added), e.Added[0].ID == second.ID(), len(e.Removed))
	// Output: won 1 true 0
}

// A peer that leaves says so: the others drop it at once, without taking it for dead.
func ExampleService_Leave() {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true), brahmshost.WithLeaveQuiet(20*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(svc.Leave(ctx), svc.Active())
	// Output: <nil> false
}

// An application with a resource manager of its own adds the limits of the service to it. They cannot be added later.
func ExampleSetDefaultServiceLimits() {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	brahmshost.SetDefaultServiceLimits(&limits)
	manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.AutoScale()))
	if err != nil {
		log.Fatal(err)
	}
	h, err := libp2p.New(libp2p.ResourceManager(manager), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	svc, err := brahmshost.New(h, brahmshost.WithAllowPrivate(true))
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	fmt.Println(svc.Active())
	// Output: true
}

// A network that is all in one data centre has no use for limits by address prefix; the others stay as they are.
func ExampleWithLimits() {
	err := brahmshost.CheckOptions(brahmshost.WithLimits(brahmshost.Limits{
		PrefixRate:  brahmshost.Unlimited,
		PushShare:   brahmshost.Unlimited,
		PrefixDials: brahmshost.Unlimited,
	}))
	fmt.Println(err)
	err = brahmshost.CheckOptions(brahmshost.WithLimits(brahmshost.Limits{AddrDials: 1}))
	fmt.Println(err)
	// Output:
	// <nil>
	// brahms: limit of address dials=1 must be between 2 and 1000000, 0 for the default or negative for none
}

// A peer that keeps its state finds its sample after a restart, although it is told of nobody. It must be the same peer: its
// key is the application's to keep.
func ExampleOpenStateDir() {
	other, _ := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	defer other.Close()
	local := []brahmshost.Option{brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(50 * time.Millisecond)}
	svc, err := brahmshost.New(other, local...)
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()

	parent, err := os.MkdirTemp("", "brahms")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(parent)
	state, err := brahmshost.OpenStateDir(filepath.Join(parent, "data"))
	if err != nil {
		log.Fatal(err)
	}
	defer state.Close()
	key, _, _ := crypto.GenerateEd25519Key(rand.Reader)
	live := func(more ...brahmshost.Option) {
		h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
		if err != nil {
			log.Fatal(err)
		}
		defer h.Close()
		found := make(chan bool, 1)
		opts := append(local, brahmshost.WithStateDir(state), brahmshost.WithRoundHook(func(s *brahmshost.Snapshot) {
			if len(s.Peers) > 0 {
				select {
				case found <- true:
				default:
				}
			}
		}))
		svc, err := brahmshost.New(h, append(opts, more...)...)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("restored:", svc.Status().State.Restored)
		<-found
		fmt.Println("found:", svc.Sample()[0].ID == other.ID())
		if err := svc.Close(); err != nil { // writes the state
			log.Fatal(err)
		}
	}
	live(brahmshost.WithBootstrap(peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}))
	live()
	// Output:
	// restored: 0
	// found: true
	// restored: 1
	// found: true
}
