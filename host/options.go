package host

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Defaults of the options.
const (
	DefaultInterval        = 10 * time.Second
	DefaultJitter          = 0.1
	DefaultDialTimeout     = 5 * time.Second
	DefaultExchangeTimeout = 5 * time.Second
	DefaultServeTimeout    = 10 * time.Second
	DefaultWorkers         = 32 // or 2*(l1+l2)/5 where that is more
	DefaultIdleRounds      = 3
)

// Bounds of the options. A round shorter than MinInterval does not leave an exchange the time of a round trip.
const (
	MinInterval = 10 * time.Millisecond
	MaxInterval = 24 * time.Hour
	MaxWorkers  = 1024
)

// An Option sets one thing of a Service. New fails with the error of the first option that is wrong.
type Option func(*config) error

type config struct {
	params     protocol.Params
	paramsSet  bool
	preset     string
	l1, l2     int
	sizes      *[2]int // least and most of WithAdaptiveSize; both 0 are fixed sizes
	hash       string
	diversity  float64 // share of the slots, or presetDiversity
	bank       int     // slots, or presetBank
	bootstrap  []peer.AddrInfo
	discover   func(context.Context) ([]peer.AddrInfo, error)
	interval   time.Duration
	jitter     float64
	jitterRand *rand.Rand
	prefix     string
	private    bool
	dial       time.Duration
	exchange   time.Duration
	serve      time.Duration
	leaveQuiet time.Duration
	workers    int
	workersSet bool
	idleRounds int
	provenOnly bool
	limits     Limits // with defaults
	wanted     Limits // as the user gave them
	onRound    func(*Snapshot)
	wall       func() time.Time // the time of day; tests put another clock here
	tracers    tracers

	tokenBits   int
	tokenBudget float64

	store         stateStore // nil: no state is kept
	stateInterval time.Duration
}

func newConfig(opts []Option) (config, error) {
	c := config{
		preset: "hardened", interval: DefaultInterval, jitter: DefaultJitter,
		dial: DefaultDialTimeout, exchange: DefaultExchangeTimeout, serve: DefaultServeTimeout,
		stateInterval: DefaultStateInterval,
		wall:          wallClock, idleRounds: DefaultIdleRounds, tokenBudget: DefaultTokenBudget, diversity: presetDiversity, bank: presetBank,
	}
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return config{}, err
		}
	}
	if !c.paramsSet {
		l := protocol.Size(1)
		if c.l1 != 0 {
			l = c.l1
		}
		p, err := protocol.Preset(c.preset, l)
		if err != nil {
			return config{}, fmt.Errorf("brahms: %w", err)
		}
		if c.l2 != 0 {
			// Budgets follow the size of the sample, as the preset has them.
			view := p
			p, _ = protocol.Preset(c.preset, c.l2)
			p.L1, p.ViewFine, p.ViewCoarse = view.L1, view.ViewFine, view.ViewCoarse
		}
		if p, err = c.adapt(p); err != nil {
			return config{}, err
		}
		if c.hash != "" {
			p.Hash = protocol.Hash(c.hash)
		}
		if c.diversity != presetDiversity {
			p.Diverse = int(math.Round(c.diversity * float64(p.L2)))
		}
		c.setBank(&p)
		c.params = p
	}
	if err := c.params.Validate(); err != nil {
		return config{}, fmt.Errorf("brahms: %w", err)
	}
	c.workersSet = c.workers != 0
	if !c.workersSet {
		c.workers = workersFor(c.params)
	}
	c.wanted = c.limits
	c.limits = c.wanted.withDefaults(c.params, c.workers)
	if c.leaveQuiet == 0 {
		c.leaveQuiet = 2 * c.interval
	}
	return c, nil
}

// WithParams sets all parameters of the node (protocol.Hardened, protocol.Paper and changes to them). It overrides
// WithPreset, WithViewSize, WithSampleSize, WithAdaptiveSize, WithHash, WithDiversity and WithBank.
func WithParams(p protocol.Params) Option {
	return func(c *config) error {
		c.params, c.paramsSet = p, true
		return nil
	}
}

// WithPreset chooses the parameters by name: "hardened" (the default) or "paper".
func WithPreset(name string) Option {
	return func(c *config) error {
		if _, err := protocol.Preset(name, protocol.Size(1)); err != nil {
			return fmt.Errorf("brahms: %w", err)
		}
		c.preset = name
		return nil
	}
}

// WithViewSize fixes l1, the length of the view, 3 to 256: 40 suits networks up to 1,000 peers, and 4*cbrt(n) larger ones.
// The sample gets the same size unless WithSampleSize sets it. Without it views follow the size of the network
// (WithAdaptiveSize), and samples do unless WithSampleSize is given.
func WithViewSize(l1 int) Option {
	return func(c *config) error {
		if l1 < 3 || l1 > protocol.MaxL1 {
			return fmt.Errorf("brahms: l1=%d must be between 3 and %d", l1, protocol.MaxL1)
		}
		c.l1 = l1
		return nil
	}
}

// WithSampleSize fixes l2, the number of samplers, 1 to 4096. Views follow the size of the network all the same, unless
// WithViewSize fixes them.
func WithSampleSize(l2 int) Option {
	return func(c *config) error {
		if l2 < 1 || l2 > protocol.MaxL2 {
			return fmt.Errorf("brahms: l2=%d must be between 1 and %d", l2, protocol.MaxL2)
		}
		c.l2 = l2
		return nil
	}
}

// WithAdaptiveSize lets views and samples follow 4*cbrt(n) as the network grows and shrinks, n being what Status().Size
// estimates, between least and most slots: 3 to 256, and least to 4096 (views stop at 256). They start at least and grow by
// at most a quarter in 30 rounds; they shrink by at most an eighth in 60. It is the default, with 40 and DefaultMaxSize, for the
// preset hardened; WithAdaptiveSize(0, 0), WithViewSize and WithParams switch it off, WithSampleSize for the sample. Whoever runs
// many ids makes them grow: most bounds what that costs us. Figures: docs/simulation.md.
func WithAdaptiveSize(least, most int) Option {
	return func(c *config) error {
		if least != 0 || most != 0 {
			switch {
			case least < 3 || least > protocol.MaxL1:
				return fmt.Errorf("brahms: least size=%d must be between 3 and %d", least, protocol.MaxL1)
			case most < least || most > protocol.MaxL2:
				return fmt.Errorf("brahms: most size=%d must be between least size=%d and %d", most, least, protocol.MaxL2)
			}
		}
		c.sizes = &[2]int{least, most}
		return nil
	}
}

// adapt puts the sizes between which p is to follow the network into it.
func (c *config) adapt(p protocol.Params) (protocol.Params, error) {
	switch {
	case c.sizes == nil && (c.l1 != 0 || !strings.EqualFold(c.preset, "hardened")):
		return p, nil
	case c.sizes == nil:
		p.AdaptMin, p.AdaptMax, p.KeepSample = p.L1, DefaultMaxSize, c.l2 != 0
	case *c.sizes == [2]int{}:
	case c.l1 != 0 || c.l2 != 0:
		return p, fmt.Errorf("brahms: sizes between %d and %d cannot follow the network where a view or sample size is set", c.sizes[0], c.sizes[1])
	default:
		p, _ = protocol.Preset(c.preset, c.sizes[0]) // the preset was found before
		p.AdaptMin, p.AdaptMax = c.sizes[0], c.sizes[1]
	}
	return p, nil
}

// WithHash chooses the samplers' hash: "aes" (the default), "sip", "sha256", or "farm", which is safe among trusted peers
// only.
func WithHash(name string) Option {
	return func(c *config) error {
		c.hash = name
		return nil
	}
}

// presetDiversity leaves the share of diverse slots to the preset.
const presetDiversity = -1

// WithDiversity sets the share of the sample's slots that rank peers by the prefix of their public address before their
// id, 0 to 1; hardened has a quarter. An operator with any number of ids gets no more of them than its prefixes are among
// all, and correct peers with a prefix of their own get more than others. With 0 the whole sample is uniform over the peers
// that answer, whoever runs them: for networks whose ids are scarce by other means. Figures: docs/simulation.md.
func WithDiversity(share float64) Option {
	return func(c *config) error {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("brahms: diversity=%v must be between 0 and 1", share)
		}
		c.diversity = share
		return nil
	}
}

// WithBootstrap names peers to start from. Each needs a peer id; its addresses may be of any kind, /dnsaddr included, and
// may be missing if the host's peerstore has them. They are contacted again at a low rate for ever.
func WithBootstrap(peers ...peer.AddrInfo) Option {
	return func(c *config) error {
		for i, p := range peers {
			if err := p.ID.Validate(); err != nil {
				return fmt.Errorf("brahms: bootstrap[%d]=%q must have a peer id: %w", i, p.String(), err)
			}
		}
		c.bootstrap = append(c.bootstrap, peers...)
		return nil
	}
}

// WithDiscover gives the service another source of peers to start from, such as a DHT's routing table. It is called
// once at the start and then as often as seeds are contacted: every 20 rounds, and while nobody is known with back-off, for
// ever: after one round, two, four and so on up to 60, less up to a half at random. It must return when its context ends.
func WithDiscover(find func(context.Context) ([]peer.AddrInfo, error)) Option {
	return func(c *config) error {
		if find == nil {
			return fmt.Errorf("brahms: discover function must not be nil")
		}
		c.discover = find
		return nil
	}
}

// WithRoundInterval sets the length of a round, 10 ms to 24 h. Peers of one network should use the same.
func WithRoundInterval(d time.Duration) Option {
	return durationOption("round interval", d, MinInterval, MaxInterval, func(c *config) *time.Duration { return &c.interval })
}

// WithJitter makes each round longer or shorter by up to the given share of the interval, 0 to 0.5, so that peers do not
// move in step. src decides by how much; nil takes a random source.
func WithJitter(share float64, src rand.Source) Option {
	return func(c *config) error {
		if !(share >= 0 && share <= .5) {
			return fmt.Errorf("brahms: jitter=%v must be between 0 and 0.5", share)
		}
		c.jitter, c.jitterRand = share, nil
		if src != nil {
			c.jitterRand = rand.New(src)
		}
		return nil
	}
}

// WithProtocolPrefix separates networks: "/myapp" makes the peer speak "/myapp/brahms/1.0.0/push" and so on. It starts
// with a slash and does not end in one; "" is no prefix.
func WithProtocolPrefix(prefix string) Option {
	return func(c *config) error {
		if prefix != "" && (!strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") || strings.Contains(prefix, "//") || len(prefix) > 128) {
			return fmt.Errorf("brahms: protocol prefix=%q must start with a slash, not end in one, and have no empty part and at most 128 bytes", prefix)
		}
		c.prefix = prefix
		return nil
	}
}

// WithAllowPrivate takes private addresses from third parties, and loopback ones over loopback connections, and offers
// our own. Without it only public addresses count, and a host that has none is not pushed: it learns of others, and
// nobody learns of it.
func WithAllowPrivate(allow bool) Option {
	return func(c *config) error {
		c.private = allow
		return nil
	}
}

// WithDialTimeout bounds one dial, WithExchangeTimeout one push, pull or probe of ours after the dial, and
// WithServeTimeout one stream that another peer opened. Each is 1 ms to 10 min.
func WithDialTimeout(d time.Duration) Option {
	return timeoutOption("dial timeout", d, func(c *config) *time.Duration { return &c.dial })
}

// WithExchangeTimeout: see WithDialTimeout.
func WithExchangeTimeout(d time.Duration) Option {
	return timeoutOption("exchange timeout", d, func(c *config) *time.Duration { return &c.exchange })
}

// WithServeTimeout: see WithDialTimeout.
func WithServeTimeout(d time.Duration) Option {
	return timeoutOption("serve timeout", d, func(c *config) *time.Duration { return &c.serve })
}

// WithLeaveQuiet sets for how long no peer must have come that had not come before until Leave ends, 1 ms to 10 min; two
// rounds by default. Who holds us in its sample comes once in about five rounds.
func WithLeaveQuiet(d time.Duration) Option {
	return timeoutOption("leave quiet", d, func(c *config) *time.Duration { return &c.leaveQuiet })
}

func timeoutOption(name string, d time.Duration, field func(*config) *time.Duration) Option {
	return durationOption(name, d, time.Millisecond, 10*time.Minute, field)
}

func durationOption(name string, d, least, most time.Duration, field func(*config) *time.Duration) Option {
	return func(c *config) error {
		if d < least || d > most {
			return fmt.Errorf("brahms: %s=%v must be between %v and %v", name, d, least, most)
		}
		*field(c) = d
		return nil
	}
}

// WithWorkers sets how many peers are contacted at once, 1 to 1024. A peer that does not answer holds one worker until
// its timeout, and no peer ever holds two. The default is 32, or 2*(l1+l2)/5 where that is more.
func WithWorkers(n int) Option {
	return func(c *config) error {
		if n < 1 || n > MaxWorkers {
			return fmt.Errorf("brahms: workers=%d must be between 1 and %d", n, MaxWorkers)
		}
		c.workers = n
		return nil
	}
}

// WithCloseIdle closes connections that the service dialled, that carry no stream of anybody, and that it did not use
// for the given number of rounds, 0 to 1000; 0 leaves all open. The default is 3.
func WithCloseIdle(rounds int) Option {
	return func(c *config) error {
		if rounds < 0 || rounds > 1000 {
			return fmt.Errorf("brahms: idle rounds=%d must be between 0 and 1000", rounds)
		}
		c.idleRounds = rounds
		return nil
	}
}

// WithProvenOnly makes Sample and Random return only peers that answered over a connection that we dialled. Others
// answered over a connection of their own dialling: they live, but may be unreachable for the rest of the world.
func WithProvenOnly(only bool) Option {
	return func(c *config) error {
		c.provenOnly = only
		return nil
	}
}

// WithRoundHook calls f at the end of each round with what Snapshot then returns. It is called from the service's own
// loop, which waits for it: f must return at once and must not call Close or Leave.
func WithRoundHook(f func(*Snapshot)) Option {
	return func(c *config) error {
		c.onRound = f
		return nil
	}
}
