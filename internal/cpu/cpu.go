// Package cpu knows the machine: its vector instructions, the cores it may
// use, and the toggle that picks the kernels. It decides nothing by itself;
// `mobilenet env` prints its Report.
package cpu

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// KernelsEnv names the environment variable that limits the kernels to a rung
// of Rungs, to compare implementations or to step around a broken one.
const KernelsEnv = "MOBILENET_KERNELS"

// Rungs lists the implementations from the plainest to the fastest. A limit
// allows its rung and everything before it; rungs of another processor family
// are harmless, since none of their kernels is available.
func Rungs() []string { return []string{"ref", "go", "neon", "avx2", "avx512", "amx"} }

// Rung is the position of an implementation in Rungs, -1 if unknown.
func Rung(impl string) int { return slices.Index(Rungs(), impl) }

// Limit is the fastest rung allowed: the environment's if it names one, "go"
// in a purego build, else the last. An unknown name is an error, with the
// limit that applies nevertheless.
func Limit() (string, error) {
	rungs := Rungs()
	if pureGo {
		rungs = rungs[:2]
	}
	last := rungs[len(rungs)-1]
	name := strings.ToLower(strings.TrimSpace(os.Getenv(KernelsEnv)))
	switch {
	case name == "" || name == "auto":
		return last, nil
	case Rung(name) < 0:
		return last, fmt.Errorf("%s=%q: want one of %s", KernelsEnv, name, strings.Join(Rungs(), ", "))
	case !slices.Contains(rungs, name):
		return last, nil
	}
	return name, nil
}

// PureGo reports a build with the purego tag: no assembly inside.
func PureGo() bool { return pureGo }

// Threads is the number of workers worth starting. Go's GOMAXPROCS is the
// base: it follows the affinity mask and, since Go 1.25, the cgroup's CPU
// quota. The quota is read here once more because a GOMAXPROCS set by hand in
// the environment switches that off, and threads beyond the quota are
// throttled all at once.
func Threads() int {
	n := runtime.GOMAXPROCS(0)
	return within(n, Quota())
}

// within is n threads bounded by a quota of processors, 0 for none.
func within(n int, quota float64) int {
	if quota > 0 && quota < float64(n) {
		n = max(1, int(quota+0.5))
	}
	return n
}

// Report is what this process found, for people and for --json.
type Report struct {
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	Go       string   `json:"go"`
	CPUs     int      `json:"cpus"`       // logical processors the process may run on
	Procs    int      `json:"gomaxprocs"` // Go's own limit
	Quota    float64  `json:"quota"`      // processors granted by the cgroup; 0 where unlimited or unknown
	Threads  int      `json:"threads"`    // workers used
	Features []string `json:"features"`   // vector instructions found
	PureGo   bool     `json:"purego"`
	Kernels  string   `json:"kernels"`           // fastest rung in use
	Limit    string   `json:"limit"`             // fastest rung allowed
	LimitBy  string   `json:"limit_by"`          // what set the limit; empty if nothing did
	Warning  string   `json:"warning,omitempty"` // a toggle that was not understood
}

// NewReport looks at the machine.
func NewReport() Report {
	limit, err := Limit()
	r := Report{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		CPUs: runtime.NumCPU(), Procs: runtime.GOMAXPROCS(0), Quota: Quota(), Threads: Threads(),
		Features: Features(), PureGo: pureGo,
	}
	by := ""
	switch name := os.Getenv(KernelsEnv); {
	case err != nil:
		r.Warning = err.Error()
	case strings.EqualFold(strings.TrimSpace(name), limit):
		by = KernelsEnv
	case pureGo:
		by = "the tag purego"
	}
	if _, err := BF16Way(); err != nil {
		r.Warning = strings.TrimPrefix(r.Warning+"; "+err.Error(), "; ")
	}
	r.LimitTo(limit, by)
	return r
}

// LimitTo sets the limit of the report, and with it what is used.
func (r *Report) LimitTo(limit, by string) {
	r.Limit, r.LimitBy = limit, by
	r.Kernels = UsedRung(States(limit, by))
}

// String is the report in lines of name and value.
func (r Report) String() string {
	var b strings.Builder
	line := func(name string, value any) { fmt.Fprintf(&b, "%-12s%v\n", name, value) }
	line("platform", r.OS+"/"+r.Arch+" "+r.Go)
	line("cpus", r.CPUs)
	line("gomaxprocs", r.Procs)
	if r.Quota > 0 {
		line("quota", r.Quota)
	}
	line("threads", r.Threads)
	line("features", strings.Join(r.Features, " "))
	line("purego", r.PureGo)
	line("kernels", r.Kernels)
	if r.LimitBy != "" {
		line("limit", r.Limit+" by "+r.LimitBy)
	}
	if r.Warning != "" {
		line("warning", r.Warning)
	}
	return b.String()
}
