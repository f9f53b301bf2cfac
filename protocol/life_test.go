package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// The rules of life and death: suspicion, self-doubt, tombstones, appeals, the rotation of probes.

// sampled returns a node whose sample holds some of ids, each of which answered, and those that it holds. Nothing is
// contacted but by the test.
func sampled(t *testing.T, p Params, ids ...peer.ID) (*Node, []peer.ID) {
	n := newNode(t, p)
	n.Tick()
	verify(n, ids...)
	n.Tick()
	return n, n.sample.Members()
}

func miss(n *Node, ids ...peer.ID) {
	for _, id := range ids {
		n.HandleProbeResult(id, Missed)
	}
}

func TestDeathNeedsMissesInDistinctRounds(t *testing.T) {
	p := with(quiet(20), func(p *Params) { p.Misses = 3 })
	n, _ := sampled(t, p, "b", "friend")
	died := func() bool { n.Tick(); return n.sample.Holds("b") == 0 }

	miss(n, "b", "b", "b", "b")
	verify(n, "friend")
	if died() || n.Status().Suspects != 1 {
		t.Fatal("four misses in one round are one")
	}
	if died() {
		t.Fatal("a round without a miss is none")
	}
	miss(n, "b")
	n.HandleProbeResult("b", NoEvidence)
	if died() {
		t.Fatal("two misses are not three")
	}
	verify(n, "b")
	if died() || n.Status().Suspects != 0 {
		t.Fatal("an answer clears the suspicion")
	}
	for round := range 3 {
		miss(n, "b")
		if dead := died(); dead != (round == 2) {
			t.Fatalf("after the miss of round %d: dead %v", round+1, dead)
		}
	}
	if s := n.Status(); s.Deaths != 1 || s.Tombstones != 1 || !n.life.buried("b", n.round) {
		t.Errorf("%+v", s)
	}
}

func TestAnAnswerAfterAMissOfTheSameRoundCounts(t *testing.T) {
	n, _ := sampled(t, with(quiet(20), func(p *Params) { p.Misses = 1 }), "b", "friend")
	miss(n, "b")
	n.HandleProbeResult("b", AliveUnproven)
	if n.Tick(); n.sample.Holds("b") == 0 {
		t.Fatal("it answered and died")
	}
	verify(n, "b")
	miss(n, "b")
	if n.Tick(); n.sample.Holds("b") != 0 {
		t.Error("the miss came last, and one is enough here")
	}
}

func TestNoEvidenceChangesNothing(t *testing.T) {
	n, members := sampled(t, quiet(20), names("p", 9)...)
	before := n.Slots()
	for range 10 {
		for _, id := range append([]peer.ID{"stranger"}, members...) {
			n.HandleProbeResult(id, NoEvidence)
		}
		n.Tick()
	}
	if s := n.Status(); !slices.Equal(n.Slots(), before) || s.Suspects != 0 || s.Probes != 0 || len(n.life.health) > 10 {
		t.Errorf("no evidence changed the node: %+v", s)
	}
}

// TestSelfDoubt: when most of the sample seems dead at once nobody dies, for three rounds if anything answers. Without
// the rule (the negative control) they die at once.
func TestSelfDoubt(t *testing.T) {
	for _, c := range []struct {
		rounds int
		first  int // the round at whose end the first dies
	}{{0, 2}, {1, 2}, {3, 4}, {5, 6}} {
		p := with(quiet(40), func(p *Params) { p.DoubtRounds = c.rounds })
		n, members := sampled(t, p, append(names("p", 60), "friend")...)
		members = slices.DeleteFunc(members, func(id peer.ID) bool { return id == "friend" })
		for round := 1; ; round++ {
			miss(n, members...)
			n.life.answered++ // something outside the sample answers
			n.Tick()
			s := n.Status()
			if s.Doubting != (round <= c.rounds) {
				t.Errorf("limit %d, round %d: doubting %v", c.rounds, round, s.Doubting)
			}
			if s.Deaths > 0 {
				if round != c.first || s.Deaths != p.MaxDeaths {
					t.Errorf("limit %d: %d died at the end of round %d, want %d in round %d", c.rounds, s.Deaths, round, p.MaxDeaths, c.first)
				}
				break
			}
			if round > 20 {
				t.Fatal("nobody ever dies")
			}
		}
	}
}

// TestSelfDoubtLastsWhileNothingAnswers: a node that reaches nobody cannot tell a dead network from a broken uplink.
func TestSelfDoubtLastsWhileNothingAnswers(t *testing.T) {
	n, members := sampled(t, quiet(40), names("p", 60)...)
	for range 50 {
		miss(n, members...)
		n.Tick()
	}
	if !slices.Equal(n.sample.Members(), members) || !n.Status().Doubting {
		t.Fatalf("without an uplink %d of %d survived", len(n.sample.Members()), len(members))
	}
	for range 2 { // it is back: nobody was lost, and nobody is suspect
		verify(n, members...)
		n.Tick()
	}
	if s := n.Status(); s.Doubting || s.Suspects != 0 || !slices.Equal(n.sample.Members(), members) {
		t.Errorf("after the uplink came back: %+v", s)
	}
}

// TestAFewDeathsRaiseNoDoubt: four of the last eight first probes are not more than half.
func TestAFewDeathsRaiseNoDoubt(t *testing.T) {
	n, members := sampled(t, quiet(40), names("p", 60)...)
	for range 2 {
		verify(n, members[4:]...)
		miss(n, members[:4]...)
		n.Tick()
	}
	if s := n.Status(); s.Doubting || s.Deaths != 4 {
		t.Errorf("%+v", s)
	}
}

func TestMaxDeathsARound(t *testing.T) {
	p := with(quiet(40), func(p *Params) { p.MaxDeaths, p.DoubtRounds = 3, 0 })
	n, members := sampled(t, p, append(names("p", 60), "friend")...)
	dying := slices.DeleteFunc(members, func(id peer.ID) bool { return id == "friend" })[:10]
	for round, want := range []int{0, 3, 3, 3, 1, 0} {
		for _, id := range dying {
			if n.sample.Holds(id) > 0 {
				miss(n, id)
			}
		}
		verify(n, "friend")
		if n.Tick(); n.Status().Deaths != want {
			t.Errorf("round %d: %d deaths, want %d", round+1, n.Status().Deaths, want)
		}
	}
}

// A death that MaxDeaths or self-doubt put off needs no further dial, which the driver may hold back; one that lacks a miss
// does, and so does one that a helper put off, or one since whose first miss there was a round in which nobody answered.
func TestASparedDeathNeedsNoDial(t *testing.T) {
	for _, c := range []struct {
		outcome ProbeOutcome
		silent  int // round in which nobody answers; -1: none
		deaths  []int
	}{
		{Withheld, -1, []int{0, 3, 3, 3, 0}},
		{NoEvidence, -1, []int{0, 3, 0, 0, 0}}, // what the driver can say besides
		{Withheld, 0, []int{0, 3, 0, 0, 0}},    // it may be our own uplink that spent the dials
		{Withheld, 2, []int{0, 3, 3, 0, 0}},
	} {
		p := with(quiet(40), func(p *Params) { p.MaxDeaths, p.DoubtRounds = 3, 0 })
		n, members := sampled(t, p, append(names("p", 60), "friend")...)
		members = slices.DeleteFunc(members, func(id peer.ID) bool { return id == "friend" })
		dying, once, vouched := members[:9], members[9], members[10]
		for round, want := range c.deaths {
			for _, id := range dying {
				switch {
				case n.sample.Holds(id) == 0:
				case round < 2:
					miss(n, id)
				default:
					n.HandleProbeResult(id, c.outcome)
					n.HandleProbeResult(id, c.outcome) // of two exchanges
				}
			}
			switch round {
			case 0:
				miss(n, once, vouched)
			case 1:
				h := n.life.health[vouched]
				h.misses, h.postponed = 2, 1 // as if a helper had answered for it
				n.life.health[vouched] = h
				fallthrough
			default:
				n.HandleProbeResult(once, c.outcome)
				n.HandleProbeResult(vouched, c.outcome)
			}
			if round != c.silent {
				verify(n, "friend")
			}
			if n.Tick(); n.Status().Deaths != want {
				t.Errorf("%v, silent in round %d, round %d: %d deaths, want %d", c.outcome, c.silent+1, round+1, n.Status().Deaths, want)
			}
		}
		if n.sample.Holds(once) == 0 || n.sample.Holds(vouched) == 0 {
			t.Errorf("%v: one that missed once, or that others had heard of, died of a dial that was held back", c.outcome)
		}
	}
}

// kill lets id die and returns the round in which it did.
func kill(t *testing.T, n *Node, id peer.ID) uint64 {
	t.Helper()
	for range n.p.Misses {
		miss(n, id)
		verify(n, "friend")
		n.Tick()
	}
	if !n.life.buried(id, n.round) {
		t.Fatalf("%s did not die", id)
	}
	return n.round - 1
}

func TestTombstonesExpireAndGossipDoesNotExtendThem(t *testing.T) {
	p := with(quiet(20), func(p *Params) { p.Tombstone = 8 })
	n, _ := sampled(t, p, "b", "friend")
	died := kill(t, n, "b")
	for n.round < died+8 {
		if !n.refuses("b") {
			t.Fatalf("refused until round %d of %d only", n.round, died+8)
		}
		n.asked["liar"] = 1
		answer(t, n, "liar", "b", "b")
		push(n, "b")
		miss(n, "b") // the probe that its push bought
		verify(n, "friend")
		if n.Tick(); n.sample.Holds("b") != 0 || n.sample.Seated("b") || slices.Contains(n.View(), "b") {
			t.Fatal("the dead came back by gossip")
		}
	}
	if n.refuses("b") {
		t.Errorf("still refused in round %d, it died in %d", n.round, died)
	}
}

func TestTombstonesOfTheNeverVerifiedDouble(t *testing.T) {
	p := with(quiet(20), func(p *Params) { p.Unverified = 4 })
	n, _ := sampled(t, p, "friend")
	for _, want := range []uint64{4, 8, 16, 32} {
		// It is named, becomes a challenger or enters the view, and does not answer.
		for range p.Misses {
			miss(n, "phantom")
			verify(n, "friend")
			n.Tick()
			if n.refuses("phantom") {
				break
			}
		}
		buried := n.round - 1
		for n.refuses("phantom") {
			verify(n, "friend")
			n.Tick()
		}
		if got := n.round - buried; got != want {
			t.Errorf("refused for %d rounds, want %d", got, want)
		}
	}
	verify(n, "phantom") // it answers after all: forgotten
	if n.life.never.known("phantom") {
		t.Error("an answer does not lift the memory of failures")
	}
	g := newGraveyard()
	for range 20 {
		g.bury("x", uint64(g.tombs["x"].until), 16, true)
	}
	if got := g.tombs["x"].wait; got != maxWait {
		t.Errorf("after twenty failures the wait is %d, want the cap %d", got, maxWait)
	}
}

// A stranger that cannot be asked is refused for 2 rounds, then for 4, up to Unverified; who answered once is not.
func TestTheWithheldRest(t *testing.T) {
	p := with(quiet(20), func(p *Params) { p.Unverified = 7 })
	n, _ := sampled(t, p, "b", "friend")
	for _, want := range []uint64{2, 4, 7, 7} {
		from := n.round
		n.HandleProbeResult("phantom", Withheld)
		n.HandleProbeResult("b", Withheld)
		if n.refuses("b") {
			t.Fatal("b answered once and is refused")
		}
		for n.refuses("phantom") {
			verify(n, "friend")
			n.Tick()
		}
		if got := n.round - from; got != want {
			t.Errorf("refused for %d rounds, want %d", got, want)
		}
	}
	if n.sample.Holds("b") == 0 || n.Status().Suspects != 0 {
		t.Error("something is held against b")
	}
	n.HandleProbeResult("phantom", Withheld)
	n.Appeal("phantom") // it pushed, or brought a newer record
	if a := n.Tick(); !slices.Contains(a.Probes, "phantom") {
		t.Error("news of it buy no probe")
	}
	if verify(n, "phantom"); n.refuses("phantom") || n.sample.Holds("phantom") == 0 {
		t.Error("it answered and is refused")
	}
	paper := newNode(t, with(Paper(20), func(p *Params) { p.Unverified = 0 }))
	if paper.HandleProbeResult("phantom", Withheld); paper.refuses("phantom") {
		t.Error("refused although tombstones are off")
	}
}

// Phantoms that all claim one address cannot be asked, so they are never found dead. Named in every round, they hold the
// seats for which correct newcomers try. With the rest those are all found; without it, as if the outcome said nothing,
// many are not.
func TestWithheldPhantomsShadowNobody(t *testing.T) {
	const rounds, size = 40, 30
	found := func(o ProbeOutcome) int {
		n := newSeededNode(t, 7, with(quiet(size), func(p *Params) { p.Unverified = Hardened(size).Unverified }))
		n.Tick()
		honest, phantoms := names("honest", 20), names("phantom", 200)
		for range rounds {
			n.asked = map[peer.ID]int{"h": 1, "l": 1}
			answer(t, n, "h", honest...)
			answer(t, n, "l", phantoms...)
			for _, id := range n.Tick().Probes {
				if slices.Contains(honest, id) {
					verify(n, id)
				} else {
					n.HandleProbeResult(id, o)
				}
			}
		}
		return countIn(n.sample.Members(), among(honest...))
	}
	// 30 slots over 20 ids: 1-(19/20)^30 of them hold one.
	if with, without := found(Withheld), found(NoEvidence); with < 12 || without > with/2 {
		t.Errorf("%d of 20 correct peers are sampled, and %d without the rest: want 12 at least, and less than half of it", with, without)
	}
}

func TestAnAnswerLiftsATombstone(t *testing.T) {
	n, _ := sampled(t, quiet(20), "b", "friend")
	kill(t, n, "b")
	if verify(n, "b"); n.refuses("b") || n.sample.Holds("b") == 0 {
		t.Error("it answered and is refused")
	}
}

func TestNoTombstonesWhereTheyAreOff(t *testing.T) {
	n, _ := sampled(t, with(quiet(20), func(p *Params) { p.Tombstone, p.Unverified = 0, 0 }), "b", "friend")
	for range n.p.Misses {
		miss(n, "b", "phantom")
		verify(n, "friend")
		n.Tick()
	}
	if n.sample.Holds("b") != 0 || n.refuses("b") || n.refuses("phantom") || n.Status().Tombstones != 0 {
		t.Error("want b dead and refused by nobody")
	}
}

// TestAppeal: news of the dead buys one probe, the next after a time that doubles; only an answer lifts the tombstone.
func TestAppeal(t *testing.T) {
	n, _ := sampled(t, quiet(20), "b", "friend")
	kill(t, n, "b")
	start := n.round
	var probed []uint64
	for n.round < start+40 {
		push(n, "b") // its own push is news
		n.Appeal("b")
		n.Appeal("b")
		verify(n, "friend")
		if a := n.Tick(); slices.Contains(a.Probes, "b") {
			probed = append(probed, a.Round-start)
			miss(n, "b")
		}
	}
	if want := []uint64{1, 5, 13, 29}; !slices.Equal(probed, want) {
		t.Errorf("probed in rounds %v after death, want %v", probed, want)
	}
	if !n.refuses("b") {
		t.Error("appeals that failed lifted the tombstone")
	}
	n.Appeal("stranger") // about nobody dead: nothing to probe
	if a := n.Tick(); slices.Contains(a.Probes, "stranger") {
		t.Error("an appeal for the living bought a probe")
	}
}

func TestAppealsARoundAreBounded(t *testing.T) {
	n, _ := sampled(t, quiet(20), "friend")
	ghosts := names("ghost", 30)
	for range n.p.Misses {
		miss(n, ghosts...)
		verify(n, "friend")
		n.Tick()
	}
	push(n, ghosts...) // they never answered: half of the places
	if a := n.Tick(); countIn(a.Probes, among(ghosts...)) != maxAppeals/2 {
		t.Errorf("%d appeals were heard, want %d", countIn(a.Probes, among(ghosts...)), maxAppeals/2)
	}
}

func TestLeavingIsNotADeath(t *testing.T) {
	n, members := sampled(t, quiet(40), names("p", 60)...)
	leaving := members[:10] // more than may die, more than raise doubt
	for _, id := range leaving {
		n.HandleProbeResult(id, Leaving)
	}
	n.Tick()
	s := n.Status()
	if s.Deaths != 0 || s.Doubting || s.Suspects != 0 || s.Tombstones != 10 {
		t.Errorf("%+v", s)
	}
	for _, id := range leaving {
		if n.sample.Holds(id) != 0 || !n.refuses(id) {
			t.Errorf("%s left and holds %d slots", id, n.sample.Holds(id))
		}
	}
	if s.SampleFilled != 40 {
		t.Errorf("%d of 40 slots are filled, want those that were cleared offered to who answered before", s.SampleFilled)
	}
	if verify(n, leaving[0]); n.sample.Holds(leaving[0]) == 0 {
		t.Error("it came back and is not taken up again")
	}
}

// TestDeathOffersItsSlotsToWhoAnsweredBefore: the cleared slots have forgotten who lost to the dead, so those of the
// sample take them at once, and those of the view and those that answered lately compete for them.
func TestDeathOffersItsSlotsToWhoAnsweredBefore(t *testing.T) {
	n, members := sampled(t, quiet(20), append(names("p", 30), "friend")...)
	dead := slices.DeleteFunc(slices.Clone(members), func(id peer.ID) bool { return id == "friend" })[0]
	if kill(t, n, dead); n.Status().SampleFilled != 20 || n.sample.Holds(dead) != 0 {
		t.Errorf("%d of 20 slots are filled after one id died", n.Status().SampleFilled)
	}

	for _, source := range []string{"sample", "view", "met"} {
		n, members := sampled(t, quiet(20), names("p", 30)...)
		n.view, n.life.met = nil, ring{}
		offered := among(members[1:]...)
		switch source {
		case "view":
			n.view = []peer.ID{"v1", "v2", "v3", "v4", "v5", "v6"}
			offered = among(n.view...)
		case "met":
			n.life.met.add("m1")
			n.life.met.add("m2")
			n.life.met.add("m3")
			offered = among(n.life.met.ids...)
		}
		for _, id := range members {
			if source != "sample" || id == members[0] {
				n.sample.Clear(id)
			}
		}
		n.feed(true)
		if source == "sample" && countIn(n.sample.Members(), offered) != len(members)-1 || source == "sample" && n.sample.Holds(members[0]) != 0 {
			t.Errorf("the members are %v", n.sample.Members())
		}
		filled := 0
		for _, slot := range n.sample.Slots() {
			if slot.ID != "" && offered(slot.ID) {
				filled++
			}
		}
		if challengers := n.sample.Challengers(20, n.round, n.rng.Shuffle); source == "sample" && filled != 20 || source != "sample" && countIn(challengers, offered) == 0 {
			t.Errorf("%s: %d slots filled, challengers %v", source, filled, challengers)
		}
	}
}

// TestThePapersDeathOffersNothing: a new sampler is fed from the stream alone.
func TestThePapersDeathOffersNothing(t *testing.T) {
	n := newNode(t, Paper(20), names("p", 3)...)
	n.Tick()
	dead := n.sample.Members()[0]
	miss(n, dead)
	n.Tick()
	if s := n.Status(); s.Deaths != 1 || s.SampleFilled == 20 || n.sample.Holds(dead) != 0 {
		t.Errorf("after a death, in a round that brought nothing: %+v", s)
	}
}

func TestAChallengerThatMissesLosesItsSeatAtOnce(t *testing.T) {
	n := newNode(t, quiet(20), "b")
	n.Tick()
	if !n.sample.Seated("b") {
		t.Fatal("b challenges nobody")
	}
	if miss(n, "b"); n.sample.Seated("b") {
		t.Error("it missed and keeps its seat")
	}
	n.life.answered++
	if n.Tick(); !n.refuses("b") {
		t.Error("a challenger that never answered is not refused after its miss")
	}
}

// TestChallengesAreDealtOverNamers: pushers first, then each reply as much as any other, however many it names.
func TestChallengesAreDealtOverNamers(t *testing.T) {
	seated := func(n *Node, ids []peer.ID) int { return countIn(ids, n.sample.Seated) }
	for seed := range uint64(20) {
		p := with(quiet(20), func(p *Params) { p.Challenges = 4 })
		n := newSeededNode(t, seed, p)
		honest, liar := names("honest", 3), names("phantom", 30)
		n.asked = map[peer.ID]int{"h": 1, "l": 1}
		answer(t, n, "l", liar...)
		answer(t, n, "h", honest...)
		n.feed(false)
		want := min(2, seated(n, honest))
		if got := n.sample.Challengers(p.Challenges, 1, n.rng.Shuffle); countIn(got, among(honest...)) < want || len(got) != 4 {
			t.Errorf("seed %d: challengers %v, want %d of the honest reply", seed, got, want)
		}

		n = newSeededNode(t, seed, p)
		n.asked = map[peer.ID]int{"h": 1}
		answer(t, n, "h", honest...)
		push(n, "pusher0", "pusher1")
		n.feed(false)
		want = seated(n, []peer.ID{"pusher0", "pusher1"})
		if got := n.sample.Challengers(want, 1, n.rng.Shuffle); countIn(got, among("pusher0", "pusher1")) != want {
			t.Errorf("seed %d: challengers %v, want the %d pushers first", seed, got, want)
		}
	}
}

// TestDoubtCountsAnIDOnceARound: one living peer that answers push, pull and probe is one first probe, not three.
func TestDoubtCountsAnIDOnceARound(t *testing.T) {
	n, members := sampled(t, quiet(40), names("p", 60)...)
	miss(n, members[1:]...)
	for range 20 {
		verify(n, members[0])
	}
	if n.Tick(); !n.Status().Doubting {
		t.Error("one peer's answers outweighed the misses of all others")
	}
}

// TestDoubtStartsAnew after it was over: the limit is of rounds in a row.
func TestDoubtStartsAnew(t *testing.T) {
	n, members := sampled(t, quiet(40), names("p", 60)...)
	for outage := range 3 {
		for round := range n.p.DoubtRounds {
			miss(n, members...)
			n.life.answered++
			if n.Tick(); !n.Status().Doubting || n.Status().Deaths > 0 {
				t.Fatalf("outage %d, round %d: %+v", outage, round, n.Status())
			}
		}
		for range 2 {
			verify(n, members...)
			n.Tick()
		}
		if n.Status().Doubting {
			t.Fatalf("outage %d is over and the node still doubts itself", outage)
		}
	}
}

// TestRotation: every sampled id is asked, by probe or otherwise, at least once in ceil(distinct/probes) rounds.
func TestRotation(t *testing.T) {
	for _, probes := range []int{1, 3, 8} {
		p := with(quiet(40), func(p *Params) { p.Probes = probes })
		others := names("p", 80)
		n := newNode(t, p, others[:40]...)
		last := map[peer.ID]uint64{}
		most := 0
		for range 300 {
			a := n.Tick()
			members := n.sample.Members()
			bound := uint64((len(members) + probes - 1) / probes)
			rotated := 0
			for _, ids := range [][]peer.ID{a.Pushes, a.Pulls, a.Probes} {
				for _, id := range ids {
					last[id] = a.Round
				}
			}
			for _, id := range a.Probes {
				if n.sample.Holds(id) > 0 {
					rotated++
				}
			}
			most = max(most, rotated)
			for _, id := range members {
				if a.Round > 100 && a.Round-last[id] >= bound {
					t.Fatalf("probes %d, %d members: %s was not asked for %d rounds", probes, len(members), id, a.Round-last[id])
				}
			}
			exchange(t, n, a, everyone, others...)
			push(n, others[:16]...)
		}
		if most > probes {
			t.Errorf("a round probed %d sampled ids again, the budget is %d", most, probes)
		}
	}
}

func TestSuspectsAreProbedBesideTheRotation(t *testing.T) {
	p := with(quiet(40), func(p *Params) { p.Probes, p.DoubtRounds = 2, 0 })
	n, members := sampled(t, p, append(names("p", 60), "friend")...)
	suspects := slices.DeleteFunc(slices.Clone(members), func(id peer.ID) bool { return id == "friend" })[:3]
	n.view, n.shares.Push = nil, -1 // no contacts: probes alone
	miss(n, suspects...)
	verify(n, "friend")
	n.view = nil
	probes := n.planProbes(Actions{})
	if got := countIn(probes, among(suspects...)); got != 3 {
		t.Errorf("%d of 3 suspects are probed at once", got)
	}
	if got := countIn(probes, among(members...)); got != 5 {
		t.Errorf("%d sampled ids are probed, want 3 suspects and 2 of the rotation", got)
	}
}

func TestDisconnectOfTheUnprovenIsProbedNext(t *testing.T) {
	p := with(quiet(40), func(p *Params) { p.Probes = 1 })
	n, members := sampled(t, p, names("p", 60)...)
	unproven := members[5]
	h := n.life.health[unproven]
	h.proven = false
	n.life.health[unproven] = h
	n.HandleProbeResult(unproven, AliveUnproven)
	if n.life.proven(unproven) || n.Slots()[slices.IndexFunc(n.Slots(), func(s Sampled) bool { return s.ID == unproven })].Proven {
		t.Fatal("life over a connection that it dialled proves no reachability")
	}
	n.Tick()
	if got := n.Status(); got.SampleProven != got.SampleDistinct-1 {
		t.Errorf("%d of %d are proven", got.SampleProven, got.SampleDistinct)
	}
	for _, id := range []peer.ID{unproven, members[0], "stranger"} { // neither the proven nor strangers go ahead
		n.HandleDisconnect(id)
	}
	if got := n.planProbes(Actions{}); len(got) == 0 || got[0] != unproven {
		t.Errorf("probed next is %v, want %s", got, unproven)
	}
	n.HandleProbeResult(unproven, Alive)
	if !n.life.proven(unproven) {
		t.Error("an answer to our dial is the proof")
	}
}

func TestMemoryOfLivesIsBounded(t *testing.T) {
	n, _ := sampled(t, quiet(20), "friend")
	for i := range 3 * tombSize {
		id := peer.ID(fmt.Sprint("ghost", i))
		miss(n, id)
		h := n.life.health[id]
		h.seated = true
		if n.life.health[id] = h; i%50 == 0 {
			verify(n, "friend")
			n.Tick()
		}
		if i%3 == 0 {
			verify(n, peer.ID(fmt.Sprint("alive", i)))
		}
		if i%7 == 0 {
			n.HandleProbeResult(peer.ID(fmt.Sprint("leaving", i)), Leaving)
		}
	}
	for range 3 * healthMemory {
		verify(n, "friend")
		n.Tick()
	}
	l := &n.life
	if len(l.once.tombs) > tombSize || len(l.never.tombs) > tombSize || len(l.once.order) > tombSize || len(l.never.order) > tombSize {
		t.Errorf("%d and %d tombstones", len(l.once.tombs), len(l.never.tombs))
	}
	if len(l.met.ids) != metSize {
		t.Errorf("%d ids met, want %d", len(l.met.ids), metSize)
	}
	if most := 20 + metSize; len(l.health) > most {
		t.Errorf("the health of %d ids is remembered long after, want at most %d", len(l.health), most)
	}
}

// TestWhoAnsweredIsRememberedAsLongAsMet: an id outside the sample that answered is known to have done so while it stands
// among the last that answered, one that missed since for healthMemory rounds.
func TestWhoAnsweredIsRememberedAsLongAsMet(t *testing.T) {
	n, _ := sampled(t, with(quiet(20), func(p *Params) { p.L2, p.Diverse = 1, 0 }), "friend")
	var ids []peer.ID // that do not win the only slot
	for i := 0; len(ids) < metSize+2; i++ {
		if id := testID(i); n.Hashes(nil, id)[0] > n.Hashes(nil, "friend")[0] {
			ids = append(ids, id)
		}
	}
	known := func(i int) bool { _, ok := n.life.health[ids[i]]; return ok }
	age := func() {
		for range 3 * healthMemory {
			verify(n, "friend")
			n.Tick()
		}
	}
	verify(n, ids[:metSize-1]...)
	if age(); !n.life.verified(ids[0]) {
		t.Error("an id that stands among the last that answered is forgotten")
	}
	miss(n, ids[1])
	verify(n, ids[metSize-1:]...) // three more: "friend", ids[0] and ids[1] give way
	if !n.life.verified("friend") || known(0) || !known(1) || !known(2) {
		t.Errorf("three others answered: the sampled id is verified %v; known are the first %v, the second, which missed, %v, the third %v",
			n.life.verified("friend"), known(0), known(1), known(2))
	}
	if age(); known(1) || n.life.buried(ids[1], n.round) {
		t.Error("one miss outside the sample is remembered for ever, or was death")
	}
}

// TestGraveyardDropsTheOldest, not what was removed and buried again since.
func TestGraveyardDropsTheOldest(t *testing.T) {
	g := newGraveyard()
	for i := range tombSize {
		g.bury(testID(i), 0, 10, false)
	}
	g.bury("new", 0, 10, false)
	if g.known(testID(0)) || !g.known(testID(1)) || !g.known("new") || len(g.tombs) != tombSize {
		t.Errorf("%d tombs, oldest there %v", len(g.tombs), g.known(testID(0)))
	}
}
