package spread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// TestRefused: each thing that is wrong with a message has its reason and its answer, and nothing of it is delivered,
// passed on or remembered. Negative control: the message as it should be is.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		good := made(t, 2, "t", "hello", now, 0)
		m, err := message.Decode(good, message.MaxPayload)
		if err != nil {
			t.Fatal(err)
		}
		reserialised := func(change func(*message.Message)) []byte {
			n := m
			n.Signature = bytes.Clone(n.Signature)
			change(&n)
			raw, err := n.Marshal(message.MaxPayload)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
		_, other := testKey(t, 1)
		for _, c := range []struct {
			name   string
			raw    []byte
			opts   []Option
			before [][]byte
			reason Reason // "": an error of take
			status message.Status
			err    error
		}{
			{name: "as it should be", raw: good, status: message.StatusTaken},
			{name: "twice", raw: good, before: [][]byte{good}, status: message.StatusSeen},
			{name: "garbage", raw: []byte("garbage"), err: wire.ErrMalformed},
			{name: "a body that is none", raw: reserialised(func(m *message.Message) { m.Body = []byte{1} }), err: wire.ErrMalformed},
			{name: "not signed", raw: reserialised(func(m *message.Message) { m.Signature[0] ^= 1 }), err: message.ErrForged},
			{name: "not signed, after the true one", raw: reserialised(func(m *message.Message) { m.Signature[0] ^= 1 }), before: [][]byte{good}, status: message.StatusSeen},
			{name: "of another network", raw: good, opts: []Option{WithProtocolPrefix("/other")}, err: message.ErrForged},
			{name: "long", raw: good, opts: []Option{WithMaxPayload(4)}, err: wire.ErrLimit},
			{name: "old", raw: made(t, 2, "t", "hello", now.Add(-121*time.Second), 0), reason: ReasonTooOld, status: message.StatusOutOfTime},
			{name: "early", raw: made(t, 2, "t", "hello", now.Add(31*time.Second), 0), reason: ReasonTooEarly, status: message.StatusOutOfTime},
			{name: "one too many of its origin", raw: good, opts: []Option{WithOriginRate(1, 1)}, before: [][]byte{made(t, 2, "t", "first", now, 0)}, reason: ReasonOriginRate, status: message.StatusNoResources},
			{name: "no room", raw: good, opts: []Option{WithMemory(1)}, before: [][]byte{made(t, 3, "t", "first", now, 0)}, reason: ReasonMemoryFull, status: message.StatusNoResources},
		} {
			s := fakeService(t, 0, peersOf(1, other), taken, c.opts...)
			sub, _ := s.Subscribe("t")
			for _, raw := range c.before {
				if status, err := s.take(from("before"), raw); status != message.StatusTaken {
					t.Fatalf("%s: %v, %v", c.name, status, err)
				}
			}
			synctest.Wait()
			drain(sub)
			before := s.Status()
			status, err := s.take(from("from"), c.raw)
			synctest.Wait()
			after := s.Status()
			if status != c.status || !errors.Is(err, c.err) || (err != nil) != (c.err != nil) {
				t.Errorf("%s: %v, %v", c.name, status, err)
			}
			if n := after.Refused[c.reason]; c.reason != "" && n != 1 || c.reason == "" && len(after.Refused) != 0 {
				t.Errorf("%s: refused %v", c.name, after.Refused)
			}
			want := 0
			if c.status == message.StatusTaken {
				want = 1
			}
			if got := drain(sub); len(got) != want || after.Remembered-before.Remembered != want || int(after.Passed-before.Passed) != want {
				t.Errorf("%s: delivered %v, remembered %d, passed on %d", c.name, got, after.Remembered-before.Remembered, after.Passed-before.Passed)
			}
			s.Close()
		}
	})
}

// TestForgersCannotSilence: forged messages in the name of an origin use up nothing of what it may send.
func TestForgersCannotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, other := testKey(t, 1)
		s := fakeService(t, 0, peersOf(1, other), taken, WithOriginRate(1, 1))
		good := made(t, 2, "t", "hello", time.Now(), 0)
		for i := range 100 {
			bad := made(t, 2, "t", strings.Repeat("x", i), time.Now(), 0)
			bad[len(bad)-1] ^= 1
			if _, err := s.take(from("from"), bad); !errors.Is(err, message.ErrForged) {
				t.Fatal(err)
			}
		}
		if status, err := s.take(from("from"), good); status != message.StatusTaken {
			t.Errorf("%v, %v", status, err)
		}
		s.Close()
	})
}

// TestHops: what was passed on often enough is delivered and goes no further; what is passed on says so.
func TestHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, other := testKey(t, 1)
		hops := make(chan uint32, 10)
		s := fakeService(t, 0, peersOf(1, other), func(_ context.Context, _ peer.AddrInfo, frame []byte) (message.Status, error) {
			raw, err := wire.ReadFrame(bytes.NewReader(frame), message.MaxSize(message.MaxPayload))
			if err != nil {
				return 0, err
			}
			m, err := message.Decode(raw, message.MaxPayload)
			hops <- m.Hops
			return message.StatusTaken, err
		}, WithMaxHops(2))
		sub, _ := s.Subscribe("t")
		for i := range uint32(5) {
			if _, err := s.take(from("from"), made(t, 2, "t", string(rune('a'+i)), time.Now(), i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := drain(sub); len(got) != 5 || got[4].Hops != 4 {
			t.Errorf("delivered %v", got)
		}
		close(hops)
		var passed []uint32
		for h := range hops {
			passed = append(passed, h)
		}
		slices.Sort(passed)
		if !slices.Equal(passed, []uint32{1, 2}) {
			t.Errorf("passed on with %v hops, want 1 and 2", passed)
		}
		s.Close()
	})
}

// panicking is a sample that is broken.
type panicking struct{ *fakePeers }

func (panicking) Draw(int) []peer.AddrInfo { panic("a defect") }

// TestPanicsAreHeld: a defect in what a handler or a worker calls ends the stream, is counted, and ends nothing else.
func TestPanicsAreHeld(t *testing.T) {
	_, other := testKey(t, 1)
	s := fakeService(t, 0, panicking{peersOf(1, other)}, taken)
	st := newMemStream(other, wire.AppendFrame(nil, made(t, 2, "t", "hello", time.Now(), 0)))
	s.handle(st)
	if n := s.Status().Refused[ReasonInternalError]; n != 1 || !st.isReset {
		t.Errorf("%d panics, reset %v", n, st.isReset)
	}
	s.Close()
	w := fakeService(t, 0, peersOf(1, other), func(context.Context, peer.AddrInfo, []byte) (message.Status, error) { panic("a defect") })
	if report, err := w.Spread(t.Context(), "t", nil); report.Taken != 0 || !errors.Is(err, ErrFewTook) || w.Status().Refused[ReasonInternalError] != 1 {
		t.Errorf("%+v, %v, %+v", report, err, w.Status())
	}
	w.Close()
}

// checkHandled serves in as a stream and checks all that must hold whatever the bytes are.
func checkHandled(t testing.TB, s *Service, from peer.ID, in []byte) (taken bool) {
	before := s.Status()
	st := newMemStream(from, in)
	s.handle(st)
	after := s.Status()
	if after.Refused[ReasonInternalError] != 0 {
		t.Fatal("panicked")
	}
	if !s.inbound.Idle() {
		t.Fatal("streams are left in the books")
	}
	refused := 0
	for why, n := range after.Refused {
		refused += int(n - before.Refused[why])
	}
	if st.isReset == st.isClosed || st.reserved != 0 {
		t.Fatalf("reset %v, closed %v, %d bytes still reserved", st.isReset, st.isClosed, st.reserved)
	}
	if st.isReset {
		if st.out.Len() > 0 || refused != 1 || after.Copies != before.Copies {
			t.Fatalf("reset, answered %x, %d refused", st.out.Bytes(), refused)
		}
		return false
	}
	frame, err := wire.ReadFrame(&st.out, message.MaxAnswer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := message.DecodeAnswer(frame)
	if err != nil {
		t.Fatal(err)
	}
	counted := int(after.Copies-before.Copies) + refused
	isTaken := a.Status == message.StatusTaken
	if counted != 1 || isTaken != (after.Taken == before.Taken+1) {
		t.Fatalf("%v, %d counted, taken %d", a, counted, after.Taken-before.Taken)
	}
	return isTaken
}

// memory makes a service whose messages go nowhere, at a fixed time.
func memory(t testing.TB, at time.Time) *Service {
	_, other := testKey(t, 1)
	s := fakeService(t, 0, peersOf(1, other), taken, withClock(func() time.Time { return at }), WithSenderRate(0, 0), WithOriginRate(0, 0), WithLimits(Limits{RelayBytes: Unlimited}))
	t.Cleanup(func() { s.Close() })
	return s
}

var fixed = time.UnixMilli(1_795_000_000_000)

// hostileStreams are what a peer may write to a stream.
func hostileStreams(t testing.TB) [][]byte {
	good := wire.AppendFrame(nil, made(t, 2, "t", "hello", fixed, 0))
	vectors, err := os.ReadFile("message/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	out := [][]byte{
		nil, {0}, {0x80}, {0x80, 0}, {1}, bytes.Repeat([]byte{0xff}, 12), append(bytes.Clone(good), 0), good[:len(good)-1], append(bytes.Clone(good), good...),
		wire.AppendFrame(nil, bytes.Repeat([]byte{0x2b}, 60_000)), wire.AppendFrame(nil, made(t, 3, "t", "hello", fixed, 64)),
		{0xff, 0xff, 0x7f}, wire.AppendFrame(nil, made(t, 4, "t", "old", fixed.Add(-time.Hour), 0)),
	}
	for _, m := range regexp.MustCompile(`"(?:frame|message|bytes)": "([0-9a-f]*)"`).FindAllSubmatch(vectors, -1) {
		b := make([]byte, len(m[1])/2)
		for i := range b {
			b[i] = unhexDigit(m[1][2*i])<<4 | unhexDigit(m[1][2*i+1])
		}
		out = append(out, b, wire.AppendFrame(nil, b))
	}
	return append(out, good)
}

func unhexDigit(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// TestHandledInMemory: of the hostile streams only the good message is taken, and that once.
func TestHandledInMemory(t *testing.T) {
	s := memory(t, fixed)
	_, from := testKey(t, 5)
	takes := map[string]bool{}
	for _, in := range hostileStreams(t) {
		if checkHandled(t, s, from, in) {
			if takes[string(in)] {
				t.Errorf("taken twice: %x", in)
			}
			takes[string(in)] = true
		}
	}
	// The good one, that with 64 hops, and of the vectors those of this network: one of Ed25519 (twice, by one id) and one of RSA.
	if len(takes) != 4 {
		t.Errorf("%d streams were taken", len(takes))
	}
}

// FuzzHandler: any bytes on a stream end in an answer or a reset, are counted once, and are taken only if they are a message
// that its origin signed.
func FuzzHandler(f *testing.F) {
	valid := map[message.Hash]bool{}
	for _, in := range hostileStreams(f) {
		f.Add(in)
		if raw, err := wire.ReadFrame(bytes.NewReader(in), message.MaxSize(message.MaxPayload)); err == nil {
			if m, err := message.Decode(raw, message.MaxPayload); err == nil {
				valid[message.HashOf(m.Body)] = true
			}
		}
	}
	s := memory(f, fixed)
	_, from := testKey(f, 5)
	f.Fuzz(func(t *testing.T, in []byte) {
		if !checkHandled(t, s, from, in) {
			return
		}
		raw, err := wire.ReadFrame(bytes.NewReader(in), message.MaxSize(message.MaxPayload))
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.Decode(raw, message.MaxPayload)
		if err != nil || !valid[message.HashOf(m.Body)] {
			t.Fatalf("taken, and signed by nobody: %x", in)
		}
	})
}

// TestReasons: they are a closed set: every constant has one line in the table and one in the documentation.
func TestReasons(t *testing.T) {
	source, err := os.ReadFile("refused.go")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/spread.md")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`Reason = "([a-z_]+)"`).FindAllSubmatch(source, -1)
	if len(constants) != len(Reasons()) {
		t.Errorf("%d constants, %d lines in the table", len(constants), len(Reasons()))
	}
	for _, c := range constants {
		if !slices.ContainsFunc(Reasons(), func(r RefusalInfo) bool { return r.Reason == Reason(c[1]) && r.Doc != "" }) {
			t.Errorf("%s is not in the table", c[1])
		}
	}
	for _, r := range Reasons() {
		yes := ""
		if r.Misbehaviour {
			yes = "yes"
		}
		if line := fmt.Sprintf("| `%s` | %s | %s |", r.Reason, yes, r.Doc); !strings.Contains(string(doc), line) {
			t.Errorf("docs/spread.md has no line %s", line)
		}
	}
	if got := reasonOf(io.ErrUnexpectedEOF); got != ReasonStreamFailed {
		t.Error(got)
	}
}
