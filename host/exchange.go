package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// kind is one of the three exchanges.
type kind uint8

const (
	pull kind = iota // first, so that its reply has the most of the round
	push
	probe
	kinds
)

// answer is what came of one exchange.
type answer struct {
	outcome   protocol.ProbeOutcome
	unreached bool         // no stream could be opened: another exchange in this round would fail alike
	replied   bool         // a pull reply was taken: ids are its
	ids       []peer.ID    // with repeats
	newer     []peer.ID    // ids of which a newer record came
	conn      network.Conn // over which the exchange went, or would have; nil if there is none
	dialled   bool         // by us, for this exchange
	opened    time.Time    // when the connection came about that was there already; zero if none was, or unknown
	err       error        // for the log
}

// exchanger does exchanges with other peers. Tests put a fake in place of the network.
type exchanger interface {
	exchange(ctx context.Context, k kind, id peer.ID) answer
	// indirect asks helper to probe target; onBehalf is what a helper does then.
	indirect(ctx context.Context, helper, target peer.ID) (yes bool, a answer)
	onBehalf(ctx context.Context, target, asker peer.ID, nonce []byte) (sig []byte, a answer)
}

// libp2pExchanger is the outbound half of the service.
type libp2pExchanger struct {
	s *Service
	h corehost.Host
}

func (x *libp2pExchanger) exchange(ctx context.Context, k kind, id peer.ID) answer {
	return x.carry(ctx, k, id, func(ctx context.Context, st network.Stream, a *answer) error {
		switch k {
		case push:
			return x.push(ctx, st, id, a)
		case pull:
			return x.pull(st, id, a)
		default:
			return x.probe(st, a)
		}
	})
}

// carry opens a stream of kind k to id and lets do have it.
func (x *libp2pExchanger) carry(ctx context.Context, k kind, id peer.ID, do func(context.Context, network.Stream, *answer) error) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, x.s.cfg.dial+x.s.cfg.exchange)
	defer cancel()
	st, dialled, err := x.open(ctx, x.s.protocols[k], id)
	if err != nil {
		a = answer{outcome: judge(ctx, err), unreached: true, err: err, dialled: dialled}
		// A peer that does not speak our protocol was dialled all the same: the connection is ours to close.
		for _, c := range x.h.Network().ConnsToPeer(id) {
			switch {
			case !dialled:
				a.opened = c.Stat().Opened
			case c.Stat().Direction == network.DirOutbound:
				a.conn = c
			}
		}
		return a
	}
	a = answer{outcome: protocol.AliveUnproven, conn: st.Conn(), dialled: dialled, opened: st.Conn().Stat().Opened}
	if st.Conn().Stat().Direction == network.DirOutbound {
		a.outcome = protocol.Alive
	}
	// The stream's deadline does not know of Close.
	stop := context.AfterFunc(ctx, func() { _ = st.ResetWithError(network.StreamShutdown) })
	defer stop()
	fail := func(err error) answer {
		if errors.Is(err, wire.ErrUnknownStatus) {
			_ = st.Close() // an answer of a later revision: of no use, but no violation, and an answer
		} else {
			_ = st.ResetWithError(resetCode(err))
			a.outcome = judge(ctx, err)
		}
		a.err, a.replied, a.ids, a.newer = err, false, nil, nil
		return a
	}
	scope := st.Scope()
	if err := scope.SetService(ServiceName); err != nil {
		return fail(err)
	}
	memory := responseMemory[k]
	if err := scope.ReserveMemory(memory, network.ReservationPriorityAlways); err != nil {
		return fail(err)
	}
	defer scope.ReleaseMemory(memory)
	_ = st.SetDeadline(time.Now().Add(x.s.cfg.exchange)) // mocknet has none; ctx bounds the dial only
	if err := do(ctx, st, &a); err != nil {
		if !errors.Is(err, network.ErrReset) {
			x.s.refuseError(originOf(st), err)
		}
		return fail(err)
	}
	_ = st.Close()
	return a
}

// responseMemory is what an exchange may allocate for the other side's answer.
var responseMemory = [kinds]int{pull: wire.MaxPullResponse, push: wire.MaxPushResponse, probe: wire.MaxProbeResponse}

// open opens a stream to id, over a connection that exists or over a new one. It is a real attempt: where libp2p would
// refuse to dial because an earlier dial failed, that memory is cleared first, or every probe after the first would
// fail unheard. Addresses that we know, less those that the budget holds back, enter the host's peerstore for as long as
// the dial may last; those that libp2p then dials it keeps for peerstore.TempAddrTTL itself.
func (x *libp2pExchanger) open(ctx context.Context, pid coreprotocol.ID, id peer.ID) (st network.Stream, dialled bool, err error) {
	switch x.h.Network().Connectedness(id) {
	case network.Connected, network.Limited:
	default:
		var at attempt
		if at, err = x.dialable(ctx, id); err != nil {
			return nil, false, err
		}
		dialled = true
		x.s.dials.Add(1)
		defer func() {
			var c network.Conn
			if err == nil {
				c = st.Conn()
			}
			x.dialled(at, c, err)
			err = at.blame(err, x.s.dialling.knows(id))
		}()
	}
	ctx = network.WithDialPeerTimeout(network.WithAllowLimitedConn(ctx, ServiceName), x.s.cfg.dial)
	st, err = x.h.NewStream(context.WithValue(ctx, exchanging{}, true), id, pid)
	return st, dialled, err
}

// refusedByUs reports whether our own host refused, without asking the peer.
func refusedByUs(err error) bool {
	return errors.Is(err, network.ErrResourceLimitExceeded) ||
		errors.Is(err, errWithheld) || errors.Is(err, errSpent) ||
		errors.Is(err, swarm.ErrDialBackoff) ||
		errors.Is(err, swarm.ErrDialRefusedBlackHole) ||
		errors.Is(err, swarm.ErrGaterDisallowedConnection) ||
		errors.Is(err, swarm.ErrDialToSelf) ||
		errors.Is(err, swarm.ErrNoTransport) ||
		errors.Is(err, swarm.ErrSwarmClosed)
}

// attempted reports whether one address at least was really dialled, or called through a relay. The error of a relayed
// address may hold that of a dial of the relay.
func attempted(dial *swarm.DialError) bool {
	for i := range dial.DialErrors {
		cause := dial.DialErrors[i].Cause
		var relay *swarm.DialError
		if errors.As(cause, &relay) && len(relay.DialErrors)+relay.Skipped > 0 {
			if attempted(relay) {
				return true
			}
		} else if !refusedByUs(cause) {
			return true
		}
	}
	return dial.Skipped > 0
}

// judge says what a failed exchange tells of the peer. Only a real attempt is evidence: what our own host refused tells
// nothing, and neither does a peer that says it has no room for us now.
func judge(ctx context.Context, err error) protocol.ProbeOutcome {
	o := judgeAttempt(ctx, err)
	if o == protocol.Missed && errors.Is(err, errPartly) {
		return protocol.Withheld
	}
	return o
}

func judgeAttempt(ctx context.Context, err error) protocol.ProbeOutcome {
	var reset *network.StreamError
	var dial *swarm.DialError
	switch {
	case errors.Is(ctx.Err(), context.Canceled), // Close
		relayFull(err):
		return protocol.NoEvidence
	case errors.As(err, &dial) && len(dial.DialErrors)+dial.Skipped > 0:
		// One address that was really dialled is a real attempt, whatever our own host refused of the others: where
		// libp2p holds IPv6 or UDP for a black hole, or a gater refuses a range, each failed dial holds refusals.
		if attempted(dial) {
			return protocol.Missed
		}
		undialable := true
		for i := range dial.DialErrors {
			undialable = undialable && errors.Is(dial.DialErrors[i].Cause, swarm.ErrNoTransport)
		}
		if undialable {
			// As good as no address. Or who names only such addresses would keep its slots for ever after it has gone.
			return protocol.Missed
		}
		return protocol.NoEvidence
	case errors.Is(err, errWithheld), errors.Is(err, errMisnamed):
		return protocol.Withheld
	case refusedByUs(err),
		errors.As(err, &reset) && reset.Remote &&
			(reset.ErrorCode == network.StreamResourceLimitExceeded || reset.ErrorCode == network.StreamRateLimited ||
				reset.ErrorCode == network.StreamShutdown):
		return protocol.NoEvidence
	}
	return protocol.Missed
}

// ask writes the request, ends our side, reads the answer to its end and gives it to decode.
func ask(st network.Stream, req interface{ Marshal() ([]byte, error) }, max int, decode func([]byte) error) error {
	if err := respond(st, req); err != nil {
		return err
	}
	// A reset that came meanwhile fails this as well, with an error of the muxer's own; the read reports it as libp2p's.
	_ = st.CloseWrite()
	slow := &limit.Drip{From: st}
	r := borrowReader(slow)
	defer returnReader(r)
	frame, err := r.Frame(max)
	if err != nil {
		return slow.Judge(err)
	}
	if err := decode(frame); err != nil {
		return err
	}
	return slow.Judge(r.EOF())
}

func (x *libp2pExchanger) push(ctx context.Context, st network.Stream, id peer.ID, a *answer) error {
	own := x.s.own.Load()
	if own == nil {
		return fmt.Errorf("brahms: %w: no address to push", network.ErrResourceLimitExceeded)
	}
	if x.s.tokens.on() {
		return x.pushPriced(ctx, st, id, own.raw, a)
	}
	var res wire.PushResponse
	err := ask(st, wire.PushRequest{Record: own.raw}, wire.MaxPushResponse, func(frame []byte) (err error) {
		res, err = wire.DecodePushResponse(frame)
		return err
	})
	if err != nil {
		return err
	}
	switch res.Status {
	case wire.StatusLeaving:
		a.outcome = protocol.Leaving
	case wire.StatusNeedsToken: // its network has a price and ours has none: nothing to answer it with
		x.s.tokens.answer(ctx, id, res.Challenge)
	}
	return nil
}

// maxUnverified is how many records of a pull answer may fail to verify: each costs a verification. With one more the
// answer is worth nothing.
const maxUnverified = 4

// gossiped is a reason that the book gives, for a record that somebody else passed on.
func gossiped(why Reason) Reason {
	if why == ReasonRecordBad {
		return ReasonRecordUnverified
	}
	return why
}

func (x *libp2pExchanger) pull(st network.Stream, id peer.ID, a *answer) error {
	most := wire.MaxPullResponse
	if st.Conn().Stat().Limited {
		most = wire.MaxPullResponseLimited
	}
	var res wire.PullResponse
	err := ask(st, wire.PullRequest{}, most, func(frame []byte) (err error) {
		res, err = wire.DecodePullResponse(frame)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case res.Status == wire.StatusTaken:
		x.s.tokens.keep(id, res.Challenge)
	case res.Status == wire.StatusLeaving && len(res.Entries) > 0:
		a.outcome = protocol.Leaving // its view is as good as ever
	case res.Status == wire.StatusLeaving:
		a.outcome = protocol.Leaving
		return nil
	default:
		return nil
	}
	scope := connScope(st.Conn().RemoteMultiaddr())
	unverified := 0
	listed := make(map[peer.ID]bool, len(res.Entries))
	for _, e := range res.Entries {
		rec, did, err := x.s.book.put(e.Record, fromGossip, id, scope)
		if errors.Is(err, errSelf) {
			continue // we are in the views of others; that is no news and no offence
		}
		if err != nil {
			why := gossiped(reasonOf(err))
			x.s.refuse(originOf(st), why, err)
			if why == ReasonRecordUnverified {
				unverified++
			}
			if why.Misbehaviour() || unverified > maxUnverified {
				// No correct peer passes on such a record. The peer is alive; its word is worth nothing.
				a.ids, a.newer = nil, nil
				return nil
			}
			continue
		}
		if listed[rec.id] {
			continue
		}
		listed[rec.id] = true
		if did == putNewer || did == putAdded { // added: the book has forgotten what it had, so this may be news
			a.newer = append(a.newer, rec.id)
		}
		for range e.Count {
			a.ids = append(a.ids, rec.id)
		}
	}
	a.replied = true
	return nil
}

func (x *libp2pExchanger) probe(st network.Stream, a *answer) error {
	nonce := make([]byte, wire.MinNonceSize)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	res, err := askProbe(st, wire.ProbeRequest{Nonce: nonce})
	if err != nil {
		return err
	}
	if res.Status == wire.StatusLeaving {
		a.outcome = protocol.Leaving
	}
	return nil
}
