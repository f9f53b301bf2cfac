package host

import (
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// gate limits how often streams may be opened, before anything of them is read, and how much is answered to pulls.
// It is safe for concurrent use.
type gate struct {
	now   func() time.Time
	rates [kinds]*limit.Rates

	mu                     sync.Mutex
	bytes                  limit.Buckets[struct{}] // of pull answers
	fineBytes, coarseBytes limit.Buckets[netip.Prefix]
}

func newGate(l Limits, p protocol.Params, round time.Duration) *gate {
	g := &gate{now: time.Now}
	for k := range kinds {
		g.rates[k] = limit.NewRates()
		if l.PeerRate > 0 {
			g.rates[k].LimitPeers(peerBurst*perPeer[k], l.PeerRate*perPeer[k], round)
		}
	}
	g.bytes = limit.NewBuckets[struct{}](0, 0, round, 1, false)
	g.fineBytes = limit.NewBuckets[netip.Prefix](0, 0, round, limit.RatePrefixes, false)
	g.coarseBytes = limit.NewBuckets[netip.Prefix](0, 0, round, limit.RatePrefixes, false)
	g.resize(l, p, round)
	return g
}

// resize sets the limits that go by the sizes of p.
func (g *gate) resize(l Limits, p protocol.Params, round time.Duration) {
	for k, n := range normal(p) {
		n *= on(l.PrefixRate)
		g.rates[k].LimitPrefixes(prefixBurst*n, n, round)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	all := on(l.PullBytes)
	g.bytes.Resize(all, all, round)
	g.fineBytes.Resize(all/pullPart, all/pullPart, round)
	g.coarseBytes.Resize(widePrefix*all/pullPart, widePrefix*all/pullPart, round)
}

// admit takes a stream of kind k from a peer at addr into account, or says why it is to be refused.
func (g *gate) admit(k kind, from peer.ID, addr multiaddr.Multiaddr) (why Reason, ok bool) {
	switch g.rates[k].Admit(g.now(), from, addr, 1) {
	case limit.OverPeer:
		return ReasonRateLimited, false
	case limit.OverPrefix:
		return ReasonPrefixLimited, false
	}
	return "", true
}

// answer takes n bytes of a pull answer to addr into account, or reports that there are too many.
func (g *gate) answer(addr multiaddr.Multiaddr, n int) bool {
	fine, coarse, public := limit.Prefixes(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	now, size := g.now(), float64(n)
	if !g.bytes.Has(now, struct{}{}, size) {
		return false
	}
	if public {
		if !g.fineBytes.Has(now, fine, size) || !g.coarseBytes.Has(now, coarse, size) {
			return false
		}
		g.fineBytes.Take(now, fine, size)
		g.coarseBytes.Take(now, coarse, size)
	}
	g.bytes.Take(now, struct{}{}, size)
	return true
}

// admit asks the gate about a stream, and resets and counts it if the answer is no.
func (s *Service) admit(st network.Stream) bool {
	for k := range kinds {
		if s.protocols[k] != st.Protocol() {
			continue
		}
		c := st.Conn()
		if why, ok := s.gate.admit(k, c.RemotePeer(), c.RemoteMultiaddr()); !ok {
			s.refuse(originOf(st), why, nil)
			_ = st.ResetWithError(network.StreamRateLimited)
			return false
		}
	}
	return true
}
