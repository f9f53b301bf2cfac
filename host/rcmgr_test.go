package host

import (
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// newManager makes a real resource manager, with our limits or without.
func newManager(t testing.TB, ours bool, prefixes ...string) network.ResourceManager {
	t.Helper()
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	if ours {
		SetDefaultServiceLimits(&limits, prefixes...)
	}
	// A manager of a small machine: what its own scopes allow in all must not be what refuses.
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Scale(4<<30, 4096)), rcmgr.WithMetricsDisabled())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// openAll opens streams of one protocol, as libp2p and our handlers do, until one is refused, and returns how many there
// were.
func openAll(t testing.TB, m network.ResourceManager, id coreprotocol.ID, dir network.Direction, most, memory int, from func(int) peer.ID) int {
	t.Helper()
	return openAllOf(t, m, ServiceName, id, dir, most, memory, from)
}

// openAllOf is openAll with a service of that name; "": the streams never come so far.
func openAllOf(t testing.TB, m network.ResourceManager, service string, id coreprotocol.ID, dir network.Direction, most, memory int, from func(int) peer.ID) int {
	t.Helper()
	for i := range most {
		st, err := m.OpenStream(from(i), dir)
		if err == nil {
			err = st.SetProtocol(id)
		}
		if err == nil && service != "" {
			err = st.SetService(service)
		}
		if err == nil {
			err = st.ReserveMemory(memory, network.ReservationPriorityAlways)
		}
		if err != nil {
			if !errors.Is(err, network.ErrResourceLimitExceeded) {
				t.Fatal(err)
			}
			st.Done()
			return i
		}
		t.Cleanup(st.Done)
	}
	return most
}

// TestServiceLimits: a real resource manager at its limits and one over, by peer, by protocol and in all; without
// SetDefaultServiceLimits libp2p's own are far wider.
func TestServiceLimits(t *testing.T) {
	protocols := []string{protocol.PushID, protocol.PullID, protocol.ProbeID}
	in, out := network.DirInbound, network.DirOutbound
	for _, id := range protocols {
		id := coreprotocol.ID(id)
		if n := openAll(t, newManager(t, true), id, in, 100, wire.MaxPushRequest, same("a")); n != rcmgrInboundPerPeer {
			t.Errorf("%s: %d streams of one peer, want %d", id, n, rcmgrInboundPerPeer)
		}
		if n := openAll(t, newManager(t, false), id, in, 64, wire.MaxPushRequest, same("a")); n != 64 {
			t.Errorf("%s: %d streams of one peer without our limits, want 64", id, n)
		}
		if n := openAll(t, newManager(t, true), id, out, 100, wire.MaxPullResponse, same("a")); n != rcmgrOutboundPerPeer {
			t.Errorf("%s: %d streams to one peer, want %d", id, n, rcmgrOutboundPerPeer)
		}
		if n := openAll(t, newManager(t, true), id, in, 1000, 1, peerNo); n != rcmgrInbound {
			t.Errorf("%s: %d streams of all peers, want %d", id, n, rcmgrInbound)
		}
		if n := openAll(t, newManager(t, true, "/app"), "/app"+id, in, 100, 1, same("a")); n != rcmgrInboundPerPeer {
			t.Errorf("/app%s: %d streams of one peer, want %d", id, n, rcmgrInboundPerPeer)
		}
	}
	// The service as a whole, over all protocols.
	m, sum := newManager(t, true), 0
	for _, id := range protocols {
		sum += openAll(t, m, coreprotocol.ID(id), in, 1000, 1, func(i int) peer.ID { return peerNo(i) + peer.ID(id) })
	}
	if sum != rcmgrInboundOfAll {
		t.Errorf("%d streams in all, want %d", sum, rcmgrInboundOfAll)
	}
	m, sum = newManager(t, true), 0
	for _, id := range protocols {
		sum += openAll(t, m, coreprotocol.ID(id), in, 100, 1, same("a"))
	}
	if sum != maxInboundPerPeer {
		t.Errorf("%d streams of one peer in all, want %d", sum, maxInboundPerPeer)
	}
	// Memory, of one peer and of all: for these it grows with the machine, by as much for each of its 4 GiB.
	const half = rcmgrMemoryPerPeer / 2
	if n := openAll(t, newManager(t, true), protocol.PullID, in, 100, half, same("a")); n != 2 {
		t.Errorf("%d streams with half of a peer's memory each, want 2", n)
	}
	if n := openAll(t, newManager(t, false), protocol.PullID, in, 100, half, same("a")); n <= 2 {
		t.Errorf("%d streams with half of a peer's memory each without our limits", n)
	}
	if n, want := openAll(t, newManager(t, true), protocol.PullID, in, 1000, rcmgrMemoryPerPeer, peerNo), 5*rcmgrMemory/rcmgrMemoryPerPeer; n != want {
		t.Errorf("%d peers with all of their memory, want %d", n, want)
	}
	// The protocol's and the service's limits of memory are the same: each holds where the other does not.
	if n := openAllOf(t, newManager(t, true), "", protocol.PullID, in, 100, half, same("a")); n != 2 {
		t.Errorf("%d streams of a protocol with half of a peer's memory each, want 2", n)
	}
	if n, want := openAllOf(t, newManager(t, true), "", protocol.PullID, in, 1000, rcmgrMemoryPerPeer, peerNo), 5*rcmgrMemory/rcmgrMemoryPerPeer; n != want {
		t.Errorf("%d peers with all of their memory in a protocol, want %d", n, want)
	}
	m, sum = newManager(t, true), 0
	for _, id := range protocols {
		sum += openAll(t, m, coreprotocol.ID(id), in, 1, half, same("a"))
	}
	if sum != 2 {
		t.Errorf("%d protocols with half of a peer's memory each, want 2", sum)
	}
	m, sum = newManager(t, true), 0
	for _, id := range protocols {
		sum += openAll(t, m, coreprotocol.ID(id), in, 70, rcmgrMemoryPerPeer, func(i int) peer.ID { return peerNo(i) + peer.ID(id) })
	}
	if sum != 5*rcmgrMemory/rcmgrMemoryPerPeer {
		t.Errorf("%d peers over all protocols with all of their memory, want %d", sum, 5*rcmgrMemory/rcmgrMemoryPerPeer)
	}
	// What our own workers need at once by default is there.
	cfg, err := newConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := openAll(t, newManager(t, true), protocol.PullID, out, cfg.workers, wire.MaxPullResponse, peerNo); n != cfg.workers {
		t.Errorf("%d pulls of ours at once, want %d", n, cfg.workers)
	}
}

// TestServiceLimitsOnHost: two services whose hosts have such a manager find and sample each other.
func TestServiceLimitsOnHost(t *testing.T) {
	ha := newHost(t, libp2p.ResourceManager(newManager(t, true)))
	hb := newHost(t, libp2p.ResourceManager(newManager(t, true)))
	a, b := join(t, ha), join(t, hb, at(ha))
	met(t, a, b)
	for _, s := range []*Service{a, b} {
		if r := s.Status().Refused; r["no_resources"]+r["rate_limited"] != 0 {
			t.Errorf("refused: %v", r)
		}
	}
}
