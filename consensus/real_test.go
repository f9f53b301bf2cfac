package consensus

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
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
func start(t testing.TB, h corehost.Host, sampler Sampler, opts ...Option) *Service {
	t.Helper()
	if f, ok := sampler.(*fakeSampler); ok {
		f.dials(h, nil)
	}
	s, err := New(h, sampler, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// subscribed returns a channel of events of a host.
func subscribed[T any](t testing.TB, h corehost.Host) <-chan T {
	t.Helper()
	sub, err := h.EventBus().Subscribe(new(T), eventbus.BufSize(64))
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan T, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for e := range sub.Out() {
			out <- e.(T)
		}
	})
	t.Cleanup(func() { sub.Close(); wg.Wait() })
	return out
}

func next[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("no %T", v)
	}
	return v
}

// sampleAll has all hosts but h, with their addresses.
func sampleAll(h corehost.Host, all []corehost.Host) *fakeSampler {
	s := sampleOf(1)
	for _, other := range all {
		if other != h {
			s.infos = append(s.infos, peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()})
		}
	}
	return s
}

// TestRealHosts: five hosts agree over loopback, and tell it on their event buses. A sixth that speaks another protocol
// is asked until its host is known, and then passed over.
func TestRealHosts(t *testing.T) {
	t.Parallel()
	var hosts []corehost.Host
	for range 6 {
		hosts = append(hosts, newHost(t))
	}
	p := small()
	p.K, p.Alpha = 5, 4
	var all []*Service
	for _, h := range hosts[:5] {
		all = append(all, start(t, h, sampleAll(h, hosts), withManualRounds(), WithParams(p), WithRoundInterval(patience)))
	}
	decided, phases := subscribed[EvtDecided](t, hosts[0]), subscribed[EvtStatusChanged](t, hosts[0])
	at := machine.Clock{Epoch: 3}
	round := func() {
		for _, s := range all {
			s.step(at)
		}
		at.Age++
	}
	round()
	var want []string
	for i, s := range all[:3] {
		word := strings.Repeat("x", i+1)
		if _, err := s.Propose(t.Context(), []byte(word)); err != nil {
			t.Fatal(err)
		}
		want = append(want, word)
	}
	for range 20 {
		round()
	}
	for i, s := range all {
		set, ok := s.Decided(3)
		got := payloads(set)
		if slices.Sort(got); !ok || !slices.Equal(got, want) {
			t.Fatalf("peer %d: %q, %v, %+v", i, got, ok, s.Status())
		}
		if st := s.Status(); len(st.Refused) != 0 || st.PassedOver == 0 || st.Served == 0 || st.Picked-st.Answered > 6 {
			t.Errorf("peer %d: %+v", i, st)
		}
	}
	if e := next(t, decided); e.Epoch != 3 || len(e.Items) != 3 || e.Prefix != "" {
		t.Errorf("%+v", e)
	}
	for _, phase := range []machine.Phase{machine.Open, machine.Polling, machine.Closed} {
		if e := next(t, phases); e.Epoch != 3 || e.Phase != phase {
			t.Errorf("%+v, want %s", e, phase)
		}
	}
	if _, err := New(hosts[0], all[0].sampler); err == nil || !strings.Contains(err.Error(), "already handled") {
		t.Errorf("a second service on the host: %v", err)
	}
	other := start(t, hosts[0], all[0].sampler, WithProtocolPrefix("/other"), withManualRounds(), WithParams(p), WithRoundInterval(patience))
	other.step(at) // nobody speaks it
	if st := other.Status(); st.Answered != 0 || len(st.Refused) != 0 {
		t.Errorf("%+v", st)
	}
}

// TestSampler: four services on four Brahms peers, whose clocks run: what is proposed at one is decided at all.
func TestSampler(t *testing.T) {
	t.Parallel()
	p := machine.Params{K: 3, Alpha: 2, Beta: 2, Adopt: 2, Drift: 12, Hold: 2, Window: 6, MinPeers: 3, Stall: 50}
	var hosts []corehost.Host
	var all []*Service
	start0 := time.Now().Truncate(time.Second)
	for i := range 4 {
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
		hosts = append(hosts, h)
		all = append(all, start(t, h, svc, WithParams(p), WithRoundInterval(250*time.Millisecond), WithEpochs(5*time.Second, start0)))
	}
	for _, s := range all { // who is in nobody's sample is not polled
		eventually(t, "all know all", func() bool { return len(s.sampler.Snapshot().Peers) == 3 })
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for in := false; !in; { // on a machine that stands for a second the item may miss the window, at all of them
		it, err := all[0].Propose(ctx, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		first, err := all[0].Wait(ctx, it.Epoch)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range all {
			set, err := s.Wait(ctx, it.Epoch)
			if err != nil || !slices.Equal(payloads(set), payloads(first)) {
				t.Fatalf("peer %d: %q, %v; the first has %q", i, payloads(set), err, payloads(first))
			}
		}
		in = len(first) == 1 && first[0].ID() == it.ID()
	}
}

// TestTheSamplerDials: polls dial nobody by themselves, or whoever is sampled could aim all peers at a victim that it claims to
// be at. Control: who the sampler connects is asked.
func TestTheSamplerDials(t *testing.T) {
	t.Parallel()
	h, other, sample := newHost(t), newHost(t), sampleOf(1)
	s := start(t, h, sample, withManualRounds())
	to := peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}
	h.Peerstore().AddAddrs(to.ID, to.Addrs, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, e := range Exchanges() {
		j := job{exchange: e, to: to, epoch: 7, ids: []machine.ID{{1}}}
		sample.dials(h, errors.New("withheld"))
		if r := s.exchange(ctx, j); r.outcome != Unreached || h.Network().Connectedness(to.ID) != network.NotConnected {
			t.Errorf("%s: %s, dialled all the same", e, r.outcome)
		}
		sample.dials(h, nil)
		if r := s.exchange(ctx, j); r.outcome != Unsupported || h.Network().Connectedness(to.ID) != network.Connected {
			t.Errorf("%s: control: %s", e, r.outcome)
		}
		_ = h.Network().ClosePeer(to.ID)
		eventually(t, "the connection is gone", func() bool { return h.Network().Connectedness(to.ID) == network.NotConnected })
	}
}

func open(t testing.TB, h corehost.Host, s *Service, e Exchange) network.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.Connect(ctx, peer.AddrInfo{ID: s.self, Addrs: s.host.Addrs()}); err != nil {
		t.Fatal(err)
	}
	st, err := h.NewStream(ctx, s.self, s.protocols[e])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Reset() })
	_ = st.SetDeadline(time.Now().Add(patience))
	return st
}

// say opens a stream from h to s, writes raw, half-closes and returns what comes back.
func say(t testing.TB, h corehost.Host, s *Service, e Exchange, raw []byte) ([]byte, error) {
	t.Helper()
	st := open(t, h, s, e)
	_, _ = st.Write(raw)
	_ = st.CloseWrite()
	defer st.Close()
	return io.ReadAll(st)
}

func wantReset(t *testing.T, about string, got []byte, err error, code network.StreamErrorCode) {
	t.Helper()
	var reset *network.StreamError
	if !errors.As(err, &reset) || reset.ErrorCode != code || len(got) != 0 {
		t.Errorf("%s: %x, %v; want a reset with %#x", about, got, err, code)
	}
}

// TestRealStreams: on real streams a violation is reset with its code and held against the peer, what is beyond a rate
// is reset, and Close does not wait for silent streams.
func TestRealStreams(t *testing.T) {
	t.Parallel()
	h, server := newHost(t), newHost(t)
	sample := sampleOf(1)
	s := start(t, server, sample, withManualRounds(), WithRoundInterval(time.Hour), WithEpochs(24*time.Hour, time.Unix(0, 0)), WithLimits(Limits{PeerRate: 1}))
	s.step(machine.Clock{Epoch: 7})
	good := framed(must(wire.PollRequest{Epoch: 7, Nonce: testNonce}.Marshal()))
	got, err := say(t, h, s, ExchangePoll, good)
	if res, derr := wire.DecodePollResponse(got[min(1, len(got)):]); err != nil || derr != nil || res.Status != wire.StatusOK {
		t.Errorf("%x, %v, %v", got, err, derr)
	}
	for about, raw := range map[string][]byte{"nothing": nil, "a large promise": {0xff, 0xff, 0xff, 0x7f}, "garbage": framed([]byte("garbage"))} {
		got, err := say(t, h, s, ExchangePoll, raw)
		wantReset(t, about, got, err, network.StreamProtocolViolation)
	}
	eventually(t, "all are counted", func() bool {
		return s.Status().Refused[ReasonBadFrame] == 2 && s.Status().Refused[ReasonBadMessage] == 1
	})
	if held := sample.accused(); len(held) != 3 || held[0].Peer != h.ID() || held[0].Protocol != PollID || held[0].Addr == nil {
		t.Errorf("%+v", held)
	}
	for i := range peerBurst*machine.Epochs - 4 {
		if _, err := say(t, h, s, ExchangePoll, good); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	got, err = say(t, h, s, ExchangePoll, good)
	wantReset(t, "one too many of its rate", got, err, network.StreamRateLimited)
	silent := open(t, h, s, ExchangeFetch)
	_, _ = silent.Write([]byte{5})
	eventually(t, "it is served", func() bool { return s.inbound.Len() == 1 })
	done := make(chan struct{})
	go func() { s.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(serveTimeout / 2):
		t.Error("Close waits for silent streams")
	}
	got, err = io.ReadAll(silent)
	wantReset(t, "after Close", got, err, network.StreamShutdown)
}

// TestRealAnswers: what a peer answers on a real stream, and what it gets for it; who cannot be reached, or does not
// speak the protocol, is told apart. Polls that end late say so.
func TestRealAnswers(t *testing.T) {
	t.Parallel()
	strange, mute, gone := newHost(t), newHost(t), newHost(t)
	s := start(t, newHost(t), sampleOf(1), withManualRounds())
	answer := func(raw []byte) {
		strange.SetStreamHandler(PollID, func(st network.Stream) {
			_, _ = io.Copy(io.Discard, st)
			_, _ = st.Write(raw)
			_ = st.Close()
		})
	}
	ask := func(h corehost.Host) Outcome {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return s.exchange(ctx, job{exchange: ExchangePoll, epoch: 7, nonce: testNonce, to: peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}}).outcome
	}
	answer(framed(must(wire.PollResponse{Status: wire.StatusOK, Nonce: testNonce, Answer: machine.Answer{Epoch: 7}}.Marshal())))
	if o := ask(strange); o != Answered {
		t.Errorf("a good answer: %s", o)
	}
	answer(framed([]byte("garbage")))
	if o := ask(strange); o != Failed || s.Status().Refused[ReasonBadMessage] != 1 {
		t.Errorf("%s, %v", o, s.Status().Refused)
	}
	strange.SetStreamHandler(PollID, func(st network.Stream) { _ = st.ResetWithError(network.StreamResourceLimitExceeded) })
	if o := ask(strange); o != Failed || len(s.Status().Refused) != 1 {
		t.Errorf("%s, %v", o, s.Status().Refused)
	}
	if o := ask(mute); o != Unsupported || s.speaks(mute.ID()) {
		t.Errorf("a peer that does not speak the protocol: %s, and it is asked again: %v", o, s.speaks(mute.ID()))
	}
	addrs := gone.Addrs()
	gone.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if r := s.exchange(ctx, job{exchange: ExchangePoll, to: peer.AddrInfo{ID: gone.ID(), Addrs: addrs}}); r.outcome != Unreached {
		t.Error(r.outcome)
	}
	began := make(chan struct{})
	strange.SetStreamHandler(PollID, func(st network.Stream) {
		close(began)
		_, _ = io.Copy(io.Discard, st) // never answers
	})
	round, end := context.WithCancel(t.Context())
	go func() { <-began; end() }()
	if r := s.exchange(round, job{exchange: ExchangePoll, epoch: 7, to: peer.AddrInfo{ID: strange.ID()}}); r.outcome != Late {
		t.Errorf("after its round: %s", r.outcome)
	}
	if r := s.exchange(round, job{exchange: ExchangePoll, epoch: 7, to: peer.AddrInfo{ID: strange.ID()}}); r.outcome != Late {
		t.Errorf("begun after its round: %s", r.outcome)
	}
	if refused := s.Status().Refused; len(refused) != 1 {
		t.Errorf("refused %v", refused)
	}
}
