package host

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/internal/stattest"
	"github.com/brahms-p2p/brahms-p2p/protocol"
)

// newTestBudget makes a budget for rounds of 10 s by a manual clock.
func newTestBudget(l Limits, private bool) (*dialBudget, *manual) {
	c := newManual()
	d := newDialBudget(l.withDefaults(protocol.Hardened(40), DefaultWorkers), 10*time.Second, private)
	d.now = c.now
	return d, c
}

// dialOnce begins a dial of a fresh id, which does not answer, and returns how many addresses it goes to.
func dialOnce(d *dialBudget, stranger bool, addrs ...string) int {
	a, ok := d.begin(newID(), addrList(addrs...), nil, stranger)
	if !ok {
		return 0
	}
	return len(addrs) - len(a.held)
}

func addrIP(addr string) netip.Addr {
	t, _ := targetOf(addrList(addr)[0])
	return t.ip
}

var lastID atomic.Int64

func newID() peer.ID { return peerNo(int(lastID.Add(1))) }

// dialled begins dials of n fresh ids at what addr says, and returns how many go out.
func dialled(d *dialBudget, stranger bool, n int, addr func(int) string) (out int) {
	for i := range n {
		out += dialOnce(d, stranger, addr(i))
	}
	return out
}

func always(addr string) func(int) string { return func(int) string { return addr } }

// One address: as many dials a minute as the limit says and not one more, whatever ids claim it. Half of what it takes at
// once is kept for peers that we have heard from. Switched off, all are dialled.
func TestAddrDials(t *testing.T) {
	for _, addr := range []string{pub1, lanAddr, "/ip4/127.0.0.1/udp/4001/quic-v1", "/ip6/2606:4700::1/tcp/1"} {
		d, c := newTestBudget(Limits{}, true)
		if n := dialled(d, true, 100, always(addr)); n != 3 {
			t.Errorf("%s: %d dials of strangers at once, want 3", addr, n)
		}
		if n := dialled(d, false, 100, always(addr)); n != 3 {
			t.Errorf("%s: %d dials of others after them, want 3", addr, n)
		}
		if d.dials.Load() != 194 {
			t.Errorf("%s: %d counted, want 194", addr, d.dials.Load())
		}
		c.pass(time.Minute - time.Nanosecond)
		if n := dialled(d, false, 100, always(addr)); n != 0 {
			t.Errorf("%s: %d dials more within the minute", addr, n)
		}
		c.pass(time.Nanosecond)
		if n := dialled(d, false, 100, always(addr)); n != 6 {
			t.Errorf("%s: %d dials in the next minute, want 6", addr, n)
		}
		if d, _ := newTestBudget(Limits{AddrDials: Unlimited, IPDials: Unlimited, PrefixDials: Unlimited, Dials: Unlimited}, true); dialled(d, true, 100, always(addr)) != 100 {
			t.Errorf("%s: not all are dialled without limits", addr)
		}
	}
}

// The dial-cannon of a whole network: ten minutes of as many phantoms as there is room for. No minute has more than the
// stated number of dials of an address, or of an IP address; controls.
func TestDialCannonBound(t *testing.T) {
	for _, x := range []struct {
		name   string
		limits Limits
		addr   func(i int) string
		most   int
		over   bool // the control: more than that
	}{
		{"one address", Limits{}, always(pub1), DefaultAddrDials, false},
		{"all ports of one machine", Limits{}, func(i int) string { return fmt.Sprintf("/ip4/1.2.3.4/tcp/%d", 1+i%60000) }, DefaultIPDials, false},
		{"one address, no limit", Limits{AddrDials: Unlimited, IPDials: Unlimited, PrefixDials: Unlimited}, always(pub1), DefaultAddrDials, true},
		{"all ports, no limit by IP address", Limits{IPDials: Unlimited}, func(i int) string { return fmt.Sprintf("/ip4/1.2.3.4/tcp/%d", 1+i%60000) }, DefaultIPDials, true},
	} {
		d, c := newTestBudget(x.limits, true)
		var hits []time.Time
		for i := range 60000 {
			if c.pass(10 * time.Millisecond); dialOnce(d, i%2 == 0, x.addr(i)) > 0 {
				hits = append(hits, c.at)
			}
		}
		most := 0
		for i := range hits {
			n := 0
			for ; i+n < len(hits) && hits[i+n].Sub(hits[i]) < time.Minute; n++ {
			}
			most = max(most, n)
		}
		if (most > x.most) != x.over {
			t.Errorf("%s: %d in one minute, the limit is %d", x.name, most, x.most)
		}
		if !x.over && len(hits) < 10*x.most/4 {
			t.Errorf("%s: %d dials in ten minutes: nothing comes back", x.name, len(hits))
		}
	}
}

// Prefixes: at the limit, one over, the wide one, the next round, and private ones, which have none.
func TestPrefixDials(t *testing.T) {
	in := func(format string) func(int) string {
		return func(i int) string { return fmt.Sprintf(format, i%250) }
	}
	d, c := newTestBudget(Limits{Dials: Unlimited}, false)
	if n := dialled(d, true, 200, in("/ip4/9.9.0.%d/tcp/1")); n != 16 {
		t.Errorf("%d dials in a prefix, want 16", n)
	}
	if n := dialled(d, true, 200, in("/ip4/9.9.%d.1/tcp/1")); n != 48 {
		t.Errorf("%d dials in the rest of the wide one, want 48", n)
	}
	if n := dialled(d, true, 200, in("/ip6/2606:4700:%d::1/tcp/1")); n != 64 {
		t.Errorf("%d dials in a wide one of IPv6, want 64", n)
	}
	if n := dialled(d, true, 200, in("/ip4/10.9.0.%d/tcp/1")); n != 200 {
		t.Errorf("%d dials of private addresses, want all of 200", n)
	}
	c.pass(10 * time.Second)
	if n := dialled(d, true, 200, in("/ip4/9.9.77.%d/tcp/1")); n != 16 {
		t.Errorf("%d dials in a prefix in the next round, want 16", n)
	}
	d, _ = newTestBudget(Limits{PrefixDials: Unlimited, Dials: Unlimited}, false)
	if n := dialled(d, true, 200, in("/ip4/9.9.0.%d/tcp/1")); n != 200 {
		t.Errorf("%d dials without the limit, want all of 200: a scan of the prefix", n)
	}
}

// All dials of a round: at the limit and one over. The default lets through what a round can want.
func TestDials(t *testing.T) {
	d, c := newTestBudget(Limits{}, false)
	p := protocol.Hardened(40)
	spread := func(i int) string { return fmt.Sprintf("/ip4/%d.%d.9.9/tcp/1", 20+i%80, i/80) }
	most := wants(p) + DefaultWorkers
	if n := dialled(d, true, 1000, spread); n != most {
		t.Errorf("%d dials, want %d", n, most)
	}
	if least := p.L1*7/10 + p.Probes + p.Challenges; most < least {
		t.Errorf("%d dials are less than the %d of a round", most, least)
	}
	c.pass(10 * time.Second)
	if n := dialled(d, true, 1000, func(i int) string { return spread(i + 2000) }); n != most {
		t.Errorf("%d dials in the next round, want %d", n, most)
	}
	d, _ = newTestBudget(Limits{Dials: Unlimited}, false)
	if n := dialled(d, true, 1000, spread); n != 1000 {
		t.Errorf("%d dials without the limit, want all of 1000", n)
	}
}

// A dial tries a bounded number of unproven addresses.
func TestUnprovenAddrs(t *testing.T) {
	d, _ := newTestBudget(Limits{}, false)
	var addrs []string
	for i := range maxUnproven + 1 {
		addrs = append(addrs, fmt.Sprintf("/ip4/%d.9.9.9/tcp/1", 20+i))
	}
	if n := dialOnce(d, true, addrs...); n != maxUnproven || d.addrs.Load() != 1 || d.dials.Load() != 0 {
		t.Errorf("%d addresses, %d withheld", n, d.addrs.Load())
	}
}

// What a correct peer costs is given back when it answers, and from then on it costs nothing there. What it lists beside
// on its IP address counts by port only, and is given back to the rest as well. Others still pay there, and it pays
// elsewhere.
func TestProvenPeersAreFree(t *testing.T) {
	d, c := newTestBudget(Limits{}, false)
	quic := "/ip4/1.2.3.4/udp/1/quic-v1"
	for i := range 50 {
		a, ok := d.begin("correct", addrList(quic, pub1), nil, false)
		if held := i >= DefaultAddrDials; !ok || len(a.held) > 0 != held {
			t.Fatalf("dial %d: %v, held back %v", i, ok, a.held)
		}
		d.reached(a, multiaddr.StringCast(quic))
	}
	if n := d.ips.holds(c.now(), addrIP(pub1)); n != d.ips.size {
		t.Errorf("%v of %v left for its IP address", n, d.ips.size)
	}
	if n := dialled(d, true, 9, always(quic)); n != 3 {
		t.Errorf("%d dials of others there, want 3", n)
	}
	if _, ok := d.begin("correct", addrList(quic), nil, true); !ok {
		t.Error("the correct peer is held back by those that claim its address")
	}
	elsewhere := 0
	for range 9 {
		if a, ok := d.begin("correct", addrList(quic, "/ip4/5.6.7.8/tcp/1"), nil, true); ok && len(a.held) == 0 {
			elsewhere++
		}
	}
	if elsewhere != 3 {
		t.Errorf("%d dials of a victim by a peer that is proven elsewhere, want 3", elsewhere)
	}
}

// Who answers in place of another is proven there: naming its address keeps nobody from dialling it.
func TestMismatchProves(t *testing.T) {
	d, _ := newTestBudget(Limits{}, false)
	dialled(d, false, 9, always(pub1))
	if _, ok := d.begin("occupant", addrList(pub1), nil, false); ok {
		t.Fatal("the address is not used up: the test does not test")
	}
	err := fmt.Errorf("open: %w", &swarm.DialError{DialErrors: []swarm.TransportError{{
		Address: multiaddr.StringCast(pub1), Cause: fmt.Errorf("noise: %w", sec.ErrPeerIDMismatch{Expected: "x", Actual: "occupant"}),
	}}})
	d.failed(attempt{id: "x"}, err, func(peer.ID, socket) bool { return false })
	if _, ok := d.begin("occupant", addrList(pub1), nil, false); !ok {
		t.Error("held back")
	}
	if _, ok := d.begin("x", addrList(pub1), nil, false); ok {
		t.Error("the one that was expected there is not")
	}
}

// A relay that takes the call is no victim. One that does not is, whatever it is called.
func TestRelayedDials(t *testing.T) {
	relay := newRecordSigner(t).id
	addr := fmt.Sprintf("/ip4/1.2.3.4/tcp/1/p2p/%s/p2p-circuit", relay)
	d, _ := newTestBudget(Limits{}, false)
	for up, want := range map[bool]int{true: 50, false: 3} {
		got, asked := 0, socket{}
		for range 50 {
			if a, ok := d.begin(newID(), addrList(addr), nil, true); ok {
				got++
				d.failed(a, errWithheld, func(id peer.ID, at socket) bool { asked = at; return up && id == relay })
			}
		}
		if got != want {
			t.Errorf("relay up %v: %d dials, want %d", up, got, want)
		}
		if asked.ip.String() != "1.2.3.4" || asked.udp {
			t.Errorf("looked for the relay at %v, not where it was dialled", asked)
		}
		d, _ = newTestBudget(Limits{}, false)
	}
	// To be proven through a relay is not to be proven at its address.
	a, _ := d.begin("behind", addrList(addr), nil, true)
	d.reached(a, multiaddr.StringCast(addr))
	direct := a.charged[0].place()
	direct.relay = ""
	if at, near := d.proves("behind", direct); at || near {
		t.Error("proven where the relay is")
	}
	if at, _ := d.proves("behind", a.charged[0].place()); !at {
		t.Error("not proven behind the relay")
	}
}

// The user's own word is not doubted, and names are not judged; where all targets are in use, further ones wait.
func TestDialExceptions(t *testing.T) {
	d, _ := newTestBudget(Limits{PrefixDials: Unlimited, Dials: Unlimited}, false)
	for range 50 {
		if _, ok := d.begin(newID(), addrList(pub1), addrList(pub1), true); !ok {
			t.Fatal("the user's seed is held back")
		}
		if _, ok := d.begin(newID(), addrList("/dns4/a.example/tcp/1"), nil, true); !ok {
			t.Fatal("a name is held back")
		}
		if _, ok := d.begin(newID(), nil, nil, true); !ok {
			t.Fatal("a peer without addresses: libp2p says what to make of it")
		}
	}
	d, c := newTestBudget(Limits{PrefixDials: Unlimited, Dials: Unlimited}, false)
	in := func(net int) func(int) string {
		return func(i int) string { return fmt.Sprintf("/ip4/%d.%d.%d.%d/tcp/1", net, i>>16, i>>8&255, i&255) }
	}
	if n := dialled(d, true, strangerTargets+1, in(9)); n != strangerTargets {
		t.Errorf("%d targets of strangers, want %d", n, strangerTargets)
	}
	if n := dialled(d, false, dialTargets, in(11)); n != dialTargets-strangerTargets {
		t.Errorf("%d targets of others, want %d", n, dialTargets-strangerTargets)
	}
	c.pass(time.Minute)
	if dialOnce(d, true, pub1) != 1 {
		t.Error("no room although nothing was dialled for a minute")
	}
}

// What is remembered of where peers answered is bounded, and the oldest goes.
func TestProvenBound(t *testing.T) {
	d, _ := newTestBudget(Limits{}, false)
	at := func(i int) place {
		t, _ := targetOf(addrList(fmt.Sprintf("/ip4/1.2.3.%d/tcp/1", i))[0])
		return t.place()
	}
	for i := range provenPeers + 1 {
		d.proven.add(peerNo(i), at(1))
	}
	proves := func(id peer.ID, p place) bool { at, _ := d.proves(id, p); return at }
	if proves(peerNo(0), at(1)) || !proves(peerNo(1), at(1)) || len(d.proven.by) != provenPeers || d.proven.order.Len() != provenPeers {
		t.Errorf("%d and %d kept", len(d.proven.by), d.proven.order.Len())
	}
	for i := range provenPlaces + 1 {
		d.proven.add("mover", at(i))
	}
	if proves("mover", at(0)) || !proves("mover", at(1)) {
		t.Error("the wrong place is forgotten")
	}
}

// Phantoms whose records have eight addresses each, at rounds of a second: strangers wait, those that we have heard from do
// not. Without the room that is kept for them (the control: phantoms that pass for such) they wait as well.
func TestPhantomsDoNotFillTheTargets(t *testing.T) {
	for _, control := range []bool{false, true} {
		c := newManual()
		d := newDialBudget(Limits{PrefixDials: Unlimited}.withDefaults(protocol.Hardened(40), DefaultWorkers), time.Second, false)
		d.now = c.now
		fresh, waited := 0, 0
		for range 60 {
			for range 60 {
				var addrs []string
				for range maxUnproven {
					fresh++
					addrs = append(addrs, fmt.Sprintf("/ip4/%d.%d.%d.1/tcp/1", 20+fresh>>16, fresh>>8&255, fresh&255))
				}
				dialOnce(d, !control, addrs...)
			}
			fresh++
			if dialOnce(d, false, fmt.Sprintf("/ip4/9.%d.%d.1/tcp/1", fresh>>8&255, fresh&255)) == 0 {
				waited++
			}
			c.pass(time.Second)
		}
		if (waited > 0) != control {
			t.Errorf("control %v: a peer that we know waited in %d of 60 rounds", control, waited)
		}
	}
}

// Whoever sits at an address that others name, with a fresh identity each time, does not make us forget who answered.
func TestOccupantsFlushNobody(t *testing.T) {
	d, _ := newTestBudget(Limits{}, false)
	a, _ := d.begin("correct", addrList(pub1), nil, false)
	d.reached(a, multiaddr.StringCast(pub1))
	at := func() bool {
		t, _ := targetOf(addrList(pub1)[0])
		at, _ := d.proves("correct", t.place())
		return at
	}
	for i := range provenPeers + 1 {
		d.failed(attempt{id: "x"}, &swarm.DialError{DialErrors: []swarm.TransportError{{
			Address: multiaddr.StringCast(pub2), Cause: sec.ErrPeerIDMismatch{Expected: "x", Actual: peerNo(i)},
		}}}, func(peer.ID, socket) bool { return false })
	}
	if !at() || len(d.found.by) != occupants {
		t.Errorf("proven still: %v, %d occupants kept", at(), len(d.found.by))
	}
	// The control: so many ids that answer a dial of theirs do.
	for i := range provenPeers {
		d.reached(attempt{id: peerNo(i)}, multiaddr.StringCast(pub2))
	}
	if at() {
		t.Error("the table has no bound")
	}
}

// One relay that is named at ever other victims: libp2p would dial it at all of them for each peer behind it. The first
// victim is hit as often as its budget says; without the limit once for each peer, until so many are known of the relay
// that one dial does not try all.
func TestDialCannonThroughRelay(t *testing.T) {
	const phantoms = 12
	for _, limit := range []int{0, Unlimited} {
		h := newHost(t) // with the relay's transport
		v := join(t, h, WithRoundInterval(MaxInterval), WithLimits(Limits{AddrDials: limit}))
		relay := newRecordSigner(t).id
		var first *atomic.Int64
		total := int64(0)
		counts := make([]*atomic.Int64, phantoms)
		for i := range phantoms {
			var at string
			at, counts[i] = cannonball(t, "127.0.0.1")
			if first == nil {
				first = counts[i]
			}
			phantom := newRecordSigner(t)
			raw := phantom.seal(t, 1, fmt.Sprintf("%s/p2p/%s/p2p-circuit", at, relay))
			if _, _, err := v.book.put(raw, fromGossip, "namer", classLoopback); err != nil {
				t.Fatal(err)
			}
			v.net.exchange(t.Context(), probe, phantom.id)
			h.Network().(*swarm.Swarm).Backoff().Clear(relay) // as if its time were over
		}
		for _, n := range counts {
			total += n.Load()
		}
		if got := first.Load(); limit == 0 && got != 3 || limit == Unlimited && got < maxUnproven {
			t.Errorf("limit %d: the first victim has %d hits", limit, got)
		}
		if limit == 0 && (total > 3*phantoms || v.Status().AddrsWithheld == 0) {
			t.Errorf("%d hits in all, %d addresses withheld", total, v.Status().AddrsWithheld)
		}
	}
}

// cannonball counts what hits a TCP port that does not speak libp2p.
func cannonball(t *testing.T, ip string) (addr string, hits *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	hits = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	a, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return a.String(), hits
}

// On real sockets: records of many ids that point at one victim. It is hit as often as stated; what is held back is no
// evidence and is counted. Without the limit each of them hits.
func TestDialCannon(t *testing.T) {
	const ids = 20
	for limit, want := range map[int]int64{0: 3, Unlimited: ids} {
		victim, hits := cannonball(t, "127.0.0.1")
		v := newVictim(t, WithRoundInterval(MaxInterval), WithLimits(Limits{AddrDials: limit}))
		outcomes := make(map[protocol.ProbeOutcome]int)
		for range ids {
			phantom := newRecordSigner(t)
			if _, _, err := v.book.put(phantom.seal(t, 1, victim), fromGossip, "namer", classLoopback); err != nil {
				t.Fatal(err)
			}
			for range 3 { // as three rounds would
				a := v.exchangeWith(t, probe, phantom.id)
				outcomes[a.outcome]++
				if limit != Unlimited {
					continue
				}
				break
			}
		}
		if n := hits.Load(); n != want {
			t.Errorf("limit %d: %d hits, want %d", limit, n, want)
		}
		st := v.Status()
		if limit == Unlimited {
			if outcomes[protocol.Missed] != ids || st.DialsWithheld != 0 {
				t.Errorf("without limit: %v, %d withheld", outcomes, st.DialsWithheld)
			}
		} else if outcomes[protocol.Missed] != 3 || outcomes[protocol.Withheld] != 3*ids-3 || st.DialsWithheld != 3*ids-3 || st.Dials != 3 {
			t.Errorf("limit %d: %v, %d withheld, %d dials", limit, outcomes, st.DialsWithheld, st.Dials)
		}
	}
}

// A peer at whose address phantoms are named is dialled all the same: the first of them that is dialled shows who lives
// there. Over TCP and QUIC.
func TestDialCannonAtPeer(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval))
	b := newVictim(t, WithRoundInterval(MaxInterval))
	at := b.host.Addrs()[0].String()
	for range 6 {
		phantom := newRecordSigner(t)
		if _, _, err := v.book.put(phantom.seal(t, 1, at), fromGossip, "namer", classLoopback); err != nil {
			t.Fatal(err)
		}
		v.exchangeWith(t, probe, phantom.id)
	}
	if _, _, err := v.book.put(b.own.Load().raw, fromGossip, "namer", classLoopback); err != nil {
		t.Fatal(err)
	}
	if a := v.exchangeWith(t, probe, b.host.ID()); a.outcome != protocol.Alive {
		t.Errorf("%+v", a)
	}
	if n := v.Status().DialsWithheld; n == 0 {
		t.Error("no phantom was held back: the test does not test")
	}
}

// A peer that has an address of its own and lists a victim beside it is dialled at its own. libp2p has the other in its
// peerstore, from the first dials and from identify, and does not dial it either.
func TestDialCannonBesideOwnAddress(t *testing.T) {
	for limit, want := range map[int]int64{0: 3, Unlimited: 12} {
		victim, hits := cannonball(t, "::1") // libp2p tries IPv6 first
		v := newVictim(t, WithRoundInterval(MaxInterval), WithLimits(Limits{AddrDials: limit}))
		a := newAttacker(t)
		a.answering(v, answers(pullAnswer(1)))
		if _, _, err := v.book.put(a.record(t, 1, victim), fromGossip, "namer", classLoopback); err != nil {
			t.Fatal(err)
		}
		for i := range 12 {
			v.host.Peerstore().AddAddrs(a.ID(), addrList(victim), time.Hour) // as identify does
			if got := v.exchangeWith(t, probe, a.ID()); got.outcome != protocol.Alive {
				t.Fatalf("dial %d: %+v", i, got)
			}
			_ = v.host.Network().ClosePeer(a.ID())
		}
		if n := hits.Load(); n != want {
			t.Errorf("limit %d: %d hits, want %d", limit, n, want)
		}
	}
}

// The same through rounds: peers whose views are all phantoms at one victim. It is hit as often as the budget of the time
// allows, while the rounds go on; without the limit more often. That the round is short changes nothing.
func TestDialCannonInRounds(t *testing.T) {
	for _, limited := range []bool{true, false} {
		limits := Limits{PeerRate: Unlimited}
		if !limited {
			limits.AddrDials = Unlimited
		}
		victim, hits := cannonball(t, "127.0.0.1")
		start := time.Now()
		v := newVictim(t, WithRoundInterval(50*time.Millisecond), WithLimits(limits))
		a := newAttacker(t)
		var entries [][]byte
		for range 60 {
			entries = append(entries, named(newRecordSigner(t).seal(t, 1, victim), 1))
		}
		a.answering(v, answers(pullAnswer(1, entries...)))
		a.connect(t, v.host)
		if _, err := a.say(t, v, push, pushOf(a.record(t, 1))); err != nil {
			t.Fatal(err)
		}
		// Strangers leave half of what an address takes in a minute.
		most := func() int64 { return 3 * (1 + int64(time.Since(start)/time.Minute)) }
		eventuallyTrue(t, "phantoms are dialled or held back", func() bool {
			st := v.Status()
			return st.Dials+st.DialsWithheld >= 20
		})
		v.await(t, 3)
		if limited {
			if n := hits.Load(); n == 0 || n > most() || v.Status().DialsWithheld == 0 {
				t.Errorf("%d hits, at most %d, %d withheld", n, most(), v.Status().DialsWithheld)
			}
		} else {
			eventuallyTrue(t, "the attack works", func() bool { return hits.Load() > most() })
		}
		if v.saw(a.ID()) == false {
			t.Error("the peer that answers is not known: the test does not test")
		}
	}
}

// A round wants at most what the default budget of dials lets through, whatever comes: a node that is driven with lies,
// losses and a hundred seeds.
func TestWants(t *testing.T) {
	for _, p := range []protocol.Params{protocol.Hardened(40), protocol.Hardened(10), protocol.Hardened(100), protocol.Paper(40)} {
		rng := stattest.Rand(9)
		node, err := protocol.New("self", p, peerNos(0, 100), rng)
		if err != nil {
			t.Fatal(err)
		}
		most, fresh := 0, 1000
		for round := range 600 {
			a := node.Tick()
			ids := make(map[peer.ID]bool)
			for _, list := range [][]peer.ID{a.Pushes, a.Pulls, a.Probes} {
				for _, id := range list {
					ids[id] = true
				}
			}
			most = max(most, len(ids))
			dark := round%97 > 80 // nobody answers for a while: all are suspect, then seeds are due
			for _, id := range a.Pulls {
				reply := append(peerNos(fresh, fresh+30), peerNos(100, 160)...)
				fresh += 30
				if !dark {
					_ = node.HandlePullReply(id, reply)
				}
			}
			for _, id := range a.Pushes {
				node.HandlePush(id)
			}
			for i := range 20 {
				id := peerNo(fresh - i)
				node.HandlePush(id)
				node.Appeal(id)
			}
			for id := range ids {
				o := protocol.Alive
				if dark || rng.IntN(3) == 0 {
					o = protocol.Missed
				}
				node.HandleProbeResult(id, o)
			}
		}
		if most > wants(p) || most < wants(p)/4 {
			t.Errorf("l1=%d: %d peers in one round, and at most %d were to be", p.L1, most, wants(p))
		}
	}
}

// One machine may have every address of a /64, and a 6to4 address is the IPv4 address in it.
func TestMachine(t *testing.T) {
	for ip, want := range map[string]string{
		"1.2.3.4": "1.2.3.4", "2002:102:304::5": "1.2.3.4",
		"2a00:1:2:3:4:5:6:7": "2a00:1:2:3::", "2a00:1:2:3::": "2a00:1:2:3::", "2a00:1:2:4::": "2a00:1:2:4::",
	} {
		if got := limit.Machine(netip.MustParseAddr(ip)); got.String() != want {
			t.Errorf("%s is machine %v, want %s", ip, got, want)
		}
	}
	d, _ := newTestBudget(Limits{PrefixDials: Unlimited}, false)
	got := 0
	for i := range 100 {
		if _, ok := d.begin(newID(), addrList(fmt.Sprintf("/ip6/2a00:1:2:3::%x/tcp/1", i+1)), nil, false); ok {
			got++
		}
	}
	if got != DefaultIPDials {
		t.Errorf("%d dials into one /64, want %d, those of one IP address", got, DefaultIPDials)
	}
}
