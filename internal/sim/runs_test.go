package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func results(change func(i int, r *Result), n int) *Summary {
	s := &Summary{}
	for i := range n {
		r := &Result{Algorithm: Brahms, Seed: uint64(i + 3), VictimIsolated: -1}
		change(i, r)
		s.Each = append(s.Each, r)
	}
	return s
}

func TestFigures(t *testing.T) {
	newcomer := func(x float64) *Spread { return &Spread{Mean: x, Min: -9} }
	s := results(func(i int, r *Result) {
		r.ViewFaulty = []float64{.1, .2, .6}[i]
		r.Isolated = []int{0, 3, 3}[i]
		r.T50, r.T90, r.T99 = []int{5, 7, 9}[i], []int{10, -1, 20}[i], -1
		r.VictimIsolated = []int{-1, 10, 20}[i]
		r.InDegree = Spread{Mean: float64(10 * i), Max: 99}
		r.Newcomer = newcomer(float64(i))
	}, 3)
	for name, want := range map[string]Spread{
		"view_faulty":           {Mean: .3, SD: .216025, Min: .1, Max: .6},
		"isolated":              {Mean: 2, SD: 1.414214, Min: 0, Max: 3},
		"t50":                   {Mean: 7, SD: 1.632993, Min: 5, Max: 9},
		"t90":                   {Mean: -1, SD: 5, Min: 10, Max: 20}, // one run never got there
		"t99":                   {Mean: -1, Min: -1, Max: -1},
		"victim_isolated_round": {Mean: 15, SD: 5, Min: 10, Max: 20}, // of those that happened
		"in_degree":             {Mean: 10, SD: 8.164966, Min: 0, Max: 20},
		"newcomer_in_samples":   {Mean: 1, SD: .816497, Min: 0, Max: 2},
	} {
		if got, ok := s.Figure(name); !ok || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "algorithm", "seed", "digest", "ViewFaulty", "-"} {
		if got, ok := s.Figure(name); ok {
			t.Errorf("%q is a figure: %+v", name, got)
		}
	}
	never := results(func(_ int, r *Result) {}, 2)
	if got, _ := never.Figure("victim_isolated_round"); got != (Spread{Mean: -1, Min: -1, Max: -1}) {
		t.Errorf("where all victims never were isolated: %+v", got)
	}
	if _, ok := never.Figure("newcomer_in_samples"); ok {
		t.Error("there is a figure of newcomers without newcomers")
	}
}

// words reads the keys of one JSON object, in their order, and fails on a second object or a repeated key.
func words(t *testing.T, text []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("%v, %v in %s", token, err, text)
	}
	var out []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(out, key.(string)) {
			t.Errorf("%s stands twice", key)
		}
		out = append(out, key.(string))
		var value any
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("there is more than one object: %s", text)
	}
	return out
}

func TestSummaryAsJSON(t *testing.T) {
	var all []string // of Result, as encoding/json orders them
	for i := range reflect.TypeFor[Result]().NumField() {
		if name, _, _ := strings.Cut(reflect.TypeFor[Result]().Field(i).Tag.Get("json"), ","); name != "-" {
			all = append(all, name)
		}
	}
	for _, c := range []struct{ runs, join int }{{1, 0}, {1, 2}, {3, 0}, {3, 2}} {
		s, err := RunMany(context.Background(), network(20, 3, func(x *Config) { x.Join, x.Seed = c.join, 7 }), c.runs, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(s string) bool {
			return slices.Contains([]string{
				"push_share", "pushes_skipped", "pushes_refused", "token_work", "token_gain",
				"noticed_rounds", "noticed_max", "asks", "false_deaths",
				"plain_faulty", "diverse_faulty", "correct_in_samples", "victim_in_samples", "victim_in_plain", "victim_in_diverse",
				"size_estimate", "size_known", "l1_mean",
				"picks_taken", "picks_ready", "pick_faulty", "draw_faulty", "pick_dead", "pick_again", "draw_again", "again_uniform",
				"pick_uneven", "bank_probes",
			}, s)
		})
		if c.join == 0 {
			want = slices.DeleteFunc(want, func(s string) bool { return s == "newcomer_in_samples" })
		}
		if len(s.Each[0].Settings) == 0 {
			want = slices.DeleteFunc(want, func(s string) bool { return s == "settings" })
		}
		if want = append(want, "runs"); c.runs > 1 {
			want = append(want, "spread")
		}
		if got := words(t, text); !slices.Equal(got, want) {
			t.Errorf("%+v: words %v, want %v", c, got, want)
		}
		var back struct {
			Result
			Runs   int
			Spread map[string]Spread
		}
		// Means of whole numbers need not be whole, so a Result reads those of one run only.
		if c.runs > 1 {
			var some struct {
				Runs   int
				Seed   uint64
				Spread map[string]Spread
			}
			if err := json.Unmarshal(text, &some); err != nil || some.Runs != c.runs || some.Seed != 7 {
				t.Errorf("%+v: %+v, %v", c, some, err)
			}
			figures := slices.DeleteFunc(Words(), func(s string) bool { return !slices.Contains(want, s) })
			if got := slices.Sorted(keys(some.Spread)); !slices.Equal(got, slices.Sorted(slices.Values(figures))) {
				t.Errorf("%+v: spreads %v, want %v", c, got, figures)
			}
			continue
		}
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		x := *s.Each[0]
		x.InDegrees = nil
		if !reflect.DeepEqual(back.Result, x) {
			t.Errorf("%+v: read back\n%+v, want\n%+v", c, back.Result, x)
		}
	}
}

// TestRunManyIsRunsWithSeedsInARow, and tells of each round of each.
func TestRunManyIsRunsWithSeedsInARow(t *testing.T) {
	c := network(20, 3, func(c *Config) { c.Seed = 11 })
	told := map[int][]int{}
	s, err := RunMany(context.Background(), c, 3, func(run int, r Round) { told[run] = append(told[run], r.Round) })
	if err != nil || len(s.Each) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	for i, r := range s.Each {
		c.Seed = uint64(11 + i)
		if want := simulate(t, c); r.Digest != want.Digest || r.Seed != c.Seed {
			t.Errorf("run %d: seed %d, digest %s, alone %s", i, r.Seed, r.Digest, want.Digest)
		}
		if !slices.Equal(told[i], []int{1, 2, 3}) {
			t.Errorf("run %d told of rounds %v", i, told[i])
		}
	}
	for _, runs := range []int{0, -1, MaxRuns + 1} {
		if _, err := RunMany(context.Background(), c, runs, nil); err == nil || !strings.Contains(err.Error(), "runs=") {
			t.Errorf("%d runs: %v", runs, err)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	rounds := 0
	c := network(20, 1000, func(c *Config) {
		c.EachRound = func(Round) {
			if rounds++; rounds == 3 {
				cancel(cause)
			}
		}
	})
	if r, err := Run(ctx, c); r != nil || err != cause || rounds != 3 {
		t.Errorf("%v, %v after %d rounds", r, err, rounds)
	}
	if s, err := RunMany(ctx, c, 2, nil); s != nil || err != cause {
		t.Errorf("%v, %v", s, err)
	}
}
