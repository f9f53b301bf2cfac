package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
	"github.com/brahms-p2p/brahms-p2p/internal/sim/suite"
)

// kind is how a figure is written.
type kind int

const (
	share kind = iota // a number with decimals
	count
	first // a round in which something happened first, -1 is never
)

// meaning is what a word of a summary means.
type meaning struct {
	word string
	kind kind
	text string
}

type meanings struct {
	title string
	words []meaning
}

// simMeanings are the words of a summary but for those that its first line gives (inSimTitle).
var simMeanings = []meanings{
	{"Nodes, at the end", []meaning{
		{"correct", count, "correct nodes that are up: all that follows is of them"},
		{"faulty", count, "faulty nodes"},
	}},
	{"Faulty ids", []meaning{
		{"view_faulty", share, "share of them in views, the dead and phantoms apart"},
		{"theory_view_faulty", share, "what theory says of that"},
		{"sample_faulty", share, "share of them and of phantoms in samples, the dead apart"},
		{"victim_view_faulty", share, "view_faulty of the victims, over the second half"},
		{"victim_sample_faulty", share, "sample_faulty of the victims, over the second half"},
		{"victim_isolated_round", first, "first round with a victim whose view has no correct node"},
	}},
	{"Samples", []meaning{
		{"perfect", share, "share of slots that hold the id that they should"},
		{"t50", first, "first round in which perfect was .5"},
		{"t90", first, "first round in which it was .9"},
		{"t99", first, "first round in which it was .99"},
		{"perfect_nodes", count, "nodes that perfect was measured on"},
		{"sample_filled", share, "share of slots with an id"},
		{"newcomer_in_samples", share, "nodes that sample a newcomer, the mean of the newcomers"},
		{"plain_faulty", share, "sample_faulty of the slots that rank by the id alone"},
		{"diverse_faulty", share, "of those that rank by the prefix of its address first"},
		{"correct_in_samples", share, "nodes that sample a correct node that is no victim, the mean of these"},
		{"victim_in_samples", share, "nodes that sample a victim, the mean of the victims"},
		{"victim_in_plain", share, "in a plain slot"},
		{"victim_in_diverse", share, "in a diverse slot"},
	}},
	{"Views", []meaning{
		{"renewal_blocked", share, "share of rounds of the second half in which a view stayed as it was"},
		{"over_threshold", share, "share of them with more pushes than the threshold"},
		{"in_degree", share, "view entries that name a node, the mean of the nodes"},
	}},
	{"Sizes", []meaning{
		{"size_estimate", share, "nodes that a node takes the network to have, the mean of those that know"},
		{"size_known", share, "share of nodes that have an estimate"},
		{"l1_mean", share, "slots of a view"},
	}},
	{"Liveness", []meaning{
		{"noticed_rounds", share, "rounds from a death to its being out of all samples, the mean of those that are"},
		{"noticed_max", share, "the most of them"},
		{"false_deaths", share, "sampled nodes that were up and declared dead, a node and 1000 rounds, in the second half"},
		{"asks", share, "helpers that a node asks about suspects in a round, in the second half; not among the messages"},
	}},
	{"Pushes, of the second half", []meaning{
		{"push_share", share, "share of the faulty among those that count at correct nodes"},
		{"pushes_skipped", share, "share of correct nodes' pushes that were skipped for want of budget"},
		{"pushes_refused", share, "pushes a node and round without a token that is good"},
		{"token_work", share, "share of its token budget that a correct node spends"},
		{"token_gain", share, "pushes that the faulty land for the work with which correct nodes land one"},
	}},
	{"Picks from the bank, of the second half", []meaning{
		{"picks_taken", share, "that a node takes in a round"},
		{"picks_ready", share, "that it has when it begins to take"},
		{"pick_faulty", share, "sample_faulty of the picks"},
		{"draw_faulty", share, "and of as many draws from the sample"},
		{"pick_dead", share, "share of picks that name a node that is gone"},
		{"pick_again", share, "share of picks that are among the node's last 20"},
		{"draw_again", share, "and of draws from the sample"},
		{"again_uniform", share, "what independent uniform choices come to"},
		{"pick_uneven", share, "variance over mean of how often a correct node is picked; 1 if at random"},
		{"bank_probes", share, "probes of a node in a round for the bank's sake alone"},
	}},
	{"Connection", []meaning{
		{"components", count, "strongly connected, by edges of view and sample"},
		{"eclipsed", count, "nodes outside the largest component"},
		{"forgotten", count, "nodes in nobody's view or sample"},
		{"isolated", count, "nodes without a correct node in their view"},
		{"isolated_both", count, "nor in their sample"},
		{"isolated_rounds", count, "rounds of nodes of the second half that were isolated"},
		{"isolated_both_rounds", count, "and in their sample too"},
	}},
	{"Slots that name nobody", []meaning{
		{"phantom_in_views", count, "ids that never were anybody's"},
		{"phantom_in_samples", count, ""},
		{"dead_in_views", count, "nodes that are gone"},
		{"dead_in_samples", count, ""},
		{"view_slots", count, "filled, of all kinds, for comparison"},
		{"sample_slots", count, "those that count"},
	}},
	{"Cost", []meaning{
		{"messages", share, "exchanges that a node begins in a round, in the second half"},
		{"probes", share, "probes among them"},
		{"seconds", share, ""},
		{"cpu_seconds", share, ""},
		{"peak_mb", count, "peak memory of the process, MiB"},
	}},
}

var inSimTitle = []string{"nodes", "rounds", "l1", "l2"}

// printSimSummary prints the summary of the simulations of cfg as a table, by the names of the JSON fields.
func printSimSummary(w io.Writer, cfg sim.Config, s *sim.Summary) error {
	text := simTitle(cfg, s) + "\n"
	var table [][]string
	if len(s.Each) > 1 {
		table = append(table, []string{"", "mean", "sd", "min", "max", ""})
	} else {
		text += "digest " + s.Each[0].Digest + "\n"
	}
	for _, group := range simMeanings {
		var rows [][]string
		for _, m := range group.words {
			if cells := simCells(s, m); cells != nil {
				rows = append(rows, append(append([]string{"  " + m.word}, cells...), m.text))
			}
		}
		if len(rows) > 0 {
			table = append(append(table, []string{group.title}), rows...)
		}
	}
	_, err := io.WriteString(w, text+align(table))
	return err
}

func simTitle(cfg sim.Config, s *sim.Summary) string {
	r := s.Each[0]
	text := r.Algorithm
	if r.Algorithm == sim.Brahms {
		text += ", " + r.Preset
		for _, name := range slices.Sorted(maps.Keys(cfg.Override)) {
			text += fmt.Sprintf(", %s=%s", name, cfg.Override[name])
		}
	}
	text += fmt.Sprintf("; attack %s; %d nodes, %d rounds, l1=%d, l2=%d, ", r.Attack, r.Nodes, r.Rounds, r.L1, r.L2)
	if runs := len(s.Each); runs > 1 {
		return text + fmt.Sprintf("seeds %d to %d", r.Seed, s.Each[runs-1].Seed)
	}
	return text + fmt.Sprintf("seed %d", r.Seed)
}

// simCells are the figures of a word: of one run the figure, of several mean, standard deviation, least and greatest; "-"
// where it was not measured. They are nil where there is nothing that the word could be about.
func simCells(s *sim.Summary, m meaning) []string {
	figure, ok := s.Figure(m.word)
	switch {
	case !ok || strings.HasPrefix(m.word, "victim_") && noVictims(s):
		return nil
	case suite.Unsaid(s, m.word) && len(s.Each) == 1:
		return []string{"-"}
	case suite.Unsaid(s, m.word):
		return []string{"-", "-", "-", "-"}
	}
	if len(s.Each) == 1 {
		return []string{m.kind.format(figure.Mean)}
	}
	if m.kind == first && slices.ContainsFunc(s.Each, func(r *sim.Result) bool { return neverCame(r, m.word) }) {
		return []string{first.format(figure.Mean), "-", first.format(figure.Min), "never"}
	}
	return []string{m.kind.format(figure.Mean), share.format(figure.SD), m.kind.format(figure.Min), m.kind.format(figure.Max)}
}

func neverCame(r *sim.Result, word string) bool {
	f, _ := (&sim.Summary{Each: []*sim.Result{r}}).Figure(word)
	return f.Mean < 0
}

func noVictims(s *sim.Summary) bool {
	return !slices.ContainsFunc([]string{"victim_view_faulty", "victim_sample_faulty", "victim_isolated_round"}, func(word string) bool {
		f, _ := s.Figure(word)
		return f.Max > 0
	})
}

func (k kind) format(x float64) string {
	switch {
	case k == first && x < 0:
		return "never"
	case k != share && x == float64(int64(x)):
		return strconv.Itoa(int(x))
	case k != share:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return number(x)
}

// align writes the rows of a table below each other. A row of one cell is a title, and stands apart.
func align(rows [][]string) string {
	var widths []int
	for _, cells := range rows {
		for i, cell := range cells {
			if len(cells) == 1 {
				continue
			}
			for len(widths) <= i {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	text := ""
	for _, cells := range rows {
		if len(cells) == 1 {
			text += "\n" + cells[0]
		} else {
			line := ""
			for i, cell := range cells {
				line += fmt.Sprintf("%-*s  ", widths[i], cell)
			}
			text += strings.TrimRight(line, " ")
		}
		text += "\n"
	}
	return text
}

// printAttacks lists the attacks.
func printAttacks(w io.Writer) error {
	var rows [][]string
	for _, name := range sim.Attacks() {
		rows = append(rows, []string{name, sim.AboutAttack(name)})
	}
	_, err := io.WriteString(w, align(rows))
	return err
}
