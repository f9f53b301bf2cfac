package swarm

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/consensus"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/attack"
	"github.com/brahms-p2p/brahms-p2p/spread"
)

// member is one peer: a libp2p host and, from start to close, the service on it.
type member struct {
	id      peer.ID
	host    corehost.Host       // nil when it is dead
	svc     *brahmshost.Service // nil for a faulty peer that attacks, which the adversary leads, and for the dead
	spread  *spread.Service     // nil unless messages are spread, and for faulty peers
	sub     *spread.Subscription
	born    int // round of the run in which it started
	died    int // and in which it died
	dead    bool
	left    bool // dead, but politely
	faulty  bool
	byHand  bool // it died by Console.Kill
	tally   tally
	footing footing
	contact *member            // whom a newcomer knew at its start; nil for the first peers
	last    costs              // of a dead one
	agree   *consensus.Service // nil unless the peers agree on a set, for faulty peers that attack, and for the dead

	untrace func() // ends the tracer; nil if there is none
}

// costs are what is counted of a peer from its start.
type costs struct {
	dials   uint64
	refused map[brahmshost.Reason]uint64
	tokens  brahmshost.TokenStatus
}

func (m *member) costs() costs {
	if m.svc == nil {
		return m.last
	}
	s := m.svc.Status()
	return costs{s.Dials, s.Refused, s.Tokens}
}

// die takes the peer out of the run, of which nothing but its costs is kept, and returns what ends it.
func (m *member) die(round int) (end func()) {
	m.last = m.costs()
	gone := &member{host: m.host, svc: m.svc, spread: m.spread, agree: m.agree, untrace: m.untrace}
	m.dead, m.died, m.host, m.svc, m.spread, m.agree = true, round, nil, nil, nil, nil
	return gone.close
}

// tally adds up what the rounds of one service tell. The service's loop writes it, so every critical section is a few
// additions.
type tally struct {
	mu              sync.Mutex
	interval        time.Duration
	after           uint64 // rounds up to this one are not timed
	timed, onTime   int
	exchanges, done int
	deaths          int // sampled ids that the service declared dead
	rounds, over    int // all of them, and those with more pushes than the threshold
	pushes, bad     int // that counted, each sender once a round, and those of faulty peers
	faulty          map[peer.ID]bool
}

// round is the service's round hook.
func (t *tally) round(s *brahmshost.Snapshot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.exchanges += s.Exchanges
	t.done += s.Done
	t.rounds++
	t.pushes += len(s.Pushers)
	for _, id := range s.Pushers {
		if t.faulty[id] {
			t.bad++
		}
	}
	t.deaths += s.Node.Deaths
	if s.Node.Overloaded {
		t.over++
	}
	if s.Round <= t.after || s.Planned == 0 {
		return
	}
	t.timed++
	if off := s.Took - s.Planned; 5*off.Abs() <= t.interval {
		t.onTime++
	}
}

// stream returns the random stream of one purpose and peer under the run's seed. Streams are apart, so that one more
// peer, or one more draw for it, changes nothing for the others.
func stream(seed uint64, purpose string, i int) *rand.ChaCha8 {
	return rand.NewChaCha8(subseed(seed, purpose, i))
}

func subseed(seed uint64, purpose string, i int) [32]byte {
	b := binary.LittleEndian.AppendUint64([]byte("brahms swarm "+purpose+" "), seed)
	return sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(i)))
}

// identity is the key of peer i: as good as public, since the seed is.
func identity(seed uint64, i int) (crypto.PrivKey, error) {
	key := subseed(seed, "identity", i)
	std := ed25519.NewKeyFromSeed(key[:])
	priv, _, err := crypto.KeyPairFromStdKey(&std)
	return priv, err
}

// newHost makes the libp2p host of peer i: one transport, one secure channel, yamux over TCP, identify. What is left out
// of libp2p's defaults is what a swarm on loopback has no use for, or what would get in its way:
//   - The default resource manager allows a host 128 connections and some more by the machine's memory, each host as if
//     it were alone there; a swarm near the full mesh runs into that. (Its limits per address spare loopback.)
//   - The default connection manager trims beyond 192 connections.
//   - TCP port reuse is for NATs. On one machine it makes both ends of a pair dial the same pair of ports.
//
// With a victim its dials of that are counted; with a cut it does not dial across it; with a meter what it sends is counted.
func newHost(cfg Config, i int, victim *attack.Victim, cut *cut, sent *meter) (corehost.Host, error) {
	key, err := identity(cfg.Seed, i)
	if err != nil {
		return nil, err
	}
	opts := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.NoTransports,
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(), // the address is known
		libp2p.Ping(false),
		libp2p.UserAgent("brahms-p2p-swarm"),
	}
	if sent != nil {
		opts = append(opts, libp2p.BandwidthReporter(sent))
	}
	if cfg.Transport == QUIC {
		opts = append(opts, libp2p.Transport(quic.NewTransport), libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"))
	} else {
		dialing := []tcp.Option{tcp.DisableReuseport()}
		var dialer tcp.ContextDialer
		switch {
		case victim != nil:
			dialer = victim.Dialer(i)
		case cut != nil:
			dialer = &sideDialer{cut: cut, beyond: cfg.beyond(i)}
		}
		if dialer != nil {
			dialing = append(dialing, tcp.WithDialerForAddr(func(multiaddr.Multiaddr) (tcp.ContextDialer, error) { return dialer, nil }))
		}
		opts = append(opts, libp2p.Transport(tcp.NewTCPTransport, asAny(dialing)...), libp2p.Security(noise.ID, noise.New),
			libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("swarm: host of peer %d: %w", i, err)
	}
	return h, nil
}

func asAny(opts []tcp.Option) (out []any) {
	for _, o := range opts {
		out = append(out, o)
	}
	return out
}

// start starts the service of peer i, which knows only those in bootstrap, in the given round of the run.
func (m *member) start(cfg Config, i, round int, bootstrap ...*member) error {
	m.born = round
	m.tally.interval, m.tally.after = cfg.Interval, warmupRounds
	if cfg.Rounds <= warmupRounds {
		m.tally.after = 1
	}
	opts := append(cfg.serviceOptions(),
		brahmshost.WithJitter(brahmshost.DefaultJitter, stream(cfg.Seed, "jitter", i)),
		brahmshost.WithRoundHook(m.tally.round),
	)
	for _, b := range bootstrap {
		opts = append(opts, brahmshost.WithBootstrap(peer.AddrInfo{ID: b.host.ID(), Addrs: b.host.Addrs()}))
	}
	var err error
	if cfg.Tracer != nil {
		var tracer brahmshost.Tracer
		if tracer, m.untrace, err = cfg.Tracer(i); err != nil {
			return fmt.Errorf("swarm: tracer of peer %d: %w", i, err)
		}
		opts = append(opts, brahmshost.WithTracer(tracer))
	}
	if m.svc, err = brahmshost.New(m.host, opts...); err != nil {
		return fmt.Errorf("swarm: service of peer %d: %w", i, err)
	}
	return m.listen(cfg, i)
}

// close ends the peer as a crash does: nobody is told. It may be called again.
func (m *member) close() {
	if m.agree != nil {
		_ = m.agree.Close()
	}
	if m.spread != nil {
		_ = m.spread.Close()
	}
	if m.svc != nil {
		_ = m.svc.Close()
	}
	if m.host != nil {
		_ = m.host.Close()
	}
	if m.untrace != nil {
		m.untrace()
	}
}

// state is what the peer holds now.
func (m *member) state(veteran bool) state {
	snap := m.svc.Snapshot()
	s := state{id: m.host.ID(), veteran: veteran, view: snap.View, sample: make([]peer.ID, len(snap.Slots))}
	for i, slot := range snap.Slots {
		s.sample[i] = slot.ID
		if slot.ID != "" && (slot.Mature || snap.Node.SampleMature == 0) {
			s.counted = append(s.counted, slot.ID)
		}
	}
	return s
}
