package consensus

import (
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
)

// TestServiceLimits: a real resource manager at its limits and one over; without SetDefaultServiceLimits libp2p's own
// are wider.
func TestServiceLimits(t *testing.T) {
	one := func(int) peer.ID { return testID(t, 1) }
	each := func(i int) peer.ID { return testID(t, i) }
	for about, c := range map[string]struct {
		ours     bool
		prefixes []string
		id       coreprotocol.ID
		dir      network.Direction
		from     func(int) peer.ID
		want     int
	}{
		"of one peer":                  {true, nil, PollID, network.DirInbound, one, maxInboundPerPeer},
		"of one peer, with a prefix":   {true, []string{"/app"}, "/app" + FetchID, network.DirInbound, one, maxInboundPerPeer},
		"to one peer":                  {true, nil, FetchID, network.DirOutbound, one, rcmgrOutboundPerPeer},
		"of all":                       {true, nil, PollID, network.DirInbound, each, rcmgrInbound},
		"of one peer, without our own": {false, nil, PollID, network.DirInbound, one, 64},
	} {
		limits := rcmgr.DefaultLimits
		if c.ours {
			SetDefaultServiceLimits(&limits, c.prefixes...)
		}
		m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Scale(4<<30, 4096)), rcmgr.WithMetricsDisabled())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() }) // after its streams are done: clean-ups run in reverse
		n := 0
		for ; n < 1000; n++ {
			st, err := m.OpenStream(c.from(n), c.dir)
			if err == nil {
				err = st.SetProtocol(c.id)
			}
			if err == nil {
				err = st.SetService(ServiceName)
			}
			if err == nil {
				err = st.ReserveMemory(maxRequest[ExchangePoll]+maxResponse[ExchangePoll], network.ReservationPriorityAlways)
			}
			if err != nil {
				if st != nil {
					st.Done()
				}
				if !errors.Is(err, network.ErrResourceLimitExceeded) {
					t.Fatal(err)
				}
				break
			}
			t.Cleanup(st.Done)
		}
		if c.ours && n != c.want || !c.ours && n < c.want {
			t.Errorf("%s: %d streams, want %d", about, n, c.want)
		}
	}
}
