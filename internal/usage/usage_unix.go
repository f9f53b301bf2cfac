//go:build unix

package usage

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// CPUTime is the user and system time that the process has taken.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// PeakMB is the process's peak resident set in MiB: VmHWM where there is one, otherwise what getrusage says.
func PeakMB() float64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		if _, rest, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
			var kib uint64
			if _, err := fmt.Sscan(string(rest), &kib); err == nil {
				return mib(kib << 10)
			}
		}
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	peak := uint64(u.Maxrss)
	if runtime.GOOS != "darwin" && runtime.GOOS != "ios" { // those count bytes, the others KiB
		peak <<= 10
	}
	return mib(peak)
}
