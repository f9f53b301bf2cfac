package limit

import (
	"testing"

	"github.com/multiformats/go-multiaddr"
)

func TestPrefixes(t *testing.T) {
	const relay = "/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
	for _, c := range []struct{ addr, fine, coarse string }{
		{"/ip4/8.8.9.10/tcp/4001", "8.8.9.0/24", "8.8.0.0/16"},
		{"/ip4/8.8.9.255/udp/1/quic-v1", "8.8.9.0/24", "8.8.0.0/16"},
		{"/ip4/8.8.9.10", "8.8.9.0/24", "8.8.0.0/16"},
		{"/ip6/2606:4700:1:2:3::4/tcp/4001", "2606:4700:1::/48", "2606:4700::/32"},
		{"/ip6/2606:4700:1:ffff::/udp/1/quic-v1", "2606:4700:1::/48", "2606:4700::/32"},
		// What stands for an IPv4 address counts as that.
		{"/ip6/::ffff:8.8.9.10/tcp/1", "8.8.9.0/24", "8.8.0.0/16"},
		{"/ip6/64:ff9b::808:90a/tcp/1", "8.8.9.0/24", "8.8.0.0/16"},
		{"/ip6/2002:808:90a:1::1/tcp/1", "8.8.9.0/24", "8.8.0.0/16"},
		// A relayed one counts as its relay, whoever is behind it.
		{"/ip4/8.8.9.10/tcp/1" + relay + "/p2p-circuit", "8.8.9.0/24", "8.8.0.0/16"},
		{"/ip6/2606:4700:1::4/udp/1/quic-v1" + relay + "/p2p-circuit" + relay, "2606:4700:1::/48", "2606:4700::/32"},

		{"/ip4/10.1.2.3/tcp/1", "", ""},
		{"/ip4/127.0.0.1/tcp/1", "", ""},
		{"/ip4/100.64.0.1/tcp/1", "", ""},
		{"/ip4/0.0.0.0/tcp/1", "", ""},
		{"/ip6/::1/tcp/1", "", ""},
		{"/ip6/fe80::1/tcp/1", "", ""},
		{"/ip6/fd00::1/tcp/1", "", ""},
		{"/ip6/::ffff:10.1.2.3/tcp/1", "", ""},
		{"/ip6/64:ff9b::a01:203/tcp/1", "", ""},
		{"/ip6/2002:a01:203::1/tcp/1", "", ""},
		{"/ip4/10.1.2.3/tcp/1" + relay + "/p2p-circuit", "", ""},
		{relay + "/p2p-circuit", "", ""},
		{"/dns4/example.org/tcp/1", "", ""},
		{"/ip6zone/eth0/ip6/fe80::1/tcp/1", "", ""},
	} {
		fine, coarse, ok := Prefixes(multiaddr.StringCast(c.addr))
		switch {
		case ok != (c.fine != ""):
			t.Errorf("%s: counts by a prefix: %v", c.addr, ok)
		case ok && (fine.String() != c.fine || coarse.String() != c.coarse):
			t.Errorf("%s: %s of %s, want %s of %s", c.addr, fine, coarse, c.fine, c.coarse)
		}
	}
	if _, _, ok := Prefixes(nil); ok {
		t.Error("no address has a prefix")
	}
}
