package protocol

import "github.com/libp2p/go-libp2p/core/peer"

// Suspects returns the ids of view and sample that missed and have not answered since, each once: those of the view first.
func (n *Node) Suspects() []peer.ID {
	var out []peer.ID
	seen := make(map[peer.ID]bool)
	add := func(id peer.ID) {
		if id != "" && !seen[id] && n.life.suspect(id) {
			seen[id] = true
			out = append(out, id)
		}
	}
	for _, id := range n.view {
		add(id)
	}
	for _, s := range n.sample.Slots() {
		add(s.ID)
	}
	return out
}
