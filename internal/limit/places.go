package limit

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Bounds are how many streams are served at once, each above 0.
type Bounds struct {
	All, Class, Peer int // of all, of one class, of one peer
	Fine, Coarse     int // of one prefix of public addresses, or few addresses with many silent ids could hold most places

	// Grace is how long a stream is safe where there is no room for another. What a correct peer asks is answered in a
	// round trip. A silent stream would have its place until it times out, so ids without number on a LAN, where addresses
	// have no prefix, could hold all of them; as it is, they have to open as many streams in each time of grace.
	Grace time.Duration
}

// Places is the set of streams that are being served. It is safe for concurrent use.
type Places struct {
	bounds Bounds

	mu      sync.Mutex
	now     func() time.Time
	closed  bool
	streams map[network.Stream]*list.Element
	order   list.List // of *placed, the oldest first
	classes map[int]int
	peers   map[peer.ID]int
	nets    map[netip.Prefix]int // fine and coarse ones, which differ in their lengths
	wg      sync.WaitGroup
}

type placed struct {
	network.Stream
	class        int
	since        time.Time
	fine, coarse netip.Prefix
	public       bool
}

// NewPlaces returns places for streams, by a clock.
func NewPlaces(b Bounds, now func() time.Time) *Places {
	return &Places{
		bounds: b, now: now, streams: make(map[network.Stream]*list.Element),
		classes: make(map[int]int), peers: make(map[peer.ID]int), nets: make(map[netip.Prefix]int),
	}
}

// Enter gives a stream of a class a place, for which Leave is to be called; if need be that of the one that has been
// served longest of those that compete, which is reset. Otherwise it says with which code to reset the stream, and whether
// that is since all places are taken, of the class or of all.
func (p *Places) Enter(st network.Stream, class int) (code network.StreamErrorCode, full, ok bool) {
	s := &placed{Stream: st, class: class}
	s.fine, s.coarse, s.public = Prefixes(st.Conn().RemoteMultiaddr())
	code, full, out := p.place(s)
	if out != nil {
		_ = out.ResetWithError(network.StreamResourceLimitExceeded) // not under the lock: it may wait for the muxer
	}
	return code, full, code == 0
}

// place gives s a place, if need be that of the stream that it returns. The code is 0 if s has one.
func (p *Places) place(s *placed) (code network.StreamErrorCode, full bool, out *placed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return network.StreamShutdown, false, nil
	case p.peers[s.Conn().RemotePeer()] >= p.bounds.Peer:
		return network.StreamResourceLimitExceeded, false, nil
	}
	s.since = p.now()
	if rival, all := p.rivals(s); rival != nil {
		if out = p.crowdedOut(rival, s.since); out == nil {
			return network.StreamResourceLimitExceeded, all, nil
		}
		p.remove(out)
	}
	p.streams[s.Stream] = p.order.PushBack(s)
	p.account(s, 1)
	p.wg.Add(1)
	return 0, false, out
}

// rivals returns which streams take up what s needs a part of, nil if there is room for s; all says that it is room for
// anybody that is missing. The narrowest bound decides: one stream that goes makes room under the others as well.
func (p *Places) rivals(s *placed) (rival func(*placed) bool, all bool) {
	switch {
	case s.public && p.nets[s.fine] >= p.bounds.Fine:
		return func(o *placed) bool { return o.public && o.fine == s.fine }, false
	case s.public && p.nets[s.coarse] >= p.bounds.Coarse:
		return func(o *placed) bool { return o.public && o.coarse == s.coarse }, false
	case p.classes[s.class] >= p.bounds.Class:
		return func(o *placed) bool { return o.class == s.class }, true
	case len(p.streams) >= p.bounds.All:
		return func(*placed) bool { return true }, true
	}
	return nil, false
}

// crowdedOut returns the oldest of the rivals, nil if it is within its grace.
func (p *Places) crowdedOut(rival func(*placed) bool, now time.Time) *placed {
	for e := p.order.Front(); e != nil; e = e.Next() {
		s := e.Value.(*placed)
		if now.Sub(s.since) < p.bounds.Grace {
			return nil // and so are all after it
		}
		if rival(s) {
			return s
		}
	}
	return nil
}

func (p *Places) account(s *placed, n int) {
	count(p.classes, s.class, n)
	count(p.peers, s.Conn().RemotePeer(), n)
	if s.public {
		count(p.nets, s.fine, n)
		count(p.nets, s.coarse, n)
	}
}

func (p *Places) remove(s *placed) {
	p.order.Remove(p.streams[s.Stream])
	delete(p.streams, s.Stream)
	p.account(s, -1)
}

// count adds n to the number under k and keeps no zeros.
func count[K comparable](m map[K]int, k K, n int) {
	if m[k] += n; m[k] == 0 {
		delete(m, k)
	}
}

// Leave ends the serving of a stream that has entered and reports whether it had its place to the end.
func (p *Places) Leave(st network.Stream) (kept bool) {
	p.mu.Lock()
	e, kept := p.streams[st]
	if kept {
		p.remove(e.Value.(*placed))
	}
	p.mu.Unlock()
	p.wg.Done()
	return kept
}

// Has reports whether a stream still has its place.
func (p *Places) Has(st network.Stream) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.streams[st] != nil
}

// Close refuses all further streams, resets those that are being served and waits until all have left.
func (p *Places) Close() {
	p.mu.Lock()
	p.closed = true
	for st := range p.streams {
		_ = st.ResetWithError(network.StreamShutdown)
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// Len returns how many streams are being served.
func (p *Places) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.streams)
}

// Of returns how many streams of one peer are being served.
func (p *Places) Of(id peer.ID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peers[id]
}

// Idle reports whether nothing is being served, nor counted as if it were.
func (p *Places) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.streams)+p.order.Len()+len(p.classes)+len(p.peers)+len(p.nets) == 0
}
