package spread

import (
	"errors"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"

	brahmshost "github.com/brahms-p2p/brahms-p2p/host"
	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message"
)

// A Reason says why input of another peer was refused, as a metric label. The reasons are a closed set: see Reasons.
type Reason string

// The reasons. What each means, and whether it is misbehaviour, stands in the table below.
const (
	ReasonBadFrame       Reason = "bad_frame"
	ReasonBadMessage     Reason = "bad_message"
	ReasonTrickled       Reason = "trickled"
	ReasonForged         Reason = "forged"
	ReasonUnverified     Reason = "unverified"
	ReasonTooOld         Reason = "too_old"
	ReasonTooEarly       Reason = "too_early"
	ReasonOriginRate     Reason = "origin_rate"
	ReasonSenderRate     Reason = "sender_rate"
	ReasonPrefixRate     Reason = "prefix_rate"
	ReasonMemoryFull     Reason = "memory_full"
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
	{ReasonBadMessage, true, "a message that does not parse or breaks a limit, which all peers of a network share"},
	{ReasonTrickled, true, "a message in so small pieces that its time ran out before its end came"},
	{ReasonForged, true, "a message that its sender sent as its own and did not sign"},
	{ReasonUnverified, false, "a message of a third that does not verify here: the peer that passed it on may have other rules"},
	{ReasonTooOld, false, "a message that is too old to be told from one that was seen and forgotten"},
	{ReasonTooEarly, false, "a message from the future: a clock is wrong, the origin's or ours"},
	{ReasonOriginRate, false, "a message beyond those that are taken of one origin"},
	{ReasonSenderRate, false, "a copy beyond those that are taken from one neighbour"},
	{ReasonPrefixRate, false, "a copy beyond those that are taken from the peers of one address prefix"},
	{ReasonMemoryFull, false, "a message that there is no room to remember"},
	{ReasonTooManyStreams, false, "more streams at once than a peer, a prefix or all may open; and streams that others took the place of"},
	{ReasonNoResources, false, "our own resource manager refused"},
	{ReasonUnknownStatus, false, "an answer with a status that is none: a later version may have it"},
	{ReasonStreamFailed, false, "the stream broke or timed out"},
	{ReasonInternalError, false, "a panic: a defect of ours, please report it"},
}

// Reasons returns the closed set of reasons.
func Reasons() []RefusalInfo { return append([]RefusalInfo(nil), refusalTable...) }

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

// Misbehaviour reports whether no correct peer gives cause for r: then the Brahms service names the peer.
func (r Reason) Misbehaviour() bool {
	for i := range refusalTable {
		if refusalTable[i].Reason == r {
			return refusalTable[i].Misbehaviour
		}
	}
	return false
}

// refuse is what happens to all input that is refused: it is counted, logged at debug, and held against its sender if it
// is misbehaviour. It never waits. err may be nil.
func (s *Service) refuse(from source, why Reason, err error) {
	s.refused[why].Add(1)
	log.Debugw("message refused", "reason", why, "peer", from.peer, "addr", from.addr, "err", err)
	if why.Misbehaviour() {
		s.peers.Accuse(brahmshost.Offence{Peer: from.peer, Addr: from.addr, Reason: brahmshost.Reason(why), Protocol: s.protocol})
	}
}

// reasonOf returns the reason that an error stands for.
func reasonOf(err error) Reason {
	switch {
	case errors.Is(err, errUnverified): // before the error that it wraps
		return ReasonUnverified
	case errors.Is(err, limit.ErrTrickled):
		return ReasonTrickled
	case errors.Is(err, errCrowdedOut):
		return ReasonTooManyStreams
	case errors.Is(err, wire.ErrEmpty), errors.Is(err, wire.ErrTruncated), errors.Is(err, wire.ErrVarint),
		errors.Is(err, wire.ErrTrailing), errors.Is(err, wire.ErrTooLarge):
		return ReasonBadFrame
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrLimit):
		return ReasonBadMessage
	case errors.Is(err, message.ErrForged):
		return ReasonForged
	case errors.Is(err, wire.ErrUnknownStatus):
		return ReasonUnknownStatus
	case errors.Is(err, network.ErrResourceLimitExceeded):
		return ReasonNoResources
	}
	return ReasonStreamFailed
}

// resetCode is the code with which a stream is reset for an error.
func resetCode(err error) network.StreamErrorCode {
	if why := reasonOf(err); why == ReasonNoResources || why == ReasonTooManyStreams {
		return network.StreamResourceLimitExceeded
	}
	return network.StreamProtocolViolation
}
