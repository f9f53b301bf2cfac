package host

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run if a goroutine is left when all tests have ended. With writerEnv set the process is one of the writers
// that TestKilledWhileWriting kills, with stoppedEnv the peer that TestStoppedProcess stops.
func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		os.Exit(stateWriter(dir))
	}
	if seed := os.Getenv(stoppedEnv); seed != "" {
		os.Exit(stoppedPeer(seed))
	}
	goleak.VerifyTestMain(m)
}
