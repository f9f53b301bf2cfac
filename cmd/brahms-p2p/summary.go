package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/brahms-p2p/brahms-p2p/internal/swarm"
)

// swarmProgress shows on b how far a swarm is.
func swarmProgress(b *bar, cfg swarm.Config) func(swarm.Progress) {
	return func(p swarm.Progress) {
		text := fmt.Sprintf("round %d of %d, %d peers up", p.Round, cfg.Rounds, p.Live)
		if p.Started < cfg.Peers || p.Round == 0 {
			text = fmt.Sprintf("starting peer %d of %d", p.Started, cfg.Peers)
		}
		b.show(p.Round, text)
	}
}

// agreeProgress shows on b how far the agreement of a swarm is.
func agreeProgress(b *bar, cfg swarm.Config) func(round, closed, peers int) {
	return func(round, closed, peers int) {
		b.show(cfg.Rounds, fmt.Sprintf("agreement: round %d, %d of %d peers are done", round, closed, peers))
	}
}

// printSummary prints the summary as a table, by the names of the JSON fields, and the histogram.
func printSummary(w io.Writer, cfg swarm.Config, s *swarm.Summary) error {
	fmt.Fprintf(w, "%d peers, %d rounds of %v over %s, seed %d, %.1f seconds\n\n", s.Peers, s.Rounds, cfg.Interval, cfg.Transport, s.Seed, s.Seconds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value, meaning string) { fmt.Fprintf(t, "%s\t%s\t%s\n", name, value, meaning) }
	count := func(n int) string { return fmt.Sprint(n) }
	row("components", count(s.Components), "strongly connected, by edges of view and sample")
	row("eclipsed", count(s.Eclipsed), "live peers outside the largest component")
	row("forgotten", count(s.Forgotten), "live peers in nobody's view or sample")
	row("view_distinct_min", count(s.ViewDistinctMin), "distinct peers in the poorest view")
	row("view_distinct_mean", number(s.ViewDistinctMean), "and in the mean one")
	row("sample_filled", number(s.SampleFilled), "share of sample slots with a verified peer")
	row("sample_distinct_mean", number(s.SampleDistinctMean), "distinct peers in a sample")
	row("dead_in_views", count(s.DeadInViews), "view slots that name the dead")
	row("dead_in_samples", count(s.DeadInSamples), "sample slots that name the dead")
	row("deaths", count(s.Deaths), "sampled peers declared dead, by all peers")
	goingRows(row, s)
	row("sample_chi2_p", chance(s.SampleChi2P), "chance of samples that uneven if all peers were equally likely")
	row("view_chi2_p", chance(s.ViewChi2P), "the same of views, which are not uniform")
	if s.Faulty > 0 {
		attackRows(row, s)
	}
	if s.Messages != nil {
		messageRows(row, s.Messages)
	}
	if s.Agreement != nil {
		agreeRows(row, s.Agreement)
	}
	row("token_bits", count(s.TokenBits), "of work that a push costs its sender")
	row("rounds_on_time", number(s.RoundsOnTime), "share of rounds within 20% of their length")
	row("exchanges_done", number(s.ExchangesDone), "share of exchanges that ended in their round")
	row("dials", fmt.Sprint(s.Dials), "")
	row("connections", count(s.Connections), "open at the end")
	row("cpu_seconds", fmt.Sprintf("%.1f", s.CPUSeconds), "")
	row("rss_mb", fmt.Sprintf("%.0f", s.RSSMB), "peak, MiB")
	row("heap_mb", fmt.Sprintf("%.0f", s.HeapMB), "at the end, MiB")
	if err := t.Flush(); err != nil {
		return err
	}
	if v := s.VictimDials; v != nil {
		fmt.Fprintf(w, "\nvictim_dials: %s\n", victimText(v))
	}
	for i, l := range s.Levels {
		if i == 0 {
			fmt.Fprintln(w, "\nround  goroutines  heap_mb")
		}
		fmt.Fprintf(w, "%5d  %10d  %7.0f\n", l.Round, l.Goroutines, l.HeapMB)
	}
	if s.Agreement != nil {
		fmt.Fprintf(w, "\n%s\n", agreeText(s.Agreement))
	}
	fmt.Fprintf(w, "\nrefused: %s\n", refusedText(s.Refused))
	if text := slowText(s); text != "" {
		fmt.Fprintf(w, "\n%s\n", text)
	}
	return printHistogram(w, s)
}

// slowText says that the figures are the machine's more than the protocol's; "" where they are not.
func slowText(s *swarm.Summary) string {
	if s.ExchangesDone >= swarm.MinBaselineDone {
		return ""
	}
	return fmt.Sprintf("This machine is too slow for so many peers in so short rounds: %s of the exchanges ended in their round. The figures\n"+
		"are those of a network that loses the rest. Try a longer --interval, fewer --peers, or a machine that does nothing else.",
		number(s.ExchangesDone))
}

// goingRows are those of a swarm in which peers die, leave or lose each other.
func goingRows(row func(name, value, meaning string), s *swarm.Summary) {
	rounds := func(n int) string {
		if n < 0 {
			return "never"
		}
		return fmt.Sprint(n)
	}
	if s.DeadRounds != nil {
		row("dead_rounds", rounds(*s.DeadRounds), "rounds until no sample named the dead")
	}
	if st := s.Standing; st != nil {
		row("standing.settle_rounds", fmt.Sprint(st.SettleRounds), "rounds until a newcomer was in the largest component, the most of them")
		row("standing.orphans", fmt.Sprint(st.Orphans), "newcomers whose only contact died before that")
		row("standing.lapses", fmt.Sprint(st.Lapses), "times that a peer which had been in it was not, at the end of a round")
		row("standing.lapse_rounds", fmt.Sprint(st.LapseRounds), "for so many rounds, the most of them")
	}
	if s.LeftRounds != nil {
		row("left", fmt.Sprint(s.Left), "peers that left politely")
		row("left_rounds", rounds(*s.LeftRounds), "rounds until no view or sample named them")
	}
	if s.Parts != nil {
		row("parts", fmt.Sprint(*s.Parts), "components when the partition was healed")
		row("merge_rounds", rounds(*s.MergeRounds), "rounds from then until there was one")
	}
}

// attackRows are those of a swarm with faulty peers.
func attackRows(row func(name, value, meaning string), s *swarm.Summary) {
	row("faulty", fmt.Sprint(s.Faulty), "peers; all other figures are of the correct ones")
	row("attack", s.Attack, swarm.AboutAttack(s.Attack))
	row("attack_rate", fmt.Sprint(s.AttackRate), "operations a second that each faulty peer may do")
	row("attack_ops", fmt.Sprint(s.AttackOps), "operations of all of them")
	row("view_faulty", number(s.ViewFaulty), "share of faulty peers among the live in views")
	row("sample_faulty", number(s.SampleFaulty), "share of faulty peers in samples")
	row("phantoms_in_views", fmt.Sprint(s.PhantomsInViews), "view slots that name an invented peer")
	row("phantoms_in_samples", fmt.Sprint(s.PhantomsInSamples), "sample slots that do")
	row("isolated", fmt.Sprint(s.Isolated), "peers with no live correct peer in their view")
	row("isolated_both", fmt.Sprint(s.IsolatedBoth), "nor in their sample")
	row("push_share", number(s.PushShare), "share of faulty peers' among the pushes that counted")
	if w := s.Tokens; w != nil {
		row("tokens", fmt.Sprintf("%.2f", w.Gain()), "pushes of a faulty peer for an attempt at tokens, in those of a correct one")
	}
	row("over_threshold", number(s.OverThreshold), "share of rounds with more pushes than the limit")
}

// messageRows are those of a swarm that spread messages.
func messageRows(row func(name, value, meaning string), m *swarm.Messages) {
	row("messages.sent", fmt.Sprint(m.Sent), "messages, each by a random correct peer")
	row("messages.refused", fmt.Sprint(m.Refused), "messages that fewer than half of the peers took that were asked")
	row("messages.coverage", fmt.Sprintf("%.5f", m.Coverage), "share of the live correct peers that got a message, in the mean")
	row("messages.coverage_min", number(m.CoverageMin), "the same of the message that reached fewest")
	row("messages.complete", fmt.Sprint(m.Complete), "messages that reached all of them")
	row("messages.copies_per_peer", number(m.CopiesPerPeer), "copies of a message that a peer got, in the mean")
	row("messages.copies_theory", number(m.CopiesTheory), "ln n + 7: what theory needs for all to get it")
	row("messages.seconds", number(m.Seconds), "until the last of them had it, in the mean")
}

// agreeRows are those of a swarm that agreed on a set.
func agreeRows(row func(name, value, meaning string), a *swarm.Agreement) {
	row("agree_proposed", fmt.Sprint(a.Proposed), "words, each by a random correct peer")
	row("agree_attack", a.Attack, swarm.AboutAgreeAttack(a.Attack))
	row("agree_closed", number(a.Closed), "share of correct peers whose set is final")
	row("agree_sets", fmt.Sprint(a.Sets), "distinct sets among them")
	row("agree_items", fmt.Sprint(a.Items), "items in the set of most, those of faulty peers included")
	row("agree_disagree", fmt.Sprint(a.Disagree), "items that one decided in and another out")
	row("agree_rounds", fmt.Sprint(a.Rounds), "until the last of them was done; 0: none was")
	row("agree_seconds", number(a.Seconds), "likewise")
	row("agree_status", countsText(a.Status), "correct peers by phase")
	row("agree_answered", number(a.Answered), "share of polls that were answered within their round")
	row("agree_polls", fmt.Sprintf("%.0f", a.Polls), "polls that a peer sent, each to one other")
	row("agree_fresh", number(a.Fresh), "share of them to peers of the bank")
	row("agree_bytes", fmt.Sprintf("%.0f", a.Bytes), "a second that a peer sent for it")
}

// agreeText says in a line what was agreed on.
func agreeText(a *swarm.Agreement) string {
	switch stopped := a.Stopped(); {
	case a.Sets > 1:
		return fmt.Sprintf("agreed: %d different sets", a.Sets)
	case a.Set == nil:
		return fmt.Sprintf("agreed: nothing; %s", stopped)
	case stopped != "":
		return fmt.Sprintf("agreed by those who are done, %s: %s", stopped, setText(a.Set))
	default:
		return fmt.Sprintf("agreed by all after %d rounds, %.1f s: %s", a.Rounds, a.Seconds, setText(a.Set))
	}
}

// setText lists what was agreed on, which anybody may have proposed.
func setText(set []string) string {
	if len(set) == 0 {
		return "the empty set"
	}
	out := make([]string, len(set))
	for i, s := range set {
		out[i] = wordText([]byte(s))
	}
	return strings.Join(out, " ")
}

// countsText lists counts by their names.
func countsText(counts map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(out, ", ")
}

// histogramBins and histogramWidth are the size of the histogram: lines, and columns of a bar.
const (
	histogramBins  = 12
	histogramWidth = 48
)

func printHistogram(w io.Writer, s *swarm.Summary) error {
	bins := s.Histogram(histogramBins)
	if len(bins) == 0 {
		return nil
	}
	most := 1.0
	for _, b := range bins {
		most = max(most, float64(b.Peers), b.Uniform)
	}
	column := func(peers float64) int { return int(peers/most*histogramWidth + .5) }
	text := fmt.Sprintf("\nHow many of %d peers stand so often in the samples of the others (| is what uniform predicts):\n\n", len(s.Sampled))
	for _, b := range bins {
		line := []byte(strings.Repeat("#", column(float64(b.Peers))) + strings.Repeat(" ", histogramWidth+1))
		line[column(b.Uniform)] = '|'
		text += fmt.Sprintf("%9s  %s  %3d, predicted %.1f\n", fmt.Sprintf("%d-%d", b.From, b.To), line[:histogramWidth+1], b.Peers, b.Uniform)
	}
	_, err := io.WriteString(w, text)
	return err
}

func number(x float64) string { return fmt.Sprintf("%.3f", x) }

func chance(p *float64) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%.3g", *p)
}

// wordText is an item of a set: as it is if it is a word, quoted otherwise. Whoever speaks the protocol can propose anything.
func wordText(payload []byte) string {
	if text := printable(payload); text == string(payload) && text != "" && !strings.ContainsFunc(text, unicode.IsSpace) && !strings.HasPrefix(text, `"`) {
		return text
	}
	return strconv.QuoteToGraphic(string(payload))
}
