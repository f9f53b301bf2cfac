package limit

import (
	"math/rand/v2"
	"testing"
	"time"
)

// drain takes single tokens of k until none is left and returns how many there were.
func drain[K comparable](b *Buckets[K], now time.Time, k K) (n int) {
	for ; b.Has(now, k, 1); n++ {
		b.Take(now, k, 1)
	}
	return n
}

func TestBuckets(t *testing.T) {
	c := newManual()
	b := NewBuckets[string](3, 2, time.Minute, 10, false)
	if n := drain(&b, c.now(), "a"); n != 3 {
		t.Errorf("%d tokens at first, want 3", n)
	}
	if n := drain(&b, c.now(), "b"); n != 3 {
		t.Errorf("another key: %d tokens, want 3", n)
	}
	c.pass(29 * time.Second)
	if n := drain(&b, c.now(), "a"); n != 0 {
		t.Errorf("%d tokens just before one is due", n)
	}
	c.pass(time.Second)
	if n := drain(&b, c.now(), "a"); n != 1 {
		t.Errorf("%d tokens when one is due", n)
	}
	b.Take(c.now(), "a", -1)
	if n := drain(&b, c.now(), "a"); n != 1 {
		t.Errorf("%d tokens after one was given back", n)
	}
	c.pass(time.Hour)
	b.Take(c.now(), "a", -1)
	if n := drain(&b, c.now(), "a"); n != 3 {
		t.Errorf("%d tokens when full and given one, want 3", n)
	}
	c.at = c.at.Add(-time.Hour) // a clock that is set back
	if n := drain(&b, c.now(), "a"); n != 0 {
		t.Errorf("%d tokens after the clock was set back", n)
	}
	off := Buckets[string]{}
	if off.Take(c.now(), "a", 1e9); !off.Has(c.now(), "a", 1e9) {
		t.Error("a bucket without a size refuses")
	}
}

// Within any time t at most size + fill*t are taken, however the demands fall.
func TestBucketsBound(t *testing.T) {
	c := newManual()
	b := NewBuckets[string](4, 2, time.Minute, 10, true)
	rng := rand.NewPCG(1, 0)
	var taken []time.Time
	for range 20000 {
		c.pass(time.Duration(rng.Uint64() % uint64(5*time.Second)))
		if rng.Uint64()%3 > 0 && b.Has(c.now(), "a", 1) {
			b.Take(c.now(), "a", 1)
			taken = append(taken, c.now())
		}
	}
	most := 0
	for i := range taken {
		n := 0
		for ; i+n < len(taken) && taken[i+n].Sub(taken[i]) < time.Minute; n++ {
		}
		most = max(most, n)
	}
	if most > 6 {
		t.Errorf("%d in one minute, want 6 at most", most)
	}
	if want := 20000 * 2500 / 30000; len(taken) < want*9/10 {
		t.Errorf("%d taken in all, and %d should have come back", len(taken), want)
	}
}

// A table that is full lets the bucket go that was used longest ago, or takes nobody new; full buckets go by themselves.
func TestBucketsRoom(t *testing.T) {
	for _, strict := range []bool{false, true} {
		c := newManual()
		b := NewBuckets[int](2, 1, time.Minute, 3, strict)
		for k := range 3 {
			drain(&b, c.now(), k)
			c.pass(time.Second)
		}
		if got := b.Has(c.now(), 3, 1); got == strict {
			t.Errorf("strict %v: one more is let in: %v", strict, got)
		}
		if !strict {
			b.Take(c.now(), 3, 1)
			if len(b.by) != 3 || !b.Has(c.now(), 0, 2) || b.Has(c.now(), 1, 1) {
				t.Errorf("%d kept, the first is new %v, the second is %v", len(b.by), b.Has(c.now(), 0, 2), b.Has(c.now(), 1, 1))
			}
		}
		c.pass(2 * time.Minute) // all are full again
		if !b.Has(c.now(), 4, 1) {
			t.Errorf("strict %v: no room although all are full again", strict)
		}
		if b.Take(c.now(), 4, 1); len(b.by) != 1 {
			t.Errorf("strict %v: %d kept, want the new one alone", strict, len(b.by))
		}
	}
}
