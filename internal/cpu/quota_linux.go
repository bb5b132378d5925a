package cpu

import (
	"io/fs"
	"os"
	"path"
	"slices"
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
	mounts := cgroupMounts(root)
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		// "0::/path" is version 2; "4:cpu,cpuacct:/path" version 1.
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		v2 := f[1] == ""
		if !v2 && !slices.Contains(strings.Split(f[1], ","), "cpu") {
			continue
		}
		for _, m := range mounts {
			if m.v2 != v2 {
				continue
			}
			for dir := m.within(f[2]); ; dir = path.Dir(dir) {
				if v2 {
					note(quotaV2(root, path.Join(m.point, dir)))
				} else {
					note(quotaV1(root, path.Join(m.point, dir)))
				}
				if dir == "/" {
					break
				}
			}
		}
	}
	return found
}

// cgroupMount is where a hierarchy of groups is seen: the group root appears
// as the folder point.
type cgroupMount struct {
	v2          bool
	root, point string // the point without the leading slash
}

// within is the folder below the mount point of a group that /proc names. In a
// container the name may be the host's, of which the mount shows a part or, of
// a group outside of it, nothing: then the mount's own root is what binds.
func (m *cgroupMount) within(group string) string {
	group = path.Clean("/" + group)
	if m.root == "/" {
		return group
	}
	if rest, ok := strings.CutPrefix(group, m.root); ok && (rest == "" || rest[0] == '/') {
		return path.Clean("/" + rest)
	}
	return "/"
}

// cgroupMounts lists the mounts of version 2 and of version 1's cpu controller;
// where /proc does not tell, the usual places.
func cgroupMounts(root fs.FS) []cgroupMount {
	var out []cgroupMount
	text, _ := fs.ReadFile(root, "proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		// 36 35 98:0 /root /mount/point options... - type source super-options
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		v2 := g[0] == "cgroup2"
		if !v2 && (g[0] != "cgroup" || !slices.Contains(strings.Split(g[2], ","), "cpu")) {
			continue
		}
		out = append(out, cgroupMount{v2, path.Clean("/" + unescape(f[3])), path.Clean("/" + unescape(f[4]))[1:]})
	}
	if out != nil {
		return out
	}
	for _, p := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
		out = append(out, cgroupMount{true, "/", p})
	}
	for _, p := range []string{"sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"} {
		out = append(out, cgroupMount{false, "/", p})
	}
	return out
}

// unescape undoes how mountinfo writes spaces and the like, as \040.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
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

// ratio is quota over period, both whole numbers of microseconds; "max" and -1
// are no limit.
func ratio(quota, period string) float64 {
	q, err1 := strconv.ParseInt(quota, 10, 64)
	p, err2 := strconv.ParseInt(period, 10, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0
	}
	return float64(q) / float64(p)
}
