package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// testKey returns the Ed25519 key whose seed is 32 times b, and its peer id.
func testKey(t testing.TB, b byte) (crypto.PrivKey, peer.ID) {
	t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize)))
	must(t, err)
	id, err := peer.IDFromPrivateKey(key)
	must(t, err)
	return key, id
}

// testRecord returns a record with n addresses of the peer of testKey(b).
func testRecord(t testing.TB, b byte, n int) []byte {
	t.Helper()
	key, id := testKey(t, b)
	raw, err := wire.SealRecord(key, id, testAddrs(t, n), 1)
	must(t, err)
	return raw
}

func testAddrs(t testing.TB, n int) []multiaddr.Multiaddr {
	t.Helper()
	addrs := make([]multiaddr.Multiaddr, n)
	for i := range addrs {
		a, err := multiaddr.NewMultiaddr(fmt.Sprintf("/ip4/198.51.100.%d/udp/4001/quic-v1", i+1))
		must(t, err)
		addrs[i] = a
	}
	return addrs
}

// payload is a record whose bytes the test chooses, sealed with any key.
type payload struct {
	bytes []byte
	codec []byte
}

func (p payload) Domain() string                 { return peer.PeerRecordEnvelopeDomain }
func (p payload) Codec() []byte                  { return p.codec }
func (p payload) MarshalRecord() ([]byte, error) { return p.bytes, nil }
func (p payload) UnmarshalRecord([]byte) error   { return nil }

func seal(t testing.TB, key crypto.PrivKey, rec record.Record) []byte {
	t.Helper()
	env, err := record.Seal(rec, key)
	must(t, err)
	raw, err := env.Marshal()
	must(t, err)
	return raw
}

// fieldBytes is one field of the wire type bytes, serialised.
func fieldBytes(num protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), body)
}

func fieldVarint(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// allocated returns the bytes that one call of f allocates. The counter is that of the whole process, whose runtime
// allocates now and then as well: this only adds, so the least of some calls is the one of f alone.
func allocated(f func()) uint64 {
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
