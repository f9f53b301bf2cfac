package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/sampler"
	"github.com/brahms-p2p/brahms-p2p/view"
)

// errorRate is the chance that one of the statistical tests of this package fails with correct code and a seed picked
// blindly. The seeds are fixed, so they do not.
const errorRate = 1e-6

const self peer.ID = "self"

func names(prefix string, n int) []peer.ID {
	ids := make([]peer.ID, n)
	for i := range ids {
		ids[i] = peer.ID(fmt.Sprintf("%s%02d", prefix, i))
	}
	return ids
}

func newNode(t stattest.TB, p Params, bootstrap ...peer.ID) *Node {
	t.Helper()
	return newSeededNode(t, 1, p, bootstrap...)
}

func newSeededNode(t stattest.TB, seed uint64, p Params, bootstrap ...peer.ID) *Node {
	t.Helper()
	n, err := New(self, p, bootstrap, testRand(seed))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return n
}

// with returns p after the change.
func with(p Params, change func(*Params)) Params {
	change(&p)
	return p
}

// quiet returns hardened parameters with which all filled slots count and tombstones outlast a test.
func quiet(l int) Params {
	return with(Hardened(l), func(p *Params) { p.Maturity, p.Tombstone, p.Unverified = 0, 1000, 1000 })
}

// verify lets ids answer, as probes would.
func verify(n *Node, ids ...peer.ID) {
	for _, id := range ids {
		n.HandleProbeResult(id, Alive)
	}
}

func push(n *Node, ids ...peer.ID) {
	for _, id := range ids {
		n.HandlePush(id)
	}
}

func answer(t stattest.TB, n *Node, from peer.ID, ids ...peer.ID) {
	t.Helper()
	if err := n.HandlePullReply(from, ids); err != nil {
		t.Fatalf("reply of %s: %v", from, err)
	}
}

// exchange does the work of a round: whoever is alive answers, with that view, the others miss.
func exchange(t stattest.TB, n *Node, a Actions, alive func(peer.ID) bool, view ...peer.ID) {
	t.Helper()
	for _, id := range a.Pulls {
		if alive(id) {
			answer(t, n, id, view...)
		}
	}
	for _, ids := range [][]peer.ID{a.Pushes, a.Pulls, a.Probes} {
		for _, id := range ids {
			if alive(id) {
				n.HandleProbeResult(id, Alive)
			} else {
				n.HandleProbeResult(id, Missed)
			}
		}
	}
}

func nobody(peer.ID) bool   { return false }
func everyone(peer.ID) bool { return true }

func among(ids ...peer.ID) func(peer.ID) bool {
	return func(id peer.ID) bool { return slices.Contains(ids, id) }
}

func isDistinct(ids []peer.ID) bool {
	seen := map[peer.ID]bool{}
	for _, id := range ids {
		if seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}

func countIn(ids []peer.ID, in func(peer.ID) bool) (n int) {
	for _, id := range ids {
		if in(id) {
			n++
		}
	}
	return n
}

// presets runs test under both presets, for views of 20.
func presets(t *testing.T, test func(t *testing.T, p Params)) {
	for _, name := range Presets() {
		t.Run(name, func(t *testing.T) {
			p, err := Preset(name, 20)
			if err != nil {
				t.Fatal(err)
			}
			test(t, p)
		})
	}
}

func namerOf(id peer.ID) sampler.Namer { return sampler.Namer{ID: id} }

func distinct(ids []peer.ID) []peer.ID { return view.Distinct(ids) }
