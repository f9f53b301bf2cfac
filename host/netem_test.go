//go:build netem && !race

package host

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/libp2p/go-libp2p"
	corehost "github.com/libp2p/go-libp2p/core/host"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestNetem is what tools/netem.sh runs in a network of its own, where the kernel drops packets of a fifth of the links
// among the UDP ports from BRAHMS_NETEM_PORT on: 20 peers over QUIC declare nobody dead. How many exchanges fail depends on
// what QUIC repeats in time, so it is told and not judged.
func TestNetem(t *testing.T) {
	first, err := strconv.Atoi(os.Getenv("BRAHMS_NETEM_PORT"))
	if err != nil {
		t.Fatal("run tools/netem.sh, which sets up the network")
	}
	rounds, err := strconv.Atoi(os.Getenv("BRAHMS_NETEM_ROUNDS"))
	if err != nil || rounds < 1 {
		t.Fatal("run tools/netem.sh, which says how many rounds")
	}
	next := first
	b := newByHand(t, 20, protocol.Hardened(40), func() corehost.Host {
		addr := fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", next)
		next++
		return newHost(t, libp2p.NoListenAddrs, libp2p.ListenAddrStrings(addr))
	}) // with the default timeouts: on a busy machine shorter ones measure the machine
	deaths, postponed, suspects := 0, 0, 0
	for range rounds {
		b.round()
		deaths += b.deaths()
		for _, s := range b.services {
			n := s.Snapshot().Node
			postponed += n.Postponed
			suspects += n.Suspects
		}
	}
	t.Logf("%d rounds of 20 peers: %d suspects, %d deaths put off, %d dead", rounds, suspects, postponed, deaths)
	if deaths != 0 {
		t.Errorf("%d live peers were declared dead", deaths)
	}
	for _, s := range b.services {
		if n := len(s.Sample()); n < 10 {
			t.Errorf("%s samples %d of 19 peers", s.self, n)
		}
	}
}
