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
	// AES is the default: one AES-128-CTR keystream per id, of which each slot owns 64 bits.
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

// A Hash is a family of random functions from ids to 64 bits, one for each position, under one secret key. A slot of a
// sampler owns a position; re-keying a slot moves it to a position that was never used, which makes it an exact fresh
// function. (Salting one function instead, as in h(id) XOR salt, does not: the ids that were best under the old salt
// stay good under the next.)
//
// A Hash keeps scratch space and is not safe for concurrent use.
type Hash interface {
	// Sum sets out[i] to the hash of id at position at[i], for each i < len(at). len(out) must be at least len(at).
	Sum(out []uint64, id peer.ID, at []uint64)
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

// aesHash: the counter block of an id is the first 112 bits of its SHA-256 followed by a 16-bit block counter that
// starts at zero. A block holds two positions, so one AES key has 2^17 positions an id; the next 2^17 use the next key,
// derived from the first, so that a counter never runs into the bits of the digest.
type aesHash struct {
	key    [32]byte
	epoch  uint64 // of block
	block  cipher.Block
	input  []byte // scratch: an id, a counter block, the keystream
	iv     [aes.BlockSize]byte
	stream []byte
}

const aesEpochBits = 17

func newAESHash(key [32]byte) *aesHash {
	h := &aesHash{key: key}
	h.setEpoch(0)
	return h
}

func (h *aesHash) setEpoch(epoch uint64) {
	k := sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte("brahms/aes/"), h.key[:]...), epoch))
	block, err := aes.NewCipher(k[:16])
	if err != nil {
		panic("sampler: internal error: " + err.Error()) // 16 bytes are an AES key
	}
	h.block, h.epoch = block, epoch
}

func (h *aesHash) Sum(out []uint64, id peer.ID, at []uint64) {
	if len(at) == 0 {
		return
	}
	h.input = append(h.input[:0], id...)
	digest := sha256.Sum256(h.input)
	iv := h.iv[:]
	copy(iv, digest[:14])

	lo, hi := at[0], at[0]
	for _, p := range at[1:] {
		lo, hi = min(lo, p), max(hi, p)
	}
	const mask = 1<<aesEpochBits - 1
	// Positions that lie close together, as they do until slots are re-keyed, are one stretch of keystream. The limit
	// keeps a few far-apart positions from paying for all that lies between them.
	if lo>>aesEpochBits == hi>>aesEpochBits && hi-lo < uint64(4*len(at)+64) {
		h.enter(lo)
		first := lo & mask >> 1
		binary.BigEndian.PutUint16(iv[14:], uint16(first))
		n := int(hi&mask>>1-first+1) * aes.BlockSize
		if cap(h.stream) < n {
			h.stream = make([]byte, n)
		}
		s := h.stream[:n]
		clear(s)
		cipher.NewCTR(h.block, iv).XORKeyStream(s, s)
		for i, p := range at {
			out[i] = binary.BigEndian.Uint64(s[(p&mask-first<<1)<<3:])
		}
		return
	}
	if cap(h.stream) < aes.BlockSize {
		h.stream = make([]byte, aes.BlockSize)
	}
	b := h.stream[:aes.BlockSize]
	for i, p := range at {
		h.enter(p)
		binary.BigEndian.PutUint16(iv[14:], uint16(p&mask>>1))
		h.block.Encrypt(b, iv)
		out[i] = binary.BigEndian.Uint64(b[p&1<<3:])
	}
}

func (h *aesHash) enter(position uint64) {
	if e := position >> aesEpochBits; e != h.epoch {
		h.setEpoch(e)
	}
}

type sipHash struct {
	k0, k1 uint64
	input  []byte
	buf    [24]byte
}

func (h *sipHash) Sum(out []uint64, id peer.ID, at []uint64) {
	// The digest makes the input short and of one length, whatever key type an id has; 128 bits of it do not collide.
	h.input = append(h.input[:0], id...)
	digest := sha256.Sum256(h.input)
	copy(h.buf[:16], digest[:16])
	for i, p := range at {
		binary.BigEndian.PutUint64(h.buf[16:], p)
		out[i] = siphash.Hash(h.k0, h.k1, h.buf[:])
	}
}

type shaHash struct {
	key [32]byte
	buf []byte
}

func (h *shaHash) Sum(out []uint64, id peer.ID, at []uint64) {
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

func (h *farmHash) Sum(out []uint64, id peer.ID, at []uint64) {
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
