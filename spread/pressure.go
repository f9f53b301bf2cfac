package spread

import "context"

// holdTime is how long senders wait for a subscriber with back-pressure that has no room. A peer that answers later than slowAfter is
// taken for a silent one: this one is not.
const holdTime = slowAfter * 3 / 4

// A SubscribeOption sets one thing of a Subscription.
type SubscribeOption func(*Subscription)

// WithBackPressure makes senders wait for a subscriber that is slow. A peer that brings it a new message is answered when it has room for
// that, after a second and a half at most. Then the message is not delivered, and counted, and the peer is answered that we have no
// room for it: with Spread it counts among those that did not take it. As many may wait as WithBuffer says; who comes then is answered
// at once. So where messages come faster than they are read, whoever spreads one message after the other is slowed down, or hears that
// too few took them. What is new is passed on to others before anybody waits, and other subscribers do not wait. Spread waits likewise for
// subscribers of its own service.
func WithBackPressure() SubscribeOption {
	return func(sub *Subscription) { sub.patient = true }
}

// await lets one more message wait for sub, if it may. s.mu is held.
func (sub *Subscription) await() bool {
	if !sub.patient || sub.waiting >= cap(sub.ch) {
		return false
	}
	sub.waiting++
	sub.senders.Add(1) // sub is in the list of its topic: end has not begun
	return true
}

// hold waits until those that await was true for have taken m, until ctx ends, and for holdTime at most. It reports whether nobody
// misses m.
func (s *Service) hold(ctx context.Context, m Message, late []*Subscription) (all bool) {
	if len(late) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, holdTime)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	all = true
	for _, sub := range late {
		all = sub.put(ctx, m) && all
		s.mu.Lock()
		sub.waiting--
		s.mu.Unlock()
		sub.senders.Done()
	}
	return all
}

// put gives m to sub when it has room. It reports false if it had none until ctx ended.
func (sub *Subscription) put(ctx context.Context, m Message) bool {
	select {
	case sub.ch <- m:
		sub.s.counts.delivered.Add(1)
		return true
	case <-sub.gone: // nobody is there to miss it
		return true
	case <-ctx.Done():
	}
	return sub.offer(m) // there may be room by now: an earlier one of those that wait took all the time
}

// offer gives m to sub if it has room, and else counts it as missed.
func (sub *Subscription) offer(m Message) bool {
	select {
	case sub.ch <- m:
		sub.s.counts.delivered.Add(1)
		return true
	default:
		sub.miss()
		return false
	}
}

func (sub *Subscription) miss() {
	sub.dropped.Add(1)
	sub.s.counts.undelivered.Add(1)
}

// end closes the channel of a subscription that is in no list any more, when nobody is about to send to it.
func (sub *Subscription) end() {
	close(sub.gone)
	sub.senders.Wait()
	close(sub.ch)
}
