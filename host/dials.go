package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
)

// Anybody can sign records that point at somebody else, in the name of as many ids as it likes, and each of them would
// be dialled. So dials of unproven addresses are counted by where they go: an IP address with a port, or an IP address, is
// proven for an id once the id has answered there (through the same relay, if it is relayed). What a correct peer costs
// is given back when it answers, so limits meet those only that do not.

const (
	// maxUnproven is how many unproven addresses of a peer one dial tries; a record has 16 at most.
	maxUnproven = 8
	// dialTargets is how many IP addresses, and how many of them with a port, are counted at once. While so many are, all
	// further unproven ones wait: to forget one would give it a new minute. Those that only strangers are dialled at take
	// half of them at most, so that names alone keep nobody waiting whom we have heard from.
	dialTargets, strangerTargets = 8192, 8192 / 2
	// provenPeers and provenPlaces bound what is remembered of where ids answered; what is forgotten is unproven again.
	// Those that were found in place of others are apart, since whoever sits at an address can be another one each time.
	provenPeers, provenPlaces, occupants = 4096, 4, 512
)

// Errors of dials that a limit of ours held back. None is evidence of life or death.
var (
	errWithheld = errors.New("brahms: dial withheld: too many to these addresses without an answer")
	// errMisnamed: others name an id with a record that is not its own, and nothing else is known of it.
	errMisnamed = errors.New("brahms: nothing is known of the peer but a record that does not verify")
	errSpent    = errors.New("brahms: dial withheld: too many peers in this round")
	// errPartly goes with the error of a dial of which some addresses were held back.
	errPartly = errors.New("brahms: some addresses withheld")
)

// target is what a dial of an address hits.
type target struct {
	ip           netip.Addr
	socket       socket
	fine, coarse netip.Prefix
	public       bool
	relay        peer.ID // empty if it is not relayed
}

type socket struct {
	ip   netip.Addr
	port string // as in the multiaddr
	udp  bool
}

// place is where a peer proves to be. A relay alone is none: whoever claims one may add another address to it.
type place struct {
	socket socket
	relay  peer.ID
}

func (t *target) place() place { return place{t.socket, t.relay} }

// near reports whether two places are on one machine, as far as addresses tell.
func (p place) near(q place) bool { return p.socket.ip == q.socket.ip && p.relay == q.relay }

// targetOf returns what a dial of a hits; false for names, which are not judged: no record brings one to a dial.
func targetOf(a multiaddr.Multiaddr) (t target, ok bool) {
	if len(a) == 0 {
		return t, false
	}
	ip, ok := limit.IP(&a[0])
	if !ok {
		return t, false
	}
	t.socket.ip, t.ip = ip, limit.Machine(ip)
	if len(a) > 1 {
		t.socket.port, t.socket.udp = string(a[1].RawValue()), a[1].Code() == multiaddr.P_UDP
	}
	t.fine, t.coarse, t.public = limit.Prefixes(a)
	for i := range a {
		if i > 0 && a[i].Code() == multiaddr.P_CIRCUIT && a[i-1].Code() == multiaddr.P_P2P {
			t.relay = peer.ID(a[i-1].RawValue())
		}
	}
	return t, true
}

// dialBudget decides who may be dialled where. It is safe for concurrent use.
type dialBudget struct {
	now     func() time.Time
	private bool // private and loopback addresses are those of the user's own network

	dials, addrs atomic.Uint64 // withheld

	mu           sync.Mutex
	all          limit.Buckets[struct{}]
	fine, coarse limit.Buckets[netip.Prefix]
	ips          windows[netip.Addr]
	sockets      windows[socket]
	proven       places // ids that we dialled
	found        places // ids that answered in place of others
}

func newDialBudget(l Limits, round time.Duration, private bool) *dialBudget {
	b := &dialBudget{
		now: time.Now, private: private,
		all:     limit.NewBuckets[struct{}](0, 0, round, 1, false),
		fine:    limit.NewBuckets[netip.Prefix](0, 0, round, dialTargets, true),
		coarse:  limit.NewBuckets[netip.Prefix](0, 0, round, dialTargets, true),
		ips:     newWindows[netip.Addr](l.IPDials, dialTargets),
		sockets: newWindows[socket](l.AddrDials, dialTargets),
		proven:  newPlaces(provenPeers), found: newPlaces(occupants),
	}
	b.resize(l, round)
	return b
}

// resize sets the limits that go by the sizes of view and sample.
func (b *dialBudget) resize(l Limits, round time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, n := on(l.Dials), on(l.PrefixDials)
	b.all.Resize(all, all, round)
	b.fine.Resize(n, n, round)
	b.coarse.Resize(widePrefixDials*n, widePrefixDials*n, round)
}

// attempt is a dial that was let through.
type attempt struct {
	id      peer.ID
	held    []multiaddr.Multiaddr // of the peer's addresses, those that may not be dialled
	charged []charge
	spent   bool // nothing is left for anybody in this round
}

// blame returns the error of the attempt's dial with errPartly if another address, one of those held back, might have been
// the right one. Others can bring that about, by what they claim to be at its IP address, so it is no miss. Of a peer that
// is proven somewhere it is: where that is nothing is held back, and if it were no miss, a peer that has gone could keep
// its slots by the address of a victim.
func (a attempt) blame(err error, proven bool) error {
	var dial *swarm.DialError
	if len(a.held) == 0 || proven || !errors.As(err, &dial) {
		return err
	}
	return fmt.Errorf("%w: %w", errPartly, err)
}

// charge is what one address of an attempt has cost: near says that the peer was proven at the same IP address, so that
// only the port counted.
type charge struct {
	target
	near bool
	at   time.Time
}

// begin decides about a dial of id, which would go to addrs. Those in trusted are the user's own word. stranger says
// that we never heard from id itself: strangers leave half of what an address takes to those we did hear from, who could
// otherwise be kept from being dialled by names alone.
func (d *dialBudget) begin(id peer.ID, addrs, trusted []multiaddr.Multiaddr, stranger bool) (a attempt, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.all.Has(d.now(), struct{}{}, 1) {
		d.dials.Add(1)
		return attempt{id: id, spent: true}, false
	}
	if a, ok = d.weigh(id, addrs, trusted, stranger); ok {
		d.all.Take(d.now(), struct{}{}, 1)
	}
	return a, ok
}

// beginOnTop is begin for a protocol on top of the service: it takes nothing of what the service may dial in a round, and of
// what an address takes no more than strangers do.
func (d *dialBudget) beginOnTop(id peer.ID, addrs, trusted []multiaddr.Multiaddr) (a attempt, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.weigh(id, addrs, trusted, true)
}

// weigh decides by address.
func (d *dialBudget) weigh(id peer.ID, addrs, trusted []multiaddr.Multiaddr, stranger bool) (a attempt, ok bool) {
	a.id = id
	now, allowed := d.now(), 0
	for _, addr := range addrs {
		t, judged := targetOf(addr)
		at, near := d.proves(id, t.place())
		c := charge{target: t, near: near}
		switch {
		case !judged, at, d.atRelay(&t), slices.ContainsFunc(trusted, addr.Equal):
		case len(a.charged) < maxUnproven && d.charge(now, &c, stranger):
			a.charged = append(a.charged, c)
		default:
			a.held = append(a.held, addr)
			continue
		}
		allowed++
	}
	d.addrs.Add(uint64(len(a.held)))
	if allowed == 0 && len(addrs) > 0 {
		d.dials.Add(1)
		return a, false
	}
	return a, true
}

// charge takes an unproven address into account, or reports that it may not be dialled now.
func (d *dialBudget) charge(now time.Time, c *charge, stranger bool) bool {
	spare := func(size int) int {
		if stranger {
			return size / 2
		}
		return 0
	}
	switch {
	case stranger && !d.roomForStrangers(now, c),
		!d.sockets.has(now, c.socket, 1+spare(d.sockets.size)),
		d.byIP(c) && !d.ips.has(now, c.ip, 1+spare(d.ips.size)),
		d.byPrefix(c) && (!d.fine.Has(now, c.fine, 1) || !d.coarse.Has(now, c.coarse, 1)):
		return false
	}
	c.at = now
	d.sockets.take(now, c.socket)
	if d.byIP(c) {
		d.ips.take(now, c.ip)
	}
	if d.byPrefix(c) {
		d.fine.Take(now, c.fine, 1)
		d.coarse.Take(now, c.coarse, 1)
	}
	return true
}

// roomForStrangers reports whether what c hits is counted already, or strangers may take another place of the tables.
func (d *dialBudget) roomForStrangers(now time.Time, c *charge) bool {
	return d.sockets.room(now, c.socket, strangerTargets) &&
		(!d.byIP(c) || d.ips.room(now, c.ip, strangerTargets)) &&
		(!d.byPrefix(c) || d.fine.Room(now, c.fine, strangerTargets) && d.coarse.Room(now, c.coarse, strangerTargets))
}

func (d *dialBudget) byIP(c *charge) bool     { return !c.near && (c.public || !d.private) }
func (d *dialBudget) byPrefix(c *charge) bool { return !c.near && c.public }

// giveBack gives back what c was charged for its port, and refund the rest.
func (d *dialBudget) giveBack(now time.Time, c *charge) {
	d.sockets.giveBack(c.at, c.socket)
	d.refund(now, c)
}

func (d *dialBudget) refund(now time.Time, c *charge) {
	if d.byIP(c) {
		d.ips.giveBack(c.at, c.ip)
	}
	if d.byPrefix(c) {
		d.fine.Take(now, c.fine, -1)
		d.coarse.Take(now, c.coarse, -1)
	}
}

// reached tells that the peer of an attempt has answered at addr: what the dial was charged for that place is given back,
// and of its other ports all but what counts for the port.
func (d *dialBudget) reached(a attempt, addr multiaddr.Multiaddr) {
	t, ok := targetOf(addr)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.proven.add(a.id, t.place())
	now := d.now()
	for i := range a.charged {
		c := &a.charged[i]
		switch at := c.place(); {
		case at == t.place() && at.relay != "": // relaysAnswered gives it back
		case at == t.place():
			d.giveBack(now, c)
		case at.near(t.place()):
			d.refund(now, c)
		}
	}
}

// relaysAnswered gives back what an attempt was charged for relays that we are connected to: one that took our call there
// was no victim, whatever it had to say of the peer. One that took it elsewhere proves nothing of this address.
func (d *dialBudget) relaysAnswered(a attempt, connected func(peer.ID, socket) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for i := range a.charged {
		if c := &a.charged[i]; c.relay != "" && connected(c.relay, c.socket) {
			d.giveBack(now, c)
		}
	}
}

// failed tells that an attempt failed with err, and whether we are connected to a relay at a socket.
func (d *dialBudget) failed(a attempt, err error, connected func(peer.ID, socket) bool) {
	d.relaysAnswered(a, connected)
	d.mu.Lock()
	defer d.mu.Unlock()
	// Whoever answers in place of another lives there, and must not be held for a victim of those who name its address.
	var dial *swarm.DialError
	if !errors.As(err, &dial) {
		return
	}
	for i := range dial.DialErrors {
		var other sec.ErrPeerIDMismatch
		if !errors.As(dial.DialErrors[i].Cause, &other) {
			continue
		}
		if t, ok := targetOf(dial.DialErrors[i].Address); ok && t.relay == "" {
			d.found.add(other.Actual, t.place())
		}
	}
}

// knows reports whether id has answered a dial anywhere that is remembered.
func (d *dialBudget) knows(id peer.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.proven.of(id) != nil
}

// proves reports whether id has answered at a place, and whether at its IP address.
func (d *dialBudget) proves(id peer.ID, p place) (at, near bool) {
	for _, known := range [...][]place{d.proven.of(id), d.found.of(id)} {
		at = at || slices.Contains(known, p)
		near = near || slices.ContainsFunc(known, p.near)
	}
	return at, near
}

// dialable makes the host ready to dial id: it finds the addresses in book and peerstore, adds those in more, holds back what
// the budget does not allow, and leaves libp2p those that remain. It fails with errWithheld if none does.
func (x *libp2pExchanger) dialable(ctx context.Context, id peer.ID, more ...multiaddr.Multiaddr) (attempt, error) {
	ours := addBare(slices.Clone(x.s.book.addrs(id)), id, more)
	// Those of the app, of identify, and ours of an earlier dial.
	addrs := addBare(slices.Clone(ours), id, x.h.Peerstore().Addrs(id))
	if len(addrs) == 0 && x.s.book.misnamed(id) {
		return attempt{}, errMisnamed
	}
	var trusted []multiaddr.Multiaddr
	if x.s.bootstrap[id] {
		trusted = x.s.book.given(id)
	}
	known, _ := x.s.book.get(id)
	var a attempt
	var ok bool
	if isOnTop(ctx) {
		a, ok = x.s.dialling.beginOnTop(id, addrs, trusted)
	} else {
		a, ok = x.s.dialling.begin(id, addrs, trusted, known.met.IsZero() || isForAnother(ctx))
	}
	switch {
	case a.spent:
		return a, errSpent
	case !ok:
		return a, errWithheld
	}
	ours = slices.DeleteFunc(ours, func(addr multiaddr.Multiaddr) bool { return slices.ContainsFunc(a.held, addr.Equal) })
	x.h.Peerstore().AddAddrs(id, ours, x.s.cfg.dial)
	if sw, ok := x.h.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		sw.Backoff().Clear(id)
		// The peerstore may have them all the same. What libp2p takes for backed off it does not dial.
		for _, addr := range a.held {
			sw.Backoff().AddBackoff(id, addr)
		}
		x.holdRelays(&a, addrs, sw.Backoff())
	}
	return a, nil
}

// addBare appends to addrs what it lacks of more, without the peer's id.
func addBare(addrs []multiaddr.Multiaddr, id peer.ID, more []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	for _, addr := range more {
		if bare, ok := stripID(addr, id); ok && !slices.ContainsFunc(addrs, bare.Equal) {
			addrs = append(addrs, bare)
		}
	}
	return addrs
}

type forAnother struct{}

// isForAnother reports whether an exchange is one on behalf of another peer. Its dials leave half of what an address takes, as
// those of strangers do: else what others ask us about a dead peer would use up what our own misses need, and it would never
// be found dead here.
func isForAnother(ctx context.Context) bool { return ctx.Value(forAnother{}) != nil }

// dialled tells the budget what came of an attempt; c is the connection if there was no error.
func (x *libp2pExchanger) dialled(a attempt, c network.Conn, err error) {
	x.s.dialling.proveRelays(a, x.connectedAt)
	switch {
	case err != nil:
		x.s.dialling.failed(a, err, x.connectedAt)
	case c != nil && c.Stat().Direction == network.DirOutbound:
		x.s.dialling.reached(a, c.RemoteMultiaddr())
		x.s.dialling.relaysAnswered(a, x.connectedAt)
	}
}

// connectedAt reports whether a connection that we dialled to the peer ends at the socket.
func (x *libp2pExchanger) connectedAt(id peer.ID, at socket) bool {
	return slices.ContainsFunc(x.h.Network().ConnsToPeer(id), func(c network.Conn) bool {
		t, ok := targetOf(c.RemoteMultiaddr())
		return ok && t.relay == "" && t.socket == at && c.Stat().Direction == network.DirOutbound
	})
}
