package token_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const (
	vectorsFile = "testdata/vectors.json"
	specFile    = "../../spec/brahms.md"
)

var update = flag.Bool("update", false, "write "+vectorsFile+" anew")

// The file is made for implementers in other languages: bytes are hex, peer ids text, 64-bit numbers strings.
type vectors struct {
	Comment string   `json:"comment"`
	Tokens  []vector `json:"tokens"`
}

type vector struct {
	Name     string `json:"name"`
	Network  string `json:"network"`
	Receiver string `json:"receiver"`
	Sender   string `json:"sender"`
	Secret   string `json:"secret"` // of the receiver; another one may make its seeds in another way
	Seed     string `json:"seed"`
	Epoch    uint64 `json:"epoch,string"`
	Bits     uint32 `json:"bits"`
	Base     string `json:"base"`
	Nonce    uint64 `json:"nonce,string"` // the least that holds
	Request  string `json:"request"`      // a PushRequest with this token and no record
}

func (v vector) proof(t testing.TB) token.Proof {
	t.Helper()
	receiver, err := peer.Decode(v.Receiver)
	if err != nil {
		t.Fatal(err)
	}
	sender, err := peer.Decode(v.Sender)
	if err != nil {
		t.Fatal(err)
	}
	return token.Proof{
		Network: v.Network, Receiver: receiver, Sender: sender, Seed: unhex(t, v.Seed), Epoch: v.Epoch, Bits: v.Bits,
	}
}

func makeVectors(t *testing.T) vectors {
	out := vectors{Comment: "Push tokens of scheme 1. alice, bob and carol are the keys of protocol/wire/testdata/vectors.json."}
	alice, bob, carol := testID(t, 1), testID(t, 2), testID(t, 3)
	for _, v := range []struct {
		name, network    string
		receiver, sender peer.ID
		secret           byte
		epoch            uint64
		bits             uint32
	}{
		{"alice to bob", network, bob, alice, 0x11, 0, 8},
		{"bob to alice", network, alice, bob, 0x11, 0, 8},
		{"a later epoch", network, bob, alice, 0x12, 300, 8},
		{"a network of its own", "/myapp" + network, bob, alice, 0x11, 0, 8},
		{"one bit more", network, bob, alice, 0x11, 0, 9},
		{"sixteen bits", network, bob, carol, 0x11, 7, 16},
	} {
		s := secret(v.secret)
		p := token.Proof{Network: v.network, Receiver: v.receiver, Sender: v.sender, Seed: specSeed(s[:], v.sender), Epoch: v.epoch, Bits: v.bits}
		nonce, base := uint64(0), specBase(p)
		for !specHolds(base, counter(nonce), v.bits) {
			nonce++
		}
		raw, err := wire.PushRequest{Token: &wire.Token{Scheme: 1, Epoch: v.epoch, Nonce: counter(nonce)}}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		out.Tokens = append(out.Tokens, vector{
			Name: v.name, Network: v.network, Receiver: v.receiver.String(), Sender: v.sender.String(),
			Secret: hex.EncodeToString(s[:]), Seed: hex.EncodeToString(p.Seed), Epoch: v.epoch, Bits: v.bits,
			Base: hex.EncodeToString(base), Nonce: nonce, Request: hex.EncodeToString(raw),
		})
	}
	return out
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	raw, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The file is what the words of the specification make, by code that shares nothing with the package.
func TestVectorsAreTheSpecification(t *testing.T) {
	want, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("differs: a change of the protocol. If it is meant, go test ./protocol/token -update")
	}
}

// The package makes and takes the tokens of the file, and no nonce below.
func TestVectors(t *testing.T) {
	for _, v := range readVectors(t).Tokens {
		p := v.proof(t)
		s := token.NewSearch(p, 0)
		for !s.Run(1000) {
		}
		req, err := wire.DecodePushRequest(unhex(t, v.Request))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Token(); got.Scheme != req.Token.Scheme || got.Epoch != req.Token.Epoch || !bytes.Equal(got.Nonce, req.Token.Nonce) || got.Solution != nil {
			t.Errorf("%s: found %+v, want %+v", v.Name, got, req.Token)
		}
		if s.Attempts() != v.Nonce+1 {
			t.Errorf("%s: %d attempts for nonce %d", v.Name, s.Attempts(), v.Nonce)
		}
		issuer, err := token.NewIssuer(v.Network, p.Receiver, int(v.Bits), token.Secret(unhex(t, v.Secret)))
		if err != nil {
			t.Fatal(err)
		}
		for issuer.Epoch() < v.Epoch {
			issuer.Open(token.Secret(unhex(t, v.Secret)))
		}
		if c := challenge(t, issuer, p.Sender); hex.EncodeToString(c.Seed) != v.Seed || c.Epoch != v.Epoch || c.Bits != v.Bits {
			t.Errorf("%s: challenge %+v", v.Name, c)
		}
		if err := issuer.Take(p.Sender, req.Token); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

// The table of the specification is the file.
func TestSpecVectors(t *testing.T) {
	spec, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range readVectors(t).Tokens {
		row := fmt.Sprintf("| %s | %d | %d | `%s` | %d |\n", v.Name, v.Epoch, v.Bits, v.Base, v.Nonce)
		if !strings.Contains(string(spec), row) {
			t.Errorf("the specification lacks %q", row)
		}
	}
	for _, words := range []string{
		fmt.Sprintf("| `MaxTokenBits`           | %d ", token.MaxBits), fmt.Sprintf("| `TokenWindow`            | %d ", token.Window),
		fmt.Sprintf("| `TokenNonceSize`         | %d ", token.NonceSize),
	} {
		if !strings.Contains(string(spec), words) {
			t.Errorf("the specification lacks %q", words)
		}
	}
}
