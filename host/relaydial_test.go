package host

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestDeadRelayIsAMissForAll: each probe of each peer behind a relay that has died is a miss, although libp2p has just
// found the relay dead, and there are more probes than an address may be dialled without an answer in a minute. Before,
// each was alive.
func TestDeadRelayIsAMissForAll(t *testing.T) {
	t.Parallel()
	r := newHost(t, libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic())
	circuit := []multiaddr.Multiaddr{multiaddr.StringCast(r.Addrs()[0].String() + "/p2p/" + r.ID().String() + "/p2p-circuit")}
	asker := join(t, newHost(t))
	var behind []*Service
	for range 3 {
		h := newHost(t, libp2p.NoListenAddrs, libp2p.EnableRelay())
		if _, err := client.Reserve(t.Context(), h, peer.AddrInfo{ID: r.ID(), Addrs: r.Addrs()}); err != nil {
			t.Fatal(err)
		}
		s := join(t, h)
		asker.host.Peerstore().AddAddrs(s.self, circuit, 1<<40)
		behind = append(behind, s)
	}
	// The asker calls one of them alone, and by that the relay.
	if a := asker.net.exchange(t.Context(), probe, behind[0].self); a.outcome != protocol.Alive {
		t.Fatalf("%v: %v", a.err, a.outcome)
	}
	r.Close()
	eventually(t, func() bool {
		return asker.host.Network().Connectedness(behind[0].self) == network.NotConnected &&
			asker.host.Network().Connectedness(r.ID()) == network.NotConnected
	}, "the asker sees the relay go")
	for i := range DefaultAddrDials {
		for _, s := range behind {
			if a := asker.net.exchange(t.Context(), probe, s.self); a.outcome != protocol.Missed {
				t.Errorf("probe %d: %v: %v, want a miss", i, a.err, a.outcome)
			}
		}
	}
}

// A relay that has answered us is no victim of those who name it. Controls: another port of its machine, and a relay that
// has not answered.
func TestRelayThatAnsweredIsNoVictim(t *testing.T) {
	relay := newRecordSigner(t).id
	at := func(port int, relay peer.ID) string {
		return fmt.Sprintf("/ip4/1.2.3.4/tcp/%d/p2p/%s/p2p-circuit", port, relay)
	}
	for _, c := range []struct {
		addr string
		free bool
	}{{at(1, relay), true}, {at(2, relay), false}, {at(1, newRecordSigner(t).id), false}} {
		d, _ := newTestBudget(Limits{PrefixDials: Unlimited, Dials: Unlimited}, false)
		first, ok := d.begin(newID(), addrList(at(1, relay)), nil, false)
		if !ok {
			t.Fatal("not let through")
		}
		d.proveRelays(first, func(id peer.ID, s socket) bool { return id == relay })
		n := 0
		for range 10 * DefaultIPDials {
			n += dialOnce(d, true, c.addr)
		}
		if free := n == 10*DefaultIPDials; free != c.free {
			t.Errorf("%s: %d dials, want all: %v", c.addr, n, c.free)
		}
	}
}
