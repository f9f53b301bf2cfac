package host

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// follower adds up the events of a subscription.
type follower struct {
	sample  map[peer.ID]bool
	reasons map[ChangeReason]int // ids, added and removed
	lost    map[peer.ID]ChangeReason
	last    uint64
}

func follow() *follower {
	return &follower{make(map[peer.ID]bool), make(map[ChangeReason]int), make(map[peer.ID]ChangeReason), 0}
}

// take adds events, and demands that each is a change.
func (f *follower) take(t *testing.T, events []EvtSampleChanged) {
	t.Helper()
	for _, e := range events {
		if len(e.Added)+len(e.Removed) == 0 || !slices.Contains(ChangeReasons(), e.Reason) || e.Round < f.last {
			t.Errorf("event after round %d: %+v", f.last, e)
		}
		f.last = e.Round
		for _, p := range e.Added {
			if f.sample[p.ID] {
				t.Errorf("round %d: %s is added twice", e.Round, p.ID)
			}
			f.sample[p.ID] = true
		}
		for _, id := range e.Removed {
			if !f.sample[id] {
				t.Errorf("round %d: %s is removed, and was not there", e.Round, id)
			}
			delete(f.sample, id)
			f.lost[id] = e.Reason
		}
		f.reasons[e.Reason] += len(e.Added) + len(e.Removed)
	}
}

// requireSample fails unless the events add up to the sample of s.
func (f *follower) requireSample(t *testing.T, s *Service, when string) {
	t.Helper()
	want := make(map[peer.ID]bool)
	for _, p := range s.Sample() {
		want[p.ID] = true
	}
	if !maps.Equal(f.sample, want) {
		t.Errorf("%s, round %d: the events add up to %d peers, the sample has %d", when, s.Snapshot().Round, len(f.sample), len(want))
	}
}

// changing is a service whose peers can die and leave.
type changing struct {
	*Service
	dead, leaving atomic.Pointer[map[peer.ID]bool]
}

func (c *changing) answer(ids []peer.ID) func(context.Context, kind, peer.ID) answer {
	c.dead.Store(&map[peer.ID]bool{})
	c.leaving.Store(&map[peer.ID]bool{})
	return func(ctx context.Context, k kind, id peer.ID) answer {
		switch {
		case (*c.dead.Load())[id]:
			return silence(ctx, second/10)
		case (*c.leaving.Load())[id]:
			return answer{outcome: protocol.Leaving}
		}
		return yes(k, ids...)
	}
}

// setOf returns the first n ids of the sample.
func setOf(s *Service, n int) *map[peer.ID]bool {
	out := make(map[peer.ID]bool)
	for _, p := range s.Sample()[:n] {
		out[p.ID] = true
	}
	return &out
}

// TestSampleChanges: what subscribers are told adds up to the sample at the end of every round, and says why.
func TestSampleChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := peerNos(0, 60)
		c := &changing{}
		s, bus := announcing(t, newFakeNet(c.answer(ids)), WithBootstrap(infos(ids[:30]...)...), WithProtocolPrefix("/mine"))
		c.Service = s
		sub := subscribe(t, bus, new(EvtSampleChanged), 1000)
		s.start()
		f := follow()
		live := func(rounds int, when string) {
			t.Helper()
			for range rounds {
				settle(second)
				events := pending[EvtSampleChanged](sub)
				for _, e := range events {
					if e.Prefix != "/mine" || e.Round != s.Snapshot().Round {
						t.Errorf("%s: %+v in round %d", when, e, s.Snapshot().Round)
					}
				}
				f.take(t, events)
				f.requireSample(t, s, when)
			}
		}
		settle(second / 2)
		live(60, "growing up")
		if f.reasons[ChangeWon] == 0 {
			t.Errorf("nobody won a slot: %v", f.reasons)
		}
		if f.reasons[ChangeDied]+f.reasons[ChangeLeft]+f.reasons[ChangeResized] != 0 {
			t.Errorf("in a network in which nobody goes: %v", f.reasons)
		}
		dead := setOf(s, 2)
		c.dead.Store(dead)
		live(30, "two are dead")
		for id := range *dead {
			if f.lost[id] != ChangeDied {
				t.Errorf("%s is dead, and went because %q", id, f.lost[id])
			}
		}
		left := setOf(s, 2)
		c.leaving.Store(left)
		live(30, "two leave")
		for id := range *left {
			if f.lost[id] != ChangeLeft {
				t.Errorf("%s left, and went because %q", id, f.lost[id])
			}
		}
		if f.reasons[ChangeDied] != 2 || f.reasons[ChangeLeft] != 2 {
			t.Errorf("two died and two left: %v", f.reasons)
		}
		s.Close()
	})
}

// TestSlowSubscriberOfChanges: rounds do not wait for a subscriber that does not read. What does not fit the queue is
// not lost: when he reads again the events add up to the sample.
func TestSlowSubscriberOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := peerNos(0, 60)
		c, r := &changing{}, &rounds{}
		p := protocol.Hardened(40)
		p.Tombstone = 1 // who died and is back is sampled again
		s, bus := announcing(t, newFakeNet(c.answer(ids)), WithParams(p), WithBootstrap(infos(ids...)...), WithRoundHook(r.take))
		c.Service = s
		sub := subscribe(t, bus, new(EvtSampleChanged), 1)
		s.start()
		settle(40*second + second/2)
		total := 0
		for range 400 { // somebody dies or comes back in most rounds, so that the queue overflows
			if len(*c.dead.Load()) == 0 {
				c.dead.Store(setOf(s, 4))
			} else {
				c.dead.Store(&map[peer.ID]bool{})
			}
			settle(4 * second)
			total++
		}
		if got := len(s.announcer.sample.queue); got != eventQueue {
			t.Fatalf("%d events wait, the queue has room for %d: nothing overflowed", got, eventQueue)
		}
		_, at := r.all()
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d != second {
				t.Fatalf("round %d took %v", i, d)
			}
		}
		if n := s.Status().EventsDropped; n != 0 {
			t.Errorf("%d events were dropped", n)
		}
		f := follow()
		for range 5 {
			for events := pending[EvtSampleChanged](sub); len(events) > 0; events = pending[EvtSampleChanged](sub) {
				f.take(t, events)
			}
			settle(second)
		}
		f.take(t, pending[EvtSampleChanged](sub))
		f.requireSample(t, s, "when he reads again")
		s.Close()
	})
}

// TestReasonsOfChanges: the reasons that a life of one service does not show.
func TestReasonsOfChanges(t *testing.T) {
	snap := func(round uint64, slots int, counted, others []peer.ID) *Snapshot {
		s := &Snapshot{Round: round, Peers: infos(counted...), Slots: make([]protocol.Sampled, slots)}
		for i, id := range append(slices.Clone(counted), others...) {
			s.Slots[i].ID = id
		}
		return s
	}
	c := &changes{}
	step := func(about string, before, now *Snapshot, want map[ChangeReason][2][]peer.ID) {
		t.Helper()
		got := make(map[ChangeReason][2][]peer.ID)
		for _, e := range c.since(before, now) {
			var added []peer.ID
			for _, p := range e.Added {
				added = append(added, p.ID)
			}
			got[e.Reason] = [2][]peer.ID{added, e.Removed}
			c.tell(e)
		}
		if !maps.EqualFunc(got, want, func(a, b [2][]peer.ID) bool { return slices.Equal(a[0], b[0]) && slices.Equal(a[1], b[1]) }) {
			t.Errorf("%s: %v, want %v", about, got, want)
		}
	}
	none := []peer.ID(nil)
	start := snap(0, 8, nil, nil)
	young := snap(1, 8, peerNos(0, 6), nil)
	step("slots are filled", start, young, map[ChangeReason][2][]peer.ID{ChangeWon: {peerNos(0, 6), none}})
	step("nothing happens", young, young, nil)
	mature := snap(2, 8, peerNos(0, 2), peerNos(2, 6))
	step("the first mature slots count alone", young, mature, map[ChangeReason][2][]peer.ID{ChangeCounted: {none, peerNos(2, 6)}})
	all := snap(3, 8, peerNos(0, 6), nil)
	step("the others mature", mature, all, map[ChangeReason][2][]peer.ID{ChangeCounted: {peerNos(2, 6), none}})
	fewer := snap(4, 4, peerNos(0, 4), nil)
	step("the sample shrinks", all, fewer, map[ChangeReason][2][]peer.ID{ChangeResized: {none, peerNos(4, 6)}})
	c.lost(peerNo(0), ChangeDied)
	c.lost(peerNo(1), ChangeLeft)
	c.lost(peerNo(9), ChangeDied) // was nobody
	next := snap(5, 4, peerNos(2, 3), peerNos(3, 4))
	next.Peers = append(next.Peers, infos(peerNo(7))...)
	next.Slots[2].ID = peerNo(7)
	step("many things at once", fewer, next, map[ChangeReason][2][]peer.ID{
		ChangeDied: {none, peerNos(0, 1)}, ChangeLeft: {none, peerNos(1, 2)}, ChangeCounted: {none, peerNos(3, 4)},
		ChangeWon: {peerNos(7, 8), none},
	})
	if len(c.gone) != 0 || len(c.told) != 2 {
		t.Errorf("left behind: %v, %v", c.gone, c.told)
	}
	c.lost(peerNo(7), ChangeDied)
	step("somebody comes back at once", next, next, nil)
	if len(c.gone) != 0 {
		t.Errorf("left behind: %v", c.gone)
	}
}
