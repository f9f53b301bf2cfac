package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Errors of the Marshal and Decode functions.
var (
	// ErrTooLarge: the message is larger than its limit.
	ErrTooLarge = errors.New("consensus wire: too large")
	// ErrMalformed: not protobuf, a known field of another type, a group, a single field given twice, or ids that do not
	// ascend.
	ErrMalformed = errors.New("consensus wire: malformed message")
	// ErrLimit: a field is out of its limits.
	ErrLimit = errors.New("consensus wire: field out of limits")
	// ErrUnknownStatus: an answer with a status that is not known. It is discarded, and no violation.
	ErrUnknownStatus = errors.New("consensus wire: unknown status")
	// ErrBadSignature: the item is not signed by its origin for this network, or its origin's key is not part of its id.
	ErrBadSignature = errors.New("consensus wire: bad item signature")
)

// A field is one known field of a message.
type field struct {
	num   protowire.Number
	value uint64 // of a varint
	bytes []byte // of a field with a length; shares memory with the message
}

// A kind says what a schema has at a number.
type kind uint8

const (
	none kind = iota // of a later revision: ignored
	number
	blob
	blobs // repeated
)

// scan calls take with every known field of a message of at most limit bytes, in their order. schema is indexed by number.
func scan(b []byte, limit int, schema []kind, take func(field) error) error {
	if len(b) > limit {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(b), limit)
	}
	var seen uint64
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %v", ErrMalformed, protowire.ParseError(n))
		}
		b = b[n:]
		f := field{num: num}
		switch typ {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		case protowire.Fixed32Type:
			_, n = protowire.ConsumeFixed32(b)
		case protowire.Fixed64Type:
			_, n = protowire.ConsumeFixed64(b)
		default:
			return fmt.Errorf("%w: field %d has wire type %d", ErrMalformed, num, typ)
		}
		if n < 0 {
			return fmt.Errorf("%w: field %d: %v", ErrMalformed, num, protowire.ParseError(n))
		}
		b = b[n:]
		if int(num) >= len(schema) || schema[num] == none {
			continue
		}
		k := schema[num]
		if k == number && typ != protowire.VarintType || k != number && typ != protowire.BytesType {
			return fmt.Errorf("%w: field %d has wire type %d", ErrMalformed, num, typ)
		}
		if seen&(1<<num) != 0 && k != blobs {
			return fmt.Errorf("%w: field %d occurs twice", ErrMalformed, num)
		}
		seen |= 1 << num
		if err := take(f); err != nil {
			return err
		}
	}
	return nil
}

func appendNumber(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}
