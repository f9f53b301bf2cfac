package protocol

import (
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
)

// One test for each line of the paper's algorithm, in its order, as docs/paper-map.md numbers them. Each holds for the
// Paper preset; where Hardened deviates the test says so for it too.
//
// With views of 20 the shares are 9 pushes, 9 pulls, 2 of history (Paper) and 8, 6, 6 (Hardened).

// Sampler.init: q <- nothing.
func TestPaperSamplerInit(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p)
		if got := n.Sample(); len(got) != 0 || len(n.Slots()) != p.L2 {
			t.Errorf("a new node that knows nobody samples %v in %d slots", got, len(n.Slots()))
		}
	})
}

// Sampler.next: if q is nothing or h(id) < h(q) then q <- id, insensitive to how often id appears.
func TestPaperSamplerNext(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		ids := names("p", 30)
		feed := func(stream []peer.ID) []Sampled {
			n := newNode(t, p)
			if p.Direct {
				n.offer(stream, namerOf("x"))
			} else {
				verify(n, stream...)
			}
			return n.Slots()
		}
		once := feed(ids)
		often := append(slices.Clone(ids), ids[3], ids[3], ids[7])
		slices.Reverse(often)
		if !slices.Equal(once, feed(often)) {
			t.Error("order or repeats of the stream changed the sample")
		}
	})
}

// Sampler.sample: return q.
func TestPaperSamplerSample(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		p.Maturity = 0
		n := newNode(t, p)
		verify(n, "b")
		n.offer([]peer.ID{"b"}, namerOf("x"))
		if got := n.Sample(); len(got) != p.L2 || countIn(got, among("b")) != p.L2 {
			t.Errorf("all slots hold the only id ever met, the sample is %v", got)
		}
	})
}

// Line 3: V <- V0. Deviation: V0 is cut to l1 and freed of self, empty and repeated ids.
func TestPaperLine03ViewIsV0(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, "b", "c", "b", self, "", "d")
		got := n.View()
		slices.Sort(got)
		if want := []peer.ID{"b", "c", "d"}; !slices.Equal(got, want) {
			t.Errorf("the first view is %v, want %v", got, want)
		}
		if n := newNode(t, p, names("p", 50)...); len(n.View()) != p.L1 {
			t.Errorf("of 50 first contacts %d are in a view of %d", len(n.View()), p.L1)
		}
	})
}

// Line 4 to 6: the samplers start, and are fed V0. Hardened: the ids of V0 must answer first.
func TestPaperLine04SampleIsFedV0(t *testing.T) {
	n := newNode(t, Paper(20), "b", "c")
	if got := n.Sample(); len(got) != 20 || countIn(got, among("b", "c")) != 20 {
		t.Errorf("the paper's first sample is %v, want b and c", got)
	}
	n = newNode(t, Hardened(20), "b", "c")
	if got := n.Sample(); len(got) != 0 {
		t.Errorf("the hardened first sample is %v, want nobody unprobed", got)
	}
	exchange(t, n, n.Tick(), among("c"))
	if got := n.Sample(); len(got) != 20 || countIn(got, among("c")) != 20 {
		t.Errorf("after c answered and b did not the sample is %v", got)
	}
}

// Stale sample invalidation: if probe(S[i].sample()) fails, S[i].init(). Hardened: after misses in two rounds, with the
// key kept.
func TestPaperInvalidation(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, "b")
		verify(n, "b")
		rounds := 0
		for len(n.sample.Members()) > 0 {
			exchange(t, n, n.Tick(), nobody)
			if rounds++; rounds > 10 {
				t.Fatal("the dead id stays")
			}
		}
		n.bury()
		if want := p.Misses + 1; rounds != want { // the last Tick closes the round of the last miss
			t.Errorf("the dead id was dropped at the tick after %d rounds, want %d", rounds, want)
		}
	})
}

// Line 21: Vpush <- Vpull <- {}. Hardened: a second push of a sender is carried into the round that begins.
func TestPaperLine21RoundStartsEmpty(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, names("p", 30)...)
		a := n.Tick()
		push(n, "b", "b", "c")
		answer(t, n, a.Pulls[0], "x", "y")
		n.Tick()
		want := []peer.ID{"b"}
		if p.Tuples {
			want = nil
		}
		if !slices.Equal(n.in.pushers, want) || len(n.in.replies) != 0 {
			t.Errorf("the round starts with pushes of %v and %d replies, want %v and none", n.in.pushers, len(n.in.replies), want)
		}
	})
}

// Line 22 and 23: send push to alpha*l1 times rand(V,1). Hardened: a repeated draw is one message.
func TestPaperLine22Pushes(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		testDraws(t, p, p.Shares().Push, func(a Actions) []peer.ID { return a.Pushes })
	})
}

// Line 25 and 26: send pull requests to beta*l1 times rand(V,1). Hardened: a repeated draw is one request.
func TestPaperLine25Pulls(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		testDraws(t, p, p.Shares().Pull, func(a Actions) []peer.ID { return a.Pulls })
	})
}

// testDraws fails t unless a round draws that many peers, uniformly from V.
func testDraws(t *testing.T, p Params, share int, list func(Actions) []peer.ID) {
	p.Tombstone, p.Misses, p.Threshold = 0, 1000, 1e9
	p.AloneWait = 1                                   // nobody answers it
	p.Overload, p.Refresh = OverloadKeep, RefreshBoth // nothing comes: V stays
	first := names("p", 20)
	n := newNode(t, p, first...)
	n.SetSeeds(nil) // whose turns would come on top
	counts := make([]int, len(first))
	repeats := false
	for range 4000 {
		got := list(n.Tick())
		if p.Tuples && len(got) != share || len(got) > share || len(got) == 0 {
			t.Fatalf("a round draws %d peers, want %d", len(got), share)
		}
		if repeats = repeats || !isDistinct(got); repeats && !p.Tuples {
			t.Fatalf("%v asks a peer twice", got)
		}
		for _, id := range got {
			counts[slices.Index(first, id)]++
		}
	}
	if p.Tuples && !repeats {
		t.Error("4000 draws with replacement had no repeat")
	}
	stattest.RequireUniform(t, counts, errorRate, 1)
}

// Line 27: wait(1). A round is what lies between two calls of Tick.
func TestPaperLine27RoundIsATick(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, "b")
		for want := uint64(1); want < 5; want++ {
			if a := n.Tick(); a.Round != want || n.Status().Round != want {
				t.Errorf("tick %d opened round %d, status %d", want, a.Round, n.Status().Round)
			}
		}
	})
}

// Line 28 and 29: for each push from id: Vpush <- Vpush o {id}. Hardened: one a sender and round.
func TestPaperLine28CollectPushes(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, names("p", 30)...)
		n.Tick()
		push(n, "b", "c", "b", "b", self, "")
		n.Tick()
		want := 2
		if p.Tuples {
			want = 4
		}
		if got := n.Status().Pushes; got != want {
			t.Errorf("of four pushes of two senders %d counted, want %d", got, want)
		}
	})
}

// Line 30 and 31: a pull request is answered with V. The driver does that from View, which is a copy and does not change
// within a round.
func TestPaperLine30ViewIsTheAnswer(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, names("p", 10)...)
		a := n.Tick()
		v := n.View()
		v[0] = "changed by the caller"
		published := n.View()
		push(n, "x", "y")
		answer(t, n, a.Pulls[0], "z")
		n.HandleProbeResult(a.Pushes[0], Leaving)
		if slices.Contains(n.View(), v[0]) || !slices.Equal(n.View(), published) {
			t.Errorf("the view changed within the round, to %v", n.View())
		}
	})
}

// Line 32 to 34: if I asked id and this is its first reply: Vpull <- Vpull o V'.
func TestPaperLine32CollectPulls(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		n := newNode(t, p, names("p", 10)...)
		a := n.Tick()
		asked := a.Pulls[0]
		times := countIn(a.Pulls, among(asked)) // the paper asks, and takes, a repeated draw again
		for range times {
			answer(t, n, asked, "x", "y", "x", self)
		}
		if err := n.HandlePullReply(asked, nil); !errors.Is(err, ErrUnsolicited) {
			t.Errorf("a further reply: %v, want ErrUnsolicited", err)
		}
		if err := n.HandlePullReply("stranger", nil); !errors.Is(err, ErrUnsolicited) {
			t.Errorf("a reply of a peer that was not asked: %v, want ErrUnsolicited", err)
		}
		for _, other := range a.Pulls {
			if other == asked {
				continue
			}
			if err := n.HandlePullReply(other, names("q", MaxReply+1)); !errors.Is(err, ErrOversized) {
				t.Errorf("an oversized reply: %v, want ErrOversized", err)
			}
			break
		}
		if n.Tick(); n.Status().Pulls != times {
			t.Errorf("%d replies were used, want %d", n.Status().Pulls, times)
		}
		n.Tick()
		if err := n.HandlePullReply("never asked", nil); !errors.Is(err, ErrUnsolicited) {
			t.Errorf("got %v", err)
		}
	})
}

// Line 35: V is renewed if |Vpush| <= alpha*l1 and Vpush and Vpull are not empty. Hardened: too many pushes cost the push
// share only, and what is missing comes from the history.
func TestPaperLine35Condition(t *testing.T) {
	for _, c := range []struct {
		name            string
		pushes, replies int
		paper, hardened Outcome
	}{
		{"both", 3, 2, Renewed, Renewed},
		{"as many pushes as the paper allows", 9, 2, Renewed, Renewed},
		{"one more", 10, 2, KeptOverload, Renewed},
		{"as many as tau allows", 10, 2, KeptOverload, Renewed},
		{"too many", 11, 2, KeptOverload, Refilled},
		{"too many and no reply", 11, 0, KeptOverload, Refilled},
		{"no push", 0, 2, KeptNoPush, Renewed},
		{"no reply", 3, 0, KeptNoPull, Renewed},
		{"nothing", 0, 0, KeptNoPush, Renewed},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, want := range map[string]Outcome{"paper": c.paper, "hardened": c.hardened} {
				p, _ := Preset(name, 20)
				p.Maturity = 0
				n := newNode(t, p, names("p", 30)...)
				verify(n, names("s", 3)...)
				a := n.Tick()
				before := n.View()
				push(n, names("x", c.pushes)...)
				for _, from := range distinct(a.Pulls)[:c.replies] {
					answer(t, n, from, names("y", 20)...)
				}
				a = n.Tick()
				if a.Outcome != want || n.Status().Outcome != want {
					t.Errorf("%s: %v, want %v", name, a.Outcome, want)
				}
				if kept := slices.Equal(n.View(), before); kept != a.Outcome.Kept() {
					t.Errorf("%s: outcome %v, view kept: %v", name, a.Outcome, kept)
				}
			}
		})
	}
}

// Line 36: V <- rand(Vpush, alpha*l1) o rand(Vpull, beta*l1) o rand(S, gamma*l1), with multiplicity. Hardened: one message
// fills one slot, and the history what is missing.
func TestPaperLine36View(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		p.Maturity = 0
		n := newNode(t, p, names("p", 30)...)
		a := n.Tick()
		for _, id := range n.sample.Members() {
			n.sample.Clear(id)
		}
		n.sample.Confirm("s0") // the history holds one id, to count it by
		push(n, "x0", "x0", "x0", "x1")
		for _, from := range distinct(a.Pulls)[:2] {
			answer(t, n, from, "y0", "y1", self)
			n.in.replies[len(n.in.replies)-1].k = 1
		}
		n.Tick()
		v := n.View()
		got := [3]int{countIn(v, among("x0", "x1")), countIn(v, among("y0", "y1")), countIn(v, among("s0"))}
		want := [3]int{2, 2, 16}
		if p.Tuples {
			want = [3]int{9, 9, 2}
		}
		if got != want {
			t.Errorf("pushes, pulls and history fill %v slots, want %v of %v", got, want, v)
		}
	})
}

// Line 37: updateSample(Vpush o Vpull), whether V was renewed or not. Hardened: as challengers, which must answer.
func TestPaperLine37UpdateSample(t *testing.T) {
	presets(t, func(t *testing.T, p Params) {
		p.Probes, p.Challenges = 20, 20
		n := newNode(t, p, "b")
		a := n.Tick()
		verify(n, "b")
		flood := names("x", 19)
		push(n, flood...) // overload: the paper keeps its view
		answer(t, n, a.Pulls[0], names("y", 19)...)
		a = n.Tick()
		if p.Direct && a.Outcome != KeptOverload {
			t.Fatalf("outcome %v", a.Outcome)
		}
		if !p.Direct {
			if got := n.sample.Members(); !slices.Equal(got, []peer.ID{"b"}) {
				t.Errorf("%v took slots, only b was probed", got)
			}
			verify(n, a.Probes...)
		}
		got := n.sample.Members()
		if countIn(got, among(flood...)) == 0 || countIn(got, among(names("y", 19)...)) == 0 {
			t.Errorf("the sample %v has nobody of the pushed or nobody of the pulled", got)
		}
	})
}
