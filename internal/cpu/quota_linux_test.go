package cpu

import (
	"strings"
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
		"v2 infinite":    {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/cpu.max": file("inf 100000\n")}, 0},
		"v2 tiny period": {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/cpu.max": file("100000 1e-320\n")}, 0},
	} {
		if got := quota(c.files); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestQuotaMounts finds groups where mountinfo says that they are: nested ones
// below a mount that shows a part of the hierarchy, and other places than the
// usual ones.
func TestQuotaMounts(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const (
		v2  = "29 23 0:26 %ROOT% /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1  = "33 31 0:30 %ROOT% /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		set = "35 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	)
	at := func(mount, root string) string { return strings.ReplaceAll(mount, "%ROOT%", root) }
	for name, c := range map[string]struct {
		group, mounts string
		files         fstest.MapFS
		want          float64
	}{
		"v2 nested": {"0::/a/b/c\n", at(v2, "/"), fstest.MapFS{
			"sys/fs/cgroup/a/b/c/cpu.max": file("max 100000\n"), "sys/fs/cgroup/a/b/cpu.max": file("300000 100000\n"), "sys/fs/cgroup/a/cpu.max": file("200000 100000\n")}, 2},
		"v2 part of the host's": {"0::/docker/feed/worker\n", at(v2, "/docker/feed"), fstest.MapFS{
			"sys/fs/cgroup/worker/cpu.max": file("150000 100000\n"), "sys/fs/cgroup/cpu.max": file("400000 100000\n")}, 1.5},
		"v2 outside of the mount": {"0::/../other\n", at(v2, "/docker/feed"), fstest.MapFS{
			"sys/fs/cgroup/cpu.max": file("250000 100000\n")}, 2.5},
		"v2 a name that begins alike": {"0::/docker/feeder\n", at(v2, "/docker/feed"), fstest.MapFS{
			"sys/fs/cgroup/er/cpu.max": file("50000 100000\n"), "sys/fs/cgroup/cpu.max": file("300000 100000\n")}, 3},
		"v1 nested": {"4:cpu,cpuacct:/docker/feed/x/y\n", at(v1, "/docker/feed") + set, fstest.MapFS{
			"sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us": file("-1\n"), "sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us": file("100000\n"),
			"sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": file("120000\n"), "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": file("100000\n")}, 1.2},
		"both, the tighter": {"4:cpu,cpuacct:/\n0::/\n", at(v1, "/") + "40 31 0:40 / /mnt/my\\040groups rw - cgroup2 none rw\n", fstest.MapFS{
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": file("300000\n"), "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": file("100000\n"),
			"mnt/my groups/cpu.max": file("200000 100000\n")}, 2},
		"v1 without the cpu controller": {"3:cpuset:/\n", set, fstest.MapFS{
			"sys/fs/cgroup/cpuset/cpu.cfs_quota_us": file("100000\n"), "sys/fs/cgroup/cpuset/cpu.cfs_period_us": file("100000\n")}, 0},
		"damaged": {"0::/\n", "29 23 0:26\n\n - cgroup2\n" + at(v2, "/"), fstest.MapFS{"sys/fs/cgroup/cpu.max": file("100000\n")}, 0},
	} {
		c.files["proc/self/cgroup"], c.files["proc/self/mountinfo"] = file(c.group), file(c.mounts)
		if got := quota(c.files); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
