package sampler

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/dchest/siphash"
	"github.com/dgryski/go-farm"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Kind names a keyed hash.
type Kind string

// The hashes to choose from. The costs per slot and the choice of the default are measured in docs/design.md.
const (
	// AES is the default: one AES-128 keystream per id, of which each slot owns 64 bits.
	AES Kind = "aes"
	// Sip is SipHash-2-4 of the id's digest and the slot's position.
	Sip Kind = "sip"
	// SHA256 is SHA-256 of key, position and id: slow, with nothing to explain.
	SHA256 Kind = "sha256"
	// Farm is FarmHash, the hash of the original project. It is NOT keyed in the cryptographic sense: its inner
	// fingerprint ignores the seed, so two ids that collide once collide under every key, and ids can be ground to
	// win slots. It is for trusted networks and comparisons.
	Farm Kind = "farm"
)

// Kinds lists the hashes in the order of the constants.
func Kinds() []Kind { return []Kind{AES, Sip, SHA256, Farm} }

// A Digest is what a Group computes of an id first: 128 bits that are random to whoever does not know the node's secret.
// They are the filter's fingerprint and what the hashes AES and Sip work on, whatever the length of the id. Two ids with
// one digest would be one id to the node; without the key nobody can look for them, so that is left to chance, 2^-128 for
// each pair. For the same reason a digest is as secret as the key, and no use of its bits bears on another.
type Digest struct{ Lo, Hi uint64 }

// digester computes digests: SipHash-2-4 of 128 bits under 128 bits of key.
type digester struct {
	k0, k1 uint64
	id     peer.ID // asked for last, with its digest: repeated questions about one id are common
	last   Digest
	input  []byte // scratch
}

func newDigester(key [32]byte) *digester {
	d := &digester{k0: binary.LittleEndian.Uint64(key[:]), k1: binary.LittleEndian.Uint64(key[8:])}
	d.last.Lo, d.last.Hi = siphash.Hash128(d.k0, d.k1, nil)
	return d
}

// of is sum for an id that may be the one asked for last.
func (d *digester) of(id peer.ID) Digest {
	if id != d.id {
		d.id, d.last = id, d.sum(id)
	}
	return d.last
}

func (d *digester) sum(id peer.ID) Digest {
	d.input = append(d.input[:0], id...) // a conversion would allocate
	var x Digest
	x.Lo, x.Hi = siphash.Hash128(d.k0, d.k1, d.input)
	return x
}

// A Hash is a family of random functions from ids to 64 bits, one for each position, under one secret key. A slot of a
// sampler owns a position; re-keying a slot moves it to a position that was never used, which makes it an exact fresh
// function. (Salting one function instead, as in h(id) XOR salt, does not: the ids that were best under the old salt
// stay good under the next.)
//
// A Hash keeps scratch space and is not safe for concurrent use.
type Hash interface {
	// Sum sets out[i] to the hash of id, which has digest d, at position at[i], for each i < len(at). len(out) must be
	// at least len(at).
	Sum(out []uint64, id peer.ID, d Digest, at []uint64)
}

// NewHash returns the hash of the given kind under key. It fails for an unknown kind.
func NewHash(kind Kind, key [32]byte) (Hash, error) {
	switch kind {
	case AES:
		return newAESHash(key), nil
	case Sip:
		return &sipHash{k0: binary.LittleEndian.Uint64(key[:]), k1: binary.LittleEndian.Uint64(key[8:])}, nil
	case SHA256:
		return &shaHash{key: key}, nil
	case Farm:
		return &farmHash{k0: binary.LittleEndian.Uint64(key[:]), k1: binary.LittleEndian.Uint64(key[8:])}, nil
	}
	return nil, fmt.Errorf("sampler: hash=%q must be one of %v", kind, Kinds())
}

// aesHash: position p owns the 64 bits at p%pageSize of page p/pageSize, and a page is the keystream that AES-128-GCM
// makes of a nonce: block k of it is the encryption of the nonce followed by the 32-bit counter k+2. GCM, whose tag is
// thrown away, only because it is the standard library's way to a keystream under a fresh nonce that does not allocate.
//
// The nonce is 96 bits of the id's digest, with the page's number XORed into 64 of them. Two ids share a page's bits
// only if their digests agree in 32 bits and differ in the others by exactly the XOR of two page numbers: 2^-96 for each
// pair of pages. 96 bits are enough since the digest is keyed: nobody can search for such a pair.
type aesHash struct {
	block  cipher.Block
	gcm    cipher.AEAD
	nonce  [aes.BlockSize]byte // with room for the counter
	stream []byte              // scratch: the keystream and the tag
}

const (
	pageSize = MaxL2 // positions: until slots are re-keyed, all of them lie in page 0
	firstCtr = 2     // GCM keeps the blocks before it to itself

	// A keystream begins with its page. Up to blockCost positions of it for each that is wanted it costs less than a
	// block for each, beside what a Seal costs in any case, as much as that many positions (BenchmarkScattered).
	blockCost, sealCost = 6, 24

	batchSize = 8 * aes.BlockSize // bytes that GCM makes at once
)

var zeros [pageSize * 8]byte

func newAESHash(key [32]byte) *aesHash {
	k := sha256.Sum256(append([]byte("brahms/aes/"), key[:]...))
	block, err := aes.NewCipher(k[:16])
	if err != nil {
		panic("sampler: internal error: " + err.Error()) // 16 bytes are an AES key
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("sampler: internal error: " + err.Error()) // AES has the block size of GCM
	}
	return &aesHash{block: block, gcm: gcm, stream: make([]byte, aes.BlockSize)}
}

func (h *aesHash) Sum(out []uint64, _ peer.ID, d Digest, at []uint64) {
	binary.BigEndian.PutUint32(h.nonce[8:], uint32(d.Hi))
	for len(at) > 0 {
		n, last := run(at)
		binary.BigEndian.PutUint64(h.nonce[:], d.Lo^at[0]/pageSize)
		if int(last)+sealCost < blockCost*n {
			h.seal(out[:n], at[:n], last)
		} else {
			h.encrypt(out[:n], at[:n])
		}
		out, at = out[n:], at[n:]
	}
}

// sumFirst is Sum for the positions 0 to len(out)-1, of which there are at most pageSize: the usual case, in which nothing
// needs to be looked up: a new id then costs a third less at 100 slots (BenchmarkOfferNew, in turns with Sum).
func (h *aesHash) sumFirst(out []uint64, d Digest) {
	binary.BigEndian.PutUint64(h.nonce[:], d.Lo)
	binary.BigEndian.PutUint32(h.nonce[8:], uint32(d.Hi))
	stream := h.keystream((len(out) + 1) / 2 * aes.BlockSize)
	for ; len(out) >= 2 && len(stream) >= aes.BlockSize; out, stream = out[2:], stream[aes.BlockSize:] {
		out[0], out[1] = binary.BigEndian.Uint64(stream), binary.BigEndian.Uint64(stream[8:])
	}
	for i := range out {
		out[i] = binary.BigEndian.Uint64(stream)
	}
}

// run returns how many positions at the front of at, which is not empty, lie in one page, and the last of them in it.
func run(at []uint64) (n int, last uint64) {
	page := at[0] / pageSize
	for _, p := range at {
		if p/pageSize != page {
			break
		}
		last = max(last, p)
		n++
	}
	return n, last % pageSize
}

// seal takes the hashes from the keystream of the page up to position last.
func (h *aesHash) seal(out, at []uint64, last uint64) {
	stream := h.keystream(int(last/2+1) * aes.BlockSize)
	for i, p := range at {
		out[i] = binary.BigEndian.Uint64(stream[p%pageSize*8:])
	}
}

// keystream returns the first size bytes of the nonce's page, and more behind them. Whole batches, since the blocks of a
// part of one are made one after the other.
func (h *aesHash) keystream(size int) []byte {
	size = (size + batchSize - 1) / batchSize * batchSize
	if cap(h.stream) < size+h.gcm.Overhead() {
		h.stream = make([]byte, 0, size+h.gcm.Overhead())
	}
	return h.gcm.Seal(h.stream[:0], h.nonce[:h.gcm.NonceSize()], zeros[:size], nil)
}

// encrypt makes the block of each position by itself.
func (h *aesHash) encrypt(out, at []uint64) {
	b := h.stream[:aes.BlockSize]
	for i, p := range at {
		binary.BigEndian.PutUint32(h.nonce[12:], uint32(p%pageSize/2+firstCtr))
		h.block.Encrypt(b, h.nonce[:])
		out[i] = binary.BigEndian.Uint64(b[p%2*8:])
	}
}

type sipHash struct {
	k0, k1 uint64
	buf    [24]byte
}

func (h *sipHash) Sum(out []uint64, _ peer.ID, d Digest, at []uint64) {
	binary.BigEndian.PutUint64(h.buf[:], d.Lo)
	binary.BigEndian.PutUint64(h.buf[8:], d.Hi)
	for i, p := range at {
		binary.BigEndian.PutUint64(h.buf[16:], p)
		out[i] = siphash.Hash(h.k0, h.k1, h.buf[:])
	}
}

type shaHash struct {
	key [32]byte
	buf []byte
}

func (h *shaHash) Sum(out []uint64, id peer.ID, _ Digest, at []uint64) {
	h.buf = append(h.buf[:0], h.key[:]...)
	h.buf = append(h.buf, 0, 0, 0, 0, 0, 0, 0, 0)
	h.buf = append(h.buf, id...)
	for i, p := range at {
		binary.BigEndian.PutUint64(h.buf[32:], p)
		sum := sha256.Sum256(h.buf)
		out[i] = binary.BigEndian.Uint64(sum[:])
	}
}

type farmHash struct {
	k0, k1 uint64
	buf    []byte
}

func (h *farmHash) Sum(out []uint64, id peer.ID, _ Digest, at []uint64) {
	h.buf = append(h.buf[:0], id...)
	for i, p := range at {
		out[i] = farm.Hash64WithSeeds(h.buf, mix(h.k0+p), mix(h.k1+p))
	}
}

// mix is the finaliser of SplitMix64: seeds of neighbouring positions share no pattern.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
