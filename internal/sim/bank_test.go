//go:build !race

package sim

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// pickError is the chance that one check of a series fails with correct code and a seed picked blindly. A series has seven
// checks.
const pickError = 1e-5

// failure is a test that notes that it failed.
type failure struct{ failed bool }

func (*failure) Helper()                 {}
func (f *failure) Fatalf(string, ...any) { f.failed = true }

// requireFreshSeries fails t unless the choices of a node, by the numbers of cells, look as if they were drawn uniformly and
// independently: all cells equally often, values up to five apart uncorrelated, and any of the last 20 repeated as
// often as chance lets them be.
func requireFreshSeries(t stattest.TB, series []int, cells int, seed any) {
	t.Helper()
	counts, values := make([]int, cells), make([]float64, len(series))
	for i, x := range series {
		counts[x]++
		values[i] = float64(x)
	}
	stattest.RequireUniform(t, counts, pickError, seed)
	for lag := 1; lag <= 5; lag++ {
		stattest.RequireIndependent(t, values, lag, pickError, seed)
	}
	same, pairs := 0, 0
	for i := range series {
		for j := max(0, i-pickWindow); j < i; j++ {
			pairs++
			if series[i] == series[j] {
				same++
			}
		}
	}
	stattest.RequireBinomial(t, same, pairs, 1/float64(cells), pickError, seed)
}

// TestRandomIsFreshAtItsPace: in a network of 100, a thousand calls for one peer, one a round, from a bank of 40 slots of
// maturity 30, which yields 1.33 a round, each get a fresh peer, and pass for uniform and independent. As many draws from
// the plain sample of the same nodes do not: they name the same forty slots again and again.
func TestRandomIsFreshAtItsPace(t *testing.T) {
	const seed, nodes, calls, warm, users = 11, 100, 1000, 40, 4
	c := Default()
	c.Nodes, c.Rounds, c.Seed, c.Perfect = nodes, warm+calls, seed, false
	if err := c.Set("bank", "40"); err != nil {
		t.Fatal(err)
	}
	w := build(t, c)
	rng := rand.New(rand.NewPCG(seed, 1))
	var picks, draws [users][]int
	// cell numbers the others of a node from 0.
	cell := func(self int, id peer.ID) int {
		n := w.member(id).number
		if n > self {
			n--
		}
		return n
	}
	for range warm {
		w.step()
	}
	for call := range calls {
		w.step()
		for n := range users {
			node := w.members[n].node.(brahms).Node
			ready := node.Picks()
			if len(ready) == 0 {
				t.Fatalf("call %d of node %d finds nobody fresh; seed %d", call, n, seed)
			}
			p := ready[rng.IntN(len(ready))]
			node.Spend(p.Key)
			picks[n] = append(picks[n], cell(n, p.ID))
			sample := node.Sample()
			draws[n] = append(draws[n], cell(n, sample[rng.IntN(len(sample))]))
		}
	}
	for n := range users {
		requireFreshSeries(t, picks[n], nodes-1, seed)
		var plain failure
		if requireFreshSeries(&plain, draws[n], nodes-1, seed); !plain.failed {
			t.Errorf("draws from the plain sample of node %d passed for fresh ones", n)
		}
		// The same users together see more: what one bank hands out tells nothing of another's.
		for m := range n {
			same := 0
			for i := range picks[n] {
				if picks[n][i] == picks[m][i] {
					same++
				}
			}
			stattest.RequireBinomial(t, same, calls, 1./(nodes-1), pickError, seed)
		}
	}
}

// bankUnder simulates an attack on a network with a bank.
func bankUnder(t *testing.T, attack string, set map[string]string) *Result {
	t.Helper()
	c := Default()
	c.Nodes, c.Rounds, c.Faulty, c.Attack, c.L1, c.Seed, c.Perfect = 100, 120, .2, attack, 30, 5, false
	if attack == "none" {
		c.Faulty = 0
	}
	c.Override = map[string]string{"bank": "30"}
	for name, value := range set {
		if err := c.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	return simulate(t, c)
}

// TestPicksHoldUnderAttack: what the bank hands out is about as faulty as the network, as the sample is.
func TestPicksHoldUnderAttack(t *testing.T) {
	for _, attack := range []string{"balanced", "flood", "phantom", "selective"} {
		r := bankUnder(t, attack, nil)
		t.Logf("%s: picks %v, %v faulty, sample %v, probes %v", attack, *r.PicksMade, *r.PickFaulty, *r.DrawFaulty, *r.BankProbes)
		if *r.PickFaulty > .2+.05 || *r.PicksMade < .3 {
			t.Errorf("%s: %v of picks are faulty, %v a round", attack, *r.PickFaulty, *r.PicksMade)
		}
	}
}

// TestYoungPicksAreFaulty is the negative control of maturity: what a slot holds after a round is what attackers say most.
// (The ids that answered lately hide most of that: without them it shows.)
func TestYoungPicksAreFaulty(t *testing.T) {
	stream := func(maturity string) float64 {
		return *bankUnder(t, "balanced", map[string]string{"bank-from-stream": "true", "bank-maturity": maturity}).PickFaulty
	}
	if young, old := stream("1"), stream("30"); young < old+.05 {
		t.Errorf("picks are %v faulty after a round, %v after 30", young, old)
	}
}

// TestPicksLookRandom: the words of freshness say of picks what they say of chance, and of the sample that it is not fresh.
func TestPicksLookRandom(t *testing.T) {
	r := bankUnder(t, "none", nil)
	if *r.PickAgain < .8**r.AgainUniform || *r.PickAgain > 1.2**r.AgainUniform {
		t.Errorf("pick_again %v, of independent choices %v", *r.PickAgain, *r.AgainUniform)
	}
	if *r.DrawAgain < 2**r.AgainUniform {
		t.Errorf("draw_again %v, of independent choices %v: the sample looks fresh", *r.DrawAgain, *r.AgainUniform)
	}
	if *r.PickUneven < .7 || *r.PickUneven > 1.4 {
		t.Errorf("pick_uneven %v, want about 1", *r.PickUneven)
	}
}

// TestPaceOfPicks: a till takes what is asked for, and no more than there is.
func TestPaceOfPicks(t *testing.T) {
	for _, pace := range []float64{0, .25, .5} {
		r := bankUnder(t, "none", map[string]string{"picks": strconv.FormatFloat(pace, 'f', -1, 64)})
		if got := *r.PicksMade; got < pace-.02 || got > pace+.02 {
			t.Errorf("pace %v: %v picks a round", pace, got)
		}
	}
	if r := bankUnder(t, "none", map[string]string{"picks": "100"}); *r.PicksMade < .85 || *r.PicksMade > 1 {
		t.Errorf("all that there is: %v a round; 30 slots of maturity 30 yield 1 at most, and little less", *r.PicksMade)
	}
}

// TestWithoutABankNoWordOfIt: and a bank changes no digest of simulations without one.
func TestWithoutABankNoWordOfIt(t *testing.T) {
	s := &Summary{Each: []*Result{simulate(t, under("balanced", 60))}}
	for _, word := range []string{"picks_taken", "picks_ready", "pick_faulty", "draw_faulty", "pick_dead", "pick_again", "draw_again", "again_uniform", "pick_uneven", "bank_probes"} {
		if _, ok := s.Figure(word); ok {
			t.Errorf("there is a word %s", word)
		}
		if !slices.Contains(Words(), word) {
			t.Errorf("no word %s at all", word)
		}
	}
}

// TestTillTakesEachPickOnce, and counts what it took by what it is.
func TestTillTakesEachPickOnce(t *testing.T) {
	c := Default()
	c.Nodes, c.L1, c.Faulty, c.Rounds, c.Perfect = 40, 20, .2, 20, false
	c.Override = map[string]string{"bank": "12", "bank-maturity": "3"}
	w := build(t, c)
	seen := map[int]map[uint64]bool{}
	taken := 0
	for range c.Rounds {
		w.step()
		before := map[int][]protocol.Pick{}
		for _, n := range w.correct {
			before[n] = w.members[n].node.(brahms).Picks()
		}
		w.till.open(w, true)
		for _, n := range w.correct {
			if seen[n] == nil {
				seen[n] = map[uint64]bool{}
			}
			if left := w.members[n].node.(brahms).Picks(); len(left) > 0 {
				t.Fatalf("node %d has %d picks left", n, len(left))
			}
			for _, p := range before[n] {
				if seen[n][p.Key] {
					t.Fatalf("node %d handed out key %d twice", n, p.Key)
				}
				seen[n][p.Key] = true
				taken++
			}
		}
	}
	if w.till.picks.total() != int64(taken) || taken == 0 || w.till.picks[isFaulty] == 0 || w.till.picks[isCorrect] == 0 {
		t.Errorf("%d picks were taken, counted %v", taken, w.till.picks)
	}
}
