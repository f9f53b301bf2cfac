package swarm

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// agreeingSwarm is small, and as fast as a machine bears that does something else too.
func agreeingSwarm() Config {
	cfg := Default()
	cfg.Peers, cfg.Rounds, cfg.Interval, cfg.L1, cfg.L2, cfg.Seed = 16, 8, 200*time.Millisecond, 20, 30, 6
	cfg.Agree, cfg.AgreeInterval = 4, 200*time.Millisecond
	return cfg
}

// keptUp reports whether so many polls were answered in time that only faulty peers can be to blame for what is missing. Like
// the other tests of swarms, these do not look at what depends on the machine's speed.
func keptUp(t *testing.T, a *Agreement, correct float64) bool {
	t.Helper()
	if a.Answered < .9*correct {
		t.Logf("the machine is too slow: %v of the polls were answered in time", a.Answered)
		return false
	}
	return true
}

// TestAgree: 16 peers agree on the words of four of them.
func TestAgree(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := agreeingSwarm()
	var rounds []int
	cfg.Agreeing = func(round, closed, peers int) {
		rounds = append(rounds, round)
		if closed < 0 || closed > peers || peers != cfg.Peers {
			t.Errorf("round %d: %d of %d peers are done", round, closed, peers)
		}
	}
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := s.Agreement
	if a == nil {
		t.Fatal("no agreement")
	}
	t.Logf("%+v", *a)
	if why := s.Failure(); why != "" {
		t.Error(why)
	}
	words := wordsOf(cfg.Seed, cfg.Agree)
	slices.Sort(words)
	if a.Disagree != 0 || a.Sets > 1 {
		t.Errorf("%d items decided differently, %d sets", a.Disagree, a.Sets)
	}
	if keptUp(t, a, 1) && (a.Closed != 1 || a.Items != 4 || !slices.Equal(a.Set, words) || a.Stopped() != "" || a.Status["closed"] != cfg.Peers) {
		t.Errorf("%v have closed, %d sets of %d items, want all to have %v", a.Closed, a.Sets, a.Items, words)
	}
	least := machine.Default().Window + machine.Default().Adopt
	if a.Closed > 0 && (a.Rounds < least || a.Seconds < float64(least)*cfg.AgreeInterval.Seconds()) || a.Attack != "none" {
		t.Errorf("after %d rounds, %v s, under attack %s: %v", a.Rounds, a.Seconds, a.Attack, a.Status)
	}
	if a.Polls < float64(least) || a.Bytes < 1000 || a.Fresh < 0 || a.Fresh > 1 {
		t.Errorf("%v polls a peer, %v of them fresh, %v bytes a second", a.Polls, a.Fresh, a.Bytes)
	}
	if len(rounds) < least || !slices.IsSorted(rounds) {
		t.Errorf("told of the rounds %v", rounds)
	}
}

func TestJudgeAgreement(t *testing.T) {
	item := func(s string) machine.Item { return machine.Item{Origin: "o", Payload: []byte(s)} }
	id := func(s string) machine.ID { return item(s).ID() }
	closed := func(payloads ...string) opinion {
		o := opinion{phase: machine.Polling, decided: map[machine.ID]bool{}} // it closes while it is asked
		var set []machine.Item
		for _, s := range payloads {
			set = append(set, item(s))
		}
		o.close(set)
		return o
	}
	open := func(decided map[machine.ID]bool) opinion { return opinion{phase: machine.Stalled, decided: decided} }
	for _, c := range []struct {
		about          string
		opinions       []opinion
		sets, disagree int
		set            []string
		closed         float64
		stopped        string
	}{
		{"all agree", []opinion{closed("b", "a"), closed("b", "a")}, 1, 0, []string{"a", "b"}, 1, ""},
		{"on nothing", []opinion{closed(), closed()}, 1, 0, []string{}, 1, ""},
		{"nobody is done", []opinion{open(nil), open(nil)}, 0, 0, nil, 0, "2 stalled"},
		{"one has more", []opinion{closed("a"), closed("a", "b"), closed("a")}, 2, 1, nil, 1, ""},
		{"an open one agrees", []opinion{closed("a"), open(map[machine.ID]bool{id("a"): true})}, 1, 0, []string{"a"}, .5, "1 stalled"},
		{"an open one has decided out", []opinion{closed("a"), open(map[machine.ID]bool{id("a"): false})}, 1, 1, []string{"a"}, .5, "1 stalled"},
		{"an open one has decided in", []opinion{closed("a"), open(map[machine.ID]bool{id("b"): true})}, 1, 1, []string{"a"}, .5, "1 stalled"},
		{"an open one has decided out what no other has", []opinion{closed("a"), open(map[machine.ID]bool{id("b"): false})}, 1, 0, []string{"a"}, .5, "1 stalled"},
		{"two open ones", []opinion{open(map[machine.ID]bool{id("b"): false}), open(map[machine.ID]bool{id("b"): true})}, 0, 1, nil, 0, "2 stalled"},
	} {
		var a Agreement
		a.judge(c.opinions)
		if a.Sets != c.sets || a.Disagree != c.disagree || a.Closed != c.closed || !slices.Equal(a.Set, c.set) || (a.Set == nil) != (c.set == nil) || a.Stopped() != c.stopped {
			t.Errorf("%s: %+v, stopped %q", c.about, a, a.Stopped())
		}
		s := Summary{Components: 1, Agreement: &a}
		if failed := s.Failure() != ""; failed != (c.disagree > 0 || c.sets > 1) {
			t.Errorf("%s: failure %q", c.about, s.Failure())
		}
	}
	if why := (&Summary{Components: 1}).Failure(); why != "" {
		t.Errorf("without an agreement: %s", why)
	}
}

func TestWords(t *testing.T) {
	all := wordsOf(1, 256)
	if slices.Sort(all); len(slices.Compact(all)) != 256 {
		t.Error("words repeat")
	}
	if slices.Equal(wordsOf(1, 8), wordsOf(2, 8)) || !slices.Equal(wordsOf(1, 8), wordsOf(1, 9)[:8]) {
		t.Error("words do not follow the seed")
	}
}
