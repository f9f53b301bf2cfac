package spread

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

func newHost(t testing.TB) corehost.Host {
	t.Helper()
	limits := rcmgr.DefaultLimits
	brahmshost.SetDefaultServiceLimits(&limits)
	SetDefaultServiceLimits(&limits)
	manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.AutoScale()))
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.ResourceManager(manager), libp2p.DisableRelay())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// start starts a service on h that is closed with the test, before h is.
func start(t testing.TB, h corehost.Host, peers Peers, opts ...Option) *Service {
	t.Helper()
	if f, ok := peers.(*fakePeers); ok {
		f.dials(h, nil)
	}
	s, err := New(h, peers, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestRealPeers: three hosts that find each other by Brahms spread messages of all sizes.
func TestRealPeers(t *testing.T) {
	t.Parallel()
	var hosts []corehost.Host
	var all []*Service
	var subs []*Subscription
	for i := range 3 {
		h := newHost(t)
		// A minute has hundreds of rounds here: what is dialled in vain at the start would not be dialled again in the test.
		opts := []brahmshost.Option{
			brahmshost.WithRoundInterval(100 * time.Millisecond), brahmshost.WithAllowPrivate(true),
			brahmshost.WithLimits(brahmshost.Limits{AddrDials: brahmshost.Unlimited}),
		}
		if i > 0 {
			opts = append(opts, brahmshost.WithBootstrap(peer.AddrInfo{ID: hosts[i-1].ID(), Addrs: hosts[i-1].Addrs()}))
		}
		svc, err := brahmshost.New(h, opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { svc.Close() })
		s := start(t, h, svc)
		sub, err := s.Subscribe("t")
		if err != nil {
			t.Fatal(err)
		}
		hosts, all, subs = append(hosts, h), append(all, s), append(subs, sub)
	}
	for _, s := range all { // who is in nobody's sample is not reached
		eventually(t, "all know all", func() bool { return len(s.peers.Snapshot().Peers) == 2 })
	}
	for i, size := range []int{0, 1, 1000, message.MaxPayload} {
		payload := []byte(strings.Repeat("x", size))
		origin := all[i%3]
		report, err := origin.Spread(t.Context(), "t", payload)
		if err != nil {
			t.Fatal(err)
		}
		for k, sub := range subs {
			select {
			case m := <-sub.Messages():
				if m.ID != report.ID || m.Origin != origin.self || len(m.Payload) != size {
					t.Errorf("peer %d got %d bytes of %v, id %v", k, len(m.Payload), m.Origin, m.ID)
				}
			case <-time.After(patience):
				t.Fatalf("peer %d did not get message %d", k, i)
			}
		}
	}
	if _, err := New(hosts[0], all[0].peers); err == nil || !strings.Contains(err.Error(), "already handled") {
		t.Errorf("a second service on the host: %v", err)
	}
	for k, s := range all {
		eventually(t, "all copies are sent", func() bool { return s.Status().Pending == 0 })
		if st := s.Status(); len(st.Refused) != 0 || st.Failed != 0 {
			t.Errorf("peer %d: %+v", k, st)
		}
	}
}

// say opens a stream from h to s, writes raw, half-closes and returns what comes back.
func say(t testing.TB, h corehost.Host, s *Service, raw []byte) ([]byte, error) {
	t.Helper()
	st := open(t, h, s)
	_, _ = st.Write(raw)
	_ = st.CloseWrite()
	defer st.Close()
	return io.ReadAll(st)
}

func open(t testing.TB, h corehost.Host, s *Service) network.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.Connect(ctx, peer.AddrInfo{ID: s.self, Addrs: s.host.Addrs()}); err != nil {
		t.Fatal(err)
	}
	st, err := h.NewStream(ctx, s.self, ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Reset() })
	_ = st.SetDeadline(time.Now().Add(patience))
	return st
}

func wantReset(t *testing.T, about string, got []byte, err error, code network.StreamErrorCode) {
	t.Helper()
	var reset *network.StreamError
	if !errors.As(err, &reset) || reset.ErrorCode != code || len(got) != 0 {
		t.Errorf("%s: %x, %v; want a reset with %#x", about, got, err, code)
	}
}

// TestHostileStreams: what a hand-made peer may do on real streams, and what it gets for it.
func TestHostileStreams(t *testing.T) {
	t.Parallel()
	s := start(t, newHost(t), peersOf(1), WithSenderRate(.001, 20))
	h := newHost(t)
	good := wire.AppendFrame(nil, made(t, 2, "t", "hello", time.Now(), 0))
	for _, want := range []message.Status{message.StatusTaken, message.StatusSeen} {
		got, err := say(t, h, s, good)
		if a, derr := message.DecodeAnswer(got[min(1, len(got)):]); err != nil || derr != nil || a.Status != want {
			t.Errorf("%x, %v; want %v", got, err, want)
		}
	}
	forged := append([]byte(nil), good...)
	forged[len(forged)-1] ^= 1
	forged[10] ^= 1
	for about, raw := range map[string][]byte{
		"nothing": nil, "a large promise": {0xff, 0xff, 0xff, 0x7f}, "cut short": good[:50], "more than a message": append(append([]byte(nil), good...), 1), "forged": forged,
	} {
		got, err := say(t, h, s, raw)
		wantReset(t, about, got, err, network.StreamProtocolViolation)
	}
	// The other 13 of the burst, and one more.
	silent := make([]network.Stream, maxInboundPerPeer)
	for i := range 13 {
		silent[i] = open(t, h, s)
		_, _ = silent[i].Write([]byte{5})
	}
	eventually(t, "13 streams are served", func() bool {
		return s.inbound.Of(h.ID()) == 13
	})
	got, err := say(t, h, s, good)
	wantReset(t, "one too many of its rate", got, err, network.StreamRateLimited)
	if n := s.Status().Refused[ReasonSenderRate]; n != 1 {
		t.Errorf("%d refused for their rate", n)
	}
	done := make(chan struct{})
	go func() { s.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(serveTimeout / 2):
		t.Error("Close waits for silent streams")
	}
	got, err = io.ReadAll(silent[0])
	wantReset(t, "after Close", got, err, network.StreamShutdown)
}

// TestTooManyStreams: one peer does not take all places, over the network.
func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	s := start(t, newHost(t), peersOf(1))
	h := newHost(t)
	var streams []*memStream
	for range maxInboundPerPeer {
		st := newMemStream(h.ID(), nil)
		if _, _, ok := s.inbound.Enter(st, 0); !ok {
			t.Fatal("refused too early")
		}
		streams = append(streams, st)
	}
	got, err := say(t, h, s, nil)
	wantReset(t, "over the network", got, err, network.StreamResourceLimitExceeded)
	if n := s.Status().Refused[ReasonTooManyStreams]; n != 1 {
		t.Errorf("%d refused", n)
	}
	for _, st := range streams {
		s.inbound.Leave(st)
	}
}

// TestTheSamplerDials: messages dial nobody by themselves, or whoever is sampled could aim all peers at a victim that it claims
// to be at. Control: who the sampler connects takes the message.
func TestTheSamplerDials(t *testing.T) {
	t.Parallel()
	h, other := newHost(t), newHost(t)
	start(t, other, peersOf(2))
	to := peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}
	h.Peerstore().AddAddrs(to.ID, to.Addrs, time.Hour)
	peers := peersOf(1, to.ID)
	peers.infos[0] = to
	s := start(t, h, peers)
	peers.dials(h, errors.New("withheld"))
	if report, err := s.Spread(t.Context(), "t", []byte("one")); err == nil || report.Taken != 0 || h.Network().Connectedness(to.ID) != network.NotConnected {
		t.Errorf("%+v, %v: dialled all the same", report, err)
	}
	peers.dials(h, nil)
	if report, err := s.Spread(t.Context(), "t", []byte("two")); err != nil || report.Taken != 1 {
		t.Errorf("control: %+v, %v", report, err)
	}
}

// TestStrangeAnswers: a peer that answers what is no answer has not taken the message, and why is counted.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	for about, c := range map[string]struct {
		raw    []byte
		took   int
		reason Reason
	}{
		"taken":            {[]byte{2, 8, 1}, 1, ""},
		"no resources":     {[]byte{2, 8, 3}, 0, ""},
		"a later status":   {[]byte{2, 8, 77}, 0, ReasonUnknownStatus},
		"nothing":          {nil, 0, ReasonBadFrame},
		"garbage":          {[]byte{1, 0xff}, 0, ReasonBadMessage},
		"a large promise":  {[]byte{0xff, 0x7f}, 0, ReasonBadFrame},
		"more than enough": {[]byte{2, 8, 1, 0}, 0, ReasonBadFrame},
	} {
		strange := newHost(t)
		strange.SetStreamHandler(ID, func(st network.Stream) {
			_, _ = io.Copy(io.Discard, st)
			_, _ = st.Write(c.raw)
			_ = st.Close()
		})
		peers := peersOf(1, strange.ID())
		peers.infos[0].Addrs = strange.Addrs()
		s := start(t, newHost(t), peers)
		report, err := s.Spread(t.Context(), "t", []byte("hello"))
		if report.Taken != c.took || (err == nil) != (c.took == 1) {
			t.Errorf("%s: %+v, %v", about, report, err)
		}
		if refused := s.Status().Refused; len(refused) != min(1, len(c.reason)) || c.reason != "" && refused[c.reason] != 1 {
			t.Errorf("%s: refused %v, want %q", about, refused, c.reason)
		}
	}
}
