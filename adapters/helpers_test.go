package adapters

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"go.uber.org/goleak"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// TestMain fails the run if a goroutine is left when all tests have ended.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSampler has so many peers. Each call gives other ones, as a bank does, or the same ones again, as a sample does.
type fakeSampler struct {
	mu     sync.Mutex
	peers  []peer.AddrInfo
	same   bool
	closed bool
	next   int
	calls  int
}

func peerNo(i int) peer.AddrInfo {
	return peer.AddrInfo{
		ID:    peer.ID(fmt.Sprintf("peer-%04d-with-the-length-of-an-id", i)),
		Addrs: []multiaddr.Multiaddr{multiaddr.StringCast(fmt.Sprintf("/ip4/192.0.2.%d/tcp/%d", i%250, 4000+i/250))},
	}
}

func peerNos(n int) (out []peer.AddrInfo) {
	for i := range n {
		out = append(out, peerNo(i))
	}
	return out
}

func (f *fakeSampler) RandomWhere(n int, keep func(peer.AddrInfo) bool) (out []peer.AddrInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	at := f.next
	for range f.peers {
		if len(out) == n {
			break
		}
		if p := f.peers[at%len(f.peers)]; keep == nil || keep(p) {
			out = append(out, p)
		}
		at++
	}
	if !f.same {
		f.next = at
	}
	return out
}

func (f *fakeSampler) Sample() []peer.AddrInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]peer.AddrInfo(nil), f.peers...)
}

func (f *fakeSampler) Lookup(id peer.ID) (peer.AddrInfo, bool) {
	for _, p := range f.Sample() {
		if p.ID == id {
			return p, true
		}
	}
	return peer.AddrInfo{}, false
}

func (f *fakeSampler) Active() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.closed
}

// clock is a time that stands still until a test moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// newSource makes a source that is bound to sampler, and its clock.
func newSource(t testing.TB, sampler Sampler, opts ...Option) (*Source, *clock) {
	t.Helper()
	s, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{at: time.Unix(1_700_000_000, 0)}
	s.now = c.now
	if sampler != nil {
		if err := s.Bind(sampler); err != nil {
			t.Fatal(err)
		}
	}
	return s, c
}

// newHost makes a libp2p host on loopback that is closed with the test.
func newHost(t testing.TB, opts ...libp2p.Option) corehost.Host {
	t.Helper()
	h, err := libp2p.New(append([]libp2p.Option{libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func infoOf(h corehost.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

// join starts a service on h that knows those of seeds. It is closed with the test.
func join(t testing.TB, h corehost.Host, seeds ...corehost.Host) *brahmshost.Service {
	t.Helper()
	opts := []brahmshost.Option{
		brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(100 * time.Millisecond),
		brahmshost.WithLimits(brahmshost.Limits{AddrDials: brahmshost.Unlimited}),
		brahmshost.WithJitter(.1, rand.NewPCG(1, 2)),
	}
	for _, seed := range seeds {
		opts = append(opts, brahmshost.WithBootstrap(infoOf(seed)))
	}
	svc, err := brahmshost.New(h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Close() })
	return svc
}

// startNetwork starts n hosts with services that know the first one, and waits until the last one has sampled all
// others.
func startNetwork(t testing.TB, n int, last corehost.Host) (hosts []corehost.Host, svc *brahmshost.Service) {
	t.Helper()
	for range n {
		h := newHost(t)
		join(t, h, hosts[:min(1, len(hosts))]...)
		hosts = append(hosts, h)
	}
	svc = join(t, last, hosts[0])
	eventually(t, func() bool { return len(svc.Sample()) == n }, "a sample of %d", n)
	return hosts, svc
}

// eventually waits until cond holds and fails the test if it does not within a time that only a defect takes.
func eventually(t testing.TB, cond func() bool, format string, args ...any) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(30 * time.Second); !cond(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not come true: "+format, args...)
		}
	}
}

// read returns what comes from a channel until it is closed.
func read(t testing.TB, from <-chan peer.AddrInfo) (out []peer.AddrInfo) {
	t.Helper()
	for {
		select {
		case p, ok := <-from:
			if !ok {
				return out
			}
			out = append(out, p)
		case <-time.After(10 * time.Second):
			t.Fatal("the channel is not closed")
		}
	}
}
