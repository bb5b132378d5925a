package exec

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// Training against PyTorch's, in float64. The goldens hold of each tensor its
// norm and its products with 16 generated vectors whose elements are uniform
// in [-1,1): if ours differs by d, each product differs by a number of mean 0
// and variance |d|^2/3, so three times the mean square of the 16 differences
// estimates |d|^2; that it comes out a hundred times too small has a chance
// below 1e-12. (PyTorch's derivative of h-sigmoid has the factor 1/6 rounded to
// float32, which shows as 3e-8 in V3.) With MOBILENET_TORCH naming a Python that has torch,
// TestGradientsTorch compares every element instead.

const goldenBatch, goldenSide = 4, 64

type goldenTensor struct {
	Norm     float64
	Products []float64
}

type goldenTraining struct {
	Input      string // the picture's name, see the script
	Loss       float64
	Gradients  map[string]goldenTensor
	Statistics map[string]goldenTensor
	Steps      map[string]struct {
		Rate   float64
		Losses []float64
	}
}

func readGolden(t *testing.T) map[string]goldenTraining { return readGoldenFile(t).Networks }

type goldenFile struct {
	Networks   map[string]goldenTraining
	Optimizers map[string][]float64 // the parameters after six steps
	Points     []float64            // where the slopes of activations are taken
	Slopes     map[string][]float64
	Ties       []float64
}

func readGoldenFile(t *testing.T) (out goldenFile) {
	t.Helper()
	f, err := os.Open("testdata/train_golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if len(out.Networks) != 3 || len(out.Optimizers) != 9 {
		t.Fatalf("%d networks, %d optimizers", len(out.Networks), len(out.Optimizers))
	}
	return out
}

// goldenGraph is a network with its loss and the gradients of all its
// variables, the inputs filled in.
type goldenGraph struct {
	g     *graph.Graph
	loss  graph.ID
	vars  []graph.ID
	grads []graph.ID
	in    [][]float32 // picture, target, weight, lr
}

func newGoldenGraph(t *testing.T, name, input string, o *pass.Optimizer) *goldenGraph {
	t.Helper()
	none := 0.0
	net, err := arch.New(name, arch.Options{Dialect: "torchvision", Width: 0.5, Dropout: &none})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Graph(goldenBatch, goldenSide, goldenSide)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Fill(plain)
	made, err := pass.Training(plain, pass.TrainingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g := made.Graph
	loss, err := pass.CrossEntropy(g, g.Outputs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	gg := &goldenGraph{g: g, loss: loss.Mean, vars: pass.Trained(g, nil)}
	if gg.grads, err = pass.Grad(g, loss.Mean, gg.vars); err != nil {
		t.Fatal(err)
	}
	g.Outputs = nil
	if err := g.SetOutput("loss", loss.Mean); err != nil {
		t.Fatal(err)
	}
	if o != nil {
		lr, err := g.AddInput("lr", graph.F32(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Step(g, gg.vars, gg.grads, lr, lr); err != nil {
			t.Fatal(err)
		}
	} else {
		for _, id := range gg.grads {
			if err := g.SetOutput(g.Node(id).Name, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	u := testkit.Uniform(input, goldenBatch*3*goldenSide*goldenSide)
	picture := make([]float32, len(u))
	const pixels = goldenSide * goldenSide
	for i, v := range u {
		picture[(i/(3*pixels)*pixels+i%pixels)*3+i/pixels%3] = float32(v)
	}
	target, weight := make([]float32, goldenBatch*1000), make([]float32, goldenBatch)
	for i := range weight {
		target[i*1000+(7*i+3)%1000], weight[i] = 1, 1
	}
	gg.in = [][]float32{picture, target, weight}
	return gg
}

// reference runs steps in float64 and gives the losses; lr may be nil.
func (gg *goldenGraph) reference(t *testing.T, steps int, lr []float64) ([]float64, *Reference[float64]) {
	t.Helper()
	r, err := NewReference[float64](gg.g)
	if err != nil {
		t.Fatal(err)
	}
	var in [][]float64
	for _, x := range gg.in {
		in = append(in, wide(x))
	}
	if lr != nil {
		in = append(in, lr)
	}
	var losses []float64
	for range steps {
		if err := r.Run(in...); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, r.Value(gg.loss)[0])
	}
	return losses, r
}

// distance estimates |x - golden| and gives |golden|.
func (w goldenTensor) distance(name string, x []float64) float64 {
	sum := 0.0
	for k, want := range w.Products {
		dot := 0.0
		for i, u := range testkit.Uniform(fmt.Sprintf("product.%d.%s", k, name), len(x)) {
			dot += u * x[i]
		}
		sum += (dot - want) * (dot - want)
	}
	return math.Sqrt(3 * sum / float64(len(w.Products)))
}

func norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// TestGradientsGolden compares all gradients of V1, V2 and V3-Small, and the
// averages of the batch norms after one step, with PyTorch's; then the float32
// gradients of every rung with those in float64, element by element.
func TestGradientsGolden(t *testing.T) {
	for name, want := range readGolden(t) {
		t.Run(name, func(t *testing.T) {
			gg := newGoldenGraph(t, name, want.Input, nil)
			losses, r := gg.reference(t, 1, nil)
			if e := math.Abs(losses[0]/want.Loss - 1); !(e < 1e-9) {
				t.Errorf("loss is %v, want %v", losses[0], want.Loss)
			}
			if len(want.Gradients) != len(gg.vars) {
				t.Errorf("%d variables, want %d", len(gg.vars), len(want.Gradients))
			}
			largest, worst := 0.0, 0.0
			for _, w := range want.Gradients {
				largest = max(largest, w.Norm)
			}
			check := func(name string, w goldenTensor, x []float64) {
				if w.Norm <= 1e-10*largest {
					if n := norm(x); n > 1e-10*largest {
						t.Errorf("%s has norm %g, PyTorch's %g", name, n, w.Norm)
					}
					return
				}
				e := max(w.distance(name, x), math.Abs(norm(x)-w.Norm)) / w.Norm
				if worst = max(worst, e); !(e <= 1e-6) {
					t.Errorf("%s: relative error %g (norm %g)", name, e, w.Norm)
				}
			}
			for i, id := range gg.vars {
				n := gg.g.Node(id)
				w, ok := want.Gradients[n.Name]
				if !ok {
					t.Fatalf("no golden of %s", n.Name)
				}
				check(n.Name, w, r.Value(gg.grads[i]))
			}
			for name, w := range want.Statistics {
				check(name, w, r.Variable(name))
			}
			t.Logf("float64: worst relative error %.2g", worst)
			for _, opt := range []Options{{Impl: "go"}, {}, {fusions: 1}} {
				if e := gg.float32Error(t, opt, r, largest); !(e <= 1e-3) {
					t.Errorf("float32, kernels %q, fused from %d: relative error of all gradients together %g", opt.Impl, opt.fusions, e)
				} else {
					t.Logf("float32, kernels %q, fused from %d: %.2g", opt.Impl, opt.fusions, e)
				}
			}
		})
	}
}

// float32Error is the relative error of all gradients that count, together.
func (gg *goldenGraph) float32Error(t *testing.T, opt Options, r *Reference[float64], largest float64) float64 {
	t.Helper()
	p, err := CompileTrain(gg.g, opt)
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(gg.g)
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(2)
	defer pool.Close()
	s, err := p.NewSession(pool, state)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range gg.in {
		copy(s.Input(i), x)
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	wrong, all := 0.0, 0.0
	for i, id := range gg.grads {
		want := r.Value(id)
		if norm(want) <= 1e-10*largest {
			continue
		}
		for j, v := range s.Output(i + 1) {
			wrong += (float64(v) - want[j]) * (float64(v) - want[j])
			all += want[j] * want[j]
		}
	}
	return math.Sqrt(wrong / all)
}

// TestStepsGolden compares the losses of ten steps with PyTorch's in float64,
// and of the first two in float32.
func TestStepsGolden(t *testing.T) {
	if testing.Short() {
		t.Skip("ten steps with the reference kernels")
	}
	golden := readGolden(t)
	for _, name := range []string{"mobilenet_v2", "mobilenet_v3_small"} {
		for _, c := range []struct {
			name string
			o    pass.Optimizer
		}{
			{"sgd", pass.Optimizer{Kind: pass.SGD, Momentum: 0.9}},
			{"rmsprop", pass.Optimizer{Kind: pass.RMSprop, Rho: 0.9, Momentum: 0.9, Epsilon: 1e-3, InitialMeanSquare: 1}},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				want, lr := golden[name].Steps[c.name].Losses, golden[name].Steps[c.name].Rate
				if len(want) != 10 {
					t.Fatalf("%d golden losses", len(want))
				}
				gg := newGoldenGraph(t, name, golden[name].Input, &c.o)
				got, _ := gg.reference(t, 10, []float64{lr})
				worst := 0.0
				for i, w := range want {
					e := math.Abs(got[i]/w - 1)
					if worst = max(worst, e); !(e <= 1e-6) {
						t.Errorf("loss %d is %v, want %v: relative error %g", i, got[i], w, e)
					}
				}
				t.Logf("float64: worst relative error of ten losses %.2g", worst)
				for _, impl := range []string{"go", ""} {
					for i, l := range gg.float32Losses(t, impl, 2, float32(lr)) {
						if e := math.Abs(float64(l)/want[i] - 1); !(e <= 1e-4) {
							t.Errorf("float32, kernels %q: loss %d is %v, want %v: relative error %g", impl, i, l, want[i], e)
						}
					}
				}
			})
		}
	}
}

func (gg *goldenGraph) float32Losses(t *testing.T, impl string, steps int, lr float32) (losses []float32) {
	t.Helper()
	p, err := CompileTrain(gg.g, Options{Impl: impl})
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(gg.g)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil, state)
	if err != nil {
		t.Fatal(err)
	}
	for range steps {
		for i, x := range gg.in {
			copy(s.Input(i), x)
		}
		s.Input(len(gg.in))[0] = lr
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, s.Output(0)[0])
	}
	return losses
}

// TestGradientsTorch runs PyTorch beside: every element of every gradient.
func TestGradientsTorch(t *testing.T) {
	python := os.Getenv("MOBILENET_TORCH")
	if python == "" {
		t.Skip("set MOBILENET_TORCH to a Python with torch and torchvision")
	}
	dir := t.TempDir()
	cmd := exec.Command(python, "train_golden.py", dir)
	cmd.Dir = "testdata"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, golden := range readGolden(t) {
		gg := newGoldenGraph(t, name, golden.Input, nil)
		_, r := gg.reference(t, 1, nil)
		want, largest := make([][]float64, len(gg.vars)), 0.0
		for i, id := range gg.vars {
			raw, err := os.ReadFile(filepath.Join(dir, name, gg.g.Node(id).Name))
			if err != nil {
				t.Fatal(err)
			}
			want[i] = make([]float64, len(raw)/8)
			for j := range want[i] {
				want[i][j] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*j:]))
			}
			largest = max(largest, norm(want[i]))
		}
		worst := 0.0
		for i, w := range want {
			got, wrong := r.Value(gg.grads[i]), 0.0
			if len(got) != len(w) {
				t.Fatalf("%s: %d elements, want %d", gg.g.Node(gg.vars[i]).Name, len(got), len(w))
			}
			for j := range w {
				wrong += (got[j] - w[j]) * (got[j] - w[j])
			}
			if norm(w) <= 1e-10*largest {
				if n := norm(got); n > 1e-10*largest {
					t.Errorf("%s: %s has norm %g, PyTorch's %g", name, gg.g.Node(gg.vars[i]).Name, n, norm(w))
				}
				continue
			}
			e := math.Sqrt(wrong) / norm(w)
			if worst = max(worst, e); !(e <= 1e-6) {
				t.Errorf("%s: %s: relative error %g", name, gg.g.Node(gg.vars[i]).Name, e)
			}
		}
		t.Logf("%s: worst relative L2 of %d gradients %.2g", name, len(want), worst)
	}
}

// TestOptimizersGolden compares what six steps with decay, and with gradients
// clipped, make of seven numbers with PyTorch's own optimizers.
func TestOptimizersGolden(t *testing.T) {
	round := func(name string) []float32 {
		out := make([]float32, 7)
		for i, v := range testkit.Uniform(name, 7) {
			out[i] = float32(v)
		}
		return out
	}
	for name, want := range readGoldenFile(t).Optimizers {
		t.Run(name, func(t *testing.T) {
			var b graph.Builder
			p := b.Variable("p", graph.Weight, 7)
			lr, step := b.Op("lr", graph.Reshape{Shape: []int{1}}, b.Input("rate", 1, 1, 1, 1)), b.Op("t", graph.Reshape{Shape: []int{1}}, b.Input("step", 1, 1, 1, 1))
			c, err := b.G.AddConstant("c", &graph.Array{Shape: []int{7}, Data: round("c")})
			if err != nil {
				t.Fatal(err)
			}
			loss := b.Op("loss", graph.Reduce{}, b.Op("cpp", graph.Binary{Fn: graph.Mul}, c, b.Op("pp", graph.Binary{Fn: graph.Mul}, p, p)))
			g, err := b.Graph()
			if err != nil {
				t.Fatal(err)
			}
			g.Node(p).Value = &graph.Array{Shape: []int{7}, Data: round("p")}
			grads, err := pass.Grad(g, loss, []graph.ID{p})
			if err != nil {
				t.Fatal(err)
			}
			kind, clip := filepath.Split(name)
			switch clip {
			case "norm":
				grads, _, err = pass.ClipNorm(g, grads, 0.5)
			case "value":
				grads, err = pass.ClipValue(g, grads, 0.5)
			}
			if err != nil {
				t.Fatal(err)
			}
			o := map[string]pass.Optimizer{
				"sgd/":      {Kind: pass.SGD, Momentum: 0.9, Decay: 0.01},
				"nesterov/": {Kind: pass.SGD, Momentum: 0.9, Nesterov: true, Decay: 0.01},
				"adamw/":    {Kind: pass.AdamW, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-6, Decay: 0.1},
			}[kind]
			if err := o.Step(g, []graph.ID{p}, grads, lr, step); err != nil {
				t.Fatal(err)
			}
			if err := pass.Averages(g, []graph.ID{p}, 0.75); err != nil {
				t.Fatal(err)
			}
			r, err := NewReference[float64](g)
			if err != nil {
				t.Fatal(err)
			}
			average := wide(round("p"))
			for i := range 6 {
				if err := r.Run([]float64{0.1}, []float64{float64(i + 1)}); err != nil {
					t.Fatal(err)
				}
				for j, v := range r.Variable("p") {
					average[j] = 0.75*average[j] + 0.25*v
				}
			}
			for i, w := range want {
				if got := r.Variable("p")[i]; math.Abs(got-w) > 1e-12 {
					t.Errorf("element %d is %v, want %v", i, got, w)
				}
				if got := r.Variable("p.average")[i]; math.Abs(got-average[i]) > 1e-12 {
					t.Errorf("average %d is %v, want %v", i, got, average[i])
				}
			}
		})
	}
}

// TestKinksGolden holds slopes, at kinks too, and the gradient of a maximum of
// equal elements to PyTorch's.
func TestKinksGolden(t *testing.T) {
	golden := readGoldenFile(t)
	seen := 0
	for _, a := range allActs() {
		want, ok := golden.Slopes[a.String()]
		if !ok {
			continue
		}
		seen++
		for i, x := range golden.Points {
			if got := ref.ActSlope(act(a), x); math.Abs(got-want[i]) > 1e-7 {
				t.Errorf("%v: the slope at %v is %v, want %v", a, x, got, want[i])
			}
		}
	}
	if seen != 10 || len(golden.Slopes) != 10 {
		t.Errorf("%d activations of %d", seen, len(golden.Slopes))
	}
	a := ref.PoolGradArgs[float64]{N: 1, H: 5, W: 6, C: 1, OH: 3, OW: 3, KH: 3, KW: 3, StrideH: 2, StrideW: 2,
		DilationH: 1, DilationW: 1, PadTop: 1, PadLeft: 1, Max: true, DX: make([]float64, 30)}
	for i := range 30 {
		a.X = append(a.X, float64((3*(i/6)+5*(i%6))%3))
	}
	for i := range 9 {
		a.DY = append(a.DY, float64(i+1))
	}
	ref.PoolGrad(&a)
	if !slices.Equal(a.DX, golden.Ties) {
		t.Errorf("equal elements get %v, want %v", a.DX, golden.Ties)
	}
}
