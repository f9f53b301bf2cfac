package machine

import (
	"errors"
	"reflect"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

var (
	apple = item(7, "p", "apple")
	pear  = item(7, "q", "pear")
)

func TestQuorumsInARowDecideAndClose(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple)
	r.round(in(apple), in(apple), in(apple), in())
	r.round(in(apple), in(apple), in(apple), in())
	r.round(in(apple), in(apple), nil, in(apple))
	r.want(apple, In, false) // two polls are counted, the third is open
	a := r.tick()
	r.want(apple, In, true)
	if !reflect.DeepEqual(a.Closed, []uint64{7}) || len(a.Polls) != 0 || r.status().Phase != Closed {
		t.Fatalf("not closed: %+v %+v", a, r.status())
	}
	if set, ok := r.m.Decided(7); !ok || !reflect.DeepEqual(set, []Item{apple}) {
		t.Fatalf("decided %v, %v", set, ok)
	}
	if ans, ok := r.m.Answer(7); !ok || !ans.Closed || len(ans.In) != 1 || !ans.In[0].Decided {
		t.Fatalf("a node that has closed answers %+v, %v", ans, ok)
	}
	if a := r.tick(); len(a.Polls) != 0 || len(a.Closed) != 0 {
		t.Fatalf("a closed epoch goes on: %+v", a)
	}
}

func TestWhatIsNotListedIsOut(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple, pear)
	times(3, func() { r.round(in(pear), in(pear), in(pear), in(pear)) })
	r.tick()
	r.want(apple, Out, true)
	r.want(pear, In, true)
	if set, _ := r.m.Decided(7); !reflect.DeepEqual(set, []Item{pear}) {
		t.Fatalf("decided %v", set)
	}
}

func TestAPollWithoutQuorumStartsAnew(t *testing.T) {
	for name, broken := range map[string][]*Answer{
		"half": {in(apple), in(apple), in(), in()}, "two answers": {in(apple), in(apple), nil, nil}, "none": {},
	} {
		r := newRig(t, small())
		r.pastWindow(apple)
		yes := func() { r.round(in(apple), in(apple), in(apple), in(apple)) }
		times(2, yes)
		r.round(broken...)
		times(2, yes)
		r.tick()
		if _, decided := r.m.Outcome(7, apple.ID()); decided {
			t.Errorf("%s: decided by polls that were not in a row", name)
		}
	}
}

func TestPreferenceFlipsByConfidence(t *testing.T) {
	p := small()
	p.Drift = 0
	r := newRig(t, p)
	r.pastWindow(apple)
	half := func() { r.round(in(apple), in(apple), in(), in()) }
	no := func() { r.round(in(), in(), in(), in(apple)) }
	for range 2 {
		r.round(in(apple), in(apple), in(apple), in())
		half()
	}
	no()
	half()
	no()
	half()
	r.want(apple, In, false) // two polls each: a tie changes nothing
	no()
	r.tick()
	r.want(apple, Out, false)
}

// Balanced camps: without drift the preference stays whatever happens; with it the item falls, unless it was near to in.
func TestDrift(t *testing.T) {
	half := func(r *rig) { r.round(in(apple), in(apple), in(), in()) }
	yes := func(r *rig) { r.round(in(apple), in(apple), in(apple), in()) }
	for _, c := range []struct {
		name  string
		drift int
		yes   int // quorums for in before
		want  Colour
	}{
		{"falls", 4, 1, Out}, {"held after Hold quorums", 4, 2, In}, {"off", 0, 0, In},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := small()
			p.Drift = c.drift
			r := newRig(t, p)
			r.pastWindow(apple)
			times(c.yes, func() { yes(r) })
			times(4, func() { half(r) })
			r.want(apple, In, false)
			r.tick()
			r.want(apple, c.want, false)
			if c.want == Out { // and one quorum brings it back
				yes(r)
				r.tick()
				r.want(apple, In, false)
			}
		})
	}
}

// A node that gets no answers keeps what it prefers.
func TestSilenceIsNoDrift(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple)
	times(20, func() { r.round(in(), in()) })
	r.tick()
	r.want(apple, In, false)
	if s := r.status(); s.Phase != Stalled || s.Polls <= 20 {
		t.Fatalf("status %+v", s)
	}
}

func TestAnswersAreBound(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple)
	old := r.m.epochs[0].poll.nonce
	a := r.tick()
	p := a.Polls[0]
	yes := *in(apple)
	yes.Epoch = 7
	handle := func(about string, from peer.ID, n Nonce, a Answer, want error) {
		t.Helper()
		if err := r.m.HandleAnswer(from, n, a); !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", about, err, want)
		}
	}
	handle("before anybody was asked", "a", p.Nonce, yes, ErrUnsolicited)
	if _, err := r.m.Ask(7, four); err != nil {
		t.Fatal(err)
	}
	if _, err := r.m.Ask(7, four); !errors.Is(err, ErrEpoch) {
		t.Fatalf("a poll that has its peers took others: %v", err)
	}
	handle("replayed", "a", old, yes, ErrUnsolicited)
	handle("of a stranger", "x", p.Nonce, yes, ErrUnsolicited)
	other := yes
	other.Epoch = 6
	handle("of another epoch", "a", p.Nonce, other, ErrEpoch)
	twice := yes
	twice.In = []Vote{yes.In[0], yes.In[0]}
	handle("ids that repeat", "a", p.Nonce, twice, ErrAnswer)
	long := yes
	long.In = make([]Vote, MaxItems+1)
	handle("too long", "a", p.Nonce, long, ErrAnswer)
	handle("the first", "a", p.Nonce, yes, nil)
	handle("the second", "a", p.Nonce, yes, ErrUnsolicited)
	r.tick()
	handle("after its round", "b", p.Nonce, yes, ErrUnsolicited)
}

func TestItemsSpreadInTheWindow(t *testing.T) {
	r := newRig(t, small())
	r.round(nil, in(apple, pear))
	a := r.tick()
	if len(a.Fetches) != 1 || a.Fetches[0].From != "b" || len(a.Fetches[0].IDs) != 2 {
		t.Fatalf("fetches %+v", a.Fetches)
	}
	if err := r.m.HandleItem("c", apple); !errors.Is(err, ErrUnsolicited) {
		t.Fatalf("an item of another peer: %v", err)
	}
	if err := r.m.HandleItem("b", item(7, "p", "grape")); !errors.Is(err, ErrUnsolicited) {
		t.Fatalf("another item: %v", err)
	}
	if err := r.m.HandleItem("b", apple); err != nil {
		t.Fatal(err)
	}
	if err := r.m.HandleItem("b", apple); !errors.Is(err, ErrUnsolicited) {
		t.Fatalf("twice: %v", err)
	}
	r.want(apple, In, false)
	r.tick() // the window is over
	if err := r.m.HandleItem("b", pear); !errors.Is(err, ErrUnsolicited) {
		t.Fatalf("after its round: %v", err)
	}
	if err := r.m.Propose(item(7, "me", "late")); !errors.Is(err, ErrWindow) {
		t.Fatalf("proposed after the window: %v", err)
	}
	if it, ok := r.m.Item(7, apple.ID()); !ok || !reflect.DeepEqual(it, apple) {
		t.Fatalf("item %v, %v", it, ok)
	}
}

// What only a few list cannot keep an epoch open, what denies the others a quorum must be settled.
func TestOnlyItemsWithSupportAreTakenUpLate(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow()
	times(2, func() { r.round(in(pear), in(), in(), in()) })
	if s := r.status(); s.Quiet != 1 {
		t.Fatalf("one peer's item counts: %+v", s)
	}
	r.round(in(pear), in(pear), in(), in())
	a := r.tick()
	if s := r.status(); s.Quiet != 0 || len(a.Fetches) != 1 {
		t.Fatalf("an item with support is overlooked: %+v %+v", s, a)
	}
	if err := r.m.HandleItem(a.Fetches[0].From, pear); err != nil {
		t.Fatal(err)
	}
	r.want(pear, Out, false)
	r.ask(a)
	times(3, func() { r.round(in(pear), in(pear), in(pear), in()) })
	r.tick()
	r.want(pear, In, true)
	if set, ok := r.m.Decided(7); !ok || len(set) != 1 {
		t.Fatalf("decided %v, %v", set, ok)
	}
}

func TestLatecomer(t *testing.T) {
	closed := ans(true, Vote{ID: apple.ID(), Decided: true})
	r := newRig(t, small())
	r.age = 9
	r.round(closed, closed, closed, in())
	if _, ok := r.m.Answer(7); ok {
		t.Fatal("a newcomer has an opinion")
	}
	a := r.tick()
	if err := r.m.HandleItem(a.Fetches[0].From, apple); err != nil {
		t.Fatal(err)
	}
	p := r.ask(a)
	one := *closed
	one.Epoch = 7
	if err := r.m.HandleAnswer("a", p.Nonce, one); err != nil { // one peer alone
		t.Fatal(err)
	}
	r.tick()
	r.want(apple, Out, false)
	r.ask(Actions{Polls: []Poll{{Epoch: 7}}})
	times(2, func() { r.round(closed, closed, closed, in()) })
	r.tick()
	r.want(apple, In, true)
	if _, ok := r.m.Decided(7); !ok || r.status().Polls >= 6 {
		t.Fatalf("not adopted: %+v", r.status())
	}
	if _, ok := r.m.Answer(7); !ok {
		t.Fatal("a latecomer that has closed says nothing")
	}
}

// Who comes too late to learn in the window what was proposed would vote against all of it: it says nothing. Who comes a round
// earlier speaks.
func TestLastRoundOfTheWindowIsLate(t *testing.T) {
	for window, first := range map[int]uint64{1: 1, 2: 1, 4: 3} {
		p := small()
		p.Window = window
		for age, late := range map[uint64]bool{first - 1: false, first: true} {
			r := newRig(t, p)
			r.age = age
			r.tick()
			if _, speaks := r.m.Answer(7); speaks == late || r.status().Late != late {
				t.Errorf("window %d, first round %d: speaks %v, %+v", window, age, speaks, r.status())
			}
		}
	}
}

func TestFewPeers(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple)
	for range 10 {
		a := r.tick()
		if _, err := r.m.Ask(a.Polls[0].Epoch, four[:3]); !errors.Is(err, ErrTooFew) {
			t.Fatalf("asked three peers: %v", err)
		}
	}
	if s := r.status(); s.Phase != TooFew || s.Decided != 0 {
		t.Fatalf("status %+v", s)
	}
	p := Default()
	for k, want := range map[int]int{20: 15, 19: 15, 10: 8, 5: 4, 4: 3} {
		if got := p.quorum(k); got != want {
			t.Errorf("quorum of %d is %d, want %d", k, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	r := newRig(t, small())
	r.tick()
	for _, w := range words(MaxItemsPerOrigin) {
		if err := r.m.Propose(item(7, "greedy", w)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.m.Propose(item(7, "greedy", "more")); !errors.Is(err, ErrOriginFull) {
		t.Fatalf("too many of an origin: %v", err)
	}
	if err := r.m.Propose(item(7, "greedy", "w0")); err != nil {
		t.Fatalf("again: %v", err)
	}
	for _, w := range words(MaxItems - MaxItemsPerOrigin) {
		if err := r.m.Propose(item(7, peer.ID("origin "+w), w)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.m.Propose(item(7, "another", "more")); !errors.Is(err, ErrFull) {
		t.Fatalf("too many: %v", err)
	}
	if err := r.m.Propose(item(8, "p", "w")); !errors.Is(err, ErrEpoch) {
		t.Fatalf("another epoch: %v", err)
	}
	for _, bad := range []Item{
		{Epoch: 7}, {Epoch: 7, Origin: peer.ID(make([]byte, MaxOrigin+1))},
		{Epoch: 7, Origin: "p", Payload: make([]byte, MaxPayload+1)},
		{Epoch: 7, Origin: "p", Signature: make([]byte, MaxSignature+1)},
	} {
		if err := r.m.Propose(bad); !errors.Is(err, ErrItem) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// A full node makes room for an item with support by dropping one without, and stays open if it has none such.
func TestSupportFindsRoom(t *testing.T) {
	for _, full := range []bool{false, true} {
		p := small()
		p.Beta, p.Adopt, p.Hold = 10, 10, 10
		r := newRig(t, p)
		var held []Item
		for _, w := range words(MaxItems) {
			held = append(held, item(7, peer.ID("origin "+w), w))
		}
		r.pastWindow(held...)
		first := held
		if !full {
			first = held[1:] // held[0] has a quorum for out
		}
		times(2, func() { r.round(in(first...), in(first...), in(first...), in(first...)) })
		both := in(append([]Item{pear}, held[1:]...)...)
		r.round(both, both, both, both)
		a := r.tick()
		if len(a.Fetches) != 1 {
			t.Fatalf("fetches %+v", a.Fetches)
		}
		err := r.m.HandleItem(a.Fetches[0].From, pear)
		_, has := r.m.Item(7, pear.ID())
		if full && (!errors.Is(err, ErrFull) || has || r.status().Phase != Full) {
			t.Errorf("no room: %v, taken %v, %v", err, has, r.status().Phase)
		}
		if !full && (err != nil || !has || r.status().Items != MaxItems || r.status().Phase != Polling) {
			t.Errorf("room to be made: %v, taken %v, %+v", err, has, r.status())
		}
	}
}

// A decision is final: a decided item does not give way.
func TestDecidedItemsStay(t *testing.T) {
	p := small()
	p.Beta, p.Adopt, p.Drift = 2, 2, 0
	r := newRig(t, p)
	var held []Item
	for _, w := range words(MaxItems) {
		held = append(held, item(7, peer.ID("origin "+w), w))
	}
	r.pastWindow(held...)
	most := in(held[1:]...)
	times(2, func() { r.round(most, most, in(), in()) })
	both := in(append([]Item{pear}, held[1:]...)...)
	r.round(both, both, in(), in())
	a := r.tick()
	r.want(held[0], Out, true)
	if len(a.Fetches) != 1 {
		t.Fatalf("fetches %+v", a.Fetches)
	}
	if err := r.m.HandleItem(a.Fetches[0].From, pear); !errors.Is(err, ErrFull) {
		t.Fatalf("taken in place of a decided item: %v", err)
	}
	r.want(held[0], Out, true)
}

func TestEpochs(t *testing.T) {
	r := newRig(t, small())
	for epoch := uint64(7); epoch < 13; epoch++ {
		r.now, r.age = epoch, 0
		a := r.tick()
		if want := min(int(epoch)-6, Epochs); len(a.Polls) != want || len(r.m.epochs) != want {
			t.Fatalf("epoch %d: %d polls, %d kept, want %d", epoch, len(a.Polls), len(r.m.epochs), want)
		}
	}
	if _, ok := r.m.Answer(9); ok {
		t.Fatal("an old epoch is kept")
	}
	r.now, r.age = 3, 0
	if a := r.tick(); len(a.Polls) != Epochs || r.status().Epoch != 12 {
		t.Fatalf("the clock went back: %+v", a)
	}
	r.now, r.age = 100, 50
	if a := r.tick(); len(a.Polls) != 1 || !r.status().Late {
		t.Fatalf("the clock jumped: %+v %+v", a, r.status())
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Default(), nil); err == nil {
		t.Error("no generator")
	}
	for _, change := range []func(*Params){
		func(p *Params) { p.K = 2 }, func(p *Params) { p.Alpha = 10 }, func(p *Params) { p.Alpha = 21 },
		func(p *Params) { p.Beta = 0 }, func(p *Params) { p.Adopt = 21 }, func(p *Params) { p.Drift = -1 },
		func(p *Params) { p.Hold = 0 }, func(p *Params) { p.Window = 0 }, func(p *Params) { p.MinPeers = 2 },
		func(p *Params) { p.Stall = 0 },
	} {
		p := Default()
		change(&p)
		if _, err := New(p, testRand(1)); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}

// TestItems: all items that are held of an epoch, ascending, and none of others; who ranges over them may stop.
func TestItems(t *testing.T) {
	r := newRig(t, small())
	r.pastWindow(apple, pear)
	var ids []ID
	for id, it := range r.m.Items(7) {
		if it.ID() != id || len(ids) > 0 && ids[len(ids)-1].compare(id) >= 0 {
			t.Errorf("%v after %v", id, ids)
		}
		ids = append(ids, id)
	}
	if len(ids) != 2 {
		t.Errorf("%d items", len(ids))
	}
	for range r.m.Items(6) {
		t.Error("an item of an epoch that is not kept")
	}
	for range r.m.Items(7) {
		break
	}
}
