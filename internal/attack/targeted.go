package attack

import (
	"context"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

var _ = register("targeted", "all pushes at one victim; otherwise balanced", func(*Adversary) attack { return targeted{} })

// targeted tries to isolate the correct peer that came first.
type targeted struct{ balanced }

func (targeted) round(ctx context.Context, f *faulty, _ int) {
	if all := f.a.targets(); len(all) > 0 {
		f.push(ctx, slices.Repeat([]peer.AddrInfo{all[0]}, f.a.cfg.Pushes), f.ownRecord())
	}
}
