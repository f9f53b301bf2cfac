package stattest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var _ TB = (*testing.T)(nil)

type recorder struct{ messages []string }

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

const (
	seed  = 20260101
	alpha = 1e-4
)

func counts(cells, draws int, draw func() int) []int {
	c := make([]int, cells)
	for range draws {
		c[draw()]++
	}
	return c
}

func TestGoodGeneratorPasses(t *testing.T) {
	r := Rand(seed)
	a := counts(20, 20_000, func() int { return r.IntN(20) })
	b := counts(20, 5_000, func() int { return r.IntN(20) })
	RequireUniform(t, a, alpha, seed)
	RequireProportions(t, counts(2, 9_000, func() int { return min(r.IntN(3), 1) }), []float64{1, 2}, alpha, seed)
	RequireSameDistribution(t, a, b, alpha, seed)
	RequireBinomial(t, a[0], 20_000, 1.0/20, alpha, seed)
	xs := make([]float64, 5_000)
	for i := range xs {
		xs[i] = r.Float64()
	}
	RequireIndependent(t, xs, 1, alpha, seed)
}

// Negative control: each check sees the fault it is there for, and its message holds what a reader needs to repeat the run.
func TestFaultyGeneratorsFail(t *testing.T) {
	r := Rand(seed)
	biased := counts(20, 20_000, func() int { return r.IntN(256) % 20 * 19 / 20 }) // the last cell stays empty
	fair := counts(20, 20_000, func() int { return r.IntN(20) })
	walk := make([]float64, 2_000)
	for i := 1; i < len(walk); i++ {
		walk[i] = 0.2*walk[i-1] + r.NormFloat64()
	}
	for name, f := range map[string]func(TB){
		"uniform":     func(t TB) { RequireUniform(t, biased, alpha, seed) },
		"too few":     func(t TB) { RequireUniform(t, []int{4, 5}, alpha, seed) },
		"nothing":     func(t TB) { RequireUniform(t, []int{0, 0, 0}, alpha, seed) },
		"proportions": func(t TB) { RequireProportions(t, []int{1000, 1000}, []float64{1, 2}, alpha, seed) },
		"same":        func(t TB) { RequireSameDistribution(t, fair, biased, alpha, seed) },
		"independent": func(t TB) { RequireIndependent(t, walk, 1, alpha, seed) },
		"stuck":       func(t TB) { RequireIndependent(t, make([]float64, 100), 1, alpha, seed) },
		"too many":    func(t TB) { RequireBinomial(t, 600, 1000, 0.5, alpha, seed) },
		"too little":  func(t TB) { RequireBinomial(t, 400, 1000, 0.5, alpha, seed) },
	} {
		t.Run(name, func(t *testing.T) {
			var rec recorder
			f(&rec)
			if len(rec.messages) != 1 {
				t.Fatalf("got the messages %q, want one", rec.messages)
			}
			for _, want := range []string{"seed 20260101", "0.0001"} {
				if !strings.Contains(rec.messages[0], want) && !strings.Contains(rec.messages[0], "can tell nothing") {
					t.Errorf("%q does not say %q", rec.messages[0], want)
				}
			}
		})
	}
}

// The error rate is what it says: of 2,000 fair samples a share of about alpha fails, neither none nor twice as many.
func TestErrorRateHolds(t *testing.T) {
	const trials, rate = 2_000, 0.05
	r, failed := Rand(seed), 0
	for range trials {
		var rec recorder
		RequireUniform(&rec, counts(10, 1_000, func() int { return r.IntN(10) }), rate, seed)
		failed += len(rec.messages)
	}
	RequireBinomial(t, failed, trials, rate, alpha, seed)
}

func TestRandRepeats(t *testing.T) {
	draw := func(seed uint64) []int { return counts(10, 100, func() int { return Rand(seed).IntN(10) }) }
	if a, b := draw(1), draw(1); !slices.Equal(a, b) {
		t.Errorf("seed 1 gave %v and %v", a, b)
	}
	if Rand(1).Uint64() == Rand(2).Uint64() {
		t.Error("seeds 1 and 2 start alike")
	}
}

func TestBriefKeepsBothEnds(t *testing.T) {
	if got, want := brief([]int{1, 2}), "[1 2]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	long := make([]int, 1000)
	long[0], long[999] = 7, 9
	if got := brief(long); !strings.HasPrefix(got, "[7 0") || !strings.Contains(got, "0 9] (1000 in all)") || len(got) > 200 {
		t.Errorf("got %s", got)
	}
}
