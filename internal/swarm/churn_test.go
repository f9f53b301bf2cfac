package swarm

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestChurn: as many come as die, those that died hold nothing, and levels are measured when they are due.
func TestChurn(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := Default()
	cfg.Peers, cfg.Rounds, cfg.Interval, cfg.L1, cfg.L2, cfg.Churn, cfg.Levels = 8, MaturityRounds+20, 100*time.Millisecond, 8, 8, .125, 5
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r := newRun(cfg)
	defer r.close()
	var deaths int
	for _, e := range r.churn() {
		if from := time.Duration(MaturityRounds) * cfg.Interval; e.at < from {
			t.Errorf("churn at %v, it begins at %v", e.at, from)
		}
		deaths++
	}
	if deaths != 20 {
		t.Fatalf("%d deaths, want one in each of 20 rounds", deaths)
	}
	if err := r.recruit(); err != nil {
		t.Fatal(err)
	}
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range r.plan() {
		if err := sleepUntil(t.Context(), r.zero.Add(e.at)); err != nil {
			t.Fatal(err)
		}
		if err := e.do(); err != nil {
			t.Fatal(err)
		}
	}
	s := r.summary()
	if live := len(r.live()); live != 8 || len(r.members) != 8+deaths {
		t.Errorf("%d peers are live of %d that ever were, want 8 of %d", live, len(r.members), 8+deaths)
	}
	for i, m := range r.members {
		if m.dead && (m.host != nil || m.svc != nil || m.costs().dials == 0 && m.born+2 < m.died) {
			t.Errorf("peer %d died in round %d: %+v", i, m.died, m)
		}
	}
	if len(s.Levels) != 5 || s.Levels[4].Round != cfg.Rounds || s.Levels[0].Round != 10 || s.Levels[2].Goroutines == 0 || s.Levels[2].HeapMB == 0 {
		t.Errorf("levels %+v", s.Levels)
	}
}
