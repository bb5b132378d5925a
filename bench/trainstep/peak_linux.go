package main

import "golang.org/x/sys/unix"

// usage is the processor time of the process so far in seconds, and its
// largest resident size in MiB.
func usage() (cpu, peak float64) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	seconds := func(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(u.Utime) + seconds(u.Stime), float64(u.Maxrss) / 1024
}
