package sim

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// pickWindow is how far back a pick is compared with earlier ones: pick_again.
const pickWindow = 20

// till takes ids out of the banks of all correct nodes after each round, as users would, and sums up what they were. A nil till
// does nothing. What it draws comes from a generator of its own.
type till struct {
	rng     *rand.Rand
	clients map[int]*client // by member

	// Of the second half.
	rounds, ready, probes  int64 // node-rounds, and of them the sums of what the bank had, and of its probes
	picks, draws           counts
	pickAgain, drawAgain   int64
	pickTrials, drawTrials int64
	picked                 map[int]int // by member
}

// client is the user of one node.
type client struct {
	due          float64   // picks that the pace allows
	picks, draws []peer.ID // the last ones, at most pickWindow, oldest first
}

func newTill(w *world) *till {
	if w.cfg.Algorithm != Brahms || w.params.Bank == 0 {
		return nil
	}
	return &till{rng: w.seeded('b', 0), clients: map[int]*client{}, picked: map[int]int{}}
}

// open lets all nodes take what is due after a round. It counts if the round is of the second half.
func (t *till) open(w *world, counted bool) {
	if t == nil {
		return
	}
	for _, n := range w.correct {
		c := t.clients[n]
		if c == nil {
			c = &client{}
			t.clients[n] = c
		}
		t.serve(w, w.members[n], c, counted)
	}
}

// serve lets one user take what is due, in an order that the ids have no part in, and for each pick draw from the sample.
func (t *till) serve(w *world, m *member, c *client, counted bool) {
	node := m.node.(brahms).Node
	ready := node.Picks()
	if counted {
		t.rounds++
		t.ready += int64(len(ready))
		t.probes += int64(node.Status().BankProbes)
	}
	t.rng.Shuffle(len(ready), func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
	if pace := w.cfg.Picks; pace >= 0 {
		// What the bank cannot give is lost to the user, not owed: a pace of one a round is at most one in each.
		c.due = min(c.due, 1) + pace
		ready = ready[:min(len(ready), int(c.due+1e-9))]
		c.due -= float64(len(ready))
	}
	sample := node.Sample()
	var spent []uint64
	for _, p := range ready {
		spent = append(spent, p.Key)
		again, full := remember(&c.picks, p.ID)
		if !counted {
			continue
		}
		t.picks[w.class(p.ID)]++
		if full {
			t.pickTrials++
			t.pickAgain += again
		}
		if to := w.member(p.ID); to != nil {
			t.picked[to.number]++
		}
		if len(sample) > 0 {
			id := sample[t.rng.IntN(len(sample))]
			t.draws[w.class(id)]++
			if again, full := remember(&c.draws, id); full {
				t.drawTrials++
				t.drawAgain += again
			}
		}
	}
	node.Spend(spent...)
}

// remember adds id to the last ones and returns how many of those it is, 0 or 1, and whether there were as many as can be.
func remember(last *[]peer.ID, id peer.ID) (again int64, full bool) {
	full = len(*last) == pickWindow
	if slices.Contains(*last, id) {
		again = 1
	}
	*last = append(*last, id)
	if len(*last) > pickWindow {
		*last = slices.Delete(*last, 0, 1)
	}
	return again, full
}

// concludePicks fills in what the tills of the second half came to.
func (r *Result) concludePicks(w *world) {
	t := w.till
	if t == nil {
		return
	}
	set := func(to **float64, x float64) {
		x = round6(x)
		*to = &x
	}
	set(&r.PicksMade, ratio(t.picks.total(), t.rounds))
	set(&r.PicksReady, ratio(t.ready, t.rounds))
	set(&r.BankProbes, ratio(t.probes, t.rounds))
	if t.picks.total() == 0 {
		return
	}
	set(&r.PickFaulty, t.picks.sampleFaulty())
	set(&r.DrawFaulty, t.draws.sampleFaulty())
	set(&r.PickDead, ratio(t.picks[isDead], t.picks.total()))
	if t.pickTrials > 0 && t.drawTrials > 0 {
		set(&r.PickAgain, ratio(t.pickAgain, t.pickTrials))
		set(&r.DrawAgain, ratio(t.drawAgain, t.drawTrials))
		others := float64(len(w.correct) + len(w.faulty) - 1)
		set(&r.AgainUniform, 1-math.Pow(1-1/others, pickWindow))
	}
	var counts []int
	for _, n := range w.correct {
		counts = append(counts, t.picked[n])
	}
	if s := spread(counts); s.Mean > 0 {
		set(&r.PickUneven, s.SD*s.SD/s.Mean)
	}
}
