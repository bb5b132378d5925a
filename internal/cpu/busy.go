package cpu

import (
	"strconv"
	"strings"
	"time"
)

// Usage is processor time that has been spent, from some fixed moment on.
type Usage struct {
	Machine time.Duration // by everybody on this machine, stolen time included
	Process time.Duration // by this process
}

// Others is the mean number of processors that others than this process kept
// busy between two moments, wall apart. It is never negative: the two clocks
// tick apart.
func (u Usage) Others(before Usage, wall time.Duration) float64 {
	if wall <= 0 {
		return 0
	}
	others := (u.Machine - before.Machine) - (u.Process - before.Process)
	return max(0, float64(others)/float64(wall))
}

// ticksPerSecond is the unit of /proc/stat on every architecture Go runs on.
const ticksPerSecond = 100

// busyTime adds up what the first line of /proc/stat says of all processors:
// user, nice, system, irq, softirq and steal. Time of guests is in user's.
func busyTime(stat string) (time.Duration, bool) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 8 || f[0] != "cpu" {
		return 0, false
	}
	var ticks int64
	for i, word := range f[1:min(len(f), 9)] {
		v, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0, false
		}
		if i != 3 && i != 4 { // idle and waiting for a disk
			ticks += v
		}
	}
	return time.Duration(ticks) * (time.Second / ticksPerSecond), true
}
