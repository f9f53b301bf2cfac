package spread

import (
	"slices"
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
}

// Subscribe subscribes to the messages of a topic that arrive from now on, those of our own included, each once. A
// subscriber that is slow has as many waiting as WithBuffer says; what arrives beyond is not delivered to it, and counted
// (Dropped). Nobody waits for it: messages are passed on to others, and delivered to other subscribers, all the same.
// It fails with ErrClosed, or for what is wrong with topic.
func (s *Service) Subscribe(topic string) (*Subscription, error) {
	if err := CheckTopic(topic); err != nil {
		return nil, err
	}
	sub := &Subscription{s: s, topic: topic, ch: make(chan Message, s.cfg.buffer)}
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

// Dropped is how many messages were not delivered because the subscriber was slow.
func (sub *Subscription) Dropped() uint64 { return sub.dropped.Load() }

// Cancel ends the subscription. It may be called more than once.
func (sub *Subscription) Cancel() {
	s := sub.s
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.subs[sub.topic], sub)
	if i < 0 {
		return
	}
	if s.subs[sub.topic] = slices.Delete(s.subs[sub.topic], i, i+1); len(s.subs[sub.topic]) == 0 {
		delete(s.subs, sub.topic)
	}
	close(sub.ch)
}

// deliver gives m to the subscribers of its topic. It never waits. s.mu is held, so that no channel is closed meanwhile.
func (s *Service) deliver(m Message) {
	for _, sub := range s.subs[m.Topic] {
		select {
		case sub.ch <- m:
			s.counts.delivered.Add(1)
		default:
			sub.dropped.Add(1)
			s.counts.undelivered.Add(1)
		}
	}
}

// endSubscriptions closes all channels.
func (s *Service) endSubscriptions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, subs := range s.subs {
		for _, sub := range subs {
			close(sub.ch)
		}
	}
	clear(s.subs)
}
