// Package usage tells what the process has taken of the machine.
package usage

import (
	"math"
	"runtime"
)

// HeapMB is the heap in use after a collection, in MiB.
func HeapMB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return mib(m.HeapInuse)
}

// mib is bytes in MiB, to three places.
func mib(bytes uint64) float64 { return math.Round(float64(bytes)/(1<<20)*1000) / 1000 }
