package attack

import (
	"context"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

var _ = register("greedy", "pulls as often as --attack-rate allows, and opens streams on which it asks nothing; otherwise balanced",
	func(*Adversary) attack { return greedy{} })

type greedy struct{ balanced }

// op pulls, or opens a stream that holds a place and a buffer until the other side gives up.
func (greedy) op(f *faulty) func(context.Context) {
	to, ok := f.anyTarget()
	if !ok {
		return nil
	}
	if f.intN(2) == 0 {
		return func(ctx context.Context) { _, _ = f.say(ctx, to, pull, wire.AppendFrame(nil, nil)) }
	}
	k := kind(f.intN(int(kinds)))
	return func(ctx context.Context) {
		// The first byte of a length: without any the stream would not be negotiated.
		if st, err := f.open(ctx, to, k, []byte{0x80}); err == nil {
			f.hold(st, maxHeld)
		}
	}
}
