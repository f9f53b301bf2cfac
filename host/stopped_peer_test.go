package host

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
)

// stoppedEnv gives a process of this test binary the address of a peer to start from, and makes it the one that
// TestStoppedProcess stops.
const stoppedEnv = "BRAHMS_TEST_STOPPED_PEER"

// stopRound is the round of that process: twelve of them, which are 2 minutes at the default interval, are longer than minSleep.
const stopRound = 500 * time.Millisecond

// stoppedLine is what the process prints: first who it is, then each round.
type stoppedLine struct {
	ID      peer.ID `json:",omitempty"`
	At      time.Time
	Round   uint64
	Deaths  int // sampled ids that it declared dead in the round
	Sampled int
}

func stoppedPeer(seed string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	info, err := peer.AddrInfoFromString(seed)
	if err != nil {
		return fail(err)
	}
	h, err := libp2p.New(libp2p.ListenAddrStrings(onTCP))
	if err != nil {
		return fail(err)
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(stoppedLine{ID: h.ID()}); err != nil {
		return fail(err)
	}
	_, err = New(h, WithAllowPrivate(true), WithRoundInterval(stopRound), WithSampleSize(100), WithBootstrap(*info), WithRoundHook(func(s *Snapshot) {
		if out.Encode(stoppedLine{At: time.Now(), Round: s.Round, Deaths: s.Node.Deaths, Sampled: s.Node.SampleDistinct}) != nil {
			os.Exit(0) // the test has gone
		}
	}))
	if err != nil {
		return fail(err)
	}
	select {} // until it is killed
}
