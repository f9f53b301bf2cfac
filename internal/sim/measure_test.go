package sim

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestWordsOfAHandMadeWorld: members 0 to 4 are correct, of whom 3 is off and 4 has left; 5 and 6 are faulty.
func TestWordsOfAHandMadeWorld(t *testing.T) {
	w, p := stage(t, network(7, 1, func(c *Config) { c.Faulty, c.L1, c.L2 = .28, 4, 8 }))
	if len(w.faulty) != 2 {
		t.Fatalf("%d faulty nodes, want 2", len(w.faulty))
	}
	id := func(numbers ...int) (ids []peer.ID) {
		for _, n := range numbers {
			ids = append(ids, w.members[n].id)
		}
		return ids
	}
	phantom := makeID(phantomID, 1)
	w.attack = &staged{aim: []int{1, 4}}
	w.off([]int{3})
	w.leave([]int{4})
	// Five view entries of 0 are dead, phantoms or itself; its sample is half bad.
	w.members[0].view, p[0].sample = append(id(1, 5, 5, 3, 3, 4, 0), phantom), append(id(1, 2, 5, 4), phantom)
	// 1 knows no correct live node by its view, and one by its sample.
	w.members[1].view, p[1].sample = append(id(3, 4, 5, 6), phantom), id(2, 6)
	// 2 is alone with the dead and the bad in both.
	w.members[2].view, p[2].sample = id(3, 5, 2), append(id(4), phantom, phantom)
	// 3 is off: nothing of it counts.
	w.members[3].view, p[3].sample = id(0, 0, 0), id(0, 0, 0)
	w.members[0].acts = protocol.Actions{Pushes: id(1, 2), Pulls: id(1), Probes: id(5)}

	s := w.measure()
	if want := (counts{isCorrect: 1, isFaulty: 2 + 2 + 1, isDead: 3 + 2 + 1, isPhantom: 1 + 1}); s.view != want {
		t.Errorf("views %v, want %v", s.view, want)
	}
	if want := (counts{isCorrect: 2 + 1, isFaulty: 1 + 1, isDead: 1 + 1, isPhantom: 1 + 2}); s.sample != want {
		t.Errorf("samples %v, want %v", s.sample, want)
	}
	if s.nodes != 3 || s.isolated != 2 || s.isolatedBoth != 1 {
		t.Errorf("%d nodes, %d isolated, %d in both, want 3, 2 and 1", s.nodes, s.isolated, s.isolatedBoth)
	}
	if s.victimIsolated != 1 || s.victim != (counts{isFaulty: 2, isDead: 2, isPhantom: 1}) || s.victimSample != (counts{isCorrect: 1, isFaulty: 1}) {
		t.Errorf("victims: %d isolated, views %v, samples %v", s.victimIsolated, s.victim, s.victimSample)
	}
	r := &Result{}
	r.conclude(w, s, s)
	// The dead and the phantoms are not in the first share; phantoms are bad in the second.
	if want := round6(5. / 6); r.ViewFaulty != want {
		t.Errorf("view_faulty %v, want %v", r.ViewFaulty, want)
	}
	if want := round6(5. / 8); r.SampleFaulty != want {
		t.Errorf("sample_faulty %v, want %v", r.SampleFaulty, want)
	}
	if r.VictimView != 1 || r.VictimSample != .5 {
		t.Errorf("victim_view_faulty %v, victim_sample_faulty %v, want 1 and .5", r.VictimView, r.VictimSample)
	}
	if r.DeadInViews != 6 || r.DeadInSamples != 2 || r.PhantomInViews != 2 || r.PhantomInSamples != 3 || r.ViewSlots != 14 || r.SampleSlots != 10 {
		t.Errorf("dead %d and %d, phantoms %d and %d, of %d and %d", r.DeadInViews, r.DeadInSamples, r.PhantomInViews,
			r.PhantomInSamples, r.ViewSlots, r.SampleSlots)
	}
	if r.Correct != 3 || r.Faulty != 2 || r.Messages != round6(4./3) || r.Probes != round6(1./3) {
		t.Errorf("%d correct, %d faulty, %v messages, %v probes", r.Correct, r.Faulty, r.Messages, r.Probes)
	}
}

// TestIDs: a member's id tells its number, a phantom is nobody's, also with a member's number.
func TestIDs(t *testing.T) {
	w := build(t, network(5, 1))
	for n := range 5 {
		if m := w.member(makeID(memberID, uint64(n))); m != w.members[n] {
			t.Errorf("the id of member %d names %v", n, m)
		}
		if m := w.member(makeID(phantomID, uint64(n))); m != nil {
			t.Errorf("phantom %d is member %d", n, m.number)
		}
	}
	for _, id := range []peer.ID{makeID(memberID, 5), "", "x"} {
		if m := w.member(id); m != nil || w.class(id) != isPhantom {
			t.Errorf("%q is a member", id)
		}
	}
	if _, err := peer.Decode(makeID(memberID, 7).String()); err != nil {
		t.Errorf("the id has not the form of a peer id: %v", err)
	}
}

// TestNewcomersAreFollowed by the slots that hold them.
func TestNewcomersAreFollowed(t *testing.T) {
	c := network(40, 40, func(c *Config) { c.Join, c.JoinAt = 3, 5 })
	r := simulate(t, c)
	if r.Correct != 43 {
		t.Errorf("%d nodes at the end, want 43", r.Correct)
	}
	// Of 42 others a slot holds each alike: 42*12/42 slots hold a newcomer, in nearly as many nodes.
	if r.Newcomer == nil || r.Newcomer.Mean < 6 || r.Newcomer.Mean > 16 {
		t.Errorf("newcomer_in_samples %+v, want about 11", r.Newcomer)
	}
	c.Join = 0
	if r := simulate(t, c); r.Newcomer != nil {
		t.Errorf("without newcomers %+v", r.Newcomer)
	}
}
