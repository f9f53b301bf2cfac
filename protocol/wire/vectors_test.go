package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const vectorsFile = "testdata/vectors.json"

var update = flag.Bool("update", false, "write "+vectorsFile+" anew")

// The file is made for implementers in other languages: bytes are hex, peer ids and multiaddrs text, 64-bit numbers
// strings (JSON numbers lose their last bits in some languages).
type vectors struct {
	Comment    string            `json:"comment"`
	Keys       []keyVector       `json:"keys"`
	Records    []recordVector    `json:"records"`
	BadRecords []badVector       `json:"bad_records"`
	Messages   []messageVector   `json:"messages"`
	BadMessage []badVector       `json:"bad_messages"`
	BadFrames  []badVector       `json:"bad_frames"`
	Signatures []signatureVector `json:"probe_signatures"`
	BadSigs    []signatureVector `json:"bad_probe_signatures"`
}

type keyVector struct {
	Name   string `json:"name"`
	Seed   string `json:"ed25519_seed"`
	PeerID string `json:"peer_id"`
}

type recordVector struct {
	Name     string   `json:"name"`
	Key      string   `json:"key"`
	Seq      uint64   `json:"seq,string"`
	Addrs    []string `json:"addrs"`
	Envelope string   `json:"envelope"`
}

type messageVector struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Fields  any    `json:"fields"`
	Message string `json:"message"`
	Frame   string `json:"frame"`
}

type badVector struct {
	Name  string `json:"name"`
	Type  string `json:"type,omitempty"`
	Bytes string `json:"bytes"`
	Error string `json:"error"`
}

type signatureVector struct {
	Name      string `json:"name"`
	Key       string `json:"key"`
	Protocol  string `json:"protocol"`
	Asker     string `json:"asker"`
	Nonce     string `json:"nonce"`
	Status    int    `json:"status"`
	Signed    string `json:"signed,omitempty"` // the bytes that are signed
	Signature string `json:"signature"`
	Error     string `json:"error,omitempty"`
}

var keyNames = []string{"alice", "bob", "carol"} // testKey(1), (2), (3)

// sampleRecords are the records of the vectors, by name.
func sampleRecords(t testing.TB) []recordVector {
	var out []recordVector
	for _, r := range []struct {
		name string
		key  int
		seq  uint64
		addr []string
	}{
		{"one address", 1, 1, []string{"/ip4/198.51.100.1/tcp/4001"}},
		{"two addresses", 2, 1795000000000000000, []string{"/ip4/198.51.100.2/udp/4001/quic-v1", "/ip6/2001:db8::2/tcp/4001"}},
		{"no address, greatest seq", 3, 1<<64 - 1, nil},
	} {
		key, id := testKey(t, byte(r.key))
		var addrs []multiaddr.Multiaddr
		for _, s := range r.addr {
			a, err := multiaddr.NewMultiaddr(s)
			must(t, err)
			addrs = append(addrs, a)
		}
		raw, err := wire.SealRecord(key, id, addrs, r.seq)
		must(t, err)
		out = append(out, recordVector{r.name, keyNames[r.key-1], r.seq, append([]string{}, r.addr...), hex.EncodeToString(raw)})
	}
	return out
}

type sample struct {
	name string
	msg  any
}

// samples are the messages of the vectors.
func samples(t testing.TB) []sample {
	records := sampleRecords(t)
	rec := func(i int) []byte { return unhex(t, records[i].Envelope) }
	_, alice := testKey(t, 1)
	_, carol := testKey(t, 3)
	nonce := bytes.Repeat([]byte{0xa5}, 16)
	signatures := sampleSignatures(t)
	none := &wire.Challenge{}
	challenge := &wire.Challenge{Scheme: 1, Seed: bytes.Repeat([]byte{0x5e}, 32), Epoch: 1000, Bits: 16}
	return []sample{
		{"hello", wire.PushRequest{}},
		{"push", wire.PushRequest{Record: rec(0)}},
		{"push with token", wire.PushRequest{Record: rec(1), Token: &wire.Token{Scheme: 1, Epoch: 1000, Nonce: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Solution: []byte{9, 10}}}},
		{"push taken", wire.PushResponse{Status: wire.StatusTaken}},
		{"push taken, challenge for later", wire.PushResponse{Status: wire.StatusTaken, Challenge: challenge}},
		{"hello answered, no token asked", wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: none}},
		{"token asked", wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: challenge}},
		{"push, no resources", wire.PushResponse{Status: wire.StatusNoResources}},
		{"push, leaving", wire.PushResponse{Status: wire.StatusLeaving}},
		{"pull", wire.PullRequest{}},
		{"empty view", wire.PullResponse{Status: wire.StatusTaken}},
		{"view of three peers in six slots", wire.PullResponse{Status: wire.StatusTaken, Entries: []wire.Entry{{rec(0), 3}, {rec(1), 1}, {rec(2), 2}}, Challenge: none}},
		{"one peer in all slots", wire.PullResponse{Status: wire.StatusLeaving, Entries: []wire.Entry{{rec(0), wire.MaxEntries}}}},
		{"pull, no resources", wire.PullResponse{Status: wire.StatusNoResources}},
		{"probe", wire.ProbeRequest{}},
		{"probe to be signed", wire.ProbeRequest{Nonce: nonce, Sign: true}},
		{"indirect probe to the helper", wire.ProbeRequest{Nonce: nonce, Target: carol}},
		{"indirect probe to the target", wire.ProbeRequest{Nonce: nonce, Sign: true, Asker: alice}},
		{"alive", wire.ProbeResponse{Status: wire.StatusAlive}},
		{"leaving", wire.ProbeResponse{Status: wire.StatusLeaving}},
		{"alive, signed", wire.ProbeResponse{Status: wire.StatusAlive, Signature: unhex(t, signatures[0].Signature)}},
		{"helper does not help", wire.ProbeResponse{Status: wire.StatusAlive, TargetStatus: wire.StatusUnknown}},
		{"target alive", wire.ProbeResponse{Status: wire.StatusAlive, TargetStatus: wire.StatusAlive, TargetSignature: unhex(t, signatures[0].Signature)}},
	}
}

func sampleMessages(t testing.TB) []any {
	var out []any
	for _, s := range samples(t) {
		out = append(out, s.msg)
	}
	return out
}

func sampleSignatures(t testing.TB) []signatureVector {
	_, alice := testKey(t, 1)
	key, carol := testKey(t, 3)
	var out []signatureVector
	for _, s := range []struct {
		name, protocol string
		status         wire.Status
	}{
		{"alive", "/brahms/1.0.0/probe", wire.StatusAlive},
		{"leaving, network with a prefix", "/myapp/brahms/1.0.0/probe", wire.StatusLeaving},
	} {
		proof := wire.ProbeProof{Protocol: s.protocol, Asker: alice, Signer: carol, Nonce: bytes.Repeat([]byte{0xa5}, 16), Status: s.status}
		sig, err := wire.SignProbe(key, proof)
		must(t, err)
		out = append(out, signatureVector{s.name, "carol", s.protocol, alice.String(), hex.EncodeToString(proof.Nonce), int(s.status),
			hex.EncodeToString(signedBytes(proof)), hex.EncodeToString(sig), ""})
	}
	return out
}

// fields lists the fields of a message under their names in the schema, absent ones left out.
func fields(m any) any {
	out := map[string]any{}
	set := func(name string, v any) {
		if b, ok := v.([]byte); ok {
			v = hex.EncodeToString(b)
		}
		if !reflect.ValueOf(v).IsZero() {
			out[name] = v
		}
	}
	switch m := m.(type) {
	case wire.PushRequest:
		set("record", m.Record)
		if m.Token != nil {
			out["token"] = fields(*m.Token)
		}
	case wire.Token:
		set("scheme", m.Scheme)
		set("epoch", fmt.Sprint(m.Epoch))
		set("nonce", m.Nonce)
		set("solution", m.Solution)
	case wire.Challenge:
		set("scheme", m.Scheme)
		set("seed", m.Seed)
		set("epoch", fmt.Sprint(m.Epoch))
		set("bits", m.Bits)
	case wire.PushResponse:
		set("status", int(m.Status))
		if m.Challenge != nil {
			out["challenge"] = fields(*m.Challenge)
		}
	case wire.PullResponse:
		set("status", int(m.Status))
		var entries []any
		for _, e := range m.Entries {
			entries = append(entries, map[string]any{"record": hex.EncodeToString(e.Record), "count": e.Count})
		}
		if entries != nil {
			out["entries"] = entries
		}
		if m.Challenge != nil {
			out["challenge"] = fields(*m.Challenge)
		}
	case wire.ProbeRequest:
		set("nonce", m.Nonce)
		set("sign", m.Sign)
		if m.Target != "" {
			out["target"] = m.Target.String()
		}
		if m.Asker != "" {
			out["asker"] = m.Asker.String()
		}
	case wire.ProbeResponse:
		set("status", int(m.Status))
		set("signature", m.Signature)
		set("target_status", int(m.TargetStatus))
		set("target_signature", m.TargetSignature)
	}
	return out
}

// errorNames are the reasons that the file gives for what must be refused.
var errorNames = map[string]error{
	"too large": wire.ErrTooLarge, "malformed": wire.ErrMalformed, "limit": wire.ErrLimit, "unknown status": wire.ErrUnknownStatus,
	"bad signature": wire.ErrBadSignature, "bad record": wire.ErrBadRecord, "not canonical": wire.ErrNotCanonical, "forged": wire.ErrForged, "too many addresses": wire.ErrTooManyAddrs,
	"empty": wire.ErrEmpty, "truncated": wire.ErrTruncated, "bad length": wire.ErrVarint,
}

func TestVectors(t *testing.T) {
	v := makeVectors(t)
	got, err := json.MarshalIndent(v, "", "  ")
	must(t, err)
	got = append(got, '\n')
	if *update {
		must(t, os.WriteFile(vectorsFile, got, 0o644))
	}
	want, err := os.ReadFile(vectorsFile)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: look at the changes that -update makes. /brahms/1.0.0 must not change.", vectorsFile)
	}
	// What follows reads the file and not what was made above.
	v = readVectors(t)
	names := map[string]any{}
	for _, s := range samples(t) {
		names[s.name] = s.msg
	}
	for _, m := range v.Messages {
		frame := unhex(t, m.Frame)
		body, err := wire.ReadFrame(bytes.NewReader(frame), codecs[m.Type].max)
		if err != nil || hex.EncodeToString(body) != m.Message {
			t.Errorf("%s: frame holds %x, %v", m.Name, body, err)
		}
		decoded, err := codecs[m.Type].decode(body)
		if err != nil || !reflect.DeepEqual(decoded, names[m.Name]) {
			t.Errorf("%s: decoded %+v, %v", m.Name, decoded, err)
		}
	}
	for _, r := range v.Records {
		rec, err := wire.OpenRecord(unhex(t, r.Envelope))
		if err != nil || rec.Seq != r.Seq || len(rec.Addrs) != len(r.Addrs) {
			t.Errorf("record %s: %+v, %v", r.Name, rec, err)
		}
	}
	for _, b := range v.BadRecords {
		if _, err := wire.OpenRecord(unhex(t, b.Bytes)); !errors.Is(err, errorNames[b.Error]) {
			t.Errorf("record %s: %v, want %s", b.Name, err, b.Error)
		}
	}
	for _, b := range v.BadMessage {
		if _, err := codecs[b.Type].decode(unhex(t, b.Bytes)); !errors.Is(err, errorNames[b.Error]) {
			t.Errorf("%s %s: %v, want %s", b.Type, b.Name, err, b.Error)
		}
	}
	for _, b := range v.BadFrames {
		if _, err := wire.ReadFrame(bytes.NewReader(unhex(t, b.Bytes)), wire.MaxPullResponse); !errors.Is(err, errorNames[b.Error]) {
			t.Errorf("frame %s: %v, want %s", b.Name, err, b.Error)
		}
	}
}

// signedBytes is what a probe's signature covers, made by hand from the specification.
func signedBytes(p wire.ProbeProof) (b []byte) {
	for _, part := range []string{p.Protocol, string(p.Asker), string(p.Signer), string(p.Nonce)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.AppendUvarint(b, uint64(p.Status))
}

// badSignatures are answers that do not hold for what alice has asked about carol, whatever a helper tells her.
func badSignatures(t testing.TB) []signatureVector {
	_, alice := testKey(t, 1)
	bobsKey, bob := testKey(t, 2)
	carolsKey, carol := testKey(t, 3)
	asked := wire.ProbeProof{
		Protocol: "/brahms/1.0.0/probe", Asker: alice, Signer: carol, Nonce: bytes.Repeat([]byte{0xa5}, 16), Status: wire.StatusAlive,
	}
	other := func(change func(*wire.ProbeProof)) wire.ProbeProof {
		p := asked
		change(&p)
		return p
	}
	out := []signatureVector{}
	for _, s := range []struct {
		name   string
		key    crypto.PrivKey
		signed wire.ProbeProof
	}{
		{"replayed: of another nonce", carolsKey, other(func(p *wire.ProbeProof) { p.Nonce = bytes.Repeat([]byte{0x5a}, 16) })},
		{"of another asker", carolsKey, other(func(p *wire.ProbeProof) { p.Asker = bob })},
		{"about another target", bobsKey, other(func(p *wire.ProbeProof) { p.Signer = bob })},
		{"by another key", bobsKey, asked},
		{"of another network", carolsKey, other(func(p *wire.ProbeProof) { p.Protocol = "/myapp/brahms/1.0.0/probe" })},
		{"of a peer that leaves", carolsKey, other(func(p *wire.ProbeProof) { p.Status = wire.StatusLeaving })},
	} {
		sig, err := s.key.Sign(signedBytes(s.signed))
		must(t, err)
		out = append(out, signatureVector{s.name, "carol", asked.Protocol, alice.String(), hex.EncodeToString(asked.Nonce),
			int(asked.Status), "", hex.EncodeToString(sig), "bad signature"})
	}
	return out
}

// TestVectorSignatures: the published signatures hold for the bytes that are published with them, the bad ones for nothing
// that was asked.
func TestVectorSignatures(t *testing.T) {
	v := readVectors(t)
	_, carol := testKey(t, 3)
	key, err := carol.ExtractPublicKey()
	must(t, err)
	if len(v.Signatures) < 2 || len(v.BadSigs) < 6 {
		t.Fatalf("%d good signatures, %d bad ones", len(v.Signatures), len(v.BadSigs))
	}
	for _, s := range append(v.Signatures, v.BadSigs...) {
		asker, err := peer.Decode(s.Asker)
		must(t, err)
		proof := wire.ProbeProof{Protocol: s.Protocol, Asker: asker, Signer: carol, Nonce: unhex(t, s.Nonce), Status: wire.Status(s.Status)}
		if err := wire.VerifyProbe(key, proof, unhex(t, s.Signature)); !errors.Is(err, errorNames[s.Error]) {
			t.Errorf("%s: %v, want %q", s.Name, err, s.Error)
		}
		if s.Signed == "" {
			continue
		}
		if ok, err := key.Verify(unhex(t, s.Signed), unhex(t, s.Signature)); err != nil || !ok {
			t.Errorf("%s: the signature is not of the bytes beside it: %v", s.Name, err)
		}
	}
}

// FuzzVerifyProbe: no signature holds but that of the signer over exactly what is checked, whatever the parts are.
func FuzzVerifyProbe(f *testing.F) {
	key, carol := testKey(f, 3)
	good := sampleSignatures(f)[0]
	asked := wire.ProbeProof{Protocol: good.Protocol, Asker: "alice", Signer: carol, Nonce: unhex(f, good.Nonce), Status: wire.StatusAlive}
	sig, err := wire.SignProbe(key, asked)
	must(f, err)
	f.Add(asked.Protocol, string(asked.Asker), asked.Nonce, int32(asked.Status), sig)
	f.Add(asked.Protocol+"a", "lice", asked.Nonce, int32(4), sig)
	f.Add("", "", []byte(nil), int32(0), []byte(nil))
	f.Fuzz(func(t *testing.T, protocol, asker string, nonce []byte, status int32, candidate []byte) {
		p := wire.ProbeProof{Protocol: protocol, Asker: peer.ID(asker), Signer: carol, Nonce: nonce, Status: wire.Status(status)}
		err := wire.VerifyProbe(key.GetPublic(), p, candidate)
		same := protocol == asked.Protocol && asker == string(asked.Asker) && bytes.Equal(nonce, asked.Nonce) && p.Status == asked.Status
		switch {
		case err == nil && same && bytes.Equal(candidate, sig):
		case err == nil:
			t.Fatalf("a signature of nobody holds: %+v", p)
		case !errors.Is(err, wire.ErrBadSignature) && !errors.Is(err, wire.ErrLimit) && !errors.Is(err, wire.ErrUnknownStatus):
			t.Fatalf("undocumented error %v", err)
		case same && bytes.Equal(candidate, sig):
			t.Fatalf("the signature itself does not hold: %v", err)
		}
	})
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile(vectorsFile)
	must(t, err)
	var v vectors
	must(t, json.Unmarshal(data, &v))
	return v
}

func makeVectors(t testing.TB) vectors {
	v := vectors{
		Comment: "Test vectors of /brahms/1.0.0, see spec/brahms.md. Bytes are hex. Status and seq numbers as in the schema. " +
			"Every bad_ item must be refused; its error says why. Made by: go test ./protocol/wire -run TestVectors -update",
		Records: sampleRecords(t), Signatures: sampleSignatures(t), BadSigs: badSignatures(t),
	}
	for i, name := range keyNames {
		_, id := testKey(t, byte(i+1))
		v.Keys = append(v.Keys, keyVector{name, hex.EncodeToString(bytes.Repeat([]byte{byte(i + 1)}, 32)), id.String()})
	}
	for _, s := range samples(t) {
		typ := typeName(s.msg)
		b, err := codecs[typ].encode(s.msg)
		must(t, err)
		v.Messages = append(v.Messages, messageVector{s.name, typ, fields(s.msg), hex.EncodeToString(b), hex.EncodeToString(wire.AppendFrame(nil, b))})
	}
	v.BadRecords, v.BadMessage, v.BadFrames = badVectors(t)
	return v
}
