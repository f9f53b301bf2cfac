package wire_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	cryptopb "github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A record that names the victim, signed with the attacker's key, is a valid envelope: libp2p takes it. We must not.
func TestForgedRecord(t *testing.T) {
	attacker, _ := testKey(t, 1)
	_, victim := testKey(t, 2)
	forged := seal(t, attacker, &peer.PeerRecord{PeerID: victim, Addrs: testAddrs(t, 1), Seq: 1})

	_, rec, err := record.ConsumeEnvelope(forged, peer.PeerRecordEnvelopeDomain)
	if err != nil || rec.(*peer.PeerRecord).PeerID != victim {
		t.Fatalf("the trap is gone: ConsumeEnvelope = %v, %v", rec, err)
	}
	if _, err := wire.OpenRecord(forged); !errors.Is(err, wire.ErrForged) {
		t.Errorf("OpenRecord = %v, want ErrForged", err)
	}
	if _, err := wire.SealRecord(attacker, victim, testAddrs(t, 1), 1); !errors.Is(err, wire.ErrForged) {
		t.Errorf("SealRecord = %v, want ErrForged", err)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	generate := map[string]func() (crypto.PrivKey, crypto.PubKey, error){
		"Ed25519":   func() (crypto.PrivKey, crypto.PubKey, error) { return crypto.GenerateEd25519Key(rand.Reader) },
		"secp256k1": func() (crypto.PrivKey, crypto.PubKey, error) { return crypto.GenerateSecp256k1Key(rand.Reader) },
		"ECDSA":     func() (crypto.PrivKey, crypto.PubKey, error) { return crypto.GenerateECDSAKeyPair(rand.Reader) },
		"RSA":       func() (crypto.PrivKey, crypto.PubKey, error) { return crypto.GenerateRSAKeyPair(2048, rand.Reader) },
	}
	for name, gen := range generate {
		t.Run(name, func(t *testing.T) {
			key, pub, err := gen()
			must(t, err)
			id, err := peer.IDFromPublicKey(pub)
			must(t, err)
			addrs := testAddrs(t, wire.MaxRecordAddrs)
			raw, err := wire.SealRecord(key, id, addrs, 1<<63)
			must(t, err)
			rec, err := wire.OpenRecord(raw)
			must(t, err)
			if rec.ID != id || rec.Seq != 1<<63 || len(rec.Addrs) != len(addrs) || &rec.Raw[0] != &raw[0] {
				t.Errorf("got %+v", rec)
			}
			for i := range addrs {
				if !rec.Addrs[i].Equal(addrs[i]) {
					t.Errorf("address %d is %v, want %v", i, rec.Addrs[i], addrs[i])
				}
			}
		})
	}
}

// Records of js-libp2p have the form that OpenRecord insists on.
func TestRecordsOfJS(t *testing.T) {
	data, err := os.ReadFile("testdata/js_records.txt")
	must(t, err)
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		rec, err := wire.OpenRecord(unhex(t, fields[2]))
		if err != nil {
			t.Errorf("%s: %v", fields[0], err)
			continue
		}
		if rec.ID.String() != fields[1] || rec.Seq != 1795000000000 || len(rec.Addrs) != 2 {
			t.Errorf("%s: got %+v", fields[0], rec)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d records opened, want 3", n)
	}
}

// Other bytes with the same valid signature: libp2p takes each of them, OpenRecord takes one form only.
func TestRecordNotCanonical(t *testing.T) {
	raw := testRecord(t, 1, 2)
	_, err := wire.OpenRecord(raw)
	must(t, err)
	parts := splitFields(t, raw)
	keyBody, n := protowire.ConsumeBytes(parts[0][1:])
	if n < 0 {
		t.Fatal("no key")
	}
	variants := map[string][]byte{
		"unknown field":       join(raw, fieldVarint(15, 1)),
		"unknown field first": join(fieldVarint(4, 1), raw),
		"field twice":         join(raw, parts[3]),
		"other order":         join(parts[1], parts[0], parts[2], parts[3]),
		"longer length":       join(raw[:1], []byte{raw[1] | 0x80, 0}, raw[2:]),
		"longer tag":          join([]byte{raw[0] | 0x80, 0}, raw[1:]),
		"unknown key field":   join(fieldBytes(1, join(keyBody, fieldVarint(9, 1))), parts[1], parts[2], parts[3]),
		"key in other order":  join(fieldBytes(1, join(keyBody[2:], keyBody[:2])), parts[1], parts[2], parts[3]),
	}
	for name, variant := range variants {
		if _, _, err := record.ConsumeEnvelope(variant, peer.PeerRecordEnvelopeDomain); err != nil {
			t.Errorf("%s: not a variant at all: %v", name, err)
		}
		if _, err := wire.OpenRecord(variant); !errors.Is(err, wire.ErrNotCanonical) {
			t.Errorf("%s: OpenRecord = %v, want ErrNotCanonical", name, err)
		}
	}
}

// splitFields cuts an envelope into its four fields.
func splitFields(t testing.TB, raw []byte) [][]byte {
	t.Helper()
	var parts [][]byte
	for len(raw) > 0 {
		_, _, n := protowire.ConsumeField(raw)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		parts, raw = append(parts, raw[:n]), raw[n:]
	}
	if len(parts) != 4 {
		t.Fatalf("%d fields", len(parts))
	}
	return parts
}

func TestRecordBad(t *testing.T) {
	raw := testRecord(t, 1, 2)
	key, id := testKey(t, 1)
	parts := splitFields(t, raw)
	signature := bytes.Clone(raw)
	signature[len(signature)-1] ^= 1
	content := bytes.Clone(raw)
	content[bytes.Index(content, []byte{198, 51, 100})]++
	idField := fieldBytes(1, []byte(id))

	for name, b := range map[string][]byte{
		"nothing":              nil,
		"one byte":             {0x0a},
		"no signature":         join(parts[0], parts[1], parts[2]),
		"wrong signature":      signature,
		"changed content":      content,
		"unknown payload type": seal(t, key, payload{idField, []byte{3, 2}}),
		"payload no protobuf":  seal(t, key, payload{[]byte{0xff}, peer.PeerRecordEnvelopePayloadType}),
		"no peer id":           seal(t, key, payload{fieldVarint(2, 1), peer.PeerRecordEnvelopePayloadType}),
		"peer id no multihash": seal(t, key, payload{fieldBytes(1, []byte("x")), peer.PeerRecordEnvelopePayloadType}),
		"group in payload":     seal(t, key, payload{join(idField, []byte{0x23, 0x24}), peer.PeerRecordEnvelopePayloadType}),
		"group in address":     seal(t, key, payload{join(idField, fieldBytes(3, []byte{0x23, 0x24})), peer.PeerRecordEnvelopePayloadType}),
		"group in key":         join(fieldBytes(1, join(parts[0][2:], []byte{0x23, 0x24})), parts[1], parts[2], parts[3]),
	} {
		if rec, err := wire.OpenRecord(b); !errors.Is(err, wire.ErrBadRecord) || rec != nil {
			t.Errorf("%s: OpenRecord = %v, %v, want ErrBadRecord", name, rec, err)
		}
	}
	for i := range raw {
		if _, err := wire.OpenRecord(raw[:i]); err == nil {
			t.Fatalf("opened a record cut after %d bytes", i)
		}
	}
}

// otherRecord is of a type that the process knows and that shares the domain of peer records.
type otherRecord struct{ payload }

func (*otherRecord) Codec() []byte                { return []byte{0x7f, 0x01} }
func (*otherRecord) UnmarshalRecord([]byte) error { return nil }

func TestRecordOfOtherType(t *testing.T) {
	key, _ := testKey(t, 1)
	record.RegisterType(&otherRecord{})
	raw := seal(t, key, payload{fieldVarint(2, 1), []byte{0x7f, 0x01}})
	if _, _, err := record.ConsumeEnvelope(raw, peer.PeerRecordEnvelopeDomain); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.OpenRecord(raw); !errors.Is(err, wire.ErrBadRecord) {
		t.Errorf("OpenRecord = %v, want ErrBadRecord", err)
	}
}

func TestRecordLimits(t *testing.T) {
	key, id := testKey(t, 1)
	idField := fieldBytes(1, []byte(id))

	// Addresses: 16 pass, 17 do not, whether or not they can be parsed.
	addr := fieldBytes(3, fieldBytes(1, testAddrs(t, 1)[0].Bytes()))
	empty := fieldBytes(3, nil)
	unknown := fieldBytes(3, fieldBytes(1, []byte{0xff, 0xff, 0x03, 0x01}))
	peerRecord := func(addrs ...[]byte) []byte {
		return seal(t, key, payload{join(idField, join(addrs...)), peer.PeerRecordEnvelopePayloadType})
	}
	mixed := [][]byte{empty, unknown, addr}
	for len(mixed) < wire.MaxRecordAddrs {
		mixed = append(mixed, addr)
	}
	rec, err := wire.OpenRecord(peerRecord(mixed...))
	must(t, err)
	if len(rec.Addrs) != wire.MaxRecordAddrs-2 {
		t.Errorf("%d addresses, want all but the empty and the unknown one", len(rec.Addrs))
	}
	for _, more := range [][]byte{addr, empty, unknown} {
		if _, err := wire.OpenRecord(peerRecord(append(mixed, more)...)); !errors.Is(err, wire.ErrTooManyAddrs) {
			t.Errorf("17 addresses: %v, want ErrTooManyAddrs", err)
		}
	}
	if _, err := wire.SealRecord(key, id, testAddrs(t, wire.MaxRecordAddrs+1), 1); !errors.Is(err, wire.ErrTooManyAddrs) {
		t.Errorf("SealRecord = %v, want ErrTooManyAddrs", err)
	}
	raw, err := wire.SealRecord(key, id, append(testAddrs(t, wire.MaxRecordAddrs), nil, multiaddr.Multiaddr{}), 1)
	must(t, err)
	rec, err = wire.OpenRecord(raw)
	must(t, err)
	if len(rec.Addrs) != wire.MaxRecordAddrs {
		t.Errorf("%d addresses", len(rec.Addrs))
	}

	// Size: an unknown field of the payload fills the record up to the limit and one byte beyond.
	filled := func(n int) []byte {
		return seal(t, key, payload{join(idField, fieldBytes(9, make([]byte, n))), peer.PeerRecordEnvelopePayloadType})
	}
	room := wire.MaxRecordSize - len(filled(1000)) + 1000
	if n := len(filled(room)); n != wire.MaxRecordSize {
		t.Fatalf("record of %d bytes", n)
	}
	if _, err := wire.OpenRecord(filled(room)); err != nil {
		t.Errorf("record of the greatest size: %v", err)
	}
	if _, err := wire.OpenRecord(filled(room + 1)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("record one byte too large: %v, want ErrTooLarge", err)
	}
	var long []multiaddr.Multiaddr
	for range wire.MaxRecordAddrs {
		a, err := multiaddr.NewMultiaddr("/dns4/" + strings.Repeat("x", 600) + "/tcp/1")
		must(t, err)
		long = append(long, a)
	}
	if _, err := wire.SealRecord(key, id, long, 1); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("SealRecord = %v, want ErrTooLarge", err)
	}
}

// A parser that panics costs the record, not the process.
func TestRecordPanic(t *testing.T) {
	raw := testRecord(t, 1, 1)
	saved := crypto.PubKeyUnmarshallers[cryptopb.KeyType_Ed25519]
	crypto.PubKeyUnmarshallers[cryptopb.KeyType_Ed25519] = func([]byte) (crypto.PubKey, error) { panic("hostile key") }
	defer func() { crypto.PubKeyUnmarshallers[cryptopb.KeyType_Ed25519] = saved }()
	if rec, err := wire.OpenRecord(raw); !errors.Is(err, wire.ErrBadRecord) || rec != nil {
		t.Errorf("OpenRecord = %v, %v, want ErrBadRecord", rec, err)
	}
}
