//go:build !race

package sim

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// oneContact is balanced where each newcomer knows one correct node.
type oneContact struct {
	balanced
	of map[int]peer.ID
}

func (o *oneContact) contacts(w *world, m *member) []peer.ID {
	if w.round == 0 {
		return o.balanced.contacts(w, m)
	}
	ids := w.draw(m, without(w.correct, []int{m.number}), 1)
	o.of[m.number] = ids[0]
	return ids
}

// strayed runs 33 nodes, 11 of them faulty, with churn and lost exchanges for 600 rounds, and counts the newcomers that were up
// for 8 rounds with the contact that they began with, and of these who knew no correct node then.
func strayed(t *testing.T, seed uint64, change func(*protocol.Params)) (alone, of int) {
	t.Helper()
	cfg := Default()
	cfg.Nodes, cfg.Faulty, cfg.Churn, cfg.Loss, cfg.Jitter, cfg.Seed, cfg.Perfect = 33, 1./3, .01, .3, .2, seed, false
	w, err := newWorld(cfg)
	if err != nil {
		t.Fatal(err)
	}
	o := &oneContact{of: map[int]peer.ID{}}
	w.attack = o
	change(&w.params)
	for range 600 {
		w.step()
		for _, n := range w.correct {
			if m := w.members[n]; m.since > 0 && w.round-m.since == 8 && w.member(o.of[n]).up {
				of++
				alone += int(w.examine(m, false).isolatedBoth)
			}
		}
	}
	return alone, of
}

// TestNewcomersFindTheOthers: a newcomer that knows one correct node finds the others within 8 rounds although a third of the
// exchanges fail and the faulty push to it at once. The negative control: a contact that did not answer is asked in its turn only.
func TestNewcomersFindTheOthers(t *testing.T) {
	var alone, of, control, ofControl int
	for seed := range uint64(3) {
		a, n := strayed(t, seed+1, func(*protocol.Params) {})
		alone, of = alone+a, of+n
		a, n = strayed(t, seed+1, func(p *protocol.Params) { p.Ablate.SeedsInTurn = true })
		control, ofControl = control+a, ofControl+n
	}
	t.Logf("%d of %d newcomers knew nobody correct after 8 rounds; asking their contact in turn only, %d of %d", alone, of, control, ofControl)
	if 100*alone > of || 50*control < ofControl {
		t.Error("the contact is asked again in vain, or would not have to be")
	}
}
