package suite

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// unsteady are the words that differ between equal simulations.
var unsteady = []string{"seconds", "cpu_seconds", "peak_mb"}

// roundWords are the words that are a round, or never.
var roundWords = []string{"t50", "t90", "t99", "victim_isolated_round"}

// goodWhenHigh are the words of which more is better; of the others less is.
var goodWhenHigh = []string{"perfect", "sample_filled", "newcomer_in_samples", "victim_isolated_round", "correct", "perfect_nodes",
	"correct_in_samples", "victim_in_samples", "victim_in_plain", "victim_in_diverse",
	"picks_taken", "picks_ready"}

// judgedWords need the truth (sim.Config.Perfect).
var judgedWords = []string{"perfect", "perfect_nodes", "t50", "t90", "t99"}

// tokenWords need tokens.
var tokenWords = []string{"pushes_skipped", "pushes_refused", "token_work", "token_gain"}

// sizeWords need sizes to be measured (sim.Config.Sizes).
var sizeWords = []string{"size_estimate", "size_known", "l1_mean"}

// livenessWords need deaths to be followed (sim.Config.Liveness).
var livenessWords = []string{"noticed_rounds", "noticed_max", "asks", "false_deaths"}

// addressWords need addresses (sim.Config.Prefixes).
var addressWords = []string{
	"plain_faulty", "diverse_faulty", "correct_in_samples", "victim_in_samples", "victim_in_plain", "victim_in_diverse",
}

// bankWords need a bank (protocol.Params.Bank).
var bankWords = []string{
	"picks_taken", "picks_ready", "pick_faulty", "draw_faulty", "pick_dead", "pick_again", "draw_again", "again_uniform", "pick_uneven", "bank_probes",
}

// never is the value of a round that did not come.
var never = math.Inf(1)

// nothing is the figure of what was not measured. No band holds it.
var nothing = sim.Spread{Mean: math.NaN(), SD: math.NaN(), Min: math.NaN(), Max: math.NaN()}

// Unsaid reports whether the summary says nothing by a word that it has: theory where there is none for what was
// simulated, and what needs the truth where that was not measured.
func Unsaid(s *sim.Summary, word string) bool {
	silent := func(word string) bool {
		f, _ := s.Figure(word)
		return f.Min == 0 && f.Max == 0
	}
	switch {
	case word == theoryWord:
		return silent(word)
	case word == "perfect_nodes":
		return false
	}
	return slices.Contains(judgedWords, word) && silent("perfect_nodes")
}

const theoryWord = "theory_view_faulty"

// figure is the mean of a word over the runs, never for a round that did not come, NaN where the word says nothing, and
// false if there is none.
func figure(s *sim.Summary, word string) (sim.Spread, bool) {
	f, ok := s.Figure(word)
	if !ok || Unsaid(s, word) {
		return nothing, ok
	}
	if ok && slices.Contains(roundWords, word) {
		f.Mean, f.Min, f.Max = orNever(f.Mean), math.Inf(1), math.Inf(-1)
		for _, r := range s.Each { // with those in which it never came
			one, _ := (&sim.Summary{Each: []*sim.Result{r}}).Figure(word)
			f.Min, f.Max = min(f.Min, orNever(one.Mean)), max(f.Max, orNever(one.Mean))
		}
	}
	return f, ok
}

func orNever(x float64) float64 {
	if x < 0 {
		return never
	}
	return x
}

// checkWord says what is wrong with a word of the results of c.
func (c *Scenario) checkWord(word string) error {
	switch {
	case !slices.Contains(sim.Words(), word):
		return fmt.Errorf("there is no word %q; the words are %s", word, strings.Join(sim.Words(), ", "))
	case slices.Contains(judgedWords, word) && (!c.Config.Perfect || c.Config.Algorithm != sim.Brahms):
		return fmt.Errorf("%s needs perfect=true and algorithm=%s, scenario %q has perfect=%v and algorithm=%s", word, sim.Brahms, c.Name, c.Config.Perfect, c.Config.Algorithm)
	case word == "push_share" && !c.Config.Meter && c.Config.TokenBits == 0:
		return fmt.Errorf("%s needs token-bits or meter=true, scenario %q has neither", word, c.Name)
	case slices.Contains(tokenWords, word) && c.Config.TokenBits == 0:
		return fmt.Errorf("%s needs tokens, scenario %q has token-bits=0", word, c.Name)
	case word == "token_gain" && c.Config.Faulty == 0:
		return fmt.Errorf("%s needs faulty nodes, scenario %q has faulty=0", word, c.Name)
	case word == "newcomer_in_samples" && c.Config.Join == 0:
		return fmt.Errorf("%s needs newcomers, scenario %q has join=0", word, c.Name)
	case slices.Contains(sizeWords, word) && !c.Config.MeasuresSizes():
		return fmt.Errorf("%s needs adapt, sizes or grow, scenario %q has none of them", word, c.Name)
	case slices.Contains(livenessWords, word) && !c.Config.Liveness:
		return fmt.Errorf("%s needs liveness=true, scenario %q has false", word, c.Name)
	case slices.Contains(bankWords, word) && !hasBank(c.Config):
		return fmt.Errorf("%s needs a bank, scenario %q has bank=0", word, c.Name)
	case slices.Contains(addressWords, word) && c.Config.Prefixes == 0:
		return fmt.Errorf("%s needs addresses, scenario %q has prefixes=0", word, c.Name)
	}
	return nil
}

func hasBank(c sim.Config) bool {
	p, err := c.Params()
	return err == nil && p.Bank > 0
}

// ofRound returns the figure of a round by its word.
func ofRound(word string) func(sim.Round) float64 {
	i := slices.Index(sim.RoundWords(), word)
	return func(r sim.Round) float64 {
		if v := reflect.ValueOf(r).Field(i); v.CanInt() {
			return float64(v.Int())
		} else {
			return v.Float()
		}
	}
}

// defaults are the values of settings that a file does not mention, as text.
var defaults = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, s := range sim.Settings() {
		out[s.Name] = s.Default
		if s.Default == "" {
			out[s.Name] = fmt.Sprint(s.Value)
		}
	}
	return out
})

func isSetting(name string) bool {
	_, ok := defaults()[name]
	return ok
}

// axisLabels are words and settings as axes have them. The others stand for themselves.
var axisLabels = map[string]string{
	"view_faulty": "share of faulty ids in views", "sample_faulty": "share of faulty ids in samples",
	"victim_view_faulty": "share of faulty ids in views of victims", "victim_sample_faulty": "share of faulty ids in samples of victims",
	"perfect": "share of perfect sample slots", "sample_filled": "share of filled sample slots",
	"renewal_blocked": "share of rounds in which the view kept all", "over_threshold": "share of rounds above the threshold",
	"isolated": "isolated nodes", "eclipsed": "nodes outside the largest component", "forgotten": "nodes that nobody knows",
	"components": "strongly connected components", "messages": "exchanges of a node in a round", "probes": "probes of a node in a round",
	"t50": "rounds until half of the slots are perfect", "t90": "rounds until 90 % of the slots are perfect", "t99": "rounds until 99 % of the slots are perfect",
	"faulty": "share of faulty nodes", "nodes": "nodes", "push-share": "share of all pushes that faulty nodes send", "force": "pushes of a faulty node (times those of a correct one)",
	"noticed_rounds": "rounds until the dead are out of all samples", "false_deaths": "live ids declared dead, a node and 1000 rounds",
	"loss": "share of exchanges that fail", "oneway": "share of ordered pairs that cannot reach each other", "churn": "share of nodes that leave in a round", "l1": "slots of the view", "l2": "slots of the sample",
	"push_share": "share of faulty pushes among those that count", "pushes_skipped": "share of pushes that correct nodes skip",
	"compute": "compute of a faulty node (times the budget of a correct one)", "token-bits": "bits of a token",
	"size_estimate": "nodes that a node believes there are", "l1_mean": "slots of a view",
	"victim-pushes": "faulty pushes to a victim in a round", "sybils": "new faulty ids in a round",
}

func axisLabel(name string) string {
	if label, ok := axisLabels[name]; ok {
		return label
	}
	return strings.NewReplacer("_", " ", "-", " ").Replace(name)
}
