package host

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
	"github.com/libp2p/go-libp2p/core/event"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/state"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

var log = logging.Logger("brahms")

// A Service is a Brahms peer on a libp2p host. Its methods may be called from any goroutine.
type Service struct {
	// Static.
	host      corehost.Host // nil in tests without a network
	self      peer.ID
	cfg       config
	protocols [kinds]coreprotocol.ID
	net       exchanger
	bootstrap map[peer.ID]bool // seeds that the user gave

	// Owned by the loop.
	loop loopState

	// Into the loop. What finds pushes full is counted in overflow and told to the node; the others wait, and give up
	// when the service is closed.
	pushes  chan pushed          // from stream handlers; pushQueue long
	results chan result          // from workers
	seeds   chan []peer.AddrInfo // from the discover function
	sub     event.Subscription   // from the host; nil in tests without one

	// Out of the loop.
	jobs chan job // to workers, one at a time

	// Shared.
	book      *book
	inbound   *inbound
	gate      *gate
	dialling  *dialBudget
	loans     loans
	tokens    *tokens
	helping   *helping
	published atomic.Pointer[Snapshot]
	turn      atomic.Pointer[chan struct{}] // closed when a snapshot was published
	own       atomic.Pointer[ownRecord]
	unread    unread
	overflow  atomic.Int64
	dials     atomic.Uint64
	// picksTaken and picksRepeated count what Random and Fresh returned: PickStatus.
	picksTaken, picksRepeated atomic.Uint64
	served                    atomic.Uint64
	helped                    atomic.Uint64
	refused                   refusedCounts
	offences                  *offences
	announcer                 announcer
	keeper                    *keeper // nil if no state is kept
	// turnedAway counts the streams of the open round for which there was no room.
	turnedAway atomic.Int64

	// Shutdown.
	leaving  atomic.Bool
	farewell atomic.Pointer[farewell] // what pulls are answered with while leaving
	closed   atomic.Bool
	life     context.Context // ends when Close begins
	cancel   context.CancelFunc
	running  sync.WaitGroup // loop and workers
	detached sync.WaitGroup // short work off the loop
	ended    chan struct{}
	once     sync.Once
	closeErr error // of Close, once ended is closed
}

// New starts a Brahms peer on h, which stays the caller's: it must outlive the service and is not closed by it. h may be
// any libp2p host; with identify switched off, seeds are passed on to others only after they pushed to us.
//
// New fails with the error of the first wrong option, before anything is started. The service runs until Close or Leave.
func New(h corehost.Host, opts ...Option) (*Service, error) {
	if h == nil {
		return nil, errors.New("brahms: host must not be nil")
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	s, err := newService(h.ID(), cfg)
	if err != nil {
		return nil, err
	}
	for _, id := range s.protocols {
		// SetStreamHandler would silently take the streams of the service that is there already.
		if slices.Contains(h.Mux().Protocols(), id) {
			s.abandon()
			return nil, fmt.Errorf("brahms: protocol %q is already handled on this host: give the second service a prefix of its own", id)
		}
	}
	s.host = h
	s.net = &libp2pExchanger{s: s, h: h}
	s.sub, err = h.EventBus().Subscribe([]any{
		new(event.EvtLocalAddressesUpdated), new(event.EvtLocalReachabilityChanged),
		new(event.EvtPeerIdentificationCompleted), new(event.EvtPeerConnectednessChanged),
	}, eventbus.BufSize(256), eventbus.Name(ServiceName))
	if err != nil {
		s.abandon()
		return nil, fmt.Errorf("brahms: subscribe to the host's events: %w", err)
	}
	if err := s.announcer.open(h.EventBus()); err != nil {
		s.abandon()
		_ = s.sub.Close()
		return nil, fmt.Errorf("brahms: emit on the host's event bus: %w", err)
	}
	var own *record.Envelope // absent on hosts that keep no signed records, such as mocknet's
	if cab, ok := peerstore.GetCertifiedAddrBook(h.Peerstore()); ok {
		own = cab.GetPeerRecord(h.ID())
	}
	s.takeOwn(own)
	first := *s.Snapshot()
	first.Private = s.own.Load() == nil
	first.Health = judgeHealth([]vital{vitalOf(&first)}, nil)
	s.published.Store(&first)
	h.SetStreamHandler(s.protocols[push], s.handler(push, wire.MaxPushRequest, s.handlePush))
	h.SetStreamHandler(s.protocols[pull], s.handler(pull, wire.MaxPullRequest, s.handlePull))
	h.SetStreamHandler(s.protocols[probe], s.handler(probe, wire.MaxProbeRequest, s.handleProbe))
	s.start()
	return s, nil
}

// abandon gives up a service that newService made and that was not started.
func (s *Service) abandon() {
	s.cancel()
	_ = s.keeper.stop(nil)
}

// newService makes a service that is not running: no goroutine, no handler, no network.
func newService(self peer.ID, cfg config) (_ *Service, err error) {
	var seed [32]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("brahms: %w", err)
	}
	var bootstrap []peer.ID
	var seeds []peer.AddrInfo // each id once: the addresses of one peer often come as several entries
	for _, p := range cfg.bootstrap {
		if p.ID == self {
			continue
		}
		if i := slices.Index(bootstrap, p.ID); i >= 0 {
			seeds[i].Addrs = append(slices.Clip(seeds[i].Addrs), p.Addrs...)
			continue
		}
		bootstrap, seeds = append(bootstrap, p.ID), append(seeds, p)
	}
	var keep *keeper
	if cfg.store != nil {
		if keep, err = newKeeper(cfg.store, cfg.prefix, cfg.stateInterval); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				_ = keep.stop(nil)
			}
		}()
	}
	book := newBook(self, cfg.private)
	node, err := newNode(self, &cfg, bootstrap, rand.New(rand.NewChaCha8(seed)), book, time.Now())
	if err != nil {
		return nil, err
	}
	if cfg.jitterRand == nil {
		cfg.jitterRand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	s := &Service{
		self: self, cfg: cfg,
		protocols: [kinds]coreprotocol.ID{
			push:  coreprotocol.ID(cfg.prefix + protocol.PushID),
			pull:  coreprotocol.ID(cfg.prefix + protocol.PullID),
			probe: coreprotocol.ID(cfg.prefix + protocol.ProbeID),
		},
		loop: loopState{
			node: node, sized: cfg.params, busy: make(map[peer.ID]bool), bootstrap: bootstrap,
			marks: make(map[uint64]*atomic.Bool),
			crowd: newCrowd(cfg.limits, cfg.params),
			links: links{own: make(map[network.Conn]uint64), tagged: make(map[peer.ID]bool)},
			phase: rand.IntN(cfg.params.SeedEvery),
		},
		pushes:  make(chan pushed, pushQueue),
		results: make(chan result),
		seeds:   make(chan []peer.AddrInfo),
		jobs:    make(chan job),
		book:    book,
		keeper:  keep,
		inbound: newInbound(),
		refused: newRefusedCounts(), offences: newOffences(),
		ended: make(chan struct{}),
		gate:  newGate(cfg.limits, cfg.params, cfg.interval),

		dialling:  newDialBudget(cfg.limits, cfg.interval, cfg.private),
		helping:   newHelping(cfg.limits.Helps),
		bootstrap: make(map[peer.ID]bool, len(bootstrap)),
	}
	if s.tokens, err = newTokens(&cfg, string(s.protocols[push]), self, s.refuseError); err != nil {
		return nil, fmt.Errorf("brahms: %w", err)
	}
	book.unsettled = func(why refusal) { s.refuse(origin{}, gossiped(reasonOf(why)), why) }
	turn := make(chan struct{})
	s.turn.Store(&turn)
	s.life, s.cancel = context.WithCancel(context.Background())
	for _, p := range seeds {
		s.bootstrap[p.ID] = true
		if err := s.book.addSeed(p); err != nil {
			return nil, fmt.Errorf("brahms: bootstrap %s: %w", p.ID, err)
		}
	}
	first := s.compose(0)
	first.Node.Young = true
	if keep != nil {
		keep.status.Restored = first.Node.Waiting
	}
	first.Health = judgeHealth([]vital{vitalOf(first)}, nil)
	first.reply = s.encodeView(wire.StatusTaken, nil, wire.MaxPullResponse) // for who asks before the first round
	first.replyLess = first.reply
	s.published.Store(first)
	return s, nil
}

// start starts the loop and the workers.
func (s *Service) start() {
	s.announcer.start()
	s.keeper.start()
	s.running.Go(func() { s.run(s.life) })
	for range s.cfg.workers {
		s.running.Go(func() { s.work(s.life) })
	}
}

// Close stops the service and returns when every goroutine of it has ended. It closes no connection and not the host.
// Subscribers to its events that do not read hold it up for a second at most; a goroutine then goes on waiting for them.
// It may be called more than once and from several goroutines; each call waits. It writes the state a last time where one
// is kept, and its error is that of this write.
func (s *Service) Close() error {
	s.once.Do(func() {
		s.closed.Store(true)
		if s.host != nil {
			for _, id := range s.protocols {
				s.host.RemoveStreamHandler(id)
			}
		}
		s.cancel()
		// A handler that is running does not wait for the loop: it only ever tries to queue.
		s.inbound.Close()
		s.running.Wait()
		s.detached.Wait()
		s.loop.links.close(s)
		s.announcer.close()
		if s.sub != nil {
			_ = s.sub.Close()
		}
		// The loop has ended, so the node is ours.
		s.closeErr = s.keeper.stop(func() *state.Snapshot { return s.snapshotState(time.Now()) })
		close(s.ended)
	})
	<-s.ended
	return s.closeErr
}
