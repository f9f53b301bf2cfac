package sim

import "math"

// A Round is what one round came to, over the correct nodes that are up. Shares lie between 0 and 1. The words are
// those of Result.
type Round struct {
	Round            int     `json:"round"`
	Correct          int     `json:"correct"` // nodes that are up
	ViewFaulty       float64 `json:"view_faulty"`
	SampleFaulty     float64 `json:"sample_faulty"`
	Perfect          float64 `json:"perfect"`
	Filled           float64 `json:"sample_filled"`
	Blocked          float64 `json:"renewal_blocked"`
	Over             float64 `json:"over_threshold"`
	Isolated         int     `json:"isolated"`
	IsolatedBoth     int     `json:"isolated_both"`
	PhantomInViews   int     `json:"phantom_in_views"`
	PhantomInSamples int     `json:"phantom_in_samples"`
	DeadInViews      int     `json:"dead_in_views"`
	DeadInSamples    int     `json:"dead_in_samples"`
	VictimView       float64 `json:"victim_view_faulty"`
	Messages         float64 `json:"messages"` // exchanges begun, a node
	Probes           float64 `json:"probes"`   // probes among them
	Deaths           int     `json:"deaths"`   // sampled ids that nodes gave up
	// Of simulations that measure sizes (Config.Sizes).
	SizeEstimate float64 `json:"size_estimate"` // mean of the nodes that have one
	L1Mean       float64 `json:"l1_mean"`
}

// A Spread describes how values are distributed.
type Spread struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"` // of the population
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

// A Result is what a simulation came to. Nodes means correct nodes that are up at the end unless something else is said;
// counts of slots are over all of them. Only Seconds, CPUSeconds and PeakMB may differ between equal simulations.
type Result struct {
	Algorithm string `json:"algorithm"`
	Preset    string `json:"preset"`
	Attack    string `json:"attack"`
	Nodes     int    `json:"nodes"`
	Correct   int    `json:"correct"`
	Faulty    int    `json:"faulty"`
	Rounds    int    `json:"rounds"`
	L1        int    `json:"l1"`
	L2        int    `json:"l2"`
	Seed      uint64 `json:"seed"`
	// Settings are the others that were not left at their defaults, by name.
	Settings map[string]string `json:"settings,omitempty"`
	Digest   string            `json:"digest"` // of all rounds and of every node's view and slots at the end

	ViewFaulty   float64 `json:"view_faulty"`   // share of view entries, the dead and phantoms apart
	SampleFaulty float64 `json:"sample_faulty"` // share of slots that count; phantoms are faulty, the dead apart
	Theory       float64 `json:"theory_view_faulty"`
	Perfect      float64 `json:"perfect"` // share of slots that hold what they should: docs/simulation.md, words
	PerfectNodes int     `json:"perfect_nodes"`
	Filled       float64 `json:"sample_filled"` // share of slots
	T50          int     `json:"t50"`           // first round in which Perfect reached this share; -1 is never
	T90          int     `json:"t90"`
	T99          int     `json:"t99"`

	Blocked float64 `json:"renewal_blocked"` // share of node-rounds of the second half in which the view kept all entries
	Over    float64 `json:"over_threshold"`  // in which there were more pushes than the threshold

	Isolated         int `json:"isolated"`             // nodes with no correct node that is up in their view
	IsolatedBoth     int `json:"isolated_both"`        // nor in their sample
	IsolatedRounds   int `json:"isolated_rounds"`      // node-rounds of the second half with an isolated node
	IsolatedBothRnds int `json:"isolated_both_rounds"` // and with one isolated in both
	Components       int `json:"components"`           // strongly connected, by edges of view and sample among nodes
	Eclipsed         int `json:"eclipsed"`             // nodes outside the largest component
	Forgotten        int `json:"forgotten"`            // nodes in nobody else's view or sample

	PhantomInViews   int `json:"phantom_in_views"` // slots that name an id that nobody has
	PhantomInSamples int `json:"phantom_in_samples"`
	DeadInViews      int `json:"dead_in_views"` // slots that name a node that is gone
	DeadInSamples    int `json:"dead_in_samples"`
	ViewSlots        int `json:"view_slots"`   // filled, of all kinds: what the counts above are to be compared with
	SampleSlots      int `json:"sample_slots"` // those that count

	VictimView     float64 `json:"victim_view_faulty"`            // of the victims, over the second half
	VictimSample   float64 `json:"victim_sample_faulty"`          // the same of their samples
	VictimIsolated int     `json:"victim_isolated_round"`         // first round with an isolated victim; -1 is never
	Newcomer       *Spread `json:"newcomer_in_samples,omitempty"` // nodes that sample a newcomer (Config.Join)

	// Of pushes, in the second half: the first where they are counted by sender (Config.Meter), all with tokens.
	PushShare     *float64 `json:"push_share,omitempty"`     // share of faulty nodes' among those that count at nodes
	PushesSkipped *float64 `json:"pushes_skipped,omitempty"` // share of nodes' own for which their budget did not suffice
	PushesRefused *float64 `json:"pushes_refused,omitempty"` // that a node gets in a round without a token that is good
	TokenWork     *float64 `json:"token_work,omitempty"`     // share of its budget that a node spends
	// TokenGain is the pushes that faulty nodes land at correct ones for the attempts in which a correct node lands one
	// anywhere.
	TokenGain *float64 `json:"token_gain,omitempty"`

	// Of deaths, where they are followed (Config.Liveness).
	Noticed     *Spread  `json:"noticed_rounds,omitempty"` // rounds from a node's leaving without a word until no sample holds it
	NoticedMax  *float64 `json:"noticed_max,omitempty"`    // the most of them
	Asks        *float64 `json:"asks,omitempty"`           // helpers that a node asks in a round, in the second half; they are not among the messages
	FalseDeaths *float64 `json:"false_deaths,omitempty"`   // sampled nodes that were up and declared dead, a node and 1000 rounds, in the second half

	// Of simulations with addresses (Config.Prefixes).
	PlainFaulty   *float64 `json:"plain_faulty,omitempty"`       // sample_faulty of the slots that rank by the id alone; absent without such slots
	DiverseFaulty *float64 `json:"diverse_faulty,omitempty"`     // and of those that rank by the prefix first; absent without such slots
	InSamples     *Spread  `json:"correct_in_samples,omitempty"` // nodes that sample a correct node that is no victim
	VictimIn      *Spread  `json:"victim_in_samples,omitempty"`  // nodes that sample a victim
	VictimPlain   *Spread  `json:"victim_in_plain,omitempty"`    // in a plain slot
	VictimDiverse *Spread  `json:"victim_in_diverse,omitempty"`  // in a diverse slot

	// Of simulations that measure sizes (Config.Sizes).
	SizeEstimate *Spread  `json:"size_estimate,omitempty"` // what nodes take the number of nodes for; absent if none has an estimate
	SizeKnown    *float64 `json:"size_known,omitempty"`    // share of nodes that have one
	L1Mean       *float64 `json:"l1_mean,omitempty"`       // slots of a view

	// Of simulations with a bank, in the second half. A draw is one from the sample, made beside each pick.
	PicksMade  *float64 `json:"picks_taken,omitempty"` // that a node takes in a round
	PicksReady *float64 `json:"picks_ready,omitempty"` // that a node has when it begins to take
	PickFaulty *float64 `json:"pick_faulty,omitempty"` // share of picks, the dead apart; as sample_faulty
	DrawFaulty *float64 `json:"draw_faulty,omitempty"`
	PickDead   *float64 `json:"pick_dead,omitempty"` // share of picks that name a node that is gone
	// PickAgain is the share of picks that are among the node's last 20, DrawAgain that of draws; AgainUniform what
	// independent uniform choices come to.
	PickAgain    *float64 `json:"pick_again,omitempty"`
	DrawAgain    *float64 `json:"draw_again,omitempty"`
	AgainUniform *float64 `json:"again_uniform,omitempty"`
	PickUneven   *float64 `json:"pick_uneven,omitempty"` // variance over mean of how often a correct node is picked: 1 if at random
	BankProbes   *float64 `json:"bank_probes,omitempty"` // probes that a node makes in a round for the bank's sake alone

	InDegree  Spread  `json:"in_degree"` // view entries that name a node
	InDegrees []int   `json:"-"`         // of each correct node, in order of their numbers
	Messages  float64 `json:"messages"`  // exchanges that a node begins in a round, in the second half
	Probes    float64 `json:"probes"`    // probes among them

	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
	PeakMB     float64 `json:"peak_mb"` // peak resident set of the process
}

func (s sums) round(number int) Round {
	return Round{
		Round: number, Correct: int(s.nodes),
		ViewFaulty: round6(s.view.viewFaulty()), SampleFaulty: round6(s.sample.sampleFaulty()),
		Perfect: round6(ratio(s.perfect, s.judged)), Filled: round6(ratio(s.filled, s.slots)),
		Blocked: round6(ratio(s.kept, s.nodes)), Over: round6(ratio(s.overloaded, s.nodes)),
		Isolated: int(s.isolated), IsolatedBoth: int(s.isolatedBoth),
		PhantomInViews: int(s.view[isPhantom]), PhantomInSamples: int(s.sample[isPhantom]),
		DeadInViews: int(s.view[isDead]), DeadInSamples: int(s.sample[isDead]),
		VictimView: round6(s.victim.viewFaulty()),
		Messages:   round6(ratio(s.messages, s.nodes)), Probes: round6(ratio(s.probes, s.nodes)), Deaths: int(s.deaths),
	}
}

// round6 hides what floating point differs in from one machine to the other.
func round6(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// spread describes integer values.
func spread(values []int) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sum, squares, lo, hi := 0, 0, values[0], values[0]
	for _, v := range values {
		sum += v
		squares += v * v
		lo, hi = min(lo, v), max(hi, v)
	}
	n := float64(len(values))
	mean := float64(sum) / n
	return Spread{
		Mean: round6(mean), SD: round6(math.Sqrt(max(0, float64(squares)/n-mean*mean))),
		Min: float64(lo), Max: float64(hi),
	}
}
