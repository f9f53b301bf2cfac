package wire_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// fuzzDecode: any bytes are refused with one of the documented errors, or they are read as the generated code reads
// them, and written and read again without a change.
func fuzzDecode(f *testing.F, typ string) {
	v := readVectors(f)
	for _, m := range v.Messages {
		f.Add(unhex(f, m.Message)) // of every type: a decoder meets the others' messages too
	}
	for _, b := range v.BadMessage {
		f.Add(unhex(f, b.Bytes))
	}
	c := codecs[typ]
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		m, err := c.decode(b)
		if !bytes.Equal(b, in) {
			t.Fatal("decoder wrote to its input")
		}
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrLimit) && !errors.Is(err, wire.ErrTooLarge) && !errors.Is(err, wire.ErrUnknownStatus) {
				t.Fatalf("undocumented error %v", err)
			}
			return
		}
		p := c.pb()
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, p); err != nil || !proto.Equal(p, toPB(m)) {
			t.Fatalf("generated code reads %v, %v; decoder %+v", p, err, m)
		}
		again, err := c.encode(m)
		if err != nil {
			t.Fatalf("Marshal of %+v: %v", m, err)
		}
		if got, err := c.decode(again); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("second time %+v, %v\nfirst time %+v", got, err, m)
		}
	})
}

func FuzzPushRequest(f *testing.F)   { fuzzDecode(f, "PushRequest") }
func FuzzPushResponse(f *testing.F)  { fuzzDecode(f, "PushResponse") }
func FuzzPullRequest(f *testing.F)   { fuzzDecode(f, "PullRequest") }
func FuzzPullResponse(f *testing.F)  { fuzzDecode(f, "PullResponse") }
func FuzzProbeRequest(f *testing.F)  { fuzzDecode(f, "ProbeRequest") }
func FuzzProbeResponse(f *testing.F) { fuzzDecode(f, "ProbeResponse") }

// FuzzFrame: both readers agree, a frame that was read is what AppendFrame writes, and ReadFrame takes nothing beyond it.
func FuzzFrame(f *testing.F) {
	v := readVectors(f)
	for _, m := range v.Messages {
		f.Add(unhex(f, m.Frame), 1000)
	}
	for _, b := range v.BadFrames {
		f.Add(unhex(f, b.Bytes), wire.MaxPullResponse)
	}
	f.Fuzz(func(t *testing.T, in []byte, max int) {
		rest := bytes.NewReader(in)
		a, errA := wire.ReadFrame(struct{ io.Reader }{rest}, max)
		fr := wire.NewReader(bytes.NewReader(in))
		b, errB := fr.Frame(max)
		if !bytes.Equal(a, b) || (errA == nil) != (errB == nil) || (errA != nil && errA.Error() != errB.Error()) {
			t.Fatalf("ReadFrame %x, %v; Reader %x, %v", a, errA, b, errB)
		}
		if errA != nil {
			if !errors.Is(errA, wire.ErrEmpty) && !errors.Is(errA, wire.ErrTruncated) && !errors.Is(errA, wire.ErrVarint) && !errors.Is(errA, wire.ErrTooLarge) {
				t.Fatalf("undocumented error %v", errA)
			}
			return
		}
		if len(a) > max {
			t.Fatalf("%d bytes with limit %d", len(a), max)
		}
		if want := in[:len(in)-rest.Len()]; !bytes.Equal(wire.AppendFrame(nil, a), want) {
			t.Fatalf("frame of %x read from %x", a, want)
		}
		trailing := rest.Len() > 0
		if err := fr.EOF(); errors.Is(err, wire.ErrTrailing) != trailing {
			t.Fatalf("EOF = %v with %d bytes left", err, rest.Len())
		}
	})
}

// FuzzOpenRecord: refused with one documented error, or a record whose form is the one and only.
func FuzzOpenRecord(f *testing.F) {
	v := readVectors(f)
	for _, r := range v.Records {
		f.Add(unhex(f, r.Envelope))
	}
	for _, b := range v.BadRecords {
		f.Add(unhex(f, b.Bytes))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, err := wire.OpenRecord(raw)
		peeked, peekErr := wire.PeekRecord(raw)
		if err == nil && (peekErr != nil || !reflect.DeepEqual(rec, peeked)) || peekErr != nil && (err == nil || peeked != nil) {
			t.Fatalf("opened %+v, %v; peeked %+v, %v", rec, err, peeked, peekErr)
		}
		if err != nil {
			for _, want := range []error{wire.ErrTooLarge, wire.ErrBadRecord, wire.ErrNotCanonical, wire.ErrForged, wire.ErrTooManyAddrs} {
				if errors.Is(err, want) && rec == nil {
					return
				}
			}
			t.Fatalf("undocumented error %v", err)
		}
		if len(raw) > wire.MaxRecordSize || len(rec.Addrs) > wire.MaxRecordAddrs || len(rec.ID) > wire.MaxPeerIDSize {
			t.Fatalf("over a limit: %+v", rec)
		}
		for _, a := range rec.Addrs {
			if len(a) == 0 {
				t.Fatal("empty address")
			}
		}
		if _, err := wire.OpenRecord(append(bytes.Clone(raw), 0x78, 0x01)); err == nil {
			t.Fatal("opens with a trailing field too")
		}
	})
}
