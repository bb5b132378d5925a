package main

import "golang.org/x/sys/unix"

// peak is the process's largest resident size in MiB.
func peak() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024
}
