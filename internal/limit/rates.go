package limit

import (
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// How many peers and prefixes Rates remember of each kind. Where all are in use, those go that have the most left. To
// get a new burst a peer has to bring that many others to us that have used up theirs, in the time in which its bucket
// would have filled by itself; and all of them count for their prefixes.
const (
	RatePeers    = 4096
	RatePrefixes = 2048
)

// Wide is by how much more than a fine prefix a coarse one may do.
const Wide = 2

// A Verdict says whether something is let through, and else which limit it is beyond.
type Verdict uint8

// The verdicts.
const (
	Admitted   Verdict = iota
	OverPeer           // beyond what one peer may do
	OverPrefix         // beyond what the peers of one address prefix may do
)

// Rates bounds how often peers do something: by peer, and by prefix where the peer comes from a public address. It is
// safe for concurrent use. The zero value is invalid.
type Rates struct {
	mu           sync.Mutex
	peers        Buckets[peer.ID]
	fine, coarse Buckets[netip.Prefix]
}

// NewRates returns rates that let everything through.
func NewRates() *Rates {
	return &Rates{
		peers: NewBuckets[peer.ID](0, 0, time.Second, RatePeers, false),
		fine:  NewBuckets[netip.Prefix](0, 0, time.Second, RatePrefixes, false), coarse: NewBuckets[netip.Prefix](0, 0, time.Second, RatePrefixes, false),
	}
}

// LimitPeers lets each peer do size at once and fill in each period; a size of 0 is no limit.
func (r *Rates) LimitPeers(size, fill float64, period time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers.Resize(size, fill, period)
}

// LimitPrefixes is LimitPeers for each fine prefix; a coarse one may do Wide times as much.
func (r *Rates) LimitPrefixes(size, fill float64, period time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fine.Resize(size, fill, period)
	r.coarse.Resize(Wide*size, Wide*fill, period)
}

// Admit takes n things that a peer at addr wants to do into account, unless they are beyond a limit: then nothing is
// taken. Who counts all peers as one gives an empty id.
func (r *Rates) Admit(now time.Time, from peer.ID, addr multiaddr.Multiaddr, n float64) Verdict {
	fine, coarse, public := Prefixes(addr)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.peers.Has(now, from, n) {
		return OverPeer
	}
	if public {
		if !r.fine.Has(now, fine, n) || !r.coarse.Has(now, coarse, n) {
			return OverPrefix
		}
		r.fine.Take(now, fine, n)
		r.coarse.Take(now, coarse, n)
	}
	r.peers.Take(now, from, n)
	return Admitted
}

// Bounds returns size and fill a second of a peer, a prefix and a wide prefix.
func (r *Rates) Bounds() [3][2]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return [3][2]float64{{r.peers.size, r.peers.fill}, {r.fine.size, r.fine.fill}, {r.coarse.size, r.coarse.fill}}
}

// Len returns how many peers, prefixes and wide prefixes are remembered.
func (r *Rates) Len() (peers, fine, coarse int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peers.Len(), r.fine.Len(), r.coarse.Len()
}
