package host

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// The lengths of the prefixes that addresses are counted by, in bits. A fine prefix is the least that is handed out and
// routed by itself; a coarse one is about what one provider holds.
const (
	finePrefix4, coarsePrefix4 = 24, 16
	finePrefix6, coarsePrefix6 = 48, 32
)

// Ranges of IPv6 that stand for one IPv4 address each. By their own prefixes all of IPv4 would be one (NAT64), or each
// of its addresses one by itself (6to4).
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052, the address is in the last 4 bytes
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056, the address is in bytes 2 to 5
)

// addrPrefix returns the prefixes that an address is counted by: /24 and /16 of IPv4, /48 and /32 of IPv6, also of IPv4
// addresses that an IPv6 address stands for. ok is false where there is none to count by: the address is not public, or no
// IP address. A relayed address counts as its relay's IP address. Not as the relay's id: ids are free, so whoever owns
// one address could run a relay for each of its peers.
//
// a may be the address of a connection or one that was claimed; in a claim any other address than the first is without
// meaning.
func addrPrefix(a multiaddr.Multiaddr) (fine, coarse netip.Prefix, ok bool) {
	if len(a) == 0 {
		return fine, coarse, false
	}
	ip, ok := componentIP(&a[0])
	if !ok {
		return fine, coarse, false
	}
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		ip = netip.AddrFrom4([4]byte(b[12:]))
	case sixTo4.Contains(ip):
		ip = netip.AddrFrom4([4]byte(b[2:6]))
	}
	if !isPublicIP(ip) {
		return fine, coarse, false
	}
	f, c := finePrefix6, coarsePrefix6
	if ip.Is4() {
		f, c = finePrefix4, coarsePrefix4
	}
	// Neither fails: the lengths fit the addresses, which have no zone.
	fine, _ = ip.Prefix(f)
	coarse, _ = ip.Prefix(c)
	return fine, coarse, true
}

// prefixOf is addrPrefix in the words of the protocol: the zero Prefix where there is none.
func prefixOf(a multiaddr.Multiaddr) protocol.Prefix {
	fine, coarse, ok := addrPrefix(a)
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
