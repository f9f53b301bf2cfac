//go:build !race

package swarm

import (
	"testing"
	"time"

	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// TestAgreeAgainstLiars: with 15% of the peers lying all correct ones have the same set.
func TestAgreeAgainstLiars(t *testing.T) {
	cfg := agreeingSwarm()
	cfg.Faulty, cfg.AgreeAttack = .15, "contrary"
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := s.Agreement
	t.Logf("%+v", *a)
	if a.Disagree != 0 || a.Sets > 1 || a.Attack != "contrary" {
		t.Errorf("%d items decided differently, %d sets, attack %s", a.Disagree, a.Sets, a.Attack)
	}
	if keptUp(t, a, 1) && (a.Closed != 1 || len(a.Set) < cfg.Agree) {
		t.Errorf("%v of the peers are done, with %v: %v", a.Closed, a.Set, a.Status)
	}
}

// TestAgreeStops is the negative control: so many of the peers lie that no poll has a quorum. Nobody decides anything, and all
// say so.
func TestAgreeStops(t *testing.T) {
	for _, attack := range []string{"contrary", "silent"} {
		cfg := agreeingSwarm()
		cfg.Peers, cfg.AgreeInterval, cfg.Faulty, cfg.AgreeAttack, cfg.AgreeStall = 8, 150*time.Millisecond, .3, attack, 8
		s, err := Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		a := s.Agreement
		t.Logf("%+v", *a)
		if correct := cfg.Peers - cfg.faulty(); a.Closed != 0 || a.Status["stalled"] != correct || a.Set != nil || a.Rounds != 0 || a.Disagree != 0 {
			t.Errorf("%v of the peers are done: %v", a.Closed, a.Status)
		}
		if attack == "silent" && a.Answered > .8 {
			t.Errorf("%v of the polls were answered, with 2 of 7 silent", a.Answered)
		}
	}
}

// TestAgreeEclipsed: the faulty have one of 14 correct peers to themselves, which makes half of what it hears faulty. It may
// stop, and nobody decides another thing than the others.
func TestAgreeEclipsed(t *testing.T) {
	cfg := agreeingSwarm()
	cfg.Peers, cfg.AgreeInterval, cfg.Faulty, cfg.AgreeAttack, cfg.AgreeStall = 14, 150*time.Millisecond, .3, attack.Eclipse, 8
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := s.Agreement
	t.Logf("%+v", *a)
	if a.Disagree != 0 || a.Sets > 1 || a.Attack != attack.Eclipse {
		t.Errorf("%d items decided differently, %d sets, attack %s", a.Disagree, a.Sets, a.Attack)
	}
}
