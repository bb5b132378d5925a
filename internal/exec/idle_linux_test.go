package exec

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestIdlePoolSleeps runs work on a pool and then waits: its workers go to
// sleep, and the process uses no processor time to speak of.
func TestIdlePoolSleeps(t *testing.T) {
	used := func() time.Duration {
		var r unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
			t.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	p := NewPool(8)
	defer p.Close()
	scratch := make([]float32, 5)
	const wait = 200 * time.Millisecond
	best := time.Duration(1 << 62)
	for range 5 { // the runtime has affairs of its own now and then
		for range 20 {
			p.Run(&counter{runs: make([]atomic.Int32, 16)}, scratch)
		}
		time.Sleep(20 * time.Millisecond)
		before := used()
		time.Sleep(wait)
		best = min(best, used()-before)
	}
	if best > wait/100 {
		t.Errorf("%v of processor time in %v of idleness", best, wait)
	}
}
