package message

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A schema says what scan accepts of a message without messages in it: the fields of pb/spread.proto by number.
type schema [6]field

type field struct {
	name string // "" where the schema has no field of this number
	typ  protowire.Type
	// The least and the greatest value, or length in bytes. A field whose least is above 0 must be there.
	least, most uint64
}

// maxTime keeps times in milliseconds within what sums of two of them hold. It is far beyond what calendars hold.
const maxTime = 1 << 60

var answerSchema = schema{1: {"status", protowire.VarintType, 0, math.MaxUint64}} // what a status means is checked later

func messageSchema(maxPayload int) *schema {
	return &schema{
		1: {"body", protowire.BytesType, 1, uint64(MaxSize(maxPayload))},
		2: {"signature", protowire.BytesType, 1, MaxSignatureSize},
		3: {"key", protowire.BytesType, 0, MaxKeySize},
		4: {"hops", protowire.VarintType, 0, MaxHops},
	}
}

func bodySchema(maxPayload int) *schema {
	return &schema{
		1: {"origin", protowire.BytesType, 1, MaxPeerIDSize},
		2: {"topic", protowire.BytesType, 1, MaxTopic},
		3: {"time", protowire.VarintType, 1, maxTime},
		4: {"nonce", protowire.BytesType, NonceSize, NonceSize},
		5: {"payload", protowire.BytesType, 0, uint64(maxPayload)},
	}
}

// scan checks a serialised message against its schema and allocates nothing unless it fails. It is stricter than parsers
// in two points: a field that occurs twice is refused (parsers keep the last, encoders never write it), and so are groups
// (proto3 has none, and skipping nested ones recurses).
func scan(b []byte, s *schema) error {
	var seen [len(s)]bool
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %v", wire.ErrMalformed, protowire.ParseError(n))
		}
		b = b[n:]
		var value uint64 // a varint's value or the length of bytes
		switch typ {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			var body []byte
			body, n = protowire.ConsumeBytes(b)
			value = uint64(len(body))
		case protowire.Fixed32Type:
			_, n = protowire.ConsumeFixed32(b)
		case protowire.Fixed64Type:
			_, n = protowire.ConsumeFixed64(b)
		default:
			return fmt.Errorf("%w: field %d has wire type %d", wire.ErrMalformed, num, typ)
		}
		if n < 0 {
			return fmt.Errorf("%w: field %d: %v", wire.ErrMalformed, num, protowire.ParseError(n))
		}
		b = b[n:]
		if int(num) >= len(s) || s[num].name == "" {
			continue // of a later revision
		}
		switch f := &s[num]; {
		case typ != f.typ:
			return fmt.Errorf("%w: %s has wire type %d", wire.ErrMalformed, f.name, typ)
		case seen[num]:
			return fmt.Errorf("%w: %s occurs twice", wire.ErrMalformed, f.name)
		case value < f.least || value > f.most:
			return fmt.Errorf("%w: %s is %d, from %d to %d are allowed", wire.ErrLimit, f.name, value, f.least, f.most)
		}
		seen[num] = true
	}
	for num := range s {
		if s[num].least > 0 && !seen[num] {
			return fmt.Errorf("%w: no %s", wire.ErrLimit, s[num].name)
		}
	}
	return nil
}
