package host

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

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
