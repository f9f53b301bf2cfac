package consensus

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
)

// Defaults of the options; those of polls are machine.Default.
const (
	DefaultEpoch         = 5 * time.Minute
	DefaultRoundInterval = 2 * time.Second
	DefaultWorkers       = 64
)

// SampleSize is the number of slots that the sample should have where some peers are faulty (host.WithSampleSize). Picks that
// the bank cannot provide are drawn from the same sample again and again: at a faulty share of .15 one sample of 40 in
// nine has too many of them for its peer to decide anything, of 320 one in 800 (docs/consensus.md, How large the pool).
const SampleSize = 320

// Bounds of the options.
const (
	MinRoundInterval = 10 * time.Millisecond
	MaxRoundInterval = time.Hour
	MaxEpoch         = 366 * 24 * time.Hour
	MaxWorkers       = 1024
)

// An Option sets one thing of a Service. New fails with the error of the first option that is wrong.
type Option func(*config) error

type config struct {
	params     machine.Params
	length     time.Duration // of an epoch
	start      time.Time     // of epoch 0
	interval   time.Duration
	prefix     string
	workers    int
	limits     Limits
	store      store // nil: no state is kept
	mayPropose func(peer.ID) bool
	tracers    tracers
	manual     bool // rounds are those of Service.step
}

func newConfig(opts []Option) (config, error) {
	c := config{
		params: machine.Default(), length: DefaultEpoch, start: time.Unix(0, 0), interval: DefaultRoundInterval,
		workers: DefaultWorkers, mayPropose: func(peer.ID) bool { return true },
	}
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return config{}, err
		}
	}
	if err := c.params.Validate(); err != nil {
		return config{}, err
	}
	if least := time.Duration(c.params.Window+1) * c.interval; c.length < least {
		return config{}, fmt.Errorf("consensus: epochs=%v must be at least %v: a window of %d rounds of %v and one more",
			c.length, least, c.params.Window, c.interval)
	}
	c.params.Stall = min(c.params.Stall, c.lastThird())
	return c, nil
}

// lastThird is how many polls of an epoch may be counted before the last third of the time for which it is kept begins, at
// least 1. An epoch that does not get on says so by then: else one with few rounds would be dropped before it had.
func (c *config) lastThird() int {
	rounds := int64((machine.Epochs - 1) * c.length / c.interval)
	return int(min(max(1, rounds-int64(c.params.Window)), math.MaxInt32))
}

// CheckOptions returns the error with which New would fail for these options, whatever the host.
func CheckOptions(opts ...Option) error {
	_, err := newConfig(opts)
	return err
}

// WithEpochs cuts time into epochs: epoch n begins n times length after start, by the wall clock. Before start there is
// none. Epochs have at least the window and a round, and at most 366 days; five minutes from the Unix epoch on are the
// default. All peers of a network MUST have the same epochs, and clocks that are right to a small part of the window.
//
// An epoch is kept until the second after it is over, so it has three lengths to be closed in. Without faulty peers that
// takes Window and Beta rounds and two more (30), with 15% of them up to 212 (docs/consensus.md).
func WithEpochs(length time.Duration, start time.Time) Option {
	return func(c *config) error {
		if length <= 0 || length > MaxEpoch {
			return fmt.Errorf("consensus: epochs=%v must be above 0 and at most %v", length, MaxEpoch)
		}
		if start.Before(time.Unix(0, 0)) {
			return fmt.Errorf("consensus: start of epochs=%v must not be before 1970", start)
		}
		c.length, c.start = length, start.Round(0) // of the wall clock
		return nil
	}
}

// WithRoundInterval sets the length of a round, 10 ms to 1 h; 2 s by default. All peers of a network should have the
// same. Whatever has not answered when its round ends counts as silent, and a quarter of the picks may be silent or
// faulty: a round has to leave the time to dial a peer and ask it.
func WithRoundInterval(d time.Duration) Option {
	return func(c *config) error {
		if d < MinRoundInterval || d > MaxRoundInterval {
			return fmt.Errorf("consensus: round interval=%v must be between %v and %v", d, MinRoundInterval, MaxRoundInterval)
		}
		c.interval = d
		return nil
	}
}

// WithParams sets the parameters of polls in place of machine.Default. All peers of a network must have the same. Stall is
// lowered where an epoch is dropped before so many polls, to those before the last third of the time for which it is kept.
func WithParams(p machine.Params) Option {
	return func(c *config) error {
		c.params = p
		return p.Validate()
	}
}

// WithProtocolPrefix separates networks as the option of that name of package host does, which should have the same.
func WithProtocolPrefix(prefix string) Option {
	return func(c *config) error {
		if prefix != "" && (!strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") || strings.Contains(prefix, "//") ||
			len(prefix) > 128) {
			return fmt.Errorf("consensus: protocol prefix=%q must start with a slash, not end in one, and have no empty part "+
				"and at most 128 bytes", prefix)
		}
		c.prefix = prefix
		return nil
	}
}

// WithWorkers sets with how many peers a round exchanges at once, 1 to 1024; 64 by default. A silent peer holds one until
// its round ends.
func WithWorkers(n int) Option {
	return func(c *config) error {
		if n < 1 || n > MaxWorkers {
			return fmt.Errorf("consensus: workers=%d must be between 1 and %d", n, MaxWorkers)
		}
		c.workers = n
		return nil
	}
}

// WithMayPropose says whose items are taken: only those of peers for which may is true. Ids are free, so without it
// whoever has 32 ids can fill an epoch before others are heard. All peers of a network must answer alike, or epochs stay
// open. may is called by several goroutines at once, before a signature is verified, and must return at once.
func WithMayPropose(may func(peer.ID) bool) Option {
	return func(c *config) error {
		if may == nil {
			return errors.New("consensus: may-propose must not be nil")
		}
		c.mayPropose = may
		return nil
	}
}

// WithLimits sets the bounds on what others may ask.
func WithLimits(l Limits) Option {
	return func(c *config) error {
		c.limits = l
		return l.check()
	}
}

// WithDatastore keeps the service's state in ds under the key StateKey(prefix), so that a peer that restarts goes on
// from it: what it prefers and has decided, and the items. The state is written at the end of each round in which it
// changed, and in Close. ds must be safe for concurrent use and stays the caller's: it must outlive the service. The
// state is no secret.
func WithDatastore(ds datastore.Datastore) Option {
	return func(c *config) error {
		if ds == nil {
			return errors.New("consensus: datastore must not be nil")
		}
		return c.setStore(&dataStore{ds: ds})
	}
}

// WithStore keeps the service's state as WithDatastore does, in s: a StateDir, or what an application has.
func WithStore(s Store) Option {
	return func(c *config) error {
		if s == nil {
			return errors.New("consensus: store must not be nil")
		}
		return c.setStore(fileStore{s})
	}
}

// setStore refuses a second store: which of two states is the right one nobody could tell.
func (c *config) setStore(s store) error {
	if c.store != nil {
		return errors.New("consensus: only one of a store and a datastore may be given, and once")
	}
	c.store = s
	return nil
}

// WithTracer lets t see what the service does. It may be given more than once, and then all see it; nil is none.
func WithTracer(t Tracer) Option {
	return func(c *config) error {
		if t != nil {
			c.tracers = append(c.tracers[:len(c.tracers):len(c.tracers)], t)
		}
		return nil
	}
}

// withManualRounds lets tests drive the rounds with Service.step: no clock is read and no timer is set.
func withManualRounds() Option {
	return func(c *config) error {
		c.manual = true
		return nil
	}
}
