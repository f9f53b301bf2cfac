package sim

var _ = register("partition", "two halves of all nodes, faulty ones in both, hear nothing of each other for --length rounds from round --start on; otherwise balanced", false,
	func(*world) attack { return &partition{} })

// partition cuts the nodes of even from those of odd numbers.
type partition struct{ balanced }

func (p *partition) cuts(w *world, a, b *member) bool {
	from := w.cfg.start()
	return w.round >= from && w.round < from+w.cfg.length(30) && a.number%2 != b.number%2
}
