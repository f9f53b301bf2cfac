//go:build !unix

package swarm

import (
	"runtime"
	"time"
)

// cpuTime is not known here; 0.
func cpuTime() time.Duration { return 0 }

// peakMB is what the Go runtime has obtained from the system, in MiB: an upper bound of its share of the resident set.
func peakMB() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return mib(m.Sys)
}
