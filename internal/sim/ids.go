package sim

import (
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/peer"
)

// An id of the simulation has the form and the length of an Ed25519 peer id, so that hashing it costs what it costs
// outside. It holds its number, so that looking up a member needs no map.
const (
	idPrefix = "\x00\x24\x08\x01\x12\x20"
	idLen    = len(idPrefix) + 32
)

const (
	memberID  = 'm'
	phantomID = 'p'
)

func makeID(kind byte, number uint64) peer.ID {
	var b [idLen]byte
	copy(b[:], idPrefix)
	b[len(idPrefix)] = kind
	binary.BigEndian.PutUint64(b[len(idPrefix)+1:], number)
	// The rest of a key looks random; nothing depends on it.
	for i := len(idPrefix) + 9; i < idLen; i += 8 {
		var word [8]byte
		binary.BigEndian.PutUint64(word[:], mix(number+uint64(i)<<56))
		copy(b[i:], word[:])
	}
	return peer.ID(b[:])
}

// memberNumber returns the number of the member that id names, and false for a phantom: an id that no member has.
func memberNumber(id peer.ID) (int, bool) {
	if len(id) != idLen || id[len(idPrefix)] != memberID {
		return 0, false
	}
	return int(idNumber(id)), true
}

func idNumber(id peer.ID) uint64 {
	n := uint64(0)
	for _, b := range []byte(id[len(idPrefix)+1 : len(idPrefix)+9]) {
		n = n<<8 | uint64(b)
	}
	return n
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection whose outputs of neighbours share no pattern.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
