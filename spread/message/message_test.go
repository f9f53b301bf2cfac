package message_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
	"github.com/brahms-p2p/brahms-p2p/spread/message/pb"
)

// TestForged: a signature holds for its origin, network and body alone.
func TestForged(t *testing.T) {
	alice, aliceID := testKey(t, 1)
	_, bobID := testKey(t, 2)
	rsa, rsaID := rsaKey(t)
	body, err := testBody(t, 1, []byte("hello")).Marshal(message.MaxPayload)
	must(t, err)
	signed, err := message.Sign(alice, message.ID, aliceID, body)
	must(t, err)
	byRSA, err := message.Sign(rsa, message.ID, rsaID, body)
	must(t, err)
	alicePub, err := crypto.MarshalPublicKey(alice.GetPublic())
	must(t, err)
	for _, c := range []struct {
		name   string
		change func(*message.Message)
		of     message.Message
		want   error
	}{
		{"as it is", func(*message.Message) {}, signed, nil},
		{"as it is, RSA", func(*message.Message) {}, byRSA, nil},
		{"more hops", func(m *message.Message) { m.Hops = 7 }, signed, nil}, // not signed: whoever passes it on changes them
		{"another body", func(m *message.Message) { m.Body[len(m.Body)-1] ^= 1 }, signed, message.ErrForged},
		{"another signature", func(m *message.Message) { m.Signature[3] ^= 1 }, signed, message.ErrForged},
		{"no signature", func(m *message.Message) { m.Signature = nil }, signed, message.ErrForged},
		{"a key too many", func(m *message.Message) { m.Key = alicePub }, signed, wire.ErrMalformed},
		{"no key", func(m *message.Message) { m.Key = nil }, byRSA, wire.ErrMalformed},
		{"another's key", func(m *message.Message) { m.Key, m.Signature = alicePub, signed.Signature }, byRSA, message.ErrForged},
	} {
		m := c.of
		m.Body, m.Signature = bytes.Clone(m.Body), bytes.Clone(m.Signature)
		origin := aliceID
		if m.Key != nil {
			origin = rsaID
		}
		c.change(&m)
		if err := m.Verify(message.ID, origin); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if err := signed.Verify(message.ID, bobID); !errors.Is(err, message.ErrForged) {
		t.Errorf("another origin: %v", err)
	}
	if err := signed.Verify("/myapp"+message.ID, aliceID); !errors.Is(err, message.ErrForged) {
		t.Errorf("another network: %v", err)
	}
	if _, err := message.Sign(alice, message.ID, bobID, body); !errors.Is(err, message.ErrForged) {
		t.Errorf("signed for another: %v", err)
	}
}

// TestSizes: the payload is bounded by what the network agreed on, and the largest of everything else fits beside it.
func TestSizes(t *testing.T) {
	for _, most := range []int{1, message.MaxPayload, message.MaxPayloadLimit} {
		b := testBody(t, 1, make([]byte, most))
		b.Topic = strings.Repeat("t", message.MaxTopic)
		raw, err := b.Marshal(most)
		must(t, err)
		whole, err := message.Message{
			Body: raw, Signature: make([]byte, message.MaxSignatureSize), Key: make([]byte, message.MaxKeySize), Hops: message.MaxHops,
		}.Marshal(most)
		must(t, err)
		if _, err := message.Decode(whole, most); err != nil {
			t.Errorf("payload of %d bytes: %v", most, err)
		}
		b.Payload = append(b.Payload, 0)
		if _, err := b.Marshal(most); !errors.Is(err, wire.ErrLimit) {
			t.Errorf("payload of %d bytes where %d are allowed: %v", most+1, most, err)
		}
		if raw, err = b.Marshal(most + 1); err != nil {
			t.Fatal(err)
		}
		if _, err := message.DecodeBody(raw, most); !errors.Is(err, wire.ErrLimit) {
			t.Errorf("payload of %d bytes decoded where %d are allowed: %v", most+1, most, err)
		}
		if _, err := message.Decode(make([]byte, message.MaxSize(most)+1), most); !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("oversized message: %v", err)
		}
	}
	b := testBody(t, 1, nil)
	b.Time = -1
	if _, err := b.Marshal(1); !errors.Is(err, wire.ErrLimit) {
		t.Errorf("time before 1970: %v", err)
	}
}

// TestUnknownFields of a later revision are ignored, and those of the body are part of what is signed and hashed.
func TestUnknownFields(t *testing.T) {
	alice, id := testKey(t, 1)
	raw, err := testBody(t, 1, []byte("hello")).Marshal(message.MaxPayload)
	must(t, err)
	later := append(bytes.Clone(raw), numberField(9, 7)...)
	if _, err := message.DecodeBody(later, message.MaxPayload); err != nil {
		t.Error(err)
	}
	m, err := message.Sign(alice, message.ID, id, later)
	must(t, err)
	whole, err := m.Marshal(message.MaxPayload)
	must(t, err)
	again, err := message.Decode(append(whole, bytesField(15, []byte("new"))...), message.MaxPayload)
	must(t, err)
	if !bytes.Equal(again.Body, later) || again.Verify(message.ID, id) != nil || message.HashOf(later) == message.HashOf(raw) {
		t.Error("the body was changed")
	}
}

// TestAlloc: what is small on the wire and large in memory is refused before anything is made of it.
func TestAlloc(t *testing.T) {
	body, signature := bytesField(1, []byte{1}), bytesField(2, []byte{1})
	for name, in := range map[string][]byte{
		"nested groups":    join(body, signature, bytes.Repeat([]byte{0x2b}, 60_000)),
		"20,000 hops":      join(body, signature, bytes.Repeat(numberField(4, 1), 20_000)),
		"a promised field": join(body, signature, protowire.AppendVarint([]byte{0x1a}, math.MaxInt32)),
	} {
		if got := allocated(func() {
			if _, err := message.Decode(in, message.MaxPayload); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
		}); got > 2<<10 {
			t.Errorf("%s: %d bytes allocated", name, got)
		}
	}
	unknown := join(body, signature, bytes.Repeat(numberField(9, 1), 30_000))
	if got := allocated(func() {
		if _, err := message.Decode(unknown, message.MaxPayload); err != nil {
			t.Error(err)
		}
	}); got > 4<<10 {
		t.Errorf("unknown fields: %d bytes allocated", got)
	}
}

// documented reports whether err is one that Decode functions may return.
func documented(err error) bool {
	return errors.Is(err, wire.ErrMalformed) || errors.Is(err, wire.ErrLimit) || errors.Is(err, wire.ErrTooLarge) || errors.Is(err, wire.ErrUnknownStatus)
}

func addVectors(f *testing.F) {
	v := readVectors(f)
	for _, x := range v.Messages {
		f.Add(unhex(f, x.Message))
		f.Add(unhex(f, x.Body))
	}
	for _, list := range [][]badVector{v.BadBodies, v.Bad, v.BadAnswer} {
		for _, x := range list {
			f.Add(unhex(f, x.Bytes))
		}
	}
	for _, x := range v.Answers {
		f.Add(unhex(f, x.Message))
	}
}

// FuzzMessage: any bytes are refused with a documented error, or read as the generated code reads them and written again
// without a change; and only what verifies is a message of its origin.
func FuzzMessage(f *testing.F) {
	addVectors(f)
	valid := map[message.Hash]bool{}
	for _, x := range readVectors(f).Messages {
		valid[message.HashOf(unhex(f, x.Body))] = true
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, b, err := open(in)
		if err == nil && !valid[message.HashOf(m.Body)] {
			t.Fatalf("verified, and none of the vectors: %+v", b)
		}
		if err != nil && !documented(err) && !errors.Is(err, message.ErrForged) {
			t.Fatalf("undocumented error %v", err)
		}
		if m, err = message.Decode(in, message.MaxPayload); err != nil {
			return
		}
		var p pb.Message
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(in, &p); err != nil ||
			!proto.Equal(&p, &pb.Message{Body: m.Body, Signature: m.Signature, Key: m.Key, Hops: m.Hops}) {
			t.Fatalf("generated code reads %v, %v; decoder %+v", &p, err, m)
		}
		again, err := m.Marshal(message.MaxPayload)
		if err != nil {
			t.Fatalf("Marshal of %+v: %v", m, err)
		}
		if n, err := message.Decode(again, message.MaxPayload); err != nil || !bytes.Equal(n.Body, m.Body) || n.Hops != m.Hops {
			t.Fatalf("second time %+v, %v", n, err)
		}
	})
}

// FuzzBody: likewise for bodies.
func FuzzBody(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := message.DecodeBody(in, message.MaxPayload)
		if err != nil {
			if !documented(err) {
				t.Fatalf("undocumented error %v", err)
			}
			return
		}
		var p pb.Body
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(in, &p); err != nil ||
			string(p.Origin) != string(b.Origin) || p.Topic != b.Topic || int64(p.Time) != b.Time || !bytes.Equal(p.Payload, b.Payload) {
			t.Fatalf("generated code reads %v, %v; decoder %+v", &p, err, b)
		}
		if len(b.Topic) < 1 || len(b.Topic) > message.MaxTopic || len(b.Nonce) != message.NonceSize || b.Time < 1 {
			t.Fatalf("out of limits: %+v", b)
		}
		if _, err := b.Marshal(message.MaxPayload); err != nil {
			t.Fatalf("Marshal of %+v: %v", b, err)
		}
	})
}

// FuzzAnswer: likewise for answers.
func FuzzAnswer(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := message.DecodeAnswer(in)
		if err != nil {
			if !documented(err) {
				t.Fatalf("undocumented error %v", err)
			}
			return
		}
		if _, err := a.Marshal(); err != nil || strings.HasPrefix(a.Status.String(), "status(") {
			t.Fatalf("%v, %v", a, err)
		}
	})
}
