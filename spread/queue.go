package spread

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// Bounds on what waits to be sent. What others gave us to pass on is dropped, and counted, where there is no room; messages
// of our own wait for it.
const (
	queueJobs  = 4096
	queueBytes = 32 << 20
)

// carryTimeout bounds the dial and the exchange with one peer, together.
const carryTimeout = 10 * time.Second

// maxLimited is the largest frame that goes over a limited (relayed) connection, which carries 128 KiB in all by default.
const maxLimited = 16 << 10

// A job is a copy to be sent to a peer.
type job struct {
	to    peer.AddrInfo
	frame []byte          // shared
	done  func(took bool) // nil if nobody waits for it; it does not wait
}

// queue holds the jobs until a worker is free.
type queue struct {
	lanes
	jobs    chan job
	bytes   atomic.Int64 // of what waits or is being sent
	pending atomic.Int64 // jobs that wait or are being done
}

func newQueue() *queue { return &queue{lanes: newLanes(), jobs: make(chan job, queueJobs)} }

// offer queues j unless there is no room.
func (q *queue) offer(j job) bool {
	if bytes, pending := q.enter(j); bytes <= queueBytes && pending <= queueJobs {
		select {
		case q.jobs <- j:
			return true
		default:
		}
	}
	q.left(j)
	return false
}

// enter counts a job that waits from now on, and returns how many bytes and jobs there are.
func (q *queue) enter(j job) (bytes, pending int64) {
	return q.bytes.Add(int64(len(j.frame))), q.pending.Add(1)
}

// left is called when a job is no longer in the queue, nor with a worker.
func (q *queue) left(j job) {
	q.pending.Add(-1)
	q.bytes.Add(-int64(len(j.frame)))
}

// wait queues j, and waits for room until a context ends.
func (q *queue) wait(ctx, life context.Context, j job) error {
	q.enter(j)
	var err error
	select {
	case q.jobs <- j:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-life.Done():
		err = ErrClosed
	}
	q.left(j)
	return err
}

// work sends what is queued until the service is closed.
func (s *Service) work() {
	for {
		select {
		case <-s.life.Done():
			return
		case j := <-s.queue.jobs:
			for more := s.queue.begin(j); more; {
				began := time.Now()
				took := s.do(j)
				id := j.to.ID
				s.settleJob(j, took)
				var failed []job
				j, more, failed = s.queue.end(id, time.Since(began), time.Now())
				for _, f := range failed {
					s.counts.failed.Add(1)
					s.settleJob(f, false)
				}
			}
		}
	}
}

// settleJob tells who waits for j what became of it.
func (s *Service) settleJob(j job, took bool) {
	s.queue.left(j)
	if j.done != nil {
		j.done(took)
	}
}

// do sends one copy and reports whether the peer has the message now.
func (s *Service) do(j job) (took bool) {
	defer func() {
		if p := recover(); p != nil { // a defect, of ours or of a library below: it must not end the application
			s.panicked(source{peer: j.to.ID}, p)
			took = false
		}
		if took {
			s.counts.passed.Add(1)
		} else {
			s.counts.failed.Add(1)
		}
	}()
	ctx, cancel := context.WithTimeout(s.life, carryTimeout)
	defer cancel()
	status, err := s.carrier.carry(ctx, j.to, j.frame)
	if err != nil {
		log.Debugw("message not passed on", "peer", j.to.ID, "err", err)
		return false
	}
	return status == message.StatusTaken || status == message.StatusSeen
}

// carrier carries a copy to another peer. Tests put a fake in place of the network.
type carrier interface {
	carry(ctx context.Context, to peer.AddrInfo, frame []byte) (message.Status, error)
}

// libp2pCarrier is the outbound half of the service.
type libp2pCarrier struct {
	s *Service
	h corehost.Host
}

// errLimited is the error for a message that is too large for the relayed connection that there is.
var errLimited = errors.New("spread: too large for a relayed connection")

func (c *libp2pCarrier) carry(ctx context.Context, to peer.AddrInfo, frame []byte) (message.Status, error) {
	ctx = network.WithAllowLimitedConn(ctx, ServiceName)
	if err := c.s.peers.Connect(ctx, to); err != nil {
		return 0, err
	}
	st, err := c.h.NewStream(network.WithNoDial(ctx, ServiceName), to.ID, c.s.protocol)
	if err != nil {
		return 0, err
	}
	// The stream's deadline does not know of Close.
	stop := context.AfterFunc(ctx, func() { _ = st.ResetWithError(network.StreamShutdown) })
	defer stop()
	status, err := c.exchange(ctx, st, frame)
	if err != nil {
		if reason := reasonOf(err); reason != ReasonStreamFailed {
			c.s.refuse(sourceOf(st), reason, err)
		}
		_ = st.ResetWithError(resetCode(err))
		return 0, err
	}
	_ = st.Close()
	return status, nil
}

func (c *libp2pCarrier) exchange(ctx context.Context, st network.Stream, frame []byte) (message.Status, error) {
	if st.Conn().Stat().Limited && len(frame) > maxLimited {
		return 0, errLimited
	}
	if err := st.Scope().SetService(ServiceName); err != nil {
		return 0, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = st.SetDeadline(deadline) // mocknet has none
	}
	if _, err := st.Write(frame); err != nil {
		return 0, fmt.Errorf("spread: send: %w", err)
	}
	_ = st.CloseWrite() // where this fails the read tells why
	raw, err := wire.ReadFrame(st, message.MaxAnswer)
	if err != nil {
		return 0, err
	}
	answer, err := message.DecodeAnswer(raw)
	if err != nil {
		return 0, err
	}
	return answer.Status, wire.ReadEOF(st)
}

// frame is m, framed.
func (s *Service) frame(m message.Message) ([]byte, error) {
	raw, err := m.Marshal(s.cfg.maxPayload)
	if err != nil {
		return nil, fmt.Errorf("spread: internal error: %v", err) // not wrapped: the other side is not to blame
	}
	return wire.AppendFrame(nil, raw), nil
}

// panicked reports a panic. Only the first is above debug: whoever can cause one could fill the log.
func (s *Service) panicked(from source, p any) {
	text := fmt.Sprintf("spread panicked: %v\n%s", p, debug.Stack())
	if s.refused[ReasonInternalError].Load() == 0 {
		log.Error(text)
	}
	s.refuse(from, ReasonInternalError, errors.New(text))
}
