package host

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestIdleRounds: a connection is closed when it was idle for as many whole rounds as the option says, no sooner.
func TestIdleRounds(t *testing.T) {
	for rounds := 1; rounds <= 3; rounds++ {
		h, o := newHost(t), newHost(t)
		if err := h.Connect(t.Context(), peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}); err != nil {
			t.Fatal(err)
		}
		cfg, err := newConfig([]Option{WithCloseIdle(rounds)})
		if err != nil {
			t.Fatal(err)
		}
		s, err := newService(h.ID(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.host = h
		c := h.Network().ConnsToPeer(o.ID())[0]
		eventually(t, func() bool { return len(c.GetStreams()) == 0 }, "identify is done")
		s.loop.links.used(c, true, 10)
		// The tick that opens round 11 closes round 10, in which it was used; rounds 11, 12, ... are idle.
		for opened := uint64(11); ; opened++ {
			s.loop.links.tick(s, opened)
			_, kept := s.loop.links.own[c]
			if want := opened-11 < uint64(rounds); kept != want {
				t.Errorf("idle for %d of %d rounds: kept %v", opened-11, rounds, kept)
			}
			if !kept {
				break
			}
		}
		s.Close()
		if !c.IsClosed() {
			t.Error("not closed")
		}
	}
}

// TestLateUse: what a late exchange used was used now, not when it was planned: the connection of a dial that takes
// longer than the idle rounds is not closed at once.
func TestLateUse(t *testing.T) {
	t.Parallel()
	h, o := newHost(t), newHost(t)
	s := join(t, h, WithCloseIdle(2))
	passed(t, s, 10)
	if err := h.Connect(t.Context(), peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}); err != nil {
		t.Fatal(err)
	}
	c := h.Network().ConnsToPeer(o.ID())[0]
	s.results <- result{job: job{id: o.ID(), round: 3}, answer: answer{conn: c, dialled: true}, last: true}
	from := s.Snapshot().Round
	eventually(t, func() bool { return c.IsClosed() }, "closed in the end")
	if n := s.Snapshot().Round - from; n < 2 {
		t.Errorf("closed %d rounds after its use", n)
	}
}

// TestNoProtocol: a peer that does not speak our protocol is dialled for nothing; the connection does not stay.
func TestNoProtocol(t *testing.T) {
	t.Parallel()
	h, o, friend := newHost(t), newHost(t), newHost(t)
	p := protocol.Hardened(40)
	p.SeedEvery = 1 << 20
	join(t, friend)
	s := join(t, h, at(o), at(friend), WithCloseIdle(2), WithParams(p))
	eventually(t, func() bool { return samples(s, friend.ID()) && !holds(s, o.ID()) }, "who does not speak it is dropped")
	eventually(t, func() bool { return len(h.Network().ConnsToPeer(o.ID())) == 0 }, "the connection is closed")
}

// noUDP is a gater that refuses what goes over UDP, as libp2p does itself where it takes UDP for a black hole.
type noUDP struct{}

func (noUDP) InterceptPeerDial(peer.ID) bool { return true }
func (noUDP) InterceptAddrDial(_ peer.ID, a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_UDP)
	return err != nil
}
func (noUDP) InterceptAccept(network.ConnMultiaddrs) bool                              { return true }
func (noUDP) InterceptSecured(network.Direction, peer.ID, network.ConnMultiaddrs) bool { return true }
func (noUDP) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason)          { return true, 0 }

// TestDeadWithRefusedAddrs: a dial of which our own host refused some addresses is a miss if one was really dialled.
func TestDeadWithRefusedAddrs(t *testing.T) {
	t.Parallel()
	ha := newHost(t, libp2p.ConnectionGater(noUDP{}))
	a, c := join(t, ha), join(t, newHost(t), at(ha))
	b := join(t, newHost(t, libp2p.ListenAddrStrings(onQUIC)), at(ha))
	met(t, a, b, c)
	b.Close()
	b.host.Close()
	eventually(t, func() bool { return !holds(c, b.self) }, "the other host forgets it")
	eventually(t, func() bool { return !holds(a, b.self) }, "the host with a gater forgets it")
}

// TestBootstrapTwice: a peer whose addresses come as two entries keeps both.
func TestBootstrapTwice(t *testing.T) {
	addrs := addrList("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/udp/1/quic-v1", "/ip4/1.2.3.4/tcp/1")
	var list []peer.AddrInfo
	for _, a := range addrs {
		list = append(list, peer.AddrInfo{ID: peerNo(1), Addrs: []multiaddr.Multiaddr{a}})
	}
	s := fakeService(t, newFakeNet(nil), WithBootstrap(list...))
	if got := s.book.addrs(peerNo(1)); len(got) != 2 {
		t.Errorf("of three entries for one peer %v is left", got)
	}
	if len(list[0].Addrs) != 1 || len(s.loop.bootstrap) != 1 {
		t.Error("the caller's list was changed, or the id is there twice")
	}
}

// TestBeforeTheFirstRound: a new service says that its sample is young, and answers a pull with an empty view.
func TestBeforeTheFirstRound(t *testing.T) {
	s := fakeService(t, newFakeNet(nil))
	if !s.Status().Node.Young {
		t.Error("a service without a round does not say that it is young")
	}
	if len(s.Snapshot().reply) == 0 || !slices.Equal(s.Snapshot().reply, s.Snapshot().replyLess) {
		t.Errorf("a pull is answered with %x", s.Snapshot().reply)
	}
}

// TestSampleSize: the size of the sample does not change that of the view, and brings its own budgets.
func TestSampleSize(t *testing.T) {
	for _, c := range []struct {
		opts   []Option
		l1, l2 int
	}{
		{[]Option{WithSampleSize(300)}, 40, 300},
		{[]Option{WithSampleSize(10)}, 40, 10},
		{[]Option{WithViewSize(12), WithSampleSize(100)}, 12, 100},
		{[]Option{WithSampleSize(100), WithViewSize(12)}, 12, 100},
		{[]Option{WithViewSize(3), WithSampleSize(1)}, 3, 1},
		{[]Option{WithViewSize(256), WithSampleSize(4096)}, 256, 4096},
	} {
		cfg, err := newConfig(c.opts)
		if err != nil {
			t.Errorf("l1=%d l2=%d: %v", c.l1, c.l2, err)
			continue
		}
		if p := cfg.params; p.L1 != c.l1 || p.L2 != c.l2 || p.Probes != protocol.Hardened(c.l2).Probes {
			t.Errorf("l1=%d l2=%d probes=%d, want l1=%d l2=%d", p.L1, p.L2, p.Probes, c.l1, c.l2)
		}
	}
}

// TestLeaveOfAQuietPeer: nobody can have heard that it leaves before it said so.
func TestLeaveOfAQuietPeer(t *testing.T) {
	t.Parallel()
	s := join(t, newHost(t), WithLeaveQuiet(2*interval))
	passed(t, s, 4)
	start := time.Now()
	if err := s.Leave(context.Background()); err != nil || time.Since(start) < 2*interval {
		t.Errorf("Leave returned %v after %v, the quiet time is %v", err, time.Since(start), 2*interval)
	}
}
