package gossip

import (
	"container/list"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A Rate is a token bucket: full at first, it holds at most Burst tokens and gains PerSecond each second, so that within t
// seconds at most Burst + t*PerSecond are taken. The zero Rate is no limit.
type Rate struct{ PerSecond, Burst float64 }

// Validate returns an error that names value and rule if r, the rate of name, is none.
func (r Rate) Validate(name string) error {
	switch {
	case r == Rate{}:
		return nil
	case !(r.PerSecond > 0 && r.PerSecond <= MaxRate):
		return fmt.Errorf("%s rate=%v a second must be above 0 and at most %d", name, r.PerSecond, MaxRate)
	case !(r.Burst >= 1 && r.Burst <= MaxRate):
		return fmt.Errorf("%s burst=%v must be between 1 and %d", name, r.Burst, MaxRate)
	}
	return nil
}

// bucket is what one peer may still take.
type bucket struct {
	key    peer.ID
	tokens float64
	at     int64 // when it held them
}

// fill brings b up to now.
func (b *bucket) fill(now int64, r Rate) {
	b.tokens = min(r.Burst, b.tokens+r.PerSecond*float64(max(0, now-b.at))/1000)
	b.at = now
}

// buckets are those of many peers, at most most: beyond it the one that was used longest ago goes.
type buckets struct {
	rate Rate
	most int
	by   map[peer.ID]*list.Element // of used
	used list.List                 // of *bucket, the one used longest ago first
}

func newBuckets(r Rate, most int) buckets {
	return buckets{rate: r, most: most, by: make(map[peer.ID]*list.Element)}
}

// take takes a token of k, if there is one.
func (b *buckets) take(now int64, k peer.ID) bool {
	if b.rate == (Rate{}) {
		return true
	}
	e := b.by[k]
	if e == nil {
		if len(b.by) >= b.most {
			oldest := b.used.Front()
			delete(b.by, oldest.Value.(*bucket).key)
			b.used.Remove(oldest)
		}
		e = b.used.PushBack(&bucket{key: k, tokens: b.rate.Burst, at: now})
		b.by[k] = e
	}
	b.used.MoveToBack(e)
	x := e.Value.(*bucket)
	if x.fill(now, b.rate); x.tokens < 1 {
		return false
	}
	x.tokens--
	return true
}
