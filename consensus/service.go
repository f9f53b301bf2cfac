package consensus

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/crypto"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/limit"
)

// ServiceName is the name of the service in libp2p's resource manager.
const ServiceName = "brahms.consensus"

// The protocol ids, without a prefix. ID is what items are signed for.
const (
	ID      = "/brahms/consensus/1.0.0"
	PollID  = ID + "/poll"
	FetchID = ID + "/fetch"
)

var exchangeIDs = [exchanges]string{ExchangePoll: PollID, ExchangeFetch: FetchID}

var log = logging.Logger("brahms")

// An Item is one element that may be in the set of its epoch. Items are shared: nobody may change what they hold.
type Item = machine.Item

// A Sampler is where picks come from. A *brahmshost.Service is one.
type Sampler interface {
	// Fresh returns n peers, each an independent uniform choice, or those that there are when ctx ends.
	Fresh(ctx context.Context, n int) ([]peer.AddrInfo, error)
	// Draw returns up to n distinct peers drawn uniformly from the sample.
	Draw(n int) []peer.AddrInfo
	// Snapshot tells how many peers there are, and whether the sample is mature.
	Snapshot() *brahmshost.Snapshot
	// Verified reports whether nothing enters the sample before it has answered.
	Verified() bool
	// Connect connects the host to a peer, unless it is connected, within limits on dials: what a peer says of its addresses
	// must not aim all who draw it at somebody else.
	Connect(ctx context.Context, p peer.AddrInfo) error
	// Accuse holds an offence against a peer: it ends in the host's EvtPeerMisbehaved and in the canonical log.
	Accuse(brahmshost.Offence)
}

// Errors of Propose and Wait.
var (
	// ErrClosed: the service is closed.
	ErrClosed = errors.New("consensus: the service is closed")
	// ErrMayNotPropose: WithMayPropose keeps this host from proposing.
	ErrMayNotPropose = errors.New("consensus: this peer may not propose items")
	// ErrNotKept: the epoch is not kept any more, or never was.
	ErrNotKept = errors.New("consensus: the epoch is not kept")
)

// A Service agrees on sets from a libp2p host. Its methods may be called from any goroutine.
type Service struct {
	// Static.
	host      corehost.Host // nil in tests without a network
	self      peer.ID
	key       crypto.PrivKey
	cfg       config
	protocols [exchanges]coreprotocol.ID
	sampler   Sampler
	carrier   carrier
	speaks    func(peer.ID) bool // false for who is known not to speak the protocol

	// Owned by the loop.
	loop loopState

	// Into the loop.
	proposals chan *proposal
	results   chan result
	steps     chan step // in tests

	// Shared.
	published atomic.Pointer[board]
	turn      atomic.Pointer[chan struct{}] // closed when a board was published
	inbound   *limit.Places
	gate      *gate
	counts    counts
	refused   refusedCounts
	announcer announcer
	keeper    *keeper // nil if no state is kept

	// Shutdown.
	closed   atomic.Bool
	life     context.Context // ends when Close begins
	cancel   context.CancelFunc
	running  sync.WaitGroup // loop and workers
	once     sync.Once
	ended    chan struct{}
	closeErr error // of Close, once ended is closed
}

// New starts a service on h, which stays the caller's, as the sampler does: close the service first. sampler is usually
// the Brahms service on the same host. It fails with the error of the first wrong option, if the host has no private key
// that is part of its id (Ed25519, secp256k1), if the sampler does not verify its sample (preset "paper"), if the stored
// state cannot be used (ErrState), or if the host handles the protocol already; then nothing was started. The service
// runs until Close.
func New(h corehost.Host, sampler Sampler, opts ...Option) (*Service, error) {
	if h == nil || sampler == nil {
		return nil, errors.New("consensus: host and sampler must not be nil")
	}
	s, err := newService(h.ID(), h.Peerstore().PrivKey(h.ID()), sampler, opts...)
	if err != nil {
		return nil, err
	}
	for _, id := range s.protocols {
		// SetStreamHandler would silently take the streams of the service that is there already.
		if slices.Contains(h.Mux().Protocols(), id) {
			s.cancel()
			return nil, fmt.Errorf("consensus: protocol %q is already handled on this host: "+
				"give the second service a prefix of its own", id)
		}
	}
	if err := s.announcer.open(h.EventBus()); err != nil {
		s.cancel()
		return nil, fmt.Errorf("consensus: emit on the host's event bus: %w", err)
	}
	s.host, s.carrier = h, &libp2pCarrier{s: s, h: h}
	s.speaks = func(id peer.ID) bool { return speaks(h.Peerstore(), id, s.protocols[ExchangePoll]) }
	for e, id := range s.protocols {
		h.SetStreamHandler(id, s.handler(Exchange(e)))
	}
	s.start()
	return s, nil
}

// newService makes a service that is not running: no goroutine, no handler, no network.
func newService(self peer.ID, key crypto.PrivKey, sampler Sampler, opts ...Option) (*Service, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, errors.New("consensus: the host has no private key to sign items with")
	}
	if _, err := self.ExtractPublicKey(); err != nil {
		return nil, fmt.Errorf("consensus: the key of %s is not part of its id, as that of an Ed25519 or secp256k1 key is: "+
			"nobody could verify its items", self)
	}
	if !sampler.Verified() {
		return nil, errors.New("consensus: the sampler does not verify its sample (preset \"paper\"): its picks decide nothing")
	}
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("consensus: %w", err)
	}
	s := &Service{
		self: self, key: key, cfg: cfg, sampler: sampler,
		speaks:    func(peer.ID) bool { return true },
		proposals: make(chan *proposal), results: make(chan result, 4*cfg.params.K), steps: make(chan step),
		inbound: limit.NewPlaces(bounds, time.Now), gate: newGate(cfg.limits, cfg.params.K, cfg.interval),
		refused: newRefusedCounts(), ended: make(chan struct{}),
	}
	for e, id := range exchangeIDs {
		s.protocols[e] = coreprotocol.ID(cfg.prefix + id)
	}
	if s.loop, s.keeper, err = newLoopState(self, cfg, rand.New(rand.NewChaCha8(seed))); err != nil {
		return nil, err
	}
	turn := make(chan struct{})
	s.turn.Store(&turn)
	s.life, s.cancel = context.WithCancel(context.Background())
	s.publish(nil)
	return s, nil
}

// network is what items are signed for.
func (s *Service) network() string { return s.cfg.prefix + ID }

func (s *Service) start() {
	s.announcer.start()
	s.keeper.start()
	s.running.Go(s.run)
}

// Close stops the service and returns when its goroutines have ended. It closes no connection and not the host.
// Subscribers to its events that do not read hold it up for a second at most. It may be called more than once and from
// several goroutines; each call waits. It writes the state a last time where one is kept, and its error is that of this
// write.
func (s *Service) Close() error {
	s.once.Do(func() {
		s.closed.Store(true)
		if s.host != nil {
			for _, id := range s.protocols {
				s.host.RemoveStreamHandler(id)
			}
		}
		s.cancel()
		s.inbound.Close()
		s.running.Wait()
		s.announcer.close()
		s.closeErr = s.keeper.stop(s.loop.machine.Export()) // the loop has ended, so the machine is ours
		close(s.ended)
	})
	<-s.ended
	return s.closeErr
}
