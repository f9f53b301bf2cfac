// Package state writes what a Brahms peer needs to go on after a restart as bytes, and reads it again: a snapshot with a
// magic number, a version and a checksum. What Decode returns is what Encode was given, or it fails: bytes that were
// cut, extended, changed or written by somebody else are an error and never a panic. It is pure: where the bytes are
// kept is the business of package host.
//
//	"brahms\r\n"  8 bytes
//	version       4 bytes, big endian
//	length        8 bytes, big endian: of the body
//	body          see encodeBody
//	SHA-256       32 bytes, over all before
//
// The bytes hold the secret of the sampler: they must be kept as a private key is.
package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// Version is the version of the format that Encode writes and Decode reads.
const Version = 1

// Bounds on what a snapshot holds. Encode refuses more and Decode does not allocate for more.
const (
	MaxSize    = 16 << 20 // bytes of a snapshot
	MaxID      = 128      // bytes of an id
	MaxNetwork = 128      // bytes of Snapshot.Network
	MaxRecord  = 8 << 10  // bytes of a record
	MaxRecords = 4096     // records
	maxHash    = 16       // bytes of the name of a hash
	maxList    = 4096     // elements of other lists that protocol does not bound by name
)

// The errors of Decode.
var (
	ErrMagic    = errors.New("it is not the state of a Brahms peer")
	ErrVersion  = errors.New("it has another version")
	ErrLength   = errors.New("it is cut off or has something behind its end")
	ErrChecksum = errors.New("its checksum is wrong: it was damaged")
	ErrContent  = errors.New("its content breaks the format")
)

// ErrBounds is wrapped by the errors of Encode.
var ErrBounds = errors.New("state: over the bounds of the format")

// A Snapshot is all that is stored of a peer.
type Snapshot struct {
	Network string // the prefix of the network's protocol ids
	Saved   uint64 // when it was made, in seconds since 1970
	Node    protocol.State
	Records []Record // how the peers of Node can be reached
}

// A Record is a signed peer record as it came, at most MaxRecord bytes, and the class of address that was let through when
// it came, in the numbers of package host.
type Record struct {
	Raw   []byte
	Floor uint8
}

const (
	magic    = "brahms\r\n" // a transfer that changes line ends is noticed
	headSize = len(magic) + 4 + 8
)

// Encode returns the bytes of s.
func Encode(s *Snapshot) ([]byte, error) {
	body, err := encodeBody(s)
	if err != nil {
		return nil, err
	}
	if size := headSize + len(body) + sha256.Size; size > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrBounds, size, MaxSize)
	}
	b := make([]byte, 0, headSize+len(body)+sha256.Size)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, Version)
	b = binary.BigEndian.AppendUint64(b, uint64(len(body)))
	b = append(b, body...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// Decode returns the snapshot that b is of. Whether its node can be restored protocol.Restore tells.
func Decode(b []byte) (*Snapshot, error) {
	switch {
	case len(b) > MaxSize:
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrLength, len(b), MaxSize)
	case len(b) < len(magic) && bytes.HasPrefix([]byte(magic), b):
		return nil, fmt.Errorf("%w: %d bytes", ErrLength, len(b))
	case !bytes.HasPrefix(b, []byte(magic)):
		return nil, ErrMagic
	case len(b) < headSize+sha256.Size:
		return nil, fmt.Errorf("%w: %d bytes", ErrLength, len(b))
	}
	if v := binary.BigEndian.Uint32(b[len(magic):]); v != Version {
		return nil, fmt.Errorf("%w: %d, and this program reads version %d", ErrVersion, v, Version)
	}
	if n := binary.BigEndian.Uint64(b[len(magic)+4:]); n != uint64(len(b)-headSize-sha256.Size) {
		return nil, fmt.Errorf("%w: %d bytes", ErrLength, len(b))
	}
	body := b[headSize : len(b)-sha256.Size]
	if sum := sha256.Sum256(b[:len(b)-sha256.Size]); !bytes.Equal(sum[:], b[len(b)-sha256.Size:]) {
		return nil, ErrChecksum
	}
	s, err := decodeBody(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	return s, nil
}
