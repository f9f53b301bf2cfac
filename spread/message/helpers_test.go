package message_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math"
	"os"
	"runtime"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testKey returns the Ed25519 key whose seed is 32 times b, and its peer id.
func testKey(t testing.TB, b byte) (crypto.PrivKey, peer.ID) {
	t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize)))
	must(t, err)
	return key, idOf(t, key)
}

// rsaKey returns a fixed RSA key: its peer id is a hash, which does not hold it.
func rsaKey(t testing.TB) (crypto.PrivKey, peer.ID) {
	t.Helper()
	text, err := os.ReadFile("testdata/rsa.pem")
	must(t, err)
	block, _ := pem.Decode(text)
	std, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	key, _, err := crypto.KeyPairFromStdKey(std)
	must(t, err)
	return key, idOf(t, key)
}

func idOf(t testing.TB, key crypto.PrivKey) peer.ID {
	t.Helper()
	id, err := peer.IDFromPrivateKey(key)
	must(t, err)
	return id
}

// testBody returns a body of the peer of testKey(b).
func testBody(t testing.TB, b byte, payload []byte) message.Body {
	t.Helper()
	_, id := testKey(t, b)
	return message.Body{Origin: id, Topic: "news", Time: 1_795_000_000_000, Nonce: bytes.Repeat([]byte{0xa5}, message.NonceSize), Payload: payload}
}

func bytesField(num protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
}

func numberField(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}

// allocated returns the bytes that f allocates: the least of several runs, since the runtime allocates now and then too.
func allocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
