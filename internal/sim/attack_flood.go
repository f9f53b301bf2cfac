package sim

import "math"

var _ = register("flood", "each faulty node sends --force times the pushes of a correct one, whatever they cost, with tokens for as many as --compute pays; otherwise balanced", true,
	func(*world) attack { return &flood{} })

// flood breaks the assumption of limited pushes. With Force 10 and f=.3 the faulty send .81 of all pushes.
type flood struct{ balanced }

func (f *flood) plan(w *world, to []push) []push {
	count := math.Round(w.cfg.Force * float64(w.fanout*len(w.faulty)))
	return f.deal(w, to, w.pick(len(w.correct)), int(count))
}
