package message

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
	"github.com/brahms-p2p/brahms-p2p/spread/message/pb"
)

// A Hash names a message: the SHA-256 of its serialised body, as it came.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// HashOf returns the hash of a serialised body.
func HashOf(body []byte) Hash { return sha256.Sum256(body) }

// A Body is what the origin of a message says and signs.
type Body struct {
	Origin  peer.ID
	Topic   string // 1 to MaxTopic bytes of UTF-8
	Time    int64  // by the origin's clock, milliseconds since 1970 UTC, above 0
	Nonce   []byte // NonceSize bytes
	Payload []byte
}

// A Message is what one peer sends to another.
type Message struct {
	Body      []byte // a serialised Body
	Signature []byte // of the origin: see Sign
	Key       []byte // the origin's public key, if its peer id does not hold it
	Hops      uint32 // how many peers have passed it on
}

// Status is the outcome that an answer reports.
type Status int32

// The statuses.
const (
	StatusTaken       Status = 1
	StatusSeen        Status = 2
	StatusNoResources Status = 3
	StatusOutOfTime   Status = 4
)

// String returns a short name.
func (s Status) String() string {
	switch s {
	case StatusTaken:
		return "taken"
	case StatusSeen:
		return "seen"
	case StatusNoResources:
		return "no_resources"
	case StatusOutOfTime:
		return "out_of_time"
	}
	return "status(" + strconv.Itoa(int(s)) + ")"
}

// An Answer answers a Message.
type Answer struct{ Status Status }

// Marshal serialises b for a network whose payloads have at most maxPayload bytes. It fails with ErrLimit or ErrMalformed
// where DecodeBody would.
func (b Body) Marshal(maxPayload int) ([]byte, error) {
	if b.Time < 0 {
		return nil, fmt.Errorf("%w: time is %d", wire.ErrLimit, b.Time)
	}
	if err := b.checkOrigin(); err != nil {
		return nil, err
	}
	return marshal(&pb.Body{
		Origin: []byte(b.Origin), Topic: b.Topic, Time: uint64(b.Time), Nonce: b.Nonce, Payload: b.Payload,
	}, bodySchema(maxPayload), MaxSize(maxPayload))
}

// DecodeBody decodes a body. That its origin signed it is only known after Verify.
func DecodeBody(raw []byte, maxPayload int) (Body, error) {
	var p pb.Body
	if err := unmarshal(raw, &p, bodySchema(maxPayload), MaxSize(maxPayload)); err != nil {
		return Body{}, err
	}
	b := Body{Origin: peer.ID(p.Origin), Topic: p.Topic, Time: int64(p.Time), Nonce: p.Nonce, Payload: p.Payload}
	if err := b.checkOrigin(); err != nil {
		return Body{}, err
	}
	return b, nil
}

func (b Body) checkOrigin() error {
	if _, err := peer.IDFromBytes([]byte(b.Origin)); err != nil {
		return fmt.Errorf("%w: origin: %v", wire.ErrMalformed, err)
	}
	return nil
}

// Marshal serialises m. It fails with ErrLimit or ErrTooLarge where Decode would.
func (m Message) Marshal(maxPayload int) ([]byte, error) {
	return marshal(&pb.Message{Body: m.Body, Signature: m.Signature, Key: m.Key, Hops: m.Hops},
		messageSchema(maxPayload), MaxSize(maxPayload))
}

// Decode decodes a message of at most MaxSize(maxPayload) bytes. It looks neither into its body nor at its signature.
func Decode(raw []byte, maxPayload int) (Message, error) {
	var p pb.Message
	if err := unmarshal(raw, &p, messageSchema(maxPayload), MaxSize(maxPayload)); err != nil {
		return Message{}, err
	}
	m := Message{Body: p.Body, Signature: p.Signature, Hops: p.Hops}
	if len(p.Key) > 0 { // an empty field is an absent one
		m.Key = p.Key
	}
	return m, nil
}

// Marshal serialises a. It fails with ErrUnknownStatus for a status that is none.
func (a Answer) Marshal() ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	return marshal(&pb.Answer{Status: pb.Status(a.Status)}, &answerSchema, MaxAnswer)
}

// DecodeAnswer decodes an answer of at most MaxAnswer bytes.
func DecodeAnswer(raw []byte) (Answer, error) {
	var p pb.Answer
	if err := unmarshal(raw, &p, &answerSchema, MaxAnswer); err != nil {
		return Answer{}, err
	}
	a := Answer{Status(p.Status)}
	if err := a.check(); err != nil {
		return Answer{}, err
	}
	return a, nil
}

func (a Answer) check() error {
	if a.Status < StatusTaken || a.Status > StatusOutOfTime {
		return fmt.Errorf("%w: %v", wire.ErrUnknownStatus, a.Status)
	}
	return nil
}

// marshal serialises m and scans the result, so that limits are checked by one piece of code in both directions.
func marshal(m proto.Message, s *schema, max int) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", wire.ErrMalformed, err)
	}
	if err := check(b, s, max); err != nil {
		return nil, err
	}
	return b, nil
}

func unmarshal(b []byte, m proto.Message, s *schema, max int) error {
	if err := check(b, s, max); err != nil {
		return err
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m); err != nil {
		return fmt.Errorf("%w: %v", wire.ErrMalformed, err)
	}
	return nil
}

func check(b []byte, s *schema, max int) error {
	if len(b) > max {
		return fmt.Errorf("%w: message of %d bytes, limit %d", wire.ErrTooLarge, len(b), max)
	}
	return scan(b, s)
}
