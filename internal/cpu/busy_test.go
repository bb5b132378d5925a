package cpu

import (
	"runtime"
	"testing"
	"time"
)

func TestBusyTime(t *testing.T) {
	for _, c := range []struct {
		stat string
		want time.Duration
		ok   bool
	}{
		{"cpu  100 20 30 4000 500 6 7 8 90 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n", 1710 * time.Millisecond, true},
		{"cpu 1 2 3 4 5 6 7", 190 * time.Millisecond, true}, // before steal was counted
		{"cpu 1 2 3", 0, false},
		{"cpu0 1 2 3 4 5 6 7 8", 0, false},
		{"cpu 1 2 x 4 5 6 7 8", 0, false},
		{"", 0, false},
	} {
		if got, ok := busyTime(c.stat); got != c.want || ok != c.ok {
			t.Errorf("%q: %v, %v, want %v, %v", c.stat, got, ok, c.want, c.ok)
		}
	}
}

func TestOthers(t *testing.T) {
	before := Usage{Machine: 10 * time.Second, Process: time.Second}
	after := Usage{Machine: 13 * time.Second, Process: 2 * time.Second}
	if got := after.Others(before, 4*time.Second); got != 0.5 {
		t.Errorf("%v processors, want 0.5", got)
	}
	if got := (Usage{Machine: 10 * time.Second, Process: 2 * time.Second}).Others(before, time.Second); got != 0 {
		t.Errorf("%v processors, want 0", got)
	}
	if got := after.Others(before, 0); got != 0 {
		t.Errorf("%v processors in no time", got)
	}
	u, ok := Used()
	if ok != (runtime.GOOS == "linux") || ok && (u.Machine <= 0 || u.Process <= 0) {
		t.Errorf("%+v, %v", u, ok)
	}
}
