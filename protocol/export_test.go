package protocol

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

func restored(t stattest.TB, s State, p Params, seed uint64, bootstrap ...peer.ID) *Node {
	t.Helper()
	n, err := Restore(s, p, bootstrap, testRand(seed), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return n
}

// held returns who holds which slot by which key.
func held(n *Node) []Sampled {
	slots := n.Slots()
	for i := range slots {
		slots[i].Waiting, slots[i].Proven = false, false
	}
	return slots
}

// lived returns a node of a network that has run for a while.
func lived(t *testing.T, p Params) *Node {
	t.Helper()
	net := newTestNet(60, .2, p, 5)
	for range 50 {
		net.round()
	}
	return net.nodes[net.ids[0]]
}

// TestRestoredNodeSamplesTheSame under both presets: its sample has the same ids under the same keys, and goes on to the
// same for the same stream of ids.
func TestRestoredNodeSamplesTheSame(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := lived(t, p)
		s := n.Export()
		r := restored(t, s, p, 77)
		if got, want := held(r), held(n); !slices.Equal(got, want) {
			t.Fatalf("slots\n%+v\nwant\n%+v", got, want)
		}
		again := r.Export()
		again.Round = s.Round
		slices.Sort(again.View)
		slices.Sort(s.View)
		if !reflect.DeepEqual(again, s) {
			t.Errorf("exported again\n%+v\nwant\n%+v", again, s)
		}
		verify(r, slices.Clone(r.sample.Members())...)
		quietRounds := 0
		for round := 0; quietRounds < 3; round++ {
			if round == 200 {
				t.Fatal("no end after 200 rounds")
			}
			before := append(held(n), held(r)...)
			for _, node := range []*Node{n, r} {
				for i := 1; i < 80; i++ { // with ids that are new to both
					node.HandlePush(testID(i))
				}
				a := node.Tick()
				exchange(t, node, a, everyone)
			}
			if quietRounds++; !sameHolders(before, append(held(n), held(r)...)) {
				quietRounds = 0
			}
		}
		if got, want := held(r), held(n); !sameHolders(got, want) {
			t.Errorf("went on to\n%+v\nwant\n%+v", got, want)
		}
	})
}

// TestRestoredNodeKeepsTheSizeItHasComeTo: sizes that follow the network do so over a restart, else the slots that a node has
// grown would be gone with it. Fixed sizes are those of the parameters.
func TestRestoredNodeKeepsTheSizeItHasComeTo(t *testing.T) {
	p := Hardened(40)
	n := lived(t, p)
	fixed := p
	n.base.AdaptMin, n.base.AdaptMax = 40, 80
	p = n.base
	n.resize(60)
	for range 5 {
		exchange(t, n, n.Tick(), everyone)
	}
	r := restored(t, n.Export(), p, 3)
	if got := r.Params(); got.L2 != 60 || got.Probes != p.Resized(60).Probes || !slices.Equal(held(r), held(n)) {
		t.Errorf("l2=%d, probes=%d, slots\n%+v\nwant\n%+v", got.L2, got.Probes, held(r), held(n))
	}
	if r.resize(40); r.Params() != p {
		t.Errorf("back at its first size it has %+v, want %+v", r.Params(), p)
	}
	p.AdaptMax = 50
	if got := restored(t, n.Export(), p, 3).Params().L2; got != 50 {
		t.Errorf("l2=%d, want the bound of 50", got)
	}
	if got := restored(t, n.Export(), fixed, 3).Params().L2; got != 40 {
		t.Errorf("l2=%d, want the fixed 40", got)
	}
	p.AdaptMax, p.KeepSample = 80, true // the sample stays with what p says, the view goes on
	if got, had := restored(t, n.Export(), p, 3).Params(), len(n.Export().View); got.L1 != min(max(had, 40), 80) || got.L1 == 40 || got.L2 != 40 {
		t.Errorf("l1=%d after a view of %d, l2=%d, want 40", got.L1, had, got.L2)
	}
}

func sameHolders(a, b []Sampled) bool {
	return slices.EqualFunc(a, b, func(x, y Sampled) bool { return x.ID == y.ID && x.Key == y.Key && x.Hash == y.Hash })
}

// TestRestoredSampleIsProbedFirst: nobody counts before he answered, all are asked within wakeRounds, and who answers counts at
// once.
func TestRestoredSampleIsProbedFirst(t *testing.T) {
	p := Hardened(40)
	net := newTestNet(200, 0, p, 6)
	for range 40 {
		net.round()
	}
	old := net.nodes[net.ids[0]]
	n := restored(t, old.Export(), p, 1)
	members := slices.Clone(n.sample.Members())
	if s := n.Status(); s.Waiting != len(members) || s.SampleFilled != 40 {
		t.Errorf("status before the first round: %+v", s)
	}
	silent := members[:3]
	asked := map[peer.ID]bool{}
	for round := range wakeRounds {
		a := n.Tick()
		if s := n.Status(); round == 0 && (s.Waiting != len(members) || !s.Young || s.SampleMature != 0) {
			t.Errorf("status of the first round: %+v", s)
		}
		for _, ids := range [][]peer.ID{a.Pushes, a.Pulls, a.Probes} {
			for _, id := range ids {
				asked[id] = true
			}
		}
		for _, x := range n.Sample() {
			if n.sample.Waits(x) {
				t.Fatalf("%s counts and has not answered", x)
			}
		}
		exchange(t, n, a, func(id peer.ID) bool { return !slices.Contains(silent, id) })
	}
	for _, id := range members {
		if !asked[id] {
			t.Errorf("%s was not asked in %d rounds", id, wakeRounds)
		}
		if counts := slices.Contains(n.Sample(), id); counts == slices.Contains(silent, id) {
			t.Errorf("%s counts: %v", id, counts)
		}
	}
	n.Tick()
	if s := n.Status(); s.Young || s.SampleMature == 0 {
		t.Errorf("the sample is young although it is an old one: %+v", s)
	}
}

// TestWhoWaitsTakesNoSecondSlot: a slot that a departure clears is not given to a restored id on the word of an earlier life.
func TestWhoWaitsTakesNoSecondSlot(t *testing.T) {
	p := Hardened(20)
	n := restored(t, lived(t, p).Export(), p, 1)
	gone := n.sample.Members()[0]
	slots := n.sample.Holds(gone)
	n.HandleProbeResult(gone, Leaving)
	n.Tick()
	if got := n.Filled(); got != 20-slots {
		t.Fatalf("%d slots are filled, want %d: nobody has answered", got, 20-slots)
	}
	for range wakeRounds + 2 {
		exchange(t, n, n.Tick(), everyone)
	}
	if n.Filled() != 20 {
		t.Errorf("%d slots are filled after all have answered", n.Filled())
	}
}

// TestRestoredSampleSurvivesABrokenUplink: while nobody answers nobody dies, however long that lasts, and the sample is
// there when the uplink is.
func TestRestoredSampleSurvivesABrokenUplink(t *testing.T) {
	p := Hardened(20)
	old := lived(t, p)
	n := restored(t, old.Export(), p, 1)
	for range 100 {
		exchange(t, n, n.Tick(), nobody)
		if len(n.Sample()) > 0 {
			t.Fatalf("somebody counts although nobody answered: %v", n.Sample())
		}
	}
	if got, want := held(n), held(old); !sameHolders(got, want) {
		t.Fatalf("nobody answered, and the slots became\n%+v\nof\n%+v", got, want)
	}
	for range wakeRounds + 2 {
		exchange(t, n, n.Tick(), everyone)
	}
	if got, want := len(n.Sample()), len(old.Sample()); got != want || n.Status().Waiting != 0 {
		t.Errorf("%d slots count, want %d; %d ids wait", got, want, n.Status().Waiting)
	}
}

// TestOneMissAfterTheStartKillsNobody: half of the sample misses once. Without self-doubt and with one miss enough it would
// die: the negative control.
func TestOneMissAfterTheStartKillsNobody(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Params
		dies bool
	}{
		{"hardened", Hardened(20), false},
		{"one miss is death, and nobody doubts", with(Hardened(20), func(p *Params) { p.Misses, p.DoubtRounds, p.MaxDeaths = 1, 0, 20 }), true},
	} {
		old := lived(t, Hardened(20))
		n := restored(t, old.Export(), c.p, 1)
		members := slices.Clone(n.sample.Members())
		missed := map[peer.ID]bool{}
		for range wakeRounds + 8 {
			exchange(t, n, n.Tick(), func(id peer.ID) bool {
				if i := slices.Index(members, id); i >= 0 && i%2 == 0 && !missed[id] {
					missed[id] = true
					return false
				}
				return true
			})
		}
		if alive := sameHolders(held(n), held(old)); alive == c.dies {
			t.Errorf("%s: the sample is the old one: %v", c.name, alive)
		}
	}
}

// TestRestoredNodeIsAlone until somebody answers: its seeds are tried, and its stored peers too.
func TestRestoredNodeIsAlone(t *testing.T) {
	p := with(Hardened(20), func(p *Params) { p.AloneWait = 1 })
	n := restored(t, lived(t, p).Export(), p, 1, "seed")
	asked := map[peer.ID]bool{}
	for range len(n.life.met.ids)/(maxSeedsAtOnce-1) + 1 { // the seed has a place in each try
		a := n.Tick()
		if a.Outcome != Alone {
			t.Fatalf("outcome %v although nobody has answered", a.Outcome)
		}
		for _, id := range a.Pulls {
			asked[id] = true
		}
		exchange(t, n, a, nobody)
	}
	for _, id := range append([]peer.ID{"seed"}, n.life.met.ids...) {
		if !asked[id] {
			t.Errorf("%s was not tried in a turn of all", id)
		}
	}
	exchange(t, n, n.Tick(), everyone)
	if a := n.Tick(); a.Outcome == Alone {
		t.Error("alone although peers answered")
	}
}

// poisoned runs n for rounds in which it hears of faulty ids only: a flood of pushes, and pull answers that name them.
// Everybody answers probes, correct or not. It returns the share of faulty ids in the sample.
func poisoned(t *testing.T, n *Node, faulty []peer.ID, rounds int) float64 {
	t.Helper()
	bad := map[peer.ID]bool{}
	for _, id := range faulty {
		bad[id] = true
	}
	rng := testRand(99)
	for range rounds {
		a := n.Tick()
		for _, id := range faulty {
			n.HandlePush(id)
		}
		for _, id := range a.Pulls {
			var ids []peer.ID
			for range 40 {
				ids = append(ids, faulty[rng.IntN(len(faulty))])
			}
			answer(t, n, id, ids...)
		}
		for _, ids := range [][]peer.ID{a.Pushes, a.Pulls, a.Probes} {
			verify(n, ids...)
		}
	}
	sample := n.Sample()
	return float64(countIn(sample, func(id peer.ID) bool { return bad[id] })) / float64(len(sample))
}

// TestRestoredSampleOutlastsAPoisonedBootstrap: a node that comes back and hears of nobody but faulty peers keeps the share of
// faulty ids that it had. The negative control is the same node without its state.
func TestRestoredSampleOutlastsAPoisonedBootstrap(t *testing.T) {
	p := Hardened(40)
	net := newTestNet(300, .2, p, 8)
	for range 60 {
		net.round()
	}
	id := net.ids[0]
	old := net.nodes[id]
	before := float64(countIn(old.Sample(), func(x peer.ID) bool { return net.bad[x] })) / float64(len(old.Sample()))
	if before > .4 {
		t.Fatalf("the sample was %.2f faulty before: the test shows nothing", before)
	}
	after := poisoned(t, restored(t, old.Export(), p, 3, net.faulty[:20]...), net.faulty, 60)
	if after != before {
		t.Errorf("the restored sample was %.3f faulty and is %.3f", before, after)
	}
	fresh, err := New(id, p, net.faulty[:20], testRand(3))
	if err != nil {
		t.Fatal(err)
	}
	if without := poisoned(t, fresh, net.faulty, 60); without != 1 {
		t.Errorf("without its state the node is %.3f faulty, want 1", without)
	}
	t.Logf("sample faulty: %.3f before, %.3f after the poisoned start, 1 without the state", before, after)
}

// TestTombstonesAreRestored, the time that they have left and the order in which they give way.
func TestTombstonesAreRestored(t *testing.T) {
	p := quiet(20)
	n := newNode(t, p)
	n.round = 10
	n.life.once.bury("a", 10, 50, true)
	n.life.once.bury("b", 10, 60, true)
	n.life.once.remove("a")
	n.life.once.bury("a", 10, 70, true) // its second burial counts
	n.life.never.bury("c", 10, 80, true)
	n.life.never.appeal("c", 12)
	n.round = 20
	s := n.Export()
	want := []Tomb{{ID: "b", Left: 50, Wait: 60, AppealWait: 4}, {ID: "a", Left: 60, Wait: 70, AppealWait: 4}}
	if !slices.Equal(s.Once, want) || !slices.Equal(s.Never, []Tomb{{ID: "c", Left: 70, Wait: 80, AppealWait: 8}}) {
		t.Fatalf("exported %+v and %+v", s.Once, s.Never)
	}
	r := restored(t, s, p, 1)
	for _, id := range []peer.ID{"a", "b", "c"} {
		if !r.refuses(id) {
			t.Errorf("%s is not refused", id)
		}
	}
	if r.life.buried("b", 50) || !r.life.buried("b", 49) {
		t.Error("b is not refused for 50 rounds")
	}
	s.Rest(55) // rounds in which the node did not run
	r = restored(t, s, p, 1)
	if r.refuses("b") || !r.refuses("a") || !r.life.buried("a", 4) || r.life.buried("a", 5) || !r.life.once.known("b") {
		t.Errorf("after a rest of 55 rounds: %+v", r.life.once.tombs)
	}
	// A full table forgets the oldest first, as it would have.
	for i := range tombSize {
		n.life.once.bury(testID(i), 20, 5, false)
	}
	s = n.Export()
	r = restored(t, s, p, 1)
	r.life.once.bury("new", 0, 5, false)
	if len(s.Once) != tombSize || r.life.once.known(s.Once[0].ID) || !r.life.once.known(s.Once[1].ID) {
		t.Errorf("%d tombstones, the oldest is known: %v", len(s.Once), r.life.once.known(s.Once[0].ID))
	}
	if again := r.Export().Once; !slices.Equal(again[:tombSize-1], s.Once[1:]) {
		t.Error("the order changed")
	}
}

// TestStateOfAnotherLength: parameters may change between two lives.
func TestStateOfAnotherLength(t *testing.T) {
	s := lived(t, Hardened(20)).Export()
	for _, l := range []int{3, 10, 40} {
		n := restored(t, s, Hardened(l), 1, "seed")
		for range 5 {
			exchange(t, n, n.Tick(), everyone)
		}
		if v := n.View(); len(v) > l || len(n.Slots()) != l || len(n.Sample()) == 0 {
			t.Errorf("l=%d: view of %d, %d slots, %d count", l, len(v), len(n.Slots()), len(n.Sample()))
		}
	}
}

func TestWrongState(t *testing.T) {
	p := Hardened(20)
	n := lived(t, p)
	for want, change := range map[string]func(*State){
		"its hash is not that":                   func(s *State) { s.Self = "another" },
		"view: 257 ids, at most 256":             func(s *State) { s.View = make([]peer.ID, MaxL1+1) },
		"view: it holds an empty id or":          func(s *State) { s.View[0] = "" },
		"view: it holds an empty id or the node": func(s *State) { s.View[0] = s.Self },
		"met: 257 ids, at most 256":              func(s *State) { s.Met = names("m", metSize+1) },
		"met: it holds an empty id, the":         func(s *State) { s.Met[1] = s.Met[0] },
		"once: a tombstone of more than 1048576": func(s *State) { s.Once = []Tomb{{ID: "x", AppealIn: maxRounds + 1}} },
		"never: it holds an empty id, the":       func(s *State) { s.Never = []Tomb{{}} },
		"never: 4097 ids, at most 4096":          func(s *State) { s.Never = make([]Tomb, tombSize+1) },
	} {
		s := n.Export()
		change(&s)
		if _, err := Restore(s, p, nil, testRand(1), nil); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for name, err := range map[string]error{
		"no self":   second(Restore(State{}, p, nil, testRand(1), nil)),
		"no rng":    second(Restore(n.Export(), p, nil, nil, nil)),
		"no params": second(Restore(n.Export(), Params{}, nil, testRand(1), nil)),
	} {
		if err == nil || errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ *Node, err error) error { return err }
