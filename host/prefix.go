package host

import (
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// prefixOf is limit.Prefixes in the words of the protocol: the zero Prefix where there is none.
func prefixOf(a multiaddr.Multiaddr) protocol.Prefix {
	fine, coarse, ok := limit.Prefixes(a)
	if !ok {
		return protocol.Prefix{}
	}
	return protocol.Prefix{Coarse: coarse.String(), Fine: fine.String()}
}

// claimedPrefix is that of the first address that has one.
func claimedPrefix(addrs []multiaddr.Multiaddr) protocol.Prefix {
	for _, a := range addrs {
		if p := prefixOf(a); p != (protocol.Prefix{}) {
			return p
		}
	}
	return protocol.Prefix{}
}

// locate notes that an exchange of ours with id succeeded over a connection to the given address. Ids that the book does
// not hold stay nowhere.
func (b *book) locate(id peer.ID, remote multiaddr.Multiaddr) {
	p := prefixOf(remote)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byID[id]; s != nil {
		s.at, s.located = p, true
	}
}

// where returns the prefix at which an exchange with id succeeded last, before there was one that of the first address that
// is claimed of it, and the zero Prefix if there is none: what protocol.NewAt asks for.
func (b *book) where(id peer.ID) protocol.Prefix {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch s := b.byID[id]; {
	case s == nil:
		return protocol.Prefix{}
	case s.located:
		return s.at
	default:
		return s.claim
	}
}
