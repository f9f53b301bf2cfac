package sim

import (
	"math"
	"slices"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TheoryViewFaulty is the share of faulty ids in views at which the expected change of a round is none, under the
// balanced attack, for shares f of faulty nodes and p of faulty pushes: the stable fixed point of
//
//	x' = alpha*p/(p + (1-p)(1-x)) + beta*(2x - x^2) + gamma*f
//
// Pushes of correct nodes reach correct nodes as far as their views are correct; a pull meets a faulty node with
// probability x and the view of a correct one otherwise; the sample holds f. It is a mean over infinite views, so the
// paper's finite ones lie above it; rules against overload and for one slot a message are not in it. With alpha=beta=1/2 it has a
// solution below 1 exactly where p < 1/3.
func TheoryViewFaulty(alpha, beta, gamma, f, p float64) float64 {
	x := f
	for range 100_000 {
		push := 1.0
		if d := p + (1-p)*(1-x); d > 0 {
			push = p / d
		}
		next := alpha*push + beta*(2*x-x*x) + gamma*f
		if math.Abs(next-x) < 1e-12 {
			break
		}
		x = next
	}
	return x
}

// theory is the fixed point for what c simulates.
func (c Config) theory(p protocol.Params) float64 {
	if c.Algorithm != Brahms || c.TokenBits > 0 || !slices.Contains([]string{"balanced", "targeted", "flood", "poisoned-start", "eclipse-join"}, c.attack()) {
		return 0 // it says nothing of them, nor of pushes that are skipped
	}
	return TheoryViewFaulty(p.Alpha, p.Beta, p.Gamma, float64(c.faulty())/float64(c.Nodes), c.sentShare())
}

// sentShare is the share of all pushes sent that faulty nodes send.
func (c Config) sentShare() float64 {
	f := float64(c.faulty()) / float64(c.Nodes)
	switch {
	case f == 0:
		return 0
	case c.attack() == "flood":
		return c.Force * f / (c.Force*f + 1 - f)
	}
	return c.pushShare()
}
