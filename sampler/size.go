package sampler

import "math"

// This file estimates how many ids there are from how small the least hashes are: the more ids, the less. It is what
// min-wise sketches do (KMV, HyperLogLog), on the l2 hashes that a group keeps in any case.

// An Estimate is how many nodes a network seems to have.
type Estimate struct {
	// N is the number of nodes, the group's own among them. StdErr is its standard error. Both are at least 0.
	N, StdErr float64
	// OK is false while too few slots tell anything; N and StdErr are 0 then.
	OK bool
}

// minSlots is how many slots must hold the least hash of their ids for an estimate: with fewer its standard error would be
// beyond 35%, and its distribution so skewed that the error says little.
const minSlots = 10

// Estimate returns the estimate of the number of nodes. Diverse slots are left out, since their ranks are not those of ids.
//
// The hash of n other ids in a slot are n uniform numbers of (0, 1). With m the least of them -ln(1-m) has the exponential
// distribution of rate n, so the sum over k slots is Gamma(k, n) and
//
//	N = 1 + (k-1)/sum,
//
// the 1 being the node itself, is without bias; its relative standard error is 1/sqrt(k-2), 16% for 40 slots and 19% for
// the 30 that 40 have beside a quarter of diverse ones. It holds from one other node on: the keys of slots are
// independent of each other, so slots that hold the same id tell as much as any.
//
// What departs leaves slots empty, and that must not count as if those slots had never been: slots that lost nobody lately
// are those whose least hash is least, and at 1% of departures a round, over a maturity time of 30, they alone are too high
// by 30%. So a slot that lost its id counts for what it is known to have had: no id that is alive has a hash below that of
// the lost one (slot.floor). Such a slot is a censored observation, as survival analysis calls it, until it is mature
// again or has got an id below its floor; with d of k slots not censored the estimate of greatest likelihood, freed of its bias, is
//
//	N = 1 + d/k * (k-1)/sum,  relative standard error sqrt(1/(k-2) + 1/d - 1/k).
//
// After half of all ids have died the estimate is half of what it was as soon as they are found dead, not when the slots
// are full again. Slots that have never been mature do not count.
//
// It counts ids that answered, whoever runs them: those of an attacker too, those that do not exist not. A Direct group
// counts all that it was fed.
//
// Equal groups give equal estimates on every machine.
func (g *Group) Estimate() Estimate {
	k, d, sum := 0, 0, 0.
	for i := range g.slots {
		s := &g.slots[i]
		switch {
		case s.diverse, len(g.waiting) > 0 && g.Waits(s.id): // who waits may be dead
		case s.holdsLeast(g.cfg.Maturity):
			k, d, sum = k+1, d+1, sum+exposure(s.hash)
		case s.floor > 0:
			k, sum = k+1, sum+exposure(s.floor)
		}
	}
	if d < minSlots {
		return Estimate{}
	}
	slots, told := float64(k), float64(d)
	others := told / slots * (slots - 1) / sum
	spread := math.Sqrt(1/(slots-2) + 1/told - 1/slots)
	return Estimate{N: 1 + others, StdErr: float64(others * spread), OK: true}
}

// holdsLeast reports whether s may be taken to hold the least hash of all ids: it was fed long enough, or what it holds
// lies below all that was alive when it lost another id.
func (s *slot) holdsLeast(maturity int) bool {
	return s.id != "" && (s.age >= maturity || s.hash < s.floor)
}

// exposure is -ln(1-m) for m = (h+1/2)/2^64, which lies in (0, 1): 0 to 45.1. The logarithm of package math has other last
// bits on other machines; here every operation is rounded by itself (conversions keep multiplications and additions
// from being fused), so simulations whose nodes go by the estimate repeat everywhere.
func exposure(h uint64) float64 {
	if h < 1<<62 {
		m := (float64(h) + .5) * 0x1p-64
		return 2 * atanh(m/(2-m)) // ln((1+x)/(1-x)) with 1-m = (1-x)/(1+x)
	}
	f, e := math.Frexp((float64(^h) + .5) * 0x1p-64) // 1-m
	if f < math.Sqrt2/2 {
		f, e = 2*f, e-1
	}
	return 2*atanh((1-f)/(1+f)) - float64(float64(e)*math.Ln2)
}

// atanh is the series x + x^3/3 + x^5/5 + ..., for |x| < 0.172: there the first term left out is below 2^-64 of the sum.
func atanh(x float64) float64 {
	z, sum := x*x, 0.
	for k := 25; k > 0; k -= 2 {
		sum = 1/float64(k) + float64(z*sum)
	}
	return x * sum
}
