package sim

import "math"

var _ = register("churn-storm", "--share of the correct nodes leave at once in round --start, without a word but for --goodbye, the faulty stay; otherwise balanced", false,
	func(w *world) attack { return &churnStorm{} })

// churnStorm raises the faulty share and fills views and samples with the dead at a blow.
type churnStorm struct{ balanced }

func (c *churnStorm) begin(w *world) {
	if w.round == w.cfg.start() {
		w.depart(w.pick(min(int(math.Round(w.cfg.share(.5)*float64(len(w.correct)))), len(w.correct)-2)))
	}
}
