package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// wellRound is a round of a service that is well.
func wellRound() vital {
	return vital{
		node:  protocol.Status{Pushes: 16, Threshold: 20, SampleFilled: 40, SampleDistinct: 31, ViewDistinct: 35},
		slots: 40, exchanges: 27, answered: 26, reach: network.ReachabilityPublic,
	}
}

// with returns a well round with one thing changed.
func with(change func(*vital)) vital {
	v := wellRound()
	change(&v)
	return v
}

var (
	floodedRound  = with(func(v *vital) { v.node.Pushes, v.node.PushOverflow, v.node.Overloaded = 50, 7, true })
	silentRound   = with(func(v *vital) { v.node.Pushes, v.answered = 0, 0 })
	doubtingRound = with(func(v *vital) { v.node.Doubting, v.node.Suspects = true, 12 })
	fullRound     = with(func(v *vital) { v.turnedAway = 120 })
	abusedRound   = with(func(v *vital) { v.offences, v.offenders = 340, 5 })
)

// times returns the rounds that a pattern spells: x for the bad one, . for a well one.
func times(pattern string, bad vital) []vital {
	var out []vital
	for _, c := range pattern {
		if c == 'x' {
			out = append(out, bad)
		} else {
			out = append(out, wellRound())
		}
	}
	return out
}

// sick is a health in which c holds.
func sick(c Condition) Health { return Health{{c, "before"}} }

func TestJudgeHealth(t *testing.T) {
	one := func(change func(*vital)) []vital { return []vital{wellRound(), with(change)} }
	for _, c := range []struct {
		name   string
		rounds []vital
		before Health
		want   string // all of it, without the conditions' brackets
	}{
		{"well", times("........", vital{}), nil, "healthy"},
		{"well again", times(".", vital{}), Health{{ConditionYoung, ""}, {ConditionAlone, ""}, {ConditionPrivate, ""}}, "healthy"},
		{"young", one(func(v *vital) { v.node.Young, v.node.SampleFilled = true, 17 }), nil,
			"young (no slot of 40 is mature, 17 are filled: the sample is not uniform yet)"},
		{"alone", one(func(v *vital) {
			v.node.Outcome, v.node.ViewDistinct = protocol.Alone, 3
			v.node.Acquaintances, v.node.Tries, v.node.NextTry = 5, 4, 7
		}), nil,
			"alone (of 3 ids in the view none has answered since the start, and no push came; 5 seeds and former contacts, 4 tries, the next in 7 rounds)"},
		{"private", one(func(v *vital) { v.private = true }), nil,
			"private (no address that others may be told: nobody learns of this peer)"},
		{"unreachable", one(func(v *vital) { v.reach = network.ReachabilityPrivate }), nil,
			"unreachable (AutoNAT: others cannot dial this peer directly)"},
		{"unreachable and private", one(func(v *vital) { v.reach, v.private = network.ReachabilityPrivate, true }), nil,
			"private (no address that others may be told: nobody learns of this peer), " +
				"unreachable (AutoNAT: others cannot dial this peer, and no relay takes its calls)"},
		{"leaving", one(func(v *vital) { v.leaving = true }), nil, "leaving (Leave was called: others are told so when they ask)"},

		{"overloaded once", times(".......x", floodedRound), nil, "healthy"},
		{"overloaded half of the time", times("x.x.x.x.", floodedRound), nil, "healthy"},
		{"overloaded more", times("x.x.xx.x", floodedRound), nil, "overloaded (pushes 57 > threshold 20, and so in 5 of 8 rounds)"},
		{"overloaded since it started", times("xxxxx", floodedRound), nil, "overloaded (pushes 57 > threshold 20, and so in 5 of 5 rounds)"},
		{"the flood ebbs", times("xxx.....", floodedRound), sick(ConditionOverloaded),
			"overloaded (pushes 57 > threshold 20, and so in 3 of 8 rounds)"},
		{"the flood is over", times("xx......", floodedRound), sick(ConditionOverloaded), "healthy"},
		{"another trouble does not hold it", times("xxx.....", floodedRound), sick(ConditionSaturated), "healthy"},

		{"full once", times("..x.....", fullRound), nil, "healthy"},
		{"full", times("xxxxxxxx", fullRound), nil, "saturated (turned away 120 streams in a round, and some in 8 of 8 rounds)"},
		{"abused once", times("x.......", abusedRound), nil, "healthy"},
		{"abused", times("xxxxxxx.", abusedRound), nil, "misbehaviour (offences 340 by 5 peers in a round, and some in 7 of 8 rounds)"},
		{"abused by many", times("xxxxxxxx", with(func(v *vital) { v.offences, v.offenders = 1000, MaxOffenders })), nil,
			"misbehaviour (offences 1000 by at least 64 peers in a round, and some in 8 of 8 rounds)"},

		{"doubting", times(".......x", doubtingRound), nil,
			"doubting (more than half of the last first probes failed, 12 sampled peers of 31 are suspect: nobody is declared dead)"},
		{"doubt a round ago", times("......x.", doubtingRound), nil, "healthy"},
		{"doubt lingers", times("....x...", doubtingRound), sick(ConditionDoubting),
			"doubting (more than half of the last first probes failed, 12 sampled peers of 31 are suspect: nobody is declared dead)"},
		{"doubt has gone", times("...x....", doubtingRound), sick(ConditionDoubting), "healthy"},

		{"silence for three rounds", times(".xxx", silentRound), nil, "healthy"},
		{"since the start", times("xxx", silentRound), nil, "healthy"},
		{"silence for four", times(".xxxx", silentRound), nil,
			"isolated (in the last 4 rounds 0 of 108 exchanges were answered, and no push came)"},
		{"one answer", append(times("xxxx", silentRound), with(func(v *vital) { v.node.Pushes, v.answered = 0, 1 })),
			sick(ConditionIsolated), "healthy"},
		{"a push came", append(times("xxxx", silentRound), with(func(v *vital) { v.node.Pushes, v.answered = 1, 0 })),
			sick(ConditionIsolated), "healthy"},
		{"nobody was asked", times("xxxx", with(func(v *vital) { v.node.Pushes, v.answered, v.exchanges = 0, 0, 0 })), nil, "healthy"},
		{"alone is not isolated", times("xxxx", with(func(v *vital) {
			v.node.Pushes, v.answered, v.node.Outcome, v.node.ViewDistinct = 0, 0, protocol.Alone, 0
		})), nil, "alone (of 0 ids in the view none has answered since the start, and no push came; 0 seeds and former contacts, 0 tries, the next in 0 rounds)"},
	} {
		if got := judgeHealth(c.rounds, c.before).String(); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

// Without hysteresis an overload in every second round, on and off, would change health at every turn.
func TestHealthDoesNotFlicker(t *testing.T) {
	pattern := strings.Repeat("x.xx.x.xxx..", 20)
	rounds := times(pattern, floodedRound)
	changes := func(judge func(window []vital, before Health) Health) (n int) {
		var before Health
		for i := range rounds {
			h := judge(rounds[max(0, i+1-healthWindow):i+1], before)
			if !h.Same(before) {
				n++
			}
			before = h
		}
		return n
	}
	if n := changes(judgeHealth); n != 1 {
		t.Errorf("%d changes, want 1: it begins", n)
	}
	n := changes(func(w []vital, before Health) Health { return judgeHealth(w, nil) })
	last := changes(func(w []vital, before Health) Health {
		if w[len(w)-1].node.Overloaded {
			return sick(ConditionOverloaded)
		}
		return nil
	})
	if n < 10 || last < 10 {
		t.Errorf("the controls change %d times without a threshold to leave and %d times by the last round alone: they do not test", n, last)
	}
}

// A healthy network sounds no alarm: with a chance of .023 an overloaded round (docs/simulation.md, hardened, f=0), the
// chance that eight rounds do is below a millionth. A flood of which nine rounds in ten are overloaded does at once.
func TestOverloadErrorRates(t *testing.T) {
	if p := stattest.BinomialTail(healthEnter, healthWindow, .023); p > 1e-6 {
		t.Errorf("false alarms %g", p)
	}
	if p := stattest.BinomialTail(healthEnter, healthWindow, .9); p < .99 {
		t.Errorf("a flood is seen with %g", p)
	}
	if p := stattest.BinomialTail(1, healthWindow, .023); p < .1 {
		t.Errorf("the control, one round: %g", p)
	}
}

// The conditions are a closed set: every constant has one entry in the table, and one line in the docs.
func TestConditionsAreClosed(t *testing.T) {
	rows := docRows(t, "### Health")
	var names []string
	for _, c := range Conditions() {
		names = append(names, string(c.Condition))
		if !labelForm.MatchString(string(c.Condition)) || c.Doc == "" {
			t.Errorf("%+v is no label, or says nothing", c)
		}
		if got := fmt.Sprint(rows[string(c.Condition)]); got != fmt.Sprint([]string{c.Doc}) {
			t.Errorf("the docs say of %s: %s, want %s", c.Condition, got, c.Doc)
		}
	}
	if all := constantsOf(t, "health.go", "Condition"); !slices.Equal(all, names) {
		t.Errorf("constants %v, table %v", all, names)
	}
	if len(rows) != len(names) {
		t.Errorf("the docs list %d conditions, there are %d", len(rows), len(names))
	}
}

func TestHealth(t *testing.T) {
	h := Health{{ConditionYoung, "a"}, {ConditionPrivate, "b"}}
	if !h.Has(ConditionPrivate) || h.Has(ConditionAlone) || Health(nil).Has("") {
		t.Error("Has")
	}
	if !h.Same(Health{{ConditionYoung, "c"}, {ConditionPrivate, ""}}) || h.Same(h[:1]) || h.Same(Health{h[1], h[0]}) || !Health(nil).Same(Health{}) {
		t.Error("Same")
	}
}
