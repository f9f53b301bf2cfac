package host

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// Bounds on what others may ask of us at once. A stream beyond them takes the place of one that has been served for long
// (crowdedOut), or is reset with StreamResourceLimitExceeded before anything of it is read, and is counted.
const (
	maxInbound        = 512            // streams that are served at once
	maxInboundOfKind  = maxInbound / 2 // of those, pushes, pulls or probes: a flood of one kind leaves room for the others
	maxInboundPerPeer = 8              // from one peer: push, pull and probe of one round, twice, and some that end late
	pushQueue         = 1024

	// Of a prefix of public addresses, or few addresses with many silent ids could hold most of the places.
	maxInboundFine   = maxInbound / 8 // /24 or /48
	maxInboundCoarse = maxInbound / 4 // /16 or /32
)

// inboundGrace is how long a stream is safe where there is no room for another: who wants to hold all places has to open
// some hundred streams a second.
const inboundGrace = time.Second

// Errors of streams that we end.
var (
	errPush       = errors.New("brahms: push names another peer than its sender")
	errCrowdedOut = errors.New("brahms: crowded out by newer streams")
)

// inbound is the set of streams that are being served, and who opened them.
type inbound struct {
	*limit.Places

	mu   sync.Mutex
	now  func() time.Time
	last time.Time        // when the last stream arrived, while leaving the last of a peer that had not come since
	told map[peer.ID]bool // who has come since we are leaving; nil before
}

func newInbound() *inbound { return newInboundBy(time.Now, inboundGrace) }

func newInboundBy(now func() time.Time, grace time.Duration) *inbound {
	in := &inbound{now: now, last: now()}
	in.Places = limit.NewPlaces(limit.Bounds{
		All: maxInbound, Class: maxInboundOfKind, Peer: maxInboundPerPeer, Fine: maxInboundFine, Coarse: maxInboundCoarse, Grace: grace,
	}, in.clock)
	return in
}

func (in *inbound) clock() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.now()
}

// enter admits a stream of kind k, or says with which code to reset it, and whether that is because all places are taken.
func (in *inbound) enter(st network.Stream, k kind) (code network.StreamErrorCode, full, ok bool) {
	if code, full, ok = in.Enter(st, int(k)); ok {
		in.arrived(st.Conn().RemotePeer())
	}
	return code, full, ok
}

// count adds n to the number under k and keeps no zeros.
func count[K comparable](m map[K]int, k K, n int) {
	if m[k] += n; m[k] == 0 {
		delete(m, k)
	}
}

// quiet returns for how long no stream has arrived, while leaving none of a peer that had not come since.
func (in *inbound) quiet() time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.now().Sub(in.last)
}

// handler makes the stream handler of exchanges of kind k. answer reads the request and writes the response; its error ends in
// a reset with a code and is counted. memory is what the handler may allocate for the request and the response.
func (s *Service) handler(k kind, memory int, answer func(network.Stream, *wire.Reader) error) network.StreamHandler {
	return func(st network.Stream) {
		began := time.Now()
		if !s.admit(st) {
			return
		}
		code, full, ok := s.inbound.enter(st, k)
		if !ok {
			if code == network.StreamResourceLimitExceeded {
				s.refuse(originOf(st), ReasonTooManyStreams, nil)
				if full {
					s.turnedAway.Add(1)
				}
				if full && k == push && !s.tokens.on() { // with tokens: not paid for, no load
					s.unread.note(st.Conn()) // load: a flood of streams must not hide the pushes that it keeps out
				}
			}
			_ = st.ResetWithError(code)
			return
		}
		defer s.inbound.Leave(st)
		// Not for hostile input, which returns errors: a panic here is a defect of ours or of a library below, and must
		// not take the application down with it.
		defer func() {
			if p := recover(); p != nil {
				s.panicked(originOf(st), p)
				_ = st.Reset()
			}
		}()
		scope := st.Scope()
		if err := scope.SetService(ServiceName); err != nil {
			s.noRoom(st, err)
			return
		}
		if err := scope.ReserveMemory(memory, network.ReservationPriorityAlways); err != nil {
			s.noRoom(st, err)
			return
		}
		defer scope.ReleaseMemory(memory)
		if err := st.SetDeadline(time.Now().Add(s.cfg.serve)); err != nil {
			log.Debugw("set deadline", "peer", st.Conn().RemotePeer(), "err", err) // mocknet has none
		}
		slow := &limit.Drip{From: st}
		r := borrowReader(slow)
		defer returnReader(r)
		if err := slow.Judge(answer(st, r)); err != nil {
			if !s.inbound.Has(st) {
				s.turnedAway.Add(1)
				err = errCrowdedOut
			}
			s.refuseError(originOf(st), err)
			_ = st.ResetWithError(resetCode(err))
			return
		}
		s.served.Add(1)
		s.traceServed(st.Protocol(), began)
		_ = st.Close()
	}
}

// noRoom refuses a stream for which our own resource manager has no room.
func (s *Service) noRoom(st network.Stream, err error) {
	s.turnedAway.Add(1)
	s.refuse(originOf(st), ReasonNoResources, err)
	_ = st.ResetWithError(network.StreamResourceLimitExceeded)
}

// panicked reports a panic of a handler. Only the first is above debug: whoever can cause one could fill the log.
func (s *Service) panicked(from origin, p any) {
	text := fmt.Sprintf("stream handler panicked: %v\n%s", p, debug.Stack())
	if s.refused.of(ReasonInternalError) == 0 {
		log.Error(text)
	}
	s.refuse(from, ReasonInternalError, errors.New(text))
}

// handlePush serves one push: the sender's own record, and nothing about anybody else.
func (s *Service) handlePush(st network.Stream, r *wire.Reader) error {
	for asked := false; ; asked = true {
		frame, err := r.Frame(wire.MaxPushRequest)
		if asked && errors.Is(err, wire.ErrEmpty) {
			return nil // the sender has what it asked for
		}
		if err != nil {
			return err
		}
		req, err := wire.DecodePushRequest(frame)
		if err != nil {
			return err
		}
		if asked && req.IsHello() {
			return fmt.Errorf("%w: second hello", wire.ErrMalformed)
		}
		res, err := s.answerPush(st, req)
		if err != nil {
			return err
		}
		if err := respond(st, res); err != nil {
			return err
		}
		if res.Status == wire.StatusNeedsToken && !asked {
			continue // the record, with a token if one is asked, may follow on this stream
		}
		// The answer did not wait for the sender's half-close; what comes before it is a violation all the same.
		if err := st.CloseWrite(); err != nil {
			return err
		}
		return r.EOF()
	}
}

// takePush takes a push that is paid for.
func (s *Service) takePush(st network.Stream, req wire.PushRequest) (wire.PushResponse, error) {
	from := st.Conn().RemotePeer()
	_, did, err := s.book.put(req.Record, fromFirstHand, from, connScope(st.Conn().RemoteMultiaddr()))
	switch why := refusal(0); {
	case err == nil:
	case errors.As(err, &why) && (why == errNoUsableAddr || why == errQuota || why == errFull):
		// Valid, but of no use to us: not taken, and no fault of the sender's.
		s.refuseError(originOf(st), err)
		return wire.PushResponse{Status: wire.StatusNoResources}, nil
	case why == errWrongPeer, why == errSelf:
		return wire.PushResponse{}, fmt.Errorf("%w: %w", errPush, err)
	default:
		return wire.PushResponse{}, err
	}
	select {
	case s.pushes <- newPushed(st.Conn(), did == putNewer || did == putAdded):
	default:
		// The loop is behind by a queue of pushes. The sender is told nothing: saying "busy" would tell an attacker
		// how much it takes. What is dropped counts as load.
		s.unread.note(st.Conn())
		s.refuse(originOf(st), ReasonPushOverflow, nil)
	}
	if s.hidden(st) {
		return wire.PushResponse{Status: wire.StatusLeaving}, nil // taken all the same
	}
	return wire.PushResponse{Status: wire.StatusTaken}, nil
}

// handlePull answers with the view that was published at the end of the last round, the same to everybody.
func (s *Service) handlePull(st network.Stream, r *wire.Reader) error {
	frame, err := r.Frame(wire.MaxPullRequest)
	if err != nil {
		return err
	}
	if _, err := wire.DecodePullRequest(frame); err != nil {
		return err
	}
	if err := r.EOF(); err != nil {
		return err
	}
	if s.leaving.Load() {
		return s.answerLeaving(st)
	}
	if s.hidden(st) {
		return respond(st, wire.PullResponse{Status: wire.StatusLeaving})
	}
	snap := s.Snapshot()
	reply, most := snap.reply, wire.MaxPullResponse
	if st.Conn().Stat().Limited {
		reply, most = snap.replyLess, wire.MaxPullResponseLimited
	}
	if !s.gate.answer(st.Conn().RemoteMultiaddr(), len(reply)) {
		s.refuse(originOf(st), ReasonPullBytes, nil)
		return respond(st, wire.PullResponse{Status: wire.StatusNoResources})
	}
	_, err = st.Write(s.tokens.forAsker(reply, st.Conn().RemotePeer(), most))
	return err
}

// handleProbe answers that we are here, or leaving. A probe on behalf of a third gets a signed answer, one that asks about
// a third what we find out.
func (s *Service) handleProbe(st network.Stream, r *wire.Reader) error {
	frame, err := r.Frame(wire.MaxProbeRequest)
	if err != nil {
		return err
	}
	req, err := wire.DecodeProbeRequest(frame)
	if err != nil {
		return err
	}
	if err := r.EOF(); err != nil {
		return err
	}
	res := wire.ProbeResponse{Status: wire.StatusAlive}
	if s.leaving.Load() || s.hidden(st) {
		res.Status = wire.StatusLeaving
	}
	if req.Target != "" {
		res.TargetStatus, res.TargetSignature = s.help(st, req)
	}
	if req.Sign {
		asker := req.Asker
		if asker == "" {
			asker = st.Conn().RemotePeer()
		}
		key := s.key()
		if key == nil {
			return fmt.Errorf("brahms: %w: no key to sign with", network.ErrResourceLimitExceeded)
		}
		res.Signature, err = wire.SignProbe(key, wire.ProbeProof{
			Protocol: string(st.Protocol()), Asker: asker, Signer: s.self, Nonce: req.Nonce, Status: res.Status,
		})
		if err != nil {
			return err
		}
	}
	return respond(st, res)
}

// readers are the buffers of streams that have ended: garbage of exchanges is most of what a busy service allocates.
var readers = sync.Pool{New: func() any { return wire.NewReader(nil) }}

func borrowReader(from io.Reader) *wire.Reader {
	r := readers.Get().(*wire.Reader)
	r.Reset(from)
	return r
}

func returnReader(r *wire.Reader) {
	r.Reset(nil)
	readers.Put(r)
}

// respond writes one message.
func respond(st network.Stream, m interface{ Marshal() ([]byte, error) }) error {
	b, err := m.Marshal()
	if err != nil {
		return fmt.Errorf("brahms: internal error: %v", err) // not wrapped: the other side is not to blame
	}
	return wire.WriteFrame(st, b)
}
