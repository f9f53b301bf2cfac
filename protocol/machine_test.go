package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// requireBounds fails t if the node breaks a promise that holds after every Tick, whatever was done to it.
func requireBounds(t stattest.TB, n *Node, a Actions) {
	t.Helper()
	p, s := n.p, n.Status()
	v := n.View()
	if len(v) > p.L1 {
		t.Fatalf("a view of %d, l1 is %d", len(v), p.L1)
	}
	for _, id := range append(v, n.sample.Members()...) {
		if id == self || id == "" || n.life.buried(id, n.round-1) {
			t.Fatalf("round %d: %q is in view %v or sample %v", n.round, id, v, n.sample.Members())
		}
	}
	for name, list := range map[string]struct {
		ids  []peer.ID
		most int
	}{
		"pushes": {a.Pushes, n.shares.Push + maxSeedsAtOnce + maxRevisits}, "pulls": {a.Pulls, max(n.shares.Push, n.shares.Pull) + maxSeedsAtOnce + maxRevisits},
		"probes": {a.Probes, p.MaxProbes() + maxAppeals},
	} {
		if len(list.ids) > list.most || slices.Contains(list.ids, self) || slices.Contains(list.ids, "") {
			t.Fatalf("%s %v, at most %d and never self", name, list.ids, list.most)
		}
		if (!p.Tuples || name == "probes") && !isDistinct(list.ids) {
			t.Fatalf("%s %v repeat an id", name, list.ids)
		}
	}
	for _, id := range a.Probes {
		if slices.Contains(a.Pushes, id) || slices.Contains(a.Pulls, id) {
			t.Fatalf("%s is probed and contacted", id)
		}
	}
	requireAsks(t, n, a)
	if s.ViewLen != len(v) || s.Round != a.Round || s.Outcome != a.Outcome || s.Deaths > p.MaxDeaths ||
		s.SampleFilled > p.L2 || s.SampleMature > s.SampleFilled || s.SampleProven > s.SampleDistinct || len(v) == 0 && a.Outcome != Alone {
		t.Fatalf("the status %+v does not fit: view %v, actions %+v", s, v, a)
	}
	l := &n.life
	if len(l.once.tombs) > tombSize || len(l.never.tombs) > tombSize || len(l.met.ids) > metSize || len(n.in.pushers) > MaxPushers ||
		len(n.in.carried) > MaxPushers || len(l.appeals) > maxAppeals || len(n.in.replies) > 0 {
		t.Fatalf("a table grew beyond its bound")
	}
	requireBankBounds(t, n)
	met := 0
	for _, h := range l.health {
		if h.met {
			met++
		}
	}
	for _, id := range l.met.ids {
		if !l.health[id].met || met != len(l.met.ids) {
			t.Fatalf("%d ids are marked as met, %v were", met, l.met.ids)
		}
	}
}

// requireAsks fails t if indirect probes are not of suspects and by others of the sample, or are more than may be.
func requireAsks(t stattest.TB, n *Node, a Actions) {
	t.Helper()
	if len(a.Indirect) > 2*n.p.Probes {
		t.Fatalf("%d suspects are asked about, at most %d", len(a.Indirect), 2*n.p.Probes)
	}
	asked, about := map[peer.ID]int{}, map[peer.ID]bool{}
	for _, q := range a.Indirect {
		contacted := slices.Contains(a.Probes, q.Target) || slices.Contains(a.Pushes, q.Target) || slices.Contains(a.Pulls, q.Target)
		if about[q.Target] || n.sample.Holds(q.Target) == 0 || !n.life.suspect(q.Target) || !contacted {
			t.Fatalf("asked about %q: twice %v, suspect %v, contacted %v", q.Target, about[q.Target], n.life.suspect(q.Target), contacted)
		}
		about[q.Target] = true
		if len(q.Helpers) == 0 || len(q.Helpers) > n.p.Indirect || !isDistinct(q.Helpers) {
			t.Fatalf("helpers %v, at most %d", q.Helpers, n.p.Indirect)
		}
		for _, id := range q.Helpers {
			if asked[id]++; asked[id] > MaxAsks || n.sample.Holds(id) == 0 || n.life.suspect(id) || id == q.Target {
				t.Fatalf("%q is asked about %q, for the %d. time", id, q.Target, asked[id])
			}
		}
	}
}

// requireBankBounds fails t if the bank breaks one: nobody dead in it, nobody to hand out who missed or was not heard of
// lately, no more probes than its budget.
func requireBankBounds(t stattest.TB, n *Node) {
	t.Helper()
	if n.bank == nil {
		return
	}
	for _, id := range n.bank.Members() {
		if id == self || id == "" || n.life.buried(id, n.round-1) {
			t.Fatalf("round %d: %q holds a slot of the bank", n.round, id)
		}
	}
	keys := map[uint64]bool{}
	for _, p := range n.Picks() {
		h := n.life.health[p.ID]
		if n.bank.Holds(p.ID) == 0 || h.misses > 0 || !h.verified || uint64(h.answered)+lately < n.round || keys[p.Key] {
			t.Fatalf("round %d: %+v is handed out, %+v, keys %v", n.round, p, h, keys)
		}
		keys[p.Key] = true
	}
	if s := n.Status(); s.BankProbes > n.p.bankProbes() || s.BankPicks > s.BankFilled || s.BankFilled > n.p.Bank {
		t.Fatalf("the status %+v does not fit a bank of %d with %d probes", s, n.p.Bank, n.p.bankProbes())
	}
}

// model is what a node must agree with, as short as it can be said: pushes, replies, misses.
type model struct {
	p        Params
	pushes   map[peer.ID]int // in the open round, those carried over included
	count    int             // pushes in all, self aside
	overflow int
	asked    map[peer.ID]int
	lens     []int // of the round's replies
	lastLens []int
	missed   map[peer.ID]map[uint64]bool // rounds missed since the last sign of life
	members  []peer.ID
	left     map[peer.ID]bool
}

func (m *model) open(a Actions, n *Node) {
	m.asked = map[peer.ID]int{}
	for _, id := range a.Pulls {
		if m.asked[id]++; !m.p.Tuples {
			m.asked[id] = 1
		}
	}
	carried := map[peer.ID]int{}
	m.count, m.overflow = 0, 0
	for id, k := range m.pushes {
		if k > 1 && !m.p.Tuples {
			carried[id], m.count = 1, m.count+1
		}
	}
	m.pushes = carried
	if len(m.lens) > 0 {
		m.lastLens = m.lens
	}
	m.lens, m.left = nil, map[peer.ID]bool{}
	m.members = n.sample.Members()
}

// pushed returns the number of pushes that count.
func (m *model) pushed() int {
	if m.p.Tuples {
		return m.count
	}
	return len(m.pushes)
}

func (m *model) overloaded() bool {
	length := m.p.L1
	if len(m.lastLens) > 0 && !m.p.Tuples {
		slices.Sort(m.lastLens)
		length = max(length, m.lastLens[len(m.lastLens)/4])
	}
	return float64(m.pushed()+m.overflow) > m.p.Threshold*m.p.Alpha*float64(length)
}

// died fails t if an id vanished from the sample that had no reason to: a better one may take its slots, but one that
// dies must have missed often enough.
func (m *model) died(t *rapid.T, n *Node) {
	gone := 0
	for _, id := range m.members {
		if n.sample.Holds(id) == 0 && n.life.buried(id, n.round-1) && !m.left[id] {
			if gone++; len(m.missed[id]) < m.p.Misses {
				t.Fatalf("%s died after misses in %d rounds, want %d", id, len(m.missed[id]), m.p.Misses)
			}
		}
	}
	if gone > m.p.MaxDeaths {
		t.Fatalf("%d died in one round, want at most %d", gone, m.p.MaxDeaths)
	}
}

// TestHostileSequences does anything at all with a node, in any order, and compares it with the model.
func TestHostileSequences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := Preset(rapid.SampledFrom(Presets()).Draw(t, "preset"), rapid.IntRange(3, 12).Draw(t, "l"))
		p.Overload = rapid.SampledFrom([]OverloadRule{OverloadKeep, OverloadRefill, OverloadDrop}).Draw(t, "overload")
		p.Refresh = rapid.SampledFrom([]RefreshPolicy{RefreshAlways, RefreshEither, RefreshBoth}).Draw(t, "refresh")
		p.Maturity = rapid.IntRange(0, 3).Draw(t, "maturity")
		p.SeedEvery = rapid.IntRange(1, 5).Draw(t, "seed every")
		if !p.Direct {
			p.Bank, p.BankMaturity = rapid.IntRange(0, 8).Draw(t, "bank"), rapid.IntRange(0, 3).Draw(t, "bank maturity")
		}
		everybody := append(names("p", 20), self, "")
		who := rapid.SampledFrom(everybody)
		crowd := rapid.SliceOfN(who, 0, 30)
		n, err := New(self, p, crowd.Draw(t, "bootstrap"), testRand(rapid.Uint64Range(0, 99).Draw(t, "seed")))
		if err != nil {
			t.Fatal(err)
		}
		m := &model{p: p, missed: map[peer.ID]map[uint64]bool{}}
		m.open(Actions{}, n)

		t.Repeat(map[string]func(*rapid.T){
			"tick": func(t *rapid.T) {
				pushed, overflow, overloaded, replies := m.pushed(), m.overflow, m.overloaded(), len(m.lens)
				a := n.Tick()
				requireBounds(t, n, a)
				s := n.Status()
				if s.Pushes != pushed || s.PushOverflow != overflow || s.Overloaded != overloaded || s.Pulls != replies {
					t.Fatalf("pushes %d, overflow %d, overloaded %v, replies %d; the status says %+v", pushed, overflow, overloaded, replies, s)
				}
				m.died(t, n)
				m.open(a, n)
			},
			"push": func(t *rapid.T) {
				for _, id := range crowd.Draw(t, "from") {
					if push(n, id); id != self && id != "" {
						m.pushes[id]++
						m.count++
					}
				}
			},
			"overflow": func(t *rapid.T) {
				count := rapid.IntRange(-3, 9).Draw(t, "count")
				n.HandlePushOverflow(count)
				m.overflow += max(0, count)
			},
			"reply": func(t *rapid.T) {
				from := who.Draw(t, "from")
				ids := crowd.Draw(t, "ids")
				if rapid.IntRange(0, 9).Draw(t, "oversized") == 0 {
					ids = append(ids, names("q", MaxReply)...)
				}
				err := n.HandlePullReply(from, ids)
				switch {
				case m.asked[from] == 0:
					if !errors.Is(err, ErrUnsolicited) {
						t.Fatalf("%s was not asked: %v", from, err)
					}
				case len(ids) > MaxReply:
					if !errors.Is(err, ErrOversized) {
						t.Fatalf("%d ids: %v", len(ids), err)
					}
				case err != nil:
					t.Fatal(err)
				default:
					m.asked[from]--
					m.lens = append(m.lens, len(ids))
				}
			},
			"result": func(t *rapid.T) {
				id, o := who.Draw(t, "id"), ProbeOutcome(rapid.IntRange(0, 5).Draw(t, "outcome"))
				n.HandleProbeResult(id, o)
				switch o {
				case Missed:
					if m.missed[id] == nil {
						m.missed[id] = map[uint64]bool{}
					}
					m.missed[id][n.round] = true
				case Alive, AliveUnproven:
					delete(m.missed, id)
				case Leaving:
					m.left[id] = true
				}
			},
			"indirect": func(t *rapid.T) {
				n.HandleIndirect(who.Draw(t, "target"), rapid.Bool().Draw(t, "yes"))
			},
			"spend": func(t *rapid.T) {
				picks := n.Picks()
				k := rapid.IntRange(0, len(picks)).Draw(t, "picks")
				n.Spend(keysOf(picks[:k])...)
				for _, p := range n.Picks() {
					if slices.Contains(keysOf(picks[:k]), p.Key) {
						t.Fatalf("%+v was spent", p)
					}
				}
			},
			"appeal":     func(t *rapid.T) { n.Appeal(who.Draw(t, "id")) },
			"disconnect": func(t *rapid.T) { n.HandleDisconnect(who.Draw(t, "id")) },
			"seeds":      func(t *rapid.T) { n.SetSeeds(crowd.Draw(t, "seeds")) },
			"revisit":    func(t *rapid.T) { n.Revisit(crowd.Draw(t, "revisit")...) },
			"retry":      func(*rapid.T) { n.Retry() },
		})
	})
}

// FuzzNode feeds a node a sequence of events in which each byte, with those that it asks for, is one.
func FuzzNode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x00, 0x00, 0x00, 0x00})
	f.Add([]byte("\x01hello, this is no protocol at all, and must not hurt"))
	f.Add([]byte{0x02, 0x21, 0x22, 0x23, 0x00, 0x41, 0x05, 0x42, 0x09, 0x61, 0x62, 0x00, 0x81, 0x82, 0x00, 0x81, 0x82, 0x00})
	flood := []byte{0x07}
	for i := range byte(30) {
		flood = append(flood, 0x20|i&0x1f, 0x00)
	}
	f.Add(flood)
	lives := []byte{0x06}
	for i := range byte(12) {
		lives = append(lives, 0x60|i%9, 0x80|i%11, 0x80|i%13, 0xa0|i%5, 0xc0|i%7, 0x00)
	}
	f.Add(lives)
	f.Fuzz(func(t *testing.T, events []byte) {
		if len(events) == 0 || len(events) > 256 { // longer ones the engine spends its time on cutting short
			return
		}
		p := Hardened(4 + int(events[0]>>1&7))
		if events[0]&1 != 0 {
			p = Paper(4 + int(events[0]>>1&7))
		}
		p.Maturity = int(events[0] >> 4 & 3)
		if !p.Direct {
			p.Bank, p.BankMaturity = 6, p.Maturity
		}
		ids := append([]peer.ID{self, ""}, names("p", 30)...)
		n, err := New(self, p, ids[:2+events[0]>>6*4], testRand(7))
		if err != nil {
			t.Fatal(err)
		}
		events = events[1:]
		next := func() (b byte) {
			if len(events) > 0 {
				b, events = events[0], events[1:]
			}
			return b
		}
		for len(events) > 0 {
			event := next()
			id := ids[event&31]
			switch event >> 5 {
			case 0:
				requireBounds(t, n, n.Tick())
			case 1:
				push(n, id)
			case 2:
				k := next()
				reply := ids[k&15 : min(len(ids), int(k&15+k>>4*2))]
				if k == 255 {
					reply = names("q", MaxReply+1)
				}
				err := n.HandlePullReply(id, reply)
				if err == nil && (id == self || id == "" || len(reply) > MaxReply) || err != nil && !errors.Is(err, ErrUnsolicited) && !errors.Is(err, ErrOversized) {
					t.Fatalf("reply of %q: %v", id, err)
				}
			case 3:
				n.HandleProbeResult(id, Alive)
			case 4:
				n.HandleProbeResult(id, Missed)
			case 5:
				n.HandleProbeResult(id, ProbeOutcome(next()))
			case 6:
				n.Appeal(id)
				n.HandleDisconnect(id)
				n.HandleIndirect(id, event&1 != 0)
				n.Revisit(id)
				n.Retry()
				if picks := n.Picks(); len(picks) > 0 {
					n.Spend(picks[int(event)%len(picks)].Key, uint64(event))
				}
			case 7:
				n.HandlePushOverflow(int(int8(next())))
				n.SetSeeds(ids[event&31:])
			}
		}
	})
}

// TestEqualInputsGiveEqualOutputs: a network run again from its seed does the same to the last id, another seed does not.
func TestEqualInputsGiveEqualOutputs(t *testing.T) {
	digest := func(p Params, seed uint64) [32]byte {
		net := newTestNet(40, .2, p, seed)
		net.loss, net.phantom = .1, true
		h := sha256.New()
		for round := range 30 {
			if round == 20 {
				net.kill(net.ids[3])
			}
			net.round()
			for _, id := range net.correct() {
				n := net.nodes[id]
				fmt.Fprintln(h, n.View(), n.Slots(), n.Status())
				binary.Write(h, binary.LittleEndian, n.rng.Uint64())
			}
		}
		return [32]byte(h.Sum(nil))
	}
	presets(t, func(t *testing.T, p Params) {
		first := digest(p, 1)
		if digest(p, 1) != first {
			t.Error("the same inputs gave another run: something ranges over a map, or draws from elsewhere")
		}
		if digest(p, 2) == first {
			t.Error("another seed gave the same run")
		}
	})
}

// TestFilterChangesNoDecision: nodes with a filter of eight ids do what nodes with the default filter do, to the last
// order, through losses, phantoms and deaths.
func TestFilterChangesNoDecision(t *testing.T) {
	run := func(p Params) (log []string, known int) {
		net := newTestNet(60, .2, p, 3)
		net.loss, net.phantom = .1, true
		for round := range 40 {
			if round >= 10 && round < 20 {
				net.kill(net.ids[round])
			}
			net.round()
			for _, id := range net.correct() {
				n := net.nodes[id]
				log = append(log, fmt.Sprint(net.acts[id], n.View(), n.Slots(), n.Status()))
			}
		}
		known = countIn(net.ids, net.nodes[net.ids[0]].sample.Decided)
		return log, known
	}
	presets(t, func(t *testing.T, p Params) {
		want, _ := run(p)
		got, known := run(with(p, func(p *Params) { p.Filter = 8 }))
		if known > 8 {
			t.Errorf("a filter of 8 remembers %d ids", known)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("with a filter of 8:\n%s\nwith the default:\n%s", got[i], want[i])
			}
		}
	})
}

// TestHashesAreThoseOfTheSlots, and asking for them decides nothing.
func TestHashesAreThoseOfTheSlots(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		net := newTestNet(40, 0, p, 1)
		for range 5 {
			net.round()
		}
		n := net.nodes[net.ids[0]]
		slots := n.Slots()
		for i, s := range slots {
			if got := n.Hashes(nil, s.ID); len(got) != p.L2 || got[i] != s.Hash {
				t.Fatalf("slot %d holds %s by %x, Hashes says %x", i, s.ID, s.Hash, got)
			}
		}
		n.Hashes(nil, "stranger")
		if !slices.Equal(n.Slots(), slots) {
			t.Error("asking for the hashes of a stranger changed the slots")
		}
		victim := slots[0].ID
		verify(n, net.ids[1], net.ids[2])
		for n.sample.Holds(victim) > 0 {
			miss(n, victim)
			verify(n, net.ids[1], net.ids[2])
			n.Tick()
		}
		for i, s := range n.Slots() {
			if changed := s.Key != slots[i].Key; changed != (p.Rekey && slots[i].ID == victim) {
				t.Errorf("slot %d of %s: key changed %v after the death of %s", i, slots[i].ID, changed, victim)
			}
		}
	})
}
