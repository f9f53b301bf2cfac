package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/iotest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// Only a message in many small pieces that ran out of its time has trickled. What is large and slow has not, nor what
// stopped early, nor what failed otherwise.
func TestDrip(t *testing.T) {
	late := fmt.Errorf("wire: read frame: %w", os.ErrDeadlineExceeded)
	for _, c := range []struct {
		name   string
		pieces int
		size   int
		err    error
		want   bool
	}{
		{"a byte at a time", 10, 1, late, true},
		{"as many pieces as it takes", dripPieces, 1, late, true},
		{"one piece fewer", dripPieces - 1, 1, late, false},
		{"as large as pieces may be", 10, dripSize - 1, late, true},
		{"a byte larger", 10, dripSize, late, false},
		{"nothing came", 0, 0, late, false},
		{"in time", 10, 1, nil, false},
		{"reset", 10, 1, io.ErrClosedPipe, false},
	} {
		d := &drip{}
		for range c.pieces {
			d.r = bytes.NewReader(make([]byte, c.size))
			if n, err := d.Read(make([]byte, 2*dripSize)); n != c.size || err != nil {
				t.Fatalf("read %d, %v", n, err)
			}
		}
		d.r = iotest.ErrReader(errors.New("over"))
		if n, err := d.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("read %d, %v", n, err)
		}
		err := d.judge(c.err)
		if got := errors.Is(err, errTrickled); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want && (reasonOf(err) != ReasonTrickled || !ReasonTrickled.Misbehaviour()) {
			t.Errorf("%s: counts as %s", c.name, reasonOf(err))
		}
	}
}

// A request that trickles is cut off when its time is over, and held against its sender; one of which a piece came and no
// more may have met bad luck.
func TestTrickledRequest(t *testing.T) {
	v := newVictim(t, WithRoundInterval(MaxInterval), WithServeTimeout(300*time.Millisecond))
	a := newAttacker(t)
	a.connect(t, v.host)
	raw := pushOf(a.record(t, 1))

	_, err := io.ReadAll(a.open(t, v, push, raw[:20]))
	checkReset(t, err, network.StreamProtocolViolation)
	checkRefused(t, v.Status().Refused, ReasonStreamFailed)
	if _, n := v.offences.take(1); n != 0 {
		t.Errorf("%d offences", n)
	}

	st := a.open(t, v, push, nil)
	if err := trickleTo(st, raw, 10*time.Millisecond); err == nil {
		t.Error("all of it was taken")
	}
	eventuallyTrue(t, "it is counted", func() bool { return v.Status().Refused[ReasonTrickled] == 1 })
	if list, n := v.offences.take(1); n != 1 || list[0].Peer != a.ID() || list[0].Reason != ReasonTrickled {
		t.Errorf("%d offences: %v", n, list)
	}
	v.checkNoStreams(t)
	// The control: in time it is taken.
	if got, err := a.say(t, v, push, raw); err != nil || !bytes.Equal(got, unhexFrame("020801")) {
		t.Errorf("%x, %v", got, err)
	}
}
