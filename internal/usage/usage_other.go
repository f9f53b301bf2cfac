//go:build !unix

package usage

import (
	"runtime"
	"time"
)

// CPUTime is not known here; 0.
func CPUTime() time.Duration { return 0 }

// PeakMB is what the Go runtime has obtained from the system, in MiB: an upper bound of its share of the resident set.
func PeakMB() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return mib(m.Sys)
}
