package adapters

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
)

// Seeds finds peers to start from, for brahmshost.WithDiscover: the service calls it at the start, then at a low rate
// for ever. Seeds are contacted, and enter view and sample by the same rules as all others; whoever controls a source
// of seeds gets no more than that.
type Seeds = func(context.Context) ([]peer.AddrInfo, error)

// MaxSeeds is how many peers one source of seeds gives at once, and MaxFound how many a Found remembers.
const (
	MaxSeeds = 32
	MaxFound = 64
)

// SeedsFrom takes seeds from a libp2p discovery: a rendezvous point, a DHT's provider records, or what else has members
// of a namespace. It reads until the channel is closed, MaxSeeds came, or its context ends.
func SeedsFrom(d discovery.Discoverer, namespace string) Seeds {
	return func(ctx context.Context) ([]peer.AddrInfo, error) {
		ctx, cancel := context.WithCancel(ctx) // or a discoverer may go on for ever
		defer cancel()
		found, err := d.FindPeers(ctx, namespace, discovery.Limit(MaxSeeds))
		if err != nil {
			return nil, err
		}
		var out []peer.AddrInfo
		for len(out) < MaxSeeds {
			select {
			case p, ok := <-found:
				if !ok {
					return out, nil
				}
				if p.ID.Validate() == nil && len(p.Addrs) > 0 {
					out = append(out, p)
				}
			case <-ctx.Done():
				return out, nil
			}
		}
		return out, nil
	}
}

// SeedsOfTable takes seeds from a list of ids whose addresses are in a peerstore: up to MaxSeeds random ones each time.
// For go-libp2p-kad-dht: SeedsOfTable(dht.RoutingTable().ListPeers, h.Peerstore()).
func SeedsOfTable(list func() []peer.ID, addrs peerstore.AddrBook) Seeds {
	return func(context.Context) ([]peer.AddrInfo, error) {
		ids := list()
		var out []peer.AddrInfo
		for _, i := range rand.Perm(len(ids)) {
			if len(out) == MaxSeeds {
				break
			}
			if known := addrs.Addrs(ids[i]); len(known) > 0 {
				out = append(out, peer.AddrInfo{ID: ids[i], Addrs: known})
			}
		}
		return out, nil
	}
}

// AnySeeds asks all sources at once and gives what they found, in turns, each peer once. It returns when all have
// answered or its context ends; a source that fails spoils nothing, its error comes beside what the others found.
func AnySeeds(sources ...Seeds) Seeds {
	sources = slices.Clone(sources)
	return func(ctx context.Context) ([]peer.AddrInfo, error) {
		type answer struct {
			from  int
			peers []peer.AddrInfo
			err   error
		}
		answers := make(chan answer, len(sources)) // so that a source that comes late ends
		for i, find := range sources {
			go func() {
				peers, err := find(ctx)
				answers <- answer{i, peers, err}
			}()
		}
		lists, errs := make([][]peer.AddrInfo, len(sources)), []error(nil)
		for range sources {
			select {
			case a := <-answers:
				lists[a.from] = a.peers
				errs = append(errs, a.err)
				continue
			case <-ctx.Done():
			}
			break
		}
		return takeTurns(lists), errors.Join(errs...)
	}
}

// takeTurns merges lists: the first of each, then the second of each.
func takeTurns(lists [][]peer.AddrInfo) []peer.AddrInfo {
	var out []peer.AddrInfo
	seen := make(map[peer.ID]bool)
	for i, more := 0, true; more; i++ {
		more = false
		for _, list := range lists {
			if i >= len(list) {
				continue
			}
			more = true
			if p := list[i]; !seen[p.ID] {
				seen[p.ID] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// A Found remembers peers that somebody reports, for Seeds: it is an mdns.Notifee. It holds up to MaxFound; beyond that
// each new one takes the place of a random one, since anybody on the local network can report any number. The zero
// value is ready.
type Found struct {
	mu    sync.Mutex
	peers []peer.AddrInfo
}

// HandlePeerFound remembers p. Of its addresses it keeps MaxFileAddrs.
func (f *Found) HandlePeerFound(p peer.AddrInfo) {
	if p.ID.Validate() != nil || len(p.Addrs) == 0 {
		return
	}
	p.Addrs = slices.Clone(p.Addrs[:min(len(p.Addrs), MaxFileAddrs)])
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.peers, func(old peer.AddrInfo) bool { return old.ID == p.ID })
	switch {
	case i >= 0:
		f.peers[i] = p // it may have moved
	case len(f.peers) < MaxFound:
		f.peers = append(f.peers, p)
	default:
		f.peers[rand.IntN(MaxFound)] = p
	}
}

// Seeds gives up to MaxSeeds random ones of those that were found.
func (f *Found) Seeds(context.Context) ([]peer.AddrInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []peer.AddrInfo
	for _, i := range rand.Perm(len(f.peers)) {
		if len(out) == MaxSeeds {
			break
		}
		out = append(out, f.peers[i])
	}
	return out, nil
}
