package metrics

import brahmshost "github.com/brahms-p2p/brahms-p2p/host"

type status = brahmshost.Status

// gaugeTable is what is as it was at the end of the last round.
var gaugeTable = []struct {
	name, help string
	of         func(*status) float64
}{
	{"round", "Number of the last closed round.", func(s *status) float64 { return float64(s.Round) }},
	{"view_slots", "Slots of the view (l1).", func(s *status) float64 { return float64(s.Node.L1) }},
	{"view_filled", "Slots of the view that hold an id.", func(s *status) float64 { return float64(s.Node.ViewLen) }},
	{"view_distinct", "Distinct peers of the view.", func(s *status) float64 { return float64(s.Node.ViewDistinct) }},
	{"sample_slots", "Slots of the sample (l2).", func(s *status) float64 { return float64(len(s.Slots)) }},
	{"sample_filled", "Slots of the sample that hold a verified peer.", func(s *status) float64 { return float64(s.Node.SampleFilled) }},
	{"sample_mature", "Of those, slots that are mature.", func(s *status) float64 { return float64(s.Node.SampleMature) }},
	{"sample_distinct", "Distinct peers of the sample.", func(s *status) float64 { return float64(s.Node.SampleDistinct) }},
	{"sample_proven", "Of those, peers that answered a dial of ours.", func(s *status) float64 { return float64(s.Node.SampleProven) }},
	{"sample_waiting", "Peers of a restored sample that have not answered since the start.", func(s *status) float64 { return float64(s.Node.Waiting) }},
	{"suspects", "Peers of view and sample that missed and have not answered since.", func(s *status) float64 { return float64(len(s.Suspects)) }},
	{"tombstones", "Peers whose death is remembered.", func(s *status) float64 { return float64(s.Node.Tombstones) }},
	{"records", "Peers in the book of signed records and seeds.", func(s *status) float64 { return float64(s.Records) }},
	{"pushes", "Pushes that counted in the last round, dropped ones included: compare with push_threshold.",
		func(s *status) float64 { return float64(s.Node.Pushes + s.Node.PushOverflow) }},
	{"push_threshold", "Pushes that a round may bring.", func(s *status) float64 { return float64(s.Node.Threshold) }},
	{"size_known", "Whether the size of the network can be told (1) or not yet (0).", func(s *status) float64 { return number(s.Size.OK) }},
	{"size_estimate", "How many peers the network seems to have, 0 while that is not known.", func(s *status) float64 {
		if !s.Size.OK {
			return 0
		}
		return s.Size.N
	}},
	{"size_standard_error", "Standard error of size_estimate, in peers.", func(s *status) float64 {
		if !s.Size.OK {
			return 0
		}
		return s.Size.StdErr
	}},
	{"picks_left", "Fresh peers that the bank can hand out now.", func(s *status) float64 { return float64(s.Picks.Left) }},
	{"state_written_timestamp_seconds", "When the state was stored last, 0 for never.", func(s *status) float64 {
		if s.State.Written.IsZero() {
			return 0
		}
		return float64(s.State.Written.UnixMilli()) / 1000
	}},
}

// sumTable is what each round adds to.
var sumTable = []struct {
	name, help string
	of         func(*status) int
}{
	{"pushes_total", "Pushes that counted, one a sender and round.", func(s *status) int { return s.Node.Pushes }},
	{"push_repeats_total", "Pushes beyond one a sender and round, which do not count.", func(s *status) int { return s.Node.PushRepeats }},
	{"push_overflow_total", "Pushes that were dropped unread, which count as load.", func(s *status) int { return s.Node.PushOverflow }},
	{"pull_replies_total", "Pull replies that were used.", func(s *status) int { return s.Node.Pulls }},
	{"probes_answered_total", "Probes of ours that were answered.", func(s *status) int { return s.Node.Probes }},
	{"deaths_total", "Sampled peers that were declared dead.", func(s *status) int { return s.Node.Deaths }},
	{"deaths_postponed_total", "Deaths of sampled peers that were put off, since a helper had heard of them.", func(s *status) int { return s.Node.Postponed }},
	{"overloaded_rounds_total", "Rounds with more pushes than the threshold.", func(s *status) int { return int(number(s.Node.Overloaded)) }},
	{"exchanges_planned_total", "Exchanges that rounds planned.", func(s *status) int { return s.Exchanges }},
	{"exchanges_done_total", "Of those, exchanges that finished within their round.", func(s *status) int { return s.Done }},
	{"offences_total", "Times that others sent what no correct peer sends.", func(s *status) int { return s.Offences }},
	{"turned_away_total", "Streams of others that found no room.", func(s *status) int { return s.TurnedAway }},
}

// totalTable is what the service counts itself.
var totalTable = []struct {
	name, help string
	of         func(*status) uint64
}{
	{"dials_total", "Peers that we tried to dial.", func(s *status) uint64 { return s.Dials }},
	{"dials_withheld_total", "Dials that our limits held back.", func(s *status) uint64 { return s.DialsWithheld }},
	{"addrs_withheld_total", "Addresses of dials that our limits held back.", func(s *status) uint64 { return s.AddrsWithheld }},
	{"records_evicted_total", "Records that went from the full book for others.", func(s *status) uint64 { return s.Evicted }},
	{"helped_total", "Suspects of others that answered a probe of ours.", func(s *status) uint64 { return s.Helped }},
	{"picks_taken_total", "Fresh peers that were handed out.", func(s *status) uint64 { return s.Picks.Taken }},
	{"picks_repeated_total", "Peers that were drawn from the sample since the bank was empty.", func(s *status) uint64 { return s.Picks.Repeated }},
	{"events_dropped_total", "Events and log lines that found their queue full.", func(s *status) uint64 { return s.EventsDropped }},
	{"tokens_solved_total", "Push tokens that we made.", func(s *status) uint64 { return s.Tokens.Solved }},
	{"token_attempts_total", "Hashes that we made for push tokens.", func(s *status) uint64 { return s.Tokens.Attempts }},
	{"tokens_skipped_total", "Pushes that were not sent for want of a token.", func(s *status) uint64 { return s.Tokens.Skipped }},
	{"tokens_rejected_total", "Push tokens of ours that were not taken.", func(s *status) uint64 { return s.Tokens.Rejected }},
	{"state_writes_total", "Times that the state was stored.", func(s *status) uint64 { return s.State.Writes }},
	{"state_failures_total", "Times that it could not be.", func(s *status) uint64 { return s.State.Failures }},
}
