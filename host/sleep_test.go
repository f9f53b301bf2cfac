package host

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

func TestSleepLooksAtBothClocks(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		name       string
		mono, wall []time.Duration // since the start, at each look
		want       []bool
	}{
		{"nothing", []time.Duration{0, 10, 20}, []time.Duration{0, 10, 20}, []bool{false, false, false}},
		{"asleep", []time.Duration{0, 10, 20, 30}, []time.Duration{0, 10, 3620, 3630}, []bool{false, false, true, false}},
		{"twice", []time.Duration{0, 1, 2}, []time.Duration{0, 60, 120}, []bool{false, true, true}},
		{"a second more", []time.Duration{0, 10, 20}, []time.Duration{0, 11, 22}, []bool{false, false, false}},
		{"set back", []time.Duration{0, 10, 20}, []time.Duration{0, -3600, -3590}, []bool{false, false, false}},
		{"set back and right again", []time.Duration{0, 10, 20}, []time.Duration{0, -3600, 20}, []bool{false, false, true}},
		{"the other clock goes on", []time.Duration{0, 3600}, []time.Duration{0, 3600}, []bool{false, false}},
	} {
		var z sleep
		for i := range c.mono {
			if got := z.look(start.Add(c.mono[i]*time.Second), start.Add(c.wall[i]*time.Second), 10*time.Second); got != c.want[i] {
				t.Errorf("%s, look %d: %v", c.name, i, got)
			}
		}
	}
}

// A nap is a service of 20 peers that all answered for 40 rounds. Then, at 40.3 s, something happens to it, and most of
// its exchanges fail for the next five seconds, as those over connections do whose other ends have gone.
type nap struct {
	s      *Service
	jump   atomic.Int64 // of the wall clock
	broken atomic.Bool
	opened time.Time // of the connections that are broken
}

// takeNap returns what was declared dead within 30 rounds, and the service's round at the end.
func takeNap(t *testing.T, happen func(*nap)) (tombstones int, sampled int) {
	synctest.Test(t, func(t *testing.T) {
		n := &nap{opened: time.Now()}
		ids := peerNos(0, 20)
		net := newFakeNet(func(_ context.Context, k kind, id peer.ID) answer {
			if n.broken.Load() && id >= peerNo(5) { // some were dialled anew
				return answer{outcome: protocol.Missed, opened: n.opened}
			}
			return yes(k, ids...)
		})
		n.s = fakeService(t, net, steady(WithBootstrap(infos(ids...)...), WithSampleSize(400))...)
		n.s.cfg.wall = func() time.Time { return time.Now().Round(0).Add(time.Duration(n.jump.Load())) }
		n.s.start()
		settle(40*second + 3*second/10)
		if got := len(n.s.Sample()); got != 20 {
			t.Fatalf("%d of 20 sampled", got)
		}
		happen(n)
		n.broken.Store(true) // last: who sees it sees the rest
		settle(5 * second)
		n.broken.Store(false)
		for range 3 {
			settle(second)
			snap := n.s.Snapshot()
			tombstones, sampled = max(tombstones, snap.Node.Tombstones), snap.Node.SampleDistinct
		}
		n.s.Close()
	})
	return tombstones, sampled
}

// TestSleepKillsNobody: after hours of sleep connections of before fail for a while. Nobody dies of that. Where the clock
// did not jump the same failures are deaths: the negative control.
func TestSleepKillsNobody(t *testing.T) {
	if dead, sampled := takeNap(t, func(n *nap) { n.jump.Store(int64(3 * time.Hour)) }); dead != 0 || sampled != 20 {
		t.Errorf("%d died of a sleep, %d of 20 are sampled", dead, sampled)
	}
	if dead, _ := takeNap(t, func(*nap) {}); dead == 0 {
		t.Error("the negative control does not show: nobody died")
	}
	// Connections that are newer than the sleep prove what they always do.
	if dead, _ := takeNap(t, func(n *nap) {
		n.jump.Store(int64(3 * time.Hour))
		n.opened = time.Now().Add(time.Hour)
	}); dead == 0 {
		t.Error("misses over new connections are excused too")
	}
}

// TestOldConnectionsAreNotExcusedForEver: whoever keeps one open and is mute dies, some rounds later than others.
func TestOldConnectionsAreNotExcusedForEver(t *testing.T) {
	dead, _ := takeNap(t, func(n *nap) {
		n.jump.Store(int64(3 * time.Hour))
		settle((staleRounds + 2) * second)
	})
	if dead == 0 {
		t.Error("mute peers with old connections live for ever")
	}
}

// TestClockSetBack: nothing happens.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump atomic.Int64
		var r rounds
		s := fakeService(t, newFakeNet(nil), steady(WithBootstrap(infos(peerNos(0, 5)...)...), WithRoundHook(r.take))...)
		s.cfg.wall = func() time.Time { return time.Now().Round(0).Add(time.Duration(jump.Load())) }
		s.start()
		settle(10 * second)
		jump.Store(int64(-5 * time.Hour))
		settle(10*second + second/2)
		if !s.loop.sleep.woke.IsZero() || s.Snapshot().Round != 20 {
			t.Errorf("woke at %v, round %d after 20.5 s", s.loop.sleep.woke, s.Snapshot().Round)
		}
		s.Close()
	})
}

// TestStoppedPeer: one of twelve is stopped for 2 minutes of rounds, as by SIGSTOP. What was under way when it was stopped
// fails, and it holds nobody for dead because of it; its rounds go on without a burst. The others drop it, and have it
// again within 10 rounds of its return.
func TestStoppedPeer(t *testing.T) {
	const stop = 12 * second
	synctest.Test(t, func(t *testing.T) {
		sw := newFakeSwarm(t, 12, second/10)
		id := peerNo(20)
		var stopAt atomic.Uint64
		deaths, doubts := 0, 0
		var ticks []time.Time
		sw.mu.Lock()
		sw.dead[id] = false
		sw.mu.Unlock()
		stopped := sw.join(t, id, WithBootstrap(infos(peerNo(0))...), WithJitter(0, nil), WithRoundHook(func(snap *Snapshot) {
			ticks = append(ticks, time.Now())
			deaths += snap.Node.Deaths
			if snap.Node.Doubting {
				doubts++
			}
			if snap.Round == stopAt.Load() {
				after(stop)
			}
		}))
		after(60*second + second/3)
		if sw.holders(id) != 12 {
			t.Fatalf("%d of 12 hold it", sw.holders(id))
		}
		stopAt.Store(stopped.Snapshot().Round + 1)
		settle(second)
		sw.mu.Lock()
		sw.dead[id] = true // nobody hears it, and nobody it asks is heard
		sw.cut = func(a, b peer.ID) bool { return a == id }
		sw.mu.Unlock()
		settle(stop - second/10)
		if n := sw.holders(id); n != 0 {
			t.Errorf("%d still hold one that was stopped for %v", n, stop)
		}
		sw.mu.Lock()
		sw.cut, sw.dead[id] = nil, false
		sw.mu.Unlock()
		resumed := time.Now().Add(second / 10)
		settle(10*second + second/10)
		if n := sw.holders(id); n != 12 {
			t.Errorf("%d of 12 hold it 10 rounds after its return", n)
		}
		if deaths != 0 {
			t.Errorf("it declared %d dead", deaths)
		}
		ticks = slices.DeleteFunc(slices.Clone(ticks), func(at time.Time) bool { return at.Before(resumed) })
		if len(ticks) < 10 || len(ticks) > 11 {
			t.Errorf("%d rounds ended in the 10 s after its return: %v", len(ticks), ticks)
		}
		sw.close()
	})
}

// TestLateRoundsAreNoSleep: rounds that are late all the time, as on a busy machine, do not keep the dead alive.
func TestLateRoundsAreNoSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const round = second / 10
		live, dead := peerNos(0, 9), peerNo(9)
		var broken atomic.Bool
		net := newFakeNet(func(_ context.Context, k kind, id peer.ID) answer {
			if id == dead && broken.Load() {
				return answer{outcome: protocol.Missed}
			}
			return yes(k, append(slices.Clone(live), dead)...)
		})
		s := fakeService(t, net, WithRoundInterval(round), WithJitter(0, nil), WithSampleSize(100),
			WithBootstrap(infos(append(slices.Clone(live), dead)...)...), WithRoundHook(func(*Snapshot) {
				if broken.Load() {
					after(5 * round)
				}
			}))
		s.start()
		settle(40 * round)
		if !samples(s, dead) {
			t.Fatal("not sampled")
		}
		broken.Store(true)
		settle(30 * 6 * round)
		if holds(s, dead) || !s.loop.sleep.woke.IsZero() {
			t.Errorf("the dead are held: %v; woke at %v", holds(s, dead), s.loop.sleep.woke)
		}
		s.Close()
	})
}
