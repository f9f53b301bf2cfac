package consensus

import (
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
)

// eventQueue is how many events of one type may wait for a subscriber. Those that find it full are dropped and counted.
const eventQueue = 64

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

// announcer tells the world what applications should see. Each kind of news has an outlet of its own: a subscriber to one
// that does not read does not hold up the other. Only the loop puts something in.
type announcer struct {
	decided outlet[EvtDecided]
	phases  outlet[EvtStatusChanged]
	dropped atomic.Uint64

	emitters [2]event.Emitter // nil without a bus
}

// open makes the emitters.
func (a *announcer) open(bus event.Bus) error {
	for i, typ := range []any{new(EvtDecided), new(EvtStatusChanged)} {
		em, err := bus.Emitter(typ)
		if err != nil {
			for _, made := range a.emitters[:i] {
				_ = made.Close()
			}
			a.emitters = [2]event.Emitter{}
			return err
		}
		a.emitters[i] = em
	}
	return nil
}

func (a *announcer) start() {
	if a.emitters[0] != nil {
		startEmitting(&a.decided, &a.dropped, a.emitters[0])
		startEmitting(&a.phases, &a.dropped, a.emitters[1])
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
	a.decided.close(giveUp)
	a.phases.close(giveUp)
}
