package builtin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/mobilenet-go/mobilenet/builtin"
	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/train"
)

// TestFirstSteps trains the first 200 steps of the recorded training again and
// compares the losses, digit for digit on a processor with the instructions that
// it ran on. It needs Tiny-ImageNet-200 (250 MB), which docs/builtin.md tells how
// to get:
//
//	MOBILENET_TINY_IMAGENET=tiny-imagenet-200.zip go test -v -run FirstSteps ./builtin
func TestFirstSteps(t *testing.T) {
	file := os.Getenv("MOBILENET_TINY_IMAGENET")
	if file == "" {
		t.Skip("needs Tiny-ImageNet-200: set MOBILENET_TINY_IMAGENET to its zip file (docs/builtin.md)")
	}
	const part = "part1"
	want := readLog(t, builtin.Training(), part)
	var plan train.Plan
	text, err := fs.ReadFile(builtin.Training(), path.Join(part, "plan.json"))
	if err == nil {
		err = json.Unmarshal(text, &plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err = train.Run(ctx, &train.Config{
		Data: d, Model: plan.Model, Recipe: plan.Recipe, Seed: plan.Seed, Dir: filepath.Join(dir, part),
		Progress: func(p train.Progress) {
			if p.Stage == "train" && p.Step >= 200 {
				cancel()
			}
		},
	})
	if !errors.Is(err, train.ErrStopped) {
		t.Fatal(err)
	}
	got := readLog(t, os.DirFS(dir), part)
	exact := cpu.UsedRung(cpu.States("", "")) == "avx512"
	for step := int64(1); step <= 200; step++ {
		// Other instructions add in another order; training soon amplifies it.
		if a, b := got[step], want[step]; exact && a != b || !exact && step <= 5 && (a-b > 1e-3 || b-a > 1e-3) {
			t.Fatalf("step %d: a loss of %v, recorded are %v", step, a, b)
		}
	}
	t.Logf("200 steps, the last with a loss of %v, recorded %v", got[200], want[200])
}
