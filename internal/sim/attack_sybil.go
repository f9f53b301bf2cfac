package sim

var _ = register("sybil", "--sybils new ids a round that answer like any other; otherwise balanced", true,
	func(*world) attack { return &sybil{} })

// sybil uses that ids are free to run. No sampler that is uniform over the ids that answer can help: the sample's faulty
// share follows theirs.
type sybil struct{ balanced }

func (s *sybil) begin(w *world) {
	for range w.cfg.Sybils {
		w.enter(true)
	}
}
