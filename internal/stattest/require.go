package stattest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// TB is the part of testing.TB that the checks need. Naming it here keeps testing out of programs that import this package.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Rand returns the generator of a test: the same sequence for the same seed.
func Rand(seed uint64) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.New(rand.NewChaCha8(key))
}

// RequireUniform fails t when counts are too uneven for cells of equal chance. Of correct code and a seed picked blindly, a share
// of alpha fails. Seed is whatever repeats the run; it is only printed.
func RequireUniform(t TB, counts []int, alpha float64, seed any) {
	t.Helper()
	RequireProportions(t, counts, ones(len(counts)), alpha, seed)
}

// RequireProportions is RequireUniform for cells of unequal chance.
func RequireProportions(t TB, counts []int, expected []float64, alpha float64, seed any) {
	t.Helper()
	if total := sum(counts); total < MinExpected*len(counts) {
		t.Fatalf("%d observations in %d cells can tell nothing, want %d a cell; seed %v", total, len(counts), MinExpected, seed)
		return
	}
	if stat, p := ChiSquareP(counts, expected); !(p >= alpha) {
		t.Fatalf("counts differ from the expectation: chi-square %.4g in %d cells, p = %.3g, below the error rate %.3g; seed %v; counts %s",
			stat, len(counts), p, alpha, seed, brief(counts))
	}
}

// RequireSameDistribution fails t when two samples over the same cells are too different to come from one distribution.
func RequireSameDistribution(t TB, a, b []int, alpha float64, seed any) {
	t.Helper()
	if stat, p := TwoSampleP(a, b); !(p >= alpha) {
		t.Fatalf("the samples differ: chi-square %.4g in %d cells, p = %.3g, below the error rate %.3g; seed %v; counts %s and %s",
			stat, len(a), p, alpha, seed, brief(a), brief(b))
	}
}

// RequireIndependent fails t when successive values, lag apart, are correlated.
func RequireIndependent(t TB, xs []float64, lag int, alpha float64, seed any) {
	t.Helper()
	if r, p := SerialCorrelation(xs, lag); !(p >= alpha) {
		t.Fatalf("values %d apart are correlated: r = %.4g over %d values, p = %.3g, below the error rate %.3g; seed %v",
			lag, r, len(xs), p, alpha, seed)
	}
}

// RequireBinomial fails t when k successes in n trials are too many or too few for the probability p.
func RequireBinomial(t TB, k, n int, p, alpha float64, seed any) {
	t.Helper()
	if lo, hi := BinomialBounds(n, p, alpha); k < lo || k > hi {
		t.Fatalf("%d successes in %d trials of probability %.4g, want %d to %d at the error rate %.3g; seed %v", k, n, p, lo, hi, alpha, seed)
	}
}

// brief prints counts, or the ends of a long list.
func brief(counts []int) string {
	const most = 32
	if len(counts) <= most {
		return fmt.Sprint(counts)
	}
	return fmt.Sprintf("%v ... %v (%d in all)", counts[:most/2], counts[len(counts)-most/2:], len(counts))
}
