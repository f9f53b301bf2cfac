package gossip

import (
	"container/heap"

	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// seen remembers messages, so that none is taken twice. What it forgets it forgets in the order of the messages' own times,
// and nothing that is as old is taken any more: a message is either remembered or refused as too old, whatever our
// clock does and however many there are.
type seen struct {
	most     int
	relayed  map[message.Hash]bool // of those that are remembered: whether it was passed on
	byTime   times
	future   times // those that were ahead of our clock when they came
	earliest int64 // what is older may have been forgotten
}

func newSeen(most int) seen { return seen{most: most, relayed: make(map[message.Hash]bool)} }

// forget forgets all that is older than t. What is not as old as anything that was forgotten stays new, whatever t is: a
// clock that was ahead for a moment must not make all that comes after it too old.
func (s *seen) forget(t int64) {
	for len(s.byTime) > 0 && s.byTime[0].time < t {
		old := heap.Pop(&s.byTime).(stamp)
		delete(s.relayed, old.id)
		s.earliest = max(s.earliest, old.time+1)
	}
}

// ahead returns how many are remembered that are ahead of our clock.
func (s *seen) ahead(now int64) int {
	for len(s.future) > 0 && s.future[0].time <= now {
		heap.Pop(&s.future)
	}
	return len(s.future)
}

// room reports whether there is room for one more without forgetting anything of the time t or later.
func (s *seen) room(t int64) bool { return len(s.byTime) < s.most || s.byTime[0].time < t }

// add remembers a message, and forgets the oldest where there is no room.
func (s *seen) add(now int64, id message.Hash, time int64, relayed bool) {
	if len(s.byTime) >= s.most {
		s.forget(s.byTime[0].time + 1)
	}
	heap.Push(&s.byTime, stamp{time, id})
	if time > now {
		heap.Push(&s.future, stamp{time, id})
	}
	s.relayed[id] = relayed
}

// stamp is a message and its time.
type stamp struct {
	time int64
	id   message.Hash
}

// times is a heap of messages, the oldest first.
type times []stamp

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i].time < t[j].time }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *times) Push(x any)        { *t = append(*t, x.(stamp)) }
func (t *times) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}
