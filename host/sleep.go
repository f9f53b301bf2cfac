package host

import "time"

// minSleep is the shortest time that counts as a sleep, where rounds are shorter: on a busy machine those are late all the
// time, and nobody would ever die.
const minSleep = 2 * time.Second

// Rounds after a sleep in which misses are excused. All of them for a little while, since the uplink may come up later than
// we do. Then those over connections from before: their other ends may have gone while we could not answer, and libp2p
// needs up to 40 s to find out. Not for longer, or whoever keeps an old connection open and mute would live for ever.
const (
	uplinkRounds = 2
	staleRounds  = 6
)

// sleep notices time that went by without the loop: the process was stopped, or the machine slept or was far too busy.
// Who then does not answer may only have waited for us in vain. It belongs to the loop.
type sleep struct {
	first, firstWall time.Time     // of the first look at the clocks
	drift            time.Duration // of the wall clock since then, against the monotonic one, which stands still in a sleep
	woke             time.Time     // when the last sleep was noticed; zero if there was none
	round            uint64        // in which that was
}

// look takes a look at the clocks and reports whether the machine slept since the last one: the wall clock went forward by
// more than least while the monotonic one did not.
func (z *sleep) look(now, wall time.Time, least time.Duration) bool {
	if z.first.IsZero() {
		z.first, z.firstWall = now, wall
	}
	was := z.drift
	z.drift = wall.Sub(z.firstWall) - now.Sub(z.first)
	return z.drift-was > least
}

// watchClocks notes a sleep of more than an interval: by the clocks, or since the end of the round is overdue by that.
func (s *Service) watchClocks(now time.Time) {
	l := &s.loop
	least := max(s.cfg.interval, minSleep)
	slept := l.sleep.look(now, s.cfg.wall(), least)
	if !slept && (l.due.IsZero() || now.Sub(l.due) <= least) {
		return
	}
	l.sleep.woke, l.sleep.round = now, s.Snapshot().Round+1
	l.node.Retry()
	log.Debugw("woke up", "round", l.sleep.round)
}

// excused reports whether a miss says nothing of the peer, because we slept.
func (s *Service) excused(r result) bool {
	s.watchClocks(time.Now()) // the result may come before the tick that is overdue
	z := &s.loop.sleep
	if z.woke.IsZero() {
		return false
	}
	switch since := s.Snapshot().Round + 1 - z.round; {
	case r.began.Before(z.woke), since < uplinkRounds:
		return true
	default:
		return since < staleRounds && !r.opened.IsZero() && r.opened.Before(z.woke)
	}
}

// wallClock is the time of day, which goes on while the machine sleeps.
func wallClock() time.Time { return time.Now().Round(0) }
