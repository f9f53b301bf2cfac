package attack

import (
	"crypto/ed25519"
	"fmt"
	"net"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// mint invents ids that live at addr, up to f.a.cfg.Answer of them as far as the rate allows, one operation each, and
// returns records of the newest, those included that earlier calls invented.
func (f *faulty) mint(addr func(n int) multiaddr.Multiaddr) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := 0; n < f.a.cfg.Answer && f.limiter.Allow(); n++ {
		key, id := newKey(f.rng.Uint32)
		raw, err := wire.SealRecord(key, id, []multiaddr.Multiaddr{addr(n)}, 1)
		if err != nil {
			break
		}
		f.a.ops.Add(1)
		f.minted = append(f.minted, raw)
	}
	f.minted = append([][]byte(nil), f.minted[max(0, len(f.minted)-f.a.cfg.Answer):]...)
	return f.minted
}

// newKey makes a key from random numbers.
func newKey(random func() uint32) (crypto.PrivKey, peer.ID) {
	seed := make([]byte, ed25519.SeedSize)
	for i := 0; i < len(seed); i += 4 {
		x := random()
		seed[i], seed[i+1], seed[i+2], seed[i+3] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)
	}
	std := ed25519.NewKeyFromSeed(seed)
	key, _, err := crypto.KeyPairFromStdKey(&std)
	if err != nil {
		panic(fmt.Sprintf("attack: internal error: %v", err)) // it fails for unknown types only
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		panic(fmt.Sprintf("attack: internal error: %v", err))
	}
	return key, id
}

// ClosedPorts returns n addresses of TCP ports on loopback on which nobody answers: the system had each to give away a
// moment ago. Whatever takes one later is no peer of any invented id.
func ClosedPorts(n int) ([]multiaddr.Multiaddr, error) {
	var out []multiaddr.Multiaddr
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("attack: find a closed port: %w", err)
		}
		defer l.Close() // after all have been found: they differ
		a, err := manet.FromNetAddr(l.Addr())
		if err != nil {
			return nil, fmt.Errorf("attack: %w", err)
		}
		out = append(out, a)
	}
	return out, nil
}
