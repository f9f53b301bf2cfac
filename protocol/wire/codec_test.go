package wire_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire/pb"
)

// codec is one message type, with its static type hidden, so that tests can range over all of them.
type codec struct {
	max    int
	decode func([]byte) (any, error)
	encode func(any) ([]byte, error)
	pb     func() proto.Message // an empty message of the generated code
}

func newCodec[M interface{ Marshal() ([]byte, error) }](max int, decode func([]byte) (M, error), pb func() proto.Message) codec {
	return codec{
		max:    max,
		decode: func(b []byte) (any, error) { return decode(b) },
		encode: func(m any) ([]byte, error) { return m.(M).Marshal() },
		pb:     pb,
	}
}

var codecs = map[string]codec{
	"PushRequest":   newCodec(wire.MaxPushRequest, wire.DecodePushRequest, func() proto.Message { return &pb.PushRequest{} }),
	"PushResponse":  newCodec(wire.MaxPushResponse, wire.DecodePushResponse, func() proto.Message { return &pb.PushResponse{} }),
	"PullRequest":   newCodec(wire.MaxPullRequest, wire.DecodePullRequest, func() proto.Message { return &pb.PullRequest{} }),
	"PullResponse":  newCodec(wire.MaxPullResponse, wire.DecodePullResponse, func() proto.Message { return &pb.PullResponse{} }),
	"ProbeRequest":  newCodec(wire.MaxProbeRequest, wire.DecodeProbeRequest, func() proto.Message { return &pb.ProbeRequest{} }),
	"ProbeResponse": newCodec(wire.MaxProbeResponse, wire.DecodeProbeResponse, func() proto.Message { return &pb.ProbeResponse{} }),
}

// typeName is the key of m in codecs.
func typeName(m any) string { return reflect.TypeOf(m).Name() }

// zeroes returns n zero bytes, nil for 0.
func zeroes(n int) []byte {
	if n == 0 {
		return nil
	}
	return make([]byte, n)
}

// peerIDOf returns a well-formed peer id of n bytes (an identity multihash).
func peerIDOf(n int) peer.ID { return peer.ID(append([]byte{0, byte(n - 2)}, make([]byte, n-2)...)) }

// Each message at a limit passes both ways, and one over it neither way: Marshal refuses, and so does Decode of what
// the generated code writes.
func TestLimits(t *testing.T) {
	entries := func(n int, count uint32) []wire.Entry {
		es := make([]wire.Entry, n)
		for i := range es {
			es[i] = wire.Entry{Record: []byte{1}, Count: count}
		}
		return es
	}
	// full is a pull answer of exactly size bytes: 31 records of the greatest size and one that fills up.
	full := func(size int) wire.PullResponse {
		m := wire.PullResponse{Status: wire.StatusTaken, Entries: entries(32, 1)}
		for i := range 31 {
			m.Entries[i].Record = make([]byte, wire.MaxRecordSize)
		}
		m.Entries[31].Record = make([]byte, 4000)
		m.Entries[31].Record = make([]byte, 4000+size-proto.Size(toPB(m)))
		return m
	}
	for _, c := range []struct {
		name     string
		at, over any
		want     error
	}{
		{"push: record",
			wire.PushRequest{Record: zeroes(wire.MaxRecordSize)},
			wire.PushRequest{Record: zeroes(wire.MaxRecordSize + 1)}, wire.ErrLimit},
		{"push: all at once",
			wire.PushRequest{Record: zeroes(wire.MaxRecordSize), Token: &wire.Token{1<<32 - 1, 1<<64 - 1, zeroes(wire.MaxNonceSize), zeroes(wire.MaxSolutionSize)}},
			wire.PushRequest{Record: zeroes(wire.MaxPushRequest)}, wire.ErrTooLarge},
		{"push: token nonce",
			wire.PushRequest{Token: &wire.Token{Nonce: zeroes(wire.MaxNonceSize)}},
			wire.PushRequest{Token: &wire.Token{Nonce: zeroes(wire.MaxNonceSize + 1)}}, wire.ErrLimit},
		{"push: token solution",
			wire.PushRequest{Token: &wire.Token{Solution: zeroes(wire.MaxSolutionSize)}},
			wire.PushRequest{Token: &wire.Token{Solution: zeroes(wire.MaxSolutionSize + 1)}}, wire.ErrLimit},
		{"push answer: seed",
			wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: &wire.Challenge{1<<32 - 1, zeroes(wire.MaxSeedSize), 1<<64 - 1, 1<<32 - 1}},
			wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: &wire.Challenge{Seed: zeroes(wire.MaxSeedSize + 1)}}, wire.ErrLimit},
		{"push answer: size",
			wire.PushResponse{Status: wire.StatusLeaving},
			wire.PushResponse{Status: wire.StatusTaken, Challenge: &wire.Challenge{Seed: zeroes(wire.MaxPushResponse)}}, wire.ErrTooLarge},
		{"pull answer: entries",
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(wire.MaxEntries, 1)},
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(wire.MaxEntries+1, 1)}, wire.ErrLimit},
		{"pull answer: one count",
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(1, wire.MaxEntries)},
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(1, wire.MaxEntries+1)}, wire.ErrLimit},
		{"pull answer: sum of counts",
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(2, wire.MaxEntries/2)},
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(2, wire.MaxEntries/2+1)}, wire.ErrLimit},
		{"pull answer: count 0",
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(1, 1)},
			wire.PullResponse{Status: wire.StatusTaken, Entries: entries(1, 0)}, wire.ErrLimit},
		{"pull answer: no record",
			wire.PullResponse{Status: wire.StatusTaken},
			wire.PullResponse{Status: wire.StatusTaken, Entries: []wire.Entry{{Count: 1}}}, wire.ErrLimit},
		{"pull answer: record",
			wire.PullResponse{Status: wire.StatusTaken, Entries: []wire.Entry{{Record: zeroes(wire.MaxRecordSize), Count: 1}}},
			wire.PullResponse{Status: wire.StatusTaken, Entries: []wire.Entry{{Record: zeroes(wire.MaxRecordSize + 1), Count: 1}}}, wire.ErrLimit},
		{"pull answer: seed",
			wire.PullResponse{Status: wire.StatusLeaving, Challenge: &wire.Challenge{Seed: zeroes(wire.MaxSeedSize)}},
			wire.PullResponse{Status: wire.StatusLeaving, Challenge: &wire.Challenge{Seed: zeroes(wire.MaxSeedSize + 1)}}, wire.ErrLimit},
		{"pull answer: size", full(wire.MaxPullResponse), full(wire.MaxPullResponse + 1), wire.ErrTooLarge},
		{"probe: nonce",
			wire.ProbeRequest{Nonce: zeroes(wire.MaxNonceSize)},
			wire.ProbeRequest{Nonce: zeroes(wire.MaxNonceSize + 1)}, wire.ErrLimit},
		{"probe: nonce to sign",
			wire.ProbeRequest{Nonce: zeroes(wire.MinNonceSize), Sign: true},
			wire.ProbeRequest{Nonce: zeroes(wire.MinNonceSize - 1), Sign: true}, wire.ErrLimit},
		{"probe: target",
			wire.ProbeRequest{Target: peerIDOf(wire.MaxPeerIDSize)},
			wire.ProbeRequest{Target: peerIDOf(wire.MaxPeerIDSize + 1)}, wire.ErrLimit},
		{"probe: asker",
			wire.ProbeRequest{Asker: peerIDOf(wire.MaxPeerIDSize)},
			wire.ProbeRequest{Asker: peerIDOf(wire.MaxPeerIDSize + 1)}, wire.ErrLimit},
		{"probe: all at once",
			wire.ProbeRequest{zeroes(wire.MaxNonceSize), peerIDOf(wire.MaxPeerIDSize), true, peerIDOf(wire.MaxPeerIDSize)},
			wire.ProbeRequest{Nonce: zeroes(wire.MaxProbeRequest)}, wire.ErrTooLarge},
		{"probe: target no peer id",
			wire.ProbeRequest{Target: peerIDOf(2)},
			wire.ProbeRequest{Target: "x"}, wire.ErrMalformed},
		{"probe: asker no peer id",
			wire.ProbeRequest{Asker: peerIDOf(38)},
			wire.ProbeRequest{Asker: peerIDOf(38)[:37]}, wire.ErrMalformed},
		{"probe answer: signatures",
			wire.ProbeResponse{wire.StatusAlive, zeroes(wire.MaxSignatureSize), -1, zeroes(wire.MaxSignatureSize)},
			wire.ProbeResponse{Status: wire.StatusAlive, Signature: zeroes(wire.MaxSignatureSize + 1)}, wire.ErrLimit},
		{"probe answer: target signature",
			wire.ProbeResponse{Status: wire.StatusLeaving, TargetStatus: wire.StatusUnknown},
			wire.ProbeResponse{Status: wire.StatusAlive, TargetSignature: zeroes(wire.MaxSignatureSize + 1)}, wire.ErrLimit},
		{"probe answer: size",
			wire.ProbeResponse{Status: wire.StatusAlive},
			wire.ProbeResponse{Status: wire.StatusAlive, Signature: zeroes(wire.MaxProbeResponse)}, wire.ErrTooLarge},
	} {
		cd := codecs[typeName(c.at)]
		b, err := cd.encode(c.at)
		if err != nil {
			t.Errorf("%s: Marshal at the limit: %v", c.name, err)
		}
		if got, err := cd.decode(b); err != nil || !reflect.DeepEqual(got, c.at) {
			t.Errorf("%s: Decode at the limit: %v", c.name, err)
		}
		if _, err := cd.encode(c.over); !errors.Is(err, c.want) {
			t.Errorf("%s: Marshal over the limit: %v, want %v", c.name, err, c.want)
		}
		over, err := proto.Marshal(toPB(c.over))
		must(t, err)
		got, err := cd.decode(over)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: Decode over the limit: %v, want %v", c.name, err, c.want)
		}
		if !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s: Decode returned %v beside its error", c.name, got)
		}
	}
	if n := len(must2(full(wire.MaxPullResponse).Marshal())(t)); n != wire.MaxPullResponse {
		t.Errorf("the largest pull answer has %d bytes", n)
	}
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); must(t, err); return v }
}

func TestStatuses(t *testing.T) {
	allowed := map[string][]wire.Status{
		"PushResponse":  {wire.StatusTaken, wire.StatusNeedsToken, wire.StatusNoResources, wire.StatusLeaving},
		"PullResponse":  {wire.StatusTaken, wire.StatusNoResources, wire.StatusLeaving},
		"ProbeResponse": {wire.StatusAlive, wire.StatusLeaving},
	}
	make := map[string]func(wire.Status) any{
		"PushResponse":  func(s wire.Status) any { return wire.PushResponse{Status: s} },
		"PullResponse":  func(s wire.Status) any { return wire.PullResponse{Status: s} },
		"ProbeResponse": func(s wire.Status) any { return wire.ProbeResponse{Status: s} },
	}
	for name, ok := range allowed {
		for s := wire.Status(-1); s < 300; s++ {
			m := make[name](s)
			want := error(nil)
			if !contains(ok, s) {
				want = wire.ErrUnknownStatus
			}
			if _, err := codecs[name].encode(m); !errors.Is(err, want) {
				t.Errorf("%s with %v: Marshal: %v, want %v", name, s, err, want)
			}
			b, err := proto.Marshal(toPB(m))
			must(t, err)
			if _, err := codecs[name].decode(b); !errors.Is(err, want) {
				t.Errorf("%s with %v: Decode: %v, want %v", name, s, err, want)
			}
		}
	}
	for s, want := range map[wire.Status]string{
		wire.StatusAlive: "taken", wire.StatusNeedsToken: "needs_token", wire.StatusNoResources: "no_resources",
		wire.StatusLeaving: "leaving", wire.StatusUnknown: "unknown", 0: "status(0)", 6: "status(6)", -1: "status(-1)",
	} {
		if s.String() != want || s.Known() != (s >= 1 && s <= 5) {
			t.Errorf("Status %d is %q, known %v", int(s), s, s.Known())
		}
	}
}

func contains(all []wire.Status, s wire.Status) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// Fields of later revisions are ignored, at every level and of every wire type that proto3 has.
func TestUnknownFields(t *testing.T) {
	extra := join(fieldVarint(5, 7), fieldBytes(1000, []byte("later")), []byte{0x3d, 1, 2, 3, 4}, []byte{0x41, 1, 2, 3, 4, 5, 6, 7, 8})
	for name, c := range codecs {
		base := []byte{}
		if name == "PushResponse" || name == "PullResponse" || name == "ProbeResponse" {
			base = fieldVarint(1, 1)
		}
		want, err := c.decode(base)
		must(t, err)
		got, err := c.decode(join(extra, base, extra))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	nested := join(fieldVarint(1, 1),
		fieldBytes(2, join(extra, fieldBytes(1, []byte{1}), fieldVarint(2, 2))),
		fieldBytes(3, join(extra, fieldVarint(3, 9))))
	got, err := wire.DecodePullResponse(nested)
	must(t, err)
	want := wire.PullResponse{Status: wire.StatusTaken, Entries: []wire.Entry{{Record: []byte{1}, Count: 2}}, Challenge: &wire.Challenge{Epoch: 9}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// Decoded messages keep nothing of the buffer they were decoded from.
func TestDecodeDoesNotAlias(t *testing.T) {
	for _, m := range sampleMessages(t) {
		c := codecs[typeName(m)]
		b, err := c.encode(m)
		must(t, err)
		got, err := c.decode(b)
		must(t, err)
		for i := range b {
			b[i] = 0xff
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%T changed with its buffer", m)
		}
	}
}

// toPB converts by hand what Marshal converts, for use as an oracle: it checks nothing.
func toPB(m any) proto.Message {
	challenge := func(c *wire.Challenge) *pb.Challenge {
		if c == nil {
			return nil
		}
		return &pb.Challenge{Scheme: c.Scheme, Seed: c.Seed, Epoch: c.Epoch, Bits: c.Bits}
	}
	switch m := m.(type) {
	case wire.PushRequest:
		p := &pb.PushRequest{Record: m.Record}
		if m.Token != nil {
			p.Token = &pb.Token{Scheme: m.Token.Scheme, Epoch: m.Token.Epoch, Nonce: m.Token.Nonce, Solution: m.Token.Solution}
		}
		return p
	case wire.PushResponse:
		return &pb.PushResponse{Status: pb.Status(m.Status), Challenge: challenge(m.Challenge)}
	case wire.PullRequest:
		return &pb.PullRequest{}
	case wire.PullResponse:
		p := &pb.PullResponse{Status: pb.Status(m.Status), Challenge: challenge(m.Challenge)}
		for _, e := range m.Entries {
			p.Entries = append(p.Entries, &pb.Entry{Record: e.Record, Count: e.Count})
		}
		return p
	case wire.ProbeRequest:
		return &pb.ProbeRequest{Nonce: m.Nonce, Target: []byte(m.Target), Sign: m.Sign, Asker: []byte(m.Asker)}
	case wire.ProbeResponse:
		return &pb.ProbeResponse{Status: pb.Status(m.Status), Signature: m.Signature, TargetStatus: pb.Status(m.TargetStatus), TargetSignature: m.TargetSignature}
	}
	panic("unknown message")
}

// genMessage draws any valid message.
func genMessage(t *rapid.T) any {
	data := func(name string, min, max int) []byte {
		b := rapid.SliceOfN(rapid.Byte(), min, max).Draw(t, name)
		if len(b) == 0 {
			return nil
		}
		return b
	}
	id := func(name string) peer.ID {
		return rapid.SampledFrom([]peer.ID{"", peerIDOf(2), peerIDOf(38), peerIDOf(wire.MaxPeerIDSize)}).Draw(t, name)
	}
	status := func(of ...wire.Status) wire.Status { return rapid.SampledFrom(of).Draw(t, "status") }
	challenge := func() *wire.Challenge {
		if rapid.Bool().Draw(t, "no challenge") {
			return nil
		}
		return &wire.Challenge{rapid.Uint32().Draw(t, "scheme"), data("seed", 0, wire.MaxSeedSize), rapid.Uint64().Draw(t, "epoch"), rapid.Uint32().Draw(t, "bits")}
	}
	switch rapid.IntRange(0, 5).Draw(t, "type") {
	case 0:
		m := wire.PushRequest{Record: data("record", 0, 300)}
		if rapid.Bool().Draw(t, "token") {
			m.Token = &wire.Token{rapid.Uint32().Draw(t, "scheme"), rapid.Uint64().Draw(t, "epoch"), data("nonce", 0, wire.MaxNonceSize), data("solution", 0, wire.MaxSolutionSize)}
		}
		return m
	case 1:
		return wire.PushResponse{status(1, 2, 3, 4), challenge()}
	case 2:
		return wire.PullRequest{}
	case 3:
		m := wire.PullResponse{Status: status(1, 3, 4), Challenge: challenge()}
		for range rapid.IntRange(0, 20).Draw(t, "entries") {
			m.Entries = append(m.Entries, wire.Entry{Record: data("record", 1, 300), Count: rapid.Uint32Range(1, 12).Draw(t, "count")})
		}
		return m
	case 4:
		m := wire.ProbeRequest{data("nonce", 0, wire.MaxNonceSize), id("target"), rapid.Bool().Draw(t, "sign"), id("asker")}
		if m.Sign {
			m.Nonce = append(m.Nonce, make([]byte, wire.MaxNonceSize-len(m.Nonce))...)
		}
		return m
	}
	return wire.ProbeResponse{status(1, 4), data("signature", 0, wire.MaxSignatureSize), wire.Status(rapid.Int32().Draw(t, "target status")), data("target signature", 0, 64)}
}

// The generated code is the oracle: it writes the same bytes and reads the same fields.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := genMessage(t)
		c := codecs[typeName(m)]
		b, err := c.encode(m)
		if err != nil {
			t.Fatalf("Marshal of %+v: %v", m, err)
		}
		if want, err := proto.Marshal(toPB(m)); err != nil || !bytes.Equal(b, want) {
			t.Fatalf("%+v\n gives %x\nwant %x", m, b, want)
		}
		p := c.pb()
		if err := proto.Unmarshal(b, p); err != nil || !proto.Equal(p, toPB(m)) {
			t.Fatalf("generated code reads %v, %v from %+v", p, err, m)
		}
		if got, err := c.decode(b); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("decoded %+v, %v, want %+v", got, err, m)
		}
	})
}
