package sampler

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dchest/siphash"
	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// errorRate is the chance that one of the statistical tests of this package fails with correct code and a seed picked
// blindly. The seeds are fixed, so they do not.
const errorRate = 1e-6

func testID(i int) peer.ID { return peer.ID(fmt.Sprintf("peer-%06d-with-the-length-of-an-id--", i)) }

func testIDs(n int) []peer.ID {
	ids := make([]peer.ID, n)
	for i := range ids {
		ids[i] = testID(i)
	}
	return ids
}

func testHash(t stattest.TB, kind Kind, seed byte) Hash {
	t.Helper()
	h, err := NewHash(kind, [32]byte{seed, 0xb2, 0xa5})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return h
}

// at is the hash of id at one position.
func at(h Hash, id peer.ID, position uint64) uint64 {
	var out [1]uint64
	h.Sum(out[:], id, []uint64{position})
	return out[0]
}

type hashVectors struct {
	About   string       `json:"about"`
	Key     string       `json:"key"`
	Vectors []hashVector `json:"vectors"`
}

type hashVector struct {
	Hash     Kind   `json:"hash"`
	ID       string `json:"id"` // hex
	Position uint64 `json:"position"`
	Value    string `json:"value"` // hex
}

// TestHashVectors pins the hashes: a node that restores its sealed state must decide as before. Regenerate the file with
// -update, and only if the state of older versions may be lost.
func TestHashVectors(t *testing.T) {
	var key [32]byte
	for i := range key {
		key[i] = byte(i)
	}
	got := hashVectors{
		About: "What a slot's hash of an id is: 64 bits by kind, key, id (its bytes) and position. go test ./sampler -run TestHashVectors -update",
		Key:   hex.EncodeToString(key[:]),
	}
	ids := []peer.ID{"a", testID(1), peer.ID(strings.Repeat("\x00\xff", 19)), peer.ID(strings.Repeat("long", 40))}
	for _, kind := range Kinds() {
		h, err := NewHash(kind, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			for _, position := range []uint64{0, 1, 2, 39, 1<<17 - 1, 1 << 17, 1<<17 + 1, 1 << 40} {
				got.Vectors = append(got.Vectors, hashVector{kind, hex.EncodeToString([]byte(id)), position, fmt.Sprintf("%016x", at(h, id, position))})
			}
		}
	}
	text, err := json.MarshalIndent(got, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "hash_vectors.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(want), "\r\n", "\n") != string(text)+"\n" {
		t.Errorf("the hashes no longer give the values of %s", file)
	}
}

func TestNewHashRefusesUnknownKinds(t *testing.T) {
	_, err := NewHash("md5", [32]byte{})
	if err == nil || !strings.Contains(err.Error(), `hash="md5" must be one of [aes sip sha256 farm]`) {
		t.Errorf("got %v", err)
	}
}

// TestPositionsDoNotDependOnTheirRun: near, far, repeated, out of order and beyond 2^17, where AES changes its key, a
// position has the value that it has alone.
func TestPositionsDoNotDependOnTheirRun(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			run, single := testHash(t, kind, 1), testHash(t, kind, 1)
			out := make([]uint64, 300)
			check := func(t stattest.TB, id peer.ID, positions []uint64) {
				run.Sum(out, id, positions)
				for i, p := range positions {
					if want := at(single, id, p); out[i] != want {
						t.Fatalf("position %d of %v: %016x in the run, %016x alone", p, positions, out[i], want)
					}
				}
			}
			check(t, testID(1), nil)
			const epoch = 1 << 17
			for _, first := range []uint64{0, 1, epoch - 150, epoch - 1, epoch, 5*epoch - 20, 1 << 40} {
				var positions []uint64
				for i := range uint64(300) {
					positions = append(positions, first+i)
				}
				check(t, testID(2), positions)
			}
			rapid.Check(t, func(t *rapid.T) {
				near := rapid.Uint64Range(0, 100)
				any := rapid.OneOf(near, rapid.Uint64Range(epoch-50, epoch+50), rapid.Uint64Range(0, 1<<45))
				positions := rapid.OneOf(rapid.SliceOfN(near, 0, 60), rapid.SliceOfN(any, 0, 60)).Draw(t, "positions")
				check(t, testID(rapid.IntRange(0, 9).Draw(t, "id")), positions)
			})
		})
	}
}

// requireFreshFunctions fails t unless hash is at each position a random function of its own: over positions every id is
// the least equally often, and who is the least at one position says nothing of the next.
func requireFreshFunctions(t stattest.TB, hash func(id peer.ID, position uint64) uint64, seed any) {
	t.Helper()
	const m, positions = 10, 20_000
	ids := testIDs(m)
	winners := make([]int, positions)
	for p := range winners {
		best := uint64(0)
		for i, id := range ids {
			if h := hash(id, uint64(p)); i == 0 || h < best {
				winners[p], best = i, h
			}
		}
	}
	counts, pairs := make([]int, m), make([]int, m*m)
	for p, w := range winners {
		counts[w]++
		if p%2 == 1 {
			pairs[winners[p-1]*m+w]++
		}
	}
	stattest.RequireUniform(t, counts, errorRate, seed)
	stattest.RequireUniform(t, pairs, errorRate, seed)
}

func TestPositionsAreFreshFunctions(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			h := testHash(t, kind, 2)
			requireFreshFunctions(t, func(id peer.ID, p uint64) uint64 { return at(h, id, p) }, 2)
		})
	}
}

// TestKeysAreFreshFunctions is the same over keys at one position: no id is favoured for what it is.
func TestKeysAreFreshFunctions(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			var h Hash
			last := ^uint64(0)
			requireFreshFunctions(t, func(id peer.ID, p uint64) uint64 {
				if p != last {
					var err error
					if h, err = NewHash(kind, [32]byte{byte(p), byte(p >> 8), 3}); err != nil {
						t.Fatal(err)
					}
					last = p
				}
				return at(h, id, 7)
			}, 3)
		})
	}
}

// verdict takes down what a check says instead of failing.
type verdict struct{ failed bool }

func (v *verdict) Helper()               {}
func (v *verdict) Fatalf(string, ...any) { v.failed = true }

// TestSaltedFunctionsAreRejected is the negative control: one function with a salt per position, which is how re-keying
// is often done, favours the ids whose hashes have no near neighbour, under every salt.
func TestSaltedFunctionsAreRejected(t *testing.T) {
	salted := func(id peer.ID, p uint64) uint64 {
		return siphash.Hash(1, 2, []byte(id)) ^ mix(p)
	}
	var v verdict
	if requireFreshFunctions(&v, salted, "salt"); !v.failed {
		t.Error("salting one function passed for a fresh function at each position")
	}
	counter := func(id peer.ID, p uint64) uint64 {
		return siphash.Hash(1, 2, []byte(id)) + p<<40 // neighbouring positions agree
	}
	v = verdict{}
	if requireFreshFunctions(&v, counter, "counter"); !v.failed {
		t.Error("adding the position passed for a fresh function at each position")
	}
}
