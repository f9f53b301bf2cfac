//go:build !race

package sim

import "testing"

// TestDiversityBoundsAnOperator with as many ids as there are correct nodes, in one prefix: it has half of the plain slots
// and few of the diverse ones. Without diverse slots, and where claims are believed, the negative controls, it has half of
// all.
func TestDiversityBoundsAnOperator(t *testing.T) {
	for _, c := range []struct {
		about          string
		diverse, view  string
		trust          bool
		plain, ofOther [2]float64 // bands
	}{
		{about: "half of the slots", diverse: "20", plain: [2]float64{.4, .6}, ofOther: [2]float64{0, .2}},
		{about: "without", diverse: "0", plain: [2]float64{.4, .6}},
		{about: "claims believed", diverse: "20", trust: true, plain: [2]float64{.4, .6}, ofOther: [2]float64{.6, 1}},
	} {
		r := simulate(t, at("subnet", 200, func(x *Config) {
			x.L1, x.Faulty, x.TrustClaims, x.Perfect = 40, .5, c.trust, true
			x.Override = map[string]string{"diverse": c.diverse}
		}))
		if r.PlainFaulty == nil || *r.PlainFaulty < c.plain[0] || *r.PlainFaulty > c.plain[1] {
			t.Errorf("%s: plain slots are %v faulty", c.about, *r.PlainFaulty)
		}
		if (r.DiverseFaulty == nil) != (c.diverse == "0") {
			t.Fatalf("%s: diverse slots are %v faulty", c.about, r.DiverseFaulty)
		}
		if d := r.DiverseFaulty; d != nil && (*d < c.ofOther[0] || *d > c.ofOther[1]) {
			t.Errorf("%s: diverse slots are %v faulty", c.about, *d)
		}
		if !c.trust && r.Perfect < .95 {
			t.Errorf("%s: perfect %v", c.about, r.Perfect)
		}
	}
}
