package sim

import "github.com/libp2p/go-libp2p/core/peer"

// askOthers does the indirect probes that a node ordered. Each leg may fail, as any exchange; helpers know everybody and
// have no budgets. It draws from a generator of its own, so that it changes nothing where nobody is vouched for.
func (w *world) askOthers(m *member) {
	node, ok := m.node.(brahms)
	if !ok {
		return
	}
	for _, q := range m.acts.Indirect {
		target := w.member(q.Target)
		for _, id := range q.Helpers {
			node.HandleIndirect(q.Target, w.vouches(m, w.member(id), target))
		}
	}
}

// vouches reports whether m gets the target's signature by way of the helper. Faulty helpers say nothing of correct
// targets. Whatever faulty targets do to m, they sign for all others if they answer probes at large.
func (w *world) vouches(m, helper, target *member) bool {
	if helper == nil || target == nil || !helper.up || !target.up {
		return false
	}
	switch {
	case target.faulty:
		if !w.attack.dialable(w, target) {
			return false
		}
	case helper.faulty:
		return false
	}
	return w.leg(m, m, helper) && w.leg(m, helper, target)
}

// leg reports whether an exchange between two members succeeds; m is whose indirect probe it is a part of.
func (w *world) leg(m, from, to *member) bool {
	lost := m.aside != nil && m.aside.Float64() < w.cfg.Loss
	return !lost && !w.attack.cuts(w, from, to) && w.reaches(from, to)
}

// reaches reports whether exchanges that from begins with to can succeed (Config.Oneway): a matter of the ordered pair
// alone, so that nothing is drawn.
func (w *world) reaches(from, to *member) bool {
	if w.cfg.Oneway == 0 || w.round < w.cfg.OnewayAt {
		return true
	}
	x := mix(mix(w.cfg.Seed)^uint64('o')<<56) ^ mix(uint64(from.number)<<32|uint64(to.number))
	return float64(mix(x)>>11)/(1<<53) >= w.cfg.Oneway
}

// vigil follows deaths. It is nil where nobody looks, and changes no digest.
type vigil struct {
	gone    map[int]int // round in which they left, of members that some sample may hold yet
	noticed []int       // rounds that it took to notice, of the others

	half                         int // last round of the first half
	falseDeaths, asks, nodeRound int64
}

func newVigil(cfg Config) *vigil {
	if !cfg.Liveness {
		return nil
	}
	return &vigil{gone: map[int]int{}, half: cfg.Rounds / 2}
}

// left tells that members have left for ever.
func (v *vigil) left(numbers []int, round int) {
	if v == nil {
		return
	}
	for _, n := range numbers {
		v.gone[n] = round
	}
}

// look sums up the state after a round.
func (v *vigil) look(w *world) {
	if v == nil {
		return
	}
	if w.round > v.half {
		for _, n := range w.correct {
			m := w.members[n]
			v.falseDeaths += m.falsely
			for _, q := range m.acts.Indirect {
				v.asks += int64(len(q.Helpers))
			}
		}
		v.nodeRound += int64(len(w.correct))
	}
	if len(v.gone) == 0 {
		return
	}
	held := make([]map[int]bool, w.workers())
	w.eachOn(w.correct, func(worker int, m *member) {
		for _, id := range m.slots() {
			k := w.member(id)
			if k == nil || k.up {
				continue
			}
			if held[worker] == nil {
				held[worker] = map[int]bool{}
			}
			held[worker][k.number] = true
		}
	})
	for n, round := range v.gone {
		if !anyOf(held, n) {
			v.noticed = append(v.noticed, w.round-round)
			delete(v.gone, n)
		}
	}
}

func anyOf(sets []map[int]bool, n int) bool {
	for _, s := range sets {
		if s[n] {
			return true
		}
	}
	return false
}

// falselyDead is how many of ids, which a node has just declared dead, name correct members that are up.
func (w *world) falselyDead(ids []peer.ID) (n int64) {
	for _, id := range ids {
		if m := w.member(id); m != nil && !m.faulty && m.up {
			n++
		}
	}
	return n
}

// concludeLiveness fills in what was measured of deaths. The dead that are still held by a sample at the end are not
// among the noticed: dead_in_samples tells.
func (r *Result) concludeLiveness(v *vigil) {
	if v == nil {
		return
	}
	rate := round6(1000 * ratio(v.falseDeaths, v.nodeRound))
	asks := round6(ratio(v.asks, v.nodeRound))
	r.FalseDeaths, r.Asks = &rate, &asks
	if len(v.noticed) > 0 {
		s := spread(v.noticed)
		most := s.Max
		r.Noticed, r.NoticedMax = &s, &most
	}
}
