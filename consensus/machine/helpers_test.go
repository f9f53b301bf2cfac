package machine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

func testRand(seed uint64) *rand.Rand {
	var s [32]byte
	binary.LittleEndian.PutUint64(s[:], seed)
	return rand.New(rand.NewChaCha8(s))
}

// small has polls of 4 with a quorum of 3, which three in a row decide.
func small() Params {
	return Params{K: 4, Alpha: 3, Beta: 3, Adopt: 2, Drift: 4, Hold: 2, Window: 2, MinPeers: 4, Stall: 20}
}

var four = []peer.ID{"a", "b", "c", "d"}

func item(epoch uint64, origin peer.ID, word string) Item {
	return Item{Epoch: epoch, Origin: origin, Payload: []byte(word)}
}

// A rig drives one machine by hand.
type rig struct {
	testing.TB
	m   *Machine
	age uint64
	now uint64 // epoch
}

func newRig(t testing.TB, p Params) *rig {
	t.Helper()
	m, err := New(p, testRand(1))
	if err != nil {
		t.Fatal(err)
	}
	return &rig{TB: t, m: m, now: 7}
}

// tick opens the next round and returns its actions.
func (r *rig) tick() Actions {
	r.Helper()
	a := r.m.Tick(Clock{Epoch: r.now, Age: r.age})
	r.age++
	return a
}

// ask opens the poll of the round with four peers.
func (r *rig) ask(a Actions) Poll {
	r.Helper()
	if len(a.Polls) == 0 {
		r.Fatal("no poll in this round")
	}
	p := a.Polls[len(a.Polls)-1]
	if _, err := r.m.Ask(p.Epoch, four); err != nil {
		r.Fatal(err)
	}
	return p
}

// round ticks, and has each of four peers give its answer; nil: none.
func (r *rig) round(answers ...*Answer) Actions {
	r.Helper()
	a := r.tick()
	p := r.ask(a)
	for i, ans := range answers {
		if ans == nil {
			continue
		}
		ans := *ans
		ans.Epoch = p.Epoch
		if err := r.m.HandleAnswer(four[i], p.Nonce, ans); err != nil {
			r.Fatal(err)
		}
	}
	return a
}

// pastWindow proposes the items and runs to the last round of the window.
func (r *rig) pastWindow(items ...Item) {
	r.Helper()
	r.tick()
	for _, it := range items {
		if err := r.m.Propose(it); err != nil {
			r.Fatal(err)
		}
	}
	for r.age < uint64(r.m.p.Window) {
		r.round()
	}
	r.round() // its poll is the first that counts, and nobody has answered it yet
}

func ans(closed bool, votes ...Vote) *Answer {
	slices.SortFunc(votes, func(a, b Vote) int { return a.ID.compare(b.ID) })
	return &Answer{Closed: closed, In: votes}
}

func in(items ...Item) *Answer {
	var v []Vote
	for _, it := range items {
		v = append(v, Vote{ID: it.ID()})
	}
	return ans(false, v...)
}

func (r *rig) want(it Item, c Colour, decided bool) {
	r.Helper()
	if gotC, gotD := r.m.Outcome(it.Epoch, it.ID()); gotC != c || gotD != decided {
		r.Fatalf("%s is %v, decided %v; want %v, %v", it.Payload, gotC, gotD, c, decided)
	}
}

func (r *rig) status() Status {
	s := r.m.Status()
	return s[len(s)-1]
}

func times(n int, f func()) {
	for range n {
		f()
	}
}

func words(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint("w", i))
	}
	return out
}
