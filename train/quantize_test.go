package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/engine"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// quantized is a config that goes on from a short training in float.
func quantized(t *testing.T, epochs float64) *Config {
	t.Helper()
	d := openShapes(t, shapes(t, t.TempDir(), 24, 10))
	first := mustRun(t, &Config{Data: d, Model: tiny, Recipe: quick(6), Dir: filepath.Join(t.TempDir(), "float"), Seed: 3, Threads: 2})
	r := quick(epochs)
	r.Rate = 0.02
	return &Config{Data: d, From: first.Weights, Recipe: r, Quantize: &Quantization{}, Dir: filepath.Join(t.TempDir(), "int8"), Seed: 4, Threads: 2}
}

// TestQuantize: a training with quantization leaves a network of integers that
// is as good as the rounded one, and weights that can be trained further, with
// and without rounding.
func TestQuantize(t *testing.T) {
	c := quantized(t, 3)
	res := mustRun(t, c)
	if res.Int8 == nil || res.Int8.FloatShare != 0 || res.Int8.Bytes == 0 {
		t.Fatalf("integers: %+v", res.Int8)
	}
	if d := math.Abs(res.Int8.Top1 - res.Best.ValTop1); d > 0.04 || res.Int8.Top1 < 0.9 {
		t.Errorf("integers: %v of the validation, rounded %v", res.Int8.Top1, res.Best.ValTop1)
	}
	m, err := engine.Open(res.Int8.Weights, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := m.Info.Metrics["val_top1"]; got != res.Int8.Top1 {
		t.Errorf("the file says %v, measured %v", got, res.Int8.Top1)
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	convs := 0
	for i := range g.Nodes {
		switch g.Nodes[i].Op.(type) {
		case graph.Conv2D:
			t.Errorf("%s is not an integer convolution", g.Nodes[i].Name)
		case graph.QConv2D:
			convs++
		}
	}
	if convs < 8 {
		t.Errorf("%d convolutions", convs)
	}
	// A recipe of the plan's own is a gentle one for weights that know the classes.
	planned := *c
	planned.Recipe, planned.Epochs, planned.Dir, planned.Resolution = Recipe{}, 1, filepath.Join(t.TempDir(), "planned"), 24
	mustRun(t, &planned)
	usual, err := Named("finetune")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := ReadPlan(planned.Dir); err != nil || p.Recipe.Rate != usual.Rate*gentle {
		t.Errorf("rate %v, want %v, %v", p.Recipe.Rate, usual.Rate*gentle, err)
	}
	again := *c
	again.From, again.Dir, again.Recipe = res.Weights, filepath.Join(t.TempDir(), "again"), quick(1)
	if r := mustRun(t, &again); r.Int8 == nil {
		t.Error("no integers the second time")
	}
	float := again
	float.Quantize, float.Dir = nil, filepath.Join(t.TempDir(), "float")
	r := mustRun(t, &float)
	if r.Int8 != nil {
		t.Error("integers that were not asked for")
	}
	back, err := engine.Open(r.Weights, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if g, err = back.Graph(); err != nil || pass.FakeQuantized(g) {
		t.Errorf("a training in float rounds: %v", err)
	}
}

// TestQuantizeDelay: with new classes, the first half is not rounded, its
// epochs are judged without rounding and give way to the first that is rounded.
func TestQuantizeDelay(t *testing.T) {
	c := quantized(t, 4)
	c.Data = openShapes(t, shapes(t, t.TempDir(), 16, 8))
	c.Data.Classes = []string{"a", "b", "c"}
	res := mustRun(t, c)
	p, err := ReadPlan(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if q := p.Quantize; q.Delay != p.Steps/2 || q.Freeze != int64(math.Round(0.8*float64(p.Steps))) {
		t.Errorf("of %d steps: %+v", p.Steps, q)
	}
	if res.Best.Step <= p.Quantize.Delay {
		t.Errorf("the best epoch, of step %d, is not rounded", res.Best.Step)
	}
	if p.HeadCopies == 0 || res.Int8 == nil {
		t.Errorf("%d copies for the head, integers %+v", p.HeadCopies, res.Int8)
	}
}

// TestQuantizeStop: a training with quantization that is stopped before
// rounding, while ranges follow and when they are frozen ends with the same
// bits, for any threads.
func TestQuantizeStop(t *testing.T) {
	whole := quantized(t, 3)
	whole.Quantize.Delay = 0.3
	mustRun(t, whole)
	cut := *whole
	cut.Dir = filepath.Join(t.TempDir(), "cut")
	for _, at := range []int64{3, 11, 24} {
		ctx, stop := context.WithCancel(context.Background())
		cut.Threads = 3 - cut.Threads
		cut.Progress = func(p Progress) {
			if p.Stage == "train" && p.Step == at {
				stop()
			}
		}
		if _, err := Run(ctx, &cut); !errors.Is(err, ErrStopped) {
			t.Fatalf("stopped at step %d: %v", at, err)
		}
		stop()
		cut.Resume = true
	}
	cut.Progress = nil
	mustRun(t, &cut)
	sameState(t, whole.Dir, cut.Dir)
	for _, name := range []string{BestFile, LastFile, Int8File} {
		same(t, filepath.Join(whole.Dir, name), filepath.Join(cut.Dir, name))
	}
}

// TestQuantizePhases: rounding begins after the delay, ranges follow until they
// are frozen.
func TestQuantizePhases(t *testing.T) {
	q := &QuantizePlan{Share: 0.25, Freezes: 0.5, Average: 0.9}
	q.settle(40)
	for _, c := range []struct {
		step         int64
		rounding, by float32
	}{{0, 0, 1}, {1, 0, 0.5}, {9, 0, 0.1}, {10, 1, 0.1}, {19, 1, 0.1}, {20, 1, 0}, {39, 1, 0}} {
		if r, by := q.phase(c.step); r != c.rounding || math.Abs(float64(by-c.by)) > 1e-6 {
			t.Errorf("step %d: rounding %v, averaging %v, want %v and %v", c.step, r, by, c.rounding, c.by)
		}
	}
	q.settle(1)
	if r, by := q.phase(0); r != 1 || by != 1 {
		t.Errorf("the only step: rounding %v, averaging %v", r, by)
	}
}

func TestQuantizeRefusals(t *testing.T) {
	c := quantized(t, 1)
	for what, change := range map[string]func(*Config){
		"needs weights":      func(c *Config) { c.From = "" },
		"rounded twice":      func(c *Config) { c.Precision = "bf16" },
		"part of the steps":  func(c *Config) { c.Quantize = &Quantization{Delay: 1} },
		"want a part of the": func(c *Config) { c.Quantize = &Quantization{Freeze: math.NaN()} },
		"factor below 1":     func(c *Config) { c.Quantize = &Quantization{Average: 1} },
	} {
		bad := *c
		change(&bad)
		if _, err := Run(context.Background(), &bad); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Integers are no weights to train on.
	res := mustRun(t, c)
	bad := *c
	bad.From, bad.Dir = res.Int8.Weights, filepath.Join(t.TempDir(), "bad")
	if _, err := Run(context.Background(), &bad); err == nil {
		t.Error("trained on integers")
	} else if !strings.Contains(err.Error(), "integers") {
		t.Errorf("trained on integers: %v", err)
	}
}
