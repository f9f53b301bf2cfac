package host

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run if a goroutine is left when all tests have ended. With writerEnv set the process is one of the writers
// that TestKilledWhileWriting kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		os.Exit(stateWriter(dir))
	}
	goleak.VerifyTestMain(m)
}
