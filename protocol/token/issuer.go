package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

const (
	// Window is the number of epochs whose tokens are taken: the current one and two before it. It makes room for two
	// rounds that are not aligned, with a search in between.
	Window = 3
	// MaxTaken bounds the senders that are remembered in one epoch. What comes when it is full is refused: whoever has
	// filled it has done the work of 4096 tokens, the round is over any threshold many times, and to take a token
	// without remembering it would let one be used again.
	MaxTaken = 4096
)

// Errors of Take, a closed set, in the order in which they are looked for.
var (
	ErrMissing  = errors.New("token: none, where one is asked")
	ErrScheme   = errors.New("token: of another scheme than the challenge")
	ErrSize     = errors.New("token: nonce or solution of a wrong length")
	ErrEpoch    = errors.New("token: of an epoch that is over or not yet there")
	ErrReplayed = errors.New("token: of an epoch for which this sender's was taken")
	ErrFull     = errors.New("token: no room to remember another one of its epoch")
	ErrProof    = errors.New("token: the proof does not hold")
)

// Secret is what the seeds of one epoch are made of: random bytes that nobody else may know.
type Secret [32]byte

// An Issuer makes the challenges of one receiver and takes the tokens that answer them. It keeps nothing for a challenge
// and one entry for a token that was taken. It is not safe for concurrent use.
type Issuer struct {
	network string
	self    peer.ID
	bits    int
	epoch   uint64 // the current one; ring[epoch%Window] is its
	first   uint64 // the oldest that there was
	ring    [Window]epoch
}

type epoch struct {
	secret Secret
	taken  map[peer.ID]struct{} // senders whose token of this epoch was taken, at most MaxTaken
}

// NewIssuer makes the issuer of the receiver self, in epoch 0. network is the protocol id of its push streams, with its
// prefix; bits is the difficulty, 1 to MaxBits.
func NewIssuer(network string, self peer.ID, bits int, secret Secret) (*Issuer, error) {
	if bits < 1 || bits > MaxBits {
		return nil, fmt.Errorf("token: bits=%d must be between 1 and %d", bits, MaxBits)
	}
	i := &Issuer{network: network, self: self, bits: bits}
	i.ring[0] = epoch{secret: secret, taken: make(map[peer.ID]struct{})}
	return i, nil
}

// Open begins the next epoch, with a secret of its own. The one that leaves the window is forgotten, its secret and its
// senders alike.
func (i *Issuer) Open(secret Secret) {
	i.epoch++
	if i.epoch >= Window {
		i.first = i.epoch - Window + 1
	}
	i.ring[i.epoch%Window] = epoch{secret: secret, taken: make(map[peer.ID]struct{})}
}

// Epoch is the current epoch.
func (i *Issuer) Epoch() uint64 { return i.epoch }

// Challenge makes the challenge for a sender: of the newest epoch for which it has not given a token yet. Rounds of two
// peers are not aligned, so an honest sender may push twice in one of ours. Epochs that take no more tokens are passed over:
// work for them would be lost. It is false where no epoch of the window is left. It costs one HMAC.
func (i *Issuer) Challenge(sender peer.ID) (wire.Challenge, bool) {
	for e := i.epoch; ; e-- {
		taken := i.at(e).taken
		if _, used := taken[sender]; !used && len(taken) < MaxTaken {
			return wire.Challenge{Scheme: SHA256, Seed: i.seed(e, sender), Epoch: e, Bits: uint32(i.bits)}, true
		}
		if e == i.first {
			return wire.Challenge{}, false
		}
	}
}

// Take takes the token of a sender, whom the connection has authenticated, once: nil, or one of the errors above. What is
// cheap comes first; only ErrProof costs hashes (an HMAC and two SHA-256).
func (i *Issuer) Take(sender peer.ID, t *wire.Token) error {
	switch {
	case t == nil:
		return ErrMissing
	case t.Scheme != SHA256:
		return ErrScheme
	case len(t.Nonce) != NonceSize || len(t.Solution) != 0:
		return ErrSize
	case t.Epoch < i.first || t.Epoch > i.epoch:
		return ErrEpoch
	}
	taken := i.at(t.Epoch).taken
	if _, used := taken[sender]; used {
		return ErrReplayed
	}
	if len(taken) >= MaxTaken {
		return ErrFull
	}
	a := newAttempt(Proof{
		Network: i.network, Receiver: i.self, Sender: sender,
		Seed: i.seed(t.Epoch, sender), Epoch: t.Epoch, Bits: uint32(i.bits),
	}, binary.BigEndian.Uint64(t.Nonce))
	if a.zeros() < i.bits {
		return ErrProof
	}
	taken[sender] = struct{}{}
	return nil
}

func (i *Issuer) at(e uint64) *epoch { return &i.ring[e%Window] }

// seed is what only this receiver can make, for this sender and epoch alone: nobody can work before the epoch, nor for
// another sender.
func (i *Issuer) seed(e uint64, sender peer.ID) []byte {
	mac := hmac.New(sha256.New, i.at(e).secret[:])
	mac.Write([]byte(sender))
	return mac.Sum(make([]byte, 0, SeedSize))
}
