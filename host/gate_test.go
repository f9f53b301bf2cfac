package host

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// newTestGate makes a gate for rounds of 10 s and views of 40 by a manual clock.
func newTestGate(l Limits) (*gate, *manual) {
	p, c := protocol.Hardened(40), newManual()
	g := newGate(l.withDefaults(p, DefaultWorkers), p, 10*time.Second)
	g.now = c.now
	return g, c
}

// admitted opens up to n streams and returns how many were let in before the first refusal.
func admitted(g *gate, k kind, n int, from func(int) peer.ID, addr multiaddr.Multiaddr) (int, Reason) {
	for i := range n {
		if why, ok := g.admit(k, from(i), addr); !ok {
			return i, why
		}
	}
	return n, ""
}

func same(id peer.ID) func(int) peer.ID { return func(int) peer.ID { return id } }

// One peer: its burst and not one more; then the rate; another peer is not concerned; without the limit no end.
func TestPeerRate(t *testing.T) {
	addr := addrList(lanAddr)[0]
	for k, want := range [kinds]int{push: 6, pull: 3, probe: 21} {
		k := kind(k)
		g, c := newTestGate(Limits{})
		if n, why := admitted(g, k, 100, same("a"), addr); n != want || why != ReasonRateLimited {
			t.Errorf("%s: %d let in, then %s; want %d", kindNames[k], n, why, want)
		}
		if n, _ := admitted(g, k, want, same("b"), addr); n != want {
			t.Errorf("%s: %d of another peer, want %d", kindNames[k], n, want)
		}
		got := 0
		for range 100 {
			c.pass(10 * time.Second)
			n, _ := admitted(g, k, 100, same("a"), addr)
			got += n
		}
		if want := int(100 * DefaultPeerRate * perPeer[k]); got != want {
			t.Errorf("%s: %d in 100 rounds, want %d", kindNames[k], got, want)
		}
		g, _ = newTestGate(Limits{PeerRate: Unlimited})
		if n, _ := admitted(g, k, 1000, same("a"), addr); n != 1000 {
			t.Errorf("%s: %d without the limit, want all of 1000", kindNames[k], n)
		}
	}
}

// A peer with our interval is never refused, whatever its jitter and whenever in its rounds it opens its streams. One
// with half of the interval is refused one pull in four.
func TestPeerRateOfCorrectPeers(t *testing.T) {
	const rounds = 100000
	for _, c := range []struct {
		share, jitter float64
		want          float64 // share of pulls that are refused
	}{
		{1, 0, 0}, {1, DefaultJitter, 0}, {1, .5, 0}, {.5, DefaultJitter, 1 - DefaultPeerRate/2},
	} {
		g, clock := newTestGate(Limits{})
		start, rng := clock.at, stattest.Rand(uint64(1+c.jitter*100))
		addr := addrList(lanAddr)[0]
		begin, refused := 0.0, [kinds]int{}
		for range rounds {
			length := 10 * c.share * (1 + c.jitter*(2*rng.Float64()-1))
			// One job a peer and round, so all of it comes at about one moment.
			clock.at = start.Add(time.Duration((begin + length*rng.Float64()) * float64(time.Second)))
			for k, n := range [kinds]int{push: 2, pull: 1, probe: 1} {
				for range n {
					if _, ok := g.admit(kind(k), "a", addr); !ok {
						refused[k]++
					}
				}
			}
			begin += length
		}
		if got := float64(refused[pull]) / rounds; got < c.want-.01 || got > c.want+.01 || c.want == 0 && refused != [kinds]int{} {
			t.Errorf("rounds of %v of ours, jitter %v: refused %v of %d, %.3f of the pulls; want %.3f", c.share, c.jitter, refused, rounds, got, c.want)
		}
	}
}

// One prefix, with as many ids as it likes: its burst and not one more. Its neighbours of the wide prefix have theirs
// until that is used up. Private addresses and loopback have no prefix.
func TestPrefixRate(t *testing.T) {
	addr := func(i int) multiaddr.Multiaddr { return addrList(fmt.Sprintf("/ip4/9.9.%d.7/tcp/1", i))[0] }
	fresh := 0
	ids := func(int) peer.ID { fresh++; return peerNo(fresh) }
	for k, want := range [kinds]int{push: 64, pull: 48, probe: 176} {
		k := kind(k)
		g, c := newTestGate(Limits{})
		for i, want := range []int{want, want, 0} {
			if n, why := admitted(g, k, 1000, ids, addr(i)); n != want || why != ReasonPrefixLimited {
				t.Errorf("%s: %d let in of prefix %d, then %s; want %d", kindNames[k], n, i, why, want)
			}
		}
		if n, _ := admitted(g, k, 1, ids, addrList("/ip4/9.8.0.1/tcp/1")[0]); n != 1 {
			t.Errorf("%s: another wide prefix is refused", kindNames[k])
		}
		// A relayed connection counts as its relay.
		relayed := "/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"
		if n, _ := admitted(g, k, 1, ids, addrList("/ip4/9.9.0.1" + relayed)[0]); n != 0 {
			t.Errorf("%s: let in by a relay in the prefix", kindNames[k])
		}
		c.pass(10 * time.Second)
		if n, _ := admitted(g, k, 1000, ids, addr(0)); n != want/prefixBurst {
			t.Errorf("%s: %d a round later, want %d", kindNames[k], n, want)
		}
		for _, a := range []string{lanAddr, "/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"} {
			if n, _ := admitted(g, k, 1000, ids, addrList(a)[0]); n != 1000 {
				t.Errorf("%s: %d of 1000 let in from %s", kindNames[k], n, a)
			}
		}
		g, _ = newTestGate(Limits{PrefixRate: Unlimited})
		if n, _ := admitted(g, k, 1000, ids, addr(0)); n != 1000 {
			t.Errorf("%s: %d without the limit, want all of 1000", kindNames[k], n)
		}
	}
}

// A healthy network in one prefix stays below the limits by prefix, and below the bytes of answers. What a node gets in a
// round is Poisson with mean alpha*l1 and beta*l1; a bucket that a round overflows has probability below 1e-6 at these.
func TestHealthyNetworkMeetsNoLimit(t *testing.T) {
	g, clock := newTestGate(Limits{})
	rng, addr := stattest.Rand(5), addrList(pub1)[0]
	answer := 40 * wire.EntrySize(250) // 40 distinct peers, records of 3 addresses
	fresh := 0
	for round := range 5000 {
		for k, mean := range [kinds]float64{push: 16, pull: 12, probe: 20} {
			for range int(distuv.Poisson{Lambda: mean, Src: rng}.Rand()) {
				fresh++
				if why, ok := g.admit(kind(k), peerNo(fresh), addr); !ok {
					t.Fatalf("round %d: a %s is refused: %s", round, kindNames[k], why)
				}
				if kind(k) == pull && !g.answer(addr, answer) {
					t.Fatalf("round %d: no bytes left", round)
				}
			}
		}
		clock.pass(10 * time.Second)
	}
}

// What the gate forgets, it forgets of who has the most left, so a crowd of ids that come once makes it forget nobody who
// came too often; prefixes are kept whatever ids come.
func TestGateForgets(t *testing.T) {
	g, c := newTestGate(Limits{})
	addr := addrList(lanAddr)[0]
	admitted(g, pull, 3, same("a"), addr)
	public := addrList(pub1)[0]
	g.admit(pull, "b", public)
	for i := range 3 * limit.RatePeers {
		g.admit(pull, peerNo(i), addr)
	}
	if n, why := admitted(g, pull, 1, same("a"), addr); n != 0 || why != ReasonRateLimited {
		t.Errorf("let in: %d", n)
	}
	if peers, prefixes, _ := g.rates[pull].Len(); peers != limit.RatePeers || prefixes != 1 {
		t.Errorf("%d peers and %d prefixes kept, want %d and 1", peers, prefixes, limit.RatePeers)
	}
	// The control, and what the bound costs: so many that have used up theirs as well, later.
	for i := range limit.RatePeers {
		c.pass(time.Nanosecond)
		admitted(g, pull, 3, same(peerNo(10*limit.RatePeers+i)), addr)
	}
	if n, _ := admitted(g, pull, 1, same("a"), addr); n != 1 {
		t.Error("the table has no bound")
	}
}

// A stream over the limit is reset unread, with its code, and counted by reason; the handlers of all three protocols ask.
func TestLimitedStreamIsUnread(t *testing.T) {
	for k, most := range [kinds]int{push: 6, pull: 3, probe: 21} {
		k := kind(k)
		s := memService(t, WithLimits(Limits{}))
		raw := []byte{0} // a hello, a pull, a probe
		var last *memStream
		for range most + 1 {
			last = newMemStream("a", lanAddr, raw)
			serve(s, k, last)
			if last != nil && !last.isReset && last.out.Len() == 0 {
				t.Fatalf("%s: not answered", kindNames[k])
			}
		}
		if !last.isReset || last.code != network.StreamRateLimited || last.in.(*bytes.Reader).Len() != len(raw) || last.services != 0 {
			t.Errorf("%s: reset %v with %#x, %d bytes unread", kindNames[k], last.isReset, last.code, last.in.(*bytes.Reader).Len())
		}
		checkRefused(t, s.refused.counts(), "rate_limited")
	}
}

// Over the wire: the reset has its code, and to whoever asked it is no evidence of death.
func TestRateLimitIsNoEvidence(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval), WithLimits(Limits{}))
	asker := newVictim(t, WithRoundInterval(MaxInterval))
	ctx := t.Context()
	if err := asker.host.Connect(ctx, v.info()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if a := asker.exchangeWith(t, pull, v.host.ID()); a.outcome != protocol.Alive || !a.replied {
			t.Fatalf("pull %d: %+v", i, a)
		}
	}
	if a := asker.exchangeWith(t, pull, v.host.ID()); a.outcome != protocol.NoEvidence || a.replied {
		t.Errorf("one more: %+v", a)
	}
	checkRefused(t, v.Status().Refused, "rate_limited")
	// Pushes and probes have buckets of their own.
	if a := asker.exchangeWith(t, probe, v.host.ID()); a.outcome != protocol.Alive {
		t.Errorf("probe: %+v", a)
	}
	raw := newAttacker(t)
	raw.connect(t, v.host)
	for range 3 {
		if got, err := raw.say(t, v, pull, []byte{0}); err != nil || len(got) == 0 {
			t.Fatalf("%x, %v", got, err)
		}
	}
	_, err := raw.say(t, v, pull, []byte{0})
	checkReset(t, err, network.StreamRateLimited)
}

// Pull answers: the bytes of a round and not one answer more, of all and of one prefix. Beyond them the answer is "no
// resources", which tells of a live peer with nothing to say. Without the limit every pull is answered.
func TestPullBytes(t *testing.T) {
	const size = wire.MaxPullResponse
	g, c := newTestGate(Limits{PullBytes: 8 * size})
	public := func(i int) multiaddr.Multiaddr { return addrList(fmt.Sprintf("/ip4/9.9.%d.7/tcp/1", i))[0] }
	answered := func(addr multiaddr.Multiaddr) (n int) {
		for ; n < 100 && g.answer(addr, size); n++ {
		}
		return n
	}
	got := []int{answered(public(0)), answered(public(1)), answered(public(2)), answered(addrList(lanAddr)[0])}
	if want := []int{2, 2, 0, 4}; !slices.Equal(got, want) {
		t.Errorf("answers to one prefix, its neighbour, a third of the wide one, and a LAN: %v, want %v", got, want)
	}
	c.pass(10 * time.Second)
	if n := answered(addrList(lanAddr)[0]); n != 8 {
		t.Errorf("%d in the next round, want 8", n)
	}
	g, _ = newTestGate(Limits{PullBytes: Unlimited})
	if n := answered(public(0)); n != 100 {
		t.Errorf("%d without the limit, want all of 100", n)
	}

	for _, limited := range []bool{true, false} {
		l := Limits{PullBytes: 4 * wire.MaxPullResponse}
		if !limited {
			l.PullBytes = Unlimited
		}
		s := memService(t, WithLimits(l))
		snap := *s.Snapshot()
		snap.reply = make([]byte, wire.MaxPullResponse)
		s.published.Store(&snap)
		var last *memStream
		for i := range 5 {
			last = newMemStream(peerNo(i), lanAddr, []byte{0})
			serve(s, pull, last)
			if last.isReset {
				t.Fatalf("pull %d is reset with %#x", i, last.code)
			}
		}
		if refused := bytes.Equal(last.out.Bytes(), unhexFrame("020803")); refused != limited {
			t.Errorf("limited %v: the fifth is told there is no room: %v", limited, refused)
		}
		if n := s.refused.of(ReasonPullBytes); n != map[bool]uint64{true: 1}[limited] {
			t.Errorf("limited %v: %d counted", limited, n)
		}
		asked := exchangeInMemory(s, pull, "b", newMemStream("b", lanAddr, unhexFrame("020803")))
		if asked.replied || asked.outcome != protocol.AliveUnproven {
			t.Errorf("who is told so: %+v", asked)
		}
	}
}

// greed: ids of one prefix that all pull get no more than the prefix's part, and the rest of the world is answered.
func TestPullGreedyPrefix(t *testing.T) {
	g, _ := newTestGate(Limits{})
	rng := rand.New(testSource(3))
	for range 10000 {
		g.answer(addrList(fmt.Sprintf("/ip4/9.9.9.%d/tcp/1", 1+rng.IntN(200)))[0], 100_000)
	}
	if !g.answer(addrList(pub1)[0], wire.MaxPullResponse) {
		t.Error("a prefix takes the answers of all others")
	}
}
