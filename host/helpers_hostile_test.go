package host

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// patience is how long a test waits for what must happen. It is far beyond what it takes on a busy machine.
const patience = 20 * time.Second

var kindNames = [kinds]string{pull: "pull", push: "push", probe: "probe"}

// eventuallyTrue polls until ok is true.
func eventuallyTrue(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// attacker is a bare libp2p host on loopback TCP that is driven by hand. It speaks no protocol of ours by itself.
type attacker struct {
	corehost.Host
	recordSigner
}

func newAttacker(t testing.TB) *attacker {
	t.Helper()
	signer := newRecordSigner(t)
	h, err := libp2p.New(
		libp2p.Identity(signer.key),
		libp2p.NoTransports, libp2p.Transport(tcp.NewTCPTransport), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.DisableRelay(),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return &attacker{h, signer}
}

func (a *attacker) info() peer.AddrInfo { return peer.AddrInfo{ID: a.ID(), Addrs: a.Addrs()} }

// record is what a correct peer in the attacker's place would push, with further addresses.
func (a *attacker) record(t testing.TB, seq uint64, more ...string) []byte {
	t.Helper()
	raw, err := wire.SealRecord(a.key, a.ID(), append(a.Addrs(), addrList(more...)...), seq)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (a *attacker) connect(t testing.TB, to corehost.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := a.Connect(ctx, peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}); err != nil {
		t.Fatal(err)
	}
}

// open opens a stream of an exchange of v and writes raw to it. It does not fail where v resets the stream meanwhile.
func (a *attacker) open(t testing.TB, v *victim, k kind, raw []byte) network.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	st, err := a.NewStream(ctx, v.host.ID(), v.protocols[k])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Reset() })
	if err := st.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if len(raw) > 0 {
		_, _ = st.Write(raw)
	}
	return st
}

// say writes raw, half-closes, and returns what v answers.
func (a *attacker) say(t testing.TB, v *victim, k kind, raw []byte) ([]byte, error) {
	t.Helper()
	st := a.open(t, v, k, raw)
	_ = st.CloseWrite()
	defer st.Close()
	return io.ReadAll(st)
}

// answering makes the attacker a peer that answers pushes and probes as a correct one, and pulls with pullAnswer.
func (a *attacker) answering(v *victim, pullAnswer network.StreamHandler) {
	fixed := func(frame []byte) network.StreamHandler {
		return func(st network.Stream) {
			_, _ = io.Copy(io.Discard, st)
			_, _ = st.Write(frame)
			_ = st.Close()
		}
	}
	a.SetStreamHandler(v.protocols[probe], fixed(unhexFrame("020801")))
	a.SetStreamHandler(v.protocols[push], fixed(unhexFrame("020801")))
	a.SetStreamHandler(v.protocols[pull], pullAnswer)
}

// answers is a pull handler that reads the request, writes raw and closes.
func answers(raw []byte) network.StreamHandler {
	return func(st network.Stream) {
		_, _ = io.Copy(io.Discard, st)
		_, _ = st.Write(raw)
		_ = st.Close()
	}
}

// victim is a service on a real host, with a record of what its rounds published.
type victim struct {
	*Service
	*witness
}

// unhurried switches off the limits on how often a peer may come: for tests in which one does all that many would do.
func unhurried() Option {
	return WithLimits(Limits{PeerRate: Unlimited, PrefixRate: Unlimited, PullBytes: Unlimited})
}

// newVictim starts a service. Its rounds take 20 ms, private addresses are allowed, and any peer may open as many streams
// as it likes, unless opts say otherwise.
func newVictim(t testing.TB, opts ...Option) *victim {
	t.Helper()
	h := newAttacker(t).Host
	w := &witness{seen: make(map[peer.ID]bool)}
	s, err := New(h, append([]Option{
		WithAllowPrivate(true), WithRoundInterval(20 * time.Millisecond), WithDialTimeout(2 * time.Second),
		WithExchangeTimeout(5 * time.Second), WithCloseIdle(0), WithRoundHook(w.note), unhurried(),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		if n := s.refused.of(ReasonInternalError); n != 0 {
			t.Errorf("%d handlers panicked", n)
		}
	})
	return &victim{s, w}
}

func (v *victim) info() peer.AddrInfo {
	return peer.AddrInfo{ID: v.host.ID(), Addrs: v.host.Addrs()}
}

// checkUntouched demands that nothing was stored and that no round saw anybody.
func (v *victim) checkUntouched(t testing.TB) {
	t.Helper()
	v.await(t, 3)
	v.mu.Lock()
	defer v.mu.Unlock()
	if n := v.book.len(); n != 0 || v.pushCount != 0 || v.pullCount != 0 || len(v.seen) != 0 {
		t.Errorf("%d records stored, %d pushes and %d pull replies counted, in view or sample: %v", n, v.pushCount, v.pullCount, v.seen)
	}
}

// checkNoStreams demands that every stream is released: a handler leaves just after the other side saw the end.
func (v *victim) checkNoStreams(t testing.TB) {
	t.Helper()
	eventuallyTrue(t, "every stream is released", func() bool {
		return v.inbound.Idle()
	})
}

// witness remembers what the rounds of a service published.
type witness struct {
	mu                   sync.Mutex
	rounds               int
	pushCount, pullCount int
	pullRounds, allDone  int // rounds with an answered pull; rounds that planned something and finished all
	seen                 map[peer.ID]bool
	overflowed, repeated int
}

func (w *witness) note(s *Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds++
	w.pushCount += s.Node.Pushes
	w.pullCount += s.Node.Pulls
	w.overflowed += s.Node.PushOverflow
	w.repeated += s.Node.PushRepeats
	if s.Node.Pulls > 0 {
		w.pullRounds++
	}
	if s.Exchanges > 0 && s.Exchanges == s.Done {
		w.allDone++
	}
	for _, id := range s.View {
		w.seen[id] = true
	}
	for _, slot := range s.Slots {
		if slot.ID != "" {
			w.seen[slot.ID] = true
		}
	}
	for _, p := range s.Peers {
		w.seen[p.ID] = true
	}
}

func (w *witness) count(what *int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *what
}

func (w *witness) saw(id peer.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[id]
}

// await waits until n more rounds have ended, and one that had begun before.
func (w *witness) await(t testing.TB, n int) {
	t.Helper()
	until := w.count(&w.rounds) + n + 1
	eventuallyTrue(t, "rounds", func() bool { return w.count(&w.rounds) >= until })
}

// refusedSince returns what was refused since before was taken from Status.
func (v *victim) refusedSince(before map[Reason]uint64) map[Reason]uint64 {
	after := v.Status().Refused
	for why, n := range before {
		if after[why] -= n; after[why] == 0 {
			delete(after, why)
		}
	}
	return after
}

func checkRefused(t testing.TB, got map[Reason]uint64, why ...Reason) {
	t.Helper()
	want := make(map[Reason]uint64)
	for _, w := range why {
		want[w]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("refused %v, want %v", got, want)
	}
}

// checkReset demands that the other side has reset the stream with code.
func checkReset(t testing.TB, err error, code network.StreamErrorCode) {
	t.Helper()
	var reset *network.StreamError
	if !errors.As(err, &reset) {
		t.Errorf("stream ended with %v, want a reset with %#x", err, code)
	} else if !reset.Remote || reset.ErrorCode != code {
		t.Errorf("reset by the other side %v with %#x, want true and %#x", reset.Remote, reset.ErrorCode, code)
	}
}

// Raw bytes.

func framed(parts ...[]byte) []byte { return wire.AppendFrame(nil, bytes.Join(parts, nil)) }

func field(num protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), body)
}

func number(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

// pushOf frames a push of a record, without the checks of wire's own encoder.
func pushOf(raw []byte) []byte { return framed(field(1, raw)) }

// named is an entry of a pull answer.
func named(raw []byte, count uint64) []byte {
	return field(2, append(field(1, raw), number(2, count)...))
}

// pullAnswer frames a pull answer, without the checks of wire's own encoder.
func pullAnswer(status uint64, entries ...[]byte) []byte {
	return framed(number(1, status), bytes.Join(entries, nil))
}

// sealAny seals a record that need not be the signer's, or within the limits.
func sealAny(t testing.TB, key crypto.PrivKey, id peer.ID, addrs []multiaddr.Multiaddr) []byte {
	t.Helper()
	env, err := record.Seal(&peer.PeerRecord{PeerID: id, Addrs: addrs, Seq: 1}, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := env.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// forged is a record that names victim and is signed by another key: libp2p's own check takes it.
func forged(t testing.TB, victim peer.ID) []byte {
	t.Helper()
	raw := sealAny(t, newRecordSigner(t).key, victim, addrList("/ip4/127.0.0.1/tcp/1"))
	if _, _, err := record.ConsumeEnvelope(raw, peer.PeerRecordEnvelopeDomain); err != nil {
		t.Fatalf("libp2p refuses it as well: the test does not test: %v", err)
	}
	return raw
}

// memStream is a stream in memory: the other side has sent in and half-closed, and takes all that is written.
type memStream struct {
	network.Stream          // nil: the service must not use what is not below
	conn                    *memConn
	proto                   coreprotocol.ID
	in                      io.Reader
	out                     bytes.Buffer
	writeClosed, readClosed bool
	isReset                 bool
	code                    network.StreamErrorCode
	reserved, services      int
}

type memConn struct {
	network.Conn
	remote peer.ID
	addr   multiaddr.Multiaddr
	stats  network.ConnStats
}

func (c *memConn) RemotePeer() peer.ID                  { return c.remote }
func (c *memConn) RemoteMultiaddr() multiaddr.Multiaddr { return c.addr }
func (c *memConn) Stat() network.ConnStats              { return c.stats }

func newMemStream(remote peer.ID, addr string, in []byte) *memStream {
	return &memStream{conn: &memConn{remote: remote, addr: addrList(addr)[0]}, in: bytes.NewReader(in)}
}

func (m *memStream) Read(b []byte) (int, error) {
	if m.isReset || m.readClosed {
		return 0, &network.StreamError{ErrorCode: m.code}
	}
	return m.in.Read(b)
}

func (m *memStream) Write(b []byte) (int, error) {
	if m.isReset || m.writeClosed {
		return 0, &network.StreamError{ErrorCode: m.code}
	}
	return m.out.Write(b)
}

func (m *memStream) Close() error {
	m.writeClosed, m.readClosed = true, true
	return nil
}

func (m *memStream) CloseWrite() error {
	m.writeClosed = true
	return nil
}

func (m *memStream) CloseRead() error {
	m.readClosed = true
	return nil
}

func (m *memStream) Reset() error { return m.ResetWithError(0) }

func (m *memStream) ResetWithError(code network.StreamErrorCode) error {
	if !m.isReset {
		m.isReset, m.code = true, code
	}
	return nil
}

func (m *memStream) SetDeadline(time.Time) error      { return nil }
func (m *memStream) SetReadDeadline(time.Time) error  { return nil }
func (m *memStream) SetWriteDeadline(time.Time) error { return nil }
func (m *memStream) Conn() network.Conn               { return m.conn }
func (m *memStream) Protocol() coreprotocol.ID        { return m.proto }
func (m *memStream) Scope() network.StreamScope       { return &memScope{stream: m} }
func (m *memStream) Stat() network.Stats              { return network.Stats{} }

// memScope counts what the service books.
type memScope struct {
	network.NullScope
	stream *memStream
}

func (s *memScope) SetService(string) error {
	s.stream.services++
	return nil
}

func (s *memScope) ReserveMemory(n int, _ uint8) error {
	s.stream.reserved += n
	return nil
}

func (s *memScope) ReleaseMemory(n int) { s.stream.reserved -= n }

// ended reports how the service left the stream: it must close both sides or reset it with a code that the spec has.
func (m *memStream) ended() error {
	switch {
	case m.reserved != 0:
		return errors.New("memory is still reserved")
	case m.services != 1:
		return errors.New("not booked on the service")
	case !m.isReset && m.writeClosed && m.readClosed:
		return nil
	case !m.isReset:
		return errors.New("left open")
	case m.code == network.StreamResourceLimitExceeded, m.code == network.StreamRateLimited,
		m.code == network.StreamProtocolViolation, m.code == network.StreamShutdown:
		return nil
	}
	return errors.New("reset with a code that is not in the spec")
}

// memService is a service without a running loop. Its host has a key and knows one peer, to which every new stream is st.
func memService(t testing.TB, opts ...Option) *Service {
	t.Helper()
	signer := newRecordSigner(t)
	cfg, err := newConfig(append([]Option{WithAllowPrivate(true), unhurried()}, opts...))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newService(signer.id, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.host = &memHost{id: signer.id, key: signer.key}
	own := signer.seal(t, 1, "/ip4/10.9.9.9/tcp/4001")
	s.own.Store(&ownRecord{raw: own, seq: 1})
	return s
}

type memHost struct {
	corehost.Host
	id  peer.ID
	key crypto.PrivKey
	st  network.Stream
}

func (h *memHost) ID() peer.ID { return h.id }

func (h *memHost) Network() network.Network { return memNetwork{} }

func (h *memHost) Peerstore() peerstore.Peerstore { return memPeerstore{key: h.key} }

func (h *memHost) NewStream(context.Context, peer.ID, ...coreprotocol.ID) (network.Stream, error) {
	return h.st, nil
}

type memPeerstore struct {
	peerstore.Peerstore
	key crypto.PrivKey
}

func (p memPeerstore) PrivKey(peer.ID) crypto.PrivKey { return p.key }

type memNetwork struct{ network.Network }

func (memNetwork) Connectedness(peer.ID) network.Connectedness { return network.Connected }

// serve lets a handler of s answer a stream in memory.
func serve(s *Service, k kind, st *memStream) {
	st.proto = s.protocols[k]
	memory, answer := wire.MaxPushRequest, s.handlePush
	switch k {
	case pull:
		memory, answer = wire.MaxPullRequest, s.handlePull
	case probe:
		memory, answer = wire.MaxProbeRequest, s.handleProbe
	}
	s.handler(k, memory, answer)(st)
}

// exchangeInMemory runs our side of an exchange on a stream in memory.
func exchangeInMemory(s *Service, k kind, id peer.ID, st *memStream) answer {
	st.proto = s.protocols[k]
	x := &libp2pExchanger{s: s, h: &memHost{id: s.self, st: st}}
	return x.exchange(context.Background(), k, id)
}

func unhexFrame(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
