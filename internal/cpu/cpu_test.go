package cpu

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestLimit(t *testing.T) {
	last := Rungs()[len(Rungs())-1]
	if PureGo() {
		last = "go"
	}
	for _, c := range []struct {
		env, want string
		bad       bool
	}{{"", last, false}, {"auto", last, false}, {"ref", "ref", false}, {" GO ", "go", false}, {"fastest", last, true}} {
		t.Setenv(KernelsEnv, c.env)
		got, err := Limit()
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s=%q: %q, %v, want %q", KernelsEnv, c.env, got, err, c.want)
		}
		if c.bad && (!strings.Contains(err.Error(), c.env) || !strings.Contains(err.Error(), "avx2")) {
			t.Errorf("error %q names neither the value nor the choice", err)
		}
	}
	t.Setenv(KernelsEnv, "avx2")
	if got, _ := Limit(); got != "avx2" && !PureGo() || got != "go" && PureGo() {
		t.Errorf("avx2 gives %q in a purego=%v build", got, PureGo())
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		quota float64
		want  int
	}{{0, 8}, {0.1, 1}, {1.4, 1}, {1.5, 2}, {7.6, 8}, {8, 8}, {1e18, 8}, {9.3e18, 8}} {
		if got := within(8, c.quota); got != c.want {
			t.Errorf("8 threads with a quota of %v: %d, want %d", c.quota, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Setenv(KernelsEnv, "warp")
	r := NewReport()
	if r.Threads < 1 || r.Threads > r.Procs || r.CPUs < 1 || r.Arch != runtime.GOARCH {
		t.Errorf("report %+v", r)
	}
	text := r.String()
	for _, want := range []string{"threads", "kernels", "warning", `"warp"`, runtime.GOARCH} {
		if !strings.Contains(text, want) {
			t.Errorf("report lacks %q:\n%s", want, text)
		}
	}
}

// TestFeatures checks what no machine of an architecture is without, and that
// a purego build uses nothing.
func TestFeatures(t *testing.T) {
	found := Features()
	if runtime.GOARCH == "arm64" && !slices.Contains(found, "asimd") {
		t.Errorf("arm64 without asimd: %v", found)
	}
	if slices.Contains(found, "avx512f") && !slices.Contains(found, "avx2") {
		t.Errorf("avx512f without avx2: %v", found)
	}
	if PureGo() && (AVX2() || AVX512() || VNNI() || BF16() || BF16Fast() || AMX() || NEON() || DotProd()) {
		t.Error("a purego build offers vector instructions")
	}
	if NEON() != (runtime.GOARCH == "arm64" && !PureGo()) {
		t.Errorf("NEON is %v on %s", NEON(), runtime.GOARCH)
	}
	if AVX512() && !AVX2() || BF16() && !AVX512() || AMX() && !BF16() {
		t.Error("an instruction set without the one before it")
	}
	if AMX() != slices.Contains(Present(), "amx") {
		t.Errorf("AMX is %v, present are %v", AMX(), Present())
	}
}

func TestBF16Way(t *testing.T) {
	for _, c := range []struct {
		env, want string
		bad       bool
	}{{"", "auto", false}, {" AMX ", "amx", false}, {"avx512", "avx512", false}, {"off", "off", false}, {"on", "auto", true}} {
		t.Setenv(BF16Env, c.env)
		got, err := BF16Way()
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s=%q: %q, %v, want %q", BF16Env, c.env, got, err, c.want)
		}
		if c.bad && !strings.Contains(NewReport().Warning, BF16Env) {
			t.Errorf("the report does not warn of %q", c.env)
		}
	}
}
