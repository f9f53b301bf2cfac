package host

import (
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// How many peers and prefixes the gate remembers of each kind. Where all are in use, those go that have the most left. To
// get a new burst a peer has to bring that many others to us that have used up theirs, in the two rounds in which its
// bucket would have filled by itself; and all of them count for their prefixes.
const (
	gatePeers    = 4096
	gatePrefixes = 2048
)

// gate limits how often streams may be opened, before anything of them is read, and how much is answered to pulls.
// It is safe for concurrent use.
type gate struct {
	now func() time.Time

	mu           sync.Mutex
	peers        [kinds]buckets[peer.ID]
	fine, coarse [kinds]buckets[netip.Prefix]

	bytes                  buckets[struct{}] // of pull answers
	fineBytes, coarseBytes buckets[netip.Prefix]
}

func newGate(l Limits, p protocol.Params, round time.Duration) *gate {
	g := &gate{now: time.Now}
	for k := range kinds {
		size := peerBurst * perPeer[k]
		if l.PeerRate < 0 {
			size = 0
		}
		g.peers[k] = newBuckets[peer.ID](size, l.PeerRate*perPeer[k], round, gatePeers, false)
		g.fine[k] = newBuckets[netip.Prefix](0, 0, round, gatePrefixes, false)
		g.coarse[k] = newBuckets[netip.Prefix](0, 0, round, gatePrefixes, false)
	}
	g.bytes = newBuckets[struct{}](0, 0, round, 1, false)
	g.fineBytes = newBuckets[netip.Prefix](0, 0, round, gatePrefixes, false)
	g.coarseBytes = newBuckets[netip.Prefix](0, 0, round, gatePrefixes, false)
	g.resize(l, p, round)
	return g
}

// resize sets the limits that go by the sizes of p.
func (g *gate) resize(l Limits, p protocol.Params, round time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, n := range normal(p) {
		n *= on(l.PrefixRate)
		g.fine[k].resize(prefixBurst*n, n, round)
		g.coarse[k].resize(prefixBurst*widePrefix*n, widePrefix*n, round)
	}
	all := on(l.PullBytes)
	g.bytes.resize(all, all, round)
	g.fineBytes.resize(all/pullPart, all/pullPart, round)
	g.coarseBytes.resize(widePrefix*all/pullPart, widePrefix*all/pullPart, round)
}

// admit takes a stream of kind k from a peer at addr into account, or says why it is to be refused.
func (g *gate) admit(k kind, from peer.ID, addr multiaddr.Multiaddr) (why Reason, ok bool) {
	fine, coarse, public := addrPrefix(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if !g.peers[k].has(now, from, 1) {
		return ReasonRateLimited, false
	}
	if public {
		if !g.fine[k].has(now, fine, 1) || !g.coarse[k].has(now, coarse, 1) {
			return ReasonPrefixLimited, false
		}
		g.fine[k].take(now, fine, 1)
		g.coarse[k].take(now, coarse, 1)
	}
	g.peers[k].take(now, from, 1)
	return "", true
}

// answer takes n bytes of a pull answer to addr into account, or reports that there are too many.
func (g *gate) answer(addr multiaddr.Multiaddr, n int) bool {
	fine, coarse, public := addrPrefix(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	now, size := g.now(), float64(n)
	if !g.bytes.has(now, struct{}{}, size) {
		return false
	}
	if public {
		if !g.fineBytes.has(now, fine, size) || !g.coarseBytes.has(now, coarse, size) {
			return false
		}
		g.fineBytes.take(now, fine, size)
		g.coarseBytes.take(now, coarse, size)
	}
	g.bytes.take(now, struct{}{}, size)
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
