package attack

import (
	"context"
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

var _ = register("garbage", "random, truncated, oversized and malformed frames on all three protocols, and in one answer to a pull of four; otherwise balanced",
	func(*Adversary) attack { return garbage{} })

type garbage struct{ balanced }

func (garbage) op(f *faulty) func(context.Context) {
	to, ok := f.anyTarget()
	if !ok {
		return nil
	}
	k := kind(f.intN(int(kinds)))
	raw := f.rubbish(rubbish(f.intN(int(rubbishes))), maxRequest[k])
	return func(ctx context.Context) { _, _ = f.say(ctx, to, k, raw) }
}

func (g garbage) send(ctx context.Context, f *faulty, st network.Stream, answer []byte) error {
	if f.intN(4) == 0 {
		answer = f.rubbish(rubbish(f.intN(int(rubbishes))), wire.MaxPullResponse)
	}
	return g.balanced.send(ctx, f, st, answer)
}

// rubbish is one way to break a frame.
type rubbish int

const (
	nothing    rubbish = iota // the stream ends before the first byte
	randomly                  // random bytes
	truncated                 // a frame that ends too early
	tooLong                   // a length beyond the limit
	notMinimal                // a length that is written longer than needed
	overflow                  // a length of more than 9 bytes
	malformed                 // a frame of random bytes
	trailing                  // an empty frame and more behind it
	rubbishes
)

// rubbish makes bytes that no reader of frames of at most limit bytes takes for a message, or hardly ever.
func (f *faulty) rubbish(how rubbish, limit int) []byte {
	noise := f.noise(1 + f.intN(64))
	switch how {
	case nothing:
		return nil
	case truncated:
		return append(binary.AppendUvarint(nil, uint64(len(noise)+1)), noise...)
	case tooLong:
		return append(binary.AppendUvarint(nil, uint64(limit+1)), noise...)
	case notMinimal:
		return append([]byte{0x80, 0}, noise...)
	case overflow:
		return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}
	case malformed:
		noise[0] = 0x07 // field 0 of a wire type that there is not
		return wire.AppendFrame(nil, noise)
	case trailing:
		return append(wire.AppendFrame(nil, nil), noise...)
	default:
		return noise
	}
}

func (f *faulty) noise(n int) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(f.rng.Uint32())
	}
	return b
}
