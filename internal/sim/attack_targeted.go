package sim

import (
	"math"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

var _ = register("targeted", "a constant number of faulty pushes on each victim a round, beside those of correct nodes, below, at or above its threshold; the rest of the budget goes to the others, balanced", true,
	func(w *world) attack { return &targeted{pushes: w.cfg.VictimPushes} })

// targeted tries to isolate few nodes. Where faulty and correct pushes together stay below the threshold, the victim cannot
// tell it from a busy round.
type targeted struct {
	balanced
	aim    []int
	pushes int
}

func (t *targeted) begin(w *world) {
	if w.round != 1 {
		return
	}
	t.aim = slices.Clone(w.correct[:w.cfg.Victims])
	if t.pushes < 0 {
		// What the threshold leaves beside the pushes of correct nodes, as far as those meet correct ones.
		t.pushes = max(1, threshold(w.params)-int(math.Ceil(w.correctPushes())))
	}
}

// threshold is the largest number of pushes that does not overload a node whose peers have views of its own length.
func threshold(p protocol.Params) int {
	return int(min(p.Threshold*p.Alpha*float64(p.L1)+1e-9, protocol.MaxPushers))
}

func (t *targeted) plan(w *world, to []push) []push {
	t.aim = slices.DeleteFunc(t.aim, func(n int) bool { return !w.members[n].up }) // who left is no victim any longer
	others := slices.DeleteFunc(w.pick(len(w.correct)), func(n int) bool { return slices.Contains(t.aim, n) })
	budget := w.budget()
	onVictims := min(t.pushes*len(t.aim), budget, w.pairs(len(t.aim)))
	to = t.deal(w, to, t.aim, onVictims)
	return t.deal(w, to, others, min(budget-onVictims, w.pairs(len(others))))
}

func (t *targeted) victims() []int { return t.aim }
