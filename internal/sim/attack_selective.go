package sim

import "github.com/brahms-p2p/brahms-p2p/protocol"

var _ = register("selective", "faulty nodes keep alive only the ids that they see in samples, after the first 30 rounds; otherwise balanced", true,
	func(*world) attack { return &selective{} })

// selective saves the attacker machines: an id that no correct node has contacted lately stands in no sample, and is
// switched off until the attack needs it. Pull replies still name all.
type selective struct {
	balanced
	seen []int // round in which each member was last contacted, by number
}

const (
	selectiveFrom   = 30 // round: by then the samples are settled
	selectiveMemory = 15 // rounds; a sampled id is probed within ceil(l2/probes) of them
)

func (s *selective) watches() bool { return true }

func (s *selective) begin(w *world) {
	for len(s.seen) < len(w.members) {
		s.seen = append(s.seen, 0)
	}
}

func (s *selective) observe(w *world) {
	for _, n := range w.correct {
		for _, x := range w.members[n].contacted {
			if x.to != nil && s.alive(w, x.to) {
				s.seen[x.to.number] = w.round
			}
		}
	}
}

func (s *selective) alive(w *world, m *member) bool {
	return w.round <= selectiveFrom || w.round-s.seen[m.number] <= selectiveMemory
}

func (s *selective) answer(w *world, x exchange) (protocol.ProbeOutcome, int) {
	if x.to == nil || !s.alive(w, x.to) {
		return protocol.Missed, 0
	}
	return protocol.Alive, 0
}

func (s *selective) plan(w *world, to []push) []push {
	all := w.faulty
	var alive []int
	for _, n := range all {
		if s.alive(w, w.members[n]) {
			alive = append(alive, n)
		}
	}
	w.faulty = alive
	to = s.balanced.plan(w, to)
	w.faulty = all
	return to
}

func (s *selective) dialable(w *world, m *member) bool { return s.alive(w, m) }
