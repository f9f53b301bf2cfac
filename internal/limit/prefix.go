package limit

import (
	"net"
	"net/netip"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
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

// Prefixes returns the prefixes that an address is counted by: /24 and /16 of IPv4, /48 and /32 of IPv6, also of IPv4
// addresses that an IPv6 address stands for. ok is false where there is none to count by: the address is not public, or no
// IP address. A relayed address counts as its relay's IP address. Not as the relay's id: ids are free, so whoever owns
// one address could run a relay for each of its peers.
//
// a may be the address of a connection or one that was claimed; in a claim any other address than the first is without
// meaning.
func Prefixes(a multiaddr.Multiaddr) (fine, coarse netip.Prefix, ok bool) {
	if len(a) == 0 {
		return fine, coarse, false
	}
	ip, ok := IP(&a[0])
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
	if !IsPublic(ip) {
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

// IP returns the address of an /ip4 or /ip6 component, an IPv4-mapped IPv6 address as the IPv4 address that it is: a
// socket treats the two alike, and manet does not.
func IP(c *multiaddr.Component) (netip.Addr, bool) {
	if code := c.Code(); code != multiaddr.P_IP4 && code != multiaddr.P_IP6 {
		return netip.Addr{}, false
	}
	ip, ok := netip.AddrFromSlice(c.RawValue())
	return ip.Unmap(), ok
}

// IsPublic reports whether manet calls an address public.
func IsPublic(ip netip.Addr) bool {
	a, err := manet.FromIP(net.IP(ip.AsSlice()))
	return err == nil && manet.IsPublicAddr(a)
}

// Machine is what counts as one machine: an IPv4 address, also one in a 6to4 address, or a /64 of IPv6, in which one
// machine may have all addresses.
func Machine(ip netip.Addr) netip.Addr {
	switch {
	case ip.Is4():
		return ip
	case sixTo4.Contains(ip):
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	p, _ := ip.WithZone("").Prefix(64) // cannot fail for an IPv6 address
	return p.Addr()
}
