package sim

import "github.com/libp2p/go-libp2p/core/peer"

var _ = register("eclipse-join", "--victims newcomers in round --start know faulty nodes only, but for one correct seed in four; otherwise balanced", true,
	func(*world) attack { return &eclipseJoin{} })

// eclipseJoin has newcomers whose first contacts are all faulty. One of the four seeds that they come back to at a low
// rate is correct: without it nothing could help them.
type eclipseJoin struct {
	balanced
	joining bool
	aim     []int
}

func (e *eclipseJoin) contacts(w *world, m *member) []peer.ID {
	if !e.joining {
		return w.anyContacts(m)
	}
	return w.draw(m, w.faulty, w.params.L1)
}

func (e *eclipseJoin) begin(w *world) {
	if w.round != w.cfg.start() {
		return
	}
	e.joining = true
	old := w.correct[:len(w.correct):len(w.correct)]
	for range w.cfg.Victims {
		m := w.arrive()
		e.aim = append(e.aim, m.number)
		if node, ok := m.node.(brahms); ok {
			seeds := append(w.draw(m, w.faulty, 3), w.members[old[m.net.IntN(len(old))]].id)
			node.SetSeeds(seeds)
		}
	}
	e.joining = false
}

func (e *eclipseJoin) victims() []int { return e.aim }
