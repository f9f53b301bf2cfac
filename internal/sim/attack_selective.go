package sim

import "github.com/brahms-p2p/brahms-p2p/protocol"

var _ = register("selective", "after the first 30 rounds a faulty node answers only those nodes that have it in their sample, as their probes tell; otherwise balanced", true,
	func(*world) attack { return &selective{seen: map[pair]int{}, last: map[int]int{}} })

// selective saves the attacker work: it keeps up only what pays, the places that it has in samples. That a faulty id
// answers nobody at all would need more faulty ids than all samples together have slots.
type selective struct {
	balanced
	seen map[pair]int // round in which the correct node last probed the faulty one
	last map[int]int  // round in which anybody did, by the number of the faulty node
}

// pair is a correct node and a faulty one, by their numbers.
type pair struct{ from, to int }

const (
	selectiveFrom   = 30 // round: by then the samples are settled
	selectiveMemory = 15 // rounds; a sampled id is probed within ceil(l2/probes) of them
)

func (s *selective) watches() bool { return true }

func (s *selective) observe(w *world) {
	for _, n := range w.correct {
		for _, x := range w.members[n].contacted {
			if p := (pair{n, s.number(x)}); x.kind == probing && x.to != nil && s.serves(w, p) {
				s.seen[p], s.last[p.to] = w.round, w.round
			}
		}
	}
}

func (s *selective) number(x exchange) int {
	if x.to == nil {
		return -1
	}
	return x.to.number
}

// serves reports whether the faulty node answers the correct one.
func (s *selective) serves(w *world, p pair) bool {
	at, ok := s.seen[p]
	return w.round <= selectiveFrom || ok && w.round-at <= selectiveMemory
}

func (s *selective) answer(w *world, x exchange) (protocol.ProbeOutcome, int) {
	if x.to == nil || !s.serves(w, pair{x.from.number, x.to.number}) {
		return protocol.Missed, 0
	}
	return protocol.Alive, 0
}

func (s *selective) dialable(w *world, m *member) bool {
	at, ok := s.last[m.number]
	return w.round <= selectiveFrom || ok && w.round-at <= selectiveMemory
}
