package attack

import (
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// until is how long a test waits for what must happen. It is far beyond what it takes on a busy machine.
const until = 20 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(until)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not after %v", what, until)
		}
	}
}

// newHost makes a host whose id follows from number.
func newHost(number int) (corehost.Host, error) {
	rng := rand.New(rand.NewPCG(7, uint64(number)))
	key, _ := newKey(rng.Uint32)
	return libp2p.New(
		libp2p.Identity(key), libp2p.NoTransports, libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.ResourceManager(&network.NullResourceManager{}),
	)
}

// settings of an adversary in tests.
func settings(name string) Config {
	return Config{
		Attack: name, Rate: 100, Interval: 50 * time.Millisecond, Pushes: 4, Answer: 10, Seed: [32]byte{1}, NewHost: newHost,
		Closed: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1"), multiaddr.StringCast("/ip4/127.0.0.1/tcp/2")},
	}
}

// newAdversary makes an adversary of n peers that has not started.
func newAdversary(t *testing.T, cfg Config, n int) *Adversary {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	for i := range n {
		if _, err := a.Add(i); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// target is a correct peer, as far as the adversary can tell: it takes every push, and answers pulls with pulled.
type target struct {
	corehost.Host
	mu     sync.Mutex
	pushes map[peer.ID]int // by sender
	pulls  int
	pulled []byte
}

func newTarget(t *testing.T, number int) *target {
	t.Helper()
	h, err := newHost(1000 + number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	g := &target{Host: h, pushes: make(map[peer.ID]int)}
	h.SetStreamHandler(protocols[push], func(st network.Stream) {
		frame, err := wire.ReadFrame(st, wire.MaxPushRequest)
		if err != nil {
			_ = st.Reset()
			return
		}
		res := wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: &wire.Challenge{Scheme: 1, Seed: []byte("seed"), Epoch: 3, Bits: 8}}
		if len(frame) > 0 {
			res = wire.PushResponse{Status: wire.StatusTaken}
			g.mu.Lock()
			g.pushes[st.Conn().RemotePeer()]++
			g.mu.Unlock()
		}
		_ = respond(st, res)
		_ = st.Close()
	})
	h.SetStreamHandler(protocols[pull], func(st network.Stream) {
		_, _ = io.Copy(io.Discard, st)
		g.mu.Lock()
		g.pulls++
		answer := g.pulled
		g.mu.Unlock()
		_, _ = st.Write(answer)
		_ = st.Close()
	})
	return g
}

func (g *target) info() peer.AddrInfo { return peer.AddrInfo{ID: g.ID(), Addrs: g.Addrs()} }

// pushed is how many pushes came, from how many senders.
func (g *target) pushed() (total, senders int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.pushes {
		total += n
	}
	return total, len(g.pushes)
}
