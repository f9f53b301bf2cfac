package host

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// vectorBytes returns the messages, frames and records of the wire vectors, good and bad, each as bytes of a stream.
func vectorBytes(t testing.TB) [][]byte {
	t.Helper()
	raw, err := os.ReadFile("../protocol/wire/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	type item struct{ Bytes, Envelope, Frame string }
	var v struct {
		Records    []item `json:"records"`
		BadRecords []item `json:"bad_records"`
		Messages   []item `json:"messages"`
		BadMessage []item `json:"bad_messages"`
		BadFrames  []item `json:"bad_frames"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var out [][]byte
	for _, m := range v.Messages {
		out = append(out, unhex(m.Frame))
	}
	for _, m := range v.BadMessage {
		out = append(out, framed(unhex(m.Bytes)))
	}
	for _, f := range v.BadFrames {
		out = append(out, unhex(f.Bytes))
	}
	for _, r := range append(v.Records, v.BadRecords...) {
		record := unhex(r.Envelope + r.Bytes)
		out = append(out, pushOf(record), append([]byte{0}, pushOf(record)...), pullAnswer(1, named(record, 2)))
	}
	if len(out) < 30 {
		t.Fatalf("only %d vectors", len(out))
	}
	return out
}

// alice is the first key of the vectors: their record "one address" is a push of hers.
func alice(t testing.TB) recordSigner {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return recordSigner{id, key}
}

const aliceAddr = "/ip4/10.0.0.1/tcp/4001" // her connection's

// wantPush says by the spec whether bytes on a push stream of from begin with a push to be counted.
func wantPush(from peer.ID, in []byte) bool {
	r := bytes.NewReader(in)
	for range 2 {
		frame, err := wire.ReadFrame(r, wire.MaxPushRequest)
		if err != nil {
			return false
		}
		req, err := wire.DecodePushRequest(frame)
		if err != nil {
			return false
		}
		if !req.IsHello() {
			rec, err := wire.OpenRecord(req.Record)
			return err == nil && rec.ID == from && len(filterAddrs(rec.Addrs, from, addrPolicy{classPrivate})) > 0
		}
	}
	return false
}

// checkServed serves in as a stream of alice and checks all that must hold whatever the bytes are.
func checkServed(t testing.TB, s *Service, from peer.ID, k kind, in io.Reader, all []byte) {
	s.book = newBook(s.self, true)
	st := newMemStream(from, aliceAddr, nil)
	st.in = in
	serve(s, k, st)
	if err := st.ended(); err != nil {
		t.Errorf("%s: %v (reset %v, code %#x)", kindNames[k], err, st.isReset, st.code)
	}
	if n := s.refused.of(ReasonInternalError); n != 0 {
		t.Fatalf("%d panics", n)
	}
	if n := s.inbound.Len(); n != 0 || !s.inbound.Idle() {
		t.Errorf("%d streams are left in the books", n)
	}
	pushes := 0
	for ; len(s.pushes) > 0; pushes++ {
		if p := <-s.pushes; p.from != from {
			t.Errorf("push of %v queued", p.from)
		}
	}
	want := 0
	if k == push && wantPush(from, all) {
		want = 1
	}
	if pushes != want {
		t.Errorf("%d pushes queued, want %d", pushes, want)
	}
	if n := s.book.len(); n != want || want == 1 && s.book.raw(from) == nil {
		t.Errorf("%d records stored after %d pushes", n, pushes)
	}
	// What was answered is whole frames that the other side can read.
	for out := bytes.NewReader(st.out.Bytes()); out.Len() > 0; {
		frame, err := wire.ReadFrame(out, wire.MaxPullResponse)
		if err == nil {
			switch k {
			case push:
				_, err = wire.DecodePushResponse(frame)
			case pull:
				_, err = wire.DecodePullResponse(frame)
			default:
				_, err = wire.DecodeProbeResponse(frame)
			}
		}
		if err != nil {
			t.Fatalf("%s answered with %x: %v", kindNames[k], st.out.Bytes(), err)
		}
	}
}

// FuzzLiveHandlers: any bytes on a stream of any exchange end in a closed stream or a reset with a code of the spec, and
// nothing is stored or counted but a push of the very peer that the connection authenticates.
func FuzzLiveHandlers(f *testing.F) {
	for _, raw := range vectorBytes(f) {
		for k := range kinds {
			f.Add(uint8(k), raw)
		}
	}
	for k, max := range [kinds]int{pull: wire.MaxPullRequest, push: wire.MaxPushRequest, probe: wire.MaxProbeRequest} {
		for _, r := range hostileFrames(max) {
			f.Add(uint8(k), r.raw)
		}
	}
	s := memService(f)
	from := alice(f).id
	f.Fuzz(func(t *testing.T, k uint8, in []byte) {
		checkServed(t, s, from, kind(k)%kinds, bytes.NewReader(in), in)
	})
}

// The vectors' own push is taken, so that the target above can fail; cut reads and broken streams change nothing.
func TestServedInMemory(t *testing.T) {
	s := memService(t)
	from := alice(t).id
	taken := 0
	for _, raw := range vectorBytes(t) {
		for k := range kinds {
			checkServed(t, s, from, k, iotest.OneByteReader(bytes.NewReader(raw)), raw)
			checkServed(t, s, from, k, iotest.DataErrReader(bytes.NewReader(raw)), raw)
		}
		if wantPush(from, raw) {
			taken++
			broken := io.MultiReader(bytes.NewReader(raw[:len(raw)-1]), iotest.ErrReader(errors.New("broken")))
			checkServed(t, s, from, push, broken, raw[:len(raw)-1])
		}
	}
	if taken < 3 {
		t.Errorf("only %d of the vectors are pushes of %v", taken, from)
	}
}

// checkAnswered takes raw as the answer of alice to an exchange of ours and checks all that must hold whatever it is.
func checkAnswered(t testing.TB, s *Service, from peer.ID, k kind, raw []byte) answer {
	s.book = newBook(s.self, true)
	st := newMemStream(from, aliceAddr, raw)
	a := exchangeInMemory(s, k, from, st)
	if err := st.ended(); err != nil {
		t.Errorf("%s: %v (reset %v, code %#x)", kindNames[k], err, st.isReset, st.code)
	}
	if a.outcome == protocol.Alive || a.unreached {
		t.Errorf("%s: %v, unreached %v", kindNames[k], a.outcome, a.unreached)
	}
	if (k != pull || a.outcome == protocol.Missed) && (a.replied || len(a.ids) > 0 || s.book.len() > 0) {
		t.Errorf("%s: taken although it is no answer: %+v, %d records", kindNames[k], a, s.book.len())
	}
	if len(a.ids) > wire.MaxEntries || !a.replied && len(a.ids) > 0 {
		t.Errorf("%d ids, replied %v", len(a.ids), a.replied)
	}
	for _, id := range append(a.ids, a.newer...) {
		e, ok := s.book.get(id)
		if !ok || id == s.self {
			t.Fatalf("%v without a record", id)
		}
		if e.bad && e.raw == nil && len(e.addrs) == 0 {
			continue // its signature did not hold
		}
		rec, err := wire.OpenRecord(e.raw)
		if err != nil || rec.ID != id || e.from != fromGossip || e.namer != from {
			t.Fatalf("record of %v: %v, entry %+v", id, err, e)
		}
		for _, addr := range e.addrs {
			if addrClass(addr) < classPrivate {
				t.Fatalf("address %v told over a private connection", addr)
			}
		}
	}
	return a
}

// FuzzPullReply: any bytes that answer a pull of ours are refused, or they name peers of which a valid record came.
func FuzzPullReply(f *testing.F) {
	for _, raw := range vectorBytes(f) {
		f.Add(raw)
	}
	for _, l := range lies(f, alice(f), newRecordSigner(f).id) {
		f.Add(l.raw)
	}
	s := memService(f)
	from := newRecordSigner(f).id
	f.Fuzz(func(t *testing.T, raw []byte) { checkAnswered(t, s, from, pull, raw) })
}

// FuzzShortReply: the same for the answers to pushes and probes, which bring nothing but an outcome.
func FuzzShortReply(f *testing.F) {
	for _, raw := range vectorBytes(f) {
		f.Add(true, raw)
		f.Add(false, raw)
	}
	s := memService(f)
	from := newRecordSigner(f).id
	f.Fuzz(func(t *testing.T, pushed bool, raw []byte) {
		k := probe
		if pushed {
			k = push
		}
		checkAnswered(t, s, from, k, raw)
	})
}

// The control of the two targets above: proper answers are taken.
func TestAnsweredInMemory(t *testing.T) {
	s := memService(t)
	from, third := newRecordSigner(t).id, newRecordSigner(t)
	a := checkAnswered(t, s, from, pull, pullAnswer(1, named(third.seal(t, 1, "/ip4/10.0.0.2/tcp/1"), 5)))
	if !a.replied || len(a.ids) != 5 {
		t.Errorf("pull: %+v", a)
	}
	for _, k := range []kind{push, probe} {
		if a := checkAnswered(t, s, from, k, unhexFrame("020801")); a.outcome != protocol.AliveUnproven {
			t.Errorf("%s: %+v", kindNames[k], a)
		}
	}
}

// allocatedBy returns the least of some calls, see wire's tests: the counter is that of the whole process.
func allocatedBy(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 8 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// Hostile input costs memory in proportion to what arrives, whatever it claims: a few KiB for the stream, a small
// multiple of the bytes, and for a pull answer at most MaxEntries entries.
func TestHostileAllocations(t *testing.T) {
	const base, factor, entry = 12 << 10, 6, 300
	s := memService(t)
	from := alice(t).id
	huge := binary.AppendUvarint(nil, wire.MaxPullResponse)
	var many [][]byte
	for range wire.MaxEntries {
		many = append(many, named([]byte{0x0a}, 1))
	}
	type input struct {
		name    string
		raw     []byte
		entries int
	}
	inputs := []input{
		{"claimed, not sent", huge, 0},
		{"claimed, half sent", append(bytes.Clone(huge), make([]byte, wire.MaxPullResponse/2)...), 0},
		{"claimed request", append(binary.AppendUvarint(nil, wire.MaxPushRequest), make([]byte, 100)...), 0},
		{"entries of one byte", pullAnswer(1, many...), len(many)},
		{"100,000 entries", pullAnswer(1, bytes.Repeat(field(2, nil), 100_000)), 0},
		{"unknown fields", framed(number(1, 1), bytes.Repeat(number(9, 1), 100_000)), 0},
		{"groups", framed(bytes.Repeat([]byte{0x5b}, 8000)), 0},
	}
	for _, raw := range vectorBytes(t) {
		inputs = append(inputs, input{"vector", raw, 1})
	}
	for _, in := range inputs {
		limit := uint64(base + factor*len(in.raw) + entry*in.entries)
		for k := range kinds {
			if got := allocatedBy(func() { serve(s, k, newMemStream(from, aliceAddr, in.raw)) }); got > limit {
				t.Errorf("%s: serving a %s of %d bytes allocated %d", in.name, kindNames[k], len(in.raw), got)
			}
			if got := allocatedBy(func() { exchangeInMemory(s, k, from, newMemStream(from, aliceAddr, in.raw)) }); got > limit {
				t.Errorf("%s: a %s answered with %d bytes allocated %d", in.name, kindNames[k], len(in.raw), got)
			}
		}
	}
}

// The same inputs over a real stream: each ends in an answer or in a reset with a code of the spec.
func TestVectorsOverRealStream(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval))
	a := newAttacker(t)
	a.connect(t, v.host)
	for _, raw := range vectorBytes(t) {
		for k := range kinds {
			got, err := a.say(t, v, k, raw)
			if err != nil {
				checkReset(t, err, network.StreamProtocolViolation)
			} else if len(got) == 0 {
				t.Errorf("%s: %x: closed without an answer", kindNames[k], raw)
			}
		}
	}
	if n := v.book.len(); n != 0 { // alice's records, and the attacker is not alice
		t.Errorf("%d records stored", n)
	}
}
