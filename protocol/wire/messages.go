package wire

import (
	"strconv"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Status is the outcome that an answer reports.
type Status int32

// The statuses of r0. Push answers carry StatusTaken, StatusNeedsToken, StatusNoResources or StatusLeaving, pull
// answers StatusTaken, StatusNoResources or StatusLeaving, probe answers StatusAlive or StatusLeaving. In
// ProbeResponse.TargetStatus there may be any; what is neither StatusAlive nor StatusLeaving is no evidence.
const (
	StatusTaken       Status = 1
	StatusAlive       Status = 1 // the probe's word for the same value
	StatusNeedsToken  Status = 2
	StatusNoResources Status = 3
	StatusLeaving     Status = 4
	StatusUnknown     Status = 5
)

// Known reports whether s is a status of r0. 0 is not.
func (s Status) Known() bool { return s >= StatusTaken && s <= StatusUnknown }

// String returns a short name, fit for a metric's label if s is known.
func (s Status) String() string {
	switch s {
	case StatusTaken:
		return "taken"
	case StatusNeedsToken:
		return "needs_token"
	case StatusNoResources:
		return "no_resources"
	case StatusLeaving:
		return "leaving"
	case StatusUnknown:
		return "unknown"
	}
	return "status(" + strconv.Itoa(int(s)) + ")"
}

// PushRequest announces its sender. With neither field it is a hello, which asks for a challenge.
type PushRequest struct {
	Record []byte // the sender's own signed peer record, not verified by the decoder: see OpenRecord
	Token  *Token // nil: none
}

// IsHello reports whether the request carries neither a record nor a token.
func (m PushRequest) IsHello() bool { return len(m.Record) == 0 && m.Token == nil }

// PushResponse answers a push or a hello.
type PushResponse struct {
	Status    Status
	Challenge *Challenge // with StatusNeedsToken the one to answer now, else one for a later push; nil: none
}

// PullRequest asks for the receiver's published view.
type PullRequest struct{}

// Entry is one distinct peer of a view.
type Entry struct {
	Record []byte // the peer's signed peer record, not verified by the decoder: see OpenRecord
	Count  uint32 // how many slots hold the peer, at least 1
}

// PullResponse carries a published view. Decoding bounds the entries; that they are distinct peers is only known after
// their records were opened.
type PullResponse struct {
	Status    Status
	Entries   []Entry
	Challenge *Challenge // for a later push; nil: none
}

// ProbeRequest asks whether the receiver, or Target, is there.
type ProbeRequest struct {
	Nonce  []byte
	Target peer.ID // "": the receiver itself
	Sign   bool    // ask for a signature; the nonce then has at least MinNonceSize bytes
	Asker  peer.ID // the peer on whose behalf the probe is sent; "": the sender
}

// ProbeResponse answers a probe.
type ProbeResponse struct {
	Status          Status
	Signature       []byte // the answering peer's, if the request had Sign: see VerifyProbe
	TargetStatus    Status // 0 where the request named no target; values that are not known are kept
	TargetSignature []byte // the target's, as the helper got it
}

// Challenge says what a push token must answer. Scheme 0: no token is asked.
type Challenge struct {
	Scheme uint32
	Seed   []byte
	Epoch  uint64
	Bits   uint32
}

// Token answers a Challenge.
type Token struct {
	Scheme   uint32
	Epoch    uint64
	Nonce    []byte
	Solution []byte
}
