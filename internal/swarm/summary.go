package swarm

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// MaturityRounds is for how long a peer must have been up to take part in the chi-square tests: the time after which
// slots of the default parameters are mature.
const MaturityRounds = 30

// warmupRounds are left out of RoundsOnTime: while the first peers dial each other, a small machine is busy with that.
const warmupRounds = 20

// A Summary is what came of a run. All but the counts of costs are taken at one moment, when the last round is over;
// "live" are the correct peers that are up then, newcomers included: all figures but those of the attack are of correct peers.
type Summary struct {
	Peers   int     `json:"peers"` // at the start, the faulty included
	Rounds  int     `json:"rounds"`
	Seed    uint64  `json:"seed"`
	Seconds float64 `json:"seconds"` // from the first peer's start to the summary

	Components int `json:"components"` // strongly connected, by edges of view and sample among live peers
	Eclipsed   int `json:"eclipsed"`   // live peers outside the largest component
	Forgotten  int `json:"forgotten"`  // live peers in nobody else's view or sample

	ViewDistinctMin    int     `json:"view_distinct_min"`
	ViewDistinctMean   float64 `json:"view_distinct_mean"`
	SampleFilled       float64 `json:"sample_filled"` // share of slots of live peers with a verified id, young or mature
	SampleDistinctMean float64 `json:"sample_distinct_mean"`
	DeadInViews        int     `json:"dead_in_views"`   // slots that name a peer that was killed or left; under churn 20 rounds ago or more
	DeadInSamples      int     `json:"dead_in_samples"` // likewise
	Deaths             int     `json:"deaths"`          // sampled peers that peers declared dead; who left does not count

	// DeadRounds is after how many rounds no sample of a live peer named one of those that were killed, LeftRounds after how
	// many no sample or view named one of those that left; -1 is not by the end, nil (null) that there were none.
	DeadRounds *int `json:"dead_rounds"`
	Left       int  `json:"left"` // peers that left
	LeftRounds *int `json:"left_rounds"`
	// Parts is the number of components when a partition was healed, MergeRounds after how many rounds there was one again;
	// -1 is not by the end, nil (null) that there was no partition.
	Parts       *int `json:"parts"`
	MergeRounds *int `json:"merge_rounds"`

	// Standing is nil (null) unless Config.Churn is above 0.
	Standing *Standing `json:"standing"`

	// SampleChi2P is the p-value of Pearson's chi-square on how often each peer stands in the samples of others, against
	// uniform. Only live peers that were up for MaturityRounds take part, in both roles; in a run that is shorter than
	// that, those that were up for all of it. It is nil (null) when there are too few of them or of their slots to tell.
	// ViewChi2P is the same on views, the negative control: views are not uniform.
	SampleChi2P *float64 `json:"sample_chi2_p"`
	ViewChi2P   *float64 `json:"view_chi2_p"`

	// RoundsOnTime is the share of rounds, over all peers, that lasted as long as planned, jitter included, within 20% of
	// the interval. Each peer's first 20 rounds are left out; in a run of at most 20 rounds only its first.
	RoundsOnTime float64 `json:"rounds_on_time"`
	// ExchangesDone is the share of planned exchanges that ended within their round, answered or not, over all rounds.
	ExchangesDone float64 `json:"exchanges_done"`

	Faulty     int     `json:"faulty"` // peers
	Attack     string  `json:"attack"`
	AttackRate float64 `json:"attack_rate"` // operations a second that each may do; 0 without an attack
	AttackOps  uint64  `json:"attack_ops"`  // what they did together
	TokenBits  int     `json:"token_bits"`  // difficulty of push tokens; 0: pushes cost nothing

	ViewFaulty        float64 `json:"view_faulty"`         // share of faulty ids among live and faulty ones in views
	SampleFaulty      float64 `json:"sample_faulty"`       // share of slots that count; invented ids are faulty, the dead apart
	PhantomsInViews   int     `json:"phantoms_in_views"`   // slots that name an id which no host ever had
	PhantomsInSamples int     `json:"phantoms_in_samples"` // likewise
	Isolated          int     `json:"isolated"`            // live peers without another in their view
	IsolatedBoth      int     `json:"isolated_both"`       // nor in their sample
	OverThreshold     float64 `json:"over_threshold"`      // share of rounds of all peers with more pushes than the limit
	PushShare         float64 `json:"push_share"`          // share of faulty peers' among the pushes that counted
	// Tokens is nil (null) unless faulty peers attack where pushes have a price.
	Tokens *TokenWork `json:"tokens"`

	// Refused is what all peers that ever were refused, by reason; reasons that did not occur are missing.
	Refused map[string]uint64 `json:"refused"`
	// VictimDials is nil (null) unless the attack has a victim.
	VictimDials *VictimDials `json:"victim_dials"`

	// Messages is nil (null) unless messages were spread.
	Messages *Messages `json:"messages"`

	// Agreement is nil, and its fields are missing, unless the peers agreed on a set.
	*Agreement

	Dials       uint64 `json:"dials"`       // by all peers that ever were
	Connections int    `json:"connections"` // pairs of live peers that are connected

	CPUSeconds float64 `json:"cpu_seconds"` // user and system time of the process during the run
	RSSMB      float64 `json:"rss_mb"`      // peak resident set of the process, MiB
	RSSMBMax   float64 `json:"rss_mb_max"`  // the same: of the process with all its peers, the faulty included
	HeapMB     float64 `json:"heap_mb"`     // heap in use after a collection at the end, MiB

	// Levels is what the process held at Config.Levels times.
	Levels []Level `json:"levels"`

	// Sampled is how often each peer that takes part in SampleChi2P stands in the samples of the others.
	Sampled []int `json:"-"`
}

// judge fills in what can be told from the states of the live peers and the ids of the dead.
func (s *Summary) judge(states []state, dead map[peer.ID]bool) {
	g := newGraph(states)
	sizes := g.components()
	s.Components, s.Eclipsed, s.Forgotten = len(sizes), len(states)-slices.Max(append(sizes, 0)), g.forgotten()

	var slots, filled, viewDistinct, sampleDistinct int
	s.ViewDistinctMin = math.MaxInt
	for _, st := range states {
		inView, inSample := distinct(st.view), distinct(st.sample)
		s.ViewDistinctMin = min(s.ViewDistinctMin, inView)
		viewDistinct += inView
		sampleDistinct += inSample
		slots += len(st.sample)
		for _, id := range st.view {
			if dead[id] {
				s.DeadInViews++
			}
		}
		for _, id := range st.sample {
			if id != "" {
				filled++
			}
			if dead[id] {
				s.DeadInSamples++
			}
		}
	}
	s.ViewDistinctMean = ratio(viewDistinct, len(states))
	s.SampleDistinctMean = ratio(sampleDistinct, len(states))
	s.SampleFilled = ratio(filled, slots)

	s.Sampled = occurrences(states, func(st state) []peer.ID { return st.sample })
	s.SampleChi2P = uniformP(s.Sampled)
	s.ViewChi2P = uniformP(occurrences(states, func(st state) []peer.ID { return st.view }))
}

// occurrences counts how often each veteran stands in the slots of the other veterans, in the order of states.
func occurrences(states []state, slots func(state) []peer.ID) []int {
	index := make(map[peer.ID]int)
	for _, st := range states {
		if st.veteran {
			index[st.id] = len(index)
		}
	}
	counts := make([]int, len(index))
	for _, st := range states {
		if !st.veteran {
			continue
		}
		for _, id := range slots(st) {
			if i, ok := index[id]; ok && id != st.id {
				counts[i]++
			}
		}
	}
	return counts
}

func uniformP(counts []int) *float64 {
	p, ok := stattest.UniformP(counts)
	if !ok {
		return nil
	}
	return &p
}

func distinct(ids []peer.ID) int {
	seen := make(map[peer.ID]bool, len(ids))
	for _, id := range ids {
		if id != "" {
			seen[id] = true
		}
	}
	return len(seen)
}

// ratio is a/b, 0 if b is.
func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Failure says in one line why the run is no success, "" if it is one: the live peers are one component and sample no
// dead. Under churn the last newcomers may not be in it yet: then it is the standing of all that ever were that is judged.
func (s *Summary) Failure() string {
	var why []string
	switch {
	case s.Standing != nil:
		if poor := s.Standing.Failure(); poor != "" {
			why = append(why, poor)
		}
	case s.Components != 1:
		why = append(why, fmt.Sprintf("the swarm fell into %d components, with %d peers outside the largest", s.Components, s.Eclipsed))
	}
	if s.Parts != nil && *s.Parts < 2 {
		why = append(why, "the cut did not part the swarm")
	}
	if s.DeadInSamples > 0 {
		why = append(why, fmt.Sprintf("%d slots of samples still name the dead", s.DeadInSamples))
	}
	if text := s.Agreement.failure(); text != "" {
		why = append(why, text)
	}
	return strings.Join(why, ", and ")
}
