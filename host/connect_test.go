package host

import (
	"context"
	"errors"
	"testing"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

func (v *victim) connectTo(t testing.TB, p peer.AddrInfo) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return v.Connect(ctx, p)
}

// TestConnectIsNoCannon: what a protocol on top dials hits a victim no more often than the service's own dials may, whether the
// addresses come from records or from the caller. Without the limit each dial hits.
func TestConnectIsNoCannon(t *testing.T) {
	const ids = 12
	for limit, want := range map[int]int64{0: 3, Unlimited: ids} {
		for _, fromBook := range []bool{true, false} {
			victim, hits := cannonball(t, "127.0.0.1")
			v := newVictim(t, WithRoundInterval(MaxInterval), WithLimits(Limits{AddrDials: limit}))
			for range ids {
				phantom := newRecordSigner(t)
				p := peer.AddrInfo{ID: phantom.id}
				if !fromBook {
					p.Addrs = addrList(victim)
				} else if _, _, err := v.book.put(phantom.seal(t, 1, victim), fromGossip, "namer", classLoopback); err != nil {
					t.Fatal(err)
				}
				if err := v.connectTo(t, p); err == nil {
					t.Fatal("connected to a phantom")
				}
			}
			if n, st := hits.Load(), v.Status(); n != want || st.Dials != uint64(want) || st.DialsWithheld != uint64(ids-want) {
				t.Errorf("limit %d: %d hits, want %d; %d dials, %d withheld", limit, n, want, st.Dials, st.DialsWithheld)
			}
		}
	}
}

// TestConnect: a peer that answers is connected as often as it is asked for, at its own address where it lists a victim beside
// it, and takes nothing of what the service may dial in a round.
func TestConnect(t *testing.T) {
	victim, hits := cannonball(t, "::1") // libp2p tries IPv6 first
	v := newVictim(t, WithRoundInterval(MaxInterval), WithLimits(Limits{Dials: 1}))
	a := newAttacker(t)
	at := peer.AddrInfo{ID: a.ID(), Addrs: append(a.Addrs(), addrList(victim)...)}
	for i := range 12 {
		if err := v.connectTo(t, at); err != nil || v.host.Network().Connectedness(a.ID()) != network.Connected {
			t.Fatalf("dial %d: %v", i, err)
		}
		if err := v.connectTo(t, at); err != nil { // it is there already
			t.Fatal(err)
		}
		_ = v.host.Network().ClosePeer(a.ID())
	}
	if n, st := hits.Load(), v.Status(); n != 3 || st.Dials != 12 || st.AddrsWithheld != 9 {
		t.Errorf("%d hits of the victim, want 3; %d dials, %d addresses withheld", n, st.Dials, st.AddrsWithheld)
	}
	a.answering(v, answers(pullAnswer(1)))
	if got := v.exchangeWith(t, probe, a.ID()); errors.Is(got.err, errSpent) {
		t.Error("the service may not dial any more in this round")
	}
	_ = v.Close()
	if err := v.connectTo(t, at); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestIdleLoans: what Connect dialled is closed when neither it nor the service used it for as many rounds as the option says,
// and not before. What the application dialled stays, whoever asks for it.
func TestIdleLoans(t *testing.T) {
	h, o, app := newHost(t), newHost(t), newHost(t)
	cfg, err := newConfig([]Option{WithCloseIdle(2), WithAllowPrivate(true)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newService(h.ID(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.host = h
	connect := func(to corehost.Host) network.Conn {
		t.Helper()
		if err := s.Connect(t.Context(), peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}); err != nil {
			t.Fatal(err)
		}
		c := h.Network().ConnsToPeer(to.ID())[0]
		eventually(t, func() bool { return len(c.GetStreams()) == 0 }, "identify is done")
		return c
	}
	if err := h.Connect(t.Context(), peer.AddrInfo{ID: app.ID(), Addrs: app.Addrs()}); err != nil {
		t.Fatal(err)
	}
	ours, theirs := connect(o), connect(app)
	opened := uint64(10)
	kept := func() bool {
		opened++
		s.loop.links.tick(s, opened)
		_, kept := s.loop.links.own[ours]
		return kept
	}
	for range 4 {
		if !kept() {
			t.Fatal("closed while it is used")
		}
		connect(o)
	}
	for idle, want := range []bool{true, true, false} {
		if got := kept(); got != want {
			t.Errorf("idle for %d rounds: kept %v", idle, got)
		}
	}
	_ = s.Close()
	if !ours.IsClosed() || theirs.IsClosed() {
		t.Errorf("closed: ours %v, the application's %v", ours.IsClosed(), theirs.IsClosed())
	}
}
