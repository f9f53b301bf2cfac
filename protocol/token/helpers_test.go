package token_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const network = "/brahms/1.0.0/push"

// secret n is 32 bytes of n.
func secret(n byte) (s token.Secret) {
	for i := range s {
		s[i] = n
	}
	return s
}

// testID is the peer id of the Ed25519 key whose seed is 32 bytes of n, as in the vectors of protocol/wire.
func testID(t testing.TB, n byte) peer.ID {
	t.Helper()
	s := secret(n)
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(s[:]))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newIssuer(t testing.TB, self peer.ID, bits int) *token.Issuer {
	t.Helper()
	i, err := token.NewIssuer(network, self, bits, secret(0))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// challenge is what the issuer asks of the sender.
func challenge(t testing.TB, i *token.Issuer, sender peer.ID) wire.Challenge {
	t.Helper()
	c, ok := i.Challenge(sender)
	if !ok {
		t.Fatal("no epoch is left")
	}
	return c
}

// proofOf is the proof that answers c.
func proofOf(c wire.Challenge, receiver, sender peer.ID) token.Proof {
	return token.Proof{Network: network, Receiver: receiver, Sender: sender, Seed: c.Seed, Epoch: c.Epoch, Bits: c.Bits}
}

// solve searches to the end.
func solve(p token.Proof) *wire.Token {
	s := token.NewSearch(p, 0)
	for !s.Run(1 << 12) {
	}
	return s.Token()
}

// The three functions below follow the specification's words and share nothing with the package but the types.

func specSeed(secret []byte, sender peer.ID) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(sender))
	return mac.Sum(nil)
}

func specBase(p token.Proof) []byte {
	var b bytes.Buffer
	number := func(n uint64) {
		for ; n >= 0x80; n >>= 7 {
			b.WriteByte(byte(n) | 0x80)
		}
		b.WriteByte(byte(n))
	}
	for _, part := range [][]byte{[]byte("brahms/push-token/1"), []byte(p.Network), []byte(p.Receiver), []byte(p.Sender), p.Seed} {
		number(uint64(len(part)))
		b.Write(part)
	}
	number(p.Epoch)
	number(uint64(p.Bits))
	sum := sha256.Sum256(b.Bytes())
	return sum[:]
}

// specHolds reports whether the hash, read as one number, is below 2^(256-bits).
func specHolds(base, nonce []byte, bits uint32) bool {
	sum := sha256.Sum256(append(bytes.Clone(base), nonce...))
	limit := new(big.Int).Lsh(big.NewInt(1), uint(256-bits))
	return new(big.Int).SetBytes(sum[:]).Cmp(limit) < 0
}

func counter(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
