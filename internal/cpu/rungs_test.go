package cpu

import (
	"strings"
	"testing"
)

func TestStates(t *testing.T) {
	zen4 := []string{"avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"}
	for name, c := range map[string]struct {
		limit, from, arch string
		features, present []string
		pure              bool
		want              string // name:state of all rungs
		why               map[string]string
	}{
		"all": {"amx", "", "amd64", zen4, []string{"ref", "go", "avx2", "avx512"}, false,
			"ref:available go:available neon:missing avx2:available avx512:used amx:missing",
			map[string]string{"neon": "for arm64", "amx": "lacks avx512bf16 amx-tile amx-bf16", "avx512": "found avx2 fma avx512f"}},
		"toggle": {"avx2", KernelsEnv, "amd64", zen4, []string{"ref", "go", "avx2", "avx512"}, false,
			"ref:available go:available neon:missing avx2:used avx512:off amx:missing",
			map[string]string{"avx512": "above the limit avx2 of MOBILENET_KERNELS"}},
		"old machine": {"amx", "", "amd64", []string{"avx"}, []string{"ref", "go"}, false,
			"ref:available go:used neon:missing avx2:missing avx512:missing amx:missing",
			map[string]string{"avx2": "lacks avx2 fma"}},
		"purego": {"go", "the tag purego", "amd64", zen4, []string{"ref", "go"}, true,
			"ref:available go:used neon:missing avx2:missing avx512:missing amx:missing",
			map[string]string{"avx512": "purego", "neon": "for arm64"}},
		"arm64": {"amx", "", "arm64", []string{"asimd"}, []string{"ref", "go", "neon"}, false,
			"ref:available go:available neon:used avx2:missing avx512:missing amx:missing",
			map[string]string{"avx2": "for amd64"}},
		"ref": {"ref", "--kernels", "amd64", zen4, []string{"ref", "go", "avx2", "avx512"}, false,
			"ref:used go:off neon:missing avx2:off avx512:off amx:missing",
			map[string]string{"go": "above the limit ref of --kernels"}},
	} {
		var got []string
		all := states(c.limit, c.from, c.arch, c.features, c.present, c.pure)
		for _, s := range all {
			got = append(got, s.Name+":"+s.State)
			if s.Why == "" || !strings.Contains(s.Why, c.why[s.Name]) {
				t.Errorf("%s: %s because %q, want %q", name, s.Name, s.Why, c.why[s.Name])
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

// TestStatesOfThisMachine holds the states to what kernels are chosen by.
func TestStatesOfThisMachine(t *testing.T) {
	limit, _ := Limit()
	all := States(limit, "")
	if len(all) != len(Rungs()) {
		t.Fatalf("%d states of %d rungs", len(all), len(Rungs()))
	}
	if used := UsedRung(all); Rung(used) < 0 || Rung(used) > Rung(limit) {
		t.Errorf("%q is used below the limit %q", used, limit)
	}
}
