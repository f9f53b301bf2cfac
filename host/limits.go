package host

import (
	"fmt"
	"math"
	"strconv"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// Unlimited switches a limit of Limits off.
const Unlimited = -1

// Limits are the bounds on what others may make a service do. The zero value of a field takes its default, a negative
// one (Unlimited) switches it off. "A round" is the length of a round of ours (WithRoundInterval), whatever jitter makes
// of it. A prefix is a /24 of IPv4 or a /48 of IPv6, a wide one a /16 or a /32; a relayed address counts as its relay's.
// Prefixes are those of public addresses: private and loopback ones have none, so that a network on a LAN or on one machine
// meets no limit by prefix.
//
// The stated defaults are those of views and samples of 40 and grow with them.
type Limits struct {
	// PeerRate bounds the streams that one peer opens in a round, by kind, as a multiple of what a correct one with the
	// same interval opens at most: 1 pull, 2 pushes (one, or a hello and one), 7 probes (one of us, 3 by which it
	// asks us about others, and 3 of us on behalf of others). 1 to 1000, by default 1.5. Those
	// of three rounds may come at once, since rounds have jitter and peers may restart. What is beyond is reset unread with
	// StreamRateLimited, which is no evidence to a correct peer.
	PeerRate float64

	// PrefixRate bounds the streams from one prefix in a round, by kind, as a multiple of what a node of a healthy network
	// gets from all of it on average: alpha*l1 pushes, beta*l1 pulls, and as many probes as one sends at most. 1 to 1000, by
	// default 2. Those of two rounds may come at once. A wide prefix may open twice as many.
	PrefixRate float64

	// PullBytes bounds the bytes of pull answers in a round: 1 MiB to 1 GiB, by default 2 MiB. One prefix gets a quarter
	// of it, a wide one half. Beyond it a pull is answered with "no resources".
	PullBytes int

	// PushShare bounds the pushes from one prefix that count in a round, as a share of the alpha*l1 pushes that a round
	// brings on average: above 0 to 1, by default 1/8, which is 2; a wide prefix may have twice as many. Which of them
	// count is drawn uniformly when the round ends. The others are neither load nor news.
	PushShare float64

	// Dials bounds the peers that are dialled in a round: 1 to 1,000,000, by default what a round can want and one for
	// each worker.
	Dials int

	// PrefixDials bounds the addresses in one prefix that are dialled in a round for peers that have not yet answered at
	// that IP address: 1 to 1,000,000, by default 16; four times as many in a wide prefix.
	PrefixDials int

	// IPDials and AddrDials bound the dials a minute, whatever the length of a round, of one IP address, and of one IP
	// address and port (TCP and UDP apart), for peers that have not yet answered there: 2 to 1,000,000, by default 12 and
	// 6. They keep records of many ids that point at one victim from making us a part of an attack. Where private
	// addresses are allowed, IPDials does not hold for them and for loopback ones.
	IPDials, AddrDials int

	// Helps bounds the probes of third peers in a round that others ask us for: 1 to 1,000,000, by default 32. One peer has at
	// most 4 of them, and one third peer is probed at most 3 times; 16 are under way at once.
	Helps int
}

// Defaults of Limits.
const (
	DefaultPeerRate    = 1.5
	DefaultPrefixRate  = 2.0
	DefaultPullBytes   = 2 << 20 // for l1 up to 40; l1/40 of it beyond
	DefaultPushShare   = 1.0 / 8
	DefaultPrefixDials = 16
	DefaultIPDials     = 12
	DefaultAddrDials   = 6
	DefaultHelps       = 32 // for l2 up to 40; l2/40 of it beyond
)

// widePrefix is by how much more than a prefix a wide one may do, widePrefixDials the same for dials.
const (
	widePrefix      = limit.Wide
	widePrefixDials = 4
)

// pullPart: one prefix gets 1/pullPart of the bytes of pull answers.
const pullPart = 4

// WithLimits sets the bounds on what others may make the service do. Without it each has its default.
func WithLimits(l Limits) Option {
	return func(c *config) error {
		const most = 1_000_000
		for _, v := range []struct {
			name             string
			value, min, most float64
		}{
			{"peer rate", l.PeerRate, 1, 1000},
			{"prefix rate", l.PrefixRate, 1, 1000},
			{"pull bytes", float64(l.PullBytes), pullPart * wire.MaxPullResponse, 1 << 30},
			{"push share", l.PushShare, 0, 1},
			{"dials", float64(l.Dials), 1, most},
			{"prefix dials", float64(l.PrefixDials), 1, most},
			{"IP dials", float64(l.IPDials), 2, most},
			{"address dials", float64(l.AddrDials), 2, most},
			{"helps", float64(l.Helps), 1, most},
		} {
			if v.value <= 0 { // the default, or none
				continue
			}
			if !(v.value >= v.min && v.value <= v.most) { // NaN is not within either
				return fmt.Errorf("brahms: limit of %s=%s must be between %v and %v, 0 for the default or negative for none",
					v.name, plain(v.value), plain(v.min), plain(v.most))
			}
		}
		c.limits = l
		return nil
	}
}

// plain writes a number without an exponent.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// withDefaults puts in what stands at 0.
func (l Limits) withDefaults(p protocol.Params, workers int) Limits {
	orFloat := func(v *float64, def float64) {
		if *v == 0 {
			*v = def
		}
	}
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	orFloat(&l.PeerRate, DefaultPeerRate)
	orFloat(&l.PrefixRate, DefaultPrefixRate)
	orInt(&l.PullBytes, DefaultPullBytes*max(p.L1, 40)/40)
	orFloat(&l.PushShare, DefaultPushShare)
	orInt(&l.Dials, wants(p)+workers)
	orInt(&l.PrefixDials, DefaultPrefixDials*max(p.L1, 40)/40)
	orInt(&l.IPDials, DefaultIPDials)
	orInt(&l.AddrDials, DefaultAddrDials)
	orInt(&l.Helps, DefaultHelps*max(p.L2, 40)/40)
	return l
}

// Seeds and appeals that a node contacts in one round at most, on top of its draws and probes (protocol: maxSeedsAtOnce
// for each of pushes and pulls, maxAppeals).
const roundExtras = 8 + 8 + 8

// wants is how many peers a round of ours can want to contact.
func wants(p protocol.Params) int {
	s := p.Shares()
	return s.Push + s.Pull + probesOf(p) + roundExtras // helpers are of the sample, and probed or asked instead
}

// probesOf is how many peers a node probes in a round at most.
func probesOf(p protocol.Params) int { return p.MaxProbes() }

// normal is what a node of a healthy network gets from all others in a round, by kind: on average for pushes and pulls, at
// most for probes.
func normal(p protocol.Params) [kinds]float64 {
	s := p.Shares()
	return [kinds]float64{push: float64(max(1, s.Push)), pull: float64(max(1, s.Pull)), probe: float64(probesOf(p))}
}

// How many rounds' worth of streams may come at once: of a peer, so that one with our interval is never refused whatever
// the jitter; of a prefix, so that the Poisson numbers of a healthy network that is all in one are not refused.
const (
	peerBurst   = 3
	prefixBurst = 2
)

// perPeer is what a correct peer opens in a round at most, by kind. A peer may be probed, be asked about others, and be
// probed for others.
var perPeer = [kinds]float64{push: 2, pull: 1, probe: 1 + protocol.MaxAsks + maxHelpsToTarget}

// on returns a limit for use as the size of buckets, where 0 is off.
func on[N int | float64](v N) float64 { return math.Max(0, float64(v)) }
