package sim

import (
	"math"
	"testing"
)

// TestTheory against fixed points that were computed apart from this code.
func TestTheory(t *testing.T) {
	for _, c := range []struct {
		alpha, beta, gamma float64
		points             map[float64]float64 // by f = p
	}{
		{.45, .45, .10, map[float64]float64{.05: .178, .10: .304, .15: .416, .20: .521, .25: .621, .30: .711, .40: .843}},
		{.50, .50, 0, map[float64]float64{.10: .393, .20: .640, .30: .903, 1. / 3: 1, .40: 1, .50: 1}},
		{.40, .40, .20, map[float64]float64{.20: .435}},
	} {
		for f, want := range c.points {
			if x := TheoryViewFaulty(c.alpha, c.beta, c.gamma, f, f); math.Abs(x-want) > .0007 {
				t.Errorf("alpha=%v beta=%v gamma=%v f=%.3f: %.5f, want %.3f", c.alpha, c.beta, c.gamma, f, x, want)
			}
		}
	}
}

// TestTheoryIsAFixedPoint of the map as the paper writes it, and the least one that f grows to.
func TestTheoryIsAFixedPoint(t *testing.T) {
	for _, f := range []float64{0, .01, .1, .2, .3, .45, .6} {
		for _, p := range []float64{0, .1, .3, .81, .99} {
			x := TheoryViewFaulty(.4, .3, .3, f, p)
			next := .4*p/(p+(1-p)*(1-x)) + .3*(x+(1-x)*x) + .3*f
			if p == 0 {
				next = .3*(x+(1-x)*x) + .3*f
			}
			if math.Abs(next-x) > 1e-9 || x < 0 || x > 1 {
				t.Errorf("f=%v p=%v: %v goes to %v", f, p, x, next)
			}
		}
	}
	if x := TheoryViewFaulty(.45, .45, .10, 0, 0); x != 0 {
		t.Errorf("without faulty nodes %v", x)
	}
}

func TestShareOfPushesSent(t *testing.T) {
	for _, c := range []struct {
		attack             string
		faulty, share, sum float64
	}{
		{"", 0, -1, 0},
		{"balanced", .2, -1, .2},
		{"balanced", .2, .4, .4},
		{"flood", .3, -1, 3 / 3.7},
	} {
		cfg := network(1000, 1, func(x *Config) { x.Attack, x.Faulty, x.PushShare = c.attack, c.faulty, c.share })
		if got := cfg.sentShare(); math.Abs(got-c.sum) > 1e-9 {
			t.Errorf("%s f=%v push-share=%v: %v of all pushes are faulty, want %v", c.attack, c.faulty, c.share, got, c.sum)
		}
	}
}
