package host

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// trayOf publishes a snapshot of s whose tray holds these peers, and whose sample holds those.
func trayOf(s *Service, fresh, sampled []peer.ID) {
	snap := *s.Snapshot()
	snap.tray, snap.drawn = &tray{}, infos(sampled...)
	for _, p := range infos(fresh...) {
		snap.tray.picks = append(snap.tray.picks, pick{p, new(atomic.Bool)})
	}
	s.published.Store(&snap)
}

// TestChoosersDoNotBiasOthers: one consumer wants peers of a tenth of the network and another takes what is left of the
// bank. The latter's are of that tenth as often as anybody. Negative control: with those put back that the first did
// not want, they are so less often by far.
func TestChoosersDoNotBiasOthers(t *testing.T) {
	const n, slots, trials, seed = 1000, 40, 2000, 61
	for _, putBack := range []bool{false, true} {
		rng := stattest.Rand(seed)
		s := fakeService(t, newFakeNet(nil))
		wanted := func(p peer.AddrInfo) bool { return p.ID < peerNo(n/10) }
		counts := make([]int, n/10) // how often each of the tenth was chosen
		left, of := 0, 0
		for range trials {
			fresh := draw(rng, n, slots)
			trayOf(s, fresh, nil)
			got := s.RandomWhere(3, wanted)
			chosen := make(map[peer.ID]bool)
			for _, p := range got {
				chosen[p.ID] = true
				counts[indexOf(p.ID)]++
			}
			rest := s.Random(slots)
			if putBack {
				rest = nil
				for _, id := range fresh {
					if !chosen[id] {
						rest = append(rest, peer.AddrInfo{ID: id})
					}
				}
			}
			for _, p := range rest {
				of++
				if wanted(p) {
					left++
				}
			}
		}
		lo, hi := stattest.BinomialBounds(of, .1, 1e-6)
		if fair := left >= lo && left <= hi; fair == putBack {
			t.Errorf("put back %v: %d of %d that others got are of the tenth, a fair share is %d to %d", putBack, left, of, lo, hi)
		}
		stattest.RequireUniform(t, counts, 1e-6, seed)
	}
}

// draw draws k ids of n with replacement, as slots of a bank hold them.
func draw(rng *rand.Rand, n, k int) (out []peer.ID) {
	for range k {
		out = append(out, peerNo(rng.IntN(n)))
	}
	return out
}

// indexOf is the inverse of peerNo, for i below 10,000.
func indexOf(id peer.ID) (i int) {
	for _, c := range id[5:9] {
		i = 10*i + int(c-'0')
	}
	return i
}

// TestRandomWhere: what it looks at is bounded, used up, and each peer is judged once; then it looks at the sample.
func TestRandomWhere(t *testing.T) {
	s := fakeService(t, newFakeNet(nil), WithBank(40))
	judged := make(map[peer.ID]int)
	keep := func(from int) func(peer.AddrInfo) bool {
		clear(judged)
		return func(p peer.AddrInfo) bool { judged[p.ID]++; return p.ID >= peerNo(from) }
	}
	for _, c := range []struct {
		about          string
		fresh, sampled []peer.ID
		from, n        int
		want, left     int // peers, and what is left of the bank
	}{
		{"all are wanted", peerNos(0, 10), nil, 0, 3, 3, 7},
		{"nobody is", peerNos(0, 20), peerNos(100, 120), 200, 3, 0, 20 - 3*WhereLooks},
		{"the sample has them", peerNos(0, 20), peerNos(100, 120), 100, 3, 3, 20 - 3*WhereLooks},
		{"the sample has some", nil, peerNos(100, 120), 118, 3, 2, 0},
		{"the same in both", peerNos(0, 3), peerNos(0, 3), 0, 10, 3, 0},
		{"none", peerNos(0, 3), peerNos(0, 3), 0, 0, 0, 3},
		{"less than none", peerNos(0, 3), peerNos(0, 3), 0, -5, 0, 3},
	} {
		trayOf(s, c.fresh, c.sampled)
		got := s.RandomWhere(c.n, keep(c.from))
		if left := s.Snapshot().tray.left(); len(got) != c.want || left != c.left {
			t.Errorf("%s: %d peers, %d left in the bank, want %d and %d", c.about, len(got), left, c.want, c.left)
		}
		for id, n := range judged {
			if n != 1 {
				t.Errorf("%s: %s was judged %d times", c.about, id, n)
			}
		}
		seen := make(map[peer.ID]bool)
		for _, p := range got {
			if seen[p.ID] || p.ID < peerNo(c.from) {
				t.Errorf("%s: %s comes twice, or is not wanted", c.about, p.ID)
			}
			seen[p.ID] = true
		}
	}
	trayOf(s, peerNos(0, 5), nil)
	if got := s.RandomWhere(5, nil); len(got) != 5 {
		t.Errorf("without a predicate: %v", got)
	}
}

// TestLookup knows seeds and who has a record, and nobody else.
func TestLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := peer.AddrInfo{ID: peerNo(1), Addrs: addrList("/ip4/192.0.2.7/tcp/4001")}
		s := fakeService(t, newFakeNet(nil), WithBootstrap(seed))
		signer := newRecordSigner(t)
		mustPut(t, s.book, signer.seal(t, 1, "/ip4/8.8.8.8/tcp/4001"), fromFirstHand, signer.id, putAdded)
		for id, want := range map[peer.ID]string{seed.ID: "/ip4/192.0.2.7/tcp/4001", signer.id: "/ip4/8.8.8.8/tcp/4001"} {
			if got, ok := s.Lookup(id); !ok || got.ID != id || len(got.Addrs) != 1 || got.Addrs[0].String() != want {
				t.Errorf("%v, %v, want %s", got, ok, want)
			}
		}
		if got, ok := s.Lookup(peerNo(2)); ok {
			t.Errorf("it knows a stranger: %v", got)
		}
		s.Close()
	})
}
