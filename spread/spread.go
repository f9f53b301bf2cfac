package spread

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// Errors of Spread.
var (
	// ErrNoPeers: the sample is empty. Nothing was sent, and nobody has the message; the next round may bring somebody.
	ErrNoPeers = errors.New("spread: no peer is known to send the message to")
	// ErrFewTook: fewer peers than the quorum took the message. Those who did spread it all the same.
	ErrFewTook = errors.New("spread: too few peers took the message")
	// ErrBusy: more messages arrive than can be remembered.
	ErrBusy = errors.New("spread: no room to remember another message")
	// ErrClosed: the service is closed.
	ErrClosed = errors.New("spread: the service is closed")
)

// A Report says what became of a message of ours with the peers that we sent it to.
type Report struct {
	ID    message.Hash
	Size  float64 // how many peers the network seems to have
	Asked int     // peers that it was sent to
	Taken int     // of those, peers that took it or had it already
}

// Spread sends a message of ours to peers of the sample, as many as the fan-out says, and waits for their answers, until ctx
// ends, and for ten seconds at most. It succeeds if as many took it as the quorum asks (WithQuorum). They pass it on; that is
// not waited for. Subscribers of our own get the message too.
//
// It waits before it sends where we have sent too many (WithOriginRate). topic has 1 to 128 bytes of UTF-8, payload at most
// those of WithMaxPayload; it may be changed after the call. Errors: ErrNoPeers, ErrFewTook, ErrBusy, ErrClosed, what is
// wrong with topic or payload, and that of ctx; report is filled in as far as it came, and its ID is zero if nothing was
// sent.
func (s *Service) Spread(ctx context.Context, topic string, payload []byte) (report Report, err error) {
	if err := CheckTopic(topic); err != nil {
		return Report{}, err
	}
	if len(payload) > s.cfg.maxPayload {
		return Report{}, fmt.Errorf("spread: payload of %d bytes must have at most %d", len(payload), s.cfg.maxPayload)
	}
	if len(s.peers.Snapshot().Peers) == 0 {
		return Report{}, ErrNoPeers
	}
	if err := s.pace(ctx); err != nil {
		return Report{}, err
	}
	to, size := s.targets()
	if len(to) == 0 {
		return Report{}, ErrNoPeers
	}
	frame, m, late, err := s.issue(topic, payload)
	if err != nil {
		return Report{}, err
	}
	report = Report{ID: m.ID, Size: size, Asked: len(to)}
	var own sync.WaitGroup
	if len(late) > 0 {
		own.Go(func() { s.hold(ctx, m, late) })
	}
	report.Taken, err = s.sendAll(ctx, to, frame)
	own.Wait()
	quorum := s.cfg.quorum
	if quorum == 0 {
		quorum = (len(to) + 1) / 2
	}
	if report.Taken >= quorum {
		return report, nil
	}
	few := fmt.Errorf("%w: %d of the %d asked, %d must", ErrFewTook, report.Taken, report.Asked, quorum)
	return report, errors.Join(few, err)
}

// CheckTopic returns the error with which Spread and Subscribe fail for a topic that is none.
func CheckTopic(topic string) error {
	if len(topic) == 0 || len(topic) > message.MaxTopic || !utf8.ValidString(topic) {
		return fmt.Errorf("spread: topic=%q must have 1 to %d bytes of UTF-8", topic, message.MaxTopic)
	}
	return nil
}

// pace waits until we may send a message of our own.
func (s *Service) pace(ctx context.Context) error {
	for {
		if s.closed.Load() {
			return ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		s.mu.Lock()
		wait := s.machine.Pace(s.now())
		s.mu.Unlock()
		if wait == 0 {
			return nil
		}
		timer := time.NewTimer(time.Duration(wait) * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-s.life.Done():
			timer.Stop()
			return ErrClosed
		}
	}
}

// issue makes and signs a message of ours, remembers it, and delivers it to our own subscribers; late are those for whom it waits.
func (s *Service) issue(topic string, payload []byte) (frame []byte, own Message, late []*Subscription, err error) {
	now := s.now()
	body := message.Body{Origin: s.self, Topic: topic, Time: now, Nonce: make([]byte, message.NonceSize), Payload: append([]byte(nil), payload...)}
	if _, err := crand.Read(body.Nonce); err != nil {
		return nil, own, nil, fmt.Errorf("spread: %w", err)
	}
	raw, err := body.Marshal(s.cfg.maxPayload)
	if err != nil {
		return nil, own, nil, fmt.Errorf("spread: internal error: %w", err)
	}
	m, err := message.Sign(s.key, string(s.protocol), s.self, raw)
	if err != nil {
		return nil, own, nil, err
	}
	if frame, err = s.frame(m); err != nil {
		return nil, own, nil, err
	}
	id := message.HashOf(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, _ := s.machine.Accept(now, gossip.Header{ID: id, Origin: s.self, Time: now}); v != gossip.Unseen {
		return nil, own, nil, fmt.Errorf("%w (%v)", ErrBusy, v)
	}
	s.counts.sent.Add(1)
	own = Message{ID: id, Origin: s.self, From: s.self, Topic: topic, Time: time.UnixMilli(now), Payload: body.Payload}
	late, _ = s.deliver(own)
	return frame, own, late, nil
}

// sendAll sends a frame to all of to, and returns how many took it. Its error is that of ctx, or ErrClosed.
func (s *Service) sendAll(ctx context.Context, to []peer.AddrInfo, frame []byte) (taken int, err error) {
	results := make(chan bool, len(to))
	waiting := 0
	for _, p := range to {
		err := s.queue.wait(ctx, s.life, job{to: p, frame: frame, done: func(took bool) { results <- took }})
		if err != nil {
			break
		}
		waiting++
	}
	for range waiting {
		select {
		case took := <-results:
			if took {
				taken++
			}
		case <-ctx.Done():
			return taken, context.Cause(ctx)
		case <-s.life.Done():
			return taken, ErrClosed
		}
	}
	if waiting == len(to) {
		return taken, nil
	}
	if s.closed.Load() {
		return taken, ErrClosed
	}
	return taken, context.Cause(ctx)
}
