package host

import (
	"errors"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	"github.com/brahms-p2p/brahms-p2p/internal/limit"
	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/token"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A Reason says why input of another peer was refused, as a metric label. The reasons are a closed set: see Reasons.
type Reason string

// The reasons. What each means, and whether it is misbehaviour, stands in the table below.
const (
	ReasonBadFrame       Reason = "bad_frame"
	ReasonBadMessage     Reason = "bad_message"
	ReasonTrickled       Reason = "trickled"
	ReasonWrongPeer      Reason = "wrong_peer"
	ReasonUnknownStatus  Reason = "unknown_status"
	ReasonUnsolicited    Reason = "unsolicited"
	ReasonStreamFailed   Reason = "stream_failed"
	ReasonTooManyStreams Reason = "too_many_streams"
	ReasonNoResources    Reason = "no_resources"
	ReasonPushOverflow   Reason = "push_overflow"
	ReasonRateLimited    Reason = "rate_limited"
	ReasonPrefixLimited  Reason = "prefix_limited"
	ReasonPullBytes      Reason = "pull_bytes"
	ReasonPushCrowded    Reason = "push_crowded"
	ReasonInternalError  Reason = "internal_error"

	ReasonHelpUnknown   Reason = "help_unknown"
	ReasonHelpLimited   Reason = "help_limited"
	ReasonVouchUnsigned Reason = "vouch_unsigned"
	ReasonVouchForged   Reason = "vouch_forged"
	ReasonProbeForged   Reason = "probe_forged"

	ReasonTokenMissing     Reason = "token_missing"
	ReasonTokenScheme      Reason = "token_scheme"
	ReasonTokenSize        Reason = "token_size"
	ReasonTokenEpoch       Reason = "token_epoch"
	ReasonTokenReplayed    Reason = "token_replayed"
	ReasonTokenFull        Reason = "token_full"
	ReasonTokenProof       Reason = "token_proof"
	ReasonChallengeScheme  Reason = "challenge_scheme"
	ReasonChallengeTooHard Reason = "challenge_too_hard"

	// Those of records are "record_" and the name of the book's refusal.
	ReasonRecordBad          Reason = "record_bad"
	ReasonRecordUnverified   Reason = "record_unverified"
	ReasonRecordNotCanonical Reason = "record_not_canonical"
	ReasonRecordForged       Reason = "record_forged"
	ReasonRecordTooLarge     Reason = "record_too_large"
	ReasonRecordTooManyAddrs Reason = "record_too_many_addrs"
	ReasonRecordWrongPeer    Reason = "record_wrong_peer"
	ReasonRecordNoUsableAddr Reason = "record_no_usable_addr"
	ReasonRecordSelf         Reason = "record_self"
	ReasonRecordQuota        Reason = "record_quota"
	ReasonRecordFull         Reason = "record_full"
)

// Whether a reason is misbehaviour. It is if no correct peer gives cause for it, whatever the network between does: then
// EvtPeerMisbehaved and the canonical log line name the peer. Anything that bad luck can bring about is not.
const (
	misbehaviour = true
	badLuck      = false
)

// A RefusalInfo describes a Reason.
type RefusalInfo struct {
	Reason       Reason
	Misbehaviour bool // no correct peer gives cause for it
	Doc          string
}

// refusalTable has a line for each reason, and is the only place that says what it is.
var refusalTable = []RefusalInfo{
	{ReasonBadFrame, misbehaviour, "no frame, a truncated, oversized or malformed one, or bytes after the last"},
	{ReasonBadMessage, misbehaviour, "a message that does not parse or breaks a limit"},
	{ReasonTrickled, misbehaviour, "a message in so small pieces that its time ran out before its end came"},
	{ReasonWrongPeer, misbehaviour, "a push that names somebody else than its sender"},
	{ReasonUnknownStatus, badLuck, "an answer with a status that its exchange does not have: a later version may"},
	{ReasonUnsolicited, badLuck, "a pull reply that came after its round, or twice"},
	{ReasonStreamFailed, badLuck, "the stream broke or timed out"},
	{ReasonTooManyStreams, badLuck, "more streams at once than a peer, a prefix or all may open; and streams that others took the place of"},
	{ReasonNoResources, badLuck, "our own resource manager refused"},
	{ReasonPushOverflow, badLuck, "a push that found its queue full: it counts as load, unread"},
	{ReasonRateLimited, badLuck, "a stream beyond what a peer may open in a round: it may have shorter rounds"},
	{ReasonPrefixLimited, badLuck, "a stream beyond what the peers of one address prefix may open in a round"},
	{ReasonPullBytes, badLuck, "a pull beyond the bytes of answers of a round: it is told that there is no room"},
	{ReasonPushCrowded, badLuck, "a push beyond those of one address prefix that count in a round"},
	{ReasonInternalError, badLuck, "a handler panicked: a defect of ours, please report it"},

	{ReasonHelpUnknown, badLuck, "asked to probe a third peer of which we have no record, or which is one of us two: not done"},
	{ReasonHelpLimited, badLuck, "asked to probe a third peer, beyond what is done for others in a round: not done"},
	{ReasonVouchUnsigned, misbehaviour, "a helper's word that a suspect lives, without the suspect's signature"},
	{ReasonVouchForged, misbehaviour, "the same with a signature that is not the suspect's over our question: a replay, or of another key"},
	{ReasonProbeForged, misbehaviour, "a probe for another, answered with a signature that does not hold"},

	// Rounds that are not aligned, a receiver that was started anew and a network whose peers do not agree on the price all
	// make correct peers send tokens that do not hold.
	{ReasonTokenMissing, badLuck, "a push without a token, where one is asked"},
	{ReasonTokenScheme, badLuck, "a token of another scheme than the challenge"},
	{ReasonTokenSize, misbehaviour, "a token with a nonce or solution of a wrong length"},
	{ReasonTokenEpoch, badLuck, "a token of an epoch that is over or not yet there"},
	{ReasonTokenReplayed, badLuck, "a sender's second token of one epoch"},
	{ReasonTokenFull, badLuck, "no room to remember another token of its epoch"},
	{ReasonTokenProof, badLuck, "a token whose proof does not hold"},
	{ReasonChallengeScheme, badLuck, "a challenge that is missing or of a scheme that we do not know: not answered"},
	{ReasonChallengeTooHard, badLuck, "a challenge over the difficulty of our network: not answered"},

	{ReasonRecordBad, misbehaviour, "a peer's own record that does not parse, or has a wrong signature"},
	// What verifies is a matter of the library: whoever owns a key can sign so that some take it for good and others do not.
	{ReasonRecordUnverified, badLuck, "a record of another that does not parse, or has a wrong signature: the peer that passed it on may have other rules"},
	{ReasonRecordNotCanonical, misbehaviour, "the bytes of the envelope are not those that every encoder writes"},
	{ReasonRecordForged, misbehaviour, "signed with another key than that of the peer it names"},
	{ReasonRecordTooLarge, misbehaviour, "more bytes than a record may have"},
	{ReasonRecordTooManyAddrs, misbehaviour, "more addresses than a record may have"},
	{ReasonRecordWrongPeer, misbehaviour, "sent as the sender's own, and names another"},
	{ReasonRecordNoUsableAddr, badLuck, "no address that is believed from this source"},
	{ReasonRecordSelf, badLuck, "names this host"},
	{ReasonRecordQuota, badLuck, "everything of the namer's part of the book is in use"},
	{ReasonRecordFull, badLuck, "everything of the book is in use"},
}

// Reasons returns the closed set of reasons.
func Reasons() []RefusalInfo { return append([]RefusalInfo(nil), refusalTable...) }

// Misbehaviour reports whether no correct peer gives cause for r.
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

// add counts r and returns how often it has occurred.
func (c refusedCounts) add(r Reason) uint64 { return c[r].Add(1) }

func (c refusedCounts) addN(r Reason, n uint64) { c[r].Add(n) }

func (c refusedCounts) of(r Reason) uint64 { return c[r].Load() }

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

// origin is where input came from. The zero value is a source of our own, such as the discover function.
type origin struct {
	peer     peer.ID
	addr     multiaddr.Multiaddr // the remote's, of the connection; nil if that is not known
	protocol coreprotocol.ID     // the exchange; empty if what came is not of our protocols
}

func originOf(st network.Stream) origin {
	c := st.Conn()
	return origin{peer: c.RemotePeer(), addr: c.RemoteMultiaddr(), protocol: st.Protocol()}
}

// refuse is what happens to all input that is refused: it is counted, logged at debug, and held against its sender if it
// is misbehaviour. It never waits. err may be nil.
func (s *Service) refuse(from origin, why Reason, err error) {
	s.refused.add(why)
	s.cfg.tracers.refused(why, 1)
	log.Debugw("refused", "reason", why, "protocol", from.protocol, "peer", from.peer, "addr", from.addr, "err", err)
	if from.protocol != "" && why.Misbehaviour() {
		s.offences.note(from, why)
	}
}

// refuseError is refuse for the reason that an error of reading, decoding, the book or the node stands for.
func (s *Service) refuseError(from origin, err error) { s.refuse(from, reasonOf(err), err) }

// reasonOf returns the reason that an error stands for.
func reasonOf(err error) Reason {
	var why refusal
	switch {
	case errors.Is(err, errPush): // before the refusal that it wraps
		return ReasonWrongPeer
	case errors.Is(err, errVouchUnsigned):
		return ReasonVouchUnsigned
	case errors.Is(err, errVouchForged):
		return ReasonVouchForged
	case errors.Is(err, errProbeForged):
		return ReasonProbeForged
	case errors.As(err, &why):
		return why.reason()
	case errors.Is(err, wire.ErrEmpty), errors.Is(err, wire.ErrTruncated), errors.Is(err, wire.ErrVarint),
		errors.Is(err, wire.ErrTrailing), errors.Is(err, wire.ErrTooLarge):
		return ReasonBadFrame
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrLimit), errors.Is(err, protocol.ErrOversized):
		return ReasonBadMessage
	case errors.Is(err, wire.ErrUnknownStatus):
		return ReasonUnknownStatus
	case errors.Is(err, protocol.ErrUnsolicited):
		return ReasonUnsolicited
	case errors.Is(err, limit.ErrTrickled):
		return ReasonTrickled
	case errors.Is(err, errCrowdedOut):
		return ReasonTooManyStreams
	case errors.Is(err, network.ErrResourceLimitExceeded):
		return ReasonNoResources
	}
	for _, t := range tokenReasons {
		if errors.Is(err, t.err) {
			return t.reason
		}
	}
	return ReasonStreamFailed
}

// tokenReasons are the errors of package token, each with its reason.
var tokenReasons = []struct {
	err    error
	reason Reason
}{
	{token.ErrMissing, ReasonTokenMissing}, {token.ErrScheme, ReasonTokenScheme}, {token.ErrSize, ReasonTokenSize},
	{token.ErrEpoch, ReasonTokenEpoch}, {token.ErrReplayed, ReasonTokenReplayed}, {token.ErrFull, ReasonTokenFull},
	{token.ErrProof, ReasonTokenProof}, {token.ErrUnknownScheme, ReasonChallengeScheme}, {token.ErrTooHard, ReasonChallengeTooHard},
}

// resetCode is the code with which a stream is reset for an error of the other side.
func resetCode(err error) network.StreamErrorCode {
	if errors.Is(err, network.ErrResourceLimitExceeded) || errors.Is(err, errCrowdedOut) {
		return network.StreamResourceLimitExceeded
	}
	return network.StreamProtocolViolation
}
