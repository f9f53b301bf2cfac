package examples

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/adapters"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
)

// newHost makes a libp2p host on loopback that is closed with the test.
func newHost(t testing.TB) corehost.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func infoOf(h corehost.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

// join starts a sampler on h that knows those of seeds. It is closed with the test.
func join(t testing.TB, h corehost.Host, seeds ...corehost.Host) *brahmshost.Service {
	t.Helper()
	// A minute has hundreds of rounds here: what is dialled in vain at the start would not be dialled again in the test.
	opts := []brahmshost.Option{
		brahmshost.WithAllowPrivate(true), brahmshost.WithRoundInterval(100 * time.Millisecond),
		brahmshost.WithLimits(brahmshost.Limits{AddrDials: brahmshost.Unlimited}),
	}
	for _, seed := range seeds {
		opts = append(opts, brahmshost.WithBootstrap(infoOf(seed)))
	}
	svc, err := brahmshost.New(h, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Close() })
	return svc
}

// overlay starts n hosts with samplers, and one more whose sampler is returned when it has sampled all of them. In
// these tests that one runs beside the consumer, on a host of its own: all that connects the consumer is what its
// source gave it. A program has both on one host.
func overlay(t testing.TB, n int) (hosts []corehost.Host, svc *brahmshost.Service) {
	t.Helper()
	for range n {
		h := newHost(t)
		join(t, h, hosts[:min(1, len(hosts))]...)
		hosts = append(hosts, h)
	}
	svc = join(t, newHost(t), hosts[0])
	eventually(t, func() bool { return len(svc.Sample()) == n }, "a sample of %d", n)
	return hosts, svc
}

// bound makes a source of a service, which may be nil.
func bound(t testing.TB, svc *brahmshost.Service) *adapters.Source {
	t.Helper()
	src, err := adapters.New()
	if err != nil {
		t.Fatal(err)
	}
	if svc != nil {
		if err := src.Bind(svc); err != nil {
			t.Fatal(err)
		}
	}
	return src
}

// deadSeeds are peers that nobody is: their ports are closed.
func deadSeeds(t testing.TB, n int) (out []peer.AddrInfo) {
	t.Helper()
	for range n {
		h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, infoOf(h))
		h.Close()
	}
	return out
}

// connected counts those of hosts with which h has a connection.
func connected(h corehost.Host, hosts ...corehost.Host) (n int) {
	for _, other := range hosts {
		if h.Network().Connectedness(other.ID()) == network.Connected {
			n++
		}
	}
	return n
}

// eventually waits until cond holds and fails the test if it does not within a time that only a defect takes.
func eventually(t testing.TB, cond func() bool, format string, args ...any) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(40 * time.Second); !cond(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not come true: %s", fmt.Sprintf(format, args...))
		}
	}
}

// more starts n further hosts with samplers that know first.
func more(t testing.TB, first corehost.Host, n int) (hosts []corehost.Host) {
	t.Helper()
	for range n {
		h := newHost(t)
		join(t, h, first)
		hosts = append(hosts, h)
	}
	return hosts
}

// samples reports whether the sample of svc has all of hosts.
func samples(svc *brahmshost.Service, hosts ...corehost.Host) bool {
	in := make(map[peer.ID]bool)
	for _, p := range svc.Sample() {
		in[p.ID] = true
	}
	for _, h := range hosts {
		if !in[h.ID()] {
			return false
		}
	}
	return true
}
