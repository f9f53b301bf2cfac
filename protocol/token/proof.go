package token

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// Schemes of a challenge.
const (
	None   = 0 // no token is asked
	SHA256 = 1 // as many leading zero bits of a SHA-256 as the challenge says
)

const (
	// MaxBits is the greatest difficulty. A core that does 12 million attempts a second needs 1.4 s for a token of 24
	// bits: the 16 pushes of a round of 10 s would take more than two cores.
	MaxBits = 24
	// NonceSize is the length of a token's nonce: a counter, most significant byte first.
	NonceSize = 8
	// SeedSize is the length of the seeds that an Issuer makes. A sender answers seeds of any length.
	SeedSize = sha256.Size

	domain = "brahms/push-token/1"
)

// Errors of Check: why a sender leaves a challenge alone.
var (
	ErrUnknownScheme = errors.New("token: challenge of an unknown scheme")
	// ErrTooHard: the challenge asks more than the network's difficulty. Who answered it could be made to work for nothing.
	ErrTooHard = errors.New("token: challenge over the difficulty of the network")
)

// Check says whether a node of a network of the given difficulty answers c: nil, ErrUnknownScheme or ErrTooHard. A
// challenge of fewer bits is answered with as many as it asks for: that costs less, and the receiver is who decides
// what it takes. Scheme 0 needs no answer and passes.
func Check(c wire.Challenge, bits int) error {
	switch {
	case c.Scheme == None:
		return nil
	case c.Scheme != SHA256:
		return ErrUnknownScheme
	case int64(c.Bits) > int64(bits):
		return ErrTooHard
	}
	return nil
}

// A Proof is all that a token is bound to.
type Proof struct {
	// Network is the protocol id of the receiver's push stream, with its prefix.
	Network          string
	Receiver, Sender peer.ID
	Seed             []byte
	Epoch            uint64
	Bits             uint32
}

// base is the part of every attempt that does not change: the SHA-256 of the parts, those of variable length each behind
// its length, so that no two proofs give the same bytes. It takes all but one block of the hash out of an attempt, for
// everybody alike: an attacker gains nothing from sharing that work.
func (p Proof) base() [sha256.Size]byte {
	b := make([]byte, 0, 6*binary.MaxVarintLen64+len(domain)+len(p.Network)+len(p.Receiver)+len(p.Sender)+len(p.Seed))
	for _, part := range [...]string{domain, p.Network, string(p.Receiver), string(p.Sender), string(p.Seed)} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	b = binary.AppendUvarint(b, p.Epoch)
	b = binary.AppendUvarint(b, uint64(p.Bits))
	return sha256.Sum256(b)
}

// attempt is what is hashed: the base and the nonce.
type attempt [sha256.Size + NonceSize]byte

func newAttempt(p Proof, nonce uint64) (a attempt) {
	base := p.base()
	copy(a[:], base[:])
	a.set(nonce)
	return a
}

func (a *attempt) set(nonce uint64) { binary.BigEndian.PutUint64(a[sha256.Size:], nonce) }

// zeros is the number of leading zero bits of the attempt's hash, 64 at most.
func (a *attempt) zeros() int {
	sum := sha256.Sum256(a[:])
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:]))
}

// A Search looks for the nonce of a token, from a start upwards. Equal proofs and starts find the same nonce.
type Search struct {
	proof    Proof
	work     attempt
	nonce    uint64 // to try next, or the one that was found
	attempts uint64
	found    bool
}

// NewSearch begins a search at the nonce start.
func NewSearch(p Proof, start uint64) *Search {
	return &Search{proof: p, work: newAttempt(p, start), nonce: start}
}

// Run makes up to n further attempts and reports whether a nonce is found. After that it does nothing.
func (s *Search) Run(n int) bool {
	want := int(min(s.proof.Bits, 64))
	for ; n > 0 && !s.found; n-- {
		s.work.set(s.nonce)
		s.attempts++
		if s.work.zeros() >= want {
			s.found = true
			break
		}
		s.nonce++
	}
	return s.found
}

// Attempts is the number of hashes that the search has made.
func (s *Search) Attempts() uint64 { return s.attempts }

// Token is the token that was found, nil before.
func (s *Search) Token() *wire.Token {
	if !s.found {
		return nil
	}
	return &wire.Token{Scheme: SHA256, Epoch: s.proof.Epoch, Nonce: binary.BigEndian.AppendUint64(nil, s.nonce)}
}
