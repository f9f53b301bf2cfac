package sim

import (
	"math"

	"github.com/libp2p/go-libp2p/core/peer"
)

var _ = register("liar", "--share of the correct nodes die in round --start; from then on pull replies praise the dead, again and again; otherwise balanced", true,
	func(*world) attack { return &liar{} })

// liar tries to keep the dead in views and samples.
type liar struct {
	balanced
	dead []peer.ID
}

func (l *liar) begin(w *world) {
	if w.round != w.cfg.start() {
		return
	}
	gone := w.pick(min(int(math.Round(w.cfg.share(.1)*float64(len(w.correct)))), len(w.correct)-2))
	w.leave(gone)
	for _, n := range gone {
		l.dead = append(l.dead, w.members[n].id)
	}
}

func (l *liar) reply(w *world, x exchange) []peer.ID {
	if len(l.dead) == 0 {
		return l.balanced.reply(w, x)
	}
	out := make([]peer.ID, w.params.L1)
	for i := range out {
		out[i] = l.dead[x.from.net.IntN(len(l.dead))]
	}
	return out
}
