package consensus

import (
	"errors"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	frames "github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A Reason says why input of another peer was refused, as a metric label. The reasons are a closed set: see Reasons.
type Reason string

// The reasons. What each means, and whether it is misbehaviour, stands in the table below.
const (
	ReasonBadFrame       Reason = "bad_frame"
	ReasonBadMessage     Reason = "bad_message"
	ReasonTrickled       Reason = "trickled"
	ReasonWrongPoll      Reason = "wrong_poll"
	ReasonUnasked        Reason = "unasked"
	ReasonForged         Reason = "forged"
	ReasonMayNotPropose  Reason = "may_not_propose"
	ReasonOriginFull     Reason = "origin_full"
	ReasonEpochFull      Reason = "epoch_full"
	ReasonTooLate        Reason = "too_late"
	ReasonRateLimited    Reason = "rate_limited"
	ReasonPrefixLimited  Reason = "prefix_limited"
	ReasonTooManyStreams Reason = "too_many_streams"
	ReasonNoResources    Reason = "no_resources"
	ReasonUnknownStatus  Reason = "unknown_status"
	ReasonStreamFailed   Reason = "stream_failed"
	ReasonInternalError  Reason = "internal_error"
)

// A RefusalInfo describes a Reason.
type RefusalInfo struct {
	Reason       Reason
	Misbehaviour bool // no correct peer gives cause for it
	Doc          string
}

// refusalTable has a line for each reason, and is the only place that says what it is.
var refusalTable = []RefusalInfo{
	{ReasonBadFrame, true, "no frame, a truncated, oversized or malformed one, or bytes after it"},
	{ReasonBadMessage, true, "a message that does not parse or breaks a limit"},
	{ReasonTrickled, true, "a request in so small pieces that its time ran out before its end came"},
	{ReasonWrongPoll, true, "an answer with the nonce or the epoch of another poll"},
	{ReasonUnasked, true, "an item that was not asked for, or twice"},
	{ReasonForged, true, "an item that its origin did not sign for this network: correct peers verify before they keep it"},
	{ReasonMayNotPropose, false, "an item of an origin that may not propose here: the peer has another rule"},
	{ReasonOriginFull, false, "an item beyond those that are taken of one origin in an epoch"},
	{ReasonEpochFull, false, "an item for which the epoch has no room"},
	{ReasonTooLate, false, "an answer or item after its round"},
	{ReasonRateLimited, false, "more streams in a round than a peer may open"},
	{ReasonPrefixLimited, false, "more streams in a round than the peers of an address prefix may open"},
	{ReasonTooManyStreams, false, "more streams at once than a peer, an address prefix or all peers may open"},
	{ReasonNoResources, false, "our own resource manager refused"},
	{ReasonUnknownStatus, false, "an answer with a status that is none: a later version may have it"},
	{ReasonStreamFailed, false, "the stream broke or timed out"},
	{ReasonInternalError, false, "a panic: a defect of ours, please report it"},
}

// Reasons returns the closed set of reasons.
func Reasons() []RefusalInfo { return append([]RefusalInfo(nil), refusalTable...) }

// Misbehaviour reports whether no correct peer gives cause for the reason.
func (r Reason) Misbehaviour() bool {
	for i := range refusalTable {
		if refusalTable[i].Reason == r {
			return refusalTable[i].Misbehaviour
		}
	}
	return false
}

// refusedCounts counts refused input by reason. The map is not written to after its making.
type refusedCounts map[Reason]*atomic.Uint64

func newRefusedCounts() refusedCounts {
	c := make(refusedCounts, len(refusalTable))
	for i := range refusalTable {
		c[refusalTable[i].Reason] = new(atomic.Uint64)
	}
	return c
}

// counts returns what has occurred.
func (c refusedCounts) counts() map[Reason]uint64 {
	out := make(map[Reason]uint64)
	for r, n := range c {
		if n := n.Load(); n > 0 {
			out[r] = n
		}
	}
	return out
}

// origin is where input came from.
type origin struct {
	peer     peer.ID
	addr     multiaddr.Multiaddr // the remote's, of the connection; nil if there is none
	protocol coreprotocol.ID
}

func originOf(st network.Stream) origin {
	c := st.Conn()
	return origin{peer: c.RemotePeer(), addr: c.RemoteMultiaddr(), protocol: st.Protocol()}
}

// refuse is what happens to all input that is refused: it is counted, logged at debug, and held against its sender, by
// the sampler, if it is misbehaviour. It never waits. err may be nil.
func (s *Service) refuse(from origin, why Reason, err error) {
	s.refused[why].Add(1)
	s.cfg.tracers.refused(why)
	log.Debugw("refused", "reason", why, "protocol", from.protocol, "peer", from.peer, "addr", from.addr, "err", err)
	if why.Misbehaviour() {
		s.sampler.Accuse(brahmshost.Offence{Peer: from.peer, Addr: from.addr, Reason: brahmshost.Reason(why), Protocol: from.protocol})
	}
}

// reasonOf returns the reason that an error stands for.
func reasonOf(err error) Reason {
	for _, t := range reasonTable {
		if errors.Is(err, t.err) {
			return t.reason
		}
	}
	return ReasonStreamFailed
}

// isViolation reports whether an error is one that only the other side can have caused.
func isViolation(err error) bool { return reasonOf(err).Misbehaviour() }

var reasonTable = []struct {
	err    error
	reason Reason
}{
	{limit.ErrTrickled, ReasonTrickled},
	{frames.ErrEmpty, ReasonBadFrame}, {frames.ErrTruncated, ReasonBadFrame}, {frames.ErrVarint, ReasonBadFrame},
	{frames.ErrTrailing, ReasonBadFrame}, {frames.ErrTooLarge, ReasonBadFrame},
	{wire.ErrTooLarge, ReasonBadMessage}, {wire.ErrMalformed, ReasonBadMessage}, {wire.ErrLimit, ReasonBadMessage},
	{wire.ErrUnknownStatus, ReasonUnknownStatus}, {wire.ErrBadSignature, ReasonForged},
	{machine.ErrItem, ReasonBadMessage}, {machine.ErrAnswer, ReasonBadMessage},
	{errWrongPoll, ReasonWrongPoll}, {errUnasked, ReasonUnasked}, {errMayNot, ReasonMayNotPropose},
	{machine.ErrOriginFull, ReasonOriginFull}, {machine.ErrFull, ReasonEpochFull},
	{machine.ErrUnsolicited, ReasonTooLate}, {machine.ErrEpoch, ReasonTooLate}, {machine.ErrWindow, ReasonTooLate},
	{errCrowdedOut, ReasonTooManyStreams}, {network.ErrResourceLimitExceeded, ReasonNoResources},
}

// resetCode is the code with which a stream is reset for an error.
func resetCode(err error) network.StreamErrorCode {
	if why := reasonOf(err); why == ReasonNoResources || why == ReasonTooManyStreams {
		return network.StreamResourceLimitExceeded
	}
	return network.StreamProtocolViolation
}
