package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
	frames "github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// errUnreached is wrapped by the errors of exchanges for which no stream could be opened.
var errUnreached = errors.New("consensus: no stream could be opened")

// Errors of answers that no correct peer gives.
var (
	errWrongPoll = errors.New("consensus: the answer is to another poll")
	errUnasked   = errors.New("consensus: an item that was not asked for")
	errMayNot    = errors.New("consensus: an item of a peer that may not propose")
)

// A carrier carries a request to another peer and gives the frame of its answer, of at most most bytes, to decode, whose
// error ends in a reset. Tests put a fake in place of the network.
type carrier interface {
	carry(ctx context.Context, e Exchange, to peer.AddrInfo, request []byte, most int, decode func([]byte) error) (origin, error)
}

// exchange does one exchange.
func (s *Service) exchange(ctx context.Context, j job) (r result) {
	r.job, r.from = j, origin{peer: j.to.ID, protocol: s.protocols[j.exchange]}
	defer func() {
		if p := recover(); p != nil { // a defect, of ours or of a library below: it must not end the application
			s.panicked(r.from, p)
			r.outcome = Failed
		}
	}()
	if ctx.Err() != nil {
		r.outcome = Late
		return r
	}
	var err error
	if j.exchange == ExchangePoll {
		err = s.poll(ctx, j, &r)
	} else {
		err = s.fetch(ctx, j, &r)
	}
	if r.outcome = outcomeOf(ctx, err, r.outcome); err != nil {
		log.Debugw("exchange failed", "exchange", j.exchange, "peer", j.to.ID, "err", err)
		if r.outcome == Failed && !errors.Is(err, network.ErrReset) {
			s.refuse(r.from, reasonOf(err), err)
		}
	}
	return r
}

// outcomeOf is what came of an exchange with the given error; told is what the answer says if there was none.
func outcomeOf(ctx context.Context, err error, told Outcome) Outcome {
	var unsupported multistream.ErrNotSupported[coreprotocol.ID]
	switch {
	case err == nil:
		return told
	case errors.As(err, &unsupported):
		return Unsupported
	case isViolation(err):
		return Failed
	case ctx.Err() != nil, timedOut(err): // the stream has the deadline of the round as well
		return Late
	case errors.Is(err, errUnreached):
		return Unreached
	}
	return Failed
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func (s *Service) poll(ctx context.Context, j job, r *result) error {
	req, err := wire.PollRequest{Epoch: j.epoch, Nonce: j.nonce}.Marshal()
	if err != nil {
		return fmt.Errorf("consensus: internal error: %v", err) // not wrapped: the other side is not to blame
	}
	from, err := s.carrier.carry(ctx, j.exchange, j.to, req, wire.MaxPollResponse, func(frame []byte) error {
		res, err := wire.DecodePollResponse(frame)
		switch {
		case err != nil:
			return err
		case res.Nonce != j.nonce, res.Status == wire.StatusOK && res.Answer.Epoch != j.epoch:
			return errWrongPoll
		case res.Status != wire.StatusOK:
			r.outcome = Unknown
		default:
			r.answer = res.Answer
		}
		return nil
	})
	if from.peer != "" {
		r.from = from
	}
	return err
}

func (s *Service) fetch(ctx context.Context, j job, r *result) error {
	req, err := wire.FetchRequest{Epoch: j.epoch, IDs: j.ids}.Marshal()
	if err != nil {
		return fmt.Errorf("consensus: internal error: %v", err)
	}
	mayNot := false
	from, err := s.carrier.carry(ctx, j.exchange, j.to, req, wire.MaxFetchResponse, func(frame []byte) error {
		res, err := wire.DecodeFetchResponse(frame)
		if err != nil {
			return err
		}
		if res.Status != wire.StatusOK {
			r.outcome = Unknown
			return nil
		}
		r.items, mayNot, err = s.check(j, res.Items)
		return err
	})
	if from.peer != "" {
		r.from = from
	}
	if err != nil {
		r.items = nil // nothing of a violation counts
	}
	if mayNot {
		s.refuse(r.from, ReasonMayNotPropose, errMayNot)
	}
	return err
}

// check returns those of the items that may be taken: each was asked for, once, and its origin signed it. mayNot reports
// that some were of origins that may not propose.
func (s *Service) check(j job, items []machine.Item) (good []machine.Item, mayNot bool, err error) {
	asked := slices.Clone(j.ids)
	for _, it := range items {
		// The id covers epoch, origin and payload, so an item that was asked for is of the right epoch.
		i := slices.Index(asked, it.ID())
		if i < 0 {
			return nil, mayNot, errUnasked
		}
		asked = slices.Delete(asked, i, i+1)
		if !s.cfg.mayPropose(it.Origin) {
			mayNot = true
			continue
		}
		if err := wire.VerifyItem(s.network(), it); err != nil {
			return nil, mayNot, err
		}
		good = append(good, it)
	}
	return good, mayNot, nil
}

// libp2pCarrier is the outbound half of the service.
type libp2pCarrier struct {
	s *Service
	h corehost.Host
}

func (c *libp2pCarrier) carry(
	ctx context.Context, e Exchange, to peer.AddrInfo, request []byte, most int, decode func([]byte) error,
) (origin, error) {
	ctx = network.WithAllowLimitedConn(ctx, ServiceName)
	if err := c.s.sampler.Connect(ctx, to); err != nil {
		return origin{}, fmt.Errorf("%w: %w", errUnreached, err)
	}
	st, err := c.h.NewStream(network.WithNoDial(ctx, ServiceName), to.ID, c.s.protocols[e])
	if err != nil {
		return origin{}, fmt.Errorf("%w: %w", errUnreached, err)
	}
	return converse(ctx, st, request, most, decode)
}

// converse does an exchange on a stream, which it ends.
func converse(ctx context.Context, st network.Stream, request []byte, most int, decode func([]byte) error) (origin, error) {
	from := originOf(st)
	// The stream's deadline does not know that the round ended early.
	stop := context.AfterFunc(ctx, func() { _ = st.ResetWithError(network.StreamShutdown) })
	defer stop()
	if err := ask(ctx, st, request, most, decode); err != nil {
		if errors.Is(err, wire.ErrUnknownStatus) {
			_ = st.Close() // an answer of a later revision: of no use, but no violation
		} else {
			_ = st.ResetWithError(resetCode(err))
		}
		return from, err
	}
	_ = st.Close()
	return from, nil
}

// ask writes the request, ends our side, reads the answer to its end and gives it to decode.
func ask(ctx context.Context, st network.Stream, request []byte, most int, decode func([]byte) error) error {
	scope := st.Scope()
	if err := scope.SetService(ServiceName); err != nil {
		return err
	}
	if err := scope.ReserveMemory(most, network.ReservationPriorityAlways); err != nil {
		return err
	}
	defer scope.ReleaseMemory(most)
	if deadline, ok := ctx.Deadline(); ok {
		_ = st.SetDeadline(deadline) // mocknet has none
	}
	if err := frames.WriteFrame(st, request); err != nil {
		return fmt.Errorf("consensus: send: %w", err)
	}
	_ = st.CloseWrite() // where this fails the read tells why
	r := frames.NewReader(st)
	frame, err := r.Frame(most)
	if err != nil {
		return err
	}
	if err := decode(frame); err != nil {
		return err
	}
	return r.EOF()
}

// panicked reports a panic. Only the first is above debug: whoever can cause one could fill the log.
func (s *Service) panicked(from origin, p any) {
	text := fmt.Sprintf("consensus panicked: %v\n%s", p, debug.Stack())
	if s.refused[ReasonInternalError].Load() == 0 {
		log.Error(text)
	}
	s.refuse(from, ReasonInternalError, errors.New(text))
}
