package spread

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/crypto"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// ServiceName is the name of the service in libp2p's resource manager.
const ServiceName = "brahms.spread"

// ID is the protocol id, without a prefix.
const ID = message.ID

var log = logging.Logger("brahms")

// Peers is whom messages are passed on to. A *brahmshost.Service is one.
type Peers interface {
	// Draw returns up to n distinct peers drawn uniformly from the sample.
	Draw(n int) []peer.AddrInfo
	// Snapshot tells how many peers there are.
	Snapshot() *brahmshost.Snapshot
	// Connect connects the host to a peer, unless it is connected, within limits on dials: what a peer says of its addresses
	// must not aim all who draw it at somebody else.
	Connect(ctx context.Context, p peer.AddrInfo) error
	// Accuse hears of peers that sent what no correct peer sends. It must not wait.
	Accuse(brahmshost.Offence)
}

// A Service spreads messages from a libp2p host. Its methods may be called from any goroutine.
type Service struct {
	// Static.
	host     corehost.Host // nil in tests without a network
	self     peer.ID
	key      crypto.PrivKey
	cfg      config
	protocol coreprotocol.ID
	peers    Peers
	carrier  carrier

	// Under mu.
	mu      sync.Mutex
	machine *gossip.Machine
	subs    map[string][]*Subscription // by topic
	ended   bool                       // no subscription is made any more

	// Shared.
	queue   *queue
	inbound *limit.Places
	gate    *gate
	counts  counts
	refused refusedCounts

	// Shutdown.
	closed  atomic.Bool
	life    context.Context // ends when Close begins
	cancel  context.CancelFunc
	running sync.WaitGroup
	once    sync.Once
}

// New starts a service on h, which stays the caller's, as peers do: close the service first. peers is usually the Brahms
// service on the same host. It fails with the error of the first wrong option, if the host has no private key, or if it
// handles the protocol already; then nothing was started. The service runs until Close.
func New(h corehost.Host, peers Peers, opts ...Option) (*Service, error) {
	if h == nil || peers == nil {
		return nil, errors.New("spread: host and peers must not be nil")
	}
	s, err := newService(h.ID(), h.Peerstore().PrivKey(h.ID()), peers, opts...)
	if err != nil {
		return nil, err
	}
	// SetStreamHandler would silently take the streams of the service that is there already.
	if slices.Contains(h.Mux().Protocols(), s.protocol) {
		s.cancel()
		return nil, fmt.Errorf("spread: protocol %q is already handled on this host: give the second service a prefix of its own", s.protocol)
	}
	s.host, s.carrier = h, &libp2pCarrier{s: s, h: h}
	h.SetStreamHandler(s.protocol, s.handle)
	s.start()
	return s, nil
}

// newService makes a service that is not running: no goroutine, no handler, no network.
func newService(self peer.ID, key crypto.PrivKey, peers Peers, opts ...Option) (*Service, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, errors.New("spread: the host has no private key to sign messages with")
	}
	machine, err := gossip.New(self, cfg.params)
	if err != nil {
		return nil, fmt.Errorf("spread: %w", err)
	}
	machine.Since(cfg.now().UnixMilli())
	s := &Service{
		self: self, key: key, cfg: cfg, peers: peers, protocol: coreprotocol.ID(cfg.prefix + ID),
		machine: machine, subs: make(map[string][]*Subscription),
		queue: newQueue(), inbound: newInbound(cfg.now), gate: newGate(&cfg), refused: newRefusedCounts(),
	}
	s.life, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (s *Service) start() {
	for range s.cfg.workers {
		s.running.Go(s.work)
	}
}

// Close stops the service, ends all subscriptions and returns when every goroutine has ended. What waits to be passed on is
// not passed on any more. It may be called more than once and from several goroutines; each call waits.
func (s *Service) Close() error {
	s.once.Do(func() {
		s.closed.Store(true)
		if s.host != nil {
			s.host.RemoveStreamHandler(s.protocol)
		}
		s.cancel()
		s.inbound.Close()
		s.endSubscriptions()
	})
	s.running.Wait()
	return nil
}

// now is the time by the service's clock in milliseconds.
func (s *Service) now() int64 { return s.cfg.now().UnixMilli() }

// fanout is to how many peers a message is passed on, by what the network's size seems to be, and that size. Until there is
// an estimate it is the number of peers that we know: too small in a large network, but each that is reached reckons for
// itself.
func (s *Service) fanout() (n int, size float64) {
	snap := s.peers.Snapshot()
	if size = snap.Size.N; !snap.Size.OK {
		known := make(map[peer.ID]bool)
		for _, id := range snap.View {
			known[id] = true
		}
		for _, p := range snap.Peers {
			known[p.ID] = true
		}
		size = float64(len(known) + 1)
	}
	if s.cfg.fanout > 0 {
		return s.cfg.fanout, size
	}
	return gossip.Fanout(size), size
}

// targets are the peers to whom a message is to be passed on: none of those in not, who have it, and none that rests unless
// there are too few others.
func (s *Service) targets(not ...peer.ID) ([]peer.AddrInfo, float64) {
	n, size := s.fanout()
	resting := s.queue.resting(time.Now())
	picks := s.peers.Draw(n + len(not) + len(resting))
	not = append(not, s.self)
	to := gossip.Targets(picks, n, append(resting, not...)...)
	for _, p := range to {
		not = append(not, p.ID)
	}
	return append(to, gossip.Targets(picks, n-len(to), not...)...), size
}
