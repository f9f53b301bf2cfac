package swarm

import "runtime"

// heapMB is the heap in use after a collection, in MiB.
func heapMB() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return mib(m.HeapInuse)
}

func mib(bytes uint64) float64 { return round3(float64(bytes) / (1 << 20)) }
