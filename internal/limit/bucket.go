package limit

import (
	"container/heap"
	"math"
	"time"
)

// Buckets are token buckets, one a key. Each is full at first, holds at most size tokens and gains fill tokens a second,
// so within any time t at most size + fill*t are taken under one key. A size of 0 switches them off: all is allowed.
//
// At most most of them are kept. One that is full again is as good as none, so it goes. Where all are in use, a new key
// is refused if strict is set; otherwise the bucket that will be full first goes, which gives its key less than any other
// would get. (Were it the one used longest ago, a crowd of keys that are used once would flush one that is used up.)
//
// golang.org/x/time/rate would do for one bucket. Here one stream or dial takes from several or from none, gets some of it
// back, and somebody has to know which buckets are full.
type Buckets[K comparable] struct {
	fill, size float64
	most       int
	strict     bool
	by         map[K]*bucket[K]
	byFull     bucketHeap[K] // the one that will be full first on top
}

type bucket[K comparable] struct {
	key    K
	tokens float64
	at     time.Time // when it held them
	full   time.Time // when it will be full again
	index  int       // in byFull
}

// NewBuckets returns buckets that gain fill tokens in each period.
func NewBuckets[K comparable](size, fill float64, period time.Duration, most int, strict bool) Buckets[K] {
	return Buckets[K]{fill: fill / period.Seconds(), size: size, most: most, strict: strict, by: make(map[K]*bucket[K])}
}

// Holds returns the tokens of k now.
func (b *Buckets[K]) Holds(now time.Time, k K) float64 {
	x := b.by[k]
	if x == nil {
		if b.strict && len(b.by) >= b.most && !b.stale(now) {
			return 0
		}
		return b.size
	}
	return min(b.size, x.tokens+b.fill*max(0, now.Sub(x.at).Seconds()))
}

// Has reports whether n tokens can be taken from k now.
func (b *Buckets[K]) Has(now time.Time, k K, n float64) bool {
	return b.size == 0 || b.Holds(now, k) >= n
}

// Take takes n tokens from k, which must have them; a negative n gives some back.
func (b *Buckets[K]) Take(now time.Time, k K, n float64) {
	if b.size == 0 {
		return
	}
	tokens := min(b.size, b.Holds(now, k)-n)
	x := b.by[k]
	switch {
	case x != nil:
		b.set(x, now, tokens)
		heap.Fix(&b.byFull, x.index)
		return
	case n < 0:
		return // full already
	}
	b.sweep(now)
	if len(b.by) >= b.most {
		b.drop()
	}
	x = &bucket[K]{key: k}
	b.set(x, now, tokens)
	heap.Push(&b.byFull, x)
	b.by[k] = x
}

func (b *Buckets[K]) set(x *bucket[K], now time.Time, tokens float64) {
	x.tokens, x.at = tokens, now
	x.full = now.Add(time.Duration(math.Ceil((b.size - tokens) / b.fill * float64(time.Second))))
}

// Room reports whether k has a bucket, or fewer than most keys have one.
func (b *Buckets[K]) Room(now time.Time, k K, most int) bool {
	if b.size == 0 || b.by[k] != nil {
		return true
	}
	b.sweep(now)
	return len(b.by) < most
}

// stale reports whether a bucket is full again.
func (b *Buckets[K]) stale(now time.Time) bool {
	return len(b.byFull) > 0 && !now.Before(b.byFull[0].full)
}

// sweep drops the buckets that are full again.
func (b *Buckets[K]) sweep(now time.Time) {
	for b.stale(now) {
		b.drop()
	}
}

// drop drops the bucket that is full first.
func (b *Buckets[K]) drop() {
	delete(b.by, heap.Pop(&b.byFull).(*bucket[K]).key)
}

// bucketHeap is a heap for container/heap.
type bucketHeap[K comparable] []*bucket[K]

func (h bucketHeap[K]) Len() int           { return len(h) }
func (h bucketHeap[K]) Less(i, j int) bool { return h[i].full.Before(h[j].full) }

func (h bucketHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *bucketHeap[K]) Push(x any) {
	b := x.(*bucket[K])
	b.index = len(*h)
	*h = append(*h, b)
}

func (h *bucketHeap[K]) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}

// Resize sets what buckets hold and gain. What is in them stays, as far as it fits.
func (b *Buckets[K]) Resize(size, fill float64, period time.Duration) {
	b.size, b.fill = size, fill/period.Seconds()
}

// Size is what a bucket holds at most, 0 if there is no limit.
func (b *Buckets[K]) Size() float64 { return b.size }

// Fill is what a bucket gains in a second.
func (b *Buckets[K]) Fill() float64 { return b.fill }

// Len returns how many buckets are kept.
func (b *Buckets[K]) Len() int { return len(b.by) }
