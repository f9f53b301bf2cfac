package host

import (
	"net/netip"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// class says from where an address can be reached. The order is that of reach: a greater class is reachable from more
// of the network, so a floor on the class is a complete rule.
type class uint8

const (
	classRefused  class = iota // never dialled on the word of another peer
	classLoopback              // this machine only
	classPrivate               // everything that is neither of the others: LANs, carrier NAT, documentation and test ranges
	classPublic                // what manet.IsPublicAddr calls public, less the ranges that hide another address
)

func (c class) String() string {
	switch c {
	case classLoopback:
		return "loopback"
	case classPrivate:
		return "private"
	case classPublic:
		return "public"
	default:
		return "refused"
	}
}

// addrPolicy is the lowest class of address that is believed. The zero policy believes nothing: it is the caller who
// must say where a claim comes from.
type addrPolicy struct{ floor class }

// firstHandPolicy is the rule for what a peer says of itself over a connection of scope: addresses of the connection's
// class or a wider one, because a narrower one would be dialled in a network where it means another machine. Without
// allowPrivate only public addresses are believed, whatever the connection.
func firstHandPolicy(scope class, allowPrivate bool) addrPolicy {
	if !allowPrivate || scope == classRefused {
		return addrPolicy{floor: classPublic}
	}
	return addrPolicy{floor: scope}
}

// thirdPartyPolicy is the rule for what one peer says of another: public addresses only; with allowPrivate private ones
// as well, and loopback ones only if the teller itself sits on this machine (scope is that of the teller's connection).
func thirdPartyPolicy(scope class, allowPrivate bool) addrPolicy {
	switch {
	case !allowPrivate:
		return addrPolicy{floor: classPublic}
	case scope == classLoopback:
		return addrPolicy{floor: classLoopback}
	default:
		return addrPolicy{floor: classPrivate}
	}
}

// filterAddrs returns those of addrs that p lets through as addresses of id: in their order, each once, without the
// trailing /p2p/id, at most wire.MaxRecordAddrs. An address that names another peer than id, or that relays through id
// itself, is dropped. The multiaddrs of the result share their components with those of addrs.
func filterAddrs(addrs []multiaddr.Multiaddr, id peer.ID, p addrPolicy) []multiaddr.Multiaddr {
	if p.floor == classRefused {
		return nil
	}
	out := make([]multiaddr.Multiaddr, 0, min(len(addrs), wire.MaxRecordAddrs))
	for _, a := range addrs {
		if len(out) == wire.MaxRecordAddrs {
			break
		}
		bare, ok := stripID(a, id)
		if !ok || names(bare, id) || addrClass(bare) < p.floor {
			continue
		}
		if !slices.ContainsFunc(out, bare.Equal) {
			out = append(out, bare)
		}
	}
	return out
}

// stripID cuts a trailing /p2p/id. It reports false where the address is empty without it, or ends in the name of
// another peer.
func stripID(a multiaddr.Multiaddr, id peer.ID) (multiaddr.Multiaddr, bool) {
	n := len(a)
	if n == 0 {
		return nil, false
	}
	if a[n-1].Code() != multiaddr.P_P2P {
		return a, true
	}
	if string(a[n-1].RawValue()) != string(id) {
		return nil, false
	}
	return a[: n-1 : n-1], n > 1
}

// names tells whether a holds /p2p/id anywhere: after stripID that is a relay, and nobody is its own relay.
func names(a multiaddr.Multiaddr, id peer.ID) bool {
	return slices.ContainsFunc(a, func(c multiaddr.Component) bool {
		return c.Code() == multiaddr.P_P2P && string(c.RawValue()) == string(id)
	})
}

// maxComponents bounds the components of an address. Real ones have at most 9 (a relay over WebTransport with two
// certificate hashes); 8 KiB of two-byte components would take 200 KiB of memory once parsed.
const maxComponents = 16

// addrClass returns the class of an address, refused unless it has exactly the shape
//
//	/ip4|ip6/IP /tcp|udp/PORT [/transport...] [/p2p/ID | /p2p/RELAY/p2p-circuit [/p2p/ID]]
//
// with one address and one port that is not 0. So nothing is believed that would be resolved (DNS), that reaches out of
// IP (onion, garlic, unix, memory), whose meaning depends on an interface (zones, link-local), or that holds a second
// address behind the first. A relayed address has the class of its relay.
func addrClass(a multiaddr.Multiaddr) class {
	if len(a) < 2 || len(a) > maxComponents {
		return classRefused
	}
	switch a[1].Code() {
	case multiaddr.P_TCP, multiaddr.P_UDP:
		if port := a[1].RawValue(); len(port) != 2 || port[0]|port[1] == 0 {
			return classRefused
		}
	default:
		return classRefused
	}
	if !plainTail(a[2:]) {
		return classRefused
	}
	return ipClass(&a[0])
}

// plainTail tells whether what follows address and port names no further address, and peers only where they belong.
func plainTail(tail multiaddr.Multiaddr) bool {
	for i := range tail {
		switch tail[i].Code() {
		case multiaddr.P_IP4, multiaddr.P_IP6, multiaddr.P_IP6ZONE, multiaddr.P_IPCIDR,
			multiaddr.P_TCP, multiaddr.P_UDP, multiaddr.P_DCCP, multiaddr.P_SCTP,
			multiaddr.P_DNS, multiaddr.P_DNS4, multiaddr.P_DNS6, multiaddr.P_DNSADDR,
			multiaddr.P_ONION, multiaddr.P_ONION3, multiaddr.P_GARLIC32, multiaddr.P_GARLIC64,
			multiaddr.P_UNIX, multiaddr.P_MEMORY, multiaddr.P_CIRCUIT:
			return false
		case multiaddr.P_P2P: // the last word, or a relay
			rest := tail[i+1:]
			switch len(rest) {
			case 0:
				return true
			case 1:
				return rest[0].Code() == multiaddr.P_CIRCUIT
			case 2:
				return rest[0].Code() == multiaddr.P_CIRCUIT && rest[1].Code() == multiaddr.P_P2P
			default:
				return false
			}
		}
	}
	return true
}

// thisNetwork is 0.0.0.0/8: Linux sends 0.0.0.0 to itself, and nothing in the range is another machine.
var thisNetwork = netip.MustParsePrefix("0.0.0.0/8")

// ipClass returns the class of an /ip4 or /ip6 component.
func ipClass(c *multiaddr.Component) class {
	ip, ok := limit.IP(c)
	switch {
	case !ok,
		ip.IsUnspecified(), ip.Is4() && thisNetwork.Contains(ip),
		ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}),
		// Link-local IPv6 needs a zone, which is the teller's own; link-local IPv4 holds the metadata services of clouds.
		ip.IsLinkLocalUnicast(),
		// A NAT64 address reaches whatever IPv4 address its tail says, private ones included, and manet calls it public.
		manet.IsNAT64IPv4ConvertedIPv6Addr(multiaddr.Multiaddr{*c}):
		return classRefused
	case ip.IsLoopback():
		return classLoopback
	case limit.IsPublic(ip):
		return classPublic
	default:
		return classPrivate
	}
}

// connScope returns the class of a connection by its remote address: that of the first IP address in it, which for a
// relayed connection is the relay's. Other than a claim, this address is real, so link-local ones count as private.
// Where there is no IP address to judge, the scope is public, under which the least is believed.
func connScope(remote multiaddr.Multiaddr) class {
	for i := range remote {
		ip, ok := limit.IP(&remote[i])
		switch {
		case !ok:
			continue
		case ip.IsLoopback():
			return classLoopback
		case manet.IsNAT64IPv4ConvertedIPv6Addr(multiaddr.Multiaddr{remote[i]}), limit.IsPublic(ip):
			return classPublic
		default:
			return classPrivate
		}
	}
	return classPublic
}
