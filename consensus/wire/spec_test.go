package wire_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/consensus/machine"
	"github.com/brahms-p2p/brahms-p2p/consensus/wire"
)

// The spec has the limits and parameters of the code.
func TestSpecHasTheLimits(t *testing.T) {
	b, err := os.ReadFile("../../spec/consensus.md")
	if err != nil {
		t.Fatal(err)
	}
	p := machine.Default()
	for _, row := range []string{
		fmt.Sprintf("| PollRequest, PollResponse | %d B, %d KiB |", wire.MaxPollRequest, wire.MaxPollResponse>>10),
		fmt.Sprintf("| FetchRequest, FetchResponse | %d KiB, %d KiB |", wire.MaxFetchRequest>>10, wire.MaxFetchResponse>>10),
		fmt.Sprintf("| ids in a poll answer, items of an epoch | %d |", machine.MaxItems),
		fmt.Sprintf("| items of an origin and epoch, in the window | %d |", machine.MaxItemsPerOrigin),
		fmt.Sprintf("| ids in a fetch | 1 to %d |", machine.MaxFetch),
		fmt.Sprintf("| origin, payload, signature | %d, %d, %d B |", machine.MaxOrigin, machine.MaxPayload, machine.MaxSignature),
		fmt.Sprintf("k=%d, alpha=%d, beta=%d, adopt=%d, window=%d rounds", p.K, p.Alpha, p.Beta, p.Adopt, p.Window),
		fmt.Sprintf("had %d polls in a row with a quorum of answers", p.Drift),
		fmt.Sprintf("once it has had %d polls in a row with a quorum for in", p.Hold),
		fmt.Sprintf("with fewer than %d it does not poll", p.MinPeers),
	} {
		if !strings.Contains(strings.ReplaceAll(string(b), "\n   ", " "), row) {
			t.Errorf("spec/consensus.md lacks %q", row)
		}
	}
}
