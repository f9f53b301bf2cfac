package protocol

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// tries returns the rounds, of so many, in which a node that nobody answers contacts somebody. Trying must say so.
func tries(t *testing.T, n *Node, rounds int) (out []uint64) {
	t.Helper()
	for range rounds {
		a := n.Tick()
		if a.Outcome != Alone {
			t.Fatalf("round %d: %v", a.Round, a.Outcome)
		}
		if contacts := len(a.Pushes) + len(a.Pulls); a.Trying != (contacts > 0) {
			t.Fatalf("round %d: %d contacts, trying %v", a.Round, contacts, a.Trying)
		}
		if a.Trying {
			out = append(out, a.Round)
		}
		exchange(t, n, a, nobody)
	}
	return out
}

// TestBackOffOfALonelyNode: the waits double up to the most, each shortened by up to a half, and it never gives up.
func TestBackOffOfALonelyNode(t *testing.T) {
	for seed := range uint64(20) {
		n := newSeededNode(t, seed+1, Hardened(20), names("seed", 3)...)
		at := tries(t, n, 1000)
		most := 1
		for i := 1; i < len(at); i++ {
			wait := int(at[i] - at[i-1])
			if wait > most || wait < most-most/2 {
				t.Fatalf("seed %d: try %d came %d rounds after the one before, want %d to %d", seed, i+1, wait, most-most/2, most)
			}
			most = min(2*most, n.p.AloneWait)
		}
		if len(at) < 5+1000/n.p.AloneWait || at[0] != 1 {
			t.Errorf("seed %d: tries in rounds %v", seed, at)
		}
		if s := n.Status(); s.Tries != len(at) || s.Acquaintances != 3 || s.NextTry < 1 || s.NextTry > n.p.AloneWait {
			t.Errorf("%d tries: %+v", len(at), s)
		}
	}
}

// Without jitter all nodes that lost each other together would try in the same rounds.
func TestBackOffSpreads(t *testing.T) {
	rounds := map[uint64]int{}
	for seed := range uint64(60) {
		at := tries(t, newSeededNode(t, seed+1, Hardened(20), "seed"), 400)
		rounds[at[len(at)-1]]++
	}
	if len(rounds) < 20 {
		t.Errorf("60 nodes made their last try in %d different rounds", len(rounds))
	}
}

// The negative control of the back-off: a wait of one round is none.
func TestNoBackOff(t *testing.T) {
	p := with(Hardened(20), func(p *Params) { p.AloneWait = 1 })
	if at := tries(t, newNode(t, p, "seed"), 100); len(at) != 100 {
		t.Errorf("%d tries in 100 rounds", len(at))
	}
}

func TestAnAnswerEndsTheBackOff(t *testing.T) {
	n := newNode(t, Hardened(20), "seed")
	tries(t, n, 300)
	for n.solitude.due != n.round+1 {
		n.Tick()
	}
	a := n.Tick()
	exchange(t, n, a, everyone, "b")
	if a = n.Tick(); a.Outcome == Alone || n.Status().Tries != 0 || n.solitude != (solitude{}) {
		t.Fatalf("%v, %+v", a.Outcome, n.Status())
	}
	for n.Tick().Outcome != Alone { // all are gone again
		miss(n, "seed", "b")
	}
	if n.solitude.tries != 1 || n.solitude.wait != 1 {
		t.Errorf("the back-off did not begin anew: %+v", n.solitude)
	}
}

func TestRetryEndsTheBackOff(t *testing.T) {
	n := newNode(t, Hardened(20), "seed")
	at := tries(t, n, 300)
	n.Retry()
	next := tries(t, n, 2)
	if len(next) < 1 || next[0] != 301 || at[len(at)-1] == 300 {
		t.Errorf("after Retry it tried in rounds %v; before in %v", next, at)
	}
}

// TestATryIsForSeedsAndFormerContacts: seeds have half of the places, former contacts the others, each in turn.
func TestATryIsForSeedsAndFormerContacts(t *testing.T) {
	for _, c := range []struct{ seeds, met, wantSeeds, wantMet int }{
		{0, 0, 0, 0}, {3, 0, 3, 0}, {20, 0, 8, 0}, {0, 20, 0, 8}, {20, 20, 4, 4}, {2, 20, 2, 6}, {20, 3, 5, 3}, {5, 4, 4, 4},
	} {
		n := newNode(t, with(Hardened(20), func(p *Params) { p.AloneWait = 1 }))
		seeds, met := names("seed", c.seeds), names("met", c.met)
		n.Tick()
		n.SetSeeds(seeds)
		for _, id := range met {
			n.life.met.add(id)
			n.life.health[id] = health{met: true}
		}
		n.Retry()
		tried := map[peer.ID]bool{}
		for range 10 {
			ids, due := n.try()
			if !due || countIn(ids, among(seeds...)) != c.wantSeeds || countIn(ids, among(met...)) != c.wantMet || !isDistinct(ids) {
				t.Fatalf("%d seeds and %d former contacts: %v, due %v", c.seeds, c.met, ids, due)
			}
			for _, id := range ids {
				tried[id] = true
			}
			n.round++
		}
		if len(tried) != c.seeds+c.met {
			t.Errorf("%d of %d seeds and %d former contacts had a turn in 10 tries", len(tried), c.seeds, c.met)
		}
	}
}

// TestRevisit: once, in the next round, beside all else; at most so many.
func TestRevisit(t *testing.T) {
	n := newNode(t, quiet(20), names("p", 30)...)
	exchange(t, n, n.Tick(), everyone, names("p", 30)...)
	n.Revisit("old", self, "", "old")
	n.Revisit("older")
	a := n.Tick()
	for _, id := range []peer.ID{"old", "older"} {
		if countIn(a.Pushes, among(id)) != 1 || countIn(a.Pulls, among(id)) != 1 || slices.Contains(a.Probes, id) {
			t.Errorf("%s: %+v", id, a)
		}
	}
	if slices.Contains(a.Pushes, self) || slices.Contains(a.Pushes, "") {
		t.Errorf("%+v", a)
	}
	exchange(t, n, a, everyone, names("p", 30)...)
	if n.sample.Clear("old"); slices.Contains(n.Tick().Pulls, "old") {
		t.Error("visited twice")
	}
	n.Revisit(names("old", 50)...)
	if a := n.Tick(); countIn(a.Pulls, among(names("old", 50)...)) != maxRevisits {
		t.Errorf("%d visits in one round", countIn(a.Pulls, among(names("old", 50)...)))
	}
}

// rejoined is the round in which a newcomer reaches its only correct contact, which does not answer for the first down
// rounds; 0 is not within 1000 rounds. Faulty peers push to it from round first on and answer with their own names.
func rejoined(t *testing.T, p Params, first, down int) int {
	t.Helper()
	n := newNode(t, p, "seed")
	faulty := names("faulty", 8)
	for round := range 1000 {
		if round >= first {
			push(n, faulty...)
		}
		a := n.Tick()
		if int(a.Round) > down && slices.Contains(a.Pulls, "seed") && slices.Contains(a.Pushes, "seed") {
			return int(a.Round)
		}
		exchange(t, n, a, among(faulty...), faulty...)
	}
	return 0
}

// TestASeedThatDidNotAnswerIsAskedAgain: whoever is first to push to a newcomer must not keep it for himself because its
// seed was down for a moment. It is asked again before it has been up for as long as it was down, or as the longest wait.
// The negative control: it was only asked in its turn.
func TestASeedThatDidNotAnswerIsAskedAgain(t *testing.T) {
	p := with(Hardened(20), func(p *Params) { p.SeedEvery = 500 })
	off := with(p, func(p *Params) { p.Ablate.SeedsInTurn = true })
	for first := range 3 { // before the first round, in it, in the second
		for _, down := range []int{1, 2, 3, 4, 7, 15, 30, 59, 100, 400} {
			if at, most := rejoined(t, p, first, down), down+min(down, p.AloneWait)+3; at == 0 || at > most {
				t.Errorf("pushes from round %d: a seed that is back after round %d is asked in round %d, want at most %d", first, down, at, most)
			}
			if at := rejoined(t, off, first, down); at != 500 && down > 3 {
				t.Errorf("pushes from round %d: a control asks in round %d", first, at)
			}
		}
	}
}

// TestSeedsThatAnswerAreLeftAlone: asked again are those that were asked in vain, and never answered; all of them until one
// has; eight at a time.
func TestSeedsThatAnswerAreLeftAlone(t *testing.T) {
	seeds := names("seed", 20)
	n := newNode(t, Hardened(20), seeds...)
	round := uint64(0)
	turns := func(tries int) (out []peer.ID) {
		for range tries {
			for {
				round++
				if ids := n.unmet.turn(round, 4); len(ids) > 0 || round > 1000 {
					if len(ids) > maxSeedsAtOnce {
						t.Errorf("%d at once", len(ids))
					}
					out = append(out, ids...)
					break
				}
			}
		}
		return distinct(out)
	}
	if got := turns(3); len(got) != len(seeds) {
		t.Errorf("before one has answered %d of %d had a turn", len(got), len(seeds))
	}
	n.asked = map[peer.ID]int{"seed00": 0, "seed01": 2, "seed02": 1, "other": 1} // how often a pull is still open
	n.meetSeeds()
	n.HandleProbeResult("seed03", Missed)
	n.HandleProbeResult("other", Missed)
	want := []peer.ID{"seed01", "seed02", "seed03"}
	if got := turns(3); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("one answered, three failed: %q are asked, want %q", got, want)
	}
	n.asked = map[peer.ID]int{"seed00": 1, "seed01": 0, "seed02": 1}
	n.meetSeeds()
	n.HandleProbeResult("seed00", Missed) // it had answered
	n.HandleProbeResult("seed03", Alive)  // that it lives tells us of nobody
	if got := turns(3); !slices.Equal(slices.Sorted(slices.Values(got)), want[1:]) {
		t.Errorf("one more answered: %q are asked, want %q", got, want[1:])
	}
	n.SetSeeds([]peer.ID{"seed00", "seed01", "seed03", "new", "new", self, ""})
	if !slices.Equal(n.unmet.ids, []peer.ID{"seed03", "new"}) || !slices.Equal(n.unmet.failed, []peer.ID{"seed03"}) {
		t.Errorf("after a change of seeds %+v", n.unmet)
	}
	n.asked = map[peer.ID]int{"seed03": 0, "new": 0}
	n.meetSeeds()
	round = 0
	if got := turns(1); len(got) != 0 || n.unmet.wait != 0 {
		t.Errorf("when all have answered %q are asked: %+v", got, n.unmet)
	}
}
