package protocol

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// banked returns parameters for views and samples of l slots with a bank of size slots that are mature at once.
func banked(l, size int) Params {
	return with(quiet(l), func(p *Params) { p.Bank, p.BankMaturity = size, 0 })
}

func keysOf(picks []Pick) (keys []uint64) {
	for _, p := range picks {
		keys = append(keys, p.Key)
	}
	return keys
}

func idsOf(picks []Pick) (ids []peer.ID) {
	for _, p := range picks {
		ids = append(ids, p.ID)
	}
	return ids
}

// TestPicksAreHandedOutOnce: a pick that was spent does not come back, and its slot has another one when it is mature anew.
func TestPicksAreHandedOutOnce(t *testing.T) {
	ids := names("p", 12)
	n := newNode(t, with(banked(20, 6), func(p *Params) { p.BankMaturity = 3 }), ids...)
	for range 8 {
		exchange(t, n, n.Tick(), everyone, ids...)
	}
	first := n.Picks()
	if len(first) != 6 || n.Status().BankPicks != 6 || n.Status().BankSlots != 6 || n.Status().BankFilled != 6 {
		t.Fatalf("%d picks, status %+v", len(first), n.Status())
	}
	if !slices.Equal(keysOf(first), keysOf(n.Picks())) {
		t.Error("asking changes the picks")
	}
	n.Spend(keysOf(first[:2])...)
	if got := keysOf(n.Picks()); !slices.Equal(got, keysOf(first[2:])) {
		t.Errorf("after two of %v were spent: %v", keysOf(first), got)
	}
	for round := range 6 {
		exchange(t, n, n.Tick(), everyone, ids...)
		want := 4
		if round >= 3 {
			want = 6
		}
		if got := n.Picks(); round != 2 && len(got) != want { // in the third round they are just mature or not
			t.Errorf("%d picks %d rounds after two of six were spent, want %d", len(got), round+1, want)
		}
	}
	for _, p := range n.Picks()[:2] {
		if slices.Contains(keysOf(first), p.Key) {
			t.Errorf("key %d is back", p.Key)
		}
	}
}

// TestPicksAreAlive: nobody is handed out who missed, or whose last answer is long ago, and the dead and the leavers give
// their slots back.
func TestPicksAreAlive(t *testing.T) {
	ids := names("p", 12)
	start := func() *Node {
		n := newNode(t, banked(20, 8), ids...)
		for range 4 {
			exchange(t, n, n.Tick(), everyone, ids...)
		}
		return n
	}
	t.Run("missed", func(t *testing.T) {
		n := start()
		gone := n.Picks()[0].ID
		n.HandleProbeResult(gone, Missed)
		if slices.Contains(idsOf(n.Picks()), gone) {
			t.Error("a suspect is handed out")
		}
		n.HandleProbeResult(gone, Alive)
		if !slices.Contains(idsOf(n.Picks()), gone) {
			t.Error("a suspect that answered is not handed out")
		}
	})
	t.Run("left", func(t *testing.T) {
		n := start()
		gone := n.Picks()[0].ID
		n.HandleProbeResult(gone, Leaving)
		n.Tick()
		if n.bank.Holds(gone) > 0 || slices.Contains(n.InUse(), gone) {
			t.Error("a leaver is in the bank")
		}
		if n.bank.Filled() != 8 {
			t.Errorf("%d of 8 slots are filled: those that answered were not offered again", n.bank.Filled())
		}
	})
	t.Run("died", func(t *testing.T) {
		n := start()
		gone := n.Picks()[0].ID
		for range 2 {
			n.HandleProbeResult(gone, Missed)
			for _, id := range ids {
				if id != gone {
					n.HandleProbeResult(id, Alive)
				}
			}
			n.Tick()
		}
		if n.bank.Holds(gone) > 0 || n.sample.Holds(gone) > 0 {
			t.Error("a dead id is in bank or sample")
		}
	})
	t.Run("not heard of", func(t *testing.T) {
		n := start()
		for range lately + 2 {
			n.Tick() // probes are ordered, and bring no evidence of anything
		}
		if got := n.Picks(); len(got) != 0 || n.bank.Filled() != 8 {
			t.Errorf("%d picks though nobody answered for %d rounds, %d of 8 slots filled", len(got), lately+2, n.bank.Filled())
		}
	})
}

// TestPicksStayChecked: of a bank that nobody takes from, every id is asked again before it is too old to be handed out.
func TestPicksStayChecked(t *testing.T) {
	const slots, nodes, from, to = 40, 150, 30, 55
	net := newTestNet(nodes, 0, with(Hardened(40), func(p *Params) { p.Bank, p.BankMaturity = slots, 10 }), 3)
	probes := 0
	for round := range to {
		net.round()
		if round < from {
			continue
		}
		for _, id := range net.ids {
			n := net.nodes[id]
			if got := n.Status().BankPicks; got < slots-2 {
				t.Fatalf("round %d: %d of %d slots have somebody to hand out", round, got, slots)
			}
			probes += n.Status().BankProbes
		}
	}
	mean := float64(probes) / ((to - from) * nodes)
	t.Logf("an idle bank of %d slots costs %.2f probes a round", slots, mean)
	if mean > slots/(lately-2) {
		t.Errorf("want %d at most", slots/(lately-2))
	}
}

// TestBankTakesNothingFromTheSample: whatever the stream brings, a round orders the sample's probes as without a bank, and
// those for the bank come after them and within their budget.
func TestBankTakesNothingFromTheSample(t *testing.T) {
	const size = 60
	for seed := range uint64(50) {
		var plans [2]Actions
		var nodes [2]*Node
		for i, slots := range []int{0, size} {
			n := newSeededNode(t, seed, banked(20, slots), names("p", 30)...)
			for k := range 10 {
				push(n, peer.ID(fmt.Sprintf("pusher%02d", k)))
			}
			for k := range 40 { // phantoms, more than the budgets
				n.offer(names(fmt.Sprintf("phantom-%d-%d-", seed, k), 5), namerOf(peer.ID(fmt.Sprintf("liar%02d", k))))
			}
			nodes[i], plans[i] = n, n.Tick()
		}
		without, with := plans[0].Probes, plans[1].Probes
		if len(without) == 0 || len(with) < len(without) || !slices.Equal(with[:len(without)], without) {
			t.Fatalf("seed %d: probes %q with a bank do not begin with %q", seed, with, without)
		}
		more, p := len(with)-len(without), nodes[1].p
		if more != nodes[1].Status().BankProbes || more > p.bankProbes() || more == 0 {
			t.Errorf("seed %d: %d probes for the bank, status says %d, budget %d", seed, more, nodes[1].Status().BankProbes, p.bankProbes())
		}
		if len(with) > p.MaxProbes()+maxAppeals {
			t.Errorf("seed %d: %d probes, at most %d", seed, len(with), p.MaxProbes()+maxAppeals)
		}
	}
}

// TestBankBudget: half of it is for those who hold slots, whatever the challengers.
func TestBankBudget(t *testing.T) {
	ids := names("p", 30)
	n := newNode(t, with(banked(4, 30), func(p *Params) { p.BankProbes = 6 }), ids...)
	verify(n, ids...)
	n.Tick()
	for range lately {
		n.Tick()
	}
	held := n.bank.Members()
	for k := range 40 {
		n.offer(names(fmt.Sprintf("phantom%d-", k), 50), namerOf(peer.ID(fmt.Sprintf("liar%02d", k))))
	}
	a := n.Tick()
	probes := a.Probes[len(a.Probes)-n.Status().BankProbes:]
	if got := countIn(probes, func(id peer.ID) bool { return slices.Contains(held, id) }); len(probes) != 6 || got < 3 {
		t.Errorf("%d probes for the bank, %d of them of those who hold slots; want 6, and 3 at least: %q", len(probes), got, probes)
	}
}

// TestNoBank: without one there is nothing to hand out, and spending is no offence.
func TestNoBank(t *testing.T) {
	n := newNode(t, Hardened(20), names("p", 5)...)
	n.Tick()
	n.Spend(1, 2, 3)
	if n.Picks() != nil || n.bank != nil || n.Status().BankSlots != 0 || n.p.bankProbes() != 0 {
		t.Errorf("picks %v, status %+v", n.Picks(), n.Status())
	}
}

// TestDiversityOfTheBank: as great a part of its slots ranks by prefix as of the sample's.
func TestDiversityOfTheBank(t *testing.T) {
	p := with(Hardened(40), func(p *Params) { p.Bank = 16 })
	n, err := NewAt(self, p, names("p", 9), testRand(1), func(id peer.ID) Prefix { return Prefix{Coarse: "c", Fine: string(id)} })
	if err != nil {
		t.Fatal(err)
	}
	diverse := 0
	for _, s := range n.bank.Slots() {
		if s.Diverse {
			diverse++
		}
	}
	if diverse != 4 {
		t.Errorf("%d of 16 slots are diverse, want a quarter", diverse)
	}
}
