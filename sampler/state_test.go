package sampler

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

func restore(t stattest.TB, cfg Config, s State) *Group {
	t.Helper()
	g, err := RestoreGroup(cfg, s)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return g
}

// awake returns the slots of g as they are once everybody has answered.
func awake(g *Group) []Slot {
	for _, id := range slices.Clone(g.Members()) {
		g.Answered(id)
	}
	return g.Slots()
}

// drawConfig draws a group of any kind, in a network of 5 prefixes or without.
func drawConfig(t *rapid.T) Config {
	cfg := Config{
		L2: rapid.IntRange(1, 12).Draw(t, "l2"), Hash: drawKind(t), Self: "self", Maturity: 2,
		Direct: rapid.Bool().Draw(t, "direct"), Rekey: rapid.Bool().Draw(t, "rekey"),
	}
	if !cfg.Direct && rapid.Bool().Draw(t, "prefixes") {
		cfg.Diverse = rapid.IntRange(0, cfg.L2).Draw(t, "diverse")
		cfg.Prefix = func(id peer.ID) Prefix { return Prefix{"c", string(rune('a' + id[len(id)-1]%5))} }
	}
	return cfg
}

// live lets g go through a life of random events.
func live(t *rapid.T, g *Group, label string) {
	for round, n := uint64(1), rapid.IntRange(0, 6).Draw(t, label); round <= uint64(n); round++ {
		for _, id := range drawStream(t, "stream") {
			g.Offer(id, Namer{}, rapid.Bool().Draw(t, "trusted"))
		}
		for _, id := range g.Challengers(5, round, noShuffle) {
			if rapid.Bool().Draw(t, "answers") {
				g.Confirm(id)
			}
		}
		if m := g.Members(); len(m) > 0 && rapid.Bool().Draw(t, "death") {
			g.Clear(m[rapid.IntRange(0, len(m)-1).Draw(t, "who")])
		}
		g.EndRound()
	}
}

// TestRestoredGroupGoesOnAlike: whatever a group went through, one that is restored from its state holds the same slots,
// exports the same state, and ends on the same slots for the same stream.
func TestRestoredGroupGoesOnAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		cfg.Secret = [32]byte{7}
		g := newTestGroup(t, cfg)
		live(t, g, "rounds before")
		s := g.Export()

		other := cfg
		other.Secret = [32]byte{8} // not looked at
		r := restore(t, other, s)
		if again := r.Export(); !reflect.DeepEqual(again, s) {
			t.Fatalf("exported again:\n%+v\nwant\n%+v", again, s)
		}
		if r.Waiting() != len(g.Members()) {
			t.Fatalf("%d ids wait, want all of %v", r.Waiting(), g.Members())
		}
		if got, want := awake(r), g.Slots(); !slices.Equal(got, want) {
			t.Fatalf("slots %+v, want %+v", got, want)
		}
		for range rapid.IntRange(0, 4).Draw(t, "rounds after") {
			stream := drawStream(t, "stream")
			trusted(g, stream)
			trusted(r, stream)
			if m := g.Members(); len(m) > 0 && rapid.Bool().Draw(t, "death") {
				id := m[rapid.IntRange(0, len(m)-1).Draw(t, "who")]
				g.Clear(id)
				r.Clear(id)
			}
			g.EndRound()
			r.EndRound()
		}
		if got, want := r.Slots(), g.Slots(); !slices.Equal(got, want) {
			t.Fatalf("went on to %+v, want %+v", got, want)
		}
	})
}

// TestRestoredIdsWait: they hold their slots and do not count before they have answered.
func TestRestoredIdsWait(t *testing.T) {
	cfg := Config{L2: 30, Maturity: 2}
	g := newTestGroup(t, cfg)
	trusted(g, testIDs(10))
	g.EndRound()
	g.EndRound()
	trusted(g, testIDs(10)) // fed, so that they age
	g.EndRound()
	r := restore(t, cfg, g.Export())
	if got := r.Sample(); len(got) != 0 {
		t.Fatalf("before anybody answered the sample is %v", got)
	}
	// What was cleared and is filled anew is young. It does not count while mature slots are there, waiting or not.
	first := r.Members()[0]
	r.Clear(first)
	var want []peer.ID
	for i := 0; r.Filled() < r.Len(); i++ { // newcomers, until the cleared slots are filled
		r.Offer(peer.ID(fmt.Sprintf("newcomer %d", i)), Namer{}, true)
	}
	young := 0
	for _, s := range r.Slots() {
		switch {
		case !s.Mature:
			young++
		case !s.Waiting:
			want = append(want, s.ID) // a newcomer that beat an old id under an old key
		}
	}
	if got := r.Sample(); young == 0 || !slices.Equal(got, want) {
		t.Fatalf("%d young slots beside mature ones that wait, and the sample is %v, want %v", young, got, want)
	}
	for _, id := range slices.Clone(r.Members()) {
		if !r.Waits(id) {
			r.Clear(id)
		}
	}
	second := r.Members()[0]
	if !r.Waits(second) {
		t.Fatalf("%s does not wait", second)
	}
	r.Answered(second)
	if got := r.Sample(); len(got) != r.Holds(second) || r.Waits(second) {
		t.Fatalf("the sample is %v after %s answered, which holds %d slots", got, second, r.Holds(second))
	}
	for _, id := range slices.Clone(r.Members()) {
		if id != second {
			r.Clear(id)
		}
	}
	if r.Waiting() != 0 {
		t.Errorf("%d ids wait, and all others are gone", r.Waiting())
	}
}

// TestRestoreToAnotherSize: slots keep their kind, keys and ids; further ones are empty and have keys of their own.
func TestRestoreToAnotherSize(t *testing.T) {
	where := func(id peer.ID) Prefix { return Prefix{"c", string(id[len(id)-1:])} }
	g := newTestGroup(t, Config{L2: 20, Diverse: 5, Prefix: where})
	trusted(g, testIDs(100))
	s := g.Export()
	for _, c := range []struct{ l2, diverse int }{{40, 10}, {10, 2}, {20, 0}, {20, 20}, {30, 3}, {1, 0}} {
		r := restore(t, Config{L2: c.l2, Diverse: c.diverse, Prefix: where}, s)
		got := awake(r)
		var want []Slot
		want = append(want, g.Slots()[:min(5, c.diverse)]...)
		for len(want) < c.diverse {
			want = append(want, Slot{Diverse: true, Mature: true})
		}
		want = append(want, g.Slots()[5:5+min(15, c.l2-c.diverse)]...)
		for len(want) < c.l2 {
			want = append(want, Slot{Mature: true})
		}
		keys := map[uint64]bool{}
		for i := range got {
			if keys[got[i].Key] {
				t.Fatalf("%+v: two slots have the key %d", c, got[i].Key)
			}
			keys[got[i].Key] = true
			if want[i].ID == "" {
				if got[i].Key < s.Next {
					t.Fatalf("%+v: slot %d is new and has the old key %d", c, i, got[i].Key)
				}
				got[i].Key = 0
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v:\n%+v\nwant\n%+v", c, got, want)
		}
	}
}

// TestWrongStates are refused with a word that says what is wrong.
func TestWrongStates(t *testing.T) {
	cfg := Config{L2: 4, Self: "self"}
	g := newTestGroup(t, cfg)
	trusted(g, testIDs(50))
	for want, change := range map[string]func(*State){
		`hash="sip", and hash="aes" is asked for`: func(s *State) { s.Hash = Sip },
		"0 slots":                            func(s *State) { s.Slots = nil },
		"4097 slots":                         func(s *State) { s.Slots = make([]SlotState, MaxL2+1) },
		"generation=0":                       func(s *State) { s.Generation = 0 },
		"generation=18446744073709551615":    func(s *State) { s.Generation = 1<<64 - 1 },
		"next position=18446744073709551615": func(s *State) { s.Next = 1<<64 - 1 },
		"slot 1: position=0 must be below 4 and no other slot's": func(s *State) { s.Slots[1].Key = 0 },
		"slot 1: position=4 must be below 4":                     func(s *State) { s.Slots[1].Key = 4 },
		"slot 2: born=0":                                         func(s *State) { s.Slots[2].Born = 0 },
		"slot 2: born=2":                                         func(s *State) { s.Slots[2].Born = 2 },
		"slot 3: age=-1":                                         func(s *State) { s.Slots[3].Age = -1 },
		"slot 3 holds the node itself":                           func(s *State) { s.Slots[3].ID = "self" },
		"slot 0: its hash is not that of":                        func(s *State) { s.Slots[0].Hash++ },
		"slot 1: its hash is not that of":                        func(s *State) { s.Slots[1].ID = "" },
		"slot 0: its hash is not that of its":                    func(s *State) { s.Secret[31]++ },
		"slot 2: its hash is not that of its ":                   func(s *State) { s.Slots[2].ID += "x" },
	} {
		s := g.Export()
		change(&s)
		if _, err := RestoreGroup(cfg, s); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	// The keys are those of the node: with the secret alone another node's sample makes no sense.
	s, foreign := g.Export(), cfg
	foreign.Self = "another"
	if _, err := RestoreGroup(foreign, s); !errors.Is(err, ErrState) {
		t.Errorf("the state of another node: %v", err)
	}
	if _, err := RestoreGroup(Config{}, s); err == nil || errors.Is(err, ErrState) {
		t.Errorf("a wrong config: %v", err)
	}
}
