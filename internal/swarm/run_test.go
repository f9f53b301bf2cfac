package swarm

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// small is a swarm that a busy machine holds under the race detector too.
func small(transport string) Config {
	cfg := Config{
		Peers: 8, Rounds: 30, Interval: 200 * time.Millisecond, Transport: transport,
		Kill: .25, KillAt: 6, Join: 2, JoinAt: 8, Seed: 3,
	}
	if transport == QUIC {
		cfg.Rounds = 50 // nobody refuses a datagram: each dial of the dead waits for seconds
	}
	return cfg
}

func TestRun(t *testing.T) {
	for _, transport := range []string{TCP, QUIC} {
		t.Run(transport, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			var seen []Progress
			cfg := small(transport)
			cfg.Progress = func(p Progress) { seen = append(seen, p) }
			s, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", *s)
			if why := s.Failure(); why != "" || s.Eclipsed != 0 || s.Forgotten != 0 {
				t.Errorf("%d eclipsed, %d forgotten: %s", s.Eclipsed, s.Forgotten, why)
			}
			if s.Peers != cfg.Peers || s.Rounds != cfg.Rounds || s.Seed != cfg.Seed {
				t.Errorf("the summary is of %d peers, %d rounds, seed %d", s.Peers, s.Rounds, s.Seed)
			}
			if s.SampleFilled < .9 || s.SampleDistinctMean < 3 || s.ViewDistinctMin < 2 {
				t.Errorf("samples are filled to %v with %v distinct ids, the poorest view has %d", s.SampleFilled, s.SampleDistinctMean, s.ViewDistinctMin)
			}
			// 6 of the first 8 live, and are up for all of a run that is no longer than the maturity time. In a longer one
			// the 2 that joined count too.
			want := 6
			if cfg.Rounds-cfg.JoinAt >= MaturityRounds {
				want = 8
			}
			if len(s.Sampled) != want || s.SampleChi2P == nil {
				t.Errorf("the samples of %d peers were compared, p = %v; want %d", len(s.Sampled), s.SampleChi2P, want)
			}
			if s.Connections < 7 || s.Connections > 28 || s.Dials < 9 {
				t.Errorf("%d connections among 8 live peers after %d dials", s.Connections, s.Dials)
			}
			if wall := float64(cfg.Rounds) * cfg.Interval.Seconds(); s.Seconds < wall || s.CPUSeconds <= 0 || s.RSSMB <= 0 || s.HeapMB <= 0 {
				t.Errorf("%v s for %v s of rounds, %v s of CPU, %v MiB, heap %v MiB", s.Seconds, wall, s.CPUSeconds, s.RSSMB, s.HeapMB)
			}
			if s.RoundsOnTime <= 0 || s.RoundsOnTime > 1 || s.ExchangesDone <= 0 || s.ExchangesDone > 1 {
				t.Errorf("shares out of bounds: %v of the rounds on time, %v of the exchanges done", s.RoundsOnTime, s.ExchangesDone)
			}
			if want := cfg.Peers + cfg.Rounds; len(seen) != want {
				t.Fatalf("%d calls of Progress, want %d", len(seen), want)
			}
			for i, want := range map[int]Progress{
				0: {1, 0, 1}, cfg.Peers - 1: {8, 0, 8}, cfg.Peers: {8, 1, 8}, cfg.Peers + 9: {8, 10, 8}, cfg.Peers + cfg.Rounds - 1: {8, cfg.Rounds, 8},
			} {
				if seen[i] != want {
					t.Errorf("call %d of Progress: %+v, want %+v", i, seen[i], want)
				}
			}
		})
	}
}

// TestCancel ends runs while they start and while they run.
func TestCancel(t *testing.T) {
	for _, at := range []Progress{{Started: 3}, {Started: 8, Round: 2}} {
		func() {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cfg := small(TCP)
			cfg.Rounds = 10_000 // it would take half an hour
			cfg.Progress = func(p Progress) {
				if p.Started == at.Started && p.Round == at.Round {
					cancel()
				}
			}
			if s, err := Run(ctx, cfg); !errors.Is(err, context.Canceled) || s != nil {
				t.Errorf("cancelled at %+v: summary %v, error %v", at, s, err)
			}
		}()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, small(TCP)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before the start: error %v", err)
	}
}

func TestRunRefusesBadConfig(t *testing.T) {
	if s, err := Run(t.Context(), Config{}); err == nil || s != nil {
		t.Errorf("summary %v, error %v", s, err)
	}
}

// planned is a run that is not started: its hosts are missing.
func planned(cfg Config) *run {
	r := newRun(cfg)
	for range cfg.Peers {
		r.members = append(r.members, &member{})
	}
	return r
}

func TestPlan(t *testing.T) {
	cfg := small(TCP)
	cfg.Rounds, cfg.KillAt, cfg.JoinAt, cfg.Join = 6, 2, 2, 4
	var at []time.Duration
	for _, e := range planned(cfg).plan() {
		at = append(at, e.at/time.Millisecond)
	}
	if want := []time.Duration{200, 400, 400, 400, 450, 500, 550, 600, 800, 1000, 1200}; !slices.Equal(at, want) {
		t.Errorf("events at %v, want %v", at, want)
	}
}

func TestKillFollowsTheSeed(t *testing.T) {
	dead := func(seed uint64) (numbers []int) {
		cfg := Config{Peers: 64, Seed: seed}
		r := planned(cfg)
		r.kill(19)
		r.close()
		for i, m := range r.members {
			if m.dead {
				numbers = append(numbers, i)
			}
		}
		return numbers
	}
	first := dead(1)
	if len(first) != 19 || !slices.Equal(first, dead(1)) {
		t.Errorf("seed 1 killed %v, then %v", first, dead(1))
	}
	if slices.Equal(first, dead(2)) {
		t.Errorf("seeds 1 and 2 killed the same: %v", first)
	}
}
