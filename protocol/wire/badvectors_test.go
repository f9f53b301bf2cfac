package wire_test

import (
	"encoding/hex"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// badVectors are the items of the vectors that a receiver must refuse, kept short: what is only too long is in
// TestLimits.
func badVectors(t testing.TB) (records, messages, frames []badVector) {
	item := func(name, typ string, b []byte, err string) badVector {
		return badVector{name, typ, hex.EncodeToString(b), err}
	}
	mallory, _ := testKey(t, 9)
	alice, aliceID := testKey(t, 1)
	good := testRecord(t, 1, 1)
	broken := append([]byte{}, good...)
	broken[len(broken)-1] ^= 1
	tooMany := fieldBytes(1, []byte(aliceID))
	for range wire.MaxRecordAddrs + 1 {
		tooMany = append(tooMany, fieldBytes(3, fieldBytes(1, testAddrs(t, 1)[0].Bytes()))...)
	}
	records = []badVector{
		item("names alice, signed by another key", "", seal(t, mallory, &peer.PeerRecord{PeerID: aliceID, Addrs: testAddrs(t, 1), Seq: 1}), "forged"),
		item("signature changed", "", broken, "bad record"),
		item("signature missing", "", good[:len(good)-66], "bad record"),
		item("unknown field after the signature", "", join(good, fieldVarint(15, 1)), "not canonical"),
		item("length not minimal", "", join(good[:1], []byte{good[1] | 0x80, 0}, good[2:]), "not canonical"),
		item("17 addresses", "", seal(t, alice, payload{tooMany, peer.PeerRecordEnvelopePayloadType}), "too many addresses"),
		item("payload type of another record", "", seal(t, alice, payload{fieldBytes(1, []byte(aliceID)), []byte{3, 2}}), "bad record"),
	}
	entry := func(parts ...[]byte) []byte { return join(fieldVarint(1, 1), fieldBytes(2, join(parts...))) }
	one := fieldBytes(1, []byte{1})
	messages = []badVector{
		item("record as a number", "PushRequest", fieldVarint(1, 1), "malformed"),
		item("record twice", "PushRequest", join(one, one), "malformed"),
		item("token twice", "PushRequest", join(fieldBytes(2, nil), fieldBytes(2, nil)), "malformed"),
		item("a group", "PushRequest", []byte{0x2b, 0x2c}, "malformed"),
		item("truncated field", "PushRequest", []byte{0x0a, 0x05, 1, 2}, "malformed"),
		item("field number 0", "PushRequest", []byte{0x02, 0x00}, "malformed"),
		item("solution of 65 bytes", "PushRequest", fieldBytes(2, fieldBytes(4, make([]byte, wire.MaxSolutionSize+1))), "limit"),
		item("scheme of 33 bits", "PushRequest", fieldBytes(2, fieldVarint(1, 1<<32)), "limit"),
		item("no status", "PushResponse", nil, "unknown status"),
		item("status of a probe", "PushResponse", fieldVarint(1, 5), "unknown status"),
		item("status of a later revision", "PushResponse", fieldVarint(1, 77), "unknown status"),
		item("negative status", "PullResponse", fieldVarint(1, 1<<64-1), "unknown status"),
		item("asks for a token", "PullResponse", fieldVarint(1, 2), "unknown status"),
		item("entry without count", "PullResponse", entry(one), "limit"),
		item("entry with count 0", "PullResponse", entry(one, fieldVarint(2, 0)), "limit"),
		item("entry without record", "PullResponse", entry(fieldVarint(2, 1)), "limit"),
		item("empty entry", "PullResponse", entry(), "limit"),
		item("count 257", "PullResponse", entry(one, fieldVarint(2, wire.MaxEntries+1)), "limit"),
		item("count of 33 bits, 1 if cut to 32", "PullResponse", entry(one, fieldVarint(2, 1<<32+1)), "limit"),
		item("counts 200 and 57", "PullResponse", join(entry(one, fieldVarint(2, 200)), fieldBytes(2, join(one, fieldVarint(2, 57)))), "limit"),
		item("target is no peer id", "ProbeRequest", fieldBytes(2, []byte("x")), "malformed"),
		item("nonce of 15 bytes to sign", "ProbeRequest", join(fieldBytes(1, make([]byte, wire.MinNonceSize-1)), fieldVarint(3, 1)), "limit"),
		item("does not know itself", "ProbeResponse", fieldVarint(1, 5), "unknown status"),
	}
	frames = []badVector{
		item("stream without a frame", "", nil, "empty"),
		item("length without end", "", []byte{0x80}, "truncated"),
		item("length not minimal", "", []byte{0x80, 0x00}, "bad length"),
		item("length of 10 bytes", "", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, "bad length"),
		item("body cut short", "", []byte{0x03, 0x08, 0x01}, "truncated"),
		item("longer than any message", "", []byte{0x81, 0x80, 0x10}, "too large"),
	}
	return records, messages, frames
}
