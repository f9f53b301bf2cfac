package host

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

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

// inboundGrace is how long a stream is safe where there is no room for another. What a correct peer asks is answered in a
// round trip. A silent stream has its place for the serve timeout, so ids without number on a LAN, where addresses have
// no prefix, could hold all of them; as it is, they have to open some hundred streams a second for that.
const inboundGrace = time.Second

// Errors of streams that we end.
var (
	errPush       = errors.New("brahms: push names another peer than its sender")
	errCrowdedOut = errors.New("brahms: crowded out by newer streams")
)

// inbound is the set of streams that are being served.
type inbound struct {
	now   func() time.Time
	grace time.Duration

	mu      sync.Mutex
	closed  bool
	streams map[network.Stream]*list.Element
	order   list.List // of *servedStream, the oldest first
	ofKind  [kinds]int
	peers   map[peer.ID]int
	nets    map[netip.Prefix]int // fine and coarse ones, which differ in their lengths
	last    time.Time            // when the last stream arrived, while leaving the last of a peer that had not come since
	told    map[peer.ID]bool     // who has come since we are leaving; nil before
	wg      sync.WaitGroup
}

type servedStream struct {
	network.Stream
	kind         kind
	since        time.Time
	fine, coarse netip.Prefix
	public       bool
}

func newInbound() *inbound {
	return &inbound{
		now: time.Now, grace: inboundGrace,
		streams: make(map[network.Stream]*list.Element), peers: make(map[peer.ID]int), nets: make(map[netip.Prefix]int),
		last: time.Now(),
	}
}

// enter admits a stream of kind k, or says with which code to reset it, and whether that is because all places are taken.
func (in *inbound) enter(st network.Stream, k kind) (code network.StreamErrorCode, full, ok bool) {
	s := &servedStream{Stream: st, kind: k, since: in.now()}
	s.fine, s.coarse, s.public = addrPrefix(st.Conn().RemoteMultiaddr())
	code, full, out := in.place(s)
	if out != nil {
		_ = out.ResetWithError(network.StreamResourceLimitExceeded) // not under the lock: it may wait for the muxer
	}
	return code, full, code == 0
}

// place gives s a place, if need be that of the stream that it returns. The code is 0 if s has one.
func (in *inbound) place(s *servedStream) (code network.StreamErrorCode, full bool, out *servedStream) {
	in.mu.Lock()
	defer in.mu.Unlock()
	from := s.Conn().RemotePeer()
	switch {
	case in.closed:
		return network.StreamShutdown, false, nil
	case in.peers[from] >= maxInboundPerPeer:
		return network.StreamResourceLimitExceeded, false, nil
	}
	if rival, all := in.rivals(s); rival != nil {
		if out = in.crowdedOut(rival, s.since); out == nil {
			return network.StreamResourceLimitExceeded, all, nil
		}
		in.remove(out)
	}
	in.arrived(from, s.since)
	in.streams[s.Stream] = in.order.PushBack(s)
	in.account(s, 1)
	in.wg.Add(1)
	return 0, false, out
}

// rivals returns which streams take up what s needs a part of, nil if there is room for s; all says that it is room for
// anybody that is missing. The narrowest bound decides: one stream that goes makes room under the others as well.
func (in *inbound) rivals(s *servedStream) (rival func(*servedStream) bool, all bool) {
	switch {
	case s.public && in.nets[s.fine] >= maxInboundFine:
		return func(o *servedStream) bool { return o.public && o.fine == s.fine }, false
	case s.public && in.nets[s.coarse] >= maxInboundCoarse:
		return func(o *servedStream) bool { return o.public && o.coarse == s.coarse }, false
	case in.ofKind[s.kind] >= maxInboundOfKind:
		return func(o *servedStream) bool { return o.kind == s.kind }, true
	case len(in.streams) >= maxInbound:
		return func(*servedStream) bool { return true }, true
	}
	return nil, false
}

// crowdedOut returns the oldest of the rivals, nil if it is within its grace.
func (in *inbound) crowdedOut(rival func(*servedStream) bool, now time.Time) *servedStream {
	for e := in.order.Front(); e != nil; e = e.Next() {
		s := e.Value.(*servedStream)
		if now.Sub(s.since) < in.grace {
			return nil // and so are all after it
		}
		if rival(s) {
			return s
		}
	}
	return nil
}

func (in *inbound) account(s *servedStream, n int) {
	in.ofKind[s.kind] += n
	count(in.peers, s.Conn().RemotePeer(), n)
	if s.public {
		count(in.nets, s.fine, n)
		count(in.nets, s.coarse, n)
	}
}

func (in *inbound) remove(s *servedStream) {
	in.order.Remove(in.streams[s.Stream])
	delete(in.streams, s.Stream)
	in.account(s, -1)
}

// leave ends the serving of a stream and reports whether it had its place to the end.
func (in *inbound) leave(st network.Stream) (kept bool) {
	in.mu.Lock()
	e, kept := in.streams[st]
	if kept {
		in.remove(e.Value.(*servedStream))
	}
	in.mu.Unlock()
	in.wg.Done()
	return kept
}

// has reports whether a stream still has its place.
func (in *inbound) has(st network.Stream) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.streams[st] != nil
}

// count adds n to the number under k and keeps no zeros.
func count[K comparable](m map[K]int, k K, n int) {
	if m[k] += n; m[k] == 0 {
		delete(m, k)
	}
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
		defer s.inbound.leave(st)
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
		slow := &drip{r: st}
		r := borrowReader(slow)
		defer returnReader(r)
		if err := slow.judge(answer(st, r)); err != nil {
			if !s.inbound.has(st) {
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
