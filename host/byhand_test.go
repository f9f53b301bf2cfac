package host

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// byHand is a network of real services on real hosts whose rounds a test turns: a round ends when all of its exchanges
// have, so nothing depends on how fast the machine is.
type byHand struct {
	services []*Service
	hosts    []corehost.Host
}

// newByHand makes count peers, each of which knows the one before it. wrap may put something between a service and its
// host.
func newByHand(t testing.TB, count int, p protocol.Params, wrap func(corehost.Host) corehost.Host) *byHand {
	t.Helper()
	b := &byHand{}
	for i := range count {
		real := newHost(t)
		h := wrap(real)
		opts := []Option{
			WithParams(p), WithAllowPrivate(true), WithRoundInterval(MaxInterval), WithJitter(0, nil), WithWorkers(8), WithCloseIdle(0),
			WithLimits(Limits{PeerRate: Unlimited, PrefixRate: Unlimited, PullBytes: Unlimited, PushShare: Unlimited,
				Dials: Unlimited, PrefixDials: Unlimited, IPDials: Unlimited, AddrDials: Unlimited}),
		}
		if i > 0 {
			opts = append(opts, at(b.hosts[i-1]))
		}
		cfg, err := newConfig(opts)
		if err != nil {
			t.Fatal(err)
		}
		s, err := newService(h.ID(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.host, s.net = h, &libp2pExchanger{s: s, h: h}
		s.takeOwn(nil)
		h.SetStreamHandler(s.protocols[push], s.handler(wire.MaxPushRequest, s.handlePush))
		h.SetStreamHandler(s.protocols[pull], s.handler(wire.MaxPullRequest, s.handlePull))
		h.SetStreamHandler(s.protocols[probe], s.handler(wire.MaxProbeRequest, s.handleProbe))
		s.announcer.start()
		for range s.cfg.workers {
			s.running.Go(func() { s.work(s.life) })
		}
		t.Cleanup(func() { s.Close() })
		b.services, b.hosts = append(b.services, s), append(b.hosts, real)
	}
	return b
}

// round runs one round of all peers at once.
func (b *byHand) round() {
	var wg sync.WaitGroup
	for _, s := range b.services {
		wg.Go(func() { turn(s) })
	}
	wg.Wait()
}

// turn is a round of the loop without its clock.
func turn(s *Service) {
	for len(s.pushes) > 0 {
		s.takePushed(<-s.pushes)
	}
	l := &s.loop
	for s.tick(time.Now()); len(l.queue)+len(l.busy) > 0; {
		var out chan<- job
		var head job
		if len(l.queue) > 0 {
			out, head = s.jobs, l.queue[0]
		}
		select {
		case out <- head:
			l.queue = l.queue[1:]
			l.busy[head.id] = true
		case p := <-s.pushes:
			s.takePushed(p)
		case r := <-s.results:
			s.take(r)
		}
	}
}

// kill takes the last peers off the network, without a word.
func (b *byHand) kill(t testing.TB, count int) (dead map[peer.ID]bool) {
	t.Helper()
	dead = map[peer.ID]bool{}
	from := len(b.services) - count
	for i, s := range b.services[from:] {
		dead[s.self] = true
		_ = b.hosts[from+i].Close()
		_ = s.Close()
	}
	b.services, b.hosts = b.services[:from], b.hosts[:from]
	return dead
}

// deaths is how many sampled ids all peers declared dead at the end of the last round.
func (b *byHand) deaths() (n int) {
	for _, s := range b.services {
		n += s.Snapshot().Node.Deaths
	}
	return n
}

// lossyLinks fails exchanges on some links.
type lossyLinks struct {
	share, loss float64

	mu  sync.Mutex
	rng *rand.Rand
	bad map[[2]peer.ID]bool
}

func newLossyLinks(seed uint64, share, loss float64) *lossyLinks {
	return &lossyLinks{share: share, loss: loss, rng: stattest.Rand(seed), bad: map[[2]peer.ID]bool{}}
}

func (l *lossyLinks) lost(a, b peer.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b < a {
		a, b = b, a
	}
	link := [2]peer.ID{a, b}
	bad, known := l.bad[link]
	if !known {
		bad = l.rng.Float64() < l.share
		l.bad[link] = bad
	}
	return bad && l.rng.Float64() < l.loss
}

// lossyHost is a host whose new streams fail on lossy links: below everything that the service does.
type lossyHost struct {
	corehost.Host
	links *lossyLinks
}

var errLost = errors.New("lost on the way")

func (h lossyHost) NewStream(ctx context.Context, id peer.ID, protocols ...coreprotocol.ID) (network.Stream, error) {
	if h.links.lost(h.ID(), id) {
		return nil, errLost
	}
	return h.Host.NewStream(ctx, id, protocols...)
}

func unwrapped(h corehost.Host) corehost.Host { return h }
