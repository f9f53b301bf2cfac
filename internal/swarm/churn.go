package swarm

import (
	"math"
	"runtime"
	"time"

	"github.com/brahms-p2p/brahms-p2p/internal/usage"
)

// churnRounds is for how many rounds those that die of churn are not held against the samples: some die in the last one.
// Two misses take a tenth of that, and to be asked twice where rounds are late the rest.
const churnRounds = 20

// churn are the deaths and arrivals of Config.Churn, one of each at a time.
func (r *run) churn() (events []event) {
	each := r.cfg.Churn * float64(r.cfg.Peers-r.cfg.faulty())
	next := r.cfg.Peers + r.cfg.Join // the number of the next newcomer
	for round := MaturityRounds; round < r.cfg.Rounds; round++ {
		n := int(math.Floor(each*float64(round+1)) - math.Floor(each*float64(round)))
		for i := range n {
			number := next
			next++
			at := time.Duration(round)*r.cfg.Interval + share(r.cfg.Interval, i, n)
			events = append(events, event{at, func() error {
				live := correct(r.live())
				r.end(live[r.rng.IntN(len(live))])
				return r.join(number, round)
			}})
		}
	}
	return events
}

// end closes a correct peer without a word.
func (r *run) end(m *member) {
	r.crew.lose(m)
	r.closing.Go(m.die(r.round))
}

// A Level is what the process holds at a time of the run, all peers together.
type Level struct {
	Round      int     `json:"round"`
	Goroutines int     `json:"goroutines"`
	HeapMB     float64 `json:"heap_mb"` // after a collection, MiB
}

func (r *run) levels() (events []event) {
	for i := range r.cfg.Levels {
		round := r.cfg.Rounds * (i + 1) / r.cfg.Levels
		events = append(events, event{time.Duration(round) * r.cfg.Interval, func() error {
			r.measured = append(r.measured, Level{Round: round, Goroutines: runtime.NumGoroutine(), HeapMB: usage.HeapMB()})
			return nil
		}})
	}
	return events
}
