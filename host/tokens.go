package host

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// MaxTokenBits is the greatest difficulty of push tokens (WithPushTokens).
const MaxTokenBits = token.MaxBits

// DefaultTokenBudget is the share of one core that a service spends on tokens, averaged over a round. In rounds of 10 s it
// pays for the 16 pushes of the default view at up to 20 bits, with room for bad luck (docs/threat-model.md).
const DefaultTokenBudget = .25

const (
	// searchStep is the number of attempts between two looks at the clock, the round and the context: a third of a
	// millisecond. The budget is overdrawn by one step at most.
	searchStep = 4096
	// maxChallenges bounds the challenges that are kept for later, for each of two rounds. What comes when there is no
	// place is not kept: a hello gets another.
	maxChallenges = 512
)

// WithPushTokens sets the price of a push in bits, 0 to 24: the sender makes 2^bits hashes on average, the receiver one.
// It is a constant of the network, as the lengths of rounds are: a peer with a lower one than its receiver cannot push to
// it. 0, the default, asks nothing and pays nothing.
func WithPushTokens(bits int) Option {
	return func(c *config) error {
		if bits < 0 || bits > MaxTokenBits {
			return fmt.Errorf("brahms: token bits=%d must be between 0 and %d", bits, MaxTokenBits)
		}
		c.tokenBits = bits
		return nil
	}
}

// WithTokenBudget sets the share of one core, above 0 and at most 1, that may go into tokens, averaged over each round. A
// push for which nothing is left is skipped and counted (Status.Tokens). The default is 0.25.
func WithTokenBudget(share float64) Option {
	return func(c *config) error {
		if !(share > 0 && share <= 1) {
			return fmt.Errorf("brahms: token budget=%v must be above 0 and at most 1", share)
		}
		c.tokenBudget = share
		return nil
	}
}

// TokenStatus is what push tokens cost and bought since the service started.
type TokenStatus struct {
	Bits     int    // the difficulty; 0: off
	Solved   uint64 // tokens that we made
	Attempts uint64 // hashes that we made for them and for those that were given up
	Skipped  uint64 // pushes that were not sent for want of a token: no budget, the round over, or a challenge that we do not answer
	Rejected uint64 // tokens of ours that their receiver did not take
}

// tokens is the price of a push on both sides: what we ask of those who push to us, and the work for those we push to.
// With 0 bits nothing is asked and nothing worked for.
type tokens struct {
	bits    int
	network string // the protocol id of push streams
	self    peer.ID
	budget  time.Duration                 // of one core, for each round
	refuse  func(origin, error)           // counts a challenge that we do not answer
	now     func() time.Time              // tests have a clock of their own
	run     func(*token.Search, int) bool // and searches that do not end
	turn    chan struct{}                 // one search at a time: never more than one core

	mu     sync.Mutex
	issuer *token.Issuer // nil with 0 bits
	round  uint64        // our open round
	over   chan struct{} // closed when it ends
	left   time.Duration // of its budget
	// Challenges that came with other answers, of this round and of the last. An older one has likely left its receiver's
	// window, and work for nothing costs more than the hello that a challenge spares.
	fresh, old map[peer.ID]wire.Challenge

	solved, attempts, skipped, rejected atomic.Uint64
}

func newTokens(cfg *config, network string, self peer.ID, refuse func(origin, error)) (*tokens, error) {
	t := &tokens{
		bits: cfg.tokenBits, network: network, self: self, refuse: refuse,
		budget: time.Duration(cfg.tokenBudget * float64(cfg.interval)),
		now:    time.Now, run: (*token.Search).Run, turn: make(chan struct{}, 1),
		over: make(chan struct{}), fresh: make(map[peer.ID]wire.Challenge),
	}
	if !t.on() {
		return t, nil
	}
	t.left = t.budget
	secret, err := newSecret()
	if err != nil {
		return nil, err
	}
	t.issuer, err = token.NewIssuer(network, self, t.bits, secret)
	return t, err
}

func newSecret() (s token.Secret, err error) {
	_, err = crand.Read(s[:])
	return s, err
}

func (t *tokens) on() bool { return t.bits > 0 }

func (t *tokens) status() TokenStatus {
	return TokenStatus{
		Bits: t.bits, Solved: t.solved.Load(), Attempts: t.attempts.Load(),
		Skipped: t.skipped.Load(), Rejected: t.rejected.Load(),
	}
}

// tick begins a round: an epoch of our own with a fresh secret, a fresh budget, and the end of the searches of the last.
func (t *tokens) tick(round uint64) {
	if !t.on() {
		return
	}
	secret, err := newSecret()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil { // it never fails on a platform that Go supports; the last epoch would go on
		t.issuer.Open(secret)
	}
	close(t.over)
	t.round, t.over, t.left = round, make(chan struct{}), t.budget
	t.old, t.fresh = t.fresh, make(map[peer.ID]wire.Challenge)
}

// The receiver's side.

// ask returns what the sender has to answer before its push counts; scheme 0 where no token is asked. It is false for a
// sender whose pushes are used up for now.
func (t *tokens) ask(sender peer.ID) (wire.Challenge, bool) {
	if !t.on() {
		return wire.Challenge{}, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issuer.Challenge(sender)
}

// take takes the sender's token, once, or says why not. Where none is asked, none is looked at.
func (t *tokens) take(sender peer.ID, tok *wire.Token) error {
	if !t.on() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issuer.Take(sender, tok)
}

// room is what encodeView leaves for the challenge of who asks.
func (t *tokens) room() int {
	if !t.on() {
		return 0
	}
	return wire.MaxChallengeField
}

// forAsker adds the asker's own challenge to the answer that all get in a round. It spares a later push the hello; the
// view in it stays the same for everybody.
func (t *tokens) forAsker(reply []byte, asker peer.ID, max int) []byte {
	if !t.on() {
		return reply
	}
	c, ok := t.ask(asker)
	if !ok {
		return reply
	}
	with, err := wire.AppendChallenge(reply, c, max)
	if err != nil {
		return reply // it is a shortcut, no more
	}
	return with
}

// The sender's side.

// keep remembers a challenge for a push of this round or the next. Those that we would not answer are not kept.
func (t *tokens) keep(from peer.ID, c *wire.Challenge) {
	if !t.on() || c == nil || c.Scheme == token.None || token.Check(*c, t.bits) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.fresh[from]; known || len(t.fresh) < maxChallenges {
		t.fresh[from] = *c
	}
}

// kept takes the challenge of a peer that was kept. It is good for one push.
func (t *tokens) kept(from peer.ID) (wire.Challenge, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.fresh[from]
	if !ok {
		c, ok = t.old[from]
	}
	delete(t.fresh, from)
	delete(t.old, from)
	return c, ok
}

// answer is our answer to a challenge of a receiver: a token, or none where none is asked. It is false, and the push is
// skipped, if the challenge is not one to answer or the token is not there in time.
func (t *tokens) answer(ctx context.Context, to peer.ID, c *wire.Challenge) (*wire.Token, bool) {
	err := error(token.ErrUnknownScheme) // no challenge at all
	if c != nil {
		err = token.Check(*c, t.bits)
	}
	if err != nil {
		t.refuse(origin{peer: to, protocol: coreprotocol.ID(t.network)}, err)
		t.skipped.Add(1)
		return nil, false
	}
	if c.Scheme == token.None {
		return nil, true
	}
	tok := t.search(ctx, to, *c)
	if tok == nil {
		t.skipped.Add(1)
	}
	return tok, tok != nil
}

// search works for a token of ours, in turn with others, until it is found, the budget of the round is spent, the round is
// over, or ctx ends. It returns nil in all cases but the first.
func (t *tokens) search(ctx context.Context, to peer.ID, c wire.Challenge) *wire.Token {
	round, over := t.open(ctx)
	select {
	case <-over:
		return nil
	default:
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-over:
		return nil
	case <-ctx.Done():
		return nil
	}
	s := token.NewSearch(token.Proof{
		Network: t.network, Receiver: to, Sender: t.self, Seed: c.Seed, Epoch: c.Epoch, Bits: c.Bits,
	}, 0) // the seed makes each search another one
	for ctx.Err() == nil && t.affords(round) {
		begin, before := t.now(), s.Attempts()
		found := t.run(s, searchStep)
		t.attempts.Add(s.Attempts() - before)
		t.spend(round, t.now().Sub(begin))
		if found {
			t.solved.Add(1)
			return s.Token()
		}
	}
	return nil
}

type roundKey struct{}

// in marks an exchange as one of a round of ours, whose end is the end of its search.
func (t *tokens) in(ctx context.Context, round uint64) context.Context {
	if !t.on() {
		return ctx
	}
	return context.WithValue(ctx, roundKey{}, round)
}

// closed is the end of a round that is over.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// open returns the round of ctx, the current one where it names none, and what is closed when it is over.
func (t *tokens) open(ctx context.Context) (uint64, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if round, ok := ctx.Value(roundKey{}).(uint64); ok && round != t.round {
		return round, closed
	}
	return t.round, t.over
}

// affords reports whether the round is still open and anything is left of its budget.
func (t *tokens) affords(round uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.round == round && t.left > 0
}

// spend takes what a step took from the round's budget. On a machine that has other things to do that is more than the
// work itself: then we do less.
func (t *tokens) spend(round uint64, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.round == round {
		t.left -= took
	}
}
