// Command brahms-p2p runs Brahms peers: one that joins a network (run), or a whole network in one process (swarm). It also
// simulates thousands of them under attack (sim).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(execute(ctx, os.Args, os.Stdout, os.Stderr))
}
