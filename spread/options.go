package spread

import (
	"fmt"
	"strings"
	"time"

	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// Defaults of the options; those of ages, hops, memory and rates are gossip.Default.
const (
	DefaultBuffer  = 64
	DefaultWorkers = 32

	DefaultSenderRate  = 200.0 // copies a second, see WithSenderRate
	DefaultSenderBurst = 2000.0
)

// Bounds of the options.
const (
	MaxBuffer  = 1 << 16
	MaxWorkers = 1024

	// MaxWaiting is how many bytes the messages that wait for one subscriber may have: a flooder fills what is there.
	MaxWaiting = 1 << 30
)

// An Option sets one thing of a Service. New fails with the error of the first option that is wrong.
type Option func(*config) error

type config struct {
	params     gossip.Params
	sender     gossip.Rate
	limits     Limits
	fanout     int // 0: by the size of the network
	quorum     int // 0: half of those asked
	maxPayload int
	buffer     int
	workers    int
	prefix     string
	now        func() time.Time
}

func newConfig(opts []Option) (config, error) {
	c := config{
		params: gossip.Default(), sender: gossip.Rate{PerSecond: DefaultSenderRate, Burst: DefaultSenderBurst}, maxPayload: message.MaxPayload, buffer: DefaultBuffer, workers: DefaultWorkers, now: time.Now,
	}
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return config{}, err
		}
	}
	c.params.Window = min(c.params.Window, c.params.MaxAge)
	if err := c.params.Validate(); err != nil {
		return config{}, fmt.Errorf("spread: %w", err)
	}
	if n := c.buffer * c.maxPayload; n > MaxWaiting {
		return config{}, fmt.Errorf("spread: buffer=%d messages of max payload=%d make %d bytes for each subscriber, at most %d may wait",
			c.buffer, c.maxPayload, n, MaxWaiting)
	}
	return c, nil
}

// CheckOptions returns the error with which New would fail for these options.
func CheckOptions(opts ...Option) error {
	_, err := newConfig(opts)
	return err
}

func intOption(name string, n, least, most int, set func(*config)) Option {
	return func(c *config) error {
		if n < least || n > most {
			return fmt.Errorf("spread: %s=%d must be between %d and %d", name, n, least, most)
		}
		set(c)
		return nil
	}
}

// WithFanout fixes to how many peers each message is passed on, 1 to 64; 0 is ln n + 7 for the n peers that the network
// seems to have, the default.
func WithFanout(n int) Option {
	return intOption("fan-out", n, 0, gossip.MaxFanout, func(c *config) { c.fanout = n })
}

// WithQuorum sets how many peers must take a message for Spread to succeed, 1 to 64; 0 is half of those asked, rounded up, the
// default. A peer that takes a message may drop it: one that is correct is enough to spread it.
func WithQuorum(m int) Option {
	return intOption("quorum", m, 0, gossip.MaxFanout, func(c *config) { c.quorum = m })
}

// WithMaxPayload sets the largest payload in bytes, 1 to 1 MiB; 64 KiB by default. All peers of a network must use the
// same: who allows less refuses what others pass on.
func WithMaxPayload(n int) Option {
	return intOption("max payload", n, 1, message.MaxPayloadLimit, func(c *config) { c.maxPayload = n })
}

// WithMaxAge sets how old a message may be to be taken and passed on, 1 s to 24 h; 2 min by default.
func WithMaxAge(d time.Duration) Option {
	return func(c *config) error {
		if d < time.Second || d > gossip.MaxMaxAge*time.Millisecond {
			return fmt.Errorf("spread: max age=%v must be between 1s and 24h", d)
		}
		c.params.MaxAge = d.Milliseconds()
		return nil
	}
}

// WithMaxHops sets how many peers may have passed on a message that is passed on, 0 to 32; 10 by default. With 0 only the
// peers that its origin asks get a message.
func WithMaxHops(n int) Option {
	return intOption("max hops", n, 0, gossip.MaxHops, func(c *config) { c.params.MaxHops = n })
}

// WithMemory sets how many messages are remembered, 1 to 2^22; 65,536 by default, which take 6 MiB at most.
func WithMemory(n int) Option {
	return intOption("memory", n, 1, gossip.MaxMemory, func(c *config) { c.params.Memory = n })
}

// WithOriginRate sets how many messages of one origin are taken: at once burst, and perSecond in the long run; both 0 are no
// limit. A peer sends half of that itself. The default is 20 a second and 200 at once; peers of a network should use the same.
func WithOriginRate(perSecond, burst float64) Option {
	return func(c *config) error {
		c.params.Origin = gossip.Rate{PerSecond: perSecond, Burst: burst}
		return nil
	}
}

// WithSenderRate sets how many copies of messages one neighbour may send, whoever their origin is: as WithOriginRate has
// it. The default is 200 a second and 2,000 at once.
func WithSenderRate(perSecond, burst float64) Option {
	return func(c *config) error {
		c.sender = gossip.Rate{PerSecond: perSecond, Burst: burst}
		if err := c.sender.Validate("sender"); err != nil {
			return fmt.Errorf("spread: %w", err)
		}
		return nil
	}
}

// WithBuffer sets how many messages wait for a subscriber, 1 to 65,536; 64 by default. One that does not read holds so many
// payloads, 4 MiB by default; with the largest payload (WithMaxPayload) they may have 1 GiB at most.
func WithBuffer(n int) Option {
	return intOption("buffer", n, 1, MaxBuffer, func(c *config) { c.buffer = n })
}

// WithWorkers sets to how many peers we send at once, 1 to 1024; 32 by default. A peer that does not answer holds one for
// ten seconds, and rests then.
func WithWorkers(n int) Option {
	return intOption("workers", n, 1, MaxWorkers, func(c *config) { c.workers = n })
}

// WithProtocolPrefix separates networks as the option of that name of package host does, which should have the same.
func WithProtocolPrefix(prefix string) Option {
	return func(c *config) error {
		if prefix != "" && (!strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") || strings.Contains(prefix, "//") || len(prefix) > 128) {
			return fmt.Errorf("spread: protocol prefix=%q must start with a slash, not end in one, and have no empty part and at most 128 bytes", prefix)
		}
		c.prefix = prefix
		return nil
	}
}

// withClock puts another clock in place of the machine's. For tests.
func withClock(now func() time.Time) Option {
	return func(c *config) error {
		c.now = now
		return nil
	}
}
