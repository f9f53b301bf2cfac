package host

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	blankhost "github.com/libp2p/go-libp2p/p2p/host/blank"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// met waits until every service samples exactly the others, and checks that none knows itself.
func met(t *testing.T, services ...*Service) {
	t.Helper()
	for _, s := range services {
		for _, other := range services {
			if other != s {
				eventually(t, func() bool { return samples(s, other.self) }, "%s samples %s", s.self, other.self)
			}
		}
		if n := len(s.Sample()); n != len(services)-1 {
			t.Errorf("%s samples %d peers, want the %d others: %v", s.self, n, len(services)-1, s.Sample())
		}
		if holds(s, s.self) || samples(s, s.self) || has(s.Random(1000), s.self) {
			t.Errorf("%s counts itself", s.self)
		}
	}
}

// TestTwoPeers: one peer alone becomes two by nothing but the push of the second; each gets the other with an address at
// which a third host reaches it, and nothing is refused while all is well.
func TestTwoPeers(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{"tcp": onTCP, "quic": onQUIC} {
		t.Run(name, func(t *testing.T) {
			a := join(t, newHost(t, libp2p.NoListenAddrs, libp2p.ListenAddrStrings(listen)), WithRoundInterval(2*interval))
			passed(t, a, 2)
			if snap := a.Snapshot(); snap.Node.Outcome != protocol.Alone || len(snap.Peers) != 0 || snap.Private {
				t.Fatalf("a peer that knows nobody: outcome %v, sample %v, private %v", snap.Node.Outcome, snap.Peers, snap.Private)
			}
			b := join(t, newHost(t, libp2p.NoListenAddrs, libp2p.ListenAddrStrings(listen)), WithRoundInterval(2*interval), at(a.host))
			met(t, a, b)
			passed(t, a, 4)
			for _, s := range []*Service{a, b} {
				got := s.Status().Refused
				delete(got, "unsolicited") // on a busy machine a reply may come after its round
				if len(got) != 0 {
					t.Errorf("refused in a healthy network: %v", got)
				}
			}
			picked := a.Random(1)
			if len(picked) != 1 || picked[0].ID != b.self {
				t.Fatalf("Random(1) of a network of two: %v", picked)
			}
			third := newHost(t)
			if err := third.Connect(t.Context(), picked[0]); err != nil {
				t.Errorf("the address of the sampled peer does not reach it: %v", err)
			}
			if slot := b.Snapshot().Slots[0]; !slot.Proven {
				t.Error("a peer that we dialled does not count as proven")
			} else if slot.Hash != 0 || slot.Key != 0 {
				t.Error("a snapshot tells the hashes of the slots")
			}
		})
	}
}

// TestSelfInBootstrap: a peer whose bootstrap list names itself, as those that are handed to all peers alike do.
func TestSelfInBootstrap(t *testing.T) {
	t.Parallel()
	ha, hb := newHost(t), newHost(t)
	all := []Option{at(ha), at(hb)}
	a, b := join(t, ha, all...), join(t, hb, all...)
	met(t, a, b)
	for range 5 {
		passed(t, a, 1)
		met(t, a, b)
	}
	if n := a.Status().Refused["record_self"]; n != 0 {
		t.Errorf("%d records of our own counted as refused: they are in the views of others", n)
	}
}

func TestThreePeersDropTheirDead(t *testing.T) {
	t.Parallel()
	ha, hb, hc := newHost(t), newHost(t), newHost(t)
	a := join(t, ha)
	b := join(t, hb, at(ha))
	c := join(t, hc, at(hb)) // a and c learn of each other from b
	met(t, a, b, c)

	drop := func(dead *Service, living ...*Service) {
		dead.Close()
		dead.host.Close()
		for _, s := range living {
			eventually(t, func() bool { return !holds(s, dead.self) }, "%s forgets %s", s.self, dead.self)
		}
		met(t, living...)
	}
	drop(c, a, b)
	drop(b, a)
	eventually(t, func() bool { return a.Snapshot().Node.Outcome == protocol.Alone }, "the last one is alone")

	d := join(t, newHost(t), at(ha))
	met(t, a, d)
}

// TestLeaveForReal: the others hear it and drop who leaves at once, without a death.
func TestLeaveForReal(t *testing.T) {
	t.Parallel()
	ha := newHost(t)
	a, b, c := join(t, ha), join(t, newHost(t), at(ha)), join(t, newHost(t), at(ha), WithLeaveQuiet(5*interval))
	met(t, a, b, c)
	if err := c.Leave(t.Context()); err != nil {
		t.Errorf("Leave: %v", err)
	}
	if c.Active() || holds(a, c.self) || holds(b, c.self) {
		t.Errorf("gone, active %v, and still held: %v %v", c.Active(), holds(a, c.self), holds(b, c.self))
	}
	if n := a.Snapshot().Node.Deaths + b.Snapshot().Node.Deaths; n != 0 {
		t.Errorf("%d deaths", n)
	}
	for _, p := range c.protocols {
		if slices.Contains(c.host.Mux().Protocols(), p) {
			t.Errorf("still answers %s", p)
		}
	}
}

// TestDefaultHosts: hosts as a beginner makes them.
func TestDefaultHosts(t *testing.T) {
	t.Parallel()
	var services []*Service
	for range 2 {
		h, err := libp2p.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		opts := loopback()
		if len(services) > 0 {
			opts = append(opts, at(services[0].host))
		}
		s, err := New(h, opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		services = append(services, s)
	}
	met(t, services...)
}

// TestBlankHosts: hosts without identify, so nobody is told of records and protocols.
func TestBlankHosts(t *testing.T) {
	t.Parallel()
	blank := func() corehost.Host {
		return blankhost.NewBlankHost(newHost(t).Network()) // takes all streams from the host that made the network
	}
	ha := blank()
	a := join(t, ha)
	b := join(t, blank(), at(ha))
	c := join(t, blank(), at(b.host))
	met(t, a, b, c)
}

// TestMocknet: hosts that make no signed record of their own, and streams without deadlines.
func TestMocknet(t *testing.T) {
	t.Parallel()
	mn := mocknet.New()
	var services []*Service
	t.Cleanup(func() {
		for _, s := range services {
			s.Close()
		}
		mn.Close()
	})
	var first corehost.Host
	for i := range 3 {
		h, err := mn.GenPeer()
		if err != nil {
			t.Fatal(err)
		}
		if err := mn.LinkAll(); err != nil {
			t.Fatal(err)
		}
		opts := loopback()
		if i > 0 {
			opts = append(opts, at(first))
		} else {
			first = h
		}
		s, err := New(h, opts...)
		if err != nil {
			t.Fatal(err)
		}
		if s.Snapshot(); s.own.Load() == nil {
			t.Fatal("no record of our own")
		}
		services = append(services, s)
	}
	met(t, services...)
}

// TestRelayed: two peers that nobody can dial but through a relay, which takes no part.
func TestRelayed(t *testing.T) {
	t.Parallel()
	r := newHost(t, libp2p.EnableRelayService(relay.WithResources(relay.DefaultResources())), libp2p.ForceReachabilityPublic())
	behind := func() corehost.Host { // as with AutoRelay, which leaves out relays on loopback
		circuit := multiaddr.StringCast(r.Addrs()[0].String() + "/p2p/" + r.ID().String() + "/p2p-circuit")
		h := newHost(t, libp2p.NoListenAddrs, libp2p.EnableRelay(),
			libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return []multiaddr.Multiaddr{circuit} }))
		if err := h.Connect(t.Context(), peer.AddrInfo{ID: r.ID(), Addrs: r.Addrs()}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Reserve(t.Context(), h, peer.AddrInfo{ID: r.ID(), Addrs: r.Addrs()}); err != nil {
			t.Fatal(err)
		}
		return h
	}
	ha, hb := behind(), behind()
	a, b := join(t, ha), join(t, hb, at(ha))
	met(t, a, b)
	for _, s := range []*Service{a, b} {
		for _, p := range s.Sample() {
			if len(p.Addrs) == 0 {
				t.Errorf("%s has no address", p.ID)
			}
			for _, addr := range p.Addrs {
				if _, err := addr.ValueForProtocol(multiaddr.P_CIRCUIT); err != nil {
					t.Errorf("%s is given the address %s", p.ID, addr)
				}
			}
		}
		eventually(t, func() bool { node := s.Snapshot().Node; return node.Pushes > 0 && node.Pulls > 0 }, "a round with push and pull")
		if holds(s, r.ID()) {
			t.Error("the relay is in view or sample")
		}
	}
	conns := ha.Network().ConnsToPeer(hb.ID())
	if len(conns) == 0 {
		t.Error("not connected")
	}
	for _, c := range conns {
		if !c.Stat().Limited {
			t.Errorf("connected directly: %v", c)
		}
	}
}

// TestPrivatePeer: who has no address to tell pushes nothing; it learns of others and nobody learns of it.
func TestPrivatePeer(t *testing.T) {
	t.Parallel()
	ha := newHost(t)
	a := join(t, ha)
	b := join(t, newHost(t), at(ha))
	silent := join(t, newHost(t, libp2p.NoListenAddrs), at(ha))
	strict := join(t, newHost(t), at(ha), WithAllowPrivate(false)) // its addresses are all private
	met(t, a, b)
	eventually(t, func() bool { return samples(silent, a.self) && samples(silent, b.self) }, "it learns of both")
	eventually(t, func() bool { return samples(strict, a.self) }, "it reaches its seed")
	for range 10 {
		passed(t, a, 1)
		for _, p := range []*Service{silent, strict} {
			if !p.Snapshot().Private {
				t.Error("not private")
			}
			if holds(a, p.self) || holds(b, p.self) {
				t.Error("somebody lists a peer that cannot be dialled")
			}
		}
		if holds(strict, b.self) {
			t.Error("a private address was believed on the word of another")
		}
	}
	for _, p := range []*Service{silent, strict} {
		if n := p.Snapshot().Node.Pushes; n != 0 {
			t.Errorf("%d pushes to a peer that nobody knows", n)
		}
	}
	if err := silent.host.Network().Listen(multiaddr.StringCast(onTCP)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return !silent.Snapshot().Private }, "it has an address now")
	met(t, a, b, silent)
}

// TestPrefixes: networks with prefixes of their own do not mix, also where one host is in two of them.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	red, blue := WithProtocolPrefix("/red"), WithProtocolPrefix("/blue")
	h1, h2, h3 := newHost(t), newHost(t), newHost(t)
	red2, blue2 := join(t, h2, red), join(t, h2, blue)
	red1, blue3 := join(t, h1, red, at(h2), at(h3)), join(t, h3, blue, at(h2), at(h1))
	none := join(t, h3, at(h1), at(h2))
	met(t, red1, red2)
	met(t, blue2, blue3)
	passed(t, none, 10)
	met(t, red1, red2)
	met(t, blue2, blue3)
	if len(none.Sample()) != 0 {
		t.Errorf("a network without a prefix found %v", none.Sample())
	}
	red2.Close() // the other network on the host goes on
	served := blue2.Status().Served
	eventually(t, func() bool { return blue2.Status().Served > served+2 }, "the other service still answers")
	eventually(t, func() bool { return len(red1.Sample()) == 0 }, "red forgets who left it")
}

func TestConcurrentReaders(t *testing.T) {
	t.Parallel()
	ha := newHost(t)
	a := join(t, ha, WithRoundInterval(MinInterval*5))
	b := join(t, newHost(t), at(ha), WithRoundInterval(MinInterval*5))
	met(t, a, b)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			ticker := time.NewTicker(time.Millisecond) // without a pause 64 readers would leave the service no CPU
			defer ticker.Stop()
			for last := uint64(0); ; {
				select {
				case <-done:
					return
				case <-ticker.C:
				}
				switch snap := a.Snapshot(); i % 5 {
				case 0:
					if snap.Round < last {
						t.Errorf("round %d after %d", snap.Round, last)
					}
					last = snap.Round
				case 1:
					if st := a.Status(); !st.Active || st.ID != ha.ID() {
						t.Errorf("status %+v", st)
					}
				case 2:
					for _, p := range a.Random(3) {
						_ = p.String()
					}
				case 3:
					for _, p := range a.Sample() {
						_ = p.String()
					}
				default:
					clear(a.View())
				}
			}
		})
	}
	passed(t, a, 30)
	close(done)
	wg.Wait()
	met(t, a, b)
}

// TestBackOnANewPort: a peer that died comes back under its id at another port and is found by its new record.
func TestBackOnANewPort(t *testing.T) {
	t.Parallel()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ha, hc := newHost(t), newHost(t)
	a, c := join(t, ha), join(t, hc, at(ha))
	b := join(t, newHost(t, libp2p.Identity(key)), at(ha))
	met(t, a, b, c)
	old := b.host.Addrs()[0]
	b.Close()
	b.host.Close()
	eventually(t, func() bool { return !holds(a, b.self) && !holds(c, b.self) }, "the dead one is forgotten")

	b = join(t, newHost(t, libp2p.Identity(key)), at(ha))
	addr := b.host.Addrs()[0]
	if addr.Equal(old) {
		t.Fatalf("the same port again: %s", addr)
	}
	met(t, a, b, c)
	for _, s := range []*Service{a, c} {
		for _, p := range s.Sample() {
			if p.ID == b.self && (len(p.Addrs) != 1 || !p.Addrs[0].Equal(addr)) {
				t.Errorf("%s has %s at %v, want %s", s.self, p.ID, p.Addrs, addr)
			}
		}
	}
}

// TestUnproven: a peer that dialled us, whose own address reaches nobody, lives but is not proven; when its connection is
// gone it is found out.
func TestUnproven(t *testing.T) {
	t.Parallel()
	nowhere := multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")
	ha := newHost(t)
	a, proven := join(t, ha), new(Service)
	hb := newHost(t, libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return []multiaddr.Multiaddr{nowhere} }))
	hd := newHost(t)
	proven = join(t, hd, at(ha), WithProvenOnly(true))
	met(t, a, proven)
	b := join(t, hb, at(ha), at(hd), WithCloseIdle(0))
	eventually(t, func() bool { return samples(a, b.self) }, "a peer that lives is sampled")
	eventually(t, func() bool {
		return slices.ContainsFunc(proven.Snapshot().Slots, func(x protocol.Sampled) bool { return x.ID == b.self })
	}, "it is in a slot of the one that wants proven peers")
	for range 5 {
		passed(t, a, 1)
		for _, s := range []*Service{a, proven} {
			for _, slot := range s.Snapshot().Slots {
				if slot.ID == b.self && slot.Proven {
					t.Fatal("proven without a dial")
				}
			}
		}
		if samples(proven, b.self) || has(proven.Random(100), b.self) {
			t.Error("WithProvenOnly gives one that is not")
		}
		if !samples(proven, a.self) {
			t.Error("WithProvenOnly withholds one that is proven")
		}
	}
	b.Close()
	hb.Close()
	eventually(t, func() bool { return !holds(a, b.self) && !holds(proven, b.self) }, "found out when its connection is gone")
	met(t, a, proven)
}

// TestCloseIdle: of the connections to peers that are of no more use, only those are closed that the service dialled
// itself and nobody else wants.
func TestCloseIdle(t *testing.T) {
	t.Parallel()
	const app = "/app/1"
	p := protocol.Hardened(40)
	p.SeedEvery = 1 << 20 // or the seeds that are of no more use would be dialled again
	h, keep := newHost(t), newHost(t)
	kept := join(t, keep)
	var others []*Service
	bootstrap := []Option{at(keep), WithParams(p), WithCloseIdle(10)} // 10: a busy machine may skip some
	for range 5 {
		o := newHost(t)
		o.SetStreamHandler(app, func(st network.Stream) { _, _ = st.Read(make([]byte, 1)); st.Reset() })
		others = append(others, join(t, o))
		bootstrap = append(bootstrap, at(o))
	}
	idle, streaming, protected, ours, inbound := others[0], others[1], others[2], others[3], others[4]
	if err := h.Connect(t.Context(), peer.AddrInfo{ID: ours.self, Addrs: ours.host.Addrs()}); err != nil {
		t.Fatal(err)
	}
	if err := inbound.host.Connect(t.Context(), peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err != nil {
		t.Fatal(err)
	}
	s := join(t, h, bootstrap...)
	var closed sync.Map
	h.Network().Notify(&network.NotifyBundle{DisconnectedF: func(_ network.Network, c network.Conn) { closed.Store(c.RemotePeer(), true) }})
	isClosed := func(o *Service) bool { _, ok := closed.Load(o.self); return ok }
	for _, o := range others {
		eventually(t, func() bool { return samples(s, o.self) }, "all are sampled")
	}
	for name, o := range map[string]*Service{"to be closed": idle, "with a stream": streaming, "protected": protected} {
		if c := h.Network().ConnsToPeer(o.self); len(c) != 1 || c[0].Stat().Direction != network.DirOutbound {
			t.Fatalf("the connection %s: %v, want one that was dialled", name, c)
		}
	}
	st, err := h.NewStream(t.Context(), streaming.self, app)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Write(nil); err != nil {
		t.Fatal(err)
	}
	h.ConnManager().Protect(protected.self, "app")
	passed(t, s, 5)
	for _, o := range others {
		if isClosed(o) {
			t.Error("a connection in use was closed")
		}
	}
	for _, o := range others {
		o.Close()
	}
	eventually(t, func() bool { return isClosed(idle) }, "the idle connection is closed")
	passed(t, s, 4)
	for name, o := range map[string]*Service{"with a stream": streaming, "protected": protected, "of the app": ours, "inbound": inbound} {
		if isClosed(o) {
			t.Errorf("the connection %s was closed", name)
		}
	}
	st.Reset()
	eventually(t, func() bool { return isClosed(streaming) }, "closed when the stream has ended")
	if !samples(s, kept.self) {
		t.Error("the peer that stays is not sampled")
	}
}

// TestGossipStaysOutOfPeerstore: of what others tell only what is being dialled enters the app's peerstore.
func TestGossipStaysOutOfPeerstore(t *testing.T) {
	t.Parallel()
	liar := newHost(t)
	var res wire.PullResponse
	res.Status = wire.StatusTaken
	told := make(map[peer.ID]bool)
	for i := range 60 {
		signer := newRecordSigner(t)
		told[signer.id] = true
		res.Entries = append(res.Entries, wire.Entry{Record: signer.seal(t, 1, fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", i+1)), Count: 1})
	}
	liar.SetStreamHandler(protocol.PullID, func(st network.Stream) {
		defer st.Close()
		_ = respond(st, res) // the service may be closed meanwhile; that the gossip arrives is seen below
	})
	h := newHost(t)
	s := join(t, h, WithViewSize(6), at(liar))
	eventually(t, func() bool { return s.Status().Records > 60 }, "the gossip arrives")
	s.Close()
	stored := 0
	for _, id := range h.Peerstore().PeersWithAddrs() {
		if told[id] {
			stored++
		}
	}
	if n := int(s.Status().Dials); stored > n || n > 30 {
		t.Errorf("%d of %d ids of gossip are in the app's peerstore, %d were dialled", stored, len(told), n)
	}
}

// TestHostGoesFirst: a host that is closed under the service is a mistake of the caller's, and no reason to hang.
func TestHostGoesFirst(t *testing.T) {
	t.Parallel()
	ha := newHost(t)
	a := join(t, ha)
	b := join(t, newHost(t), at(ha))
	met(t, a, b)
	b.host.Close()
	passed(t, b, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.Leave(ctx); err != nil {
		t.Errorf("Leave: %v", err)
	}
}

// TestProbeIsARealAttempt: libp2p refuses to dial for seconds after a dial that failed; such a refusal would tell nothing
// of the peer, and one that comes back would not be found.
func TestProbeIsARealAttempt(t *testing.T) {
	t.Parallel()
	h, dead := newHost(t), newHost(t)
	gone := peer.AddrInfo{ID: dead.ID(), Addrs: dead.Addrs()}
	dead.Close()
	s := join(t, h, WithLimits(Limits{AddrDials: Unlimited}))
	if err := s.book.addSeed(gone); err != nil {
		t.Fatal(err)
	}
	x := &libp2pExchanger{s: s, h: h}
	for i := range 3 {
		if a := x.exchange(t.Context(), probe, gone.ID); a.outcome != protocol.Missed || !a.unreached {
			t.Errorf("probe %d of a dead peer: %v, %v", i, a.outcome, a.err)
		}
	}
	if n := s.Status().Dials; n != 3 {
		t.Errorf("%d dials", n)
	}
}
