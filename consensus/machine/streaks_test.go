package machine

import "testing"

// One peer that says "decided" or "closed" in poll after poll makes nobody adopt.
func TestOnePeerIsNotAQuorum(t *testing.T) {
	closedIn := ans(true, Vote{ID: apple.ID(), Decided: true})
	closedOut := ans(true)
	for name, c := range map[string]struct {
		lies *Answer
		rest *Answer
	}{"in": {closedIn, in(apple)}, "out": {closedOut, in()}} {
		r := newRig(t, small()) // Adopt 2, Beta 3
		r.pastWindow(apple)
		times(2, func() { r.round(c.lies, c.rest, c.rest, c.rest) })
		r.tick()
		if _, decided := r.m.Outcome(7, apple.ID()); decided {
			t.Errorf("%s: decided by the word of one peer", name)
		}
	}
	r := newRig(t, small())
	r.pastWindow()
	times(2, func() { r.round(closedOut, in(), in(), in()) })
	r.tick()
	if _, ok := r.m.Decided(7); ok {
		t.Error("closed by the word of one peer")
	}
	r.ask(Actions{Polls: []Poll{{Epoch: 7}}})
	times(2, func() { r.round(closedOut, closedOut, closedOut, in()) })
	r.tick()
	if _, ok := r.m.Decided(7); !ok {
		t.Error("not closed by a quorum of closed peers")
	}
}

func TestStreaksAreOfOneColour(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple)
	yes := func() { r.round(in(apple), in(apple), in(apple), in(apple)) }
	no := func() { r.round(in(), in(), in(), in()) }
	yes()
	yes()
	no()
	no()
	yes()
	r.tick()
	r.want(apple, In, false)
}

// A poll with a quorum ends a row of idle ones; a fall forgets the confidence of before.
func TestDriftStartsAnew(t *testing.T) {
	half := func(r *rig) { r.round(in(apple), in(apple), in(), in()) }
	yes := func(r *rig) { r.round(in(apple), in(apple), in(apple), in(apple)) }
	no := func(r *rig) { r.round(in(), in(), in(), in()) }
	r := newRig(t, small()) // Drift 4
	r.pastWindow(apple)
	times(3, func() { half(r) })
	yes(r)
	times(3, func() { half(r) })
	r.tick()
	r.want(apple, In, false)

	r = newRig(t, small())
	r.pastWindow(apple)
	yes(r)
	times(4, func() { half(r) })
	no(r)
	yes(r)
	r.tick()
	r.want(apple, Out, false) // one poll each since the fall
}

// A poll that was opened in the window says what peers held then, and is not counted.
func TestPollsOfTheWindowDoNotCount(t *testing.T) {
	r := newRig(t, small())
	r.tick()
	if err := r.m.Propose(apple); err != nil {
		t.Fatal(err)
	}
	r.round(in(), in(), in(), in()) // the last round of the window
	r.round(in(apple), in(apple), in(apple), in(apple))
	r.want(apple, In, false)
	if s := r.status(); s.Polls != 0 || s.Phase != Polling {
		t.Fatalf("status %+v", s)
	}
}

// Nodes may hold different items of an origin that made too many: after the window those with support are taken up.
func TestSupportGoesBeforeTheLimitOfAnOrigin(t *testing.T) {
	r := newRig(t, small())
	var held []Item
	for _, w := range words(MaxItemsPerOrigin) {
		held = append(held, item(7, "greedy", w))
	}
	r.pastWindow(held...)
	ninth := item(7, "greedy", "ninth")
	r.round(in(ninth), in(ninth), in(ninth), in(ninth))
	a := r.tick()
	if len(a.Fetches) != 1 {
		t.Fatalf("fetches %+v", a.Fetches)
	}
	if err := r.m.HandleItem(a.Fetches[0].From, ninth); err != nil {
		t.Fatal(err)
	}
}
