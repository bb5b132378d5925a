package exec

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// bf16Ways runs a test by each instruction set that multiplies bfloat16 here,
// with the end of its kernels' names.
func bf16Ways(t *testing.T, run func(t *testing.T, suffix string)) {
	t.Helper()
	for way, suffix := range map[string]string{"amx": "AMX", "avx512": "AVX512BF16"} {
		t.Run(way, func(t *testing.T) {
			t.Setenv(cpu.BF16Env, way)
			if u := BF16.Resolve(""); u.FellBack() {
				t.Skip(u)
			}
			run(t, suffix)
		})
	}
}

// narrowNet is a training of narrow and wide layers with an odd number of
// channels here and there.
func narrowNet(t *testing.T, batch, size int) *graph.Graph {
	g := blocks(t, batch, size)
	flat, err := g.Add("flat", graph.Reshape{Shape: []int{0, -1}}, g.Outputs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = nil
	if err := g.SetOutput("logits", flat); err != nil {
		t.Fatal(err)
	}
	return trainable(t, g, pass.TrainingOptions{}, optimizers["sgd"])
}

// TestTrainPrecision: the gradients of a step in bf16 are those of the
// reference in float64 to what factors of eight bits make of them, fused and
// not; most of the products are made in bfloat16.
func TestTrainPrecision(t *testing.T) {
	bf16Ways(t, func(t *testing.T, suffix string) {
		pool := NewPool(2)
		defer pool.Close()
		for name, g := range map[string]*graph.Graph{
			"blocks":  narrowNet(t, 3, 40),
			"network": trainable(t, logitsOnly(t, 3, 65), pass.TrainingOptions{}, optimizers["sgd"]),
		} {
			losses, r := referenceTrained(t, g, 1)
			for _, fusions := range []int{0, 1, -1} {
				opt := Options{Precision: BF16, fusions: fusions}
				got, vars := trained(t, g, opt, pool, 1)
				if e := math.Abs(float64(got[0])/losses[0] - 1); !(e < 1e-2) {
					t.Errorf("%s fused from %d: the loss is %g, want %g", name, fusions, got[0], losses[0])
				}
				size, wrong := 0.0, 0.0
				for _, id := range pass.Trained(g, nil) {
					v := g.Node(id).Name + ".velocity"
					want := r.Variable(v)
					for i, x := range vars[v] {
						size += want[i] * want[i]
						wrong += math.Pow(want[i]-float64(x), 2)
					}
				}
				// Less than a part in a thousand would not be bfloat16.
				if e := math.Sqrt(wrong / size); !(e < 0.08 && e > 1e-3) {
					t.Errorf("%s fused from %d: relative error of the gradient %g", name, fusions, e)
				} else {
					t.Logf("%s fused from %d: relative error of the gradient %.4f", name, fusions, e)
				}
				p, err := CompileTrain(g, opt)
				if err != nil {
					t.Fatal(err)
				}
				half, kinds := 0, map[string]bool{}
				for _, s := range p.Steps() {
					for k := range strings.SplitSeq(s.Kernel, "+") {
						if strings.Contains(k, "BF16") && strings.HasSuffix(k, suffix) {
							half++
							kinds[k] = true
						}
					}
				}
				if half < 6 || len(kinds) != 2 {
					t.Errorf("%s fused from %d: %d kernels multiply bfloat16: %v", name, fusions, half, kinds)
				}
			}
		}
	})
}

// TestTrainPrecisionSameBits: the number of threads, and memory that is
// shared, change no bit, and a step allocates nothing.
func TestTrainPrecisionSameBits(t *testing.T) {
	bf16Ways(t, func(t *testing.T, _ string) {
		g := narrowNet(t, 5, 40)
		for _, fusions := range []int{1, -1} {
			losses, want := trained(t, g, Options{Precision: BF16, fusions: fusions, apart: true}, nil, 3)
			for _, threads := range []int{1, 2, 3, 8} {
				pool := NewPool(threads)
				got, vars := trained(t, g, Options{Precision: BF16, fusions: fusions}, pool, 3)
				pool.Close()
				if !slices.Equal(got, losses) {
					t.Errorf("%d threads: losses %v, want %v", threads, got, losses)
				}
				for v, x := range vars {
					if !slices.Equal(x, want[v]) {
						t.Fatalf("%d threads: variable %s differs", threads, v)
					}
				}
			}
			p, err := CompileTrain(g, Options{Precision: BF16, fusions: fusions})
			if err != nil {
				t.Fatal(err)
			}
			state, err := NewState(g)
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.NewSession(nil, state)
			if err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(3, func() { _ = s.Run(context.Background()) }); n != 0 {
				t.Errorf("%v allocations a step", n)
			}
		}
	})
}

// TestTrainPrecisionMissing: kernels that are not there are fp32's, to the
// bit; what training does not know is refused.
func TestTrainPrecisionMissing(t *testing.T) {
	g := narrowNet(t, 2, 40)
	for _, impl := range []string{"go", "avx2", "neon"} {
		if cpu.Rung(impl) < 0 {
			continue
		}
		p, err := CompileTrain(g, Options{Precision: BF16, Impl: impl})
		if err != nil {
			t.Fatal(err)
		}
		if u := p.Used(); !u.FellBack() || u.Precision != FP32 || u.Why == "" {
			t.Errorf("kernels up to %s: %+v", impl, u)
		}
		_, want := trained(t, g, Options{Impl: impl}, nil, 1)
		_, got := trained(t, g, Options{Impl: impl, Precision: BF16}, nil, 1)
		for v, x := range got {
			if !slices.Equal(x, want[v]) {
				t.Errorf("kernels up to %s: variable %s is not fp32's", impl, v)
			}
		}
	}
	for _, p := range []Precision{BF16x3, "fp16"} {
		if _, err := CompileTrain(g, Options{Precision: p}); err == nil || !strings.Contains(err.Error(), string(p)) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestTrainPrecisionRandom holds steps of unusual layers, whose values are
// stored as bfloat16, to the reference, and to the same bits for any threads.
func TestTrainPrecisionRandom(t *testing.T) {
	bf16Ways(t, func(t *testing.T, _ string) {
		towers, worst := 40, 0.0
		if testing.Short() {
			towers = 10
		}
		stored := 0
		for seed := range towers {
			if seed == 0 {
				seed = 1170 // bands of nothing but padding
			}
			src, text := randomTower(t, rand.New(rand.NewPCG(uint64(seed), 7)))
			g := trainable(t, src, pass.TrainingOptions{}, pass.Optimizer{Kind: pass.SGD})
			_, r := referenceTrained(t, g, 1)
			opt := Options{Precision: BF16, fusions: 1}
			losses, vars := trained(t, g, opt, nil, 1)
			size, wrong := 0.0, 0.0
			for _, id := range pass.Trained(g, nil) {
				name := g.Node(id).Name + ".velocity"
				want := r.Variable(name)
				for i, v := range vars[name] {
					size += want[i] * want[i]
					wrong += math.Pow(want[i]-float64(v), 2)
				}
			}
			e := math.Sqrt(wrong / size)
			if worst = max(worst, e); !(e < 0.12) {
				t.Errorf("seed %d: relative error %g\n%s", seed, e, text)
			}
			pool := NewPool(3)
			again, other := trained(t, g, opt, pool, 1)
			pool.Close()
			if !slices.Equal(losses, again) {
				t.Errorf("seed %d: losses %v and %v", seed, losses, again)
			}
			for v, x := range other {
				if !slices.Equal(x, vars[v]) {
					t.Errorf("seed %d: variable %s differs", seed, v)
				}
			}
			p, err := CompileTrain(g, opt)
			if err != nil {
				t.Fatal(err)
			}
			stored += len(p.plan.stored)
		}
		if stored < towers {
			t.Errorf("%d values are stored as bfloat16", stored)
		}
		t.Logf("worst relative error %.3f, %d values stored as bfloat16", worst, stored)
	})
}
