package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// somewhere is a driver's knowledge of where ids are.
type somewhere map[peer.ID]Prefix

func (s somewhere) of(id peer.ID) Prefix { return s[id] }

func newNodeAt(t stattest.TB, p Params, where somewhere, bootstrap ...peer.ID) *Node {
	t.Helper()
	n, err := NewAt(self, p, bootstrap, testRand(1), where.of)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return n
}

// apart puts each id into a prefix of its own, fine and coarse.
func (s somewhere) apart(ids []peer.ID) {
	for _, id := range ids {
		s[id] = Prefix{Coarse: "c" + string(id), Fine: "f" + string(id)}
	}
}

// together puts all ids into one prefix.
func (s somewhere) together(ids []peer.ID, name string) {
	for _, id := range ids {
		s[id] = Prefix{Coarse: "c" + name, Fine: "f" + name}
	}
}

// TestViewCaps: at the cap and one over it, fine and coarse, over pushes and pulls together, with the rest from the sample;
// switched off, and for ids without a prefix, all get in.
func TestViewCaps(t *testing.T) {
	crowd := names("x", 40)
	for _, c := range []struct {
		fine, coarse int
		fines        int // prefixes that the crowd is in, of one coarse one; 0 is nowhere
		want         int // of 8 push and 6 pull slots
	}{
		{0, 0, 1, 14}, {1, 0, 1, 1}, {3, 0, 1, 3}, {13, 0, 1, 13}, {14, 0, 1, 14}, {15, 0, 1, 14},
		{3, 0, 2, 6}, {3, 5, 2, 5}, {0, 5, 40, 5}, {3, 5, 1, 3}, {1, 1, 0, 14},
	} {
		where := somewhere{}
		known := names("s", 20)
		where.apart(known)
		for i, id := range crowd {
			if c.fines > 0 {
				where[id] = Prefix{Coarse: "crowd", Fine: fmt.Sprint("crowd", i%c.fines)}
			}
		}
		n := newNodeAt(t, with(quiet(20), func(p *Params) { p.ViewFine, p.ViewCoarse, p.Threshold = c.fine, c.coarse, 100 }), where, known...)
		verify(n, known...)
		a := n.Tick()
		push(n, crowd...)
		for _, id := range a.Pulls {
			answer(t, n, id, crowd...)
		}
		n.Tick()
		in := countIn(n.View(), func(id peer.ID) bool { return id[0] == 'x' })
		if in != c.want || len(n.View()) != 20 {
			t.Errorf("%+v: %d of the crowd in a view of %d", c, in, len(n.View()))
		}
	}
}

// TestDiverseSlotsOfANode: one operator with many ids in one prefix gets the share of one prefix of the diverse slots, by
// whatever it claims first, and that of its ids of the plain ones.
func TestDiverseSlotsOfANode(t *testing.T) {
	const l = 40
	where, truth := somewhere{}, somewhere{}
	honest, sybils := names("h", 40), names("x", 90)
	where.apart(honest)
	where.apart(sybils) // so they claim
	truth.together(sybils, "operator")
	n := newNodeAt(t, with(quiet(l), func(p *Params) { p.Diverse, p.Challenges = l/2, l }), where)
	all := append(slices.Clone(honest), sybils...)
	a := n.Tick()
	for range 60 {
		push(n, all...)
		for _, ids := range [][]peer.ID{a.Pushes, a.Pulls, a.Probes} {
			for _, id := range ids {
				if p, ok := truth[id]; ok {
					where[id] = p
				}
				n.HandleProbeResult(id, Alive)
			}
		}
		a = n.Tick()
	}
	var faulty, of [2]int
	for _, s := range n.Slots() {
		k := 0
		if s.Diverse {
			k = 1
		}
		of[k]++
		if s.ID[0] == 'x' {
			faulty[k]++
		}
	}
	if of != [2]int{l / 2, l / 2} || faulty[0] < 8 || faulty[1] > 4 {
		t.Errorf("the operator has %d of %d plain slots and %d of %d diverse ones, want about %d and %d",
			faulty[0], of[0], faulty[1], of[1], l/2*90/130, l/2/41)
	}
}

// TestDirectNodesHaveNoDiverseSlots, since nobody confirms what is claimed.
func TestDirectNodesHaveNoDiverseSlots(t *testing.T) {
	where := somewhere{}
	where.together(names("p", 9), "crowd")
	for _, direct := range []bool{false, true} {
		n := newNodeAt(t, with(quiet(20), func(p *Params) { p.Diverse, p.Direct = 20, direct }), where, names("p", 9)...)
		for _, s := range n.Slots() {
			if s.Diverse == direct {
				t.Fatalf("direct: %v, diverse: %v", direct, s.Diverse)
			}
		}
	}
}

// TestAMoveOffersItsSlotsToWhoAnsweredBefore, as a death does: what it cleared had forgotten who lost to it.
func TestAMoveOffersItsSlotsToWhoAnsweredBefore(t *testing.T) {
	const l = 20
	where := somewhere{}
	ids := names("p", 10)
	where.apart(ids)
	// Seeds that answer no pull would be asked again, and not probed.
	n := newNodeAt(t, with(quiet(l), func(p *Params) { p.Diverse, p.Ablate.SeedsInTurn = l, true }), where, ids...)
	n.Tick()
	verify(n, ids...)
	n.Tick()
	for i := range 20 {
		mover := n.Slots()[i%l].ID
		where[mover] = Prefix{Coarse: fmt.Sprint("c", i), Fine: fmt.Sprint("f", i)}
		verify(n, mover)
		verify(n, n.Tick().Probes...) // nobody pushes, nobody answers a pull; who holds no slot is probed for one
		for k, s := range n.Slots() {
			for _, id := range ids {
				if h := n.Hashes(nil, id)[k]; h < s.Hash {
					t.Fatalf("move %d: slot %d holds %s, %s ranks better and answered before", i, k, s.ID, id)
				}
			}
		}
	}
}

// TestWithoutPrefixesNothingChanges: a node whose driver knows no prefixes is the same whatever the parameters ask for.
func TestWithoutPrefixesNothingChanges(t *testing.T) {
	plain := newNode(t, Hardened(20), names("p", 30)...)
	asked := newNode(t, with(Hardened(20), func(p *Params) { p.Diverse, p.ViewFine, p.ViewCoarse = 10, 1, 1 }), names("p", 30)...)
	for round := range 20 {
		for _, n := range []*Node{plain, asked} {
			exchange(t, n, n.Tick(), func(id peer.ID) bool { return id[2] != '3' }, names("p", 25+round)...)
		}
		if !slices.Equal(plain.View(), asked.View()) || !slices.Equal(plain.Slots(), asked.Slots()) {
			t.Fatalf("round %d differs", round)
		}
	}
}
