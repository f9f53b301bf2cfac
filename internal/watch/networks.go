package watch

import (
	"net/netip"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// The names of networks that are no prefix.
const (
	netLoopback = "loopback"
	netUnknown  = "unknown"
)

// networkOf returns where a peer is in words: the /16 or /32 and the /24 or /48 of its public address; the same of a
// private one; "loopback"; or "unknown". It is the prefix where an exchange succeeded, if one has.
func networkOf(p brahmshost.PeerInfo) (network, fine string) {
	if p.Prefix.Coarse != "" {
		return p.Prefix.Coarse, p.Prefix.Fine
	}
	for _, a := range p.Addrs {
		ip, ok := ipOf(a)
		switch {
		case !ok:
			continue
		case ip.IsLoopback():
			return netLoopback, ip.String()
		}
		coarse, fine := 32, 48
		if ip.Is4() {
			coarse, fine = 16, 24
		}
		// The lengths fit the address, which has no zone.
		c, _ := ip.Prefix(coarse)
		f, _ := ip.Prefix(fine)
		return c.String(), f.String()
	}
	return netUnknown, ""
}

func ipOf(a multiaddr.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}
