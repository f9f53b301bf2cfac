package consensus

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/canonicallog"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
)

// eventQueue is how many events of one type, or log lines, may wait for a subscriber or for stderr: two rounds full of
// offenders. Those that find it full are dropped and counted.
const eventQueue = 2 * MaxOffenders

// closeGrace is how long Close waits for subscribers to take what is queued. The bus offers no way to give up on one
// that does not read: the goroutine that waits for it ends when it reads or closes its subscription.
const closeGrace = time.Second

// outlet hands values to somebody who may be slow, from a goroutine of its own and through a bounded queue.
type outlet[T any] struct {
	queue   chan T
	dropped *atomic.Uint64 // shared by the outlets of a service
	gone    chan struct{}  // closed when the rest of the queue is to be dropped
	ended   chan struct{}  // closed when the goroutine has ended; nil if it was never started
}

// start starts the outlet. finish is called from its goroutine when all is over.
func (o *outlet[T]) start(dropped *atomic.Uint64, deliver func(T), finish func()) {
	o.queue, o.dropped = make(chan T, eventQueue), dropped
	o.gone, o.ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(o.ended)
		defer finish()
		for v := range o.queue {
			select {
			case <-o.gone:
				return
			default:
				deliver(v)
			}
		}
	}()
}

// put queues v, or drops it. It never waits. It must not be called after close, and does nothing before start.
func (o *outlet[T]) put(v T) {
	if o.ended == nil {
		return
	}
	select {
	case o.queue <- v:
	default:
		o.dropped.Add(1)
	}
}

// close ends the outlet when its queue is empty, or when giveUp is closed: then without waiting for who is being told.
func (o *outlet[T]) close(giveUp <-chan struct{}) {
	if o.ended == nil {
		return
	}
	close(o.queue)
	select {
	case <-o.ended:
	case <-giveUp:
		close(o.gone)
	}
}

// announcer tells the world what operators and applications should see. Each kind of news has an outlet of its own: a subscriber to one
// that does not read holds up neither the others nor the log. Only the loop puts something in.
type announcer struct {
	decided   outlet[EvtDecided]
	phases    outlet[EvtStatusChanged]
	offenders outlet[EvtPeerMisbehaved]
	lines     outlet[EvtPeerMisbehaved]
	dropped   atomic.Uint64

	emitters [3]event.Emitter // of the first three; nil without a bus
}

// open makes the emitters.
func (a *announcer) open(bus event.Bus) error {
	for i, typ := range []any{new(EvtDecided), new(EvtStatusChanged), new(EvtPeerMisbehaved)} {
		em, err := bus.Emitter(typ)
		if err != nil {
			for _, made := range a.emitters[:i] {
				_ = made.Close()
			}
			a.emitters = [3]event.Emitter{}
			return err
		}
		a.emitters[i] = em
	}
	return nil
}

func (a *announcer) start() {
	a.lines.start(&a.dropped, logMisbehaviour, func() {})
	if a.emitters[0] != nil {
		startEmitting(&a.decided, &a.dropped, a.emitters[0])
		startEmitting(&a.phases, &a.dropped, a.emitters[1])
		startEmitting(&a.offenders, &a.dropped, a.emitters[2])
	}
}

// startEmitting starts an outlet into the bus. The emitter is closed by the goroutine that emits: while an emission waits
// for a subscriber, Close of the emitter would wait as well, with a lock held on the whole bus.
func startEmitting[T any](o *outlet[T], dropped *atomic.Uint64, to event.Emitter) {
	o.start(dropped, func(v T) { _ = to.Emit(v) }, func() { _ = to.Close() })
}

// close returns when all that is queued has been told, at most after closeGrace.
func (a *announcer) close() {
	giveUp := make(chan struct{})
	timer := time.AfterFunc(closeGrace, func() { close(giveUp) })
	defer timer.Stop()
	a.lines.close(giveUp)
	a.decided.close(giveUp)
	a.phases.close(giveUp)
	a.offenders.close(giveUp)
}

// canonicalError is a reason as the error of a log line.
type canonicalError Reason

func (e canonicalError) Error() string { return string(e) }

// logMisbehaviour writes the line by which tools that ban know a misbehaving peer, across protocols of libp2p. It goes to
// stderr at level warn of the system "canonical-log", which is off unless GOLOG_LOG_LEVEL turns it on. Nothing in it is
// text that the peer chose but its id.
func logMisbehaviour(e EvtPeerMisbehaved) {
	canonicallog.LogMisbehavingPeer(e.Peer, e.Addr, ServiceName, canonicalError(e.Reason), fmt.Sprintf("%s: %d in round %d", e.Protocol, e.Count, e.Round))
}

// offendersOfAddr is how many peers of one IP address, or of none, a round names at most: a crowd behind one address must
// not hide the others.
const offendersOfAddr = MaxOffenders / 4

// offences gathers the misbehaviour of the open round, by peer.
type offences struct {
	mu    sync.Mutex
	list  []EvtPeerMisbehaved
	index map[peer.ID]int    // in list
	at    map[netip.Addr]int // listed ones by IP address
}

func newOffences() *offences {
	return &offences{index: make(map[peer.ID]int), at: make(map[netip.Addr]int)}
}

// addrOf is whose address an offence came from: the relay's, if it was relayed. Without an address all are one.
func addrOf(from multiaddr.Multiaddr) netip.Addr {
	if len(from) == 0 {
		return netip.Addr{}
	}
	ip, _ := limit.IP(&from[0])
	return ip
}

// note holds one offence against a peer.
func (o *offences) note(from origin, why Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i, ok := o.index[from.peer]; ok {
		o.list[i].Count++
		return
	}
	ip := addrOf(from.addr)
	if len(o.list) >= MaxOffenders || o.at[ip] >= offendersOfAddr {
		return
	}
	o.index[from.peer] = len(o.list)
	o.at[ip]++
	o.list = append(o.list, EvtPeerMisbehaved{Peer: from.peer, Addr: from.addr, Reason: why, Protocol: from.protocol, Count: 1})
}

// take ends the round: it returns what was noted and forgets it.
func (o *offences) take(round uint64) []EvtPeerMisbehaved {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	clear(o.index)
	clear(o.at)
	for i := range list {
		list[i].Round = round
	}
	return list
}

// announceOffences tells of the misbehaviour of the round that is closed.
func (s *Service) announceOffences() {
	for _, e := range s.offences.take(s.loop.round - 1) {
		s.announcer.offenders.put(e)
		if e.Addr != nil { // the line is about an address to ban
			s.announcer.lines.put(e)
		}
	}
}
