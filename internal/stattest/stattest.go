// Package stattest holds the statistics by which tests and summaries judge random outcomes.
//
// Every test of chance fails now and then without a fault. What keeps ours honest: the seed is fixed, so a run
// repeats; the error rate alpha is stated where the test is called; and a failure prints both.
//
// Wrong arguments (cells that do not match, an empty sample) are faults of the caller and panic, but in UniformP,
// which is given what a run happened to produce.
package stattest

import (
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// MinExpected is the least mean count per cell for which the chi-square distribution is a fair approximation: the
// usual rule of thumb (Cochran 1954).
const MinExpected = 5

// ChiSquareP tests counts against expected ones (Pearson). Only the proportions of expected matter: they are scaled to the total
// of observed. It returns the statistic and the chance of one at least as large when the expectation is right.
func ChiSquareP(observed []int, expected []float64) (stat, p float64) {
	if len(observed) != len(expected) || len(observed) < 2 {
		panic(fmt.Sprintf("stattest: %d observed and %d expected cells, want as many and at least 2", len(observed), len(expected)))
	}
	total, weight := float64(sum(observed)), 0.0
	for _, e := range expected {
		if !(e > 0) || math.IsInf(e, 1) {
			panic(fmt.Sprintf("stattest: expected count %v is not positive and finite", e))
		}
		weight += e
	}
	if total == 0 {
		panic("stattest: no observations")
	}
	for i, o := range observed {
		e := expected[i] / weight * total
		stat += (float64(o) - e) * (float64(o) - e) / e
	}
	return stat, chiSquareTail(stat, len(observed)-1)
}

// UniformP returns the chance of counts at least as uneven as these when all cells are equally likely. It is not ok
// when the counts can tell nothing: fewer than two cells, or fewer than MinExpected per cell.
func UniformP(counts []int) (p float64, ok bool) {
	if len(counts) < 2 || sum(counts) < MinExpected*len(counts) {
		return 0, false
	}
	_, p = ChiSquareP(counts, ones(len(counts)))
	return p, true
}

// TwoSampleP tests whether two samples, counted over the same cells, come from one distribution, whatever it is (chi-square test
// of homogeneity). Cells that are empty in both are left out.
func TwoSampleP(a, b []int) (stat, p float64) {
	if len(a) != len(b) {
		panic(fmt.Sprintf("stattest: samples over %d and %d cells", len(a), len(b)))
	}
	na, nb := float64(sum(a)), float64(sum(b))
	if na == 0 || nb == 0 {
		panic(fmt.Sprintf("stattest: samples of %v and %v observations", na, nb))
	}
	cells := 0
	for i := range a {
		both := float64(a[i] + b[i])
		if both == 0 {
			continue
		}
		cells++
		ea, eb := both*na/(na+nb), both*nb/(na+nb)
		stat += (float64(a[i])-ea)*(float64(a[i])-ea)/ea + (float64(b[i])-eb)*(float64(b[i])-eb)/eb
	}
	if cells < 2 {
		panic("stattest: two samples need at least 2 cells that are not empty")
	}
	return stat, chiSquareTail(stat, cells-1)
}

// SerialCorrelation returns the autocorrelation of xs at that lag, and the chance of one at least as far from zero, on either
// side, if the values were independent (by the normal approximation, variance 1/len(xs): good from some 50 values on).
// A series without variation has no correlation: NaN and 0, so that a stuck generator fails.
func SerialCorrelation(xs []float64, lag int) (r, p float64) {
	if lag < 1 || lag >= len(xs) {
		panic(fmt.Sprintf("stattest: lag %d in a series of %d", lag, len(xs)))
	}
	mean := 0.0
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	var shifted, square float64
	for i, x := range xs {
		square += (x - mean) * (x - mean)
		if i+lag < len(xs) {
			shifted += (x - mean) * (xs[i+lag] - mean)
		}
	}
	if square == 0 {
		return math.NaN(), 0
	}
	r = shifted / square
	return r, math.Erfc(math.Abs(r) * math.Sqrt(float64(len(xs))/2))
}

// BinomialTail returns the chance of k or more successes in n independent trials of probability p.
func BinomialTail(k, n int, p float64) float64 {
	checkTrials(n, p)
	switch {
	case k <= 0:
		return 1
	case k > n:
		return 0
	}
	// Not one minus the lower tail, which would lose the digits of a small chance.
	return mathext.RegIncBeta(float64(k), float64(n-k+1), p)
}

// BinomialLowerTail returns the chance of k or fewer successes in n independent trials of probability p.
func BinomialLowerTail(k, n int, p float64) float64 {
	checkTrials(n, p)
	switch {
	case k < 0:
		return 0
	case k >= n:
		return 1
	}
	return mathext.RegIncBeta(float64(n-k), float64(k+1), 1-p)
}

// BinomialBounds returns the least and the greatest count that are still plausible: fewer than lo successes, and more than hi,
// have a chance of at most alpha/2 each.
func BinomialBounds(n int, p, alpha float64) (lo, hi int) {
	lo = sort.Search(n, func(k int) bool { return BinomialLowerTail(k, n, p) > alpha/2 })
	hi = sort.Search(n, func(k int) bool { return BinomialTail(k+1, n, p) <= alpha/2 })
	return lo, hi
}

func checkTrials(n int, p float64) {
	if n < 0 || !(p >= 0 && p <= 1) {
		panic(fmt.Sprintf("stattest: %d trials of probability %v", n, p))
	}
}

func chiSquareTail(stat float64, df int) float64 {
	return distuv.ChiSquared{K: float64(df)}.Survival(stat)
}

// sum panics on negative counts.
func sum(counts []int) int {
	total := 0
	for _, c := range counts {
		if c < 0 {
			panic(fmt.Sprintf("stattest: negative count %d", c))
		}
		total += c
	}
	return total
}

func ones(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 1
	}
	return w
}
