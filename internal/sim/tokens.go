package sim

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// Push tokens by counted work: nothing is hashed, each token takes a number of attempts that is drawn. A token is for one
// sender, one receiver and one epoch of the receiver, whose seed nobody can know before: work can neither be done ahead nor
// be passed on. A receiver takes each token once, until tokenWindow of its epochs are over.
//
// A correct node has a budget of attempts a round and skips the pushes that it does not suffice for. The faulty nodes
// have Config.Compute times as much for each of them that was there from the start, which they spend together as their
// attack likes: new ids bring no processors. What is left over in a round is lost, as processor time is.

// tokenWindow is how many epochs of a receiver are accepted: the current one and two before it.
const tokenWindow = 3

// Bounds on tokens. At MaxTokenBits a token takes minutes of a core.
const (
	MaxTokenBits   = 32
	MaxTokenBudget = 1 << 30
	MaxCompute     = 1e6
)

// proof is a token: what its work is good for. The zero value is good for nothing: epochs begin at 1.
type proof struct{ from, to, epoch int }

// price draws how many attempts a token takes: geometrically distributed with the mean 2^bits. The bits of such a number,
// less one, are independent, and the i-th is set with the chance q^(2^i)/(1+q^(2^i)), q being the chance that an attempt
// fails. That takes multiplications and divisions only, whose results are the same on every machine; a logarithm's are not.
type price struct{ set []uint64 } // chances of the bits, in units of 2^-64

func newPrice(bits int) price {
	var p price
	q := 1 - math.Ldexp(1, -bits)
	for range bits + 7 { // the chance that there would be a higher bit is e^-128
		p.set = append(p.set, uint64(math.Ldexp(q/(1+q), 64)))
		q = float64(q * q) // converted: no fused multiply-add
	}
	return p
}

func (p price) draw(rng *rand.Rand) int64 {
	n := int64(1)
	for i, chance := range p.set {
		if rng.Uint64() < chance {
			n += 1 << i
		}
	}
	return n
}

// budget is how many attempts a correct node has a round.
func (c Config) budget(p protocol.Params) int64 {
	if c.TokenBudget > 0 {
		return int64(c.TokenBudget)
	}
	return int64(p.Shares().Push) << c.TokenBits
}

// compute is how many attempts all faulty nodes have together a round.
func (c Config) compute(p protocol.Params) int64 {
	return int64(min(c.Compute*float64(c.budget(p))*float64(c.faulty()), 1<<62))
}

// affordable is about how many pushes the faulty nodes can pay for in a round, at most one on each correct node by each.
func (c Config) affordable(p protocol.Params) float64 {
	pairs := float64(c.faulty()) * float64(c.Nodes-c.faulty())
	return min(math.Ldexp(float64(c.compute(p)), -c.TokenBits), pairs)
}

// validateTokens reports the first setting of tokens that breaks a rule.
func (c Config) validateTokens() error {
	d := Default()
	switch {
	case c.TokenBits < 0 || c.TokenBits > MaxTokenBits:
		return fmt.Errorf("sim: token-bits=%d must be between 0 and %d", c.TokenBits, MaxTokenBits)
	case c.TokenBudget < 0 || c.TokenBudget > MaxTokenBudget:
		return fmt.Errorf("sim: token-budget=%d must be between 0 and %d", c.TokenBudget, MaxTokenBudget)
	case !(c.Compute >= 0 && c.Compute <= MaxCompute): // NaN is not within either
		return fmt.Errorf("sim: compute=%v must be between 0 and %v", c.Compute, MaxCompute)
	case c.TokenBits == 0 && c.TokenBudget != d.TokenBudget:
		return fmt.Errorf("sim: token-budget=%d needs tokens, token-bits=0 switches them off", c.TokenBudget)
	case c.TokenBits == 0 && c.Compute != d.Compute:
		return fmt.Errorf("sim: compute=%v needs tokens, token-bits=0 switches them off", c.Compute)
	case c.TokenBits > 0 && c.Algorithm != Brahms:
		return fmt.Errorf("sim: token-bits=%d needs algorithm=%s, pushes of %s have no tokens", c.TokenBits, Brahms, c.Algorithm)
	case c.Meter && c.Algorithm != Brahms:
		return fmt.Errorf("sim: meter=true needs algorithm=%s, not %s", Brahms, c.Algorithm)
	}
	return nil
}

// mint is the prices of all, and what the faulty nodes make of theirs. It is nil without tokens.
type mint struct {
	price  price
	budget int64 // attempts of a correct node a round

	rng      *rand.Rand // of the faulty nodes' attempts
	left     int64      // attempts that they have left in the round
	spent    int64      // attempts of the round
	solved   int        // tokens of the round
	stamps   []proof    // the tokens of world.pushes, in their order; zero where none was paid for
	compute  int64      // attempts that they have a round
	rejected int64      // pushes of the round that came without a token that is good
}

func newMint(w *world) *mint {
	if w.cfg.TokenBits == 0 {
		return nil
	}
	return &mint{
		price: newPrice(w.cfg.TokenBits), budget: w.cfg.budget(w.params), compute: w.cfg.compute(w.params),
		rng: w.seeded('K', 0),
	}
}

// open begins a round.
func (t *mint) open() {
	if t != nil {
		t.left, t.spent, t.solved, t.rejected = t.compute, 0, 0, 0
	}
}

// solve makes as many tokens of the faulty nodes as count says and their compute allows, and returns how many. Whose they
// are is settled by stamp: a token takes as long whoever it is for.
func (t *mint) solve(count int) int {
	n := 0
	for n < count && t.left > 0 {
		cost := t.price.draw(t.rng)
		if cost > t.left {
			t.spent, t.left = t.spent+t.left, 0
			break
		}
		t.spent, t.left = t.spent+cost, t.left-cost
		n++
	}
	t.solved += n
	return n
}

// afford is how many of count pushes the faulty nodes can pay for in the round: all, without tokens.
func (w *world) afford(count int) int {
	if w.mint == nil {
		return count
	}
	return w.mint.solve(min(count, w.pairs(len(w.correct))))
}

// correctPushes is about how many pushes of correct nodes a correct node gets in a round, as far as those meet correct ones.
// Theory does not know tokens: there the faulty share of views is taken to be f, and the pushes for what can be paid.
func (w *world) correctPushes() float64 {
	if w.mint == nil {
		return float64(w.fanout) * (1 - w.cfg.theory(w.params))
	}
	paid := math.Ldexp(float64(w.mint.budget), -w.cfg.TokenBits)
	return min(float64(w.fanout), paid) * (1 - float64(w.cfg.faulty())/float64(w.cfg.Nodes))
}

// pairs is how many tokens for the given receivers the faulty nodes have a use for in one epoch. Without tokens nothing
// bounds pushes.
func (w *world) pairs(receivers int) int {
	if w.mint == nil {
		return math.MaxInt
	}
	return len(w.faulty) * receivers
}

// stamp gives tokens to the planned pushes of faulty nodes, in their order, as far as their compute goes. Those that get
// none are sent all the same. They know the epoch that a receiver was in when the round began.
func (w *world) stamp() {
	t := w.mint
	if t == nil {
		return
	}
	if more := min(len(w.pushes), w.pairs(len(w.correct))) - t.solved; more > 0 {
		t.solve(more)
	}
	t.stamps = t.stamps[:0]
	for i, p := range w.pushes {
		var s proof
		if d := w.members[p.to].desk; d != nil && i < t.solved {
			s = proof{p.from, p.to, d.epoch}
		}
		t.stamps = append(t.stamps, s)
	}
}

// admits reports whether a push of the correct node from, for which it worked in this part of the round, passes the check
// of the correct node to.
func (w *world) admits(from, to int) bool {
	return w.mint == nil || w.admit(from, to, proof{from, to, w.members[to].desk.epoch})
}

// admitsFaulty reports whether the i-th of world.pushes passes the receiver's check.
func (w *world) admitsFaulty(i int) bool {
	return w.mint == nil || w.admit(w.pushes[i].from, w.pushes[i].to, w.mint.stamps[i])
}

func (w *world) admit(from, to int, t proof) bool {
	if w.members[to].desk.admit(from, t) {
		return true
	}
	w.mint.rejected++
	return false
}

// desk is where a correct member solves and checks tokens.
type desk struct {
	self   int
	rng    *rand.Rand // of its attempts
	left   int64      // attempts that it has left in the round
	epoch  int        // the round counter that its seeds are of
	taken  [tokenWindow]map[int]bool
	spent  int64 // attempts of the round
	solved int64 // pushes of the round that got a token
	missed int64 // pushes of the round that got none
}

// newDesk returns the desk of a correct member, nil without tokens.
func (w *world) newDesk(number int) *desk {
	if w.mint == nil {
		return nil
	}
	d := &desk{self: number, rng: w.seeded('k', number), epoch: 1}
	for i := range d.taken {
		d.taken[i] = map[int]bool{}
	}
	return d
}

// open begins a round of the member: a new epoch, and a new budget. What was taken in the epoch that is over is forgotten.
func (d *desk) open(t *mint) {
	if d == nil {
		return
	}
	d.epoch++
	clear(d.taken[d.epoch%tokenWindow])
	d.left, d.spent, d.solved, d.missed = t.budget, 0, 0, 0
}

// pays reports whether the budget of the round suffices for one more push, and spends what that takes. A search that does
// not end in time is work lost. Without tokens every push is free.
func (d *desk) pays(t *mint) bool {
	if d == nil {
		return true
	}
	if d.left > 0 {
		if cost := t.price.draw(d.rng); cost <= d.left {
			d.spent, d.left = d.spent+cost, d.left-cost
			d.solved++
			return true
		}
		d.spent, d.left = d.spent+d.left, 0
	}
	d.missed++
	return false
}

// admit reports whether the member takes a push of the given sender with this token, and takes no other of that sender and
// epoch.
func (d *desk) admit(from int, t proof) bool {
	if t.from != from || t.to != d.self || t.epoch < 1 || t.epoch > d.epoch || t.epoch <= d.epoch-tokenWindow {
		return false
	}
	taken := d.taken[t.epoch%tokenWindow]
	if taken[from] {
		return false
	}
	taken[from] = true
	return true
}
