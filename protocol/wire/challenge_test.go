package wire_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/protocol/wire"
)

// A challenge that is added to an answer decodes as one that was there from the start, and the answer itself stays.
func TestAppendChallenge(t *testing.T) {
	answer := wire.PullResponse{Status: wire.StatusTaken, Entries: []wire.Entry{{Record: []byte("a record"), Count: 3}}}
	raw, err := answer.Marshal()
	must(t, err)
	frame := wire.AppendFrame(nil, raw)
	before := bytes.Clone(frame)
	for _, c := range []wire.Challenge{
		{},
		{Scheme: 1, Seed: bytes.Repeat([]byte{7}, 32), Epoch: 300, Bits: 16},
		{Scheme: math.MaxUint32, Seed: make([]byte, wire.MaxSeedSize), Epoch: math.MaxUint64, Bits: math.MaxUint32},
	} {
		got, err := wire.AppendChallenge(frame, c, wire.MaxPullResponse)
		must(t, err)
		if !bytes.Equal(frame, before) {
			t.Fatal("the answer that all get was changed")
		}
		body, err := wire.ReadFrame(bytes.NewReader(got), wire.MaxPullResponse)
		must(t, err)
		decoded, err := wire.DecodePullResponse(body)
		must(t, err)
		want := answer
		want.Challenge = &c
		if !reflect.DeepEqual(decoded, want) {
			t.Errorf("%+v became %+v", want, decoded)
		}
		if n := len(body) - len(raw); n > wire.MaxChallengeField {
			t.Errorf("%+v added %d bytes, at most %d are left for it", c, n, wire.MaxChallengeField)
		}
		if _, err := wire.AppendChallenge(frame, c, len(body)); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		if _, err := wire.AppendChallenge(frame, c, len(body)-1); !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("one over the limit: %v", err)
		}
	}
	if _, err := wire.AppendChallenge(frame, wire.Challenge{Seed: make([]byte, wire.MaxSeedSize+1)}, wire.MaxPullResponse); !errors.Is(err, wire.ErrLimit) {
		t.Errorf("a seed over its limit: %v", err)
	}
	for _, bad := range [][]byte{nil, {0x80}, frame[:len(frame)-1], append(bytes.Clone(frame), 0), bytes.Repeat([]byte{0xff}, 11)} {
		if _, err := wire.AppendChallenge(bad, wire.Challenge{}, wire.MaxPullResponse); !errors.Is(err, wire.ErrVarint) {
			t.Errorf("%x is no frame: %v", bad, err)
		}
	}
}
