package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Small networks are the first thing a user sees. Their rounds are never "kept" once they run, their dead are dropped,
// and who comes back is found.
func TestSmallNetworks(t *testing.T) {
	for _, size := range []int{2, 3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			net := newTestNet(size, 0, with(Hardened(40), func(p *Params) { p.SeedEvery = 5 }), 1)
			for _, id := range net.ids {
				net.nodes[id].SetSeeds(net.ids[:1])
			}
			step := func(rounds int) {
				for range rounds {
					net.round()
					for _, id := range net.correct() {
						if o := net.nodes[id].Status().Outcome; o.Kept() && net.nodes[id].round > 3 {
							t.Fatalf("round %d: %v", net.nodes[id].round, o)
						}
					}
				}
			}
			knows := func(want int) {
				t.Helper()
				for _, id := range net.correct() {
					s := net.nodes[id].Status()
					if s.ViewDistinct != want || s.SampleDistinct != want || want > 0 && s.ViewLen != 40 {
						t.Fatalf("%s: view of %d, %d distinct, %d sampled; want all %d others", id, s.ViewLen, s.ViewDistinct, s.SampleDistinct, want)
					}
				}
			}
			step(10)
			knows(size - 1)

			gone := net.ids[size-1]
			node := net.nodes[gone]
			net.kill(gone)
			step(net.nodes[net.ids[0]].p.Misses + 2)
			knows(size - 2)
			if size == 2 && net.nodes[net.ids[0]].Status().Outcome != Alone {
				t.Errorf("the one that is left is %v", net.nodes[net.ids[0]].Status().Outcome)
			}
			step(20)

			net.nodes[gone] = node // it comes back with the state that it had
			delete(net.dead, gone)
			step(10)
			knows(size - 1)
		})
	}
}

// TestLossInASmallNetwork: at 20% loss some die by mistake and are back at once.
func TestLossInASmallNetwork(t *testing.T) {
	net := newTestNet(3, 0, Hardened(40), 2)
	net.loss = .2
	known, rounds := 0, 0
	for range 200 {
		net.round()
		for _, id := range net.correct() {
			known += net.nodes[id].Status().ViewDistinct
			rounds++
		}
	}
	if share := float64(known) / float64(2*rounds); share < .9 {
		t.Errorf("at 20%% loss the views hold %.2f of the others, want .9 and more", share)
	}
}

// TestTheKilledLeaveEverySample: with 30% of a network of 64 killed at once, every sample is free of them within
//
//	ceil(distinct/probes) + ceil(dead/maxdeaths) + 1 rounds, and 3 more where self-doubt strikes.
func TestTheKilledLeaveEverySample(t *testing.T) {
	for seed := range uint64(3) {
		p := Hardened(40)
		net := newTestNet(64, 0, p, seed+5)
		for range 30 {
			net.round()
		}
		for _, id := range net.ids[:19] {
			net.kill(id)
		}
		type watch struct{ bound, doubted, free int }
		watched := map[peer.ID]*watch{}
		isDead := func(id peer.ID) bool { return net.dead[id] }
		for _, id := range net.correct() {
			members := net.nodes[id].sample.Members()
			ceil := func(a, b int) int { return (a + b - 1) / b }
			watched[id] = &watch{bound: ceil(len(members), p.Probes) + ceil(countIn(members, isDead), p.MaxDeaths) + 1}
		}
		worst := -99
		for round := 1; round <= 25; round++ {
			net.round()
			for id, w := range watched {
				if net.nodes[id].Status().Doubting {
					w.doubted = p.DoubtRounds
				}
				if countIn(net.nodes[id].sample.Members(), isDead) > 0 {
					w.free = 0
				} else if w.free == 0 {
					w.free = round
					worst = max(worst, round-w.bound-w.doubted)
				}
			}
		}
		for id, w := range watched {
			if w.free == 0 || w.free > w.bound+w.doubted {
				t.Errorf("seed %d: %s is free of the dead in round %d, want %d+%d", seed, id, w.free, w.bound, w.doubted)
			}
		}
		t.Logf("seed %d: the slowest node stays %d rounds below its bound", seed, -worst)
	}
}

// TestADeadSeedIsNoCompany: a node whose first contacts never answer is alone, and asks them again; one answer ends that.
func TestADeadSeedIsNoCompany(t *testing.T) {
	n := newNode(t, with(Hardened(20), func(p *Params) { p.AloneWait = 1 }), "seed")
	for round := range 30 {
		a := n.Tick()
		if a.Outcome != Alone || !slices.Contains(a.Pulls, "seed") {
			t.Fatalf("round %d: %v, pulls from %v", round, a.Outcome, a.Pulls)
		}
		miss(n, "seed")
	}
	verify(n, "seed")
	if a := n.Tick(); a.Outcome == Alone {
		t.Error("a node whose seed has answered is alone")
	}
}
