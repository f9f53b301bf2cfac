package spread

import (
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// What one peer may take of the workers. Faulty peers in the sample that are silent, or slow, would hold all of them
// otherwise: at ten seconds each two or three of a message's twelve copies are more than 16 workers send with one message a
// second.
const (
	slowAfter = 2 * time.Second  // an exchange that takes longer sends its peer to rest
	restLeast = 30 * time.Second // how long it rests, doubled with each further one
	restMost  = 8 * time.Minute
	maxLanes  = 1024 // peers that are remembered beyond those that are being sent to
)

// lanes see to it that one worker is with a peer at a time, and two if it answers quickly. What waits for a slow peer
// fails with it. A peer that rests is asked only if there are too few others (targets): were it our own link that is slow,
// all would rest.
type lanes struct {
	mu   sync.Mutex
	off  bool // for negative controls
	by   map[peer.ID]*lane
	rest map[peer.ID]time.Time // until when
}

type lane struct {
	busy    int // workers that are with the peer
	quick   bool
	waiting []job
	pause   time.Duration // of the last rest; 0 after a quick answer
}

func newLanes() lanes {
	return lanes{by: make(map[peer.ID]*lane), rest: make(map[peer.ID]time.Time)}
}

// begin reports whether a worker may go to the peer of j. Otherwise j waits for one that is with it.
func (l *lanes) begin(j job) bool {
	if l.off {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.by[j.to.ID]
	if x == nil {
		l.sweep()
		x = &lane{}
		l.by[j.to.ID] = x
	}
	width := 1
	if x.quick {
		width = 2
	}
	if x.busy >= width {
		x.waiting = append(x.waiting, j)
		return false
	}
	x.busy++
	return true
}

// end takes an exchange with a peer into account that took so long. It returns what the worker is to do next with the peer,
// if anything, and what is to fail.
func (l *lanes) end(id peer.ID, took time.Duration, now time.Time) (next job, more bool, failed []job) {
	if l.off {
		return next, false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.by[id]
	x.busy--
	if took >= slowAfter {
		x.quick, x.pause = false, min(max(restLeast, 2*x.pause), restMost)
		l.rest[id] = now.Add(x.pause)
		failed, x.waiting = x.waiting, nil
	} else {
		x.quick, x.pause = true, 0
		delete(l.rest, id)
	}
	if more = len(x.waiting) > 0; more {
		next, x.waiting = x.waiting[0], x.waiting[1:]
		x.busy++
	} else if x.busy == 0 && x.pause == 0 {
		delete(l.by, id)
	}
	return next, more, failed
}

// sweep forgets lanes that nobody is in where there are too many: the peers have left the sample long since, or are many.
func (l *lanes) sweep() {
	if len(l.by) < maxLanes {
		return
	}
	for id, x := range l.by {
		if x.busy == 0 {
			delete(l.by, id)
			delete(l.rest, id)
		}
	}
}

// resting returns who rests, in an order that does not change.
func (l *lanes) resting(now time.Time) (ids []peer.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, until := range l.rest {
		if now.Before(until) {
			ids = append(ids, id)
		} else {
			delete(l.rest, id) // its lane remembers how long it rested
		}
	}
	slices.Sort(ids)
	return ids
}
