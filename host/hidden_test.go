package host

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestHiddenPeerIsForgotten: a peer that has lost its last address is dropped by who knows it over a connection of its own
// dialling, and is back when it has one again. Control: who dialled it keeps it.
func TestHiddenPeerIsForgotten(t *testing.T) {
	t.Parallel()
	for name, reached := range map[string]bool{"over its own connection": false, "over one of theirs": true} {
		t.Run(name, func(t *testing.T) {
			ha, hb := newHost(t), newHost(t)
			if reached {
				if err := ha.Connect(t.Context(), peer.AddrInfo{ID: hb.ID(), Addrs: hb.Addrs()}); err != nil {
					t.Fatal(err)
				}
			}
			a := join(t, ha)
			b := join(t, hb, at(ha))
			met(t, a, b)
			own := b.own.Swap(nil)
			if reached {
				for range 10 {
					passed(t, a, 1)
					met(t, a, b)
				}
				return
			}
			eventually(t, func() bool { return !holds(a, b.self) }, "the hidden peer is forgotten")
			for range 10 {
				passed(t, a, 1)
				if holds(a, b.self) {
					t.Error("the hidden peer is held again")
				}
				if !samples(b, a.self) {
					t.Error("the hidden peer has lost the other")
				}
			}
			if n := a.Snapshot().Node.Deaths; n != 0 {
				t.Errorf("%d deaths", n)
			}
			b.own.Store(own)
			met(t, a, b)
		})
	}
}
