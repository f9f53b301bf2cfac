package spread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// TestAccused: what no correct peer sends is held against who sent it, with address, reason and protocol; what bad luck or
// somebody else brings about is held against nobody.
func TestAccused(t *testing.T) {
	peers := peersOf(1)
	now := fixed
	s := fakeService(t, 0, peers, taken, withClock(func() time.Time { return now }), WithOriginRate(1, 2))
	defer s.Close()
	now = now.Add(time.Second)
	_, origin := testKey(t, 2)
	_, third := testKey(t, 3)
	good := made(t, 2, "t", "hello", now, 0)
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	for _, c := range []struct {
		name   string
		sender peer.ID
		in     []byte
		reason Reason // it is refused for
		blamed bool
	}{
		{"its own, forged", origin, wire.AppendFrame(nil, forged), ReasonForged, true},
		{"of a third, forged: it may verify elsewhere", third, wire.AppendFrame(nil, forged), ReasonUnverified, false},
		{"garbage", third, []byte{3, 0xff, 0xff, 0xff}, ReasonBadMessage, true},
		{"a topic that is no UTF-8", third, wire.AppendFrame(nil, notUTF8(t)), ReasonBadMessage, true},
		{"nothing", third, nil, ReasonBadFrame, true},
		{"a large promise", third, []byte{0xff, 0xff, 0x7f}, ReasonBadFrame, true},
		{"made before we started", third, wire.AppendFrame(nil, made(t, 2, "t", "hello", fixed.Add(-1), 0)), ReasonTooOld, false},
		{"made at the start", third, wire.AppendFrame(nil, made(t, 2, "t", "hello", fixed, 0)), "", false},
		{"as it should be", third, wire.AppendFrame(nil, good), "", false},
		{"once more", third, wire.AppendFrame(nil, good), "", false},
		{"beyond the rate of its origin", third, wire.AppendFrame(nil, made(t, 2, "t", "more", now, 0)), ReasonOriginRate, false},
	} {
		before := s.Status().Refused[c.reason]
		st := newMemStreamAt(c.sender, "/ip4/192.0.2.7/tcp/1", c.in)
		s.handle(st)
		got := peers.offences()
		if n := s.Status().Refused[c.reason] - before; c.reason != "" && n != 1 || (len(got) == 1) != c.blamed {
			t.Errorf("%s: %d refused as %s, %+v", c.name, n, c.reason, got)
			continue
		}
		if c.blamed {
			want := brahmshost.Offence{Peer: c.sender, Addr: st.addr, Reason: brahmshost.Reason(c.reason), Protocol: ID}
			if o := got[0]; o.Peer != want.Peer || !o.Addr.Equal(want.Addr) || o.Reason != want.Reason || o.Protocol != want.Protocol {
				t.Errorf("%s: %+v, want %+v", c.name, o, want)
			}
		}
	}
	// One that comes a byte at a time until its time is over, and one that is late.
	for reason, pieces := range map[Reason]int{ReasonTrickled: 20, ReasonStreamFailed: 1} {
		st := newMemStreamAt(third, "/ip4/192.0.2.7/tcp/1", nil)
		frame := wire.AppendFrame(nil, good)
		st.in = io.MultiReader(iotest.OneByteReader(bytes.NewReader(frame[:pieces])), iotest.ErrReader(os.ErrDeadlineExceeded))
		before := s.Status().Refused[reason]
		s.handle(st)
		if got := peers.offences(); s.Status().Refused[reason] != before+1 || (len(got) == 1) != reason.Misbehaviour() {
			t.Errorf("%s: %v, %+v", reason, s.Status().Refused, got)
		}
	}
	for _, r := range Reasons() {
		s.refuse(source{peer: third}, r.Reason, nil)
		if got := peers.offences(); (len(got) == 1) != r.Misbehaviour || r.Reason.Misbehaviour() != r.Misbehaviour {
			t.Errorf("%s: %+v", r.Reason, got)
		}
	}
}

// notUTF8 is a message whose topic is no UTF-8, signed by its origin.
func notUTF8(t testing.TB) []byte {
	key, id := testKey(t, 2)
	b := message.Body{Origin: id, Topic: "?", Time: fixed.UnixMilli(), Nonce: make([]byte, message.NonceSize)}
	raw, err := b.Marshal(message.MaxPayload)
	if err != nil {
		t.Fatal(err)
	}
	raw[bytes.IndexByte(raw, '?')] = 0xff
	m, err := message.Sign(key, ID, id, raw)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Marshal(message.MaxPayload)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMisbehaviourOnTheBus: who sends garbage to a real peer is named on its host's event bus with its address, as one that does so to
// the sampler's own protocols; who sends messages is not.
func TestMisbehaviourOnTheBus(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	svc, err := brahmshost.New(h, brahmshost.WithRoundInterval(100*time.Millisecond), brahmshost.WithAllowPrivate(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Close() })
	sub, err := h.EventBus().Subscribe(new(brahmshost.EvtPeerMisbehaved))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	s := start(t, h, svc)
	bad, good := newHost(t), newHost(t)
	if got, err := say(t, good, s, wire.AppendFrame(nil, made(t, 2, "t", "hello", time.Now(), 0))); err != nil || len(got) == 0 {
		t.Fatalf("%x, %v", got, err)
	}
	_, err = say(t, bad, s, []byte{1, 0xff})
	var reset *network.StreamError
	if !errors.As(err, &reset) {
		t.Errorf("garbage is answered: %v", err)
	}
	select {
	case e := <-sub.Out():
		got := e.(brahmshost.EvtPeerMisbehaved)
		conn := bad.Network().ConnsToPeer(s.self)[0]
		if got.Peer != bad.ID() || !got.Addr.Equal(conn.LocalMultiaddr()) || got.Reason != brahmshost.Reason(ReasonBadMessage) || got.Protocol != ID || got.Count != 1 {
			t.Errorf("%+v", got)
		}
	case <-time.After(patience):
		t.Error("nobody was named")
	}
}

// TestCloseUnderLoad: a service that is closed while messages come and go ends at once, with every stream answered or reset and
// every subscription closed, and accuses nobody; what comes after is refused. TestMain sees goroutines that are left.
func TestCloseUnderLoad(t *testing.T) {
	var ids []peer.ID
	for i := range 30 {
		_, id := testKey(t, i+1)
		ids = append(ids, id)
	}
	peers := peersOf(1, ids...)
	s := fakeService(t, 0, peers, func(ctx context.Context, to peer.AddrInfo, _ []byte) (message.Status, error) {
		if to.ID == ids[0] {
			<-ctx.Done()
		}
		return message.StatusTaken, ctx.Err()
	}, WithOriginRate(0, 0), WithSenderRate(0, 0), WithLimits(Limits{PrefixRate: Unlimited, RelayBytes: Unlimited}), WithBuffer(1))
	deaf, err := s.Subscribe("t")
	if err != nil {
		t.Fatal(err)
	}
	var load sync.WaitGroup
	under := make(chan struct{}, 1000)
	for k := range 8 {
		load.Go(func() {
			for i := 0; !s.closed.Load(); i++ {
				raw := wire.AppendFrame(nil, made(t, 99, "t", fmt.Sprint(k, i), time.Now(), 0))
				if i%4 == 0 { // the rest of it never comes
					st := newPipeStream(crowdID(k))
					load.Go(func() { _, _ = st.w.Write(raw[:20]) })
					load.Go(func() { s.handle(st) })
					continue
				}
				st := newPipeStream(crowdID(k))
				load.Go(func() { _, _ = st.w.Write(raw); _ = st.w.Close() })
				s.handle(st)
				select {
				case under <- struct{}{}:
				default:
				}
			}
		})
		load.Go(func() {
			for !s.closed.Load() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				_, _ = s.Spread(ctx, "t", []byte("own"))
				cancel()
			}
		})
	}
	for range 100 {
		<-under
	}
	closed := make(chan struct{})
	for range 2 {
		go func() { s.Close(); closed <- struct{}{} }()
	}
	for range 2 {
		select {
		case <-closed:
		case <-time.After(patience):
			t.Fatal("Close does not return")
		}
	}
	load.Wait()
	for range deaf.Messages() {
	}
	if !s.inbound.Idle() {
		t.Error("streams are counted")
	}
	after := newMemStream("after", []byte{0})
	if s.handle(after); !after.isReset || after.code != network.StreamShutdown {
		t.Errorf("after Close: reset %v with %#x", after.isReset, after.code)
	}
	if got := peers.offences(); len(got) != 0 {
		t.Errorf("accused: %+v", got)
	}
}

// pipeStream is a stream that may be reset at any time.
type pipeStream struct {
	*memStream // for what it is and has; nothing of it is changed
	r          *io.PipeReader
	w          *io.PipeWriter
}

func newPipeStream(remote peer.ID) pipeStream {
	r, w := io.Pipe()
	return pipeStream{newMemStream(remote, nil), r, w}
}

func (p pipeStream) Read(b []byte) (int, error)                   { return p.r.Read(b) }
func (p pipeStream) Write(b []byte) (int, error)                  { return len(b), nil }
func (p pipeStream) Close() error                                 { return p.r.Close() }
func (p pipeStream) Reset() error                                 { return p.w.CloseWithError(network.ErrReset) }
func (p pipeStream) ResetWithError(network.StreamErrorCode) error { return p.Reset() }
func (p pipeStream) Scope() network.StreamScope                   { return freeScope{} }

type freeScope struct{ network.StreamScope }

func (freeScope) SetService(string) error        { return nil }
func (freeScope) ReserveMemory(int, uint8) error { return nil }
func (freeScope) ReleaseMemory(int)              {}
