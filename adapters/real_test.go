package adapters

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/libp2p/go-libp2p/p2p/discovery/backoff"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/multiformats/go-multiaddr"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// connected counts the peers of hosts with which h has a connection.
func connected(h corehost.Host, hosts ...corehost.Host) (n int) {
	for _, other := range hosts {
		if h.Network().Connectedness(other.ID()) == network.Connected {
			n++
		}
	}
	return n
}

// TestRoutedHost: a host with the source as its routing connects to ids of the overlay without being told addresses,
// and to no others.
func TestRoutedHost(t *testing.T) {
	t.Parallel()
	src, err := New()
	if err != nil {
		t.Fatal(err)
	}
	asker := newHost(t, libp2p.Routing(src.Routing)) // made before there is a service
	hosts, svc := startNetwork(t, 4, newHost(t))
	stranger := newHost(t)
	for _, h := range hosts {
		if err := asker.Connect(t.Context(), peer.AddrInfo{ID: h.ID()}); err == nil {
			t.Fatal("connected before the source was bound")
		}
	}
	if err := src.Bind(svc); err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		if err := asker.Connect(t.Context(), peer.AddrInfo{ID: h.ID()}); err != nil {
			t.Errorf("by id alone: %v", err)
		}
	}
	if err := asker.Connect(t.Context(), peer.AddrInfo{ID: stranger.ID()}); err == nil {
		t.Error("connected to a stranger")
	}
}

// recorder is a routing that remembers what it answered, to exchanges and to others.
type recorder struct {
	*Source
	mu                 sync.Mutex
	exchanges, unknown int
}

func (r *recorder) FindPeer(ctx context.Context, id peer.ID) (peer.AddrInfo, error) {
	p, err := r.Source.FindPeer(ctx, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if brahmshost.Exchanging(ctx) {
		r.exchanges++
		if errors.Is(err, routing.ErrNotFound) {
			r.unknown++
		}
	}
	return p, err
}

// TestRoutingLeavesExchangesAlone: when a dial of the service fails, the host asks its routing for more addresses. It
// gets none, or it would dial those that the limits on dials hold back. Control: anybody else gets them.
func TestRoutingLeavesExchangesAlone(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	r.Source, _ = newSource(t, nil)
	h := newHost(t, libp2p.Routing(func(corehost.Host) (routing.PeerRouting, error) { return r, nil }))
	dead := newHost(t)
	svc := join(t, h, dead)
	dead.Close()
	if err := r.Bind(svc); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.exchanges >= 2
	}, "exchanges ask the routing")
	r.mu.Lock()
	if r.exchanges != r.unknown {
		t.Errorf("%d of %d exchanges were told addresses", r.exchanges-r.unknown, r.exchanges)
	}
	r.mu.Unlock()
	if p, err := r.FindPeer(t.Context(), dead.ID()); err != nil || len(p.Addrs) == 0 {
		t.Errorf("others are told %v, %v", p, err)
	}
}

// TestBackoffConnector: libp2p's own connector takes FindPeers as it is, and dials no more than the pace gives it.
func TestBackoffConnector(t *testing.T) {
	t.Parallel()
	hosts, svc := startNetwork(t, 6, newHost(t))
	src, _ := newSource(t, svc, WithPace(4, 1))
	d, err := src.Discovery("room")
	if err != nil {
		t.Fatal(err)
	}
	app := newHost(t)
	connector, err := backoff.NewBackoffConnector(app, 100, 10*time.Second, backoff.NewFixedBackoff(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		found, err := d.FindPeers(t.Context(), "room")
		if err != nil {
			t.Fatal(err)
		}
		connector.Connect(t.Context(), found) // returns, since the channel is closed
	}
	eventually(t, func() bool { return len(app.Network().Peers()) == 4 }, "four peers are dialled")
	if n := connected(app, hosts...); n != 4 || src.Status().Given != 4 {
		t.Errorf("%d connections, %+v", n, src.Status())
	}
}

// TestAutoRelay: a host that is told to be private finds a relay in the sample, although most peers are none. Before
// the source is bound it has none.
func TestAutoRelay(t *testing.T) {
	t.Parallel()
	src, err := New(WithPace(20, 6000))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	private := newHost(t, libp2p.ForceReachabilityPrivate(), libp2p.EnableAutoRelayWithPeerSource(
		func(ctx context.Context, n int) <-chan peer.AddrInfo {
			asked.Add(1)
			return src.PeerSource(ctx, n)
		},
		autorelay.WithBootDelay(0), autorelay.WithMinInterval(200*time.Millisecond), autorelay.WithNumRelays(1), autorelay.WithMinCandidates(1)))
	eventually(t, func() bool { return asked.Load() >= 2 }, "AutoRelay asks for candidates")
	if len(relaysOf(private)) != 0 {
		t.Fatal("a relay before there is a service")
	}

	relay := newHost(t, libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic(), libp2p.AddrsFactory(
		func(addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr { // AutoRelay uses public addresses only; this one counts as public
			for _, a := range slices.Clone(addrs) {
				if port, err := a.ValueForProtocol(multiaddr.P_TCP); err == nil {
					addrs = append(addrs, multiaddr.StringCast("/dns4/libp2p.internal/tcp/"+port))
				}
			}
			return addrs
		}))
	join(t, relay)
	hosts := []corehost.Host{relay}
	for range 4 {
		h := newHost(t)
		join(t, h, hosts[0])
		hosts = append(hosts, h)
	}
	svc := join(t, private, hosts[len(hosts)-1])
	if err := src.Bind(svc); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return slices.Contains(relaysOf(private), relay.ID()) }, "the private host has the relay of its sample")
}

// relaysOf returns the relays in the addresses of h.
func relaysOf(h corehost.Host) (out []peer.ID) {
	for _, a := range h.Addrs() {
		if before, _, ok := strings.Cut(a.String(), "/p2p-circuit"); ok {
			if p, err := peer.AddrInfoFromString(before); err == nil {
				out = append(out, p.ID)
			}
		}
	}
	return out
}

// TestSupporting: it finds who supports a protocol by asking. Negative control: by the peerstore alone only the one is
// found that keeps a connection to us.
func TestSupporting(t *testing.T) {
	t.Parallel()
	const wanted = "/wanted/1.0.0"
	hosts, svc := startNetwork(t, 8, newHost(t))
	for _, h := range hosts[:4] {
		h.SetStreamHandler(wanted, func(s network.Stream) { _ = s.Reset() })
	}
	app := newHost(t)
	if err := hosts[0].Connect(t.Context(), infoOf(app)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		got, err := app.Peerstore().SupportsProtocols(hosts[0].ID(), wanted)
		return err == nil && len(got) == 1
	}, "identify tells what the connected peer supports")
	for range 20 {
		got := svc.RandomWhere(8, Supports(app.Peerstore(), wanted))
		if len(got) != 1 || got[0].ID != hosts[0].ID() {
			t.Fatalf("by the peerstore alone: %v", got)
		}
	}
	src, _ := newSource(t, svc, WithPace(200, 1))
	got, err := src.Supporting(t.Context(), app, 8, wanted)
	if len(got) != 4 || err != nil {
		t.Errorf("by asking: %d of 4 peers, %v", len(got), err)
	}
	for _, p := range got {
		if !slices.ContainsFunc(hosts[:4], func(h corehost.Host) bool { return h.ID() == p.ID }) {
			t.Errorf("%s does not support it", p.ID)
		}
	}
	if one, err := src.Supporting(t.Context(), app, 1, wanted); len(one) != 1 || err != nil {
		t.Errorf("one: %v, %v", one, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Supporting(ctx, app, 8, wanted); err == nil {
		t.Error("it goes on after its context has ended")
	}
	few, _ := newSource(t, svc, WithPace(2, 1))
	if _, err := few.Supporting(t.Context(), newHost(t), 8, wanted); err != nil || few.Status().Given != 2 {
		t.Errorf("at a pace of two: %v, %+v", err, few.Status())
	}
}
