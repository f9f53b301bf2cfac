package host

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"
)

func TestTheUsersSeedsHaveEverySecondTurn(t *testing.T) {
	for _, c := range []struct{ bootstrap, found, want []peer.ID }{
		{nil, nil, nil},
		{[]peer.ID{"a", "b"}, nil, []peer.ID{"a", "b"}},
		{nil, []peer.ID{"x", "y"}, []peer.ID{"x", "y"}},
		{[]peer.ID{"a"}, []peer.ID{"x", "y", "z"}, []peer.ID{"a", "x", "a", "y", "a", "z"}},
		{[]peer.ID{"a", "b", "c"}, []peer.ID{"x"}, []peer.ID{"a", "x", "b", "x", "c", "x"}},
	} {
		if got := turns(c.bootstrap, c.found); !slices.Equal(got, c.want) {
			t.Errorf("turns(%v, %v)=%v, want %v", c.bootstrap, c.found, got, c.want)
		}
	}
}

// TestAcquaintances: those that answered us, or an earlier run, and that nothing uses; each alike, whatever the map's order.
func TestAcquaintances(t *testing.T) {
	b := newBook("self", true)
	add := func(from provenance, answered bool) peer.ID {
		signer := newRecordSigner(t)
		by := peer.ID("")
		if from != fromRestored {
			by = signer.id
		}
		if from == fromGossip {
			by = "namer"
		}
		if _, _, err := b.put(signer.seal(t, 1, "/ip4/192.168.1.7/tcp/1"), from, by, classPrivate); err != nil {
			t.Fatal(err)
		}
		if answered {
			b.locate(signer.id, addrList("/ip4/192.168.1.7/tcp/1")[0])
		}
		return signer.id
	}
	add(fromFirstHand, false) // it only pushed
	add(fromGossip, false)
	used := add(fromFirstHand, true)
	b.setPinned([]peer.ID{used})
	var want []peer.ID
	for range 3 {
		want = append(want, add(fromFirstHand, true), add(fromRestored, false))
	}
	counts := make([]int, len(want))
	for range 3000 {
		got := b.acquaintances(2)
		if len(got) != 2 || got[0] == got[1] {
			t.Fatalf("%v", got)
		}
		for _, id := range got {
			i := slices.Index(want, id)
			if i < 0 {
				t.Fatalf("%s is none", id)
			}
			counts[i]++
		}
	}
	for i, n := range counts { // 1000 each, sd 26: six of them off by 6 sd with 1e-8
		if n < 840 || n > 1160 {
			t.Errorf("drawn %v times, %d of them %s", counts, n, want[i])
		}
	}
	if got := b.acquaintances(100); len(got) != len(want) {
		t.Errorf("%d of %d", len(got), len(want))
	}
}

// TestRevisits: a service visits somebody of its book every 20 rounds although it knows others, and some at each try while
// it knows nobody.
func TestRevisits(t *testing.T) {
	for _, alone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			friends := peerNos(0, 6)
			net := newFakeNet(func(ctx context.Context, k kind, id peer.ID) answer {
				if slices.Contains(friends, id) && !alone {
					return yes(k, friends...)
				}
				return silence(ctx, 0)
			})
			s := fakeService(t, net, steady(WithAllowPrivate(true), WithBootstrap(infos(friends...)...))...)
			old := make(map[peer.ID]bool)
			for range 30 {
				signer := newRecordSigner(t)
				if _, _, err := s.book.put(signer.seal(t, 1, "/ip4/192.168.1.7/tcp/1"), fromRestored, "", classPrivate); err != nil {
					t.Fatal(err)
				}
				old[signer.id] = true
			}
			s.start()
			settle(400*second + second/2)
			visits, visited := 0, map[peer.ID]bool{}
			for _, c := range net.seen() {
				if old[c.id] && c.kind == pull {
					visits++
					visited[c.id] = true
				}
			}
			tries := s.Snapshot().Node.Tries
			s.Close()
			switch {
			case !alone && (visits < 8+19 || visits > 8+20): // 8 with its first try; its turn may fall on the last round
				t.Errorf("%d visits in 400 rounds", visits)
			case alone && (visits < 8*(tries-1) || visits > 8*tries || tries < 8 || len(visited) < 20):
				t.Errorf("%d visits to %d peers in %d tries", visits, len(visited), tries)
			}
		})
	}
}
