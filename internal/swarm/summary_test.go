package swarm

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// sampled returns n peers whose samples of l2 slots come from draw, which is given the number of the observer.
func sampled(n, l2 int, draw func(self int) int) []state {
	states := make([]state, n)
	for i := range states {
		states[i] = state{id: peer.ID(fmt.Sprint(i)), veteran: true}
		for range l2 {
			states[i].sample = append(states[i].sample, peer.ID(fmt.Sprint(draw(i))))
		}
		states[i].view = states[i].sample
	}
	return states
}

func TestChiSquare(t *testing.T) {
	const n, l2, seed = 64, 40, 7
	rng := stattest.Rand(seed)
	other := func(self int) int { return (self + 1 + rng.IntN(n-1)) % n }
	biased := func(self int) int { // one in ten draws takes one of four peers
		if rng.IntN(10) == 0 {
			if i := rng.IntN(4); i != self {
				return i
			}
		}
		return other(self)
	}

	var s Summary
	s.judge(sampled(n, l2, other), nil)
	if s.SampleChi2P == nil || *s.SampleChi2P < .001 || *s.SampleChi2P > .999 {
		t.Errorf("uniform samples have p = %v under seed %d", s.SampleChi2P, seed)
	}
	total := 0
	for _, c := range s.Sampled {
		total += c
	}
	if len(s.Sampled) != n || total != n*l2 {
		t.Errorf("%d peers were counted in %d slots, want %d in %d", len(s.Sampled), total, n, n*l2)
	}
	s.judge(sampled(n, l2, biased), nil)
	if s.SampleChi2P == nil || *s.SampleChi2P > 1e-6 {
		t.Errorf("biased samples have p = %v", s.SampleChi2P)
	}
	if s.ViewChi2P == nil || *s.ViewChi2P != *s.SampleChi2P {
		t.Errorf("views that equal the samples have p = %v, samples %v", s.ViewChi2P, s.SampleChi2P)
	}

	// Newcomers are out of both roles. Their own samples name one peer alone, and nobody samples them.
	states := sampled(n, l2, other)
	for i := range 8 {
		newcomer := state{id: peer.ID(fmt.Sprint(n + i)), sample: slices.Repeat([]peer.ID{"0"}, l2)}
		states = append(states, newcomer)
	}
	s.judge(states, nil)
	if s.SampleChi2P == nil || *s.SampleChi2P < .001 || len(s.Sampled) != n {
		t.Errorf("with newcomers p = %v over %d peers, want a plausible one over %d", s.SampleChi2P, len(s.Sampled), n)
	}

	// Too few slots to tell.
	s.judge(sampled(3, 1, func(self int) int { return (self + 1) % 3 }), nil)
	if s.SampleChi2P != nil {
		t.Errorf("3 slots in all have p = %v, want none", *s.SampleChi2P)
	}
}

func TestJudgeCounts(t *testing.T) {
	s := Summary{}
	s.judge([]state{
		{id: "a", view: []peer.ID{"b", "b", "c"}, sample: []peer.ID{"b", "", "", "x"}},
		{id: "b", view: []peer.ID{"a"}, sample: []peer.ID{"a", "c", "c", "a"}},
		{id: "c", view: []peer.ID{"a", "b", "x"}, sample: []peer.ID{"", "", "", ""}},
	}, map[peer.ID]bool{"x": true})
	if s.ViewDistinctMin != 1 || s.ViewDistinctMean != 2 {
		t.Errorf("distinct ids in views: min %d, mean %v; want 1 and 2", s.ViewDistinctMin, s.ViewDistinctMean)
	}
	if s.SampleFilled != .5 || math.Abs(s.SampleDistinctMean-4./3) > 1e-9 {
		t.Errorf("samples are filled to %v with %v distinct ids, want .5 and 4/3", s.SampleFilled, s.SampleDistinctMean)
	}
	if s.DeadInViews != 1 || s.DeadInSamples != 1 {
		t.Errorf("dead in %d view slots and %d sample slots, want 1 and 1", s.DeadInViews, s.DeadInSamples)
	}
}

// TestSummaryFields pins the names that scripts rely on.
func TestSummaryFields(t *testing.T) {
	b, err := json.Marshal(Summary{})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(`peers rounds seed seconds components eclipsed forgotten view_distinct_min view_distinct_mean sample_filled
		sample_distinct_mean dead_in_views dead_in_samples sample_chi2_p view_chi2_p rounds_on_time exchanges_done dials connections
		cpu_seconds rss_mb heap_mb faulty attack attack_rate attack_ops token_bits view_faulty sample_faulty phantoms_in_views
		phantoms_in_samples isolated isolated_both over_threshold refused victim_dials rss_mb_max
		push_share tokens levels deaths dead_rounds left left_rounds parts merge_rounds messages standing`)
	for _, name := range want {
		if _, ok := fields[name]; !ok {
			t.Errorf("field %s is missing", name)
		}
	}
	if len(fields) != len(want) {
		t.Errorf("%d fields, want %d: %v", len(fields), len(want), fields)
	}
}

func TestTally(t *testing.T) {
	m := &member{tally: tally{interval: 100 * time.Millisecond, after: 20}}
	for _, r := range []struct {
		round         uint64
		planned, took time.Duration // in ms
	}{
		{1, 0, 0}, {20, 100, 500}, // warm-up
		{21, 100, 100}, {22, 90, 110}, {23, 110, 90}, // on time: within 20 ms
		{24, 90, 111}, {25, 110, 89}, // not
	} {
		m.tally.round(&brahmshost.Snapshot{
			Round: r.round, Planned: r.planned * time.Millisecond, Took: r.took * time.Millisecond, Exchanges: 4, Done: 3,
		})
	}
	if onTime, done := punctuality([]*member{m}); onTime != 3./5 || done != 3./4 {
		t.Errorf("%v of the rounds on time, %v of the exchanges done; want 3/5 and 3/4", onTime, done)
	}
	if onTime, done := punctuality(nil); onTime != 0 || done != 0 {
		t.Errorf("no rounds: %v on time, %v done", onTime, done)
	}
}

func TestVeterans(t *testing.T) {
	for _, c := range []struct {
		rounds, born int
		want         bool
	}{{40, 0, true}, {40, 10, true}, {40, 11, false}, {30, 0, true}, {30, 1, false}, {12, 0, true}, {12, 1, false}} {
		if got := (Config{Rounds: c.rounds}).veteran(c.born); got != c.want {
			t.Errorf("a peer born in round %d of %d: veteran %v, want %v", c.born, c.rounds, got, c.want)
		}
	}
}

func TestHistogram(t *testing.T) {
	s := &Summary{Sampled: []int{30, 38, 40, 40, 42, 50, 77}}
	bins := s.Histogram(10)
	if len(bins) == 0 || len(bins) > 10 {
		t.Fatalf("%d bins", len(bins))
	}
	held, uniform := 0, 0.0
	for i, b := range bins {
		held += b.Peers
		uniform += b.Uniform
		if i > 0 && b.From != bins[i-1].To+1 {
			t.Errorf("bin %d starts at %d, the one before ends at %d", i, b.From, bins[i-1].To)
		}
	}
	if held != len(s.Sampled) || math.Abs(uniform-float64(len(s.Sampled))) > .05 {
		t.Errorf("the bins hold %d peers, %v by prediction; want %d", held, uniform, len(s.Sampled))
	}
	if bins := (&Summary{Sampled: []int{0, 0}}).Histogram(10); bins != nil {
		t.Errorf("nothing was sampled, bins %v", bins)
	}
	if bins := (&Summary{}).Histogram(10); bins != nil {
		t.Errorf("nobody was sampled, bins %v", bins)
	}
}
