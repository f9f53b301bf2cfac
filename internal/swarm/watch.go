package swarm

import "github.com/libp2p/go-libp2p/core/peer"

// watched is what the rounds of a run tell beside its end. It is looked at once a round.
type watched struct {
	deadUntil, leftUntil int // last round at whose end somebody still held one that had died, or left
	parts                int // components when the cut healed
	merged               int // round at whose end there was one component again; 0: none yet
}

// watch looks at all live peers at the end of a round.
func (r *run) watch() {
	w := &r.watched
	inCut := r.cfg.PartitionAt > 0 && r.round >= r.cfg.PartitionAt && r.round < r.cfg.HealAt
	if inCut {
		r.part()
	}
	dead, left := r.gone()
	if len(dead) > 0 && r.holds(dead, false) {
		w.deadUntil = r.round
	}
	if len(left) > 0 && r.holds(left, true) {
		w.leftUntil = r.round
	}
	if r.cfg.PartitionAt > 0 && r.round > r.cfg.HealAt && w.merged == 0 && r.components() == 1 {
		w.merged = r.round
	}
}

// gone are the correct peers that were killed, and those that left.
func (r *run) gone() (dead, left map[peer.ID]bool) {
	dead, left = make(map[peer.ID]bool), make(map[peer.ID]bool)
	for _, m := range correct(r.members) {
		switch {
		case m.left:
			left[m.id] = true
		case m.dead && m.died == r.cfg.KillAt: // under churn others die too
			dead[m.id] = true
		}
	}
	return dead, left
}

// holds reports whether a live peer has one of ids in its sample, or with views set in its view.
func (r *run) holds(ids map[peer.ID]bool, views bool) bool {
	for _, m := range correct(r.live()) {
		snap := m.svc.Snapshot()
		for _, slot := range snap.Slots {
			if ids[slot.ID] {
				return true
			}
		}
		for _, id := range snap.View {
			if views && ids[id] {
				return true
			}
		}
	}
	return false
}

// components is the number of strongly connected components now.
func (r *run) components() int {
	var states []state
	for _, m := range correct(r.live()) {
		states = append(states, m.state(true))
	}
	return len(newGraph(states).components())
}

// heal lets the halves dial each other again.
func (r *run) heal() {
	r.watched.parts = r.components()
	r.cut.set(false)
}

// judgeRounds fills in what the rounds told.
func (r *run) judgeRounds(s *Summary) {
	w := &r.watched
	since := func(on bool, event, last int) *int { // rounds from an event until what it made was gone
		if !on {
			return nil
		}
		n := max(0, last+1-event)
		if last == r.cfg.Rounds {
			n = -1
		}
		return &n
	}
	s.DeadRounds = since(r.cfg.killed() > 0, r.cfg.KillAt, w.deadUntil)
	s.LeftRounds = since(r.cfg.leaving() > 0, r.cfg.LeaveAt, w.leftUntil)
	s.Left = r.cfg.leaving()
	if r.cfg.PartitionAt > 0 {
		parts, merged := w.parts, w.merged-r.cfg.HealAt
		if w.merged == 0 {
			merged = -1
		}
		s.Parts, s.MergeRounds = &parts, &merged
	}
	for _, m := range correct(r.members) {
		m.tally.mu.Lock()
		s.Deaths += m.tally.deaths
		m.tally.mu.Unlock()
	}
}
