package sim

import "github.com/brahms-p2p/brahms-p2p/protocol"

// meter counts whose pushes count at a correct member, by the rules of protocol.Node, which tells how many there are but
// not whose.
type meter struct {
	repeats bool        // every push of a sender counts
	seen    map[int]int // counted or carried pushes by sender, in the round of the member
	counted int         // in the round of the member
	carried []int       // senders whose second push waits for the next round

	correct, faulty int64 // counted since the last look
}

// newMeter returns the meter of a correct member, nil where nobody looks.
func (w *world) newMeter() *meter {
	if !w.cfg.metered() {
		return nil
	}
	return &meter{repeats: w.params.Tuples || w.params.Ablate.CountRepeats, seen: map[int]int{}}
}

// metered reports whether pushes are counted by who sent them.
func (c Config) metered() bool { return c.Meter || c.TokenBits > 0 }

// open begins a round of the member.
func (m *meter) open(w *world) {
	if m == nil {
		return
	}
	clear(m.seen)
	m.counted = 0
	carried := m.carried
	m.carried = nil
	for _, n := range carried {
		m.count(w, n)
	}
}

// count takes a push that the member is handed.
func (m *meter) count(w *world, from int) {
	switch {
	case m == nil || m.counted >= protocol.MaxPushers:
	case m.repeats || m.seen[from] == 0:
		m.seen[from] = 1
		m.counted++
		if w.members[from].faulty {
			m.faulty++
		} else {
			m.correct++
		}
	case m.seen[from] == 1:
		m.seen[from] = 2
		m.carried = append(m.carried, from)
	}
}

// traffic is what pushes cost and brought in a round: sums of integers, as those of sums.
type traffic struct {
	nodes                         int64 // correct ones that are up
	countedCorrect, countedFaulty int64 // pushes at correct nodes, by who sent them
	solved, skipped               int64 // pushes of correct nodes that found somebody: with a token, and without
	attempts, budget              int64 // of correct nodes: spent, and what they might have
	faultyAttempts, refused       int64 // spent by faulty nodes; pushes that came without a token that is good
}

func (t *traffic) add(u traffic) {
	t.nodes += u.nodes
	t.countedCorrect += u.countedCorrect
	t.countedFaulty += u.countedFaulty
	t.solved += u.solved
	t.skipped += u.skipped
	t.attempts += u.attempts
	t.budget += u.budget
	t.faultyAttempts += u.faultyAttempts
	t.refused += u.refused
}

// traffic returns what the round brought and begins to count anew. It is zero where nobody looks.
func (w *world) traffic() traffic {
	var t traffic
	if !w.cfg.metered() {
		return t
	}
	for _, n := range w.correct {
		m := w.members[n]
		t.nodes++
		t.countedCorrect += m.meter.correct
		t.countedFaulty += m.meter.faulty
		m.meter.correct, m.meter.faulty = 0, 0
		if d := m.desk; d != nil {
			t.solved += d.solved
			t.skipped += d.missed
			t.attempts += d.spent
			t.budget += w.mint.budget
		}
	}
	if w.mint != nil {
		t.faultyAttempts, t.refused = w.mint.spent, w.mint.rejected
	}
	return t
}

// concludePushes fills in what was measured of pushes over the second half.
func (r *Result) concludePushes(w *world, late traffic) {
	if !w.cfg.metered() {
		return
	}
	set := func(to **float64, x float64) {
		x = round6(x)
		*to = &x
	}
	set(&r.PushShare, ratio(late.countedFaulty, late.countedFaulty+late.countedCorrect))
	if w.mint == nil {
		return
	}
	set(&r.PushesSkipped, ratio(late.skipped, late.skipped+late.solved))
	set(&r.PushesRefused, ratio(late.refused, late.nodes))
	set(&r.TokenWork, ratio(late.attempts, late.budget))
	if w.cfg.faulty() > 0 {
		correct, faulty := ratio(late.solved, late.attempts), ratio(late.countedFaulty, late.faultyAttempts)
		gain := 0.
		if correct > 0 {
			gain = faulty / correct
		}
		set(&r.TokenGain, gain)
	}
}
