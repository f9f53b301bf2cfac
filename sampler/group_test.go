package sampler

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

func newTestGroup(t stattest.TB, cfg Config) *Group {
	t.Helper()
	if cfg.Secret == ([32]byte{}) {
		cfg.Secret = [32]byte{1, 2, 3}
	}
	g, err := NewGroup(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return g
}

func offerAll(g *Group, ids []peer.ID, namer Namer) {
	for _, id := range ids {
		g.Offer(id, namer, false)
	}
}

func noShuffle(int, func(i, j int)) {}

// least is the brute force oracle: for each slot the id of ids with the least hash.
func least(g *Group, ids []peer.ID) []peer.ID {
	out := make([]peer.ID, len(g.slots))
	for i := range g.slots {
		for _, id := range ids {
			h := at(g, id, g.slots[i].position)
			if out[i] == "" || below(h, id, at(g, out[i], g.slots[i].position), out[i]) {
				out[i] = id
			}
		}
	}
	return out
}

func incumbents(g *Group) []peer.ID {
	var out []peer.ID
	for _, s := range g.Slots() {
		out = append(out, s.ID)
	}
	return out
}

// drawStream draws a stream of ids out of 30, with repeats.
func drawStream(t *rapid.T, label string) []peer.ID {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) peer.ID {
		return testID(rapid.IntRange(0, 29).Draw(t, "id"))
	}), 0, 80).Draw(t, label)
}

func drawKind(t *rapid.T) Kind { return rapid.SampledFrom(Kinds()).Draw(t, "hash") }

// TestStreamOrderAndRepeatsChangeNothing is what makes the sample uniform where the stream is biased.
func TestStreamOrderAndRepeatsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{L2: rapid.IntRange(1, 12).Draw(t, "l2"), Hash: drawKind(t), Direct: true}
		stream := drawStream(t, "stream")
		shuffled := append(slices.Clone(stream), stream[:len(stream)/2]...)
		r := stattest.Rand(rapid.Uint64().Draw(t, "seed"))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })

		a, b := newTestGroup(t, cfg), newTestGroup(t, cfg)
		offerAll(a, stream, Namer{})
		offerAll(b, shuffled, Namer{ID: "other"})
		if !slices.Equal(a.Slots(), b.Slots()) {
			t.Fatalf("order or repeats changed the slots")
		}
		if got, want := incumbents(a), least(a, stream); !slices.Equal(got, want) {
			t.Fatalf("slots %v, want the least %v", got, want)
		}
	})
}

// TestChallengersEndOnTheLeastVerified: where every challenger answers or fails its probe, the slots end on the least of
// the ids that answered, whatever the order, the budget and the phantoms between them.
func TestChallengersEndOnTheLeastVerified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newTestGroup(t, Config{L2: rapid.IntRange(1, 12).Draw(t, "l2"), Hash: drawKind(t)})
		stream := drawStream(t, "stream")
		budget := rapid.IntRange(1, 5).Draw(t, "budget")
		r := stattest.Rand(rapid.Uint64().Draw(t, "seed"))
		alive := func(id peer.ID) bool { return id[10]%3 != 0 } // a third are phantoms
		var verified []peer.ID
		for _, id := range stream {
			if alive(id) {
				verified = append(verified, id)
			}
		}
		dead := map[peer.ID]bool{}
		for round, quiet := uint64(1), 0; quiet < 2; round++ {
			if round > 500 {
				t.Fatalf("no end after %d rounds", round)
			}
			r.Shuffle(len(stream), func(i, j int) { stream[i], stream[j] = stream[j], stream[i] })
			for i, id := range stream {
				if !dead[id] {
					g.Offer(id, Namer{ID: testID(1000 + i%4)}, false)
				}
			}
			challengers := g.Challengers(budget, round, r.Shuffle)
			if quiet++; len(challengers) > 0 {
				quiet = 0
			}
			if len(challengers) > budget {
				t.Fatalf("%d challengers of a budget of %d", len(challengers), budget)
			}
			for _, id := range challengers {
				if alive(id) {
					g.Confirm(id)
				} else {
					g.Refuse(id)
					dead[id] = true
				}
			}
		}
		if got, want := incumbents(g), least(g, verified); !slices.Equal(got, want) {
			t.Fatalf("slots %v, want the least verified %v", got, want)
		}
	})
}

// TestClearedSlotsEndOnTheLeastFedAgain: death clears the value and keeps the key.
func TestClearedSlotsEndOnTheLeastFedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newTestGroup(t, Config{L2: rapid.IntRange(1, 12).Draw(t, "l2"), Hash: drawKind(t), Direct: true})
		before, again := drawStream(t, "before"), drawStream(t, "again")
		offerAll(g, before, Namer{})
		old := incumbents(g)
		dead := testID(rapid.IntRange(0, 29).Draw(t, "dead"))
		held := g.Holds(dead)
		if n := g.Clear(dead); n != held || g.Holds(dead) != 0 {
			t.Fatalf("cleared %d slots of %d", n, held)
		}
		offerAll(g, again, Namer{})
		for i, want := range least(g, again) {
			if old[i] != dead {
				want = least(g, append(slices.Clone(before), again...))[i]
			}
			if got := incumbents(g)[i]; got != want {
				t.Fatalf("slot %d: %q, want %q", i, got, want)
			}
		}
	})
}

// spy counts the positions that ids are hashed at.
type spy struct {
	Hash
	asked []uint64
}

func (s *spy) Sum(out []uint64, id peer.ID, d Digest, at []uint64) {
	s.asked = append(s.asked, at...)
	s.Hash.Sum(out, id, d, at)
}

// TestAnIDIsFedAgainToClearedSlotsOnly is the filter by generation.
func TestAnIDIsFedAgainToClearedSlotsOnly(t *testing.T) {
	for _, rekey := range []bool{false, true} {
		t.Run(fmt.Sprintf("rekey=%v", rekey), func(t *testing.T) {
			g := newTestGroup(t, Config{L2: 20, Direct: true, Rekey: rekey})
			s := &spy{Hash: g.hash}
			g.hash = s
			ids := testIDs(30)
			offerAll(g, ids, Namer{})
			if len(s.asked) != 20*len(ids) {
				t.Fatalf("new ids were hashed at %d positions, want %d", len(s.asked), 20*len(ids))
			}
			s.asked = nil
			if offerAll(g, ids, Namer{}); len(s.asked) != 0 {
				t.Fatalf("repeated ids were hashed at %v", s.asked)
			}
			var want []uint64
			for range 3 { // deaths one after the other: the slots to feed are the union
				victim := g.Members()[0]
				for i := range g.slots {
					if g.slots[i].id == victim && !rekey {
						want = append(want, g.slots[i].position)
					}
				}
				if n := g.Clear(victim); rekey {
					for range n {
						want = append(want, g.next-uint64(n)+uint64(len(want))%uint64(n))
					}
				}
			}
			if g.Offer(ids[29], Namer{}, false); len(s.asked) != len(want) {
				t.Errorf("after three deaths an id was hashed at %v, want %d positions: %v", s.asked, len(want), want)
			}
			if !rekey {
				slices.Sort(want)
				slices.Sort(s.asked)
				if !slices.Equal(s.asked, want) {
					t.Errorf("hashed at %v, want %v", s.asked, want)
				}
			}
			for _, p := range s.asked {
				if rekey && p < 20 {
					t.Errorf("re-keying used position %d again", p)
				}
			}
			s.asked = nil
			if g.Offer(ids[29], Namer{}, false); len(s.asked) != 0 {
				t.Errorf("and again at %v", s.asked)
			}
		})
	}
}

// TestFilterEvictionChangesNothing: a filter of 8 ids and one that forgets nobody lead to the same states.
func TestFilterEvictionChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{L2: rapid.IntRange(1, 12).Draw(t, "l2"), Direct: rapid.Bool().Draw(t, "direct"), Rekey: rapid.Bool().Draw(t, "rekey"),
			Maturity: 2, FilterSize: 1}
		small := newTestGroup(t, cfg)
		cfg.FilterSize = 1 << 14
		large := newTestGroup(t, cfg)
		if n := len(small.filter.marks); n != ways {
			t.Fatalf("the small filter has %d places", n)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		steps := rapid.SliceOfN(rapid.IntRange(0, 299), 1, 300).Draw(t, "steps")
		for _, g := range []*Group{small, large} {
			r := stattest.Rand(seed)
			for i, step := range steps {
				churn(g, i, step, r)
			}
		}
		if !slices.Equal(small.Slots(), large.Slots()) || !reflect.DeepEqual(small.slots, large.slots) {
			t.Fatalf("eviction changed the slots:\n%v\n%v", small.Slots(), large.Slots())
		}
	})
}

// churn does the i-th step with g: mostly an offer, sometimes what else there is to do.
func churn(g *Group, i, step int, r *rand.Rand) {
	id := testID(step % 60)
	switch step / 60 {
	default:
		g.Offer(id, Namer{ID: testID(step % 7), Pushed: step%2 == 0}, step%11 == 0)
	case 3:
		for _, c := range g.Challengers(1+step%4, uint64(i+1), r.Shuffle) {
			if c[10]%3 != 0 {
				g.Confirm(c)
			} else if c[10]%3 == 1 {
				g.Refuse(c)
			}
		}
		g.Expire(uint64(i))
		g.EndRound()
	case 4:
		g.Clear(id)
	}
}

func TestMaturity(t *testing.T) {
	g := newTestGroup(t, Config{L2: 8, Direct: true, Maturity: 3})
	if got := g.Sample(); got != nil {
		t.Fatalf("an empty group samples %v", got)
	}
	ids := testIDs(20)
	for round := range 3 {
		g.EndRound() // a round in which nothing was fed makes nobody older
		offerAll(g, ids, Namer{})
		if got := len(g.Sample()); got != 8 {
			t.Fatalf("in round %d, while no slot is mature, %d slots count, want all 8", round, got)
		}
		if s := g.Slots()[0]; s.Mature || s.Age != round {
			t.Fatalf("in round %d the slot is %+v", round, s)
		}
		g.EndRound()
	}
	if s := g.Slots()[0]; !s.Mature || s.Age != 3 {
		t.Fatalf("after 3 rounds the slot is %+v", s)
	}
	victim := g.Members()[0]
	n := g.Clear(victim)
	offerAll(g, ids[1:], Namer{})
	if got := len(g.Sample()); got != 8-n || slices.Contains(g.Sample(), victim) {
		t.Errorf("after %d slots were cleared %d count, want the mature ones only", n, got)
	}
	for range 3 {
		g.EndRound()
		offerAll(g, ids[1:], Namer{})
	}
	if got := len(g.Sample()); got != 8 {
		t.Errorf("3 rounds later %d slots count, want 8", got)
	}
}

// TestRekeyedSlotsAreFresh: a slot that was re-keyed is uniform over all ids again, those included that were best under
// the key that it lost. With the key kept the runner-up follows, and the id itself if it comes back.
func TestRekeyedSlotsAreFresh(t *testing.T) {
	const m = 8
	ids := testIDs(m)
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			g := newTestGroup(t, Config{L2: MaxL2, Hash: kind, Direct: true, Rekey: true})
			offerAll(g, ids, Namer{})
			runnerUp := least(g, ids[1:])
			before, after, stays := make([]int, m), make([]int, m), 0
			var cleared []int
			for i, id := range incumbents(g) {
				before[slices.Index(ids, id)]++
				if id == ids[0] {
					cleared = append(cleared, i)
				}
			}
			g.Clear(ids[0])
			offerAll(g, ids, Namer{})
			for _, i := range cleared {
				id := g.slots[i].id
				after[slices.Index(ids, id)]++
				if id == runnerUp[i] {
					stays++
				}
			}
			stattest.RequireUniform(t, before, errorRate, string(kind))
			stattest.RequireUniform(t, after, errorRate, string(kind))
			stattest.RequireBinomial(t, stays, len(cleared), 1./m, errorRate, string(kind))

			kept := newTestGroup(t, Config{L2: MaxL2, Hash: kind, Direct: true})
			offerAll(kept, ids, Namer{})
			all := incumbents(kept)
			kept.Clear(ids[0])
			offerAll(kept, ids, Namer{})
			if !slices.Equal(incumbents(kept), all) {
				t.Errorf("with the key kept, feeding the same ids again gives other slots")
			}
		})
	}
}

func TestKeysDependOnSecretAndSelf(t *testing.T) {
	ids := testIDs(50)
	var all [][]peer.ID
	for _, cfg := range []Config{
		{Secret: [32]byte{1}, Self: "self"}, {Secret: [32]byte{2}, Self: "self"}, {Secret: [32]byte{1}, Self: "other"},
		{Secret: [32]byte{1}, Self: "self", Hash: Sip},
	} {
		cfg.L2, cfg.Direct = 20, true
		g := newTestGroup(t, cfg)
		offerAll(g, ids, Namer{})
		for _, other := range all {
			if slices.Equal(other, incumbents(g)) {
				t.Errorf("%+v samples like another group", cfg)
			}
		}
		all = append(all, incumbents(g))
	}
}

func TestSelfAndNobodyAreNeverFed(t *testing.T) {
	g := newTestGroup(t, Config{L2: 4, Self: "self"})
	for _, id := range []peer.ID{"self", ""} {
		g.Offer(id, Namer{}, true)
		g.Offer(id, Namer{}, false)
		g.Confirm(id)
		g.Refuse(id)
		if g.Clear(id) != 0 || g.Holds(id) != 0 || g.Seated(id) || g.Decided(id) {
			t.Errorf("%q got in", id)
		}
	}
	if got := g.Members(); len(got) != 0 {
		t.Errorf("the members are %v", got)
	}
	if g.EndRound(); g.Slots()[0].Age != 0 {
		t.Errorf("self made the slots older")
	}
}

func TestHoldsMembersAndLenAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newTestGroup(t, Config{L2: rapid.IntRange(1, 12).Draw(t, "l2"), Rekey: rapid.Bool().Draw(t, "rekey")})
		r := stattest.Rand(rapid.Uint64().Draw(t, "seed"))
		for i, step := range rapid.SliceOfN(rapid.IntRange(0, 299), 1, 200).Draw(t, "steps") {
			churn(g, i, step, r)
			g.Members() // is kept, and must be seen to have changed
		}
		if g.Len() != len(g.Slots()) {
			t.Fatalf("Len %d, %d slots", g.Len(), len(g.Slots()))
		}
		counts := map[peer.ID]int{}
		var order []peer.ID
		for i, s := range g.Slots() {
			if s.ID == "" {
				continue
			}
			if counts[s.ID]++; counts[s.ID] == 1 {
				order = append(order, s.ID)
			}
			if want := at(g, s.ID, g.slots[i].position); s.Hash != want {
				t.Fatalf("slot %d says its hash is %x, it is %x", i, s.Hash, want)
			}
		}
		if !slices.Equal(order, g.Members()) {
			t.Fatalf("members %v, in slot order %v", g.Members(), order)
		}
		for id, n := range counts {
			if g.Holds(id) != n {
				t.Fatalf("%s holds %d slots, Holds says %d", id, n, g.Holds(id))
			}
		}
		for k, i := range g.byBorn {
			if k > 0 && g.slots[g.byBorn[k-1]].born > g.slots[i].born {
				t.Fatalf("slots to feed are no longer a suffix: %v", g.byBorn)
			}
			if s := g.slots[i]; s.place != k || g.at[k] != s.position || g.bars[k] != s.bar() {
				t.Fatalf("slot %d is %+v, its place in line says %d, %x", i, s, g.at[k], g.bars[k])
			}
		}
	})
}

func TestConfigValidate(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string // "" for valid
	}{
		{Config{L2: 1}, ""},
		{Config{L2: MaxL2, Hash: Farm, Maturity: 7, FilterSize: 1}, ""},
		{Config{}, "l2=0 must be between 1 and 4096"},
		{Config{L2: MaxL2 + 1}, "l2=4097 must be between 1 and 4096"},
		{Config{L2: 1, Maturity: -1}, "maturity=-1 must not be negative"},
		{Config{L2: 1, FilterSize: -2}, "filter size=-2 must not be negative"},
		{Config{L2: 1, Hash: "md5"}, `hash="md5" must be one of [aes sip sha256 farm]`},
	} {
		err := c.cfg.Validate()
		if c.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.cfg, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
		if _, err := NewGroup(c.cfg); err == nil {
			t.Errorf("NewGroup took %+v", c.cfg)
		}
	}
}

// constant is a hash under which all ids tie.
type constant struct{}

func (constant) Sum(out []uint64, _ peer.ID, _ Digest, at []uint64) {
	for i := range at {
		out[i] = 5
	}
}

// TestTiesGoToTheLesserID, or the slots would depend on the order of the stream.
func TestTiesGoToTheLesserID(t *testing.T) {
	for _, order := range [][]peer.ID{{"a", "b", "c"}, {"c", "b", "a"}, {"b", "a", "c"}} {
		g := newTestGroup(t, Config{L2: 3, Direct: true})
		g.hash = constant{}
		if offerAll(g, order, Namer{}); g.Holds("a") != 3 {
			t.Errorf("offered %q, the slots hold %q", order, incumbents(g))
		}
	}
}

func TestWhatIsKnownCountsAsFed(t *testing.T) {
	g := newTestGroup(t, Config{L2: 3, Direct: true})
	if g.Decided("a") {
		t.Error("a new id is decided")
	}
	if g.EndRound(); g.Slots()[0].Age != 0 {
		t.Error("asking about a new id made the slots older")
	}
	g.Offer("a", Namer{}, false)
	g.EndRound()
	if !g.Decided("a") {
		t.Fatal("an id that was fed is not decided")
	}
	asked := false
	g.Feed([]peer.ID{"a", "", "a"}, Namer{}, func(peer.ID) Verdict { asked = true; return Refused })
	if g.EndRound(); g.Slots()[0].Age != 2 || asked {
		t.Error("a round that brought known ids only did not make the slots older, or somebody was asked about them")
	}
	winner, loser := split(g)
	g.Feed([]peer.ID{winner}, Namer{}, func(peer.ID) Verdict { return Refused })
	if g.EndRound(); g.Slots()[0].Age != 2 || g.Decided(winner) {
		t.Error("a refused id counts as fed")
	}
	g.Feed([]peer.ID{loser}, Namer{}, func(peer.ID) Verdict { asked = true; return Refused })
	if g.EndRound(); g.Slots()[0].Age != 3 || !g.Decided(loser) || asked {
		t.Error("an id that cannot win is not decided, or somebody was asked about it")
	}
	if g.Clear("a"); g.Decided("a") {
		t.Error("cleared slots have not decided")
	}
}

// split returns an id that would win a slot of g and one that would not.
func split(g *Group) (winner, loser peer.ID) {
	for i := 0; winner == "" || loser == ""; i++ {
		id := testID(i)
		wins := false
		for k, h := range g.Hashes(nil, id) {
			wins = wins || h < g.Slot(k).Hash
		}
		if wins {
			winner = id
		} else {
			loser = id
		}
	}
	return winner, loser
}

// TestFeedIsOfferInOrder feeds more ids than a batch holds, with repeats and each verdict, and compares with offers one by
// one.
func TestFeedIsOfferInOrder(t *testing.T) {
	one, all := newTestGroup(t, Config{L2: 20}), newTestGroup(t, Config{L2: 20})
	var ids []peer.ID
	for i := range 5 * batch {
		ids = append(ids, peer.ID(fmt.Sprintf("peer-%d", i*i%(2*batch+1))))
	}
	verdict := func(id peer.ID) Verdict { return Verdict(id[len(id)-1] % 3) }
	all.Feed(ids, Namer{ID: "n"}, verdict)
	for _, id := range ids {
		if v := verdict(id); v != Refused {
			one.Offer(id, Namer{ID: "n"}, v == Trusted)
		}
	}
	if !slices.Equal(one.Slots(), all.Slots()) || !slices.Equal(one.Seats(), all.Seats()) || len(all.Members()) == 0 {
		t.Errorf("fed together %v %v, one by one %v %v", all.Slots(), all.Seats(), one.Slots(), one.Seats())
	}
}
