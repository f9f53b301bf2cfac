package host

import (
	"errors"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/brahms-p2p/brahms-p2p/protocol"
	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// reason says why input of others was refused: a closed set, for Status.Refused. The records' reasons follow it there
// with the prefix "record_" (refusal).
type reason uint8

const (
	badFrame      reason = iota // no frame, or a truncated, oversized or malformed one
	badMessage                  // a message that does not parse or breaks a limit
	streamFailed                // the stream broke or timed out while it was served
	tooManyStream               // more streams at once than a peer, or all peers, may open
	noResources                 // our resource manager refused
	wrongPeer                   // a push that names somebody else than its sender
	pushOverflow                // a push that found its queue full: it counts as load, unread
	unsolicited                 // a pull reply that came after its round, or twice
	unknownStatus               // an answer with a status that its exchange does not have
	handlerPanic                // a handler panicked: a defect of ours
	reasons
)

var reasonNames = [reasons]string{
	"bad_frame", "bad_message", "stream_failed", "too_many_streams", "no_resources", "wrong_peer", "push_overflow",
	"unsolicited", "unknown_status", "internal_error",
}

// refusedCounts counts refused input by reason.
type refusedCounts struct {
	by      [reasons]atomic.Uint64
	records [refusals]atomic.Uint64
}

func (c *refusedCounts) add(r reason) { c.by[r].Add(1) }

// addRecord counts the error of a book's put.
func (c *refusedCounts) addRecord(err error) {
	if why := refusal(0); errors.As(err, &why) {
		c.records[why].Add(1)
	}
}

func (c *refusedCounts) counts() map[string]uint64 {
	out := make(map[string]uint64)
	for r := range reasons {
		if n := c.by[r].Load(); n > 0 {
			out[reasonNames[r]] = n
		}
	}
	for r := refusal(1); r < refusals; r++ {
		if n := c.records[r].Load(); n > 0 {
			out["record_"+r.String()] = n
		}
	}
	return out
}

// addError counts the error of reading or decoding a message, or of the node's refusal of a reply.
func (c *refusedCounts) addError(err error) {
	switch {
	case errors.Is(err, wire.ErrEmpty), errors.Is(err, wire.ErrTruncated), errors.Is(err, wire.ErrVarint),
		errors.Is(err, wire.ErrTrailing), errors.Is(err, wire.ErrTooLarge):
		c.add(badFrame)
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrLimit), errors.Is(err, protocol.ErrOversized):
		c.add(badMessage)
	case errors.Is(err, wire.ErrUnknownStatus):
		c.add(unknownStatus)
	case errors.Is(err, protocol.ErrUnsolicited):
		c.add(unsolicited)
	case errors.Is(err, errPush):
		c.add(wrongPeer)
	default:
		if why := refusal(0); errors.As(err, &why) {
			c.addRecord(err)
			return
		}
		c.add(streamFailed)
	}
}

// resetCode is the code with which a stream is reset for an error of the other side.
func resetCode(err error) network.StreamErrorCode {
	if errors.Is(err, network.ErrResourceLimitExceeded) {
		return network.StreamResourceLimitExceeded
	}
	return network.StreamProtocolViolation
}
