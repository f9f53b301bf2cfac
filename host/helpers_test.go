package host

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

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

// after lets d go by. In a bubble that costs no time.
func after(d time.Duration) { <-time.After(d) }

// settle lets d go by in a bubble and waits until every goroutine of it waits again: from then on until the next call
// the test may look at what the loop owns.
func settle(d time.Duration) {
	after(d)
	synctest.Wait()
}

// second is the round of the tests in bubbles.
const second = time.Second

// steady are the options of a service in a bubble: rounds of one second, sharp.
func steady(more ...Option) []Option {
	return append([]Option{WithRoundInterval(second), WithJitter(0, nil)}, more...)
}

// peerNo names the peers of tests without a network.
func peerNo(i int) peer.ID { return peer.ID(fmt.Sprintf("peer-%04d-with-the-length-of-an-id", i)) }

func peerNos(from, to int) []peer.ID {
	var out []peer.ID
	for i := from; i < to; i++ {
		out = append(out, peerNo(i))
	}
	return out
}

func infos(ids ...peer.ID) []peer.AddrInfo {
	var out []peer.AddrInfo
	for _, id := range ids {
		out = append(out, peer.AddrInfo{ID: id})
	}
	return out
}

// call is one exchange that a fakeNet was asked for.
type call struct {
	kind kind
	id   peer.ID
	at   time.Time
	end  time.Time // zero while it runs
}

// fakeNet is a network of one node's peers in memory. By default all answer at once, and to a pull with nobody.
type fakeNet struct {
	do    func(ctx context.Context, k kind, id peer.ID) answer // nil is the default
	vouch func(helper, target peer.ID) bool                    // nil: nobody vouches for anybody
	asks  []peer.ID                                            // targets that helpers were asked about

	mu    sync.Mutex
	calls []call
	busy  map[peer.ID]int
	twice bool // some peer had two exchanges at once
}

func newFakeNet(do func(context.Context, kind, peer.ID) answer) *fakeNet {
	return &fakeNet{do: do, busy: make(map[peer.ID]int)}
}

// yes is the answer of a peer that is well and whose view holds ids.
func yes(k kind, ids ...peer.ID) answer {
	return answer{outcome: protocol.Alive, replied: k == pull, ids: ids}
}

// silence is the answer of a peer that does not answer for d.
func silence(ctx context.Context, d time.Duration) answer {
	select {
	case <-time.After(d):
		return answer{outcome: protocol.Missed, unreached: true, err: context.DeadlineExceeded}
	case <-ctx.Done():
		return answer{outcome: protocol.NoEvidence, unreached: true, err: ctx.Err()}
	}
}

func (f *fakeNet) exchange(ctx context.Context, k kind, id peer.ID) answer {
	f.mu.Lock()
	n := len(f.calls)
	f.calls = append(f.calls, call{kind: k, id: id, at: time.Now()})
	f.busy[id]++
	f.twice = f.twice || f.busy[id] > 1
	f.mu.Unlock()
	a := yes(k)
	if f.do != nil {
		a = f.do(ctx, k, id)
	}
	f.mu.Lock()
	f.calls[n].end = time.Now()
	if f.busy[id]--; f.busy[id] == 0 {
		delete(f.busy, id)
	}
	f.mu.Unlock()
	return a
}

func (f *fakeNet) indirect(_ context.Context, helper, target peer.ID) (bool, answer) {
	f.mu.Lock()
	f.asks = append(f.asks, target)
	f.mu.Unlock()
	return f.vouch != nil && f.vouch(helper, target), answer{}
}

func (f *fakeNet) onBehalf(ctx context.Context, target, _ peer.ID, nonce []byte) ([]byte, answer) {
	if a := f.exchange(ctx, probe, target); a.outcome != protocol.Alive {
		return nil, a
	}
	return nonce, answer{} // as good a signature as any here
}

// seen returns the exchanges so far, those with id only if one is given.
func (f *fakeNet) seen(id ...peer.ID) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.calls)
	return slices.DeleteFunc(out, func(c call) bool { return len(id) > 0 && !slices.Contains(id, c.id) })
}

func (f *fakeNet) running() map[peer.ID]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.busy)
}

// fakeService makes a service on a fake network. It is not running: call start.
func fakeService(t testing.TB, net exchanger, opts ...Option) *Service {
	t.Helper()
	return fakeServiceOf(t, "self-with-the-length-of-an-id", net, opts...)
}

func fakeServiceOf(t testing.TB, self peer.ID, net exchanger, opts ...Option) *Service {
	t.Helper()
	cfg, err := newConfig(opts)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newService(self, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.net = net
	s.own.Store(&ownRecord{raw: []byte("the record of " + self), seq: 1})
	t.Cleanup(func() { s.Close() })
	return s
}

// rounds records the snapshots that a round hook gets, and when.
type rounds struct {
	mu    sync.Mutex
	snaps []*Snapshot
	at    []time.Time
	hook  func(*Snapshot) // called after recording, without the lock
}

func (r *rounds) take(snap *Snapshot) {
	r.mu.Lock()
	r.snaps, r.at = append(r.snaps, snap), append(r.at, time.Now())
	r.mu.Unlock()
	if r.hook != nil {
		r.hook(snap)
	}
}

// all returns the snapshots and times so far.
func (r *rounds) all() ([]*Snapshot, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.snaps), slices.Clone(r.at)
}

// testSource is a source for jitter that repeats.
func testSource(seed uint64) rand.Source { return rand.NewPCG(seed, 0x6272) }

// Transports of test hosts.
const (
	onTCP  = "/ip4/127.0.0.1/tcp/0"
	onQUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
)

// newHost makes a libp2p host on loopback that is closed with the test.
func newHost(t testing.TB, opts ...libp2p.Option) corehost.Host {
	t.Helper()
	h, err := libp2p.New(append([]libp2p.Option{libp2p.ListenAddrStrings(onTCP)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// interval is the round of tests with real hosts.
const interval = 100 * time.Millisecond

// loopback are the options of a service among real hosts on this machine.
func loopback(more ...Option) []Option {
	return append([]Option{WithRoundInterval(interval), WithAllowPrivate(true), WithDialTimeout(2 * time.Second)}, more...)
}

// join starts a service on h that is closed with the test, before h is.
func join(t testing.TB, h corehost.Host, opts ...Option) *Service {
	t.Helper()
	s, err := New(h, loopback(opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// at is how others reach h.
func at(h corehost.Host) Option { return WithBootstrap(peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}) }

// samples reports whether the sample of s has id.
func samples(s *Service, id peer.ID) bool { return has(s.Sample(), id) }

func has(list []peer.AddrInfo, id peer.ID) bool {
	return slices.ContainsFunc(list, func(p peer.AddrInfo) bool { return p.ID == id })
}

// holds reports whether s knows id anywhere: in view, sample or a slot that does not count.
func holds(s *Service, id peer.ID) bool {
	snap := s.Snapshot()
	return slices.Contains(snap.View, id) || has(snap.Peers, id) ||
		slices.ContainsFunc(snap.Slots, func(x protocol.Sampled) bool { return x.ID == id })
}

// passed waits until n more rounds of s have ended.
func passed(t testing.TB, s *Service, n uint64) {
	t.Helper()
	from := s.Snapshot().Round
	eventually(t, func() bool { return s.Snapshot().Round >= from+n }, "%d rounds of %s", n, s.self)
}
