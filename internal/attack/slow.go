package attack

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

var _ = register("slow", "opens streams of all three protocols and trickles bytes into them; answers to pulls trickle too; otherwise balanced",
	func(*Adversary) attack { return slow{} })

// slow holds what it can: the streams that correct peers serve, and by slow answers the workers that wait for them.
type slow struct{ balanced }

// maxHeld is how many streams a faulty peer keeps open at most.
const maxHeld = 512

// op opens a stream, or writes a byte to the one that has waited longest for it.
func (slow) op(f *faulty) func(context.Context) {
	if f.intN(2) == 0 {
		if st := f.takeHeld(); st != nil {
			return func(context.Context) {
				_ = st.SetWriteDeadline(time.Now().Add(patience))
				if _, err := st.Write([]byte{0}); err != nil {
					_ = st.Reset()
					return
				}
				f.hold(st, maxHeld)
			}
		}
	}
	to, ok := f.anyTarget()
	if !ok {
		return nil
	}
	k := kind(f.intN(int(kinds)))
	return func(ctx context.Context) {
		st, err := f.open(ctx, to, k, binary.AppendUvarint(nil, uint64(maxRequest[k])))
		if err == nil {
			f.hold(st, maxHeld)
		}
	}
}

var maxRequest = [kinds]int{push: wire.MaxPushRequest, pull: wire.MaxPullRequest, probe: wire.MaxProbeRequest}

// slowParts and slowShare say how an answer to a pull trickles: in so many parts, over that share of a round. A peer whose
// answers come after the round, or never, is soon taken for dead.
const (
	slowParts = 6
	slowShare = .5
)

func (slow) send(ctx context.Context, f *faulty, st network.Stream, answer []byte) error {
	pause := time.Duration(slowShare * float64(f.a.cfg.Interval) / (slowParts - 1))
	for i := range slowParts {
		if i > 0 && !sleep(ctx, pause) {
			return ctx.Err()
		}
		if _, err := st.Write(answer[len(answer)*i/slowParts : len(answer)*(i+1)/slowParts]); err != nil {
			return err
		}
	}
	return nil
}
