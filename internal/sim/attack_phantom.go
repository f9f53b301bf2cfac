package sim

import "github.com/libp2p/go-libp2p/core/peer"

var _ = register("phantom", "pull replies full of ids that were never seen and answer nothing; pushes balanced", true,
	func(*world) attack { return &phantom{} })

// phantom uses that ids are free to make.
type phantom struct{ balanced }

func (p *phantom) reply(w *world, x exchange) []peer.ID { return newPhantoms(x.from, w.length(x.from)) }

func (p *phantom) load(w *world, _, to *member) []peer.ID { return newPhantoms(to, w.params.L1) }

// newPhantoms invents ids for the correct member m.
func newPhantoms(m *member, count int) []peer.ID {
	out := make([]peer.ID, count)
	for i := range out {
		out[i] = makeID(phantomID, m.net.Uint64())
	}
	return out
}
