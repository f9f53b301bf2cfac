package sim

var _ = register("flap", "--share of the correct nodes go off each round and return --length rounds later under their old ids, the faulty never do; otherwise balanced", false,
	func(*world) attack { return &flap{} })

// flap wears correct nodes down: each time one is off it loses slots, while the faulty keep theirs.
type flap struct {
	balanced
	away []outage
}

type outage struct {
	numbers []int
	until   int
}

func (f *flap) begin(w *world) {
	for len(f.away) > 0 && f.away[0].until <= w.round {
		w.on(f.away[0].numbers)
		f.away = f.away[1:]
	}
	count := int(float64(w.cfg.share(.01)*float64(len(w.correct))) + w.rng.Float64()) // converted: no fused multiply-add
	gone := w.pick(min(count, len(w.correct)-1))
	w.off(gone)
	f.away = append(f.away, outage{numbers: gone, until: w.round + w.cfg.length(5)})
}
