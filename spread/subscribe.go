package spread

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// A Message is a message as a subscriber gets it. Payload is shared with other subscribers: nobody may change it.
type Message struct {
	ID      message.Hash
	Origin  peer.ID // whose signature was verified
	From    peer.ID // who gave it to us; we ourselves, for a message of our own
	Topic   string
	Time    time.Time // by the origin's clock
	Hops    int       // how many peers passed it on, as From has it
	Payload []byte
}

// A Subscription gets the messages of one topic.
type Subscription struct {
	s       *Service
	topic   string
	ch      chan Message
	dropped atomic.Uint64

	patient bool           // senders wait for room
	waiting int            // senders that do, under s.mu
	senders sync.WaitGroup // those
	gone    chan struct{}  // closed when it ends
}

// ErrEnded: the subscription was cancelled, or its service closed.
var ErrEnded = errors.New("spread: the subscription has ended")

// Subscribe subscribes to the messages of a topic that arrive from now on, those of our own included, each once. A
// subscriber that is slow has as many waiting as WithBuffer says; what arrives beyond is not delivered to it, and counted
// (Dropped). Nobody waits for it, unless WithBackPressure says so: messages are passed on to others, and delivered to other
// subscribers, all the same. It fails with ErrClosed, or for what is wrong with topic.
func (s *Service) Subscribe(topic string, opts ...SubscribeOption) (*Subscription, error) {
	if err := CheckTopic(topic); err != nil {
		return nil, err
	}
	sub := &Subscription{s: s, topic: topic, ch: make(chan Message, s.cfg.buffer), gone: make(chan struct{})}
	for _, opt := range opts {
		opt(sub)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, ErrClosed
	}
	s.subs[topic] = append(s.subs[topic], sub)
	return sub, nil
}

// Messages is the channel of the messages. It is closed by Cancel, and when the service is closed; what waits can still be
// read then.
func (sub *Subscription) Messages() <-chan Message { return sub.ch }

// Receive returns the next message, and waits for it until ctx ends. Its error is the cause of ctx, or ErrEnded when the
// subscription has ended and nothing waits any more.
func (sub *Subscription) Receive(ctx context.Context) (Message, error) {
	select {
	case m, ok := <-sub.ch:
		if !ok {
			return Message{}, ErrEnded
		}
		return m, nil
	case <-ctx.Done():
		return Message{}, context.Cause(ctx)
	}
}

// Dropped is how many messages were not delivered because the subscriber was slow.
func (sub *Subscription) Dropped() uint64 { return sub.dropped.Load() }

// Cancel ends the subscription. It may be called more than once.
func (sub *Subscription) Cancel() {
	if sub.s.forget(sub) {
		sub.end()
	}
}

// forget takes sub out of the list of its topic, and reports whether it was there.
func (s *Service) forget(sub *Subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.subs[sub.topic], sub)
	if i < 0 {
		return false
	}
	if s.subs[sub.topic] = slices.Delete(s.subs[sub.topic], i, i+1); len(s.subs[sub.topic]) == 0 {
		delete(s.subs, sub.topic)
	}
	return true
}

// deliver gives m to the subscribers of its topic. It never waits: late are those for whom m waits, and hold has to be called for
// them; full says that one with back-pressure misses it. s.mu is held, so that no channel is closed meanwhile.
func (s *Service) deliver(m Message) (late []*Subscription, full bool) {
	for _, sub := range s.subs[m.Topic] {
		select {
		case sub.ch <- m:
			s.counts.delivered.Add(1)
			continue
		default:
		}
		if sub.await() {
			late = append(late, sub)
			continue
		}
		sub.miss()
		full = full || sub.patient
	}
	return late, full
}

// endSubscriptions closes all channels.
func (s *Service) endSubscriptions() {
	s.mu.Lock()
	s.ended = true
	var all []*Subscription
	for _, subs := range s.subs {
		all = append(all, subs...)
	}
	clear(s.subs)
	s.mu.Unlock()
	for _, sub := range all {
		sub.end()
	}
}
