package host

import (
	"container/list"
	"time"
)

// buckets are token buckets, one a key. Each is full at first, holds at most size tokens and gains fill tokens a second,
// so within any time t at most size + fill*t are taken under one key. A size of 0 switches them off: all is allowed.
//
// At most most of them are kept. One that is full again is as good as none, so it goes. Where all are in use, a new key
// is refused if strict is set; otherwise the bucket that was used longest ago goes, which gives its key a full one.
//
// golang.org/x/time/rate would do for one bucket. Here one stream or dial takes from several or from none, gets some of it
// back, and somebody has to know which buckets are full.
type buckets[K comparable] struct {
	fill, size float64
	most       int
	strict     bool
	by         map[K]*list.Element
	used       list.List // of *bucket[K], the one used longest ago first
}

type bucket[K comparable] struct {
	key    K
	tokens float64
	at     time.Time // when it held them
}

// newBuckets returns buckets that gain fill tokens in each period.
func newBuckets[K comparable](size, fill float64, period time.Duration, most int, strict bool) buckets[K] {
	return buckets[K]{fill: fill / period.Seconds(), size: size, most: most, strict: strict, by: make(map[K]*list.Element)}
}

// holds returns the tokens of k now.
func (b *buckets[K]) holds(now time.Time, k K) float64 {
	e := b.by[k]
	if e == nil {
		if b.strict && len(b.by) >= b.most && !b.stale(now) {
			return 0
		}
		return b.size
	}
	x := e.Value.(*bucket[K])
	return min(b.size, x.tokens+b.fill*max(0, now.Sub(x.at).Seconds()))
}

// has reports whether n tokens can be taken from k now.
func (b *buckets[K]) has(now time.Time, k K, n float64) bool {
	return b.size == 0 || b.holds(now, k) >= n
}

// take takes n tokens from k, which must have them; a negative n gives some back.
func (b *buckets[K]) take(now time.Time, k K, n float64) {
	if b.size == 0 {
		return
	}
	tokens := min(b.size, b.holds(now, k)-n)
	if e := b.by[k]; e != nil {
		x := e.Value.(*bucket[K])
		x.tokens, x.at = tokens, now
		b.used.MoveToBack(e)
		return
	}
	if n < 0 {
		return // full already
	}
	for len(b.by) > 0 && (len(b.by) >= b.most || b.stale(now)) {
		front := b.used.Front()
		delete(b.by, front.Value.(*bucket[K]).key)
		b.used.Remove(front)
	}
	b.by[k] = b.used.PushBack(&bucket[K]{k, tokens, now})
}

// stale reports whether the bucket that was used longest ago is full again.
func (b *buckets[K]) stale(now time.Time) bool {
	front := b.used.Front()
	return front != nil && now.Sub(front.Value.(*bucket[K]).at).Seconds()*b.fill >= b.size
}
