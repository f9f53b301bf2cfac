package consensus

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	frames "github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// serveTimeout bounds how long a stream of another peer is served.
const serveTimeout = 10 * time.Second

// Bounds of the messages of an exchange, in bytes.
var (
	maxRequest  = [exchanges]int{ExchangePoll: wire.MaxPollRequest, ExchangeFetch: wire.MaxFetchRequest}
	maxResponse = [exchanges]int{ExchangePoll: wire.MaxPollResponse, ExchangeFetch: wire.MaxFetchResponse}
)

// handler makes the stream handler of an exchange. It answers from what the loop has published, and never waits for it.
func (s *Service) handler(e Exchange) network.StreamHandler {
	return func(st network.Stream) { s.handle(e, st) }
}

func (s *Service) handle(e Exchange, st network.Stream) {
	began := time.Now()
	from := originOf(st)
	if why, ok := s.gate.admit(e, from); !ok {
		s.refuse(from, why, nil)
		_ = st.ResetWithError(network.StreamRateLimited)
		return
	}
	code, _, ok := s.inbound.Enter(st, int(e))
	if !ok {
		if code == network.StreamResourceLimitExceeded {
			s.refuse(from, ReasonTooManyStreams, nil)
		}
		_ = st.ResetWithError(code)
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
	if err := s.serve(e, st); err != nil {
		switch {
		case s.closed.Load():
			_ = st.ResetWithError(network.StreamShutdown)
			return
		case !s.inbound.Has(st):
			err = errCrowdedOut
		}
		s.refuse(from, reasonOf(err), err)
		_ = st.ResetWithError(resetCode(err))
		return
	}
	_ = st.Close()
	s.counts.served.Add(1)
	s.cfg.tracers.served(e, time.Since(began))
}

func (s *Service) serve(e Exchange, st network.Stream) error {
	scope := st.Scope()
	if err := scope.SetService(ServiceName); err != nil {
		return err
	}
	memory := maxRequest[e] + maxResponse[e]
	if err := scope.ReserveMemory(memory, network.ReservationPriorityAlways); err != nil {
		return err
	}
	defer scope.ReleaseMemory(memory)
	if err := st.SetDeadline(time.Now().Add(serveTimeout)); err != nil {
		log.Debugw("set deadline", "peer", st.Conn().RemotePeer(), "err", err) // mocknet has none
	}
	slow := &limit.Drip{From: st}
	r := frames.NewReader(slow)
	frame, err := r.Frame(maxRequest[e])
	if err == nil {
		err = r.EOF()
	}
	if err != nil {
		return slow.Judge(err)
	}
	answer, err := s.answer(e, frame)
	if err != nil {
		return err
	}
	return frames.WriteFrame(st, answer)
}

// answer returns the answer to a request. Its error is that of a request that no correct peer sends.
func (s *Service) answer(e Exchange, request []byte) ([]byte, error) {
	var res interface{ Marshal() ([]byte, error) }
	if e == ExchangePoll {
		req, err := wire.DecodePollRequest(request)
		if err != nil {
			return nil, err
		}
		res = s.answerPoll(req)
	} else {
		req, err := wire.DecodeFetchRequest(request)
		if err != nil {
			return nil, err
		}
		res = s.answerFetch(req)
	}
	b, err := res.Marshal()
	if err != nil {
		return nil, fmt.Errorf("consensus: internal error: %v", err) // not wrapped: the other side is not to blame
	}
	return b, nil
}

// answerPoll is what we prefer in this round.
func (s *Service) answerPoll(req wire.PollRequest) wire.PollResponse {
	e := s.board().epoch(req.Epoch)
	if e == nil || !e.speaks {
		return wire.PollResponse{Status: wire.StatusUnknown, Nonce: req.Nonce, Answer: machine.Answer{Epoch: req.Epoch}}
	}
	return wire.PollResponse{Status: wire.StatusOK, Nonce: req.Nonce, Answer: e.answer}
}

// answerFetch has those of the items that we hold.
func (s *Service) answerFetch(req wire.FetchRequest) wire.FetchResponse {
	e := s.board().epoch(req.Epoch)
	if e == nil {
		return wire.FetchResponse{Status: wire.StatusUnknown}
	}
	res := wire.FetchResponse{Status: wire.StatusOK}
	for _, id := range req.IDs {
		if it, ok := e.items[id]; ok {
			res.Items = append(res.Items, it)
		}
	}
	return res
}
