//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreTerminalStop makes a read of the terminal by a process in the background fail. Otherwise it would stop the process.
func ignoreTerminalStop() { signal.Ignore(syscall.SIGTTIN) }
