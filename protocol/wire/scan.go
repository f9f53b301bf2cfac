package wire

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// A schema says what scan accepts of a message: the fields of pb/brahms.proto by number, and their limits.
type schema [5]field

type field struct {
	name     string // "" where the schema has no field of this number
	typ      protowire.Type
	max      uint64  // the greatest value, or length in bytes
	sub      *schema // a message; its max is unused
	repeated bool
	required bool // must be there and be neither 0 nor empty
	counted  bool // the values of the whole message must sum to at most MaxEntries
}

// statusMax lets every enum value pass, negative ones too: what a status means is checked later, and what is not known
// is not malformed.
const statusMax = math.MaxUint64

var (
	challengeSchema = schema{
		1: {name: "scheme", typ: protowire.VarintType, max: math.MaxUint32},
		2: {name: "seed", typ: protowire.BytesType, max: MaxSeedSize},
		3: {name: "epoch", typ: protowire.VarintType, max: math.MaxUint64},
		4: {name: "bits", typ: protowire.VarintType, max: math.MaxUint32},
	}
	tokenSchema = schema{
		1: {name: "scheme", typ: protowire.VarintType, max: math.MaxUint32},
		2: {name: "epoch", typ: protowire.VarintType, max: math.MaxUint64},
		3: {name: "nonce", typ: protowire.BytesType, max: MaxNonceSize},
		4: {name: "solution", typ: protowire.BytesType, max: MaxSolutionSize},
	}
	entrySchema = schema{
		1: {name: "record", typ: protowire.BytesType, max: MaxRecordSize, required: true},
		2: {name: "count", typ: protowire.VarintType, max: MaxEntries, required: true, counted: true},
	}

	pushRequestSchema = schema{
		1: {name: "record", typ: protowire.BytesType, max: MaxRecordSize},
		2: {name: "token", typ: protowire.BytesType, sub: &tokenSchema},
	}
	pushResponseSchema = schema{
		1: {name: "status", typ: protowire.VarintType, max: statusMax},
		2: {name: "challenge", typ: protowire.BytesType, sub: &challengeSchema},
	}
	pullRequestSchema  = schema{}
	pullResponseSchema = schema{
		1: {name: "status", typ: protowire.VarintType, max: statusMax},
		2: {name: "entries", typ: protowire.BytesType, sub: &entrySchema, repeated: true},
		3: {name: "challenge", typ: protowire.BytesType, sub: &challengeSchema},
	}
	probeRequestSchema = schema{
		1: {name: "nonce", typ: protowire.BytesType, max: MaxNonceSize},
		2: {name: "target", typ: protowire.BytesType, max: MaxPeerIDSize},
		3: {name: "sign", typ: protowire.VarintType, max: math.MaxUint64}, // a bool: every non-zero value is true
		4: {name: "asker", typ: protowire.BytesType, max: MaxPeerIDSize},
	}
	probeResponseSchema = schema{
		1: {name: "status", typ: protowire.VarintType, max: statusMax},
		2: {name: "signature", typ: protowire.BytesType, max: MaxSignatureSize},
		3: {name: "target_status", typ: protowire.VarintType, max: statusMax},
		4: {name: "target_signature", typ: protowire.BytesType, max: MaxSignatureSize},
	}
)

// scan checks a serialised message against its schema and allocates nothing unless it fails. It runs before
// proto.Unmarshal, which would make 100,000 entries of 256 KiB before anything could count them, and it is stricter in
// two points: a single field that occurs twice is refused (parsers may merge it or keep the last, encoders never write
// it), and so are groups (proto3 has none, and skipping nested ones recurses). total is the sum of the counted fields
// so far.
func scan(b []byte, s *schema, total *uint64) error {
	var seen, filled uint8 // one bit for each field number
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %v", ErrMalformed, protowire.ParseError(n))
		}
		b = b[n:]
		var value uint64 // a varint's value or the length of bytes
		var body []byte
		switch typ {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			body, n = protowire.ConsumeBytes(b)
			value = uint64(len(body))
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
		if int(num) >= len(s) || s[num].name == "" {
			continue // of a later revision
		}
		f := &s[num]
		switch bit := uint8(1) << num; {
		case typ != f.typ:
			return fmt.Errorf("%w: %s has wire type %d", ErrMalformed, f.name, typ)
		case seen&bit != 0 && !f.repeated:
			return fmt.Errorf("%w: %s occurs twice", ErrMalformed, f.name)
		case f.sub == nil && value > f.max:
			return fmt.Errorf("%w: %s is %d, limit %d", ErrLimit, f.name, value, f.max)
		default:
			seen |= bit
			if value != 0 {
				filled |= bit
			}
		}
		if f.counted {
			if *total += value; *total > MaxEntries {
				return fmt.Errorf("%w: the counts sum to more than %d", ErrLimit, MaxEntries)
			}
		}
		if f.sub != nil {
			if err := scan(body, f.sub, total); err != nil {
				return fmt.Errorf("%w in %s", err, f.name)
			}
		}
	}
	for num := range s {
		if s[num].required && filled&(1<<num) == 0 {
			return fmt.Errorf("%w: no %s", ErrLimit, s[num].name)
		}
	}
	return nil
}
