package spread

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// handle serves one stream: one copy of a message, and the answer.
func (s *Service) handle(st network.Stream) {
	from := sourceOf(st)
	if !s.admit(st, from) {
		return
	}
	defer s.inbound.Leave(st)
	// Not for hostile input, which returns errors: a panic here is a defect of ours or of a library below.
	defer func() {
		if p := recover(); p != nil {
			s.panicked(from, p)
			_ = st.Reset()
		}
	}()
	if err := s.serve(st, from); err != nil {
		if !s.inbound.Has(st) {
			err = errCrowdedOut
		}
		s.refuse(from, reasonOf(err), err)
		_ = st.ResetWithError(resetCode(err))
		return
	}
	_ = st.Close()
}

func (s *Service) serve(st network.Stream, from source) error {
	scope := st.Scope()
	if err := scope.SetService(ServiceName); err != nil {
		return err
	}
	// The frame, what is decoded of it, and the copy that is passed on.
	memory := 3 * message.MaxSize(s.cfg.maxPayload)
	if err := scope.ReserveMemory(memory, network.ReservationPriorityAlways); err != nil {
		return err
	}
	defer scope.ReleaseMemory(memory)
	if err := st.SetDeadline(time.Now().Add(serveTimeout)); err != nil {
		log.Debugw("set deadline", "peer", from.peer, "err", err) // mocknet has none
	}
	slow := &limit.Drip{From: st}
	r := wire.NewReader(slow)
	raw, err := r.Frame(message.MaxSize(s.cfg.maxPayload))
	if err == nil {
		err = r.EOF()
	}
	if err != nil {
		return slow.Judge(err)
	}
	status, err := s.take(from, raw)
	if err != nil {
		return err
	}
	answer, err := message.Answer{Status: status}.Marshal()
	if err != nil {
		return fmt.Errorf("spread: internal error: %v", err) // not wrapped: the other side is not to blame
	}
	return wire.WriteFrame(st, answer)
}

// errUnverified is the error of a message of another peer than its sender whose signature does not verify here. Libraries
// differ in which signatures and keys they take, so whoever owns a key could make correct peers accuse each other.
var errUnverified = errors.New("spread: passed on, and does not verify")

// take does with a copy of a message what is to be done: all that is cheap before the signature is verified. Its error is
// that of a copy to which there is no answer.
func (s *Service) take(from source, raw []byte) (message.Status, error) {
	m, err := message.Decode(raw, s.cfg.maxPayload)
	if err != nil {
		return 0, err
	}
	body, err := message.DecodeBody(m.Body, s.cfg.maxPayload)
	if err != nil {
		return 0, err
	}
	h := gossip.Header{ID: message.HashOf(m.Body), Origin: body.Origin, Time: body.Time, Hops: int(m.Hops)}
	s.mu.Lock()
	verdict := s.machine.Meet(s.now(), h)
	s.mu.Unlock()
	if verdict != gossip.Unseen && verdict != gossip.Again {
		return s.settle(from, verdict), nil
	}
	if err := m.Verify(string(s.protocol), body.Origin); err != nil {
		if body.Origin != from.peer {
			err = fmt.Errorf("%w: %w", errUnverified, err)
		}
		return 0, err
	}
	got := Message{
		ID: h.ID, Origin: body.Origin, From: from.peer, Topic: body.Topic, Time: time.UnixMilli(body.Time), Hops: h.Hops, Payload: body.Payload,
	}
	var late []*Subscription
	var full bool
	s.mu.Lock()
	verdict, relay := s.machine.Accept(s.now(), h)
	if verdict == gossip.Unseen {
		s.counts.taken.Add(1)
		late, full = s.deliver(got)
	}
	s.mu.Unlock()
	if relay {
		m.Hops++
		s.relay(m, body.Origin, from)
	}
	status := s.settle(from, verdict)
	if !s.hold(s.life, got, late) || full {
		status = message.StatusNoResources
	}
	return status, nil
}

// settle counts what a copy was found to be and returns the answer.
func (s *Service) settle(from source, v gossip.Verdict) message.Status {
	switch v {
	case gossip.Unseen:
		s.counts.copies.Add(1)
		return message.StatusTaken
	case gossip.Known, gossip.Again:
		s.counts.copies.Add(1)
		return message.StatusSeen
	case gossip.TooOld:
		s.refuse(from, ReasonTooOld, nil)
		return message.StatusOutOfTime
	case gossip.TooEarly:
		s.refuse(from, ReasonTooEarly, nil)
		return message.StatusOutOfTime
	case gossip.OriginLimited:
		s.refuse(from, ReasonOriginRate, nil)
	default:
		s.refuse(from, ReasonMemoryFull, nil)
	}
	return message.StatusNoResources
}

// relay passes a message on, if there is something left of the bytes that go for others. It never waits.
func (s *Service) relay(m message.Message, origin peer.ID, from source) {
	frame, err := s.frame(m)
	if err != nil {
		log.Debugw("message not passed on", "err", err)
		return
	}
	to, _ := s.targets(origin, from.peer)
	if !s.gate.pass(s.cfg.now(), from.addr, len(to)*len(frame)) {
		s.counts.withheld.Add(uint64(len(to)))
		return
	}
	for _, p := range to {
		if !s.queue.offer(job{to: p, frame: frame}) {
			s.counts.overflow.Add(1)
		}
	}
}
