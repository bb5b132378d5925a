package cpu

import (
	"runtime"
	"slices"
	"strings"
)

// The states of a rung.
const (
	RungUsed      = "used"      // the fastest there is: chosen wherever it has a kernel
	RungAvailable = "available" // chosen where nothing faster has a kernel
	RungOff       = "off"       // this machine has it, a toggle keeps it out
	RungMissing   = "missing"   // this machine or build does not have it
)

// RungState is what became of one of the Rungs, and why.
type RungState struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Why   string `json:"why"`
}

// rungNeeds says what a rung asks of the machine: an architecture and
// instructions by their names in Features.
var rungNeeds = map[string]struct {
	arch  string
	needs []string
}{
	"neon":   {"arm64", []string{"asimd"}},
	"avx2":   {"amd64", []string{"avx2", "fma"}},
	"avx512": {"amd64", []string{"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}},
	"amx":    {"amd64", []string{"avx512bf16", "amx-tile", "amx-bf16"}},
}

// States tells of every rung what becomes of it below a limit. from names what
// set the limit, as "--kernels" or an environment variable; empty if nothing
// did.
func States(limit, from string) []RungState {
	return states(limit, from, runtime.GOARCH, Features(), Present(), pureGo)
}

func states(limit, from, arch string, features, present []string, pure bool) []RungState {
	allowed := slices.Index(Rungs(), limit)
	var out []RungState
	best := -1
	for i, name := range Rungs() {
		s := RungState{Name: name, State: RungAvailable}
		need := rungNeeds[name]
		switch {
		case !slices.Contains(present, name):
			s.State, s.Why = RungMissing, missing(need.arch, need.needs, arch, features, pure)
		case i > allowed:
			s.State, s.Why = RungOff, "above the limit "+limit
			if from != "" {
				s.Why += " of " + from
			}
		case name == "ref":
			s.Why = "always there: slow and obviously right"
		case name == "go":
			s.Why = "always there: portable"
		default:
			s.Why = "found " + strings.Join(need.needs, " ")
		}
		if s.State == RungAvailable {
			best = i
		}
		out = append(out, s)
	}
	if best >= 0 {
		out[best].State = RungUsed
	}
	return out
}

// missing says why a rung is not there.
func missing(needArch string, needs []string, arch string, features []string, pure bool) string {
	if arch != needArch {
		return "for " + needArch
	}
	if pure {
		return "built with the tag purego"
	}
	var lacks []string
	for _, n := range needs {
		if !slices.Contains(features, n) {
			lacks = append(lacks, n)
		}
	}
	if len(lacks) == 0 {
		return "the instructions are there, but this program or the system does not offer them"
	}
	return "this processor or the system lacks " + strings.Join(lacks, " ")
}

// UsedRung is the fastest rung in use among states.
func UsedRung(states []RungState) string {
	for _, s := range states {
		if s.State == RungUsed {
			return s.Name
		}
	}
	return ""
}
