package adapters

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// Bounds and defaults of the pace. A service of its own contacts some 160 peers a minute in rounds of 10 s; by default
// all consumers of a source together get an eighth of that, and AutoRelay the 20 candidates at once that it asks for.
const (
	DefaultBurst     = 20
	DefaultPerMinute = 20
	MaxBurst         = 1000
	MaxPerMinute     = 60_000
)

// Errors of this package.
var (
	// ErrUnbound: Bind was not called yet.
	ErrUnbound = errors.New("adapters: the source has no service yet: call Bind")
	// ErrClosed: the service is closed, or leaving.
	ErrClosed = errors.New("adapters: the service of the source is closed or leaving")
	// ErrNamespace: the namespace is not one of those that Discovery was told.
	ErrNamespace = errors.New("adapters: nothing is known of peers of this namespace")
)

// A Sampler is what a Source needs of a service. *brahmshost.Service is one.
type Sampler interface {
	// RandomWhere returns up to n distinct random peers for which keep is true, all if keep is nil. It does not wait.
	RandomWhere(n int, keep func(peer.AddrInfo) bool) []peer.AddrInfo
	// Sample returns the distinct peers of the sample.
	Sample() []peer.AddrInfo
	// Lookup returns how a peer can be reached of which the service knows that.
	Lookup(id peer.ID) (peer.AddrInfo, bool)
	// Active reports whether the service is neither closed nor leaving.
	Active() bool
}

// An Option sets one thing of a Source.
type Option func(*Source) error

// WithPace sets how many peers all consumers of the source together get at once, 1 to 1000, and how many a minute in
// the long run, more than 0 and up to 60,000. Unused peers of the pace add up to burst.
func WithPace(burst int, perMinute float64) Option {
	return func(s *Source) error {
		if burst < 1 || burst > MaxBurst {
			return fmt.Errorf("adapters: burst=%d must be between 1 and %d", burst, MaxBurst)
		}
		if !(perMinute > 0 && perMinute <= MaxPerMinute) {
			return fmt.Errorf("adapters: peers per minute=%v must be more than 0 and at most %d", perMinute, MaxPerMinute)
		}
		s.pace = rate.NewLimiter(rate.Limit(perMinute/60), burst)
		return nil
	}
}

// WithFilter gives consumers only peers for which keep is true (brahmshost.Service.RandomWhere says what that costs).
// keep must return at once.
func WithFilter(keep func(peer.AddrInfo) bool) Option {
	return func(s *Source) error {
		if keep == nil {
			return errors.New("adapters: filter must not be nil")
		}
		s.keep = keep
		return nil
	}
}

// A Source gives random peers to consumers, at a pace. Its methods may be called from any goroutine, and none waits for
// another peer but Supporting.
type Source struct {
	pace *rate.Limiter
	keep func(peer.AddrInfo) bool // nil for all
	now  func() time.Time         // tests put another clock here

	sampler         atomic.Pointer[Sampler]
	given, withheld atomic.Uint64
}

// New makes a source without a service. It fails with the error of the first wrong option.
func New(opts ...Option) (*Source, error) {
	s := &Source{pace: rate.NewLimiter(rate.Limit(DefaultPerMinute)/60, DefaultBurst), now: time.Now}
	for _, opt := range opts {
		if err := opt(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Bind tells the source its service. A later call replaces it.
func (s *Source) Bind(sampler Sampler) error {
	if sampler == nil {
		return errors.New("adapters: the service to bind must not be nil")
	}
	s.sampler.Store(&sampler)
	return nil
}

// service returns the service, nil before Bind.
func (s *Source) service() Sampler {
	if p := s.sampler.Load(); p != nil {
		return *p
	}
	return nil
}

// active returns the error for which the source has nobody to give, nil if it may have.
func (s *Source) active() error {
	switch svc := s.service(); {
	case svc == nil:
		return ErrUnbound
	case !svc.Active():
		return ErrClosed
	}
	return nil
}

// Status says what a source did.
type Status struct {
	Given    uint64 // peers that consumers got
	Withheld uint64 // peers that consumers asked for beyond the pace
	Left     int    // peers that the pace lets through now
}

// Status returns what the source did since it was made.
func (s *Source) Status() Status {
	return Status{Given: s.given.Load(), Withheld: s.withheld.Load(), Left: s.left()}
}

func (s *Source) left() int { return max(0, int(s.pace.TokensAt(s.now()))) }

// Take returns up to n distinct random peers, no more than the pace lets through now. Before Bind, and after the
// service was closed, it has nobody.
func (s *Source) Take(n int) []peer.AddrInfo { return s.take(n, s.keep) }

func (s *Source) take(n int, keep func(peer.AddrInfo) bool) []peer.AddrInfo {
	if n <= 0 || s.active() != nil {
		return nil
	}
	most := min(n, s.left())
	s.withheld.Add(uint64(n - most))
	if most == 0 {
		return nil
	}
	peers := s.service().RandomWhere(most, keep)
	now := s.now()
	for i := range peers { // only who is given counts; another call may have been quicker since
		if !s.pace.AllowN(now, 1) {
			s.withheld.Add(uint64(len(peers) - i))
			peers = peers[:i]
			break
		}
	}
	s.given.Add(uint64(len(peers)))
	return peers
}

// channel is what Take returns as a closed channel.
func (s *Source) channel(n int) <-chan peer.AddrInfo {
	peers := s.Take(n)
	out := make(chan peer.AddrInfo, len(peers))
	for _, p := range peers {
		out <- p
	}
	close(out)
	return out
}
