package host

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// answerPush answers one request on a push stream. NEEDS_TOKEN is final only if the sender was asked before.
func (s *Service) answerPush(st network.Stream, req wire.PushRequest) (wire.PushResponse, error) {
	if s.leaving.Load() {
		return wire.PushResponse{Status: wire.StatusLeaving}, nil
	}
	from := st.Conn().RemotePeer()
	if req.IsHello() {
		return s.challengeTo(from), nil
	}
	// Before anything else: a record costs a hundred times as much to check. What is not paid for is no load either, or
	// whoever pays nothing could overload us.
	if err := s.tokens.take(from, req.Token); err != nil {
		s.refuseError(originOf(st), err)
		return s.challengeTo(from), nil
	}
	return s.takePush(st, req)
}

// challengeTo asks for a token, or with scheme 0 for nothing but the record.
func (s *Service) challengeTo(sender peer.ID) wire.PushResponse {
	c, ok := s.tokens.ask(sender)
	if !ok { // it has pushed as often as it may
		return wire.PushResponse{Status: wire.StatusNoResources}
	}
	return wire.PushResponse{Status: wire.StatusNeedsToken, Challenge: &c}
}

// pushPriced pushes with a token: hello, challenge, token on one stream, or the token at once for a challenge that we
// have. The peer answers the first request whatever comes of the work, so a push that is skipped tells all the same that
// the peer lives.
func (x *libp2pExchanger) pushPriced(ctx context.Context, st network.Stream, id peer.ID, record []byte, a *answer) error {
	slow := &limit.Drip{From: st}
	r := borrowReader(slow)
	defer returnReader(r)
	first, more := x.firstRequest(ctx, id, record)
	res, err := x.turn(st, r, first)
	if err != nil {
		return slow.Judge(err)
	}
	if more && res.Status == wire.StatusNeedsToken {
		if tok, ok := x.s.tokens.answer(ctx, id, res.Challenge); ok {
			res, err = x.turn(st, r, wire.PushRequest{Record: record, Token: tok})
		}
	}
	if err == nil {
		_ = st.CloseWrite()
		err = r.EOF()
	}
	x.concludePush(st, id, res, slow.Judge(err), a)
	return nil
}

// firstRequest is a hello, or the push itself where a challenge was kept. more is false if the work for it was given up:
// there is no sense in asking for another challenge.
func (x *libp2pExchanger) firstRequest(ctx context.Context, id peer.ID, record []byte) (req wire.PushRequest, more bool) {
	c, ok := x.s.tokens.kept(id)
	if !ok {
		return wire.PushRequest{}, true
	}
	// Nothing was sent yet. If the work took all of the exchange's time, our own end of it would look like a peer that
	// does not answer: half of it is left for the hello.
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	tok, ok := x.s.tokens.answer(ctx, id, &c)
	if !ok {
		return wire.PushRequest{}, false
	}
	return wire.PushRequest{Record: record, Token: tok}, true
}

// turn writes a request and reads its answer. Each turn has the time of an exchange: the work in between is not the
// other side's.
func (x *libp2pExchanger) turn(st network.Stream, r *wire.Reader, req wire.PushRequest) (wire.PushResponse, error) {
	_ = st.SetDeadline(time.Now().Add(x.s.cfg.exchange)) // mocknet has none
	if err := respond(st, req); err != nil {
		return wire.PushResponse{}, err
	}
	frame, err := r.Frame(wire.MaxPushResponse)
	if err != nil {
		return wire.PushResponse{}, err
	}
	res, err := wire.DecodePushResponse(frame)
	if err == nil && req.Token != nil && res.Status == wire.StatusNeedsToken {
		x.s.tokens.rejected.Add(1)
	}
	return res, err
}

// concludePush takes the last answer, or the error with which the stream ended after the first. That is no miss: the peer
// has answered on this stream.
func (x *libp2pExchanger) concludePush(st network.Stream, id peer.ID, res wire.PushResponse, err error, a *answer) {
	a.err = err
	switch {
	case err == nil && res.Status == wire.StatusLeaving:
		a.outcome = protocol.Leaving
	case err == nil && res.Status == wire.StatusTaken:
		x.s.tokens.keep(id, res.Challenge)
	case err == nil:
	case errors.Is(err, wire.ErrUnknownStatus):
		x.s.refuseError(originOf(st), err) // an answer of a later revision: no violation
	case errors.Is(err, network.ErrReset):
	default:
		x.s.refuseError(originOf(st), err)
		_ = st.ResetWithError(resetCode(err))
	}
}
