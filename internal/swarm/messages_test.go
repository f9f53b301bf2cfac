package swarm

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMessages: messages reach all correct peers, also where some take and drop them, and copies are counted.
func TestMessages(t *testing.T) {
	for _, faulty := range []float64{0, .25} {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		cfg := Config{
			Peers: 12, Rounds: 12, Interval: 200 * time.Millisecond, Transport: TCP, Seed: 4, Faulty: faulty, AttackRate: 100,
			Messages: 8, Kill: .1, KillAt: 3,
		}
		s, err := Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		m := s.Messages
		if m == nil {
			t.Fatal("no messages")
		}
		t.Logf("%+v", *m)
		live := cfg.Peers - cfg.killed()
		if m.Sent != 8 || m.Refused != 0 || m.Complete < 7 || m.Coverage < .97 || m.CoverageMin < .7 || m.Seconds <= 0 {
			t.Errorf("%v faulty: %+v", faulty, *m)
		}
		if want := round3(math.Log(float64(live)) + 7); m.CopiesTheory != want {
			t.Errorf("theory is %v, want %v", m.CopiesTheory, want)
		}
		// A peer sends at most to all others but the origin and the one that it has it from.
		if m.CopiesPerPeer < 1 || m.CopiesPerPeer > float64(live-1) || m.CopiesPerPeer > 1.5*m.CopiesTheory {
			t.Errorf("%v copies each among %d peers", m.CopiesPerPeer, live)
		}
	}
}
