package wire

import "errors"

// Errors of the frame reader.
var (
	// ErrEmpty: the stream ended before the first byte of a frame.
	ErrEmpty = errors.New("wire: no frame before the end of the stream")
	// ErrTruncated: the stream ended inside a frame.
	ErrTruncated = errors.New("wire: truncated frame")
	// ErrVarint: the length is not a minimal unsigned varint of at most 9 bytes.
	ErrVarint = errors.New("wire: malformed length prefix")
	// ErrTrailing: bytes where the stream should have ended.
	ErrTrailing = errors.New("wire: bytes after the last frame")
)

// ErrTooLarge: a frame, a message or a record is larger than its limit. Frames report it before their body is read.
var ErrTooLarge = errors.New("wire: too large")

// Errors of the Decode functions, and of Marshal for a message that no peer would take.
var (
	// ErrMalformed: not protobuf, a known field of another type, a group, or a single field given twice.
	ErrMalformed = errors.New("wire: malformed message")
	// ErrLimit: a field exceeds its limit, or lacks what it needs (an entry without a record or with count 0).
	ErrLimit = errors.New("wire: field out of limits")
	// ErrUnknownStatus: the answer is well formed, but its status is 0, not known, or not one that this exchange has.
	// Such an answer is discarded: it is no violation, a later revision may have sent it.
	ErrUnknownStatus = errors.New("wire: unknown status")
)

// Errors of OpenRecord and SealRecord, beside ErrTooLarge.
var (
	// ErrBadRecord: not an envelope with a peer record in it, or one whose signature does not verify.
	ErrBadRecord = errors.New("wire: bad peer record")
	// ErrNotCanonical: a valid envelope in another form than the one that its signer wrote.
	ErrNotCanonical = errors.New("wire: peer record not in canonical form")
	// ErrForged: properly signed, but not by the peer that the record names.
	ErrForged = errors.New("wire: peer record signed by another peer")
	// ErrTooManyAddrs: more than MaxRecordAddrs addresses.
	ErrTooManyAddrs = errors.New("wire: too many addresses in peer record")
)

// ErrBadSignature: the signature of a probe answer does not verify.
var ErrBadSignature = errors.New("wire: bad probe signature")
