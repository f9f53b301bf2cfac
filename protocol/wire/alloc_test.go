package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/proto"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A declared length costs at most the first step of the buffer, whatever it promises.
func TestAllocFrame(t *testing.T) {
	for _, arrived := range []int{0, 1, 100, 5000, 100_000} {
		in := append(varint.ToUvarint(wire.MaxPullResponse), make([]byte, arrived)...)
		for name, read := range readers {
			got := allocated(func() {
				if _, _, err := read(bytes.NewReader(in), wire.MaxPullResponse); !errors.Is(err, wire.ErrTruncated) {
					t.Errorf("%s: %v", name, err)
				}
			})
			if limit := uint64(8<<10 + 4*arrived); got > limit {
				t.Errorf("%s: %d of %d bytes arrived, %d allocated, limit %d", name, arrived, wire.MaxPullResponse, got, limit)
			}
		}
	}
	in := varint.ToUvarint(varint.MaxValueUvarint63)
	if got := allocated(func() { _, _ = wire.ReadFrame(bytes.NewReader(in), wire.MaxPullResponse) }); got > 1<<10 {
		t.Errorf("a length of 2^63-1 allocates %d bytes", got)
	}
}

// Messages that are small on the wire and large in memory are refused before anything is made of them. The control
// shows what the generated code alone would have done.
func TestAllocHostile(t *testing.T) {
	status := fieldVarint(1, 1)
	fill := func(part []byte, max int) []byte {
		return append(bytes.Clone(status), bytes.Repeat(part, (max-len(status))/len(part))...)
	}
	seed := fieldBytes(3, fieldBytes(2, []byte{1}))
	one := fieldBytes(2, join(fieldBytes(1, []byte{1}), fieldVarint(2, 1)))
	for _, c := range []struct {
		name    string
		typ     string
		in      []byte
		control uint64 // what proto.Unmarshal allocates at least
	}{
		{"131,071 empty entries", "PullResponse", fill(fieldBytes(2, nil), wire.MaxPullResponse), 5 << 20},
		{"37,448 entries", "PullResponse", fill(one, wire.MaxPullResponse), 1 << 20},
		{"37,448 challenges", "PullResponse", fill(seed, wire.MaxPullResponse), 256 << 10},
		{"nested groups", "PullResponse", fill([]byte{0x2b}, wire.MaxPullResponse), 0},
		{"nested groups in an entry", "PullResponse", join(status, fieldBytes(2, bytes.Repeat([]byte{0x2b}, 200_000))), 0},
		{"tokens", "PushRequest", bytes.Repeat(fieldBytes(2, fieldBytes(3, []byte{1})), wire.MaxPushRequest/5), 0},
		{"signatures", "ProbeResponse", fill(fieldBytes(2, []byte{1}), wire.MaxProbeResponse), 0},
	} {
		got := allocated(func() {
			if _, err := codecs[c.typ].decode(c.in); !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrLimit) {
				t.Errorf("%s: %v", c.name, err)
			}
		})
		if got > 2<<10 {
			t.Errorf("%s: %d bytes allocated", c.name, got)
		}
		control := allocated(func() { _ = proto.Unmarshal(c.in, codecs[c.typ].pb()) })
		if control < c.control {
			t.Errorf("%s: control allocated only %d bytes", c.name, control)
		}
	}
}

// Unknown fields, however many, and the largest messages that are accepted cost a small multiple of their bytes.
func TestAllocAccepted(t *testing.T) {
	view := wire.PullResponse{Status: wire.StatusTaken}
	for range wire.MaxEntries {
		view.Entries = append(view.Entries, wire.Entry{Record: make([]byte, 1000), Count: 1})
	}
	large, err := view.Marshal()
	must(t, err)
	small := bytes.Clone(fieldVarint(1, 1))
	for range wire.MaxEntries {
		small = append(small, fieldBytes(2, join(fieldBytes(1, []byte{1}), fieldVarint(2, 1)))...)
	}
	var nested []byte
	for range 2000 { // length-delimited fields in one another, the deepest first
		nested = fieldBytes(7, nested)
	}
	for _, c := range []struct {
		name string
		typ  string
		in   []byte
		base uint64
	}{
		{"256 KiB of records", "PullResponse", large, 64 << 10},
		{"smallest entries", "PullResponse", small, 64 << 10},
		{"unknown fields", "PullResponse", append(fieldVarint(1, 1), bytes.Repeat(fieldVarint(9, 1), wire.MaxPullResponse/2-1)...), 2 << 10},
		{"nested unknown fields", "PullResponse", append(fieldVarint(1, 1), nested...), 2 << 10},
		{"largest record", "PushRequest", fieldBytes(1, make([]byte, wire.MaxRecordSize)), 2 << 10},
		{"unknown fields", "PullRequest", bytes.Repeat(fieldVarint(9, 1), wire.MaxPullRequest/2), 2 << 10},
	} {
		got := allocated(func() {
			if _, err := codecs[c.typ].decode(c.in); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		})
		if limit := c.base + 2*uint64(len(c.in)); got > limit {
			t.Errorf("%s: %d bytes allocated of %d, limit %d", c.name, got, len(c.in), limit)
		}
	}
}

// A record of thousands of empty addresses, or of nested groups, is refused before libp2p parses it.
func TestAllocRecord(t *testing.T) {
	key, id := testKey(t, 1)
	idField := fieldBytes(1, []byte(id))
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"4,000 empty addresses", join(idField, bytes.Repeat(fieldBytes(3, nil), 4000)), wire.ErrTooManyAddrs},
		{"8,000 nested groups", join(idField, bytes.Repeat([]byte{0x23}, 4000), bytes.Repeat([]byte{0x24}, 4000)), wire.ErrBadRecord},
	} {
		raw := seal(t, key, payload{c.payload, peer.PeerRecordEnvelopePayloadType})
		if _, _, err := record.ConsumeEnvelope(raw, peer.PeerRecordEnvelopeDomain); err != nil {
			t.Errorf("%s: control: ConsumeEnvelope refuses: %v", c.name, err)
		}
		got := allocated(func() {
			if _, err := wire.OpenRecord(raw); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		})
		if got > 2<<10 {
			t.Errorf("%s: %d bytes allocated", c.name, got)
		}
	}
}

// Two allocations for each entry (its struct and its record) and a few for the answer; a fixed number to encode.
func TestAllocsPerPull(t *testing.T) {
	m := viewOf(t, 100)
	b, err := m.Marshal()
	must(t, err)
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Marshal() }); n > 6 {
		t.Errorf("Marshal of 100 entries: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = wire.DecodePullResponse(b) }); n > 220 {
		t.Errorf("Decode of 100 entries: %v allocations", n)
	}
}
