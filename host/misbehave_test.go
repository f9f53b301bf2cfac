package host

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// listed notes offences of n peers each at the addresses that addr gives, and returns who is named, by address.
func listed(o *offences, n int, addr func(int) string) map[string]int {
	for i := range n {
		o.note(origin{peer: newID(), addr: addrList(addr(i))[0], protocol: "p"}, ReasonBadFrame)
	}
	by := make(map[string]int)
	for _, e := range o.list {
		by[e.Addr.String()]++
	}
	return by
}

// A crowd behind one relay does not hide who comes after it from other addresses; those share the places.
func TestOffendersOfACrowd(t *testing.T) {
	relay := "/ip4/9.9.9.9/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"
	o := newOffences()
	if by := listed(o, 1000, always(relay)); by[relay] != MaxOffenders {
		t.Errorf("%d of the crowd are named, want %d", by[relay], MaxOffenders)
	}
	if by := listed(o, 1, always(pub1)); by[pub1] != 1 || len(o.list) != MaxOffenders {
		t.Errorf("%d of another address among %d", by[pub1], len(o.list))
	}
	if by := listed(o, 1000, always(lanAddr)); by[lanAddr] < 31 || by[relay] < 31 || by[pub1] != 1 {
		t.Errorf("places: %v", by)
	}
	seen := make(map[peer.ID]bool)
	list, n := o.take(7)
	for i, e := range list {
		if seen[e.Peer] || e.Round != 7 || e.Count != 1 {
			t.Errorf("entry %d: %+v", i, e)
		}
		seen[e.Peer] = true
	}
	if n != 2001 || len(list) != MaxOffenders || len(o.list)+len(o.index)+len(o.at)+o.more != 0 {
		t.Errorf("%d offences, %d named, %d left behind", n, len(list), len(o.list)+len(o.index)+len(o.at)+o.more)
	}
}

// Where more machines offend than there are places, each is named equally often, first or last.
func TestOffendersAreDrawn(t *testing.T) {
	const runs, machines = 2000, 4 * MaxOffenders
	first, last := 0, 0
	o := newOffences()
	o.rng = stattest.Rand(4)
	addr := func(i int) string { return fmt.Sprintf("/ip4/1.2.%d.%d/tcp/1", i>>8, i&255) }
	for range runs {
		by := listed(o, machines, addr)
		first += by[addr(0)]
		last += by[addr(machines-1)]
		o.take(1)
	}
	stattest.RequireBinomial(t, first, runs, .25, 1e-6, 4)
	stattest.RequireBinomial(t, last, runs, .25, 1e-6, 4)
}
