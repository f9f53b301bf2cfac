package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// TestPriceIsGeometric with the mean 2^bits, over cells that are equally likely or nearly so.
func TestPriceIsGeometric(t *testing.T) {
	const seed, draws = 4, 40_000
	for _, bits := range []int{1, 2, 5, 12, 20, MaxTokenBits} {
		p, rng := newPrice(bits), stattest.Rand(seed)
		fail := math.Log1p(-math.Ldexp(1, -bits)) // logarithm of the chance that an attempt fails
		var ends []int64                          // of the cells
		var expected []float64
		above := 1.
		for k := range 20 {
			end := int64(math.Log(1-float64(k+1)/20) / fail)
			if k == 19 {
				end = math.MaxInt64
			}
			if end == 0 || len(ends) > 0 && end == ends[len(ends)-1] {
				continue
			}
			below := above
			if above = math.Exp(float64(end) * fail); end == math.MaxInt64 {
				above = 0
			}
			ends, expected = append(ends, end), append(expected, below-above)
		}
		counts := make([]int, len(ends))
		for range draws {
			n := p.draw(rng)
			if n < 1 {
				t.Fatalf("%d bits: a token of %d attempts", bits, n)
			}
			i, _ := slices.BinarySearch(ends, n)
			counts[i]++
		}
		stattest.RequireProportions(t, counts, expected, falseAlarm, fmt.Sprintf("%d at %d bits", seed, bits))
	}
}

// TestATokenIsForOneSenderOneReceiverAndOneEpoch, once, until two more epochs are over.
func TestATokenIsForOneSenderOneReceiverAndOneEpoch(t *testing.T) {
	w, _ := stage(t, network(10, 1, func(c *Config) { c.TokenBits = 4 }))
	d := w.members[3].desk
	at := func(epoch int) {
		for d.epoch < epoch {
			d.open(w.mint)
		}
	}
	at(7)
	for _, c := range []struct {
		about string
		from  int
		token proof
		want  bool
	}{
		{"none", 5, proof{}, false},
		{"none, of the member of number 0", 0, proof{}, false},
		{"another's", 5, proof{6, 3, 7}, false},
		{"for another", 5, proof{5, 4, 7}, false},
		{"of an epoch to come", 5, proof{5, 3, 8}, false},
		{"too old", 5, proof{5, 3, 4}, false},
		{"old", 5, proof{5, 3, 5}, true},
		{"new", 5, proof{5, 3, 7}, true},
		{"replayed", 5, proof{5, 3, 7}, false},
		{"old, replayed", 5, proof{5, 3, 5}, false},
		{"of the epoch between", 5, proof{5, 3, 6}, true},
		{"of another sender", 6, proof{6, 3, 7}, true},
	} {
		if got := d.admit(c.from, c.token); got != c.want {
			t.Errorf("%s: admitted %v, want %v", c.about, got, c.want)
		}
	}
	at(9)
	if d.admit(5, proof{5, 3, 7}) {
		t.Error("a token is taken again two epochs later")
	}
	if at(10); d.admit(5, proof{5, 3, 7}) {
		t.Error("a token is taken again when it is forgotten")
	}
	for i, taken := range d.taken {
		if len(taken) > 2 {
			t.Errorf("%d senders are remembered in place %d", len(taken), i)
		}
	}
}

// TestADeskSpendsItsBudgetAndNoMore, and skips what it does not suffice for.
func TestADeskSpendsItsBudgetAndNoMore(t *testing.T) {
	w, _ := stage(t, network(4, 1, func(c *Config) { c.TokenBits, c.TokenBudget = 6, 640 }))
	d := w.members[0].desk
	solved, spent := 0, int64(0)
	const rounds = 2000
	for range rounds {
		d.open(w.mint)
		for range 100 {
			d.pays(w.mint)
		}
		if d.spent != 640 || d.left != 0 || d.solved+d.missed != 100 {
			t.Fatalf("spent %d, left %d, solved %d, missed %d", d.spent, d.left, d.solved, d.missed)
		}
		solved, spent = solved+int(d.solved), spent+d.spent
	}
	stattest.RequireBinomial(t, solved, int(spent), 1./64, falseAlarm, w.cfg.Seed)
	d.open(w.mint)
	d.pays(w.mint)
	if d.spent+d.left != 640 {
		t.Errorf("spent %d, left %d of 640", d.spent, d.left)
	}
}

// tokened is a configuration in which no node has the budget for all of its pushes.
func tokened(nodes int, change ...func(*Config)) Config {
	c := under("flood", nodes, func(c *Config) { c.L1, c.Perfect, c.TokenBits, c.TokenBudget = 40, false, 16, 4<<16 })
	for _, f := range change {
		f(&c)
	}
	return c
}

// traffics is the traffic of some rounds, and what correct nodes sent in them.
func traffics(w *world, rounds int) (sum traffic, sent int) {
	for range rounds {
		w.step()
		sum.add(w.traffic())
		sent += w.sent
	}
	return sum, sent
}

// TestEqualWorkLandsEqualPushes: attackers that spend the CPU of an honest node on tokens land no more than 1.2 times the
// pushes of as many honest nodes. Without tokens the same flood lands ten times as many. All of the work is counted:
// successes in attempts, so given their sum those of the faulty are binomial.
func TestEqualWorkLandsEqualPushes(t *testing.T) {
	const rounds = 40
	for _, seed := range []uint64{1, 2, 3} {
		w := build(t, tokened(200, func(c *Config) { c.Seed, c.TokenBudget = seed, 1<<16 }))
		faulty, correct := len(w.faulty), len(w.correct)
		x, _ := traffics(w, rounds)
		if x.attempts != rounds*int64(correct)*w.mint.budget || x.faultyAttempts != rounds*int64(faulty)*w.mint.budget {
			t.Fatalf("seed %d: correct nodes spend %d and faulty ones %d attempts, want %d each", seed, x.attempts, x.faultyAttempts, w.mint.budget)
		}
		landed, all := int(x.countedFaulty), int(x.countedFaulty+x.solved)
		f := float64(faulty) / float64(faulty+correct)
		stattest.RequireBinomial(t, landed, all, f, falseAlarm, seed)
		most := 1.2 * float64(x.solved) / float64(correct) * float64(faulty)
		if float64(landed) > most {
			t.Errorf("seed %d: %d faulty pushes land, want at most %.0f", seed, landed, most)
		}
		// What the bound is worth: work of a factor 1.2 is far outside of what chance does.
		share := 1.2 * float64(faulty) / (1.2*float64(faulty) + float64(correct))
		if p := stattest.BinomialTail(int(share*float64(all)), all, f); p > falseAlarm {
			t.Fatalf("the bound is exceeded by chance with %.2g", p)
		}
		t.Logf("seed %d: %.3f times the pushes of as many correct nodes", seed, float64(landed)/float64(x.solved)*float64(correct)/float64(faulty))

		off := build(t, tokened(200, func(c *Config) { c.Seed, c.TokenBits, c.TokenBudget, c.Meter = seed, 0, 0, true }))
		y, sent := traffics(off, rounds)
		if ratio := float64(y.countedFaulty) / float64(faulty) / (float64(sent) / float64(correct)); ratio < 10 {
			t.Errorf("seed %d: without tokens the faulty land %.2f times the pushes: the control shows nothing", seed, ratio)
		} else {
			t.Logf("seed %d: without tokens %.2f times", seed, ratio)
		}
	}
}

// TestGainIsOfWork: token_gain compares by attempts spent, so it is 1 also where correct nodes leave some of their budget.
func TestGainIsOfWork(t *testing.T) {
	for _, c := range []struct {
		bits   int
		budget int
	}{{12, 1 << 16}, {16, 1 << 18}, {19, 1 << 19}} {
		r := simulate(t, tokened(200, func(x *Config) { x.TokenBits, x.TokenBudget, x.Rounds, x.Attack = c.bits, c.budget, 60, "balanced" }))
		// 30 rounds of 40 faulty nodes, a push each at least: a standard deviation is .03 or less.
		if r.TokenGain == nil || math.Abs(*r.TokenGain-1) > .2 {
			t.Errorf("%+v: token_gain %v", c, r.TokenGain)
		}
		if slack := *r.TokenWork < .99; slack != (c.bits == 12) {
			t.Errorf("%+v: correct nodes spend %v of their budget", c, *r.TokenWork)
		}
		if *r.PushesRefused != 0 {
			t.Errorf("%+v: %v pushes are refused", c, *r.PushesRefused)
		}
	}
}

// TestComputeEndsWithThePairs: one push a sender, receiver and round, whatever else could be paid for or is sent.
func TestComputeEndsWithThePairs(t *testing.T) {
	var last traffic
	for _, compute := range []float64{100, 1000} {
		w := build(t, under("balanced", 50, func(c *Config) { c.TokenBits, c.Compute, c.Perfect = 3, compute, false }))
		x, _ := traffics(w, 5)
		if want := int64(5 * len(w.faulty) * len(w.correct)); x.countedFaulty != want || x.refused != 0 {
			t.Errorf("compute %v: %d faulty pushes count, %d are refused, want %d and 0", compute, x.countedFaulty, x.refused, want)
		}
		if last.nodes > 0 && x.faultyAttempts != last.faultyAttempts {
			t.Errorf("ten times the compute: %d attempts are spent, %d before", x.faultyAttempts, last.faultyAttempts)
		}
		last = x
	}
	// Who sends more is refused.
	w := build(t, under("balanced", 50, func(c *Config) { c.TokenBits, c.Compute, c.Perfect = 3, 1000, false }))
	w.attack = &staged{onPlan: func(w *world, to []push) []push {
		for range 3 {
			for _, from := range w.faulty {
				for _, n := range w.correct {
					to = append(to, push{from, n})
				}
			}
		}
		return to
	}}
	x, _ := traffics(w, 5)
	if pairs := int64(5 * len(w.faulty) * len(w.correct)); x.countedFaulty != pairs || x.refused != 2*pairs {
		t.Errorf("%d faulty pushes count, %d are refused, want %d and %d", x.countedFaulty, x.refused, pairs, 2*pairs)
	}
}

// TestTokensInStock: who keeps tokens for three epochs and sends them at once lands no more than who sends them as they
// come: the oldest are void by then, and a receiver counts one a round and carries one more.
func TestTokensInStock(t *testing.T) {
	w := build(t, under("balanced", 30, func(c *Config) { c.TokenBits, c.Compute, c.Perfect = 3, 1000, false }))
	pairs := int64(len(w.faulty) * len(w.correct))
	var stock []proof
	var counted, most int64
	const rounds = 30
	for range rounds {
		w.round++
		w.mint.open()
		for _, from := range w.faulty {
			for _, n := range w.correct {
				stock = append(stock, proof{from, n, w.members[n].desk.epoch})
			}
		}
		w.pushes, w.mint.stamps = nil, nil
		if w.round%3 == 0 {
			for _, s := range stock {
				w.pushes = append(w.pushes, push{s.from, s.to})
			}
			w.mint.stamps, stock = stock, nil
		}
		w.part(w.correct, 0, len(w.pushes))
		x := w.traffic()
		counted, most = counted+x.countedFaulty, max(most, x.countedFaulty)
	}
	if counted == 0 || counted > rounds*pairs || most > pairs {
		t.Errorf("%d faulty pushes count, up to %d in a round, of %d pairs and %d rounds", counted, most, pairs, rounds)
	}
	if want := (rounds*2/3 - 1) * pairs; counted != want { // the last are carried still
		t.Errorf("%d faulty pushes count, want %d", counted, want)
	}
}

// TestComputeGoesWhereTheAttackLikes: to all alike, or to the victims first, up to one of each faulty node.
func TestComputeGoesWhereTheAttackLikes(t *testing.T) {
	w := build(t, tokened(100, func(c *Config) { c.Attack = "balanced" }))
	steps(w, 1)
	got, repeated := tally(t, w, w.pushes)
	even(t, w, got, w.correct)
	if mean := float64(len(w.faulty) * 4); repeated > 0 || math.Abs(float64(len(w.pushes))-mean) > 6*math.Sqrt(mean) {
		t.Errorf("%d pushes are paid for, want about %v; %d repeated", len(w.pushes), mean, repeated)
	}
	for _, c := range []struct {
		compute float64
		all     bool // victims get all they can
	}{{.5, false}, {1, true}, {20, true}} {
		w := build(t, tokened(100, func(x *Config) { x.Attack, x.Victims, x.VictimPushes, x.Compute = "targeted", 3, 1000, c.compute }))
		steps(w, 1)
		got, repeated := tally(t, w, w.pushes)
		if repeated > 0 {
			t.Errorf("compute %v: %d repeated", c.compute, repeated)
		}
		victims := w.attack.victims()
		even(t, w, got, victims)
		even(t, w, got, without(w.correct, victims))
		for _, n := range victims {
			if (got[n] == len(w.faulty)) != c.all || got[n] > len(w.faulty) {
				t.Errorf("compute %v: a victim gets %d pushes of %d faulty nodes", c.compute, got[n], len(w.faulty))
			}
		}
		if rest := len(w.pushes) - 3*got[victims[0]]; rest > 2 != c.all {
			t.Errorf("compute %v: %d pushes go to others", c.compute, rest)
		}
	}
}

// TestUnpaidPushesAreNoLoad: a flood that is not paid for is refused, and neither counts nor overloads. Without tokens it
// does both.
func TestUnpaidPushesAreNoLoad(t *testing.T) {
	for _, bits := range []int{16, 0} {
		r := simulate(t, tokened(200, func(c *Config) {
			c.Rounds, c.TokenBits, c.TokenBudget, c.Meter = 20, bits, 0, true
		}))
		if (r.Over > .9) != (bits == 0) || (*r.PushShare > .7) != (bits == 0) {
			t.Errorf("%d bits: over_threshold %v, push_share %v", bits, r.Over, *r.PushShare)
		}
		if bits > 0 && *r.PushesRefused < 30 { // of 40 of the flood
			t.Errorf("%d bits: %v pushes are refused", bits, *r.PushesRefused)
		}
		if bits == 0 && (r.PushesRefused != nil || r.TokenGain != nil || r.TokenWork != nil || r.PushesSkipped != nil) {
			t.Error("without tokens there are words of tokens")
		}
	}
}

// TestNeitherTokensNorOnePushASender: with both off a flood of few ids lands as a whole; each of them stops it.
func TestNeitherTokensNorOnePushASender(t *testing.T) {
	flood := func(bits int, repeats bool) *Result {
		return simulate(t, tokened(200, func(c *Config) {
			c.Faulty, c.Force, c.Rounds, c.TokenBits, c.TokenBudget, c.Meter = .02, 20, 40, bits, 0, true
			c.Override = map[string]string{"count-repeats": fmt.Sprint(repeats)}
		}))
	}
	both, one, none := flood(16, false), flood(0, false), flood(0, true)
	for i, r := range []*Result{both, one, none} {
		within := [][2]float64{{.01, .06}, {.2, .3}, {.3, .45}}[i] // 4 of some 16 pushes a round with one a sender
		if x := *r.PushShare; x < within[0] || x > within[1] {
			t.Errorf("push_share %v, want between %v and %v", x, within[0], within[1])
		}
		t.Logf("push_share %.3f, view_faulty %.3f", *r.PushShare, r.ViewFaulty)
	}
	if !(both.ViewFaulty < one.ViewFaulty && 2*both.ViewFaulty < none.ViewFaulty) {
		t.Errorf("view_faulty %v with both, %v with one push a sender, %v without", both.ViewFaulty, one.ViewFaulty, none.ViewFaulty)
	}
}

// checked is a node whose number of counted pushes the meter must know.
type checked struct {
	brahms
	m *member
	t *testing.T
}

func (c checked) Tick() protocol.Actions {
	counted := c.m.meter.counted
	acts := c.brahms.Tick()
	if got := c.Status().Pushes; got != counted {
		c.t.Errorf("member %d: the node counts %d pushes, the meter %d", c.m.number, got, counted)
	}
	return acts
}

// TestTheMeterCountsAsTheNodeDoes, repeats and carried ones too.
func TestTheMeterCountsAsTheNodeDoes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"in step":       func(*Config) {},
		"jitter, loss":  func(c *Config) { c.Jitter, c.Loss = .9, .1 },
		"flood":         func(c *Config) { c.Attack, c.Force, c.Jitter = "flood", 20, .5 },
		"count-repeats": func(c *Config) { c.Attack, c.Override = "flood", map[string]string{"count-repeats": "true"} },
		"paper":         func(c *Config) { c.Preset, c.Jitter = "paper", .5 },
		"tokens":        func(c *Config) { c.TokenBits, c.Attack, c.Jitter, c.Compute = 6, "flood", .5, 4 },
	} {
		t.Run(name, func(t *testing.T) {
			w := build(t, under("balanced", 40, func(c *Config) { c.Meter, c.Perfect = true, false }, change))
			for _, n := range w.correct {
				m := w.members[n]
				m.node = checked{m.node.(brahms), m, t}
			}
			x, _ := traffics(w, 15)
			if x.countedFaulty == 0 || x.countedCorrect == 0 {
				t.Errorf("%+v", x)
			}
		})
	}
}

// TestTheMeterTellsWhoSent.
func TestTheMeterTellsWhoSent(t *testing.T) {
	w, puppets := stage(t, under("balanced", 10, func(c *Config) { c.Meter = true }))
	w.attack = &staged{onPlan: func(w *world, to []push) []push { return append(to, push{8, 1}, push{9, 1}, push{9, 1}, push{9, 2}) }}
	puppets[0].acts.Pushes = w.idsOf([]int{1, 2, 3})
	w.step()
	if x := w.traffic(); x.countedFaulty != 3 || x.countedCorrect != 3 || x.nodes != 8 {
		t.Errorf("%+v", x)
	}
	puppets[0].acts.Pushes = nil
	w.attack = &staged{onPlan: func(_ *world, to []push) []push { return to }}
	w.step()
	if x := w.traffic(); x.countedFaulty != 1 || x.countedCorrect != 0 {
		t.Errorf("the second push of a sender counts in the next round: %+v", x)
	}
}

// state is the digest of all correct nodes after some rounds.
func state(w *world, rounds int) string {
	steps(w, rounds)
	h := sha256.New()
	w.digest(h)
	return hex.EncodeToString(h.Sum(nil))
}

// TestTokensThatCostNothingChangeNothing: all that differs is what they cost, also for who only counts.
func TestTokensThatCostNothingChangeNothing(t *testing.T) {
	base := func(c *Config) { c.PushShare, c.Loss, c.Churn, c.Perfect = .3, .1, .02, false }
	want := state(build(t, under("balanced", 60, base)), 20)
	for name, change := range map[string]func(*Config){
		"free":  func(c *Config) { c.TokenBits, c.TokenBudget, c.Compute = 1, 1<<20, 1e3 },
		"meter": func(c *Config) { c.Meter = true },
		"dear":  func(c *Config) { c.TokenBits, c.TokenBudget = 8, 1<<10 },
	} {
		if got := state(build(t, under("balanced", 60, base, change)), 20); (got == want) != (name != "dear") {
			t.Errorf("%s: the nodes end as without tokens: %v", name, got == want)
		}
	}
	if a, b := simulate(t, under("balanced", 60)), simulate(t, under("balanced", 60, func(c *Config) { c.Meter = true })); a.Digest != b.Digest || b.PushShare == nil {
		t.Errorf("digest %s, with a meter %s", a.Digest, b.Digest)
	}
}

// TestTokensAreTheSameOnAnyNumberOfWorkers, result and digest; another seed and another difficulty are others.
func TestTokensAreTheSameOnAnyNumberOfWorkers(t *testing.T) {
	tell := func(workers int, seed uint64, bits int) string {
		r := simulate(t, tokened(120, func(c *Config) {
			c.Rounds, c.Loss, c.Jitter, c.Churn, c.Workers, c.Seed, c.TokenBits = 20, .1, .5, .02, workers, seed, bits
		}))
		r.Seconds, r.CPUSeconds, r.PeakMB = 0, 0, 0
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := tell(1, 1, 16)
	for _, workers := range []int{1, 2, 7} {
		if got := tell(workers, 1, 16); got != want {
			t.Errorf("%d workers:\n%s\none:\n%s", workers, got, want)
		}
	}
	if tell(2, 2, 16) == want || tell(2, 1, 15) == want {
		t.Error("another seed or difficulty gives the same")
	}
}

// TestNewIDsBringNoCompute: sybils have more senders and no more tokens.
func TestNewIDsBringNoCompute(t *testing.T) {
	w := build(t, tokened(100, func(c *Config) { c.Attack, c.Sybils = "sybil", 20 }))
	for range 20 {
		w.step()
		if x := w.traffic(); x.faultyAttempts != 20*4<<16 {
			t.Fatalf("round %d: %d faulty nodes spend %d attempts", w.round, len(w.faulty), x.faultyAttempts)
		}
	}
}

// TestWhoSkipsKnowsWhoLives: a node that cannot pay still hears of each peer that it wanted to push to.
func TestWhoSkipsKnowsWhoLives(t *testing.T) {
	w, puppets := stage(t, network(10, 1, func(c *Config) { c.TokenBits, c.TokenBudget = 30, 1 }))
	puppets[0].acts.Pushes = w.others(0)
	w.off([]int{4})
	w.step()
	for i, p := range puppets {
		if len(p.pushes) > 0 {
			t.Errorf("node %d gets %d pushes", i, len(p.pushes))
		}
		want := []protocol.ProbeOutcome{protocol.Alive}
		if i == 4 {
			want[0] = protocol.Missed
		}
		if o := puppets[0].outcomes[w.members[i].id]; i > 0 && !slices.Equal(o, want) {
			t.Errorf("of node %d it hears %v, want %v", i, o, want)
		}
	}
	// Nobody works for who does not answer.
	if d := w.members[0].desk; d.missed != 8 || d.solved != 0 {
		t.Errorf("%d pushes skipped, want 8", d.missed)
	}
}

func TestTokenSettingsAreChecked(t *testing.T) {
	for _, c := range []struct{ set, say string }{
		{"token-bits=-1", "sim: token-bits=-1 must be between 0 and 32"},
		{"token-bits=33", "sim: token-bits=33 must be between 0 and 32"},
		{"token-bits=8 token-budget=-1", "sim: token-budget=-1 must be between 0 and 1073741824"},
		{"token-bits=8 token-budget=1073741825", "sim: token-budget=1073741825 must be between 0 and 1073741824"},
		{"token-bits=8 compute=-1", "sim: compute=-1 must be between 0 and 1e+06"},
		{"token-bits=8 compute=1000001", "sim: compute=1.000001e+06 must be between 0 and 1e+06"},
		{"token-bits=8 compute=NaN", "sim: compute=NaN must be between 0 and 1e+06"},
		{"token-budget=100", "sim: token-budget=100 needs tokens, token-bits=0 switches them off"},
		{"compute=2", "sim: compute=2 needs tokens, token-bits=0 switches them off"},
		{"token-bits=8 algorithm=cyclon", "sim: token-bits=8 needs algorithm=brahms, pushes of cyclon have no tokens"},
		{"meter=true algorithm=basalt", "sim: meter=true needs algorithm=brahms, not basalt"},
		{"token-bits=32 token-budget=1073741824 compute=1000000", ""},
		{"token-bits=0 token-budget=0 compute=1", ""},
		{"faulty=0.5 nodes=1000000 l1=40 token-bits=1 compute=1000", "sim: push-share, force, victim-pushes or compute ask for"},
	} {
		cfg := Default()
		for one := range strings.FieldsSeq(c.set) {
			name, text, _ := strings.Cut(one, "=")
			if err := cfg.Set(name, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := cfg.Validate(); c.say == "" && err != nil || c.say != "" && (err == nil || !strings.HasPrefix(err.Error(), c.say)) {
			t.Errorf("%s: %v, want %q", c.set, err, c.say)
		}
	}
}
