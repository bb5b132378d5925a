package train

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
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

func TestQuantize(t *testing.T) {
	c := quantized(t, 3)
	res := mustRun(t, c)
	t.Logf("%+v %+v", res.Best, res.Int8)
}

// stopAt cancels a run after a step.
func TestQuantizeStop(t *testing.T) {
	whole := quantized(t, 3)
	mustRun(t, whole)
	cut := *whole
	cut.Dir, cut.Threads = filepath.Join(t.TempDir(), "cut"), 1
	for _, at := range []int64{3, 11, 17} {
		ctx, stop := context.WithCancel(context.Background())
		cut.Progress = func(p Progress) {
			if p.Stage == "train" && p.Step == at {
				stop()
			}
		}
		if _, err := Run(ctx, &cut); !errors.Is(err, ErrStopped) {
			t.Fatal(err)
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
