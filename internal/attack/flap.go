package attack

import (
	"context"
)

var _ = register("flap", "joins and leaves all the time, each time under the same id at another address; otherwise balanced",
	func(*Adversary) attack { return flap{} })

// flap is up for flapUp rounds and away for flapDown.
type flap struct{ balanced }

const (
	flapUp   = 4
	flapDown = 2
)

func (b flap) round(ctx context.Context, f *faulty, n int) {
	switch (n + f.number) % (flapUp + flapDown) {
	case 0:
		f.down()
		f.a.changed()
	case flapDown:
		// It counts as one operation, like a stream.
		if f.current() == nil && f.limiter.Wait(ctx) == nil && f.up() == nil {
			f.a.ops.Add(1)
			f.a.changed()
		}
	}
	if f.current() != nil {
		b.balanced.round(ctx, f, n)
	}
}
