package host

import (
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/canonicallog"
	"github.com/multiformats/go-multiaddr"
)

// EvtPeerMisbehaved is emitted on the host's event bus at the end of a round in which a peer sent what no correct peer
// sends: at most one for each peer and round, and MaxOffenders a round. It tells also of what protocols on top of the service
// saw (Accuse): Reason is then one of theirs, such as spread.Reasons, and Protocol says whose.
//
// A subscriber must read, or close its subscription. Libp2p's bus waits for one whose buffer is full, whoever emits, and with it
// each further Subscribe to the type; while one of those waits so does whoever wants any subscription or emitter of the bus. The
// service itself does not wait; events that its queue has no room for are dropped and counted (Status.EventsDropped).
type EvtPeerMisbehaved struct {
	Peer     peer.ID
	Addr     multiaddr.Multiaddr // of the connection: a relay's address, with /p2p-circuit, where one is between
	Reason   Reason              // of the first offence of the round
	Protocol coreprotocol.ID     // of the first offence of the round
	Count    int                 // offences in the round, whatever their reason
	Round    uint64              // the closed round
}

// EvtHealthChanged is emitted on the host's event bus at the end of a round when conditions have come or gone; figures
// alone are no change. What is said of subscribers at EvtPeerMisbehaved holds here.
type EvtHealthChanged struct {
	Prefix   string // the service's protocol prefix: a host may have several services
	Round    uint64 // the closed round
	Old, New Health
}

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
	if o.ended != nil && !o.offer(v) {
		o.dropped.Add(1)
	}
}

// offer is put for who keeps what is not taken. It must not be called before start.
func (o *outlet[T]) offer(v T) bool {
	select {
	case o.queue <- v:
		return true
	default:
		return false
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

// announcer tells the world what operators should see. Each kind of news has an outlet of its own: a subscriber to one
// that does not read holds up neither the other nor the log. Only the loop puts something in.
type announcer struct {
	offenders outlet[EvtPeerMisbehaved]
	lines     outlet[EvtPeerMisbehaved]
	health    outlet[EvtHealthChanged]
	sample    outlet[EvtSampleChanged]
	dropped   atomic.Uint64

	misbehaved, changed, sampled event.Emitter // nil without a bus
}

// open makes the emitters.
func (a *announcer) open(bus event.Bus) (err error) {
	if a.misbehaved, err = bus.Emitter(new(EvtPeerMisbehaved)); err != nil {
		return err
	}
	if a.changed, err = bus.Emitter(new(EvtHealthChanged)); err != nil {
		_ = a.misbehaved.Close()
		return err
	}
	if a.sampled, err = bus.Emitter(new(EvtSampleChanged)); err != nil {
		_ = a.misbehaved.Close()
		_ = a.changed.Close()
		return err
	}
	return nil
}

func (a *announcer) start() {
	a.lines.start(&a.dropped, logMisbehaviour, func() {})
	if a.misbehaved != nil {
		startEmitting(&a.offenders, &a.dropped, a.misbehaved)
		startEmitting(&a.health, &a.dropped, a.changed)
		startEmitting(&a.sample, &a.dropped, a.sampled)
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
	a.offenders.close(giveUp)
	a.health.close(giveUp)
	a.sample.close(giveUp)
}

// logMisbehaviour writes the line by which tools that ban know a misbehaving peer, across protocols of libp2p. It goes to
// stderr at level warn of the system "canonical-log", which is off unless GOLOG_LOG_LEVEL turns it on. Nothing in it is
// text that the peer chose but its id.
func logMisbehaviour(e EvtPeerMisbehaved) {
	canonicallog.LogMisbehavingPeer(e.Peer, e.Addr, ServiceName, canonicalError(e.Reason), canonicalText(e))
}
