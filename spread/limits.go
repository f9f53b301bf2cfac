package spread

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// Bounds on what others may ask of us at once. A stream beyond them takes the place of one that has been served for long,
// or is reset with StreamResourceLimitExceeded before anything of it is read, and is counted.
const (
	maxInbound        = 256
	maxInboundPerPeer = 16
	maxInboundFine    = maxInbound / 8 // of a /24 or /48 of public addresses
	maxInboundCoarse  = maxInbound / 4 // of a /16 or /32
	inboundGrace      = time.Second    // how long a stream is safe where there is no room for another
	serveTimeout      = 10 * time.Second
)

// Unlimited switches a limit of Limits off.
const Unlimited = -1

// Limits are the bounds on what neighbours may make a service do that go by address, since ids are free. The zero value
// of a field takes its default, a negative one (Unlimited) switches it off. A prefix is a /24 of IPv4 or a /48 of IPv6, a wide one
// a /16 or a /32; a relayed address counts as its relay's. Private and loopback addresses have none.
type Limits struct {
	// PrefixRate bounds the copies a second from one prefix: 1 to 1,000,000, by default 1,000. Those of ten seconds may
	// come at once. A wide prefix may send twice as many. What is beyond is reset unread with StreamRateLimited.
	PrefixRate float64

	// RelayBytes bounds the bytes a second that are passed on for others: 64 KiB to 1 GiB, by default 8 MiB. Those of four seconds
	// may go at once. What comes from one prefix has a quarter of it, from a wide one half. A message beyond it is
	// delivered and not passed on: the others who have it do.
	RelayBytes int
}

// Defaults of Limits.
const (
	DefaultPrefixRate = 1000.0
	DefaultRelayBytes = 8 << 20
)

const (
	prefixBurst = 10 // seconds
	relayBurst  = 4  // seconds
	relayPart   = 4  // one prefix gets 1/relayPart of the bytes
)

// WithLimits sets the bounds that go by address. Without it each has its default.
func WithLimits(l Limits) Option {
	return func(c *config) error {
		for _, v := range []struct {
			name               string
			value, least, most float64
		}{
			{"prefix rate", l.PrefixRate, 1, gossip.MaxRate},
			{"relay bytes", float64(l.RelayBytes), 64 << 10, 1 << 30},
		} {
			if v.value <= 0 { // the default, or none
				continue
			}
			if !(v.value >= v.least && v.value <= v.most) { // NaN is not within either
				return fmt.Errorf("spread: limit of %s=%.0f must be between %.0f and %.0f, 0 for the default or negative for none",
					v.name, v.value, v.least, v.most)
			}
		}
		c.limits = l
		return nil
	}
}

// gate limits how many copies neighbours send and how many bytes we pass on for them. It is safe for concurrent use.
type gate struct {
	copies  *limit.Rates
	relayed *limit.Rates // all peers as one, and by the prefix of who gave us the message
}

func newGate(c *config) *gate {
	g := &gate{copies: limit.NewRates(), relayed: limit.NewRates()}
	if c.sender != (gossip.Rate{}) {
		g.copies.LimitPeers(c.sender.Burst, c.sender.PerSecond, time.Second)
	}
	rate, relay := c.limits.PrefixRate, float64(c.limits.RelayBytes)
	if rate == 0 {
		rate = DefaultPrefixRate
	}
	if rate > 0 {
		g.copies.LimitPrefixes(prefixBurst*rate, rate, time.Second)
	}
	if relay == 0 {
		relay = DefaultRelayBytes
	}
	if relay > 0 {
		// The largest message must fit for everybody, or it would go nowhere.
		burst := max(relayBurst*relay, relayPart*gossip.MaxFanout*float64(message.MaxSize(c.maxPayload)))
		g.relayed.LimitPeers(burst, relay, time.Second)
		g.relayed.LimitPrefixes(burst/relayPart, relay/relayPart, time.Second)
	}
	return g
}

// pass takes bytes that are to be passed on for somebody at addr into account, or reports that there are too many.
func (g *gate) pass(now time.Time, addr multiaddr.Multiaddr, bytes int) bool {
	return g.relayed.Admit(now, "", addr, float64(bytes)) == limit.Admitted
}

// source is where input came from.
type source struct {
	peer peer.ID
	addr multiaddr.Multiaddr // of the connection; nil if it is not known
}

func sourceOf(st network.Stream) source {
	c := st.Conn()
	return source{peer: c.RemotePeer(), addr: c.RemoteMultiaddr()}
}

// errCrowdedOut is the error of a stream of which a newer one took the place.
var errCrowdedOut = errors.New("spread: crowded out by newer streams")

func newInbound(now func() time.Time) *limit.Places {
	return limit.NewPlaces(limit.Bounds{
		All: maxInbound, Class: maxInbound, Peer: maxInboundPerPeer, Fine: maxInboundFine, Coarse: maxInboundCoarse, Grace: inboundGrace,
	}, now)
}

// admit gives a stream a place, before anything of it is read, or resets and counts it.
func (s *Service) admit(st network.Stream, from source) bool {
	switch s.gate.copies.Admit(s.cfg.now(), from.peer, from.addr, 1) {
	case limit.OverPeer:
		s.refuse(from, ReasonSenderRate, nil)
		_ = st.ResetWithError(network.StreamRateLimited)
		return false
	case limit.OverPrefix:
		s.refuse(from, ReasonPrefixRate, nil)
		_ = st.ResetWithError(network.StreamRateLimited)
		return false
	}
	code, _, ok := s.inbound.Enter(st, 0)
	if !ok {
		if code == network.StreamResourceLimitExceeded {
			s.refuse(from, ReasonTooManyStreams, nil)
		}
		_ = st.ResetWithError(code)
	}
	return ok
}
