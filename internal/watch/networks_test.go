package watch

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

func TestNetworkOf(t *testing.T) {
	for _, c := range []struct {
		prefix        protocol.Prefix
		addrs         []string
		network, fine string
	}{
		{protocol.Prefix{Coarse: "51.15.0.0/16", Fine: "51.15.3.0/24"}, []string{"/ip4/10.0.0.1/tcp/1"}, "51.15.0.0/16", "51.15.3.0/24"},
		{protocol.Prefix{}, []string{"/ip4/10.2.3.4/tcp/1"}, "10.2.0.0/16", "10.2.3.0/24"},
		{protocol.Prefix{}, []string{"/dns4/example.org/tcp/1", "/ip6/fd00:1:2:3::4/tcp/1"}, "fd00:1::/32", "fd00:1:2::/48"},
		{protocol.Prefix{}, []string{"/ip4/127.0.0.1/tcp/1"}, "loopback", "127.0.0.1"},
		{protocol.Prefix{}, []string{"/ip6/::1/tcp/1"}, "loopback", "::1"},
		{protocol.Prefix{}, []string{"/dns4/example.org/tcp/1"}, "unknown", ""},
		{protocol.Prefix{}, nil, "unknown", ""},
	} {
		p := brahmshost.PeerInfo{AddrInfo: peer.AddrInfo{ID: "a"}, Prefix: c.prefix}
		for _, a := range c.addrs {
			p.Addrs = append(p.Addrs, multiaddr.StringCast(a))
		}
		if network, fine := networkOf(p); network != c.network || fine != c.fine {
			t.Errorf("%v %v is in %q, %q, want %q, %q", c.prefix, c.addrs, network, fine, c.network, c.fine)
		}
	}
}
