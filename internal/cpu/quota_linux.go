package cpu

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Quota is the number of processors the control group grants per period, 0
// where it grants all or nothing can be read. Both versions are understood.
func Quota() float64 { return quota(os.DirFS("/")) }

// quota takes the tightest limit from the process's group up to the root: a
// parent's limit binds its children as well.
func quota(root fs.FS) float64 {
	found := 0.0
	note := func(v float64) {
		if v > 0 && (found == 0 || v < found) {
			found = v
		}
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		// "0::/path" is version 2; "4:cpu,cpuacct:/path" version 1.
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		v2 := f[1] == ""
		if !v2 && !strings.Contains(","+f[1]+",", ",cpu,") {
			continue
		}
		// In a container the path may be the host's, of which only the
		// mount's own root is visible; so the root is always looked at.
		for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) {
			if v2 {
				note(quotaV2(root, path.Join("sys/fs/cgroup", dir)))
				note(quotaV2(root, path.Join("sys/fs/cgroup/unified", dir)))
			} else {
				note(quotaV1(root, path.Join("sys/fs/cgroup/cpu", dir)))
				note(quotaV1(root, path.Join("sys/fs/cgroup", f[1], dir)))
			}
			if dir == "/" {
				break
			}
		}
	}
	return found
}

func quotaV2(root fs.FS, dir string) float64 {
	text, _ := fs.ReadFile(root, path.Join(dir, "cpu.max"))
	f := strings.Fields(string(text))
	if len(f) != 2 {
		return 0
	}
	return ratio(f[0], f[1])
}

func quotaV1(root fs.FS, dir string) float64 {
	q, _ := fs.ReadFile(root, path.Join(dir, "cpu.cfs_quota_us"))
	p, _ := fs.ReadFile(root, path.Join(dir, "cpu.cfs_period_us"))
	return ratio(strings.TrimSpace(string(q)), strings.TrimSpace(string(p)))
}

// ratio is quota over period; "max" and -1 are no limit.
func ratio(quota, period string) float64 {
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || !(q > 0) || !(p > 0) {
		return 0
	}
	return q / p
}
