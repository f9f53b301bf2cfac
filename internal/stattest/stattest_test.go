package stattest

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// near compares to the digits that the source of want prints.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tolerance)
	}
}

// The critical values are those of the usual printed table (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4).
func TestChiSquareTable(t *testing.T) {
	for _, c := range []struct {
		df             int
		p, stat, digit float64
	}{
		{1, 0.05, 3.841, 1e-4}, {1, 0.001, 10.828, 1e-5}, {2, 0.05, 5.991, 1e-4}, {5, 0.10, 9.236, 1e-4},
		{10, 0.05, 18.307, 1e-4}, {10, 0.01, 23.209, 1e-5}, {50, 0.001, 86.661, 1e-5}, {100, 0.05, 124.342, 1e-4},
	} {
		near(t, fmt.Sprintf("df %d, statistic %v", c.df, c.stat), chiSquareTail(c.stat, c.df), c.p, c.digit)
	}
}

// Mendel's peas, 315:108:101:32 against 9:3:3:1, are in every textbook: chi-square 0.470 at 3 degrees of freedom, p = 0.925.
func TestChiSquareOfMendelsPeas(t *testing.T) {
	stat, p := ChiSquareP([]int{315, 108, 101, 32}, []float64{9, 3, 3, 1})
	near(t, "statistic", stat, 0.470, 5e-4)
	near(t, "p", p, 0.925, 5e-4)
	scaled, _ := ChiSquareP([]int{315, 108, 101, 32}, []float64{312.75, 104.25, 104.25, 34.75})
	near(t, "statistic from counts instead of proportions", scaled, stat, 1e-12)
}

func TestUniformP(t *testing.T) {
	// (10-15)^2/15 twice: 10/3 at 1 degree of freedom, whose tail is erfc(sqrt(x/2)).
	p, ok := UniformP([]int{10, 20})
	if !ok {
		t.Error("30 observations in 2 cells: not ok")
	}
	near(t, "p", p, math.Erfc(math.Sqrt(10.0/6)), 1e-12)
	for _, counts := range [][]int{nil, {7}, {0, 0}, {4, 5}} {
		if p, ok := UniformP(counts); ok {
			t.Errorf("%v: ok, p = %v", counts, p)
		}
	}
}

func TestTwoSampleP(t *testing.T) {
	stat, p := TwoSampleP([]int{10, 20}, []int{20, 10})
	near(t, "statistic", stat, 20.0/3, 1e-12)
	near(t, "p", p, 0.00982, 5e-6)
	more, _ := TwoSampleP([]int{10, 0, 20}, []int{20, 0, 10})
	near(t, "statistic with an empty cell", more, stat, 1e-12)
	if stat, p := TwoSampleP([]int{10, 30}, []int{5, 15}); stat != 0 || p != 1 {
		t.Errorf("equal proportions: statistic %v, p %v", stat, p)
	}
}

func TestSerialCorrelation(t *testing.T) {
	ramp := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	r, _ := SerialCorrelation(ramp, 1)
	near(t, "1 to 10 at lag 1", r, 0.7, 1e-12) // 57.75/82.5
	r, _ = SerialCorrelation([]float64{1, -1, 1, -1}, 1)
	near(t, "alternating", r, -0.75, 1e-12)
	series := make([]float64, 100)
	for i := range series {
		series[i] = float64(i % 2)
	}
	r, p := SerialCorrelation(series, 1)
	near(t, "100 alternating", r, -0.99, 1e-12)
	near(t, "p, the tail beyond 9.9 standard deviations on both sides", p, math.Erfc(9.9/math.Sqrt2), 1e-25)
	if r, p := SerialCorrelation([]float64{3, 3, 3}, 1); !math.IsNaN(r) || p != 0 {
		t.Errorf("constant series: r %v, p %v, want NaN and 0", r, p)
	}
}

func TestBinomialTails(t *testing.T) {
	near(t, "60 or more heads of 100", BinomialTail(60, 100, 0.5), 0.028444, 5e-7)
	near(t, "2 or fewer of 10 at 0.2", BinomialLowerTail(2, 10, 0.2), 0.6778, 5e-5)
	near(t, "all of 50 at 0.1, in relative terms", BinomialTail(50, 50, 0.1)/1e-50, 1, 1e-9)
	near(t, "none of 20 at 0.1", BinomialLowerTail(0, 20, 0.1), math.Pow(0.9, 20), 1e-12)
	for k := -1; k <= 31; k++ {
		// The dumb version: the sum of the terms.
		want := 0.0
		for i := max(k, 0); i <= 30; i++ {
			lg, _ := math.Lgamma(31)
			li, _ := math.Lgamma(float64(i + 1))
			lj, _ := math.Lgamma(float64(31 - i))
			want += math.Exp(lg - li - lj + float64(i)*math.Log(0.3) + float64(30-i)*math.Log(0.7))
		}
		near(t, fmt.Sprintf("%d or more of 30", k), BinomialTail(k, 30, 0.3), want, 1e-12)
		near(t, fmt.Sprintf("fewer than %d of 30", k), BinomialLowerTail(k-1, 30, 0.3), 1-want, 1e-12)
	}
}

func TestBinomialBounds(t *testing.T) {
	if lo, hi := BinomialBounds(100, 0.5, 0.05); lo != 40 || hi != 60 { // the printed 95% acceptance region
		t.Errorf("100 coins: %d to %d, want 40 to 60", lo, hi)
	}
	for _, n := range []int{0, 1, 2, 17, 400} {
		for _, p := range []float64{0, 0.01, 0.5, 0.99, 1} {
			for _, alpha := range []float64{0.5, 0.05, 1e-6} {
				lo, hi := BinomialBounds(n, p, alpha)
				if lo < 0 || hi > n || lo > hi {
					t.Fatalf("n %d, p %v, alpha %v: %d to %d", n, p, alpha, lo, hi)
				}
				if BinomialLowerTail(lo-1, n, p) > alpha/2 || BinomialTail(hi+1, n, p) > alpha/2 {
					t.Errorf("n %d, p %v, alpha %v: outside %d to %d lies more than alpha", n, p, alpha, lo, hi)
				}
				if lo < n && BinomialLowerTail(lo, n, p) <= alpha/2 || hi > 0 && BinomialTail(hi, n, p) <= alpha/2 {
					t.Errorf("n %d, p %v, alpha %v: %d to %d is wider than needed", n, p, alpha, lo, hi)
				}
			}
		}
	}
}

func TestWrongArgumentsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"cells that do not match":    func() { ChiSquareP([]int{1, 2}, []float64{1}) },
		"one cell":                   func() { ChiSquareP([]int{1}, []float64{1}) },
		"nothing observed":           func() { ChiSquareP([]int{0, 0}, []float64{1, 1}) },
		"negative count":             func() { ChiSquareP([]int{-1, 2}, []float64{1, 1}) },
		"expectation zero":           func() { ChiSquareP([]int{1, 2}, []float64{0, 1}) },
		"expectation NaN":            func() { ChiSquareP([]int{1, 2}, []float64{math.NaN(), 1}) },
		"empty sample":               func() { TwoSampleP([]int{0, 0}, []int{1, 2}) },
		"samples of different cells": func() { TwoSampleP([]int{1}, []int{1, 2}) },
		"one common cell":            func() { TwoSampleP([]int{3, 0}, []int{4, 0}) },
		"lag zero":                   func() { SerialCorrelation([]float64{1, 2}, 0) },
		"lag too long":               func() { SerialCorrelation([]float64{1, 2}, 2) },
		"probability above 1":        func() { BinomialTail(1, 2, 1.5) },
		"negative trials":            func() { BinomialLowerTail(1, -2, 0.5) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if msg, ok := recover().(string); !ok || !strings.HasPrefix(msg, "stattest: ") {
					t.Errorf("recovered %q, want a message of this package", msg)
				}
			}()
			f()
		})
	}
}
