package attack

import (
	"context"

	"github.com/libp2p/go-libp2p/core/network"
)

var _ = register("balanced", "pushes as many as a correct peer's, spread evenly over all correct peers; pulls are answered with faulty ids only",
	func(*Adversary) attack { return balanced{} })

// balanced is what all other attacks are made from.
type balanced struct{}

func (balanced) round(ctx context.Context, f *faulty, _ int) {
	f.push(ctx, f.a.deal(f.a.cfg.Pushes), f.ownRecord())
}

func (balanced) reply(f *faulty) []byte { return f.a.faultyAnswer() }

func (balanced) send(_ context.Context, _ *faulty, st network.Stream, answer []byte) error {
	_, err := st.Write(answer)
	return err
}
