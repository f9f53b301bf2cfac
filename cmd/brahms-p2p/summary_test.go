package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/brahms-p2p/brahms-p2p/internal/swarm"
)

// TestASlowMachineIsNamed: who sees uneven samples, or a swarm that fell apart, hears that it is the machine's doing.
func TestASlowMachineIsNamed(t *testing.T) {
	for done, named := range map[float64]bool{0: true, .067: true, .4: false, 1: false} {
		var out bytes.Buffer
		if err := printSummary(&out, swarm.Default(), &swarm.Summary{Components: 1, ExchangesDone: done}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "\nThis machine is too slow for so many peers in so short rounds: "+number(done)+" of the exchanges") != named {
			t.Errorf("%v of the exchanges done:\n%s", done, &out)
		}
	}
}
