//go:build !race

package host

import (
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// unfresh notes that a statistical test failed.
type unfresh struct{ failed bool }

func (*unfresh) Helper()                 {}
func (f *unfresh) Fatalf(string, ...any) { f.failed = true }

// TestRandomOverTime: a service of a network of 100 is asked for Random(1) a thousand times, once a round, which is less than
// its bank of 40 yields. What it gets passes for uniform and, up to five calls apart, for independent. The same service
// without a bank fails that (the control). The keys are secret, so no seed can be fixed: each of the six checks fails
// with correct code with probability 1e-6.
func TestRandomOverTime(t *testing.T) {
	const others, calls, rate = 99, 1000, 1e-6
	check := func(t stattest.TB, series []int) {
		counts, values := make([]int, others), make([]float64, calls)
		for i, x := range series {
			counts[x]++
			values[i] = float64(x)
		}
		stattest.RequireUniform(t, counts, rate, "none")
		for lag := 1; lag <= 5; lag++ {
			stattest.RequireIndependent(t, values, lag, rate, "none")
		}
	}
	ask := func(slots int) (series []int, repeated uint64) {
		number := make(map[peer.ID]int)
		for i := range others {
			number[peerNo(i)] = i
		}
		synctest.Test(t, func(t *testing.T) {
			s := crowded(t, others, WithBank(slots))
			settle(40 * second)
			for call := range calls {
				settle(second)
				got := s.Random(1)
				if len(got) != 1 {
					t.Fatalf("call %d: %v", call, got)
				}
				series = append(series, number[got[0].ID])
			}
			repeated = uint64(s.Status().Picks.Repeated)
			s.Close()
		})
		return series, repeated
	}
	fresh, repeated := ask(40)
	if repeated > 0 {
		t.Fatalf("%d of %d calls found nobody fresh: the pace is too high", repeated, calls)
	}
	check(t, fresh)
	plain, _ := ask(0)
	var control unfresh
	if check(&control, plain); !control.failed {
		t.Error("draws from the plain sample pass for fresh ones")
	}
}
