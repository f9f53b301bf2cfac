//go:build !race

package swarm

import (
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// long makes the tests of this file as large as the issue of a partition is: make partition.
var long = flag.Bool("long", false, "2 x 30 peers in TestPartition, 40 in TestHalfDies and TestLeave, with rounds of 500 ms")

func sized(peers, longPeers int) Config {
	cfg := Config{Peers: peers, Interval: 200 * time.Millisecond, Transport: TCP, Seed: 3}
	if *long {
		cfg.Peers, cfg.Interval = longPeers, 500*time.Millisecond
	}
	return cfg
}

func mustRun(t *testing.T, cfg Config) *Summary {
	t.Helper()
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if why := s.Failure(); why != "" {
		t.Errorf("%s: %+v", why, *s)
	}
	return s
}

// TestPartition: two halves that cannot dial each other for 60 rounds know none of each other any more, and one network
// grows from them again within the rounds between two contacts to seeds.
func TestPartition(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := sized(12, 60)
	cfg.Rounds, cfg.PartitionAt, cfg.HealAt = 105, 20, 80
	s := mustRun(t, cfg)
	t.Logf("2 x %d: %d components after %d rounds of partition, one again %d rounds later; %d deaths",
		cfg.Peers/2, *s.Parts, cfg.HealAt-cfg.PartitionAt, *s.MergeRounds, s.Deaths)
	if *s.Parts != 2 || *s.MergeRounds < 1 || *s.MergeRounds > 20 {
		t.Errorf("%d components when the partition was healed, one again after %d rounds, want 2 and at most 20", *s.Parts, *s.MergeRounds)
	}
}

// TestHalfDies: the samples of those that live are free of the dead within the bound of docs/design.md: a lap of probes,
// half of a sample of 40 at 4 deaths a round, 4 rounds and 3 of self-doubt. A few more for a busy machine.
func TestHalfDies(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := sized(16, 40)
	cfg.Rounds, cfg.Kill, cfg.KillAt = 65, .5, 35
	s := mustRun(t, cfg)
	n := cfg.Peers/2 + 1 // peers in a sample, and among them those that die, at most
	bound := (cfg.Peers-1+7)/8 + (n+3)/4 + 4 + 3
	t.Logf("%d of %d died: samples free of them after %d rounds, bound %d; %d isolated", cfg.Peers/2, cfg.Peers, *s.DeadRounds, bound, s.IsolatedBoth)
	if *s.DeadRounds < 1 || *s.DeadRounds > bound+5 || s.IsolatedBoth != 0 || s.DeadInViews != 0 {
		t.Errorf("samples free of the dead after %d rounds, bound %d; %d isolated, %d of the dead in views", *s.DeadRounds, bound, s.IsolatedBoth, s.DeadInViews)
	}
}

// TestLeave: a third leaves politely, and nobody is declared dead.
func TestLeave(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := sized(12, 40)
	cfg.Rounds, cfg.Leave, cfg.LeaveAt = 60, .34, 35
	s := mustRun(t, cfg)
	t.Logf("%d of %d left: nobody has them after %d rounds; %d deaths", s.Left, cfg.Peers, *s.LeftRounds, s.Deaths)
	if s.Left < 4 || *s.LeftRounds < 1 || *s.LeftRounds > 15 || s.DeadInViews != 0 || s.Deaths != 0 {
		t.Errorf("%d left, nobody has them after %d rounds, %d in views at the end, %d deaths", s.Left, *s.LeftRounds, s.DeadInViews, s.Deaths)
	}
	if s.DeadRounds != nil || s.Parts != nil || s.MergeRounds != nil {
		t.Errorf("%+v", *s)
	}
}
