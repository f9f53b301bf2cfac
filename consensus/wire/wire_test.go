package wire_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
)

const (
	vectorsFile = "testdata/vectors.json"
	protocol    = "/brahms/consensus/1.0.0"
)

var update = flag.Bool("update", false, "write "+vectorsFile+" anew")

// The file is made for implementers in other languages: bytes are hex, 64-bit numbers strings.
type vectors struct {
	Comment  string          `json:"comment"`
	Items    []itemVector    `json:"items"`
	Messages []messageVector `json:"messages"`
	Bad      []badVector     `json:"bad_messages"`
}

type itemVector struct {
	Seed      string `json:"ed25519_seed"`
	Origin    string `json:"origin"`
	Protocol  string `json:"protocol"`
	Epoch     uint64 `json:"epoch,string"`
	Payload   string `json:"payload"`
	ID        string `json:"id"`
	Signature string `json:"signature"`
}

type messageVector struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

type badVector struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Bytes string `json:"bytes"`
	Error string `json:"error"`
}

var errorNames = map[string]error{
	"too large": wire.ErrTooLarge, "malformed": wire.ErrMalformed, "limit": wire.ErrLimit, "unknown status": wire.ErrUnknownStatus,
}

type codec struct {
	encode func(any) ([]byte, error)
	decode func([]byte) (any, error)
}

var codecs = map[string]codec{
	"PollRequest": {func(m any) ([]byte, error) { return m.(wire.PollRequest).Marshal() },
		func(b []byte) (any, error) { return wire.DecodePollRequest(b) }},
	"PollResponse": {func(m any) ([]byte, error) { return m.(wire.PollResponse).Marshal() },
		func(b []byte) (any, error) { return wire.DecodePollResponse(b) }},
	"FetchRequest": {func(m any) ([]byte, error) { return m.(wire.FetchRequest).Marshal() },
		func(b []byte) (any, error) { return wire.DecodeFetchRequest(b) }},
	"FetchResponse": {func(m any) ([]byte, error) { return m.(wire.FetchResponse).Marshal() },
		func(b []byte) (any, error) { return wire.DecodeFetchResponse(b) }},
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func key(seed byte) (crypto.PrivKey, []byte) {
	raw := bytes.Repeat([]byte{seed}, 32)
	k, _, err := crypto.GenerateEd25519Key(bytes.NewReader(raw))
	if err != nil {
		panic(err)
	}
	return k, raw
}

func id(n int) machine.ID { return sha256.Sum256([]byte{byte(n), byte(n >> 8)}) }

func ids(n int) []machine.ID {
	var out []machine.ID
	for i := range n {
		out = append(out, id(i))
	}
	slices.SortFunc(out, func(a, b machine.ID) int { return bytes.Compare(a[:], b[:]) })
	return out
}

func votes(decided func(int) bool, n int) []machine.Vote {
	var out []machine.Vote
	for i, id := range ids(n) {
		out = append(out, machine.Vote{ID: id, Decided: decided(i)})
	}
	return out
}

func sampleItems() []machine.Item {
	a, _ := key(1)
	b, _ := key(2)
	return []machine.Item{
		must(wire.SignItem(a, protocol, 29_000_000, []byte("apple"))),
		must(wire.SignItem(b, protocol, 1<<64-1, bytes.Repeat([]byte{0xee}, machine.MaxPayload))),
		must(wire.SignItem(b, protocol, 0, nil)),
	}
}

type sample struct {
	name, typ string
	msg       any
}

func samples() []sample {
	nonce := machine.Nonce(bytes.Repeat([]byte{0xa5}, 16))
	odd := func(i int) bool { return i%2 == 1 }
	yes := func(int) bool { return true }
	full := make([]machine.Item, machine.MaxFetch)
	for i := range full {
		full[i] = sampleItems()[1]
	}
	return []sample{
		{"poll", "PollRequest", wire.PollRequest{Epoch: 29_000_000, Nonce: nonce}},
		{"poll of epoch 0", "PollRequest", wire.PollRequest{Nonce: nonce}},
		{"nothing is in", "PollResponse", wire.PollResponse{Status: wire.StatusOK, Nonce: nonce, Answer: machine.Answer{Epoch: 7}}},
		{"five items", "PollResponse", wire.PollResponse{Status: wire.StatusOK, Nonce: nonce, Answer: machine.Answer{Epoch: 7, In: votes(odd, 5)}}},
		{"closed", "PollResponse", wire.PollResponse{Status: wire.StatusOK, Nonce: nonce, Answer: machine.Answer{Epoch: 7, Closed: true, In: votes(yes, 3)}}},
		{"closed and empty", "PollResponse", wire.PollResponse{Status: wire.StatusOK, Nonce: nonce, Answer: machine.Answer{Epoch: 7, Closed: true}}},
		{"all there may be", "PollResponse", wire.PollResponse{Status: wire.StatusOK, Nonce: nonce, Answer: machine.Answer{Epoch: 1<<64 - 1, In: votes(odd, machine.MaxItems)}}},
		{"epoch unknown", "PollResponse", wire.PollResponse{Status: wire.StatusUnknown, Nonce: nonce, Answer: machine.Answer{Epoch: 7}}},
		{"no resources", "PollResponse", wire.PollResponse{Status: wire.StatusNoResources, Nonce: nonce}},
		{"fetch", "FetchRequest", wire.FetchRequest{Epoch: 7, IDs: ids(2)}},
		{"largest fetch", "FetchRequest", wire.FetchRequest{Epoch: 7, IDs: ids(machine.MaxFetch)}},
		{"items", "FetchResponse", wire.FetchResponse{Status: wire.StatusOK, Items: sampleItems()}},
		{"largest items", "FetchResponse", wire.FetchResponse{Status: wire.StatusOK, Items: full}},
		{"no items", "FetchResponse", wire.FetchResponse{Status: wire.StatusUnknown}},
	}
}

func badSamples() []badVector {
	num := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	blob := func(n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	raw := func(ids ...machine.ID) (b []byte) {
		for _, id := range ids {
			b = append(b, id[:]...)
		}
		return b
	}
	nonce := blob(3, make([]byte, 16))
	two := ids(2)
	h := hex.EncodeToString
	item := func(n protowire.Number, size int) []byte {
		return cat(num(1, 1), blob(2, cat(blob(2, []byte(sampleItems()[0].Origin)), blob(n, make([]byte, size)))))
	}
	var seventeen []byte
	for range machine.MaxFetch + 1 {
		seventeen = append(seventeen, blob(2, blob(2, []byte(sampleItems()[0].Origin)))...)
	}
	return []badVector{
		{"no nonce", "PollRequest", h(num(1, 7)), "limit"},
		{"short nonce", "PollRequest", h(blob(2, make([]byte, 15))), "limit"},
		{"nonce twice", "PollRequest", h(cat(blob(2, make([]byte, 16)), blob(2, make([]byte, 16)))), "malformed"},
		{"epoch of another type", "PollRequest", h(cat(blob(1, nil), blob(2, make([]byte, 16)))), "malformed"},
		{"a group", "PollRequest", h(cat(blob(2, make([]byte, 16)), []byte{0x4b, 0x4c})), "malformed"},
		{"cut", "PollRequest", h(blob(2, make([]byte, 16))[:9]), "malformed"},
		{"too large", "PollRequest", h(cat(blob(2, make([]byte, 16)), blob(9, make([]byte, wire.MaxPollRequest)))), "too large"},
		{"no status", "PollResponse", h(nonce), "unknown status"},
		{"a later status", "PollResponse", h(cat(num(1, 9), nonce)), "unknown status"},
		{"a status of 64 bits that ends like a known one", "PollResponse", h(cat(num(1, 1<<32|1), nonce)), "unknown status"},
		{"answer without nonce", "PollResponse", h(num(1, 1)), "limit"},
		{"part of an id", "PollResponse", h(cat(num(1, 1), nonce, blob(5, make([]byte, 31)))), "limit"},
		{"too many items", "PollResponse", h(cat(num(1, 1), nonce, blob(5, raw(ids(200)...)), blob(6, raw(ids(57)...)))), "limit"},
		{"ids descend", "PollResponse", h(cat(num(1, 1), nonce, blob(5, raw(two[1], two[0])))), "malformed"},
		{"an id twice", "PollResponse", h(cat(num(1, 1), nonce, blob(6, raw(two[0], two[0])))), "malformed"},
		{"an id in both lists", "PollResponse", h(cat(num(1, 1), nonce, blob(5, raw(two[0])), blob(6, raw(two[0])))), "malformed"},
		{"closed and undecided", "PollResponse", h(cat(num(1, 1), nonce, num(4, 1), blob(5, raw(two[0])))), "malformed"},
		{"items, epoch unknown", "PollResponse", h(cat(num(1, 5), nonce, blob(5, raw(two[0])))), "malformed"},
		{"fetch of nothing", "FetchRequest", h(num(1, 7)), "limit"},
		{"fetch of too many", "FetchRequest", h(blob(2, raw(ids(machine.MaxFetch+1)...))), "limit"},
		{"fetch out of order", "FetchRequest", h(blob(2, raw(two[1], two[0]))), "malformed"},
		{"too many items", "FetchResponse", h(cat(num(1, 1), seventeen)), "limit"},
		{"item without origin", "FetchResponse", h(cat(num(1, 1), blob(2, num(1, 7)))), "malformed"},
		{"payload too long", "FetchResponse", h(item(3, machine.MaxPayload+1)), "limit"},
		{"signature too long", "FetchResponse", h(item(4, machine.MaxSignature+1)), "limit"},
		{"items beside another status", "FetchResponse", h(cat(num(1, 3), blob(2, blob(2, []byte(sampleItems()[0].Origin))))), "limit"},
	}
}

func build() vectors {
	v := vectors{Comment: "Test vectors of /brahms/consensus/1.0.0, see spec/consensus.md. Messages are without their length."}
	for i, it := range sampleItems() {
		_, seed := key([]byte{1, 2, 2}[i])
		id := it.ID()
		v.Items = append(v.Items, itemVector{hex.EncodeToString(seed), it.Origin.String(), protocol, it.Epoch,
			hex.EncodeToString(it.Payload), hex.EncodeToString(id[:]), hex.EncodeToString(it.Signature)})
	}
	for _, s := range samples() {
		v.Messages = append(v.Messages, messageVector{s.name, s.typ, hex.EncodeToString(must(codecs[s.typ].encode(s.msg)))})
	}
	v.Bad = badSamples()
	return v
}

func TestVectors(t *testing.T) {
	v := build()
	if *update {
		b := must(json.MarshalIndent(v, "", "  "))
		if err := os.WriteFile(vectorsFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var file vectors
	if err := json.Unmarshal(must(os.ReadFile(vectorsFile)), &file); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(file, v) {
		t.Fatalf("%s is not what this code makes: a change of the protocol, or run with -update", vectorsFile)
	}
	for i, s := range samples() {
		got, err := codecs[s.typ].decode(must(hex.DecodeString(file.Messages[i].Message)))
		if err != nil || !reflect.DeepEqual(got, s.msg) {
			t.Errorf("%s: %+v, %v", s.name, got, err)
		}
	}
	for _, b := range file.Bad {
		got, err := codecs[b.Type].decode(must(hex.DecodeString(b.Bytes)))
		if !errors.Is(err, errorNames[b.Error]) || !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s: %v, want %s", b.Name, err, b.Error)
		}
	}
}

// Fields of later revisions are ignored, and what was decoded keeps nothing of its buffer.
func TestUnknownFieldsAndAliases(t *testing.T) {
	later := protowire.AppendBytes(protowire.AppendTag(nil, 60, protowire.BytesType), []byte("later"))
	later = append(later, 0x3d, 1, 2, 3, 4) // field 7, fixed32
	for _, s := range samples() {
		b := append(bytes.Clone(later), must(codecs[s.typ].encode(s.msg))...)
		got, err := codecs[s.typ].decode(b)
		for i := range b {
			b[i] = 0xff
		}
		if err != nil || !reflect.DeepEqual(got, s.msg) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

func TestMarshalRefusesWhatDecodeWould(t *testing.T) {
	it := sampleItems()[0]
	long := it
	long.Payload = make([]byte, machine.MaxPayload+1)
	for name, c := range map[string]struct {
		msg  any
		want error
	}{
		"status":      {wire.PollResponse{}, wire.ErrUnknownStatus},
		"ids descend": {wire.PollResponse{Status: wire.StatusOK, Answer: machine.Answer{In: make([]machine.Vote, 2)}}, wire.ErrMalformed},
		"undecided":   {wire.PollResponse{Status: wire.StatusOK, Answer: machine.Answer{Closed: true, In: make([]machine.Vote, 1)}}, wire.ErrMalformed},
		"no ids":      {wire.FetchRequest{}, wire.ErrLimit},
		"17 ids":      {wire.FetchRequest{IDs: ids(17)}, wire.ErrLimit},
		"same ids":    {wire.FetchRequest{IDs: make([]machine.ID, 2)}, wire.ErrMalformed},
		"17 items":    {wire.FetchResponse{Status: wire.StatusOK, Items: make([]machine.Item, 17)}, wire.ErrLimit},
		"long item":   {wire.FetchResponse{Status: wire.StatusOK, Items: []machine.Item{long}}, wire.ErrLimit},
		"no status":   {wire.FetchResponse{Items: []machine.Item{it}}, wire.ErrUnknownStatus},
		"not ok":      {wire.FetchResponse{Status: wire.StatusUnknown, Items: []machine.Item{it}}, wire.ErrLimit},
	} {
		typ := reflect.TypeOf(c.msg).Name()
		if b, err := codecs[typ].encode(c.msg); !errors.Is(err, c.want) || b != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for typ, max := range map[string]int{"PollRequest": wire.MaxPollRequest, "PollResponse": wire.MaxPollResponse, "FetchRequest": wire.MaxFetchRequest, "FetchResponse": wire.MaxFetchResponse} {
		for _, s := range samples() {
			if n := len(must(codecs[typ].encodeIf(s))); n > max-64 {
				t.Errorf("%s %q has %d bytes: no room below %d for later fields", typ, s.name, n, max)
			}
		}
	}
}

func (c codec) encodeIf(s sample) ([]byte, error) {
	if reflect.ValueOf(codecs[s.typ].encode).Pointer() != reflect.ValueOf(c.encode).Pointer() {
		return nil, nil
	}
	return c.encode(s.msg)
}

func TestSignatures(t *testing.T) {
	it := sampleItems()[0]
	if err := wire.VerifyItem(protocol, it); err != nil {
		t.Fatal(err)
	}
	b, _ := key(2)
	other := must(peer.IDFromPrivateKey(b))
	for name, change := range map[string]func(*machine.Item){
		"epoch": func(i *machine.Item) { i.Epoch++ }, "payload": func(i *machine.Item) { i.Payload = []byte("Apple") },
		"origin": func(i *machine.Item) { i.Origin = other }, "none": func(i *machine.Item) { i.Signature = nil },
		"no key in the id": func(i *machine.Item) { i.Origin = "x" },
	} {
		bad := it
		change(&bad)
		if err := wire.VerifyItem(protocol, bad); !errors.Is(err, wire.ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := wire.VerifyItem("/other"+protocol, it); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("of another network: %v", err)
	}
	k, _ := key(1)
	if _, err := wire.SignItem(k, protocol, 1, make([]byte, machine.MaxPayload+1)); !errors.Is(err, machine.ErrItem) {
		t.Errorf("long payload: %v", err)
	}
	rsa, _, err := crypto.GenerateKeyPair(crypto.RSA, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.SignItem(rsa, protocol, 1, nil); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("RSA: %v", err)
	}
	secp, _, err := crypto.GenerateKeyPair(crypto.Secp256k1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.VerifyItem(protocol, must(wire.SignItem(secp, protocol, 1, []byte("x")))); err != nil {
		t.Errorf("secp256k1: %v", err)
	}
}

// Any bytes are refused with a documented error, or are read, written and read again without a change.
func fuzzDecode(f *testing.F, typ string) {
	v := build()
	for _, m := range v.Messages {
		f.Add(must(hex.DecodeString(m.Message)))
	}
	for _, b := range v.Bad {
		f.Add(must(hex.DecodeString(b.Bytes)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := codecs[typ].decode(b)
		if err != nil {
			for _, known := range errorNames {
				if errors.Is(err, known) {
					return
				}
			}
			t.Fatalf("undocumented error %v", err)
		}
		again, err := codecs[typ].encode(m)
		if err != nil {
			t.Fatalf("Marshal of %+v: %v", m, err)
		}
		if len(again) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
		if got, err := codecs[typ].decode(again); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("second time %+v, %v", got, err)
		}
	})
}

func FuzzPollRequest(f *testing.F)   { fuzzDecode(f, "PollRequest") }
func FuzzPollResponse(f *testing.F)  { fuzzDecode(f, "PollResponse") }
func FuzzFetchRequest(f *testing.F)  { fuzzDecode(f, "FetchRequest") }
func FuzzFetchResponse(f *testing.F) { fuzzDecode(f, "FetchResponse") }
