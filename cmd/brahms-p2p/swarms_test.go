//go:build !race

package main

import "testing"

// TestScriptsOfSwarms runs the scripts that start whole swarms. The race detector sees the same swarms in the tests of
// internal/swarm.
func TestScriptsOfSwarms(t *testing.T) { runScripts(t, "testdata/swarms") }
