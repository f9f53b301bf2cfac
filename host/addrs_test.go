package host

import (
	"fmt"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// Two ids that multiaddrs can hold.
const (
	idA = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	idB = "12D3KooWSHj3RRbBjD15g6wekV8y3mm57Pobmps2g2WJm6F67Lay"

	onion3 = "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234"
	garlic = "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq"
)

func mustID(s string) peer.ID {
	id, err := peer.Decode(s)
	if err != nil {
		panic(err)
	}
	return id
}

func addrList(s ...string) []multiaddr.Multiaddr {
	var out []multiaddr.Multiaddr
	for _, a := range s {
		out = append(out, multiaddr.StringCast(a))
	}
	return out
}

func TestAddrClass(t *testing.T) {
	const relay = "/p2p/" + idB + "/p2p-circuit"
	for _, c := range []struct {
		want  class
		addrs []string
	}{
		{classPublic, []string{
			"/ip4/1.2.3.4/tcp/4001", "/ip4/8.8.8.8/udp/4001/quic-v1", "/ip6/2606:4700::1111/tcp/443/tls/ws",
			"/ip4/1.2.3.4/tcp/443/tls/sni/example.com/ws", "/ip4/1.2.3.4/udp/1/webrtc-direct",
			"/ip4/1.2.3.4/tcp/256", "/ip4/1.2.3.4/tcp/255", "/ip4/1.2.3.4/tcp/65535",
			"/ip4/1.2.3.4/tcp/4001/p2p/" + idA,
			"/ip6/::ffff:8.8.8.8/tcp/4001", // mapped: manet would say not public
			"/ip4/1.2.3.4/tcp/4001" + relay,
			"/ip4/1.2.3.4/udp/4001/quic-v1" + relay + "/p2p/" + idA,
		}},
		{classPrivate, []string{
			"/ip4/10.0.0.1/tcp/4001", "/ip4/192.168.1.1/udp/4001/quic-v1", "/ip4/172.16.0.1/tcp/1", "/ip6/fc00::1/tcp/4001",
			"/ip4/100.64.0.1/tcp/4001",                                                                            // carrier NAT
			"/ip4/192.0.2.1/tcp/1", "/ip4/198.51.100.1/tcp/1", "/ip4/203.0.113.1/tcp/1", "/ip6/2001:db8::1/tcp/1", // documentation
			"/ip4/198.18.0.1/tcp/1",           // benchmarks
			"/ip4/240.0.0.1/tcp/1",            // reserved
			"/ip6/100::1234:5678/tcp/4242",    // mocknet's: neither public nor private for manet
			"/ip6/::ffff:10.0.0.1/tcp/4001",   // mapped
			"/ip6/::8.8.8.8/tcp/4001",         // IPv4-compatible, long dead
			"/ip4/10.0.0.1/tcp/4001" + relay,  // by the relay
			"/ip6/::ffff:192.168.0.1/udp/999", // mapped
		}},
		{classLoopback, []string{
			"/ip4/127.0.0.1/tcp/4001", "/ip4/127.255.255.254/tcp/4001", "/ip6/::1/udp/4001/quic-v1",
			"/ip6/::ffff:127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/4001" + relay,
		}},
		{classRefused, []string{
			"/dns/example.com/tcp/443", "/dns4/example.com/tcp/443", "/dns6/example.com/tcp/443", "/dnsaddr/bootstrap.libp2p.io",
			"/dns4/localhost/tcp/22", "/dns4/example.com/tcp/4001" + relay,
			"/ip4/1.2.3.4/tcp/4001/dns4/example.com/tcp/1", // a name behind an address
			"/ip4/1.2.3.4/tcp/4001/ip4/10.0.0.1/tcp/22",    // an address behind an address: manet judges the last
			"/ip4/10.0.0.1/ip4/1.2.3.4/tcp/22", "/ip4/1.2.3.4/tcp/80/tcp/22", "/ip4/1.2.3.4/tcp/80/udp/22",
			"/ip6/64:ff9b::a00:1/tcp/22", "/ip6/64:ff9b::808:808/tcp/22", "/ip6/64:ff9b:1::a00:1/tcp/22", // NAT64
			"/ip4/0.0.0.0/tcp/4001", "/ip4/0.1.2.3/tcp/4001", "/ip6/::/tcp/4001", "/ip6/::ffff:0.0.0.0/tcp/4001",
			"/ip4/224.0.0.1/udp/4001", "/ip6/ff02::1/udp/4001", "/ip4/255.255.255.255/udp/4001",
			"/ip4/169.254.169.254/tcp/80", "/ip6/::ffff:169.254.169.254/tcp/80", // metadata of clouds
			"/ip6/fe80::1/tcp/4001", "/ip6zone/eth0/ip6/fe80::1/tcp/4001", "/ip6zone/x/ip6/2606:4700::1111/tcp/1",
			"/ip4/1.2.3.4/tcp/0", "/ip4/1.2.3.4/udp/0/quic-v1", "/ip4/1.2.3.4", "/ip6/2606:4700::1111",
			"/ip4/1.2.3.4/p2p/" + idA, "/p2p/" + idA, "/tcp/4001", "/ip4/1.2.3.4/sctp/4001", "/ip4/1.2.3.4/dccp/4001",
			"/ip4/1.2.3.4/ipcidr/24/tcp/4001", "/ip4/1.2.3.4/quic-v1",
			"/p2p-circuit", relay, "/p2p-circuit/p2p/" + idA, // relayed by nobody knows whom
			"/ip4/1.2.3.4/tcp/4001/p2p-circuit",                      // no relay named: not dialable
			"/ip4/1.2.3.4/tcp/4001" + relay + relay,                  // twice
			"/ip4/1.2.3.4/tcp/4001/p2p-circuit" + relay,              // twice
			"/ip4/1.2.3.4/tcp/4001" + relay + "/ip4/10.0.0.1/tcp/22", // a target behind the relay
			"/ip4/1.2.3.4/tcp/4001" + relay + "/p2p/" + idA + "/p2p/" + idB,
			"/ip4/1.2.3.4/tcp/4001/p2p/" + idA + "/p2p/" + idB, "/ip4/1.2.3.4/tcp/4001/p2p/" + idA + "/ws",
			onion3, garlic, "/unix/tmp/x", "/memory/1234", "/ip4/1.2.3.4/tcp/1/unix/tmp/x", "/ip4/1.2.3.4/tcp/1/memory/4",
			"/ip4/1.2.3.4/tcp/1" + strings.Repeat("/ws", maxComponents),
		}},
	} {
		for _, s := range c.addrs {
			if got := addrClass(multiaddr.StringCast(s)); got != c.want {
				t.Errorf("%s: class %v, want %v", s, got, c.want)
			}
		}
	}
	for _, a := range []multiaddr.Multiaddr{nil, {}, {multiaddr.Component{}}, make(multiaddr.Multiaddr, 3)} {
		if got := addrClass(a); got != classRefused {
			t.Errorf("empty multiaddr %#v: class %v", a, got)
		}
	}
}

func TestConnScope(t *testing.T) {
	for s, want := range map[string]class{
		"/ip4/1.2.3.4/tcp/4001":                           classPublic,
		"/ip4/192.168.1.7/udp/4001/quic-v1":               classPrivate,
		"/ip4/169.254.3.4/tcp/4001":                       classPrivate, // real, since it is connected
		"/ip6zone/eth0/ip6/fe80::1/tcp/4001":              classPrivate,
		"/ip6/100::7/tcp/4242":                            classPrivate, // mocknet
		"/ip4/127.0.0.1/tcp/4001":                         classLoopback,
		"/ip6/::ffff:127.0.0.1/tcp/4001":                  classLoopback,
		"/ip6/::1/tcp/4001":                               classLoopback,
		"/ip6/64:ff9b::808:808/tcp/4001":                  classPublic,
		"/ip4/10.0.0.1/tcp/1/p2p/" + idB + "/p2p-circuit": classPrivate, // the relay's
		"/ip4/1.2.3.4/tcp/1/p2p/" + idB + "/p2p-circuit":  classPublic,
		"/p2p-circuit":                                    classPublic, // nothing to judge: the least is believed
		onion3:                                            classPublic,
		"/memory/12":                                      classPublic,
	} {
		if got := connScope(multiaddr.StringCast(s)); got != want {
			t.Errorf("%s: scope %v, want %v", s, got, want)
		}
	}
	if got := connScope(nil); got != classPublic {
		t.Errorf("nil: scope %v", got)
	}
}

// TestPolicies goes through who says it, over what connection, whether the user allows private addresses.
func TestPolicies(t *testing.T) {
	all := addrList("/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/1.2.3.4/tcp/1", "/dns4/example.com/tcp/1")
	for _, c := range []struct {
		what string
		p    addrPolicy
		want []multiaddr.Multiaddr
	}{
		{"the zero policy", addrPolicy{}, nil},
		{"first-hand, public", firstHandPolicy(classPublic, true), all[2:3]},
		{"first-hand, private", firstHandPolicy(classPrivate, true), all[1:3]},
		{"first-hand, loopback", firstHandPolicy(classLoopback, true), all[:3]},
		{"first-hand, no scope", firstHandPolicy(classRefused, true), all[2:3]},
		{"first-hand, private, not allowed", firstHandPolicy(classPrivate, false), all[2:3]},
		{"first-hand, loopback, not allowed", firstHandPolicy(classLoopback, false), all[2:3]},
		{"third party, public", thirdPartyPolicy(classPublic, true), all[1:3]},
		{"third party, private", thirdPartyPolicy(classPrivate, true), all[1:3]},
		{"third party, loopback", thirdPartyPolicy(classLoopback, true), all[:3]},
		{"third party, no scope", thirdPartyPolicy(classRefused, true), all[1:3]},
		{"third party, public, not allowed", thirdPartyPolicy(classPublic, false), all[2:3]},
		{"third party, loopback, not allowed", thirdPartyPolicy(classLoopback, false), all[2:3]},
	} {
		if got := filterAddrs(all, mustID(idA), c.p); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

func TestFilterAddrsNames(t *testing.T) {
	in := addrList(
		"/ip4/1.2.3.4/tcp/2/p2p/"+idA,                         // its own name is cut
		"/ip4/1.2.3.4/tcp/1/p2p/"+idB,                         // another peer's address
		"/ip4/1.2.3.4/tcp/2",                                  // the first again
		"/p2p/"+idA,                                           // nothing but the name
		"/ip4/1.2.3.4/tcp/3/p2p/"+idB+"/p2p-circuit",          // through a relay
		"/ip4/1.2.3.4/tcp/3/p2p/"+idB+"/p2p-circuit/p2p/"+idA, // the same
		"/ip4/1.2.3.4/tcp/4/p2p/"+idB+"/p2p-circuit/p2p/"+idB, // another peer behind the relay
		"/ip4/1.2.3.4/tcp/5/p2p/"+idA+"/p2p-circuit",          // its own relay
		"/ip4/1.2.3.4/tcp/6/p2p/"+idA+"/p2p-circuit/p2p/"+idA, // the same
		"/ip4/1.2.3.4/tcp/1",
	)
	in = append(in, nil, multiaddr.Multiaddr{})
	before := fmt.Sprint(in)
	want := fmt.Sprint(addrList("/ip4/1.2.3.4/tcp/2", "/ip4/1.2.3.4/tcp/3/p2p/"+idB+"/p2p-circuit", "/ip4/1.2.3.4/tcp/1"))
	if got := fmt.Sprint(filterAddrs(in, mustID(idA), addrPolicy{classPublic})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if fmt.Sprint(in) != before {
		t.Error("the argument was changed")
	}
}

// TestFilterAddrsCap: only what passes counts towards the bound, and order decides who is in.
func TestFilterAddrsCap(t *testing.T) {
	var in []multiaddr.Multiaddr
	for i := range 3 * wire.MaxRecordAddrs {
		in = append(in, addrList(fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", i+1), fmt.Sprintf("/ip4/1.2.3.4/tcp/%d", i+1))...)
	}
	got := filterAddrs(in, mustID(idA), addrPolicy{classPublic})
	if len(got) != wire.MaxRecordAddrs {
		t.Fatalf("%d addresses, limit %d", len(got), wire.MaxRecordAddrs)
	}
	for i, a := range got {
		if !a.Equal(in[2*i+1]) {
			t.Errorf("address %d is %s, want %s", i, a, in[2*i+1])
		}
	}
}

// FuzzFilterAddrs: whatever parses as a multiaddr is judged without a panic, and what a third party may claim by the
// strict rule is public, holds no name to resolve and no second address.
func FuzzFilterAddrs(f *testing.F) {
	for _, s := range []string{"/ip4/1.2.3.4/tcp/1", "/dns4/a/tcp/1", "/p2p-circuit", onion3, "/ip6/64:ff9b::1/udp/1"} {
		f.Add(multiaddr.StringCast(s).Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := multiaddr.NewMultiaddrBytes(raw)
		if err != nil {
			return
		}
		connScope(a)
		for _, got := range filterAddrs([]multiaddr.Multiaddr{a}, mustID(idA), thirdPartyPolicy(classLoopback, false)) {
			if addrClass(got) != classPublic || strings.Contains(got.String(), "/dns") || strings.Count(got.String(), "/ip") != 1 {
				t.Errorf("%s was let through", got)
			}
		}
	})
}
