package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/multiformats/go-multiaddr"
)

// TestInterrupted: what a signal ends before it was done is a failure, and prints nothing that looks like a result.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"swarm", "--json", "--peers", "3"}, "interrupted before the swarm was judged"},
		{[]string{"sim", "--json", "--nodes", "50"}, "interrupted before the simulation was over"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr bytes.Buffer
		if code := execute(ctx, append([]string{name}, c.args...), &stdout, &stderr); code != exitFailure {
			t.Errorf("%s: exit code %d, want %d", c.args[0], code, exitFailure)
		}
		if stdout.Len() > 0 || stderr.String() != name+": "+c.want+"\n" {
			t.Errorf("%s: stdout %q, stderr %q", c.args[0], &stdout, &stderr)
		}
	}
}

func TestBootstrapPeersMerge(t *testing.T) {
	const a, b = "12D3KooWLFiVEcpExyJTDDUZb9YF5rvivZxxjTRsM6MBUNWwf9wo", "12D3KooWH53mTb3LTBWaTTeP1NebAtkXqAcXvTmBELSZi7Jzr1Ft"
	infos, err := peersOf("bootstrap", []string{
		"/ip4/192.0.2.1/tcp/4001/p2p/" + a, "/dnsaddr/example.org/p2p/" + b, "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/" + a,
	})
	if err != nil {
		t.Fatal(err)
	}
	addrs := map[string]int{}
	for _, info := range infos {
		addrs[info.ID.String()] += len(info.Addrs)
	}
	if len(infos) != 2 || addrs[a] != 2 || addrs[b] != 1 {
		t.Errorf("%d peers with %v addresses, want 2 with 2 and 1", len(infos), addrs)
	}
	if _, err := peersOf("bootstrap", []string{"/ip4/192.0.2.1/tcp/4001/p2p/" + a + "/p2p-circuit"}); err == nil || !strings.Contains(err.Error(), "must end in /p2p/ID") {
		t.Errorf("a relayed address without its peer: error %v", err)
	}
}

func TestWidest(t *testing.T) {
	for _, c := range []struct {
		addrs []string
		want  string
	}{
		{nil, ""},
		{[]string{"/ip4/127.0.0.1/tcp/1"}, "/ip4/127.0.0.1/tcp/1"},
		{[]string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.168.0.7/tcp/1", "/ip4/10.0.0.7/tcp/1"}, "/ip4/192.168.0.7/tcp/1"},
		{[]string{"/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.7/tcp/1", "/ip4/8.8.8.8/tcp/1"}, "/ip4/8.8.8.8/tcp/1"},
	} {
		var addrs []multiaddr.Multiaddr
		for _, text := range c.addrs {
			addrs = append(addrs, multiaddr.StringCast(text))
		}
		got := ""
		if a := widest(addrs); a != nil {
			got = a.String()
		}
		if got != c.want {
			t.Errorf("widest of %v is %q, want %q", c.addrs, got, c.want)
		}
	}
}

// TestIdentityIsNotReplaced: of two peers that start at once with one new file, the later takes the key of the earlier.
func TestIdentityIsNotReplaced(t *testing.T) {
	file := t.TempDir() + "/key"
	first, err := identity(file)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := writeIdentity(file, other); err == nil {
		t.Error("a key was written over another")
	}
	again, err := identity(file)
	if err != nil {
		t.Fatal(err)
	}
	if !crypto.KeyEqual(first, again) {
		t.Error("the file holds another key now")
	}
}
