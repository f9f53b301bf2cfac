package sim

import (
	"slices"
	"testing"
)

func growing(c *Config) {
	c.Nodes, c.Rounds, c.Perfect = 10, 240, false
	c.Adapt, c.L1 = true, 16
	c.Override = map[string]string{"adapt-min": "16"}
	c.Grow, c.GrowRounds, c.ShrinkAt = 200, 40, 110
}

func TestPopulation(t *testing.T) {
	c := Default()
	c.Nodes, c.Grow, c.GrowAt, c.GrowRounds, c.ShrinkAt = 10, 1000, 5, 100, 200
	for round, want := range map[int]int{0: 10, 4: 10, 5: 10, 54: 133, 104: 1000, 199: 1000, 249: 133, 298: 10, 299: 10, 1000: 10} {
		if got := c.population(round); got != want {
			t.Errorf("round %d: %d nodes, want %d", round, got, want)
		}
	}
	for round := 5; round < 104; round++ {
		if c.population(round) > c.population(round+1) {
			t.Errorf("round %d: %d nodes, then %d", round, c.population(round), c.population(round+1))
		}
	}
	c.ShrinkAt = 0
	if got := c.population(1 << 19); got != 1000 {
		t.Errorf("%d nodes stay", got)
	}
	c.Nodes, c.Grow, c.GrowRounds = 2, MaxNodes, maxGrowRounds
	if got := c.population(1 << 19); got != MaxNodes {
		t.Errorf("the largest network has %d nodes", got)
	}
}

// TestSizesFollowTheNetwork: it grows twenty-fold and back. The bands have room for other seeds: the mean over
// 200 nodes has a standard error of 2%, that of ten nodes of 10%.
func TestSizesFollowTheNetwork(t *testing.T) {
	var rounds []Round
	c := network(10, 240, growing, func(c *Config) { c.EachRound = func(r Round) { rounds = append(rounds, r) } })
	r := simulate(t, c)
	top, end := rounds[108], rounds[239]
	t.Logf("at the top %v nodes, estimate %v, l1 %v; at the end %v, %v, %v", top.Correct, top.SizeEstimate, top.L1Mean, end.Correct, end.SizeEstimate, end.L1Mean)
	if top.Correct != 200 || top.SizeEstimate < 180 || top.SizeEstimate > 220 || top.L1Mean < 21.5 || top.L1Mean > 25.5 {
		t.Errorf("of 200 nodes: %+v", top)
	}
	if end.Correct != 10 || end.SizeEstimate < 7 || end.SizeEstimate > 16 || end.L1Mean < 16 || end.L1Mean > 20 {
		t.Errorf("of 10 nodes: %+v", end)
	}
	if r.SizeEstimate.Mean != end.SizeEstimate || *r.L1Mean != end.L1Mean || *r.SizeKnown < .8 || r.Eclipsed != 0 {
		t.Errorf("result: estimate %+v, l1 %v, known %v, eclipsed %d", *r.SizeEstimate, *r.L1Mean, *r.SizeKnown, r.Eclipsed)
	}
	fixed := network(10, 108, growing, func(c *Config) { c.Rounds, c.Adapt, c.Override = 60, false, nil })
	if f := simulate(t, fixed); *f.L1Mean != 16 {
		t.Errorf("the control is void: fixed views are %v long", *f.L1Mean)
	}
}

// TestSizesAreMeasuredWhereAskedFor, and measuring changes nothing else.
func TestSizesAreMeasuredWhereAskedFor(t *testing.T) {
	c := network(60, 40, func(c *Config) { c.L1, c.Churn = 20, .01 })
	plain := simulate(t, c)
	c.Sizes = true
	r := simulate(t, c)
	if plain.SizeEstimate != nil || plain.SizeKnown != nil || plain.L1Mean != nil {
		t.Error("sizes are measured unasked")
	}
	if r.Digest != plain.Digest || *r.L1Mean != 20 || *r.SizeKnown < .5 || r.SizeEstimate.Mean < 45 || r.SizeEstimate.Mean > 75 {
		t.Errorf("digest %s, was %s; l1 %v, known %v, estimate %+v", r.Digest, plain.Digest, *r.L1Mean, *r.SizeKnown, r.SizeEstimate)
	}
}

// TestAdaptingTruth: the truth keeps up with slots that come and go.
func TestAdaptingTruth(t *testing.T) {
	r := simulate(t, network(10, 200, growing, func(c *Config) { c.Perfect, c.Rounds = true, 109 }))
	if r.Perfect < .9 {
		t.Errorf("perfect %v", r.Perfect)
	}
}

func TestGrowingIsTheSameOnAnyNumberOfWorkers(t *testing.T) {
	c := network(10, 120, growing, func(c *Config) { c.Rounds, c.Loss = 90, .05 })
	digest, all := history(t, c, 1)
	if d, a := history(t, c, 3); d != digest || !slices.Equal(a, all) {
		t.Errorf("three workers give digest %s, one gives %s", d, digest)
	}
}
