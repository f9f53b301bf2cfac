package machine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Limits that all nodes of a network share: answers and items beyond them are refused.
const (
	// MaxItems bounds the items that a node holds of one epoch, and so the ids in an answer.
	MaxItems = 256
	// MaxItemsPerOrigin bounds the items of one origin that a node takes in the window of an epoch.
	MaxItemsPerOrigin = 8
	// MaxPayload bounds the payload of an item, in bytes. An item may have none.
	MaxPayload = 256
	// MaxOrigin bounds a peer id, in bytes.
	MaxOrigin = 64
	// MaxSignature bounds the signature of an item, in bytes: of an Ed25519 key 64, of a secp256k1 key at most 72.
	MaxSignature = 128
	// Epochs is how many epochs a node keeps: the current one and those before it.
	Epochs = 3
	// MaxFetch bounds the ids that are asked of one peer in one fetch, one fetch a peer, epoch and round.
	MaxFetch = 16
)

// An ID names an item: the SHA-256 of what its origin signed, without the signature. Whoever can write a second valid
// signature below the same content therefore makes no second item of it.
type ID [sha256.Size]byte

// String returns the first 8 bytes in hex, for logs.
func (id ID) String() string { return hex.EncodeToString(id[:8]) }

func (id ID) compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// An Item is one element that may be in the set of its epoch. The machine stores the signature and does not look at it:
// the driver verifies it before HandleItem.
type Item struct {
	Epoch     uint64
	Origin    peer.ID
	Payload   []byte
	Signature []byte
}

// ID returns the item's id.
func (it Item) ID() ID { return sha256.Sum256(it.Signed()) }

// Signed returns the bytes that the id covers: the domain, the epoch, and the origin and the payload behind their
// lengths, so that no two items give the same bytes.
func (it Item) Signed() []byte {
	b := make([]byte, 0, len(itemDomain)+3*binary.MaxVarintLen64+len(it.Origin)+len(it.Payload))
	b = append(b, itemDomain...)
	b = binary.AppendUvarint(b, it.Epoch)
	b = binary.AppendUvarint(b, uint64(len(it.Origin)))
	b = append(b, it.Origin...)
	b = binary.AppendUvarint(b, uint64(len(it.Payload)))
	return append(b, it.Payload...)
}

const itemDomain = "brahms-consensus-item\x00"

// Check returns ErrItem with the reason if a field is out of its limits.
func (it Item) Check() error {
	switch {
	case it.Origin == "" || len(it.Origin) > MaxOrigin:
		return fmt.Errorf("%w: origin of %d bytes, 1 to %d", ErrItem, len(it.Origin), MaxOrigin)
	case len(it.Payload) > MaxPayload:
		return fmt.Errorf("%w: payload of %d bytes, at most %d", ErrItem, len(it.Payload), MaxPayload)
	case len(it.Signature) > MaxSignature:
		return fmt.Errorf("%w: signature of %d bytes, at most %d", ErrItem, len(it.Signature), MaxSignature)
	}
	return nil
}
