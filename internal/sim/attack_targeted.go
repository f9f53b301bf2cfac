package sim

import "github.com/brahms-p2p/brahms-p2p/protocol"

var _ = register("targeted", "a constant number of pushes on each victim a round, below, at or above its threshold; what is left of the budget is balanced", true,
	func(w *world) attack { return &targeted{pushes: w.cfg.VictimPushes} })

// targeted tries to isolate few nodes. Just below the threshold the victim cannot tell it from a busy round.
type targeted struct {
	balanced
	aim    []int
	pushes int
}

func (t *targeted) begin(w *world) {
	if w.round != 1 {
		return
	}
	t.aim = w.correct[:w.cfg.Victims:w.cfg.Victims]
	if t.pushes < 0 {
		t.pushes = threshold(w.params)
	}
}

// threshold is the largest number of pushes that does not overload a node whose peers have views of its own length.
func threshold(p protocol.Params) int {
	return int(min(p.Threshold*p.Alpha*float64(p.L1)+1e-9, protocol.MaxPushers))
}

func (t *targeted) plan(w *world, to []push) []push {
	to = t.deal(w, to, t.aim, t.pushes*len(t.aim))
	return t.deal(w, to, w.pick(len(w.correct)), max(0, w.budget()-t.pushes*len(t.aim)))
}

func (t *targeted) victims() []int { return t.aim }
