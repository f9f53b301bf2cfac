//go:build !race

package host

import (
	"flag"
	"sync/atomic"
	"testing"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

var dying = flag.Duration("dying", DefaultInterval, "the length of a round, by the clock of the budget of dials, in TestHalfOfFortyKilled")

// TestHalfOfFortyKilled: every sample is free of twenty peers of forty that die at once within the rounds that docs/design.md
// states, with the limits that users have. A peer that never answered a dial of ours is dialled six times a minute at most,
// which is once a round: a budget that gives less keeps the dead in samples (the control, rounds of 1.5 s).
func TestHalfOfFortyKilled(t *testing.T) {
	const peers, killed = 40, 20
	p := protocol.Hardened(40)
	run := func(round time.Duration) (free int, bound int) {
		var clock atomic.Int64
		b := newByHand(t, peers, p, func() corehost.Host { return newHost(t) }, WithLimits(Limits{PeerRate: Unlimited, PullBytes: Unlimited, Dials: Unlimited}))
		for _, s := range b.services {
			s.dialling.mu.Lock()
			s.dialling.now = func() time.Time { return time.Unix(1_700_000_000, clock.Load()) }
			s.dialling.mu.Unlock()
		}
		turn := func() {
			clock.Add(int64(round))
			b.round()
		}
		for range 25 {
			turn()
		}
		distinct := 0
		for _, s := range b.services {
			distinct = max(distinct, s.Snapshot().Node.SampleDistinct)
		}
		dead := b.kill(t, killed)
		held := func() (slots, most int) {
			for _, s := range b.services {
				ids := map[peer.ID]bool{}
				for _, slot := range s.Snapshot().Slots {
					if dead[slot.ID] {
						ids[slot.ID] = true
						slots++
					}
				}
				most = max(most, len(ids))
			}
			return slots, most
		}
		_, most := held()
		doubted := false
		slots := 1
		for free = 0; slots > 0 && free < 60; {
			turn()
			free++
			slots, _ = held()
			withheld := uint64(0)
			for _, s := range b.services {
				doubted = doubted || s.Snapshot().Node.Doubting
				withheld += s.dialling.dials.Load()
			}
			t.Logf("round %d: %d slots, %d dials withheld so far", free, slots, withheld)
		}
		bound = roundsToForget(p, distinct, most, doubted)
		t.Logf("rounds of %v: free of %d dead, up to %d of them in a sample of %d, after %d rounds, bound %d, self-doubt %v", round, killed, most, distinct, free, bound, doubted)
		return free, bound
	}
	if free, bound := run(*dying); free > bound {
		t.Errorf("samples are free of the dead after %d rounds, the bound is %d", free, bound)
	}
}
