package train

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/exec"
)

// narrowed skips a test where no instructions multiply bfloat16, fast or not.
func narrowed(t *testing.T) {
	t.Helper()
	t.Setenv(cpu.BF16Env, "avx512")
	if u := exec.BF16.Resolve(""); u.FellBack() {
		t.Skip(u)
	}
}

// TestPrecision: a training in bf16 learns what one in fp32 does, with the same
// bits for any number of threads, says so in its plan, and is resumed in bf16
// or not at all.
func TestPrecision(t *testing.T) {
	narrowed(t)
	d := openShapes(t, shapes(t, t.TempDir(), 16, 8))
	base := t.TempDir()
	run := func(name, precision string, threads int) *Result {
		return mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(20), Dir: filepath.Join(base, name), Precision: precision, Threads: threads, Seed: 2})
	}
	full, half, same2 := run("full", "fp32", 2), run("half", "bf16", 2), run("single", "bf16", 1)
	if math.Abs(full.Best.ValTop1-half.Best.ValTop1) > 0.09 || half.Best.ValTop1 < 0.9 {
		t.Errorf("%v of the validation in bf16, %v in fp32", half.Best.ValTop1, full.Best.ValTop1)
	}
	t.Logf("%v of the validation in bf16, %v in fp32; losses %v and %v", half.Best.ValTop1, full.Best.ValTop1, half.Last.Loss, full.Last.Loss)
	if full.Last.Loss == half.Last.Loss {
		t.Error("the losses are those of fp32")
	}
	if half.Last.Loss != same2.Last.Loss {
		t.Error("one thread has another loss")
	}
	same(t, filepath.Join(base, "half", LastFile), filepath.Join(base, "single", LastFile))
	sameState(t, filepath.Join(base, "half"), filepath.Join(base, "single"))
	for name, want := range map[string]string{"full": "", "half": "bf16"} {
		p, err := ReadPlan(filepath.Join(base, name))
		if err != nil || p.Precision != want {
			t.Errorf("%s: planned in %q, %v", name, p.Precision, err)
		}
	}
	// The stored plan decides; another precision is refused.
	for _, c := range []struct{ run, precision, want string }{
		{"half", "", ""}, {"half", "bf16", ""}, {"full", "", ""}, {"full", "fp32", ""},
		{"half", "fp32", "Precision is fp32, the run began in bf16"}, {"full", "bf16", "Precision is bf16, the run began in fp32"},
		{"half", "bf16x3", `Precision is "bf16x3", want fp32 or bf16`},
	} {
		_, err := Run(t.Context(), &Config{Data: d, Dir: filepath.Join(base, c.run), Resume: true, Precision: c.precision})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s resumed in %q: %v", c.run, c.precision, err)
		}
	}
	_, err := Run(t.Context(), &Config{Data: d, Dir: filepath.Join(base, "half"), Resume: true, Kernels: "go"})
	if err == nil || !strings.Contains(err.Error(), "began in bf16, which cannot be continued here: the kernels are limited to go") {
		t.Errorf("resumed without its kernels: %v", err)
	}
}

// TestPrecisionStop: interrupted and resumed, a training in bf16 ends with the
// bits of an unbroken one.
func TestPrecisionStop(t *testing.T) {
	narrowed(t)
	d := openShapes(t, shapes(t, t.TempDir(), 11, 3))
	base := t.TempDir()
	config := func(name string) *Config {
		return &Config{Data: d, Model: tiny, Recipe: quick(2.5), Dir: filepath.Join(base, name), Precision: "bf16"}
	}
	mustRun(t, config("whole"))
	if stops := interrupted(t, config("broken")); stops < 3 {
		t.Errorf("stopped %d times only", stops)
	}
	for _, f := range []string{LastFile, BestFile} {
		same(t, filepath.Join(base, "whole", f), filepath.Join(base, "broken", f))
	}
	sameState(t, filepath.Join(base, "whole"), filepath.Join(base, "broken"))
}

// TestPrecisionMissing: where nothing multiplies bfloat16 the plan is fp32's,
// with the reason, and so is the result.
func TestPrecisionMissing(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 6, 2))
	base := t.TempDir()
	for name, precision := range map[string]string{"asked": "bf16", "plain": ""} {
		mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: filepath.Join(base, name), Kernels: "go", Precision: precision})
	}
	same(t, filepath.Join(base, "asked", LastFile), filepath.Join(base, "plain", LastFile))
	b, err := os.ReadFile(filepath.Join(base, "asked", PlanFile))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); !strings.Contains(text, "precision: fp32 instead of bf16: ") || strings.Contains(text, `"precision":`) {
		t.Errorf("the plan:\n%s", text)
	}
}
