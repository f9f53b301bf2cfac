//go:build !race

package consim

import (
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// runs is how many seeds each attack gets: few here, CONSIM_RUNS=200 for the long mode (docs/consensus.md).
func runs(t *testing.T, few int) int {
	t.Helper()
	s := os.Getenv("CONSIM_RUNS")
	if s == "" {
		return few
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("CONSIM_RUNS is %q, must be a number from 1", s)
	}
	return n
}

// nodes is 200, in the long mode 1,000.
func nodes() int {
	if os.Getenv("CONSIM_RUNS") == "" {
		return 200
	}
	return 1000
}

func mustRun(t *testing.T, c Config) Result {
	t.Helper()
	r, err := Run(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// With 15% faulty peers of each kind no two correct nodes decide differently, whatever the camps, and all close.
func TestAgreementAtFifteenPercent(t *testing.T) {
	for _, attack := range Attacks {
		t.Run(attack, func(t *testing.T) {
			c := Default()
			c.Nodes, c.Attack, c.Faulty = nodes(), attack, .15
			if attack == "eclipse" {
				c.Eclipsed = .05
			}
			for seed := range runs(t, 2) {
				c.Seed = uint64(seed + 1)
				r := mustRun(t, c)
				if r.Disagree != 0 || r.Sets > 1 || r.Lost != 0 {
					t.Errorf("seed %d: %+v", c.Seed, r)
				}
				if attack != "eclipse" && 100*r.Closed < 95*r.Nodes {
					t.Errorf("seed %d: only %d of %d nodes have closed", c.Seed, r.Closed, r.Nodes)
				}
				if attack == "replay" && r.Refused == 0 {
					t.Errorf("seed %d: no replayed answer was refused", c.Seed)
				}
			}
		})
	}
}

// At 30% progress stops, with the status that says so, and still no two decide differently.
func TestStallsAtThirtyPercent(t *testing.T) {
	for _, attack := range []string{"silent", "contrary", "equivocating", "eclipse"} {
		t.Run(attack, func(t *testing.T) {
			c := Default()
			c.Nodes, c.Attack, c.Faulty, c.Rounds = nodes(), attack, .3, c.Params.Stall+20
			if attack == "eclipse" {
				c.Eclipsed = .05
			}
			for seed := range runs(t, 1) {
				c.Seed = uint64(seed + 1)
				r := mustRun(t, c)
				if r.Disagree != 0 || r.Sets > 1 {
					t.Errorf("seed %d: %+v", c.Seed, r)
				}
				if r.Closed+r.Stalled != r.Nodes || r.Stalled == 0 {
					t.Errorf("seed %d: of %d nodes %d have closed and %d say that they are stalled", c.Seed, r.Nodes, r.Closed, r.Stalled)
				}
			}
		})
	}
}

// Without faults an epoch is closed after beta polls and few more, at the cost that the parameters imply.
func TestHealthy(t *testing.T) {
	c := Default()
	c.Nodes, c.Items, c.Camps = 300, 10, 0
	r := mustRun(t, c)
	if r.Closed != r.Nodes || r.Last > c.Params.Beta+2 || r.Lost != 0 || r.Sets != 1 {
		t.Errorf("%+v", r)
	}
	if perNode := r.Polled / r.Nodes; perNode > c.Params.K*(c.Params.Window+c.Params.Beta+2) {
		t.Errorf("%d polls a node", perNode)
	}
	// A request has an epoch and a nonce of 16 bytes, an answer these and an id of 32 bytes for each item, with tags and framing.
	implied := float64(r.Polled) * (20 + 20 + 32*float64(c.Items))
	if ratio := float64(r.Sent) / implied; ratio < .8 || ratio > 2 {
		t.Errorf("%d bytes, %.2f times what the parameters imply", r.Sent, ratio)
	}
	if again := mustRun(t, c); !reflect.DeepEqual(again, r) {
		t.Errorf("equal seeds: %+v and %+v", r, again)
	}
	c.Seed++
	if other := mustRun(t, c); reflect.DeepEqual(other, r) {
		t.Error("another seed gives the same run")
	}
}

// The negative control of drift: balanced camps and contrary peers. With drift the camps end, without they do not.
func TestBalancedCampsNeedDrift(t *testing.T) {
	c := Default()
	c.Nodes, c.Attack, c.Faulty, c.Items, c.Camps, c.ShareTo, c.Rounds = 300, "contrary", .1, 0, 4, .5, 150
	with := mustRun(t, c)
	c.Params.Drift = 0
	without := mustRun(t, c)
	if with.Closed != with.Nodes || with.Disagree != 0 {
		t.Errorf("with drift: %+v", with)
	}
	if 10*without.Closed > without.Nodes || without.Disagree != 0 {
		t.Errorf("without drift: %+v", without)
	}
}

// The negative control of fresh picks from the sample: picks from views stop progress.
func TestViewsAreNotTheSample(t *testing.T) {
	c := Default()
	c.Nodes, c.Attack, c.Faulty, c.Camps, c.Rounds = 300, "contrary", .15, 0, 120
	sample := mustRun(t, c)
	c.Picks = FromView
	view := mustRun(t, c)
	if 10*sample.Closed < 9*sample.Nodes || 4*view.Closed > sample.Closed {
		t.Errorf("closed from the sample %d, from views %d of %d", sample.Closed, view.Closed, view.Nodes)
	}
}

// Fixed neighbours: a node whose own draw was unlucky never gets on, while the others close.
func TestFixedNeighbours(t *testing.T) {
	c := Default()
	c.Nodes, c.Attack, c.Faulty, c.Camps, c.Rounds = 300, "contrary", .15, 0, 300
	fresh := mustRun(t, c)
	c.Picks = FixedPicks
	fixed := mustRun(t, c)
	if fresh.Closed != fresh.Nodes || fixed.Closed >= fixed.Nodes-3 {
		t.Errorf("closed with fresh picks %d, with fixed ones %d of %d", fresh.Closed, fixed.Closed, fixed.Nodes)
	}
}

// A pool of PoolSize peers that is drawn from again and again is no better than its own draw: who was unlucky stays behind.
func TestPool(t *testing.T) {
	c := Default()
	c.Nodes, c.Attack, c.Faulty, c.Camps, c.Rounds, c.Picks = 300, "contrary", .15, 0, 300, FromPool
	if r := mustRun(t, c); 100*r.Closed > 97*r.Nodes || 100*r.Closed < 50*r.Nodes || r.Sets != 1 || r.Disagree != 0 {
		t.Errorf("from a pool %d of %d nodes closed: %+v", r.Closed, r.Nodes, r)
	}
	large := c
	if large.Pool = 4 * PoolSize; mustRun(t, large).Closed*100 <= 97*mustRun(t, c).Nodes {
		t.Errorf("a pool four times as large is no better")
	}
	w, err := newWorld(c)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for range 50 {
		picks := w.draw(7, 20)
		if slices.Sort(picks); len(slices.Compact(slices.Clone(picks))) != 20 {
			t.Fatalf("picks repeat: %v", picks)
		}
		for _, j := range picks {
			seen[j] = true
		}
	}
	if len(seen) != PoolSize || seen[7] {
		t.Errorf("50 polls asked %d peers, want %d", len(seen), PoolSize)
	}
}

// The negative control of adoption by several polls: with one, faulty peers make a few nodes adopt what they like.
func TestOnePollIsNotEnoughToAdopt(t *testing.T) {
	c := Default()
	c.Nodes, c.Attack, c.Faulty, c.Camps, c.Rounds = 300, "contrary", .4, 0, 100
	c.Params.Adopt = 1
	loose := mustRun(t, c)
	c.Params.Adopt = Default().Params.Adopt
	tight := mustRun(t, c)
	if loose.Against == 0 || tight.Against != 0 {
		t.Errorf("decisions against most with one poll %d, with ten %d", loose.Against, tight.Against)
	}
}

func TestLatecomersLearnTheSet(t *testing.T) {
	c := Default()
	c.Nodes, c.Camps, c.Late, c.LateAt = 300, 0, .1, 40
	r := mustRun(t, c)
	if r.Closed != r.Nodes || r.Sets != 1 {
		t.Errorf("%+v", r)
	}
	c.Params.Adopt = c.Params.Beta // off
	if slow := mustRun(t, c); slow.Closed != slow.Nodes || slow.Sets != 1 || slow.Last <= r.Last {
		t.Errorf("without adoption %+v, with it %+v", slow, r)
	}
}

func TestLoss(t *testing.T) {
	c := Default()
	c.Nodes, c.Loss, c.Faulty, c.Attack = 300, .05, .05, "contrary"
	if r := mustRun(t, c); r.Closed != r.Nodes || r.Sets != 1 || r.Disagree != 0 {
		t.Errorf("%+v", r)
	}
}

func TestConfigsAreChecked(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.Nodes = 4 }, func(c *Config) { c.Faulty = -.1 }, func(c *Config) { c.Faulty = .95 },
		func(c *Config) { c.Attack = "" }, func(c *Config) { c.Picks = "" }, func(c *Config) { c.Loss = 2 },
		func(c *Config) { c.Picks = "sky" },
		func(c *Config) { c.Items = 300 }, func(c *Config) { c.Rounds = 0 }, func(c *Config) { c.Params.K = 0 },
	} {
		c := Default()
		change(&c)
		if _, err := Run(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if v := ViewFaulty(.2); v != .323 {
		t.Errorf("views of f=.2: %v", v)
	}
}
