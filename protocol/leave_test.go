package protocol

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// left returns a node of which friend said in the open round that it leaves.
func left(t *testing.T) *Node {
	t.Helper()
	n, _ := sampled(t, with(quiet(20), func(p *Params) { p.Tombstone = 8 }), append(names("p", 10), "friend")...)
	n.view = append(n.view, "friend")
	n.HandleProbeResult("friend", Leaving)
	return n
}

// TestLeaverIsDroppedAtOnce: from the sample when it says so, from the view when the round ends, and gossip does not bring
// it back.
func TestLeaverIsDroppedAtOnce(t *testing.T) {
	n := left(t)
	if n.sample.Holds("friend") != 0 {
		t.Error("still sampled")
	}
	for range 7 {
		a := n.Tick()
		if slices.Contains(n.View(), "friend") || slices.Contains(append(a.Probes, a.Pulls...), "friend") {
			t.Fatalf("round %d: view %v, %+v", a.Round, n.View(), a)
		}
		exchange(t, n, a, everyone, append(names("p", 10), slices.Repeat([]peer.ID{"friend"}, 10)...)...)
	}
}

// TestLeaverComesBack: its own push ends what its own word began, at once, and it is a newcomer like any other. Who died is
// not welcomed so: it must answer a probe first.
func TestLeaverComesBack(t *testing.T) {
	n := left(t)
	n.Tick()
	push(n, "friend")
	a := n.Tick()
	if !slices.Contains(n.View(), "friend") || n.refuses("friend") {
		t.Fatalf("after its push the view is %v", n.View())
	}
	exchange(t, n, a, everyone)
	for range 3 {
		exchange(t, n, n.Tick(), everyone)
	}
	if n.sample.Holds("friend") == 0 {
		t.Error("not sampled again")
	}

	n, _ = sampled(t, quiet(20), "dead", "friend")
	kill(t, n, "dead")
	push(n, "dead")
	if a = n.Tick(); slices.Contains(n.View(), "dead") || !slices.Contains(a.Probes, "dead") {
		t.Errorf("the dead are back by a push: view %v, probes %v", n.View(), a.Probes)
	}
}

// TestLastPushOfALeaver: a push of the round in which it said that it leaves was sent before, whether it counts in this
// round or is carried to the next, and asks for no probe.
func TestLastPushOfALeaver(t *testing.T) {
	n, _ := sampled(t, quiet(20), append(names("p", 10), "friend")...)
	push(n, "friend", "friend")
	n.HandleProbeResult("friend", Leaving)
	push(n, "friend")
	for range 3 {
		if a := n.Tick(); slices.Contains(n.View(), "friend") || slices.Contains(a.Probes, "friend") {
			t.Fatalf("round %d: view %v, probes %v", a.Round, n.View(), a.Probes)
		}
	}
}

// TestLeavingDoesNotAddUp: who leaves again and again is refused no longer than the first time, and is never suspect. Who
// dies again and again is refused for longer and longer.
func TestLeavingDoesNotAddUp(t *testing.T) {
	n := left(t)
	for range 20 {
		n.Tick()
		push(n, "friend")
		n.Tick()
		n.HandleProbeResult("friend", Leaving)
		if tomb := n.life.once.tombs["friend"]; tomb.until != uint32(n.round)+8 || n.life.suspect("friend") {
			t.Fatalf("round %d: %+v", n.round, tomb)
		}
	}
	if s := n.Status(); s.Deaths != 0 {
		t.Errorf("%+v", s)
	}
	died := newGraveyard()
	for round := uint64(0); round < 400; round++ {
		died.bury("friend", round, 8, true)
	}
	if died.tombs["friend"].wait <= 8 {
		t.Error("the negative control does not show: graves of the dead do not grow")
	}
}

// TestDeathAfterLeaving: who left and is found dead later is one of the dead, and its push earns a probe only.
func TestDeathAfterLeaving(t *testing.T) {
	n := left(t)
	n.life.once.bury("friend", n.round+8, 8, true)
	n.round += 9
	if n.life.once.left("friend") {
		t.Error("still taken for one that left")
	}
	if push(n, "friend"); !n.life.buried("friend", n.round) {
		t.Error("a push opened the grave")
	}
}

// TestATenthMayDieAllMayLeave: the bound on deaths and self-doubt are not for those that leave.
func TestATenthMayDieAllMayLeave(t *testing.T) {
	n, members := sampled(t, quiet(40), names("p", 60)...)
	for _, id := range members {
		n.HandleProbeResult(id, Leaving)
	}
	n.Tick()
	if s := n.Status(); s.Deaths != 0 || s.Doubting || countIn(n.sample.Members(), among(members...)) != 0 {
		t.Errorf("%+v", s)
	}
	n, members = sampled(t, quiet(40), names("p", 60)...)
	miss(n, members...)
	n.Tick()
	miss(n, members...)
	verify(n, "friend")
	n.Tick()
	if left := countIn(n.sample.Members(), among(members...)); left < len(members)-n.p.MaxDeaths {
		t.Errorf("the negative control does not show: of %d that died %d are left", len(members), left)
	}
}
