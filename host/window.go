package host

import (
	"container/list"
	"slices"
	"time"
)

// windows count what was taken under each key within the last minute: at most size of it in any minute, and all of that in any
// way. (Of a token bucket that keeps the same promise two thirds come at once, and a third of it for ever after: peers that are
// tried once a round of ten seconds would wait for two rounds of three.) A size of 0 switches them off: all is allowed.
//
// At most most keys are kept. One of which nothing was taken in the last minute is as good as none, so it goes. Where all are
// in use a new key is refused: to forget one would give it a new minute.
type windows[K comparable] struct {
	size, most int
	from       time.Time // what times are counted from
	by         map[K]*list.Element
	order      *list.List // of *window[K], the one first whose last take is longest ago
}

type window[K comparable] struct {
	key   K
	taken []time.Duration // since windows.from, at most size of them, oldest first
}

// newWindows returns windows of which at most size can be taken in a minute.
func newWindows[K comparable](size, most int) windows[K] {
	return windows[K]{size: max(0, size), most: most, by: make(map[K]*list.Element), order: list.New()}
}

// since is now as a time since the first that was seen.
func (w *windows[K]) since(now time.Time) time.Duration {
	if w.from.IsZero() {
		w.from = now
	}
	return now.Sub(w.from)
}

// over reports whether what was taken at that time is a minute old. (A clock that is set back makes nothing older.)
func over(taken, now time.Duration) bool { return now-taken >= time.Minute }

// holds returns how much may be taken of k now.
func (w *windows[K]) holds(now time.Time, k K) int {
	e := w.by[k]
	if e == nil {
		if w.sweep(now); len(w.by) >= w.most {
			return 0
		}
		return w.size
	}
	x, at, left := e.Value.(*window[K]), w.since(now), w.size
	for _, taken := range x.taken {
		if !over(taken, at) {
			left--
		}
	}
	return left
}

// has reports whether n can be taken from k now.
func (w *windows[K]) has(now time.Time, k K, n int) bool { return w.size == 0 || w.holds(now, k) >= n }

// take takes one from k, which must have it.
func (w *windows[K]) take(now time.Time, k K) {
	if w.size == 0 {
		return
	}
	w.sweep(now)
	e := w.by[k]
	if e == nil {
		e = w.order.PushBack(&window[K]{key: k})
		w.by[k] = e
	}
	x, at := e.Value.(*window[K]), w.since(now)
	if len(x.taken) >= w.size { // the oldest is over
		x.taken = slices.Delete(x.taken, 0, 1)
	}
	x.taken = append(x.taken, at)
	w.order.MoveToBack(e)
}

// giveBack undoes a take of k at the given time.
func (w *windows[K]) giveBack(at time.Time, k K) {
	e := w.by[k]
	if e == nil {
		return
	}
	x := e.Value.(*window[K])
	if i := slices.Index(x.taken, w.since(at)); i >= 0 {
		x.taken = slices.Delete(x.taken, i, i+1)
	}
	if len(x.taken) == 0 {
		w.drop(e)
	}
}

// room reports whether k is counted, or fewer than most keys are.
func (w *windows[K]) room(now time.Time, k K, most int) bool {
	if w.size == 0 || w.by[k] != nil {
		return true
	}
	w.sweep(now)
	return len(w.by) < most
}

// sweep drops the keys of which nothing was taken in the last minute.
func (w *windows[K]) sweep(now time.Time) {
	at := w.since(now)
	for e := w.order.Front(); e != nil; e = w.order.Front() {
		x := e.Value.(*window[K])
		if !over(x.taken[len(x.taken)-1], at) {
			return
		}
		w.drop(e)
	}
}

func (w *windows[K]) drop(e *list.Element) { delete(w.by, w.order.Remove(e).(*window[K]).key) }
