package sim

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// reply draws from the generator of the world.
func (g *gossip) reply(w *world, x exchange) []peer.ID {
	runtime.Gosched() // so that goroutines take turns on one core too
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]peer.ID, w.params.L1)
	for i := range out {
		out[i] = w.members[w.faulty[w.rng.IntN(len(w.faulty))]].id
	}
	return out
}

// history is all that a simulation tells, but for its time.
func history(t *testing.T, c Config, workers int) (digest string, all []string) {
	t.Helper()
	c.Workers = workers
	c.EachRound = func(r Round) { all = append(all, fmt.Sprintf("%+v", r)) }
	r := simulate(t, c)
	digest = r.Digest
	r.Seconds, r.CPUSeconds, r.PeakMB = 0, 0, 0
	text, err := json.Marshal(r) // not as Go prints it: it holds pointers
	if err != nil {
		t.Fatal(err)
	}
	return digest, append(all, fmt.Sprint(string(text), r.InDegrees))
}

func TestEqualSeedsGiveEqualResultsOnAnyNumberOfWorkers(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"quiet":        func(c *Config) { c.Faulty = 0 },
		"balanced":     func(*Config) {},
		"loss":         func(c *Config) { c.Loss = .2 },
		"churn":        func(c *Config) { c.Churn = .03 },
		"jitter":       func(c *Config) { c.Jitter = .4 },
		"join":         func(c *Config) { c.Join, c.JoinAt = 5, 3 },
		"all at once":  func(c *Config) { c.Loss, c.Churn, c.Jitter, c.Join, c.JoinAt = .1, .02, .5, 3, 2 },
		"paper":        func(c *Config) { c.Preset, c.Loss, c.Jitter = "paper", .1, .3 },
		"basalt":       func(c *Config) { c.Algorithm, c.Loss, c.Jitter, c.Churn = Basalt, .1, .5, .01 },
		"cyclon":       func(c *Config) { c.Algorithm, c.Loss, c.Jitter, c.Churn = Cyclon, .1, .5, .01 },
		"many, shadow": func(c *Config) { c.Attack, c.Loss, c.Jitter = "shadow", .1, .5 },
	} {
		t.Run(name, func(t *testing.T) {
			c := network(120, 20, func(c *Config) { c.Faulty = .2 }, change)
			digest, all := history(t, c, 1)
			for _, workers := range []int{1, 2, 7} {
				if d, a := history(t, c, workers); d != digest || !slices.Equal(a, all) {
					t.Errorf("seed %d: %d workers give digest %s, one gives %s", c.Seed, workers, d, digest)
				}
			}
			c.Seed++
			if d, _ := history(t, c, 2); d == digest {
				t.Errorf("seeds %d and %d give the same digest %s", c.Seed-1, c.Seed, d)
			}
		})
	}
}

// TestEveryAttackIsTheSameOnAnyNumberOfWorkers, and no two attacks are the same.
func TestEveryAttackIsTheSameOnAnyNumberOfWorkers(t *testing.T) {
	digests := map[string]string{}
	for _, name := range Attacks() {
		c := network(60, 40, func(c *Config) { c.Faulty, c.Loss, c.Churn, c.Attack, c.Victims, c.Join = .2, .1, .02, name, 3, 2 })
		c.Prefixes = neededPrefixes(name)
		digest, all := history(t, c, 1)
		if d, a := history(t, c, 3); d != digest || !slices.Equal(a, all) {
			t.Errorf("%s, seed %d: three workers give digest %s, one gives %s", name, c.Seed, d, digest)
		}
		if other, ok := digests[digest]; ok {
			t.Errorf("%s and %s give the same digest %s", name, other, digest)
		}
		digests[digest] = name
	}
	if len(digests) < 14 {
		t.Errorf("there are %d attacks", len(digests))
	}
}

// TestSharedGeneratorIsNoticed is the negative control of the test above.
func TestSharedGeneratorIsNoticed(t *testing.T) {
	const name = "test-gossip"
	register(name, "", true, func(*world) attack { return &gossip{} })
	defer delete(attacks, name)
	c := network(200, 20, func(c *Config) { c.Faulty, c.Attack = .3, name })
	digest, _ := history(t, c, 1)
	if again, _ := history(t, c, 1); again != digest {
		t.Error("one worker is not even with itself")
	}
	if d, _ := history(t, c, 7); d == digest {
		t.Error("the control is void: an attack that draws from a shared generator gives the same with 1 and 7 workers")
	}
}

// TestPerfectChangesNothingElse: looking at the truth must not disturb it, nor in a network where only some are looked at.
func TestPerfectChangesNothingElse(t *testing.T) {
	for _, nodes := range []int{100, exactUpTo + 1} {
		var results [2]*Result
		for i := range results {
			r := simulate(t, network(nodes, 2, func(c *Config) { c.Faulty, c.Churn, c.Perfect = .2, .01, i == 0 }))
			r.Perfect, r.PerfectNodes, r.T50, r.T90, r.T99, r.Digest = 0, 0, 0, 0, 0, ""
			r.Seconds, r.CPUSeconds, r.PeakMB = 0, 0, 0
			results[i] = r
		}
		if !reflect.DeepEqual(results[0], results[1]) {
			t.Errorf("%d nodes: with Perfect digest and figures differ: view_faulty %v, without %v", nodes, results[0].ViewFaulty, results[1].ViewFaulty)
		}
	}
}

// TestResultEndsWithTheLastRound: what Result says of the end is what EachRound said last, and what it says of the second
// half is the mean of those rounds alone.
func TestResultEndsWithTheLastRound(t *testing.T) {
	var rounds []Round
	c := network(60, 21, func(c *Config) {
		c.Faulty, c.Preset, c.Churn, c.Loss = .1, "paper", .02, .05
		c.EachRound = func(r Round) { rounds = append(rounds, r) }
	})
	r := simulate(t, c)
	if len(rounds) != c.Rounds {
		t.Fatalf("EachRound was called %d times, want %d", len(rounds), c.Rounds)
	}
	var blocked, over, nodes, early, isolated, both float64
	for i, x := range rounds {
		if x.Round != i+1 {
			t.Errorf("round %d is called %d", i+1, x.Round)
		}
		if x.Round <= c.Rounds/2 {
			early += x.Blocked / float64(c.Rounds/2)
			continue
		}
		nodes += float64(x.Correct)
		blocked += x.Blocked * float64(x.Correct)
		over += x.Over * float64(x.Correct)
		isolated += float64(x.Isolated)
		both += float64(x.IsolatedBoth)
	}
	last := rounds[len(rounds)-1]
	if r.ViewFaulty != last.ViewFaulty || r.SampleFaulty != last.SampleFaulty || r.Perfect != last.Perfect ||
		r.Isolated != last.Isolated || r.DeadInViews != last.DeadInViews || r.DeadInSamples != last.DeadInSamples ||
		r.Filled != last.Filled || r.Correct != last.Correct {
		t.Errorf("result %+v does not end as the last round did: %+v", r, last)
	}
	if d := r.Blocked - blocked/nodes; d > 1e-5 || d < -1e-5 {
		t.Errorf("renewal_blocked %v, of the second half it is %v", r.Blocked, blocked/nodes)
	}
	if d := r.Over - over/nodes; d > 1e-5 || d < -1e-5 {
		t.Errorf("over_threshold %v, of the second half it is %v", r.Over, over/nodes)
	}
	if d := early - blocked/nodes; d < .02 && d > -.02 {
		t.Errorf("the test cannot fail: renewal_blocked is %v in the first half and %v in the second", early, blocked/nodes)
	}
	if r.IsolatedRounds != int(isolated) || r.IsolatedBothRnds != int(both) {
		t.Errorf("isolated in %d and %d node-rounds, the rounds say %v and %v", r.IsolatedRounds, r.IsolatedBothRnds, isolated, both)
	}
}

// TestGeneratorsAreApart by seed, by node and by use: equal ones would make nodes sample or lose alike.
func TestGeneratorsAreApart(t *testing.T) {
	seen := map[uint64]string{}
	for seed := range uint64(4) {
		w := &world{cfg: Config{Seed: seed}}
		for n := range 50 {
			for name, r := range map[string]interface{ Uint64() uint64 }{
				"secret": w.secret(n), "net": w.seeded('n', n), "world": w.seeded('w', n), "truth": w.seeded('t', n),
			} {
				name = fmt.Sprintf("%s of node %d, seed %d", name, n, seed)
				x := r.Uint64()
				if other, ok := seen[x]; ok {
					t.Errorf("%s and %s begin alike", name, other)
				}
				seen[x] = name
			}
		}
	}
}
