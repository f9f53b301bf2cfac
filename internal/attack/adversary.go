package attack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/time/rate"

	"github.com/brahms-p2p/brahms-p2p/protocol/token"
)

// Config says what the faulty peers of a run do.
type Config struct {
	Attack   string        // one of Names but None
	Rate     float64       // operations a second of each faulty peer, above 0
	Interval time.Duration // of a round
	Pushes   int           // of each faulty peer a round, as many as of a correct one: alpha*l1
	Answer   int           // slots of a pull answer, l1: at most wire.MaxEntries
	Seed     [32]byte      // of targets and of invented ids

	// TokenBits is the price of a push on the correct peers; 0 is none. Compute is how many attempts at tokens each faulty
	// peer makes a round, in those that a correct one needs in the mean: Pushes<<TokenBits.
	TokenBits int
	Compute   float64

	// NewHost makes the host of a faulty peer, with the same id whenever it is called for the same number. It listens on
	// loopback.
	NewHost func(number int) (corehost.Host, error)
	// Victim is where dial-cannon points; nil for attacks that are not NeedsVictim.
	Victim multiaddr.Multiaddr
	// Closed are addresses on which nobody answers: where invented ids are said to live.
	Closed []multiaddr.Multiaddr
}

// An Adversary is the faulty peers of a run. An operation of theirs is a stream that they open, an id that they invent, or
// a host that they start. What they answer is not counted: it is bounded by what correct peers ask.
type Adversary struct {
	cfg    Config
	kinds  []attack // what the peers do, dealt over them in turn: one, but for Mixed
	ops    atomic.Uint64
	work   atomic.Uint64 // attempts at tokens
	turn   atomic.Uint64 // of the pushes that are dealt over the correct peers
	life   context.Context
	cancel context.CancelFunc

	mu      sync.RWMutex
	closed  bool
	correct []peer.AddrInfo // that are up
	peers   []*faulty
	answer  []byte // a pull answer of all faulty peers that are up; nil when it must be made anew
	running sync.WaitGroup
}

// New returns an adversary without peers.
func New(cfg Config) (*Adversary, error) {
	if err := Check(cfg.Attack); err != nil {
		return nil, fmt.Errorf("attack: %w", err)
	}
	switch {
	case len(attacks[cfg.Attack].makes) == 0:
		return nil, fmt.Errorf("attack: attack=%q has no adversary", cfg.Attack)
	case !(cfg.Rate > 0) || cfg.Interval <= 0 || cfg.Pushes < 1 || cfg.Answer < 1 || cfg.NewHost == nil || len(cfg.Closed) == 0:
		return nil, errors.New("attack: rate, interval, pushes, answer, hosts and closed addresses must be given")
	case cfg.TokenBits < 0 || cfg.TokenBits > token.MaxBits || !(cfg.Compute >= 0):
		return nil, fmt.Errorf("attack: token bits=%d must be between 0 and %d, compute=%v at least 0", cfg.TokenBits, token.MaxBits, cfg.Compute)
	}
	a := &Adversary{cfg: cfg}
	a.life, a.cancel = context.WithCancel(context.Background())
	for _, make := range attacks[cfg.Attack].makes {
		a.kinds = append(a.kinds, make(a))
	}
	return a, nil
}

// Add makes one more faulty peer, which answers at once, and attacks after Start. It must not be called after Start.
func (a *Adversary) Add(number int) (corehost.Host, error) {
	seed := a.cfg.Seed
	binary.LittleEndian.PutUint64(seed[:], binary.LittleEndian.Uint64(seed[:])^uint64(number+1))
	f := &faulty{
		a: a, number: number, rng: rand.New(rand.NewChaCha8(seed)),
		limiter: rate.NewLimiter(rate.Limit(a.cfg.Rate), max(1, int(a.cfg.Rate/10))),
		places:  make(chan struct{}, underWay),
		purse:   newPurse(a.cfg),
	}
	a.mu.RLock()
	f.attack = a.kinds[len(a.peers)%len(a.kinds)]
	a.mu.RUnlock()
	if err := f.up(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.peers = append(a.peers, f)
	return f.host, nil
}

// Meet tells the adversary of a correct peer that is up, Lose of one that is no longer.
func (a *Adversary) Meet(p peer.AddrInfo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.correct = append(slices.Clip(a.correct), p)
}

// Lose: see Meet.
func (a *Adversary) Lose(id peer.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.correct = slices.DeleteFunc(slices.Clone(a.correct), func(p peer.AddrInfo) bool { return p.ID == id })
}

// targets are the correct peers that are up, in the order in which they came. Nobody may change the slice.
func (a *Adversary) targets() []peer.AddrInfo {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.correct
}

// Start begins the attack.
func (a *Adversary) Start() {
	for i, f := range a.peers {
		a.running.Go(func() { f.rounds(a.life, a.cfg.Interval*time.Duration(i)/time.Duration(len(a.peers))) })
		if r, ok := f.attack.(restless); ok {
			a.running.Go(func() { f.hammer(a.life, r) })
		}
	}
}

// Ops is the number of operations up to now, by all faulty peers, Attempts that of their attempts at tokens.
func (a *Adversary) Ops() uint64 { return a.ops.Load() }

// Attempts: see Ops.
func (a *Adversary) Attempts() uint64 { return a.work.Load() }

// Close ends the attack and closes all hosts. All goroutines are gone when it returns. It may be called again.
func (a *Adversary) Close() {
	a.mu.Lock()
	a.closed = true
	peers := a.peers
	a.mu.Unlock()
	a.cancel()
	var closing sync.WaitGroup
	for _, f := range peers {
		closing.Go(f.down)
	}
	closing.Wait()
	a.running.Wait()
}

// begin reports whether a handler may run, and counts it if so.
func (a *Adversary) begin() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if !a.closed {
		a.running.Add(1)
	}
	return !a.closed
}

// deal returns the targets of the next n pushes of one faulty peer. All faulty peers draw from one sequence over the correct
// peers, so each correct peer gets as many pushes as another, from as many senders as possible.
func (a *Adversary) deal(n int) []peer.AddrInfo {
	all := a.targets()
	n = min(n, len(all)) // a second push in a round does not count
	start := a.turn.Add(uint64(n)) - uint64(n)
	out := make([]peer.AddrInfo, n)
	for i := range out {
		out[i] = all[(start+uint64(i))%uint64(len(all))]
	}
	return out
}

// faultyAnswer is a framed pull answer that names the faulty peers which are up, each as often as another.
func (a *Adversary) faultyAnswer() []byte {
	a.mu.RLock()
	answer := a.answer
	a.mu.RUnlock()
	if answer != nil {
		return answer
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = pullFrame(spread(a.records(), a.cfg.Answer))
	return a.answer
}

// records are those of the faulty peers that are up. a.mu is held.
func (a *Adversary) records() [][]byte {
	var out [][]byte
	for _, f := range a.peers {
		if raw := f.ownRecord(); raw != nil {
			out = append(out, raw)
		}
	}
	return out
}

// changed is told by a faulty peer whose record is another now.
func (a *Adversary) changed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = nil
}
