package cpu

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Used reads the clocks of the machine's and this process's processor time; ok
// is false where the system does not tell.
func Used() (u Usage, ok bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, false
	}
	if u.Machine, ok = busyTime(string(stat)); !ok {
		return u, false
	}
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return u, false
	}
	u.Process = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	return u, true
}
