package cpu

import (
	"testing"
	"testing/fstest"
)

func TestQuota(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  float64
	}{
		"nothing":        {fstest.MapFS{}, 0},
		"v2 unlimited":   {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/cpu.max": file("max 100000\n")}, 0},
		"v2":             {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/cpu.max": file("150000 100000\n")}, 1.5},
		"v2 parent":      {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/cpu.max": file("max 100000\n"), "sys/fs/cgroup/a/cpu.max": file("200000 100000\n")}, 2},
		"v2 tightest":    {fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/cpu.max": file("400000 100000\n"), "sys/fs/cgroup/cpu.max": file("300000 100000\n")}, 3},
		"v2 host's path": {fstest.MapFS{"proc/self/cgroup": file("0::/docker/feed\n"), "sys/fs/cgroup/cpu.max": file("50000 100000\n")}, 0.5},
		"v2 hybrid":      {fstest.MapFS{"proc/self/cgroup": file("1:name=systemd:/\n0::/\n"), "sys/fs/cgroup/unified/cpu.max": file("250000 100000\n")}, 2.5},
		"v1":             {fstest.MapFS{"proc/self/cgroup": file("7:memory:/m\n4:cpu,cpuacct:/x\n"), "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": file("100000\n"), "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": file("50000\n")}, 2},
		"v1 joint mount": {fstest.MapFS{"proc/self/cgroup": file("4:cpu,cpuacct:/\n"), "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": file("70000\n"), "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": file("100000\n")}, 0.7},
		"v1 unlimited":   {fstest.MapFS{"proc/self/cgroup": file("4:cpu:/\n"), "sys/fs/cgroup/cpu/cpu.cfs_quota_us": file("-1\n"), "sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000\n")}, 0},
		"v1 cpuset only": {fstest.MapFS{"proc/self/cgroup": file("4:cpuset:/\n"), "sys/fs/cgroup/cpuset/cpu.cfs_quota_us": file("5\n"), "sys/fs/cgroup/cpuset/cpu.cfs_period_us": file("5\n")}, 0},
		"nonsense":       {fstest.MapFS{"proc/self/cgroup": file("x\n0::/../..\n"), "sys/fs/cgroup/cpu.max": file("NaN 0\n")}, 0},
	} {
		if got := quota(c.files); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
