package host

import (
	"testing"
	"time"
)

// empty takes of k until nothing is left and returns how much there was.
func (w *windows[K]) empty(now time.Time, k K) (n int) {
	for ; w.has(now, k, 1); n++ {
		w.take(now, k)
	}
	return n
}

func TestWindows(t *testing.T) {
	c := newManual()
	w := newWindows[string](3, 10)
	w.take(c.now(), "a")
	c.pass(40 * time.Second)
	if n := w.empty(c.now(), "a"); n != 2 {
		t.Errorf("%d were left, want 2", n)
	}
	if n := w.empty(c.now(), "b"); n != 3 {
		t.Errorf("another key: %d, want 3", n)
	}
	c.pass(20*time.Second - time.Nanosecond)
	if n := w.empty(c.now(), "a"); n != 0 {
		t.Errorf("%d just before the first is a minute old", n)
	}
	c.pass(time.Nanosecond)
	if n := w.empty(c.now(), "a"); n != 1 {
		t.Errorf("%d when the first is a minute old", n)
	}
	c.pass(40 * time.Second) // of the three that were taken the two older ones are over now
	w.giveBack(c.now().Add(-40*time.Second), "a")
	if n := w.empty(c.now(), "a"); n != 3 {
		t.Errorf("%d after the last was given back, want all of 3", n)
	}
	w.giveBack(c.now().Add(time.Second), "a") // nothing was taken then
	if n := w.empty(c.now(), "a"); n != 0 {
		t.Errorf("%d after nothing was given back", n)
	}
	c.at = c.at.Add(-time.Hour) // a clock that is set back
	if n := w.empty(c.now(), "a"); n != 0 {
		t.Errorf("%d after the clock was set back", n)
	}
	w.giveBack(c.now(), "nobody")
	off := newWindows[string](Unlimited, 10)
	if off.take(c.now(), "a"); !off.has(c.now(), "a", 1e9) || !off.room(c.now(), "b", 0) {
		t.Error("windows without a size refuse")
	}
}

// In no minute more than size are taken, however the demands fall and whatever is given back; and all of it can be: as many
// as there are rounds of ten seconds, one in each.
func TestWindowsBound(t *testing.T) {
	c := newManual()
	w := newWindows[string](6, 10)
	rng := testSource(1)
	var kept []time.Time // what was not given back
	for range 20000 {
		c.pass(time.Duration(rng.Uint64() % uint64(5*time.Second)))
		if rng.Uint64()%3 == 0 || !w.has(c.now(), "a", 1) {
			continue
		}
		w.take(c.now(), "a")
		kept = append(kept, c.now())
		if n := len(kept); rng.Uint64()%4 == 0 { // that or an earlier one is given back, after a while
			i := max(0, n-1-int(rng.Uint64()%4))
			w.giveBack(kept[i], "a")
			kept = append(kept[:i], kept[i+1:]...)
		}
	}
	most := 0
	for i := range kept {
		n := 0
		for ; i+n < len(kept) && kept[i+n].Sub(kept[i]) < time.Minute; n++ {
		}
		most = max(most, n)
	}
	if most > 6 {
		t.Errorf("%d in one minute, want 6 at most", most)
	}
	if want := 20000 * 2500 / 10000; len(kept) < want*3/4 {
		t.Errorf("%d taken in all, and there is room for %d", len(kept), want)
	}

	steady := newWindows[string](6, 10)
	for round := range 100 {
		if !steady.has(c.now(), "b", 1) {
			t.Fatalf("nothing in round %d of ten seconds", round)
		}
		steady.take(c.now(), "b")
		c.pass(10 * time.Second)
	}
}

// A table that is full takes nobody new; keys of which nothing was taken for a minute go by themselves.
func TestWindowsRoom(t *testing.T) {
	c := newManual()
	w := newWindows[int](2, 3)
	for k := range 3 {
		w.take(c.now(), k)
		c.pass(time.Second)
	}
	if w.has(c.now(), 3, 1) || w.room(c.now(), 3, 3) {
		t.Error("one more is let in")
	}
	if !w.room(c.now(), 3, 4) || !w.room(c.now(), 2, 1) {
		t.Error("no room where there is some, or for one that is counted")
	}
	w.take(c.now(), 0) // so that the second is the oldest
	c.pass(58 * time.Second)
	if !w.has(c.now(), 3, 2) || len(w.by) != 2 || w.has(c.now(), 0, 2) {
		t.Errorf("%d are kept after a minute, want those two that were taken of since", len(w.by))
	}
	w.giveBack(c.now().Add(-58*time.Second), 0)
	w.giveBack(c.now().Add(-59*time.Second), 2)
	w.sweep(c.now())
	if len(w.by) != 0 || w.order.Len() != 0 {
		t.Errorf("%d are kept when all was given back", len(w.by))
	}
	w.take(c.now(), 4)
	c.pass(2 * time.Minute)
	if w.take(c.now(), 5); len(w.by) != 1 || w.order.Len() != 1 {
		t.Errorf("%d kept, want the new one alone", len(w.by))
	}
}
