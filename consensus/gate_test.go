package consensus

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

const lan = "/ip4/192.168.0.1/tcp/1"

// stopped puts a clock into a gate that a test moves.
func stopped(g *gate) *time.Time {
	now := time.Unix(1_800_000_000, 0)
	g.now = func() time.Time { return now }
	return &now
}

// TestPeerRate: a peer opens what it may and not one stream more, of each kind for itself; others are not touched by
// that, and a round later there is room again. Negative control: without the limit all are let in.
func TestPeerRate(t *testing.T) {
	const interval = time.Second
	admitted := func(g *gate, e Exchange, who int) (n int) {
		for ; n < 1000; n++ {
			if why, ok := g.admit(e, origin{peer: testID(t, who), addr: multiaddr.StringCast(lan)}); !ok {
				if why != ReasonRateLimited {
					t.Errorf("refused for %s", why)
				}
				return n
			}
		}
		return n
	}
	g := newGate(Limits{PeerRate: 2}, 20, interval)
	now := stopped(g)
	const most = peerBurst * 2 * machine.Epochs
	for _, e := range Exchanges() {
		if n := admitted(g, e, 1); n != most {
			t.Errorf("%s: %d at once, want %d", e, n, most)
		}
	}
	if n := admitted(g, ExchangePoll, 2); n != most {
		t.Errorf("another peer: %d", n)
	}
	*now = now.Add(interval)
	if n := admitted(g, ExchangePoll, 1); n != 2*machine.Epochs {
		t.Errorf("%d a round later", n)
	}
	if n := admitted(newGate(Limits{PeerRate: Unlimited}, 20, interval), ExchangePoll, 1); n != 1000 {
		t.Errorf("without the limit %d are let in", n)
	}
	// What a correct peer does in all the rounds that it can, two of them at once, is let in by default.
	g = newGate(Limits{}, 20, interval)
	now = stopped(g)
	for range 100 {
		for range 2 * machine.Epochs {
			if _, ok := g.admit(ExchangePoll, origin{peer: testID(t, 1), addr: multiaddr.StringCast(lan)}); !ok {
				t.Fatal("a correct peer is refused")
			}
		}
		*now = now.Add(2 * interval)
	}
}

// TestPrefixRate: any number of ids from one prefix open what it may, and not one stream more. Negative control: without
// the limit they all are let in, and so are those of a LAN.
func TestPrefixRate(t *testing.T) {
	admitted := func(g *gate, addr string) (n int) {
		stopped(g)
		for i := range 2000 {
			if why, ok := g.admit(ExchangePoll, origin{peer: testID(t, i), addr: multiaddr.StringCast(fmt.Sprintf(addr, i%250))}); ok {
				n++
			} else if why != ReasonPrefixLimited {
				t.Fatalf("refused for %s", why)
			}
		}
		return n
	}
	const k, rate = 20, 3
	most := prefixBurst * rate * k * machine.Epochs
	for addr, want := range map[string]int{
		"/ip4/9.9.9.%d/tcp/1":     most,
		"/ip4/9.9.%d.9/tcp/1":     2 * most, // a wide prefix
		"/ip4/192.168.0.%d/tcp/1": 2000,
		"/ip6/2a00:1:1::%d/tcp/1": most,
		"/ip6/2a00:1:%d::1/tcp/1": 2 * most,
		"/ip4/9.9.9.9/tcp/%d/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5/p2p-circuit": most, // the relay's
	} {
		if n := admitted(newGate(Limits{PrefixRate: rate}, k, time.Second), addr); n != want {
			t.Errorf("%s: %d, want %d", addr, n, want)
		}
	}
	if n := admitted(newGate(Limits{PrefixRate: Unlimited}, k, time.Second), "/ip4/9.9.9.%d/tcp/1"); n != 2000 {
		t.Errorf("without the limit: %d", n)
	}
}

// TestDocumentedLimits: the specification and the documentation have the limits of the code.
func TestDocumentedLimits(t *testing.T) {
	spec, doc := string(must(os.ReadFile("../spec/consensus.md"))), string(must(os.ReadFile("../docs/consensus.md")))
	for text, in := range map[string]string{
		fmt.Sprintf("| streams of one peer in a round, of each kind | %d and a margin", perRound):                                  spec,
		fmt.Sprintf("| streams of one peer at once | %d |", maxInboundPerPeer):                                                     spec,
		fmt.Sprintf("whose request has not come after %d s", serveTimeout/time.Second):                                             spec,
		fmt.Sprintf("may open %v streams of each kind (%v at once)", DefaultPeerRate*perRound, peerBurst*DefaultPeerRate*perRound): doc,
		fmt.Sprintf("%d streams of a peer, %d of a prefix and %d in all", maxInboundPerPeer, bounds.Fine, maxInbound):              doc,
		fmt.Sprintf("rounds of %d and epochs of", DefaultRoundInterval/time.Second):                                                strings.ReplaceAll(doc, " s and epochs", " and epochs"),
		fmt.Sprintf("%d rounds.", DefaultEpoch/DefaultRoundInterval):                                                               doc,
	} {
		if !strings.Contains(in, text) {
			t.Errorf("the documents lack %q", text)
		}
	}
}

// TestPlaces: how many streams are served at once, of one peer, of a prefix and in all; what is beyond is reset unread,
// and counted.
func TestPlaces(t *testing.T) {
	for about, c := range map[string]struct {
		most int
		addr func(i int) (who int, addr string)
	}{
		"of a peer":        {maxInboundPerPeer, func(int) (int, string) { return 1, lan }},
		"of a prefix":      {bounds.Fine, func(i int) (int, string) { return i, fmt.Sprintf("/ip4/9.9.9.%d/tcp/1", i%250) }},
		"of a wide prefix": {bounds.Coarse, func(i int) (int, string) { return i, fmt.Sprintf("/ip4/9.9.%d.9/tcp/1", i%250) }},
		"polls of all":     {bounds.Class, func(i int) (int, string) { return i, lan }},
	} {
		s := idle(t, sampleOf(1))
		var streams []*memStream
		for i := range c.most {
			who, addr := c.addr(i)
			st := newMemStream(testID(t, who), addr, nil)
			if _, _, ok := s.inbound.Enter(st, int(ExchangePoll)); !ok {
				t.Fatalf("%s: the stream no %d is refused, %d may be", about, i+1, c.most)
			}
			streams = append(streams, st)
		}
		who, addr := c.addr(c.most)
		st := newMemStream(testID(t, who), addr, []byte("unread"))
		s.handle(ExchangePoll, st)
		if !st.isReset || st.code != network.StreamResourceLimitExceeded || s.Status().Refused[ReasonTooManyStreams] != 1 {
			t.Errorf("%s: one too many: reset %v with %#x, refused %v", about, st.isReset, st.code, s.Status().Refused)
		}
		for _, st := range streams {
			s.inbound.Leave(st)
		}
		if !s.inbound.Idle() {
			t.Errorf("%s: streams are left in the books", about)
		}
		st = newMemStream(testID(t, who), addr, nil)
		if _, _, ok := s.inbound.Enter(st, int(ExchangePoll)); !ok {
			t.Errorf("%s: no room after all have left", about)
		}
	}
}
