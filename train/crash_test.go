package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/transform"
)

// TestLastBeforeState: a run that dies between the files of its last epoch
// still ends with all of them.
func TestLastBeforeState(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	base := t.TempDir()
	whole, broken := filepath.Join(base, "whole"), filepath.Join(base, "broken")
	mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(2), Dir: whole})
	last := filepath.Join(broken, LastFile)
	c := &Config{Data: d, Model: tiny, Recipe: quick(2), Dir: broken}
	c.Progress = func(p Progress) {
		if p.Stage == "train" && p.Step == p.Steps && p.Done == nil {
			// A full folder in its place cannot be renamed over.
			if os.RemoveAll(last) != nil || os.MkdirAll(filepath.Join(last, "x"), 0o755) != nil {
				t.Error("the test's own files")
			}
		}
	}
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "could not be saved") {
		t.Fatalf("got %v", err)
	}
	if err := os.RemoveAll(last); err != nil {
		t.Fatal(err)
	}
	c.Resume, c.Progress = true, nil
	mustRun(t, c)
	same(t, filepath.Join(whole, LastFile), last)
}

// TestRecordOnce: an epoch stands in the record once, also where the run was
// stopped in its validation and then killed after writing its row.
func TestRecordOnce(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	dir := filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := &Config{Data: d, Model: tiny, Recipe: quick(3), Dir: dir}
	c.Progress = func(p Progress) {
		if p.Stage == "train" && p.Step == 6 {
			cancel() // met by the validation
		}
	}
	if _, err := Run(ctx, c); !errors.Is(err, ErrStopped) {
		t.Fatalf("got %v", err)
	}
	state, err := os.ReadFile(filepath.Join(dir, StateFile))
	if err != nil {
		t.Fatal(err)
	}
	c.Resume, c.Progress = true, nil
	mustRun(t, c)
	// As if it had been killed before its next checkpoint.
	if err := os.WriteFile(filepath.Join(dir, StateFile), state, 0o644); err != nil {
		t.Fatal(err)
	}
	mustRun(t, c)
	for name, want := range map[string]int{ResultsFile: 1 + 3, LogFile: 1 + 9 + 3 + 1} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(b), "\n"); got != want {
			t.Errorf("%s has %d lines, want %d:\n%s", name, got, want, b)
		}
	}
}

// TestStopInReport: a run that is stopped after its last epoch says how to go
// on, too.
func TestStopInReport(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	dir := filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: dir}
	c.Progress = func(p Progress) {
		if p.Done != nil {
			cancel()
		}
	}
	if _, err := Run(ctx, c); !errors.Is(err, ErrStopped) {
		t.Fatalf("got %v", err)
	}
	c.Resume, c.Progress = true, nil
	mustRun(t, c)
}

// TestForeignFiles: a folder with files that a run would write over is refused,
// and they stay.
func TestForeignFiles(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 4, 1))
	dir := t.TempDir()
	mine := filepath.Join(dir, ResultsFile)
	if err := os.WriteFile(mine, []byte("my own\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Run(context.Background(), &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "would be written over") {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(mine); err != nil || string(b) != "my own\n" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

// TestNothingToValidate: a validation part without a picture that can be read
// is no accuracy of 0.
func TestNothingToValidate(t *testing.T) {
	dir := shapes(t, t.TempDir(), 4, 1)
	files, err := filepath.Glob(filepath.Join(dir, "val", "*", "*.png"))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("no picture"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Run(context.Background(), &Config{Data: openShapes(t, dir), Model: tiny, Recipe: quick(1), Dir: filepath.Join(t.TempDir(), "run")})
	if err == nil || !strings.Contains(err.Error(), "none of the 3 validation pictures can be read") {
		t.Errorf("got %v", err)
	}
}

// TestNoValidation: classes of one picture each leave none to validate with.
func TestNoValidation(t *testing.T) {
	dir := shapes(t, t.TempDir(), 1, 1)
	_, err := Run(context.Background(), &Config{Data: openShapes(t, filepath.Join(dir, "train")), Model: tiny, Recipe: quick(1), Dir: filepath.Join(t.TempDir(), "run")})
	if err == nil || !strings.Contains(err.Error(), "no validation pictures") {
		t.Errorf("got %v", err)
	}
}

// TestThin: a large set's first stage sees pictures of every class.
func TestThin(t *testing.T) {
	var items []dataset.Item
	for i := range 1000 {
		items = append(items, dataset.Item{Class: i / 100})
	}
	counts := make([]int, 10)
	for _, it := range thin(items, 55) {
		counts[it.Class]++
	}
	for c, n := range counts {
		if n < 5 || n > 6 {
			t.Errorf("%d pictures of class %d", n, c)
		}
	}
	if len(thin(items, 1000)) != 1000 || len(thin(items, 2000)) != 1000 {
		t.Error("small sets are taken whole")
	}
}

// TestNextEpoch: what the loader made ahead of the next epoch is used.
func TestNextEpoch(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 1))
	recipe := transform.Default(transform.SourceTorch, 0, 24)
	l, err := dataset.NewLoader(d.Train, 3, &dataset.LoaderOptions{Batch: 8, Recipe: recipe, Shuffle: true, DropLast: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := &run{plan: &Plan{StepsPerEpoch: 3, Accumulate: 1}, train: l}
	for range 7 {
		if err := r.seek(); err != nil {
			t.Fatal(err)
		}
		if _, batch := l.Position(); r.at.Step == 3 && batch != 3 {
			t.Errorf("the loader began anew at batch %d", batch)
		}
		b, err := r.next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if int64(3*b.Epoch+b.Index) != r.at.Step {
			t.Errorf("step %d got batch %d of epoch %d", r.at.Step, b.Index, b.Epoch)
		}
		r.at.Step++
	}
}

// TestStopOptions stops trainings with other options than TestStop's, in their
// first stage too, and compares the bits.
func TestStopOptions(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 11, 3))
	base := t.TempDir()
	first := mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(2), Dir: filepath.Join(base, "first")})
	two := *d
	two.Classes = d.Classes[:2]
	two.Train, two.Val = only(d.Train, 2), only(d.Val, 2)
	teacher := mustRun(t, &Config{Data: &two, Model: tiny, Recipe: quick(2), Dir: filepath.Join(base, "teacher")})
	for _, kind := range []OptimizerKind{RMSprop, AdamW} {
		config := func(name string) *Config {
			r := quick(6)
			r.Optimizer, r.Rate = Optimizer{Kind: kind, Momentum: 0.9 * float64(len(kind)%2)}, 0.002
			return &Config{Data: &two, From: first.Weights, Teacher: teacher.Weights, Recipe: r, Dir: filepath.Join(base, string(kind)+name),
				Balanced: true, ClassWeights: []float64{2, 1}, LayerDecay: 0.8, Patience: 2, Seed: 5}
		}
		mustRun(t, config("whole"))
		c := config("broken")
		stops := 0
		for try := 0; ; try++ {
			ctx, cancel := context.WithCancel(context.Background())
			calls := 0
			c.Progress = func(p Progress) {
				// Some way into the first stage, then after a step or two.
				switch {
				case try < 2:
					if try == 0 && p.Stage == "features" || p.Stage == "head" && p.Step == 100 {
						cancel()
					}
				case p.Stage == "train" || p.Stage == "val" && p.Step > 0:
					if calls++; calls > 1+try%3 {
						cancel()
					}
				}
			}
			_, err := Run(ctx, c)
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if stops++; stops > 60 {
				t.Fatal("no end")
			}
			c.Resume = true
		}
		if stops < 4 {
			t.Errorf("%s: stopped %d times only", kind, stops)
		}
		whole, broken := config("whole").Dir, config("broken").Dir
		same(t, filepath.Join(whole, LastFile), filepath.Join(broken, LastFile))
		same(t, filepath.Join(whole, BestFile), filepath.Join(broken, BestFile))
		sameState(t, whole, broken)
		if a, b := records(t, whole), records(t, broken); a != b {
			t.Errorf("results.csv of the unbroken run:\n%s\nof the other:\n%s", a, b)
		}
	}
}
