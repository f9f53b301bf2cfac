package spread

import (
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/gossip"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// Bounds on what others may ask of us at once. A stream beyond them is reset before anything of it is read, and counted.
const (
	maxInbound        = 256
	maxInboundPerPeer = 16
	serveTimeout      = 10 * time.Second
)

// inbound is the set of streams that are being served.
type inbound struct {
	mu      sync.Mutex
	closed  bool
	streams map[network.Stream]bool
	peers   map[peer.ID]int
	wg      sync.WaitGroup
}

func newInbound() *inbound {
	return &inbound{streams: make(map[network.Stream]bool), peers: make(map[peer.ID]int)}
}

// enter admits a stream, or says with which code to reset it.
func (in *inbound) enter(st network.Stream) (code network.StreamErrorCode, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	from := st.Conn().RemotePeer()
	switch {
	case in.closed:
		return network.StreamShutdown, false
	case len(in.streams) >= maxInbound, in.peers[from] >= maxInboundPerPeer:
		return network.StreamResourceLimitExceeded, false
	}
	in.streams[st] = true
	in.peers[from]++
	in.wg.Add(1)
	return 0, true
}

func (in *inbound) leave(st network.Stream) {
	in.mu.Lock()
	delete(in.streams, st)
	from := st.Conn().RemotePeer()
	if in.peers[from]--; in.peers[from] == 0 {
		delete(in.peers, from)
	}
	in.mu.Unlock()
	in.wg.Done()
}

// close refuses all further streams, resets those that are being served and waits until their handlers have returned.
func (in *inbound) close() {
	in.mu.Lock()
	in.closed = true
	for st := range in.streams {
		_ = st.ResetWithError(network.StreamShutdown)
	}
	in.mu.Unlock()
	in.wg.Wait()
}

// handle serves one stream: one copy of a message, and the answer.
func (s *Service) handle(st network.Stream) {
	from := st.Conn().RemotePeer()
	code, ok := s.inbound.enter(st)
	if !ok {
		if code == network.StreamResourceLimitExceeded {
			s.refuse(from, ReasonTooManyStreams, nil)
		}
		_ = st.ResetWithError(code)
		return
	}
	defer s.inbound.leave(st)
	// Not for hostile input, which returns errors: a panic here is a defect of ours or of a library below.
	defer func() {
		if p := recover(); p != nil {
			s.panicked(from, p)
			_ = st.Reset()
		}
	}()
	s.mu.Lock()
	ok = s.machine.Admit(s.now(), from)
	s.mu.Unlock()
	if !ok {
		s.refuse(from, ReasonSenderRate, nil)
		_ = st.ResetWithError(network.StreamRateLimited)
		return
	}
	if err := s.serve(st, from); err != nil {
		s.refuse(from, reasonOf(err), err)
		_ = st.ResetWithError(resetCode(err))
		return
	}
	_ = st.Close()
}

func (s *Service) serve(st network.Stream, from peer.ID) error {
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
		log.Debugw("set deadline", "peer", from, "err", err) // mocknet has none
	}
	r := wire.NewReader(st)
	raw, err := r.Frame(message.MaxSize(s.cfg.maxPayload))
	if err != nil {
		return err
	}
	if err := r.EOF(); err != nil {
		return err
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

// take does with a copy of a message what is to be done: all that is cheap before the signature is verified. Its error is
// that of a copy that no correct peer sends.
func (s *Service) take(from peer.ID, raw []byte) (message.Status, error) {
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
		return 0, err
	}
	s.mu.Lock()
	verdict, relay := s.machine.Accept(s.now(), h)
	if verdict == gossip.Unseen {
		s.counts.taken.Add(1)
		s.deliver(Message{
			ID: h.ID, Origin: body.Origin, From: from, Topic: body.Topic, Time: time.UnixMilli(body.Time), Hops: h.Hops, Payload: body.Payload,
		})
	}
	s.mu.Unlock()
	if relay {
		m.Hops++
		s.relay(m, body.Origin, from)
	}
	return s.settle(from, verdict), nil
}

// settle counts what a copy was found to be and returns the answer.
func (s *Service) settle(from peer.ID, v gossip.Verdict) message.Status {
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

// relay passes a message on. It never waits.
func (s *Service) relay(m message.Message, origin, from peer.ID) {
	frame, err := s.frame(m)
	if err != nil {
		log.Debugw("message not passed on", "err", err)
		return
	}
	to, _ := s.targets(origin, from)
	for _, p := range to {
		if !s.queue.offer(job{to: p, frame: frame}) {
			s.counts.overflow.Add(1)
		}
	}
}
