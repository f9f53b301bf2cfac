package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/goleak"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// attackedSwarm is small enough for all attacks to be run in turn.
func attackedSwarm(name string) Config {
	cfg := Default()
	cfg.Peers, cfg.Faulty, cfg.Attack, cfg.Rounds, cfg.Interval, cfg.L1, cfg.L2, cfg.Seed = 12, .25, name, 10, 200*time.Millisecond, 10, 20, 4
	if name == "flood" {
		cfg.L1 = 6 // 3 faulty peers are then more than the limit allows
	}
	if name == attack.Mixed {
		cfg.Peers, cfg.Faulty = 23, 11./23 // one of each kind
	}
	return cfg
}

// TestAttacks runs a swarm under each attack. What depends on the machine's speed is not looked at.
func TestAttacks(t *testing.T) {
	refused := func(reasons ...string) func(*testing.T, *Summary) {
		return func(t *testing.T, s *Summary) {
			for _, why := range reasons {
				if s.Refused[why] == 0 {
					t.Errorf("nothing was refused as %s", why)
				}
			}
		}
	}
	// Which of two limits meets an attacker first is a matter of time.
	eitherRefused := func(a, b string) func(*testing.T, *Summary) {
		return func(t *testing.T, s *Summary) {
			if s.Refused[a]+s.Refused[b] == 0 {
				t.Errorf("nothing was refused as %s or %s", a, b)
			}
		}
	}
	checks := map[string]func(*testing.T, *Summary){
		"mixed": refused("record_forged", "bad_frame"),
		"none": func(t *testing.T, s *Summary) {
			if s.AttackOps != 0 || s.AttackRate != 0 || len(s.Refused) > 0 && s.Refused["bad_frame"]+s.Refused["record_forged"] > 0 {
				t.Errorf("%d operations at %v, refused %v: nobody attacks", s.AttackOps, s.AttackRate, s.Refused)
			}
		},
		"balanced": refused(),
		"targeted": refused(),
		"flap":     refused(),
		"flood": func(t *testing.T, s *Summary) {
			if s.OverThreshold == 0 {
				t.Error("no round had more pushes than the limit")
			}
		},
		"phantom": func(t *testing.T, s *Summary) {
			if s.Dials <= 12*11/2 {
				t.Errorf("%d dials are no more than there are pairs of peers: nobody dials an invented id", s.Dials)
			}
		},
		"forge":   refused("record_forged", "record_bad", "record_not_canonical", "wrong_peer"),
		"garbage": refused("bad_frame", "bad_message"),
		"slow":    eitherRefused("too_many_streams", "rate_limited"),
		"greedy":  eitherRefused("too_many_streams", "rate_limited"),
		"replay":  refused("wrong_peer"),
		"dial-cannon": func(t *testing.T, s *Summary) {
			v := s.VictimDials
			if v == nil || v.Total == 0 || v.Nodes == 0 || v.PerNodeMinute == 0 || v.PerNode6Rounds > v.PerNodeMinute {
				t.Fatalf("the victim was dialled %+v", v)
			}
			if v.PerNodeMinute > brahmshost.DefaultAddrDials {
				t.Errorf("a peer dialled the victim %d times in a minute, its budget is %d", v.PerNodeMinute, brahmshost.DefaultAddrDials)
			}
			if uint64(v.Total) > 2*s.Dials {
				t.Errorf("the victim counted %d dials, correct peers made %d", v.Total, s.Dials)
			}
		},
	}
	for _, name := range Attacks() {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			check, ok := checks[name]
			if !ok {
				t.Fatal("the attack has no check")
			}
			cfg := attackedSwarm(name)
			s, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v, refused %v", *s, s.Refused)
			if s.Peers != cfg.Peers || s.Faulty != cfg.faulty() || s.Attack != name || s.TokenBits != 0 {
				t.Errorf("the summary is of %d peers, %d faulty, attack %s", s.Peers, s.Faulty, s.Attack)
			}
			if name != "none" && (s.AttackOps == 0 || s.AttackRate != 100 || float64(s.AttackOps) > float64(cfg.faulty())*(10+100*(s.Seconds+1))) {
				t.Errorf("%d operations in %v s at %v a second of %d peers", s.AttackOps, s.Seconds, s.AttackRate, cfg.faulty())
			}
			if (s.VictimDials != nil) != attack.NeedsVictim(name) {
				t.Errorf("victim dials %+v", s.VictimDials)
			}
			if (s.IsolatedBoth != 0 && name != "flood" && name != attack.Mixed) || s.PhantomsInSamples != 0 {
				t.Errorf("%d peers isolated, %d invented ids in samples", s.IsolatedBoth, s.PhantomsInSamples)
			}
			if name != "phantom" && !attack.NeedsVictim(name) && s.PhantomsInViews != 0 {
				t.Errorf("%d ids in views that nobody has", s.PhantomsInViews)
			}
			if name != "flap" && s.ViewFaulty == 0 {
				t.Error("no faulty id in any view: they were not there")
			}
			check(t, s)
		})
	}
}

// TestReplayOfTheDead: a replayed record brings no dead peer back into a sample.
func TestReplayOfTheDead(t *testing.T) {
	cfg := attackedSwarm("replay")
	cfg.Rounds, cfg.Kill, cfg.KillAt = 22, .25, 4
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *s)
	if s.DeadInSamples != 0 || s.IsolatedBoth != 0 {
		t.Errorf("%d slots name the dead, %d peers are isolated", s.DeadInSamples, s.IsolatedBoth)
	}
}

// TestAttackWithTokens: faulty peers pay as correct ones do, and who can pay nothing lands nothing.
func TestAttackWithTokens(t *testing.T) {
	for _, compute := range []float64{0, 1} {
		cfg := attackedSwarm("flood")
		cfg.TokenBits, cfg.AttackCompute = 6, compute
		s, err := Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := s.Tokens
		if w == nil || w.Compute != compute || w.CorrectTokens == 0 || w.CorrectAttempts == 0 {
			t.Fatalf("compute %v: %+v", compute, w)
		}
		if compute == 0 && (w.FaultyPushes > 0 || s.PushShare > 0) || compute > 0 && (w.FaultyPushes == 0 || s.PushShare == 0 || w.Gain() == 0) {
			t.Errorf("compute %v: %+v, push_share %v", compute, *w, s.PushShare)
		}
	}
}

func TestGain(t *testing.T) {
	w := TokenWork{FaultyAttempts: 100, FaultyPushes: 10, CorrectAttempts: 300, CorrectTokens: 20}
	if g := w.Gain(); g < 1.4999 || g > 1.5001 {
		t.Errorf("10 for 100 against 20 for 300 is %v times as many, want 1.5", g)
	}
	if g := (&TokenWork{FaultyPushes: 1}).Gain(); g != 0 {
		t.Errorf("of nothing spent: %v", g)
	}
}

func TestJudgeFaulty(t *testing.T) {
	ids := func(s string) (out []peer.ID) {
		for _, c := range s {
			id := peer.ID(c)
			if c == '.' {
				id = ""
			}
			out = append(out, id)
		}
		return out
	}
	// a to c are correct, f and g faulty, x is dead, p and q are nobody.
	states := []state{
		{id: "a", view: ids("bcfg"), sample: ids("bf.x"), counted: ids("bf")},
		{id: "b", view: ids("ffpx"), sample: ids("cqff"), counted: ids("cqff")},
		{id: "c", view: ids("cfff"), sample: ids("gcx."), counted: ids("gx")},
	}
	var s Summary
	s.judgeFaulty(states, map[peer.ID]bool{"x": true}, map[peer.ID]bool{"f": true, "g": true})
	if s.ViewFaulty != 7./10 || s.SampleFaulty != 5./7 {
		t.Errorf("views %v faulty, samples %v; want 7/10 and 5/7", s.ViewFaulty, s.SampleFaulty)
	}
	if s.PhantomsInViews != 1 || s.PhantomsInSamples != 1 || s.Isolated != 2 || s.IsolatedBoth != 1 {
		t.Errorf("%d and %d invented ids, %d and %d isolated; want 1 and 1, 2 and 1", s.PhantomsInViews, s.PhantomsInSamples, s.Isolated, s.IsolatedBoth)
	}
	s = Summary{}
	s.judgeFaulty(nil, nil, nil)
	if s.ViewFaulty != 0 || s.SampleFaulty != 0 || s.Isolated != 0 {
		t.Errorf("of nobody: %+v", s)
	}
}

func TestPredecessors(t *testing.T) {
	r := &run{}
	for _, c := range "cfccffcf" {
		r.members = append(r.members, &member{faulty: c == 'f'})
	}
	for i, want := range [][]int{nil, {0}, {1, 0}, {2}, {3}, {4, 3}, {5, 3}, {6}} {
		var got []int
		for _, m := range r.predecessors(i) {
			got = append(got, slices.Index(r.members, m))
		}
		if !slices.Equal(got, want) {
			t.Errorf("peer %d knows %v, want %v", i, got, want)
		}
	}
	r.members[0].faulty = true
	if got := r.predecessors(2); len(got) != 1 {
		t.Errorf("with only faulty peers before it a peer knows %d", len(got))
	}
}

func TestMedianRatios(t *testing.T) {
	runs := []Ratios{{1, 3, 5}, {2, 1, 4}, {9, 2, 6}}
	if got, want := medianRatios(runs), (Ratios{2, 2, 5}); got != want {
		t.Errorf("of three %v, want %v", got, want)
	}
	if got, want := medianRatios(runs[:2]), (Ratios{1.5, 2, 4.5}); got != want {
		t.Errorf("of two %v, want %v", got, want)
	}
	if r, short := TooDear("slow", []Ratios{{1, 1, .9}, {1, 1, .96}, {1, 1, 1}}); len(short) != 0 || r.Done != .96 {
		t.Errorf("one of three below the bound: %v, %v", r, short)
	}
	if _, short := TooDear("slow", []Ratios{{1, 1, .9}, {1, 1, .94}, {1, 1, 1}}); len(short) != 1 {
		t.Errorf("two of three below the bound: %v", short)
	}
}

func TestShortfalls(t *testing.T) {
	none := &Summary{Attack: "none", RSSMBMax: 100, RoundsOnTime: 1, ExchangesDone: .8, SampleFaulty: .2}
	good := Summary{Attack: "greedy", RSSMBMax: 130, RoundsOnTime: .95, ExchangesDone: .76, SampleFaulty: .28}
	judge := func(s *Summary) []string {
		_, dear := TooDear(s.Attack, []Ratios{s.RatiosTo(none)})
		return append(s.Shortfalls(), dear...)
	}
	if short := judge(&good); len(short) != 0 {
		t.Errorf("at the bounds it falls short: %v", short)
	}
	for _, c := range []struct {
		change func(*Summary)
		costs  bool // of the attacks on resources alone
	}{
		{func(s *Summary) { s.IsolatedBoth = 1 }, false}, {func(s *Summary) { s.Eclipsed = 1 }, false},
		{func(s *Summary) { s.SampleFaulty = .281 }, false}, {func(s *Summary) { s.PhantomsInSamples = 1 }, false},
		{func(s *Summary) { s.RSSMBMax = 131 }, true}, {func(s *Summary) { s.RoundsOnTime = .949 }, true},
		{func(s *Summary) { s.ExchangesDone = .759 }, true},
	} {
		for _, name := range []string{"greedy", "flood"} {
			s := good
			s.Attack = name
			c.change(&s)
			want := 1
			if c.costs && name == "flood" {
				want = 0
			}
			if short := judge(&s); len(short) != want {
				t.Errorf("%s one over a bound: %v, want %d", name, short, want)
			}
		}
	}
	if why := none.TooSlow(); why != "" {
		t.Errorf("%v of the exchanges done: %s", none.ExchangesDone, why)
	}
	if why := (&Summary{ExchangesDone: MinBaselineDone}).TooSlow(); why != "" {
		t.Errorf("at the bound: %s", why)
	}
	if why := (&Summary{ExchangesDone: .399}).TooSlow(); why == "" {
		t.Error("a machine below the bound is a baseline")
	}
	if r := none.RatiosTo(&Summary{}); r != (Ratios{}) {
		t.Errorf("ratios to nothing are %+v", r)
	}
}

// TestWorkers: a swarm without faulty peers is as it was, and no number of them takes more than the service's default.
func TestWorkers(t *testing.T) {
	for faulty, want := range map[float64]int{0: 4, .25: 20, .5: 32, .9: 32} {
		if got := (Config{Peers: 64, Faulty: faulty}).workers(); got != want {
			t.Errorf("faulty=%v: %d workers, want %d", faulty, got, want)
		}
	}
}
