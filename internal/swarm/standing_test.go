package swarm

import (
	"slices"
	"strings"
	"testing"
)

// TestStanding: whoever has not been in the component settles, whoever has lapses; the most rounds of each are kept, also
// of those that came back or died.
func TestStanding(t *testing.T) {
	for _, c := range []struct {
		name  string
		peers []string // the ends of rounds at which a peer was up: i inside, o outside
		want  Standing
	}{
		{"nobody", nil, Standing{}},
		{"all inside", []string{"iii", "ii"}, Standing{}},
		{"a newcomer settles", []string{"ooi", "oii"}, Standing{SettleRounds: 2}},
		{"one never does, and dies", []string{"oooo", "oi"}, Standing{SettleRounds: 4}},
		{"one that was there lapses twice", []string{"ioiooi"}, Standing{Lapses: 2, LapseRounds: 2}},
		{"and goes for good", []string{"oiooo", "i"}, Standing{SettleRounds: 1, Lapses: 1, LapseRounds: 3}},
		{"an orphan counts until it is one", []string{"ooOOO"}, Standing{SettleRounds: 2, Orphans: 1}},
		{"is one once", []string{"OOoOIiO"}, Standing{Orphans: 1, Lapses: 1, LapseRounds: 1}},
		{"and nobody is who was inside", []string{"oiIOO"}, Standing{SettleRounds: 1, Lapses: 1, LapseRounds: 2}},
	} {
		var s Standing
		for _, rounds := range c.peers {
			var f footing
			for _, at := range rounds {
				s.note(&f, at == 'o' || at == 'O', at == 'O' || at == 'I')
			}
		}
		if s != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, s, c.want)
		}
	}
}

// TestStandingFails at one over each bound; that the newest are outside at the end is no failure under churn, and is one
// without.
func TestStandingFails(t *testing.T) {
	for _, c := range []struct {
		standing *Standing
		want     string
	}{
		{&Standing{SettleRounds: MaxSettleRounds, Lapses: 9, LapseRounds: MaxLapseRounds}, ""},
		{&Standing{SettleRounds: MaxSettleRounds + 1}, "a newcomer was outside"},
		{&Standing{LapseRounds: MaxLapseRounds + 1}, "a peer fell out"},
		{nil, "the swarm fell into 2 components"},
	} {
		s := Summary{Components: 2, Eclipsed: 1, Standing: c.standing}
		if got := s.Failure(); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%+v: %q, want %q", c.standing, got, c.want)
		}
	}
}

// TestOrphans: of newcomers those count as orphans whose contact died, or is one itself.
func TestOrphans(t *testing.T) {
	var s Standing
	dead, orphan, live := &member{dead: true}, &member{footing: footing{orphan: true}}, &member{}
	for _, contact := range []*member{nil, dead, orphan, live} {
		m := &member{contact: contact}
		s.note(&m.footing, true, m.contactGone())
	}
	if s != (Standing{SettleRounds: 1, Orphans: 2}) {
		t.Errorf("%+v", s)
	}
}

func TestOutside(t *testing.T) {
	states := peers(map[string]string{"a": "b", "b": "c", "c": "a", "d": "a", "e": "f", "f": "e"}, nil)
	if got, want := newGraph(states).outside(), []bool{false, false, false, true, true, true}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := newGraph(nil).outside(); len(got) != 0 {
		t.Errorf("of nobody: %v", got)
	}
}
