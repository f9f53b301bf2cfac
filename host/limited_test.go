package host

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// TestServedOverALimitedConnection: what we answer over a relayed connection is what the asker takes there, and counts less of
// the few bytes that the connection has. Control: over another connection the same view is larger.
func TestServedOverALimitedConnection(t *testing.T) {
	s := memService(t, WithViewSize(256), WithLimits(Limits{PullBytes: Unlimited}))
	var addrs []string
	for i := range wire.MaxRecordAddrs {
		addrs = append(addrs, fmt.Sprintf("/ip4/10.0.0.2/udp/%d/quic-v1", 4001+i))
	}
	snap := *s.Snapshot()
	for range 150 {
		p := newRecordSigner(t)
		if _, _, err := s.book.put(p.seal(t, 1, addrs...), fromFirstHand, p.id, classPrivate); err != nil {
			t.Fatal(err)
		}
		snap.View = append(snap.View, p.id)
	}
	s.publish(&snap)
	for _, leaving := range []bool{false, true} {
		if leaving {
			s.sayGoodbye()
		}
		for limited, most := range map[bool]int{false: wire.MaxPullResponse, true: wire.MaxPullResponseLimited} {
			st := newMemStream(peer.ID(fmt.Sprint(leaving, limited)), aliceAddr, []byte{0})
			st.conn.stats.Limited = limited
			serve(s, pull, st)
			frame, err := wire.ReadFrame(&st.out, most)
			if err != nil {
				t.Fatalf("leaving %v, limited %v: %v", leaving, limited, err)
			}
			res, err := wire.DecodePullResponse(frame)
			if err != nil || len(res.Entries) == 0 {
				t.Errorf("leaving %v, limited %v: %d entries, %v", leaving, limited, len(res.Entries), err)
			}
			if whole := len(res.Entries) == len(snap.View); whole == limited || !limited && len(frame) <= wire.MaxPullResponseLimited {
				t.Errorf("leaving %v, limited %v: %d of %d entries, %d bytes", leaving, limited, len(res.Entries), len(snap.View), len(frame))
			}
		}
	}
}
