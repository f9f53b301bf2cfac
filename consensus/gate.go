package consensus

import (
	"errors"
	"time"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/internal/limit"
)

// Bounds on what others may ask of us at once. A stream beyond them takes the place of one that has been served for
// longer than the grace, or is reset before anything of it is read, and counted.
const (
	perRound          = machine.Epochs // what a correct peer asks one other in a round at most, of each kind
	maxInbound        = 512
	maxInboundPerPeer = 4 * perRound // those of a round, of both kinds, and some that end late
)

var bounds = limit.Bounds{
	All: maxInbound, Class: maxInbound / 2, Peer: maxInboundPerPeer, Fine: maxInbound / 8, Coarse: maxInbound / 4,
	Grace: time.Second,
}

var errCrowdedOut = errors.New("consensus: crowded out by newer streams")

// How many rounds' worth of streams may come at once. Rounds of peers are not in step, and peers may restart.
const (
	peerBurst   = 3
	prefixBurst = 2
)

// gate limits how often streams may be opened, before anything of them is read. It is safe for concurrent use.
type gate struct {
	now   func() time.Time
	rates [exchanges]*limit.Rates
}

// newGate makes the gate for polls of k peers.
func newGate(l Limits, k int, round time.Duration) *gate {
	g := &gate{now: time.Now}
	for e := range g.rates {
		g.rates[e] = limit.NewRates()
		if r := orDefault(l.PeerRate, DefaultPeerRate); r > 0 {
			g.rates[e].LimitPeers(peerBurst*r*perRound, r*perRound, round)
		}
		if r := orDefault(l.PrefixRate, DefaultPrefixRate); r > 0 {
			all := r * float64(k) * perRound
			g.rates[e].LimitPrefixes(prefixBurst*all, all, round)
		}
	}
	return g
}

func orDefault(v, otherwise float64) float64 {
	if v == 0 {
		return otherwise
	}
	return v
}

// admit takes a stream into account, or says why it is to be refused.
func (g *gate) admit(e Exchange, from origin) (why Reason, ok bool) {
	switch g.rates[e].Admit(g.now(), from.peer, from.addr, 1) {
	case limit.OverPeer:
		return ReasonRateLimited, false
	case limit.OverPrefix:
		return ReasonPrefixLimited, false
	}
	return "", true
}
