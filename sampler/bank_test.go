package sampler

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

func newTestBank(t stattest.TB, cfg Config) *Bank {
	t.Helper()
	if cfg.Secret == ([32]byte{}) {
		cfg.Secret = [32]byte{1, 2, 3}
	}
	b, err := NewBank(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

// stock feeds a bank with ids that have answered.
func stock(b *Bank, ids []peer.ID) {
	for _, id := range ids {
		b.Offer(id, Namer{}, true)
	}
}

func pickKeys(picks []Pick) (keys []uint64) {
	for _, p := range picks {
		keys = append(keys, p.Key)
	}
	return keys
}

// TestSpentSlotsBeginAnew: what is spent is fed anew and grows mature anew; the other slots notice nothing.
func TestSpentSlotsBeginAnew(t *testing.T) {
	b, ids := newTestBank(t, Config{L2: 6, Maturity: 2}), testIDs(50)
	stock(b, ids)
	if len(b.Ready()) != 0 {
		t.Error("a bank hands out what is not mature")
	}
	b.EndRound()
	stock(b, ids[:1])
	b.EndRound()
	before, slots := b.Ready(), b.Slots()
	if len(before) != 6 {
		t.Fatalf("%d of 6 slots are ready", len(before))
	}
	taken := before[1:3]
	if n := b.Spend(taken[0].Key, 999, taken[1].Key, taken[0].Key); n != 2 {
		t.Errorf("%d slots were spent, want 2", n)
	}
	if n := b.Spend(pickKeys(taken)...); n != 0 {
		t.Errorf("%d slots were spent twice", n)
	}
	for i, s := range b.Slots() {
		spent := i == 1 || i == 2
		switch {
		case spent && (s.ID != "" || s.Age != 0 || s.Key < 6):
			t.Errorf("slot %d was spent and is %+v", i, s)
		case !spent && s != slots[i]:
			t.Errorf("slot %d was not spent: %+v, was %+v", i, s, slots[i])
		}
	}
	stock(b, ids) // what was fed before counts only when it is fed again
	if got := incumbents(b.Group); !slices.Equal(got, least(b.Group, ids)) {
		t.Errorf("slots %q, want %q", got, least(b.Group, ids))
	}
	b.EndRound()
	if n := len(b.Ready()); n != 4 {
		t.Errorf("%d slots are ready a round after two of 6 were spent, want 4", n)
	}
	stock(b, ids[:1])
	b.EndRound()
	if n := len(b.Ready()); n != 6 {
		t.Errorf("%d of 6 slots are ready two rounds after, want all", n)
	}
}

// TestNoKeyIsUsedTwice: however often slots are spent, each pick has a key of its own.
func TestNoKeyIsUsedTwice(t *testing.T) {
	b, ids := newTestBank(t, Config{L2: 5}), testIDs(9)
	seen := map[uint64]bool{}
	for round := range 40 {
		stock(b, ids)
		picks := b.Ready()
		if len(picks) != 5 {
			t.Fatalf("%d of 5 slots are ready", len(picks))
		}
		taken := picks[:1+round%5]
		for _, p := range taken {
			if seen[p.Key] {
				t.Fatalf("key %d comes twice", p.Key)
			}
			seen[p.Key] = true
		}
		b.Spend(pickKeys(taken)...)
	}
}

// TestDeathKeepsTheKeyOfABank: a flapping id comes back to the slot that it had (D7).
func TestDeathKeepsTheKeyOfABank(t *testing.T) {
	b, ids := newTestBank(t, Config{L2: 4}), testIDs(20)
	stock(b, ids)
	before := b.Slots()
	b.Clear(before[0].ID)
	if s := b.Slot(0); s.ID != "" || s.Key != before[0].Key {
		t.Errorf("after a death the slot is %+v, was %+v", s, before[0])
	}
	stock(b, ids)
	if s := b.Slot(0); s.ID != before[0].ID {
		t.Errorf("the slot holds %s, want %s again", s.ID, before[0].ID)
	}
}

// requireFreshPicks fails t unless, over many banks, each of several picks in a row out of one slot is uniform, and any two
// of them agree as often as chance lets them, as does each with the same slot of a group that has the same secret. next
// prepares the slot for its next pick.
func requireFreshPicks(t stattest.TB, next func(*Bank, []uint64)) {
	t.Helper()
	const banks, picks, m = 2000, 4, 8
	ids := testIDs(m)
	var counts [picks + 1][m]int
	var agree [picks + 1][picks + 1]int
	for secret := range banks {
		cfg := Config{L2: 2, Secret: [32]byte{byte(secret), byte(secret >> 8), 7}}
		b, g := newTestBank(t, cfg), newTestGroup(t, cfg)
		for _, id := range ids {
			g.Offer(id, Namer{}, true)
		}
		got := []peer.ID{incumbents(g)[0]}
		for range picks {
			stock(b, ids)
			ready := b.Ready()
			got = append(got, ready[0].ID)
			next(b, pickKeys(ready[:1]))
		}
		for i, id := range got {
			counts[i][slices.Index(ids, id)]++
			for j := range i {
				if got[j] == id {
					agree[i][j]++
				}
			}
		}
	}
	for i := range counts {
		stattest.RequireUniform(t, counts[i][:], errorRate, fmt.Sprintf("pick %d", i))
		for j := range i {
			stattest.RequireBinomial(t, agree[i][j], banks, 1./m, errorRate, fmt.Sprintf("picks %d and %d", i, j))
		}
	}
}

func TestPicksOfASlotAreIndependent(t *testing.T) {
	requireFreshPicks(t, func(b *Bank, keys []uint64) { b.Spend(keys...) })
}

// TestSlotsThatKeepTheirKeyAreRejected is the negative control of the test above: a slot that is emptied and keeps its key
// has the same id to offer again.
func TestSlotsThatKeepTheirKeyAreRejected(t *testing.T) {
	var v verdict
	requireFreshPicks(&v, func(b *Bank, keys []uint64) {
		b.empty(func(i int) bool { return slices.Contains(keys, b.slots[i].position) }, false)
	})
	if !v.failed {
		t.Error("picks of a slot that keeps its key passed for independent ones")
	}
}

// TestABankAsksBeforeItTakes: strangers must answer, as everywhere.
func TestABankAsksBeforeItTakes(t *testing.T) {
	b, ids := newTestBank(t, Config{L2: 3}), testIDs(30)
	offerAll(b.Group, ids, Namer{ID: "namer"})
	if len(b.Ready()) != 0 {
		t.Fatal("strangers are ready to be handed out")
	}
	for round := uint64(1); round < 50 && !slices.Equal(incumbents(b.Group), least(b.Group, ids)); round++ {
		for _, id := range b.Challengers(3, round, noShuffle) {
			b.Confirm(id)
		}
		offerAll(b.Group, ids, Namer{ID: "namer"})
	}
	if got := incumbents(b.Group); !slices.Equal(got, least(b.Group, ids)) {
		t.Errorf("slots %q, want %q", got, least(b.Group, ids))
	}
}

func TestBankConfig(t *testing.T) {
	for _, cfg := range []Config{{L2: 4, Direct: true}, {L2: 4, Rekey: true}} {
		if _, err := NewBank(cfg); err == nil || err.Error() != "sampler: direct and rekey must be false in a bank" {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := NewBank(Config{}); err == nil || err.Error() != "sampler: l2=0 must be between 1 and 4096" {
		t.Errorf("no slots: %v", err)
	}
}

// BenchmarkStream is what an id of the stream costs: one known to all slots, and one that some slots which were spent since
// have not met.
func BenchmarkStream(b *testing.B) {
	ids := testIDs(1000)
	for _, size := range []int{40, 160} {
		for _, spent := range []int{0, 1, 4} {
			b.Run(fmt.Sprintf("slots=%d/spent=%d", size, spent), func(b *testing.B) {
				bank := newTestBank(b, Config{L2: size})
				stock(bank, ids)
				stock(bank, ids)
				k := 0
				for b.Loop() {
					if k%len(ids) == 0 && spent > 0 {
						bank.Spend(pickKeys(bank.Ready()[:min(spent, len(bank.Ready()))])...)
					}
					bank.Offer(ids[k%len(ids)], Namer{}, true)
					k++
				}
			})
		}
	}
}
