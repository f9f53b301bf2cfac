package consensus

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
	frames "github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func framed(b []byte) []byte { return frames.AppendFrame(nil, b) }

// keeps makes a service that has an epoch with three items, in its window, and publishes it.
func keeps(t testing.TB, opts ...Option) (*Service, []Item) {
	s := newMemNet().join(t, 0, sampleOf(1), append([]Option{withManualRounds(), WithLimits(Limits{PeerRate: Unlimited})}, opts...)...)
	at := machine.Clock{Epoch: 7}
	s.step(at)
	var items []Item
	for i := range 3 {
		it, err := s.Propose(context.Background(), fmt.Append(nil, "word ", i))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, it)
	}
	s.step(at)
	slices.SortFunc(items, func(a, b Item) int { x, y := a.ID(), b.ID(); return bytes.Compare(x[:], y[:]) })
	return s, items
}

func idsOf(items []Item) (ids []machine.ID) {
	for _, it := range items {
		ids = append(ids, it.ID())
	}
	return ids
}

var testNonce = machine.Nonce(bytes.Repeat([]byte{7}, 16))

// TestServed: what correct peers get. It is the control of the hostile streams below.
func TestServed(t *testing.T) {
	s, items := keeps(t)
	ids := idsOf(items)
	poll := func(epoch uint64) wire.PollResponse {
		return must(wire.DecodePollResponse(must(s.answer(ExchangePoll, must(wire.PollRequest{Epoch: epoch, Nonce: testNonce}.Marshal())))))
	}
	fetch := func(epoch uint64, ids ...machine.ID) wire.FetchResponse {
		return must(wire.DecodeFetchResponse(must(s.answer(ExchangeFetch, must(wire.FetchRequest{Epoch: epoch, IDs: ids}.Marshal())))))
	}
	got := poll(7)
	if got.Status != wire.StatusOK || got.Nonce != testNonce || got.Answer.Epoch != 7 || got.Answer.Closed || len(got.Answer.In) != 3 || got.Answer.In[0].ID != ids[0] {
		t.Errorf("%+v", got)
	}
	for _, epoch := range []uint64{6, 8, 0, 1<<64 - 1} {
		if got := poll(epoch); got.Status != wire.StatusUnknown || got.Nonce != testNonce || got.Answer.Epoch != epoch || len(got.Answer.In) != 0 {
			t.Errorf("epoch %d: %+v", epoch, got)
		}
		if got := fetch(epoch, ids[0]); got.Status != wire.StatusUnknown || len(got.Items) != 0 {
			t.Errorf("epoch %d: %+v", epoch, got)
		}
	}
	if got := fetch(7, ids...); got.Status != wire.StatusOK || len(got.Items) != 3 || got.Items[2].ID() != ids[2] {
		t.Errorf("%+v", got)
	}
	if got := fetch(7, machine.ID{1}, ids[1]); len(got.Items) > 1 || len(got.Items) == 1 && got.Items[0].ID() != ids[1] {
		t.Errorf("%+v", got)
	}
	for _, it := range fetch(7, ids...).Items {
		if err := wire.VerifyItem(ID, it); err != nil {
			t.Error(err)
		}
	}
	before := newMemNet().join(t, 1, sampleOf(1), withManualRounds())
	res := must(wire.DecodePollResponse(must(before.answer(ExchangePoll, must(wire.PollRequest{Epoch: 7, Nonce: testNonce}.Marshal())))))
	if res.Status != wire.StatusUnknown {
		t.Errorf("before the first round: %+v", res)
	}
}

// vectorBytes are the messages of the test vectors, good and bad, by type.
func vectorBytes(t testing.TB, typ string) (good, bad [][]byte) {
	t.Helper()
	var file struct {
		Messages []struct{ Name, Type, Message string }
		Bad      []struct{ Name, Type, Bytes string } `json:"bad_messages"`
	}
	if err := json.Unmarshal(must(os.ReadFile("wire/testdata/vectors.json")), &file); err != nil {
		t.Fatal(err)
	}
	for _, m := range file.Messages {
		if m.Type == typ {
			good = append(good, must(hex.DecodeString(m.Message)))
		}
	}
	for _, m := range file.Bad {
		if m.Type == typ {
			bad = append(bad, must(hex.DecodeString(m.Bytes)))
		}
	}
	if len(good) == 0 || len(bad) == 0 {
		t.Fatalf("no vectors of %s", typ)
	}
	return good, bad
}

var requestTypes = [exchanges]string{ExchangePoll: "PollRequest", ExchangeFetch: "FetchRequest"}
var responseTypes = [exchanges]string{ExchangePoll: "PollResponse", ExchangeFetch: "FetchResponse"}

// hostileFrames are broken frames around a good message of at most most bytes.
func hostileFrames(good []byte, most int) map[string][]byte {
	f := framed(good)
	return map[string][]byte{
		"nothing": nil, "half a length": {0x80}, "a length that is not minimal": {0x80, 0}, "a length without end": bytes.Repeat([]byte{0xff}, 12),
		"a large promise": {0xff, 0xff, 0x7f}, "cut short": f[:len(f)-1], "more than a message": append(bytes.Clone(f), 0),
		"two messages": append(bytes.Clone(f), f...), "one byte too large": framed(make([]byte, most+1)),
	}
}

// checkHandled serves in as a stream and checks all that must hold whatever the bytes are.
func checkHandled(t testing.TB, s *Service, e Exchange, in []byte) (st *memStream, why Reason) {
	t.Helper()
	before := s.Status()
	st = newMemStream(testID(t, 5), "/ip4/127.0.0.1/tcp/1", in)
	s.handle(e, st)
	after := s.Status()
	if after.Refused[ReasonInternalError] != 0 {
		t.Fatal("panicked")
	}
	if !s.inbound.Idle() {
		t.Fatal("streams are left in the books")
	}
	refused := 0
	for r, n := range after.Refused {
		if n > before.Refused[r] {
			refused, why = refused+int(n-before.Refused[r]), r
		}
	}
	if st.isReset == st.isClosed || st.reserved != 0 {
		t.Fatalf("reset %v, closed %v, %d bytes still reserved", st.isReset, st.isClosed, st.reserved)
	}
	if st.isReset {
		if st.out.Len() > 0 || refused != 1 || after.Served != before.Served || st.code != network.StreamProtocolViolation {
			t.Fatalf("reset with %#x, answered %x, %d refused", st.code, st.out.Bytes(), refused)
		}
		return st, why
	}
	if refused != 0 || after.Served != before.Served+1 {
		t.Fatalf("answered, %d refused, %d served", refused, after.Served-before.Served)
	}
	return st, ""
}

// TestHostileStreams: what is no request is reset with the code of the specification, counted under its reason, and gets
// no answer. The good requests of the vectors are answered.
func TestHostileStreams(t *testing.T) {
	s, _ := keeps(t)
	for _, e := range Exchanges() {
		good, bad := vectorBytes(t, requestTypes[e])
		for _, m := range good {
			if st, why := checkHandled(t, s, e, framed(m)); why != "" || st.out.Len() == 0 {
				t.Errorf("%s: a good request is refused for %q", e, why)
			}
		}
		for i, m := range bad {
			want := ReasonBadMessage
			if len(m) > maxRequest[e] {
				want = ReasonBadFrame
			}
			if _, why := checkHandled(t, s, e, framed(m)); why != want {
				t.Errorf("%s: bad request %d: %q, want %q", e, i, why, want)
			}
		}
		for name, in := range hostileFrames(good[0], maxRequest[e]) {
			if _, why := checkHandled(t, s, e, in); why != ReasonBadFrame {
				t.Errorf("%s: %s: %q", e, name, why)
			}
		}
	}
	offences, refused := s.sampler.(*fakeSampler).accused(), s.Status().Refused
	if n := refused[ReasonBadFrame] + refused[ReasonBadMessage]; n < 20 || len(offences) != int(n) {
		t.Errorf("%d offences, %v refused", len(offences), refused)
	}
	for _, o := range offences {
		if o.Peer != testID(t, 5) || o.Addr == nil || o.Protocol != PollID || !Reason(o.Reason).Misbehaviour() {
			t.Errorf("%+v", o)
		}
	}
}

// askedWith runs an exchange of ours with a peer that answers with raw.
func askedWith(t testing.TB, s *Service, j job, raw []byte) (result, *memStream) {
	t.Helper()
	st := newMemStream(testID(t, 5), "/ip4/127.0.0.1/tcp/1", raw)
	s.carrier = streamCarrier{st}
	j.to.ID = st.remote
	r := s.exchange(context.Background(), j)
	if st.reserved != 0 {
		t.Fatalf("%d bytes still reserved", st.reserved)
	}
	return r, st
}

// streamCarrier carries over one stream, as libp2pCarrier does over new ones.
type streamCarrier struct{ st *memStream }

func (c streamCarrier) carry(ctx context.Context, _ Exchange, _ peer.AddrInfo, request []byte, most int, decode func([]byte) error) (origin, error) {
	return converse(ctx, c.st, request, most, decode)
}

// TestHostileAnswers: an answer that no correct peer gives counts for nothing, is reset with the code of the
// specification and counted under its reason. The first of each kind is the control.
func TestHostileAnswers(t *testing.T) {
	const epoch = 7
	mine := func(i int) Item { return signed(t, i, epoch, "word") }
	two := []Item{mine(1), mine(2)}
	slices.SortFunc(two, func(a, b Item) int { x, y := a.ID(), b.ID(); return bytes.Compare(x[:], y[:]) })
	forged := two[1]
	forged.Signature = bytes.Clone(forged.Signature)
	forged.Signature[3] ^= 1
	otherKey, _ := testKey(t, 2)
	foreign := must(wire.SignItem(otherKey, "/other"+ID, epoch, []byte("word")))
	poll := func(nonce machine.Nonce, a machine.Answer) []byte {
		return must(wire.PollResponse{Status: wire.StatusOK, Nonce: nonce, Answer: a}.Marshal())
	}
	fetch := func(items ...Item) []byte {
		return must(wire.FetchResponse{Status: wire.StatusOK, Items: items}.Marshal())
	}
	votes := func(ids ...machine.ID) (v []machine.Vote) {
		for _, id := range ids {
			v = append(v, machine.Vote{ID: id})
		}
		return v
	}
	raw := func(n int, descending bool) []byte { // a list that Marshal would not make
		var list []byte
		for i := range n {
			if descending {
				i = n - i
			}
			id := machine.ID{byte(i >> 8), byte(i)}
			list = append(list, id[:]...)
		}
		b := must(wire.PollResponse{Status: wire.StatusOK, Nonce: testNonce, Answer: machine.Answer{Epoch: epoch}}.Marshal())
		return protowire.AppendBytes(protowire.AppendTag(b, 5, protowire.BytesType), list)
	}
	good := machine.Answer{Epoch: epoch, In: votes(idsOf(two)...)}
	type hostile struct {
		name    string
		raw     []byte
		outcome Outcome
		reason  Reason
		code    network.StreamErrorCode // 0: not reset
	}
	const violation = network.StreamProtocolViolation
	answers := map[Exchange][]hostile{
		ExchangePoll: {
			{"as it should be", framed(poll(testNonce, good)), Answered, "", 0},
			{"all there may be", framed(raw(256, false)), Answered, "", 0},
			{"epoch unknown", framed(must(wire.PollResponse{Status: wire.StatusUnknown, Nonce: testNonce}.Marshal())), Unknown, "", 0},
			{"another nonce", framed(poll(machine.Nonce{1}, good)), Failed, ReasonWrongPoll, violation},
			{"another epoch", framed(poll(testNonce, machine.Answer{Epoch: epoch + 1})), Failed, ReasonWrongPoll, violation},
			{"epoch unknown, another nonce", framed(must(wire.PollResponse{Status: wire.StatusUnknown}.Marshal())), Failed, ReasonWrongPoll, violation},
			{"257 ids", framed(raw(257, false)), Failed, ReasonBadMessage, violation},
			{"ids descend", framed(raw(3, true)), Failed, ReasonBadMessage, violation},
			{"a later status", framed([]byte{8, 77, 0x1a, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}), Failed, ReasonUnknownStatus, 0},
		},
		ExchangeFetch: {
			{"as it should be", framed(fetch(two...)), Answered, "", 0},
			{"one of them", framed(fetch(two[1])), Answered, "", 0},
			{"none", framed(fetch()), Answered, "", 0},
			{"epoch unknown", framed(must(wire.FetchResponse{Status: wire.StatusUnknown}.Marshal())), Unknown, "", 0},
			{"forged", framed(fetch(two[0], forged)), Failed, ReasonForged, violation},
			{"of another network", framed(fetch(foreign)), Failed, ReasonForged, violation},
			{"unasked", framed(fetch(two[0], mine(3))), Failed, ReasonUnasked, violation},
			{"one twice", framed(fetch(two[0], two[0])), Failed, ReasonUnasked, violation},
			{"of another epoch", framed(fetch(signed(t, 1, epoch+1, "word"))), Failed, ReasonUnasked, violation},
			{"a later status", framed([]byte{8, 77}), Failed, ReasonUnknownStatus, 0},
		},
	}
	for _, e := range Exchanges() {
		ok, bad := vectorBytes(t, responseTypes[e])
		for i, m := range bad {
			h := hostile{fmt.Sprint("bad vector ", i), framed(m), Failed, ReasonBadMessage, violation}
			if _, err := decodeResponse(e, m); errors.Is(err, wire.ErrUnknownStatus) {
				h.reason, h.code = ReasonUnknownStatus, 0
			}
			answers[e] = append(answers[e], h)
		}
		for name, in := range hostileFrames(ok[0], maxResponse[e]) {
			h := hostile{name, in, Failed, ReasonBadFrame, violation}
			if name == "more than a message" || name == "two messages" {
				h.raw = append(bytes.Clone(answers[e][0].raw), 0) // after a good answer
			}
			answers[e] = append(answers[e], h)
		}
		for _, h := range answers[e] {
			s := idle(t, sampleOf(1))
			// The other network's item has the same id: its signature is what tells it from ours.
			j := job{exchange: e, epoch: epoch, nonce: testNonce, ids: idsOf(two)}
			r, st := askedWith(t, s, j, h.raw)
			if refused := s.Status().Refused; r.outcome != h.outcome || len(refused) != min(1, len(h.reason)) || h.reason != "" && refused[h.reason] != 1 {
				t.Errorf("%s, %s: %s, refused %v; want %s, %q", e, h.name, r.outcome, refused, h.outcome, h.reason)
			}
			if st.isReset != (h.code != 0) || st.code != h.code || st.isClosed == st.isReset {
				t.Errorf("%s, %s: reset %v with %#x, closed %v", e, h.name, st.isReset, st.code, st.isClosed)
			}
			if r.outcome != Answered && len(r.items) != 0 {
				t.Errorf("%s, %s: %d items count", e, h.name, len(r.items))
			}
			if noted := s.sampler.(*fakeSampler).accused(); (len(noted) == 1) != h.reason.Misbehaviour() {
				t.Errorf("%s, %s: noted %+v", e, h.name, noted)
			}
		}
	}
}

func decodeResponse(e Exchange, b []byte) (any, error) {
	if e == ExchangePoll {
		return wire.DecodePollResponse(b)
	}
	return wire.DecodeFetchResponse(b)
}

// TestPanicsAreHeld: a defect in what a handler or a worker calls ends the stream, is counted, and ends nothing else.
func TestPanicsAreHeld(t *testing.T) {
	s := idle(t, sampleOf(1))
	s.published.Store(nil)
	good, _ := vectorBytes(t, requestTypes[ExchangePoll])
	st := newMemStream(testID(t, 5), lan, framed(good[0]))
	s.handle(ExchangePoll, st)
	if n := s.refused[ReasonInternalError].Load(); n != 1 || !st.isReset || !s.inbound.Idle() {
		t.Errorf("%d panics, reset %v", n, st.isReset)
	}
	s.carrier = nil
	if r := s.exchange(context.Background(), job{exchange: ExchangePoll}); r.outcome != Failed || s.refused[ReasonInternalError].Load() != 2 {
		t.Errorf("%v", r.outcome)
	}
}

// FuzzHandlers: any bytes on a stream end in an answer that parses, or in a reset, and are counted once.
func FuzzHandlers(f *testing.F) {
	for _, e := range Exchanges() {
		good, bad := vectorBytes(f, requestTypes[e])
		for _, m := range slices.Concat(good, bad) {
			f.Add(framed(m), e == ExchangeFetch)
			f.Add(m, e == ExchangeFetch)
		}
		for _, in := range hostileFrames(good[0], maxRequest[e]) {
			f.Add(in, e == ExchangeFetch)
		}
	}
	s, items := keeps(f)
	f.Add(framed(must(wire.PollRequest{Epoch: 7, Nonce: testNonce}.Marshal())), false)
	f.Add(framed(must(wire.FetchRequest{Epoch: 7, IDs: idsOf(items)}.Marshal())), true)
	f.Fuzz(func(t *testing.T, in []byte, fetch bool) {
		e := ExchangePoll
		if fetch {
			e = ExchangeFetch
		}
		st, why := checkHandled(t, s, e, in)
		if why != "" {
			return
		}
		frame, err := frames.ReadFrame(&st.out, maxResponse[e])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeResponse(e, frame); err != nil {
			t.Fatalf("our own answer: %v", err)
		}
	})
}

// FuzzAnswers: whatever a peer answers, what is given to the machine is of this poll, or was asked for and is signed.
func FuzzAnswers(f *testing.F) {
	items := []Item{signed(f, 1, 7, "word"), signed(f, 2, 7, "word")}
	slices.SortFunc(items, func(a, b Item) int { x, y := a.ID(), b.ID(); return bytes.Compare(x[:], y[:]) })
	for _, e := range Exchanges() {
		good, bad := vectorBytes(f, responseTypes[e])
		for _, m := range slices.Concat(good, bad) {
			f.Add(framed(m), e == ExchangeFetch)
		}
		for _, in := range hostileFrames(good[0], maxResponse[e]) {
			f.Add(in, e == ExchangeFetch)
		}
	}
	f.Add(framed(must(wire.FetchResponse{Status: wire.StatusOK, Items: items}.Marshal())), true)
	f.Add(framed(must(wire.PollResponse{Status: wire.StatusOK, Nonce: testNonce, Answer: machine.Answer{Epoch: 7}}.Marshal())), false)
	f.Fuzz(func(t *testing.T, in []byte, fetch bool) {
		s := idle(t, sampleOf(1))
		j := job{exchange: ExchangePoll, epoch: 7, nonce: testNonce, ids: idsOf(items)}
		if fetch {
			j.exchange = ExchangeFetch
		}
		r, _ := askedWith(t, s, j, in)
		if s.refused[ReasonInternalError].Load() != 0 {
			t.Fatal("panicked")
		}
		if r.outcome != Answered && len(r.items) != 0 || len(r.items) > len(j.ids) {
			t.Fatalf("%s with %d items", r.outcome, len(r.items))
		}
		if r.outcome == Answered && !fetch && (r.answer.Epoch != 7 || r.answer.Check() != nil) {
			t.Fatalf("%+v", r.answer)
		}
		for _, it := range r.items {
			if !slices.Contains(j.ids, it.ID()) || wire.VerifyItem(ID, it) != nil {
				t.Fatalf("%+v", it)
			}
		}
	})
}

// TestReasons: they are a closed set: every constant has one line in the table and one in the documentation.
func TestReasons(t *testing.T) {
	source := must(os.ReadFile("refused.go"))
	doc := must(os.ReadFile("../docs/consensus.md"))
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
			t.Errorf("docs/consensus.md has no line %s", line)
		}
	}
	if got := reasonOf(io.ErrUnexpectedEOF); got != ReasonStreamFailed {
		t.Error(got)
	}
}

// TestTrickled: a request that comes a byte at a time until its time is over is misbehaviour; one that does not come is not.
func TestTrickled(t *testing.T) {
	s, _ := keeps(t)
	good, _ := vectorBytes(t, requestTypes[ExchangePoll])
	for _, c := range []struct {
		bytes int
		why   Reason
	}{{0, ReasonStreamFailed}, {3, ReasonStreamFailed}, {4, ReasonTrickled}, {10, ReasonTrickled}} {
		st := newMemStream(testID(t, 5), lan, nil)
		st.in = io.MultiReader(iotest.OneByteReader(bytes.NewReader(framed(good[0])[:c.bytes])), iotest.ErrReader(os.ErrDeadlineExceeded))
		before := s.Status().Refused[c.why]
		if s.handle(ExchangePoll, st); s.Status().Refused[c.why] != before+1 || !st.isReset || st.out.Len() > 0 {
			t.Errorf("%d bytes: refused %v, want one more %s", c.bytes, s.Status().Refused, c.why)
		}
	}
}
