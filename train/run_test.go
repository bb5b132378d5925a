package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/dataset"
	"github.com/mobilenet-go/mobilenet/internal/engine"
)

// TestRun trains a small network to the end: it learns, and the folder holds
// what it should.
func TestRun(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 16, 4))
	dir := filepath.Join(t.TempDir(), "run")
	var stages = map[string]int{}
	r := mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(20), Dir: dir, Progress: func(p Progress) { stages[p.Stage]++ }})
	if r.Best.ValTop1 < 0.9 {
		t.Errorf("%v of the validation", r.Best.ValTop1)
	}
	if r.Steps != 120 || stages["train"] != 120 || len(r.Epochs) != 20 {
		t.Errorf("%d steps, %d reported, %d epochs", r.Steps, stages["train"], len(r.Epochs))
	}
	for _, name := range []string{ResultsFile, LogFile, ReportFile, StateFile, BestFile, LastFile, RecipeFile, PlanFile} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	m, err := engine.Open(r.Weights, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(m.Info.Labels) != 3 || m.Info.Labels[0] != "disc" || m.Info.H != 24 || m.Info.RecipeGuessed || m.Info.Metrics["val_top1"] != r.Best.ValTop1 {
		t.Errorf("the model's file says %+v", m.Info)
	}
	if e, err := m.CheckGolden(context.Background()); err != nil || e > 1e-4 {
		t.Errorf("golden: %v, %v", e, err)
	}
	// The folder is taken.
	if _, err := Run(context.Background(), &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: dir}); err == nil || !strings.Contains(err.Error(), "holds a run already") {
		t.Errorf("a second run in the folder: %v", err)
	}
	// A finished run resumes to its result at once.
	again := mustRun(t, &Config{Data: d, Dir: dir, Resume: true})
	if again.Steps != 120 || again.Best != r.Best {
		t.Errorf("resumed: %+v, was %+v", again.Best, r.Best)
	}
}

// TestThreads: the number of threads changes no bit.
func TestThreads(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 12, 2))
	base := t.TempDir()
	for name, threads := range map[string]int{"one": 1, "two": 2} {
		mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(2), Dir: filepath.Join(base, name), Threads: threads, Seed: 3})
	}
	same(t, filepath.Join(base, "one", LastFile), filepath.Join(base, "two", LastFile))
	same(t, filepath.Join(base, "one", BestFile), filepath.Join(base, "two", BestFile))
	sameState(t, filepath.Join(base, "one"), filepath.Join(base, "two"))
}

// TestStop: a cancelled run is saved, resumes, and ends with the same bits; at
// every step, and within validations.
func TestStop(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 11, 3))
	base := t.TempDir()
	config := func(name string) *Config {
		r := quick(2.5)
		r.DropPath = 0.2
		return &Config{Data: d, Model: tiny, Recipe: r, Dir: filepath.Join(base, name), Accumulate: 2}
	}
	mustRun(t, config("whole"))
	c := config("broken")
	stops := interrupted(t, c)
	if stops < 4 {
		t.Errorf("stopped %d times only", stops)
	}
	for _, f := range []string{LastFile, BestFile} {
		same(t, filepath.Join(base, "whole", f), filepath.Join(base, "broken", f))
	}
	sameState(t, filepath.Join(base, "whole"), filepath.Join(base, "broken"))
}

// interrupted runs a training that is cancelled every few steps or in a
// validation, and resumed, to its end. It returns how often.
func interrupted(t *testing.T, c *Config) (stops int) {
	t.Helper()
	for try := 0; ; try++ {
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		c.Progress = func(p Progress) {
			if calls++; calls == 1+try%3 && (p.Stage == "train" || p.Stage == "val") {
				cancel()
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
	return stops
}

// TestFreeze: frozen layers keep every bit, statistics included; the others move.
func TestFreeze(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 6, 2))
	dir := filepath.Join(t.TempDir(), "run")
	c := &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: dir, Freeze: []string{"stem", "blocks.*.dw"}}
	mustRun(t, c)
	p, err := ReadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := fromScratch(p)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Open(filepath.Join(dir, LastFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range n.base.Variables() {
		v := n.base.Node(id)
		now, ok := g.Lookup(v.Name)
		if !ok {
			t.Fatalf("%s is missing", v.Name)
		}
		moved := false
		for i, x := range g.Node(now).Value.Data {
			moved = moved || x != v.Value.Data[i]
		}
		frozen := strings.HasPrefix(v.Name, "stem.") || strings.Contains(v.Name, ".dw.")
		if frozen == moved {
			t.Errorf("%s: frozen %v, moved %v", v.Name, frozen, moved)
		}
	}
	c.Dir, c.Freeze = filepath.Join(t.TempDir(), "run"), []string{"stm"}
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), `did you mean "stem"`) {
		t.Errorf("a wrong name: %v", err)
	}
}

// TestAccumulate: the gradients of two batches of 4 are those of one of 8,
// where no batch statistics are in the way.
func TestAccumulate(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 16, 2))
	base := t.TempDir()
	norms := []string{"*.bn", "blocks.*.bn"}
	run := func(name string, batch, parts int) map[string][]byte {
		r := quick(1)
		r.Batch, r.Augment, r.Dropout = batch, noAugment, ptr(0)
		mustRun(t, &Config{Data: d, Model: tiny, Recipe: r, Dir: filepath.Join(base, name), Accumulate: parts, Freeze: norms, Rate: 0.02})
		return stateOf(t, filepath.Join(base, name))
	}
	whole, parts := run("whole", 8, 1), run("parts", 4, 2)
	compared := 0
	for name, x := range whole {
		if strings.Contains(name, ".velocity") || strings.Contains(name, ".average") {
			continue
		}
		a, b := floats(x), floats(parts[name])
		diff, norm := 0.0, 0.0
		for i := range a {
			diff += math.Pow(a[i]-b[i], 2)
			norm += a[i] * a[i]
		}
		if math.Sqrt(diff) > 1e-4*math.Sqrt(norm)+1e-6 {
			t.Errorf("%s differs by %g of %g", name, math.Sqrt(diff), math.Sqrt(norm))
		}
		compared++
	}
	if compared < 10 {
		t.Errorf("%d variables compared", compared)
	}
}

// TestFrom trains on from weights: with a new classifier, whose first stage
// runs, and with the old one.
func TestFrom(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 12, 3))
	base := t.TempDir()
	first := mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(8), Dir: filepath.Join(base, "first")})

	// The same classes: the classifier is kept, and nothing has to be learnt.
	r := quick(0.2)
	r.Rate = 1e-6
	kept := mustRun(t, &Config{Data: d, From: first.Weights, Recipe: r, Dir: filepath.Join(base, "kept")})
	if kept.Epochs[0].Stage != "train" || math.Abs(kept.Last.ValTop1-first.Best.ValTop1) > 0.12 {
		t.Errorf("kept: %+v after %+v", kept.Last, first.Best)
	}
	// Two of the three classes: a new classifier, trained first.
	two := *d
	two.Classes = d.Classes[:2]
	two.Train, two.Val = only(d.Train, 2), only(d.Val, 2)
	c := &Config{Data: &two, From: first.Weights, Recipe: quick(1), Dir: filepath.Join(base, "two")}
	got := mustRun(t, c)
	if got.Epochs[0].Stage != "head" || got.Epochs[0].ValTop1 < 0.8 {
		t.Errorf("head: %+v", got.Epochs[0])
	}
	// Distillation from the first.
	c = &Config{Data: d, Model: tiny, Teacher: first.Weights, TeacherWeight: 1, TeacherTemperature: 1, Recipe: quick(12), Dir: filepath.Join(base, "pupil")}
	if pupil := mustRun(t, c); pupil.Best.ValTop1 < first.Best.ValTop1-0.2 {
		t.Errorf("pupil: %v, teacher %v", pupil.Best.ValTop1, first.Best.ValTop1)
	}
	c = &Config{Data: &two, Model: tiny, Teacher: first.Weights, Recipe: quick(1), Dir: filepath.Join(base, "other")}
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "a teacher must know the same") {
		t.Errorf("a teacher of other classes: %v", err)
	}
}

func only(items []dataset.Item, classes int) (out []dataset.Item) {
	for _, it := range items {
		if it.Class < classes {
			out = append(out, it)
		}
	}
	return out
}

// TestDiverged: a training that comes to nothing says so and leaves the last
// good state.
func TestDiverged(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 6, 2))
	dir := filepath.Join(t.TempDir(), "run")
	r := quick(3)
	r.Clip, r.Rate, r.Schedule = 0, 1e30, Schedule{}
	_, err := Run(context.Background(), &Config{Data: d, Model: tiny, Recipe: r, Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "diverged in epoch") || !strings.Contains(err.Error(), "lower rate") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	for name, data := range stateOf(t, dir) {
		for _, v := range floats(data) {
			if v-v != 0 {
				t.Fatalf("the state's %s holds %v", name, v)
			}
		}
	}
}

// TestFewPictures: a class of one picture, a picture that cannot be read, and
// a last batch of one.
func TestFewPictures(t *testing.T) {
	dir := shapes(t, t.TempDir(), 3, 1)
	if err := os.WriteFile(filepath.Join(dir, "train", "disc", "00.png"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := openShapes(t, dir)
	r := quick(2)
	r.Batch = 4
	got := mustRun(t, &Config{Data: d, Model: tiny, Recipe: r, Dir: filepath.Join(t.TempDir(), "run")})
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "train/disc/00.png cannot be read") {
		t.Errorf("notes: %q", got.Notes)
	}
}

// TestPatience ends a training that cannot improve.
func TestPatience(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 4, 1))
	r := quick(50)
	r.Rate = 1e-9
	got := mustRun(t, &Config{Data: d, Model: tiny, Recipe: r, Dir: filepath.Join(t.TempDir(), "run"), Patience: 3, Rate: 1e-12})
	if got.Last.Epoch >= 50 {
		t.Errorf("it ran for %v epochs", got.Last.Epoch)
	}
}

func TestConfigErrors(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 2, 1))
	for want, c := range map[string]Config{
		"Data is missing":      {Dir: "x"},
		"Dir is missing":       {Data: d},
		"Model and From":       {Data: d, Dir: "x", Model: "v2", From: "y"},
		"Epochs and Time":      {Data: d, Dir: "x", Epochs: 1, Time: 1},
		"Batch is 1":           {Data: d, Dir: "x", Batch: 1},
		"LayerDecay is 2":      {Data: d, Dir: "x", LayerDecay: 2},
		"without Teacher":      {Data: d, Dir: "x", TeacherWeight: 0.3},
		"ClassWeights is":      {Data: d, Dir: "x", ClassWeights: []float64{1}},
		"ClassWeights[1] is":   {Data: d, Dir: "x", ClassWeights: []float64{1, math.NaN(), 1}},
		"0 for every class":    {Data: d, Dir: "x", ClassWeights: []float64{0, 0, 0}},
		"Accumulate is -1":     {Data: d, Dir: "x", Accumulate: -1},
		"Freeze is \"[\"":      {Data: d, Dir: "x", Freeze: []string{"["}},
		"lower Batch or Accum": {Data: d, Dir: filepath.Join(t.TempDir(), "r"), Model: tiny, Recipe: quick(1), Accumulate: 99},
	} {
		if _, err := Run(context.Background(), &c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestWrongFreeze: a name that is none leaves no folder behind.
func TestWrongFreeze(t *testing.T) {
	d := openShapes(t, shapes(t, t.TempDir(), 8, 2))
	dir := filepath.Join(t.TempDir(), "run")
	_, err := Run(context.Background(), &Config{Data: d, Model: tiny, Recipe: quick(1), Dir: dir, Freeze: []string{"blokcs.0"}})
	if err == nil || !strings.Contains(err.Error(), "blokcs.0") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder: %v", err)
	}
}
