package exec

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// trainable appends loss, gradients and an optimizer to the output "logits" of
// a graph. Inputs afterwards: picture, seed and step if it draws at random,
// target, weight, lr, t.
func trainable(t testing.TB, g *graph.Graph, opt pass.TrainingOptions, o pass.Optimizer) *graph.Graph {
	t.Helper()
	made, err := pass.Training(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	h := made.Graph
	loss, err := pass.CrossEntropy(h, h.Outputs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	vars := pass.Trained(h, nil)
	grads, err := pass.GradWith(h, loss.Mean, vars, pass.GradOptions{Recompute: true})
	if err != nil {
		t.Fatal(err)
	}
	grads, _, err = pass.ClipNorm(h, grads, 50)
	if err != nil {
		t.Fatal(err)
	}
	lr, err := h.AddInput("lr", graph.F32(1))
	if err != nil {
		t.Fatal(err)
	}
	step, err := h.AddInput("t", graph.F32(1))
	if err != nil {
		t.Fatal(err)
	}
	o.NoDecay = pass.Decayed{}.Excluded(h)
	if err := o.Step(h, vars, grads, lr, step); err != nil {
		t.Fatal(err)
	}
	if err := pass.Averages(h, vars, 0.9); err != nil {
		t.Fatal(err)
	}
	h.Outputs = nil
	if err := h.SetOutput("loss", loss.Mean); err != nil {
		t.Fatal(err)
	}
	return h
}

// feed gives the inputs of a step: those of trainable.
func feed(g *graph.Graph, step int) [][]float32 {
	r := rand.New(rand.NewPCG(uint64(step), 3))
	var out [][]float32
	for _, id := range g.Inputs {
		n := g.Node(id)
		v := make([]float32, n.Type.Shape.Len())
		for i := range v {
			switch n.Name {
			case "target":
				if k := n.Type.Shape[1]; i%k == i/k%k {
					v[i] = 1
				}
			case "weight":
				v[i] = 1 + 0.5*float32(i%2)
			case "lr":
				v[i] = 0.01
			case "t", "step":
				v[i] = float32(step + 1)
			case "seed":
				v[i] = 12345
			case "rounding":
				v[i] = 1
			case "averaging":
				v[i] = 1 / float32(step+1)
			default:
				v[i] = float32(r.Float64()*2 - 1)
			}
		}
		out = append(out, v)
	}
	return out
}

// trained runs some steps and gives the losses and the variables.
func trained(t testing.TB, g *graph.Graph, opt Options, pool *Pool, steps int) ([]float32, map[string][]float32) {
	t.Helper()
	p, err := CompileTrain(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(g)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(pool, state)
	if err != nil {
		t.Fatal(err)
	}
	var losses []float32
	for step := range steps {
		for i, in := range feed(g, step) {
			copy(s.Input(i), in)
		}
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, s.Output(0)[0])
	}
	vars := make(map[string][]float32)
	for _, name := range state.Names() {
		vars[name] = state.Variable(name)
	}
	return losses, vars
}

// referenceTrained is trained in float64 with the reference kernels.
func referenceTrained(t testing.TB, g *graph.Graph, steps int) ([]float64, *Reference[float64]) {
	t.Helper()
	r, err := NewReference[float64](g)
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	for step := range steps {
		var in [][]float64
		for _, x := range feed(g, step) {
			in = append(in, wide(x))
		}
		if err := r.Run(in...); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, r.Value(g.Outputs[0].ID)[0])
	}
	return losses, r
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// logitsOnly is network with its first output alone.
func logitsOnly(t testing.TB, batch, size int) *graph.Graph {
	g := network(t, batch, size)
	g.Outputs = g.Outputs[:1]
	return g
}

var optimizers = map[string]pass.Optimizer{
	"sgd":      {Kind: pass.SGD, Momentum: 0.9, Decay: 1e-4},
	"nesterov": {Kind: pass.SGD, Momentum: 0.9, Nesterov: true, Decay: 1e-4},
	"rmsprop":  {Kind: pass.RMSprop, Momentum: 0.9, Rho: 0.9, Epsilon: 1e-3, Decay: 1e-4, InitialMeanSquare: 1},
	"adamw":    {Kind: pass.AdamW, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-6, Decay: 1e-2},
}

// TestTrainStep compares two steps of every rung with the reference in
// float64: the loss, and what the variables changed by.
func TestTrainStep(t *testing.T) {
	pool := NewPool(3)
	defer pool.Close()
	for name, o := range optimizers {
		t.Run(name, func(t *testing.T) {
			g := trainable(t, logitsOnly(t, 3, 33), pass.TrainingOptions{DropPath: 0.2}, o)
			losses, r := referenceTrained(t, g, 2)
			for _, opt := range []Options{{Impl: "ref"}, {Impl: "go"}, {}, {Impl: "ref", fusions: 1}, {Impl: "go", fusions: 1}, {Impl: "avx2", fusions: 1}, {fusions: 1}} {
				impl := fmt.Sprint(opt.Impl, " fused from ", opt.fusions)
				got, vars := trained(t, g, opt, pool, 2)
				for i, l := range got {
					if e := math.Abs(float64(l)/losses[i] - 1); !(e < 1e-4) {
						t.Errorf("kernels %q: loss %d is %g, want %g", impl, i, l, losses[i])
					}
				}
				changed, wrong := 0.0, 0.0
				for _, id := range g.Variables() {
					n := g.Node(id)
					if name == "adamw" && n.Op.(graph.Variable).Role != graph.Slot {
						continue // it divides gradients that are 0 but for rounding by their size
					}
					want, was := r.Variable(n.Name), n.Value.Data
					for i, v := range vars[n.Name] {
						changed += math.Pow(want[i]-float64(was[i]), 2)
						wrong += math.Pow(want[i]-float64(v), 2)
					}
				}
				if e := math.Sqrt(wrong / changed); !(e < 1e-3) || changed == 0 {
					t.Errorf("kernels %q: variables changed by %g, relative error %g", impl, math.Sqrt(changed), e)
				}
			}
		})
	}
}

// TestTrainSameBits: a step gives the same bits for any number of threads, and
// for values that share memory as for values that do not.
func TestTrainSameBits(t *testing.T) {
	for name, o := range optimizers {
		g := trainable(t, logitsOnly(t, 3, 33), pass.TrainingOptions{DropPath: 0.2}, o)
		for _, opt := range []Options{{Impl: "go"}, {}, {Impl: "go", fusions: 1}, {fusions: 1}} {
			impl, alone := fmt.Sprint(opt.Impl, " fused from ", opt.fusions), opt
			alone.apart = true
			losses, want := trained(t, g, alone, nil, 3)
			for _, threads := range []int{1, 2, 3, 8} {
				pool := NewPool(threads)
				got, vars := trained(t, g, opt, pool, 3)
				pool.Close()
				if !slices.Equal(got, losses) {
					t.Errorf("%s, kernels %q, %d threads: losses %v, want %v", name, impl, threads, got, losses)
				}
				for v, x := range vars {
					if !slices.Equal(x, want[v]) {
						t.Fatalf("%s, kernels %q, %d threads: variable %s differs", name, impl, threads, v)
					}
				}
			}
		}
	}
}

func TestTrainAllocatesNothing(t *testing.T) {
	pool := NewPool(2)
	defer pool.Close()
	g := trainable(t, logitsOnly(t, 2, 33), pass.TrainingOptions{DropPath: 0.2}, optimizers["rmsprop"])
	p, err := CompileTrain(g, Options{fusions: 1})
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(g)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(pool, state)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(5, func() { _ = s.Run(context.Background()) }); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

// TestTrainSharesMemory: the optimizer's variables are written in place, and
// the arena is far smaller than the sum of the values.
func TestTrainSharesMemory(t *testing.T) {
	g := trainable(t, logitsOnly(t, 3, 65), pass.TrainingOptions{}, optimizers["sgd"])
	p, err := CompileTrain(g, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.plan.copies); n > 0 {
		t.Errorf("%d variables are copied", n)
	}
	if 2*p.plan.len > p.plan.naive {
		t.Errorf("%d elements of %d", p.plan.len, p.plan.naive)
	}
}

// TestAssignOrder: every read of a step sees the old values, also where two
// variables exchange theirs.
func TestAssignOrder(t *testing.T) {
	var g graph.Graph
	must := func(id graph.ID, err error) graph.ID {
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	variable := func(name string, v float32) graph.ID {
		id := must(g.AddVariable(name, graph.Slot, 1))
		g.Node(id).Value = &graph.Array{Shape: []int{1}, Data: []float32{v}}
		return id
	}
	a, b, c := variable("a", 1), variable("b", 2), variable("c", 10)
	in := must(g.AddInput("in", graph.F32(1)))
	must(g.Add("a.assign", graph.Assign{}, a, b))
	must(g.Add("b.assign", graph.Assign{}, b, a))
	next := must(g.Add("c.next", graph.Binary{Fn: graph.Add}, c, in))
	must(g.Add("c.assign", graph.Assign{}, c, next))
	late := must(g.Add("late", graph.Binary{Fn: graph.Mul}, c, in)) // the old c
	if err := g.SetOutput("late", late); err != nil {
		t.Fatal(err)
	}
	p, err := CompileTrain(&g, Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(&g)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil, state)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReference[float64](&g)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][4]float32{{2, 1, 13, 30}, {1, 2, 16, 39}} {
		s.Input(0)[0] = 3
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := r.Run([]float64{3}); err != nil {
			t.Fatal(err)
		}
		got := [4]float32{state.Variable("a")[0], state.Variable("b")[0], state.Variable("c")[0], s.Output(0)[0]}
		exact := [4]float32{float32(r.Variable("a")[0]), float32(r.Variable("b")[0]), float32(r.Variable("c")[0]), float32(r.Value(late)[0])}
		if got != want || exact != want {
			t.Errorf("step %d: %v, reference %v, want %v", i, got, exact, want)
		}
	}
}

// TestGradientBlocks holds a network of one block of each family, with the
// stem and head of its own, to differences.
func TestGradientBlocks(t *testing.T) {
	none := 0.0
	for _, c := range []struct {
		name, net, dialect string
		pick               func(b *arch.Block) bool
	}{
		{"V1 separable", "mobilenet_v1", "", func(b *arch.Block) bool { return b.Stride == 2 }},
		{"V2 inverted residual", "mobilenet_v2", "", func(b *arch.Block) bool { return b.Residual }},
		{"V3 SE and h-swish", "mobilenet_v3_small", "", func(b *arch.Block) bool { return b.SE > 0 && b.Residual && b.Kernel == 5 }},
		{"V3 SE timm", "mobilenet_v3_large", "timm_tf", func(b *arch.Block) bool { return b.SE > 0 && b.Stride == 2 }},
		{"EdgeTPU fused", "mobilenet_edgetpu", "timm", func(b *arch.Block) bool { return b.Kind == arch.Fused && b.Residual }},
		{"MnasNet", "mnasnet_a1", "timm", func(b *arch.Block) bool { return b.SE > 0 && b.Residual }},
	} {
		t.Run(c.name, func(t *testing.T) {
			net, err := arch.New(c.net, arch.Options{Dialect: c.dialect, Classes: 3, Dropout: &none})
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(net.Blocks, func(b arch.Block) bool { return c.pick(&b) })
			if i < 0 {
				t.Fatal("no such block")
			}
			// Its channels are fewer, so that kinks can be kept away from.
			b := net.Blocks[i]
			in, mid := 4, 4
			if b.Mid != b.In {
				mid = 6
			}
			b.Out = in + 2
			if b.Residual {
				b.Out = in
			}
			b.In, b.Mid, b.SE = in, mid, min(b.SE, 3)
			net.StemOut, net.Blocks = in, []arch.Block{b}
			net.HeadConv, net.HeadFC = min(net.HeadConv, 5), min(net.HeadFC, 5)
			difference(t, func(gb *graph.Builder) graph.ID {
				g, err := net.Graph(2, 7, 7)
				if err != nil {
					return gb.Fail("%v", err)
				}
				gb.G = *g
				return g.Outputs[0].ID
			})
		})
	}
}

// TestAccumulate: two parts of a batch, gathered, make the step of their sum.
func TestAccumulate(t *testing.T) {
	build := func(last bool) *graph.Graph {
		made, err := pass.Training(logitsOnly(t, 2, 33), pass.TrainingOptions{NoDropout: true, Frozen: func(string) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		h := made.Graph
		loss, err := pass.CrossEntropy(h, h.Outputs[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		keep, err := h.AddInput("keep", graph.F32(1))
		if err != nil {
			t.Fatal(err)
		}
		vars := pass.Trained(h, nil)
		grads, err := pass.Grad(h, loss.Mean, vars)
		if err != nil {
			t.Fatal(err)
		}
		sums, err := pass.Accumulate(h, vars, grads, keep, !last)
		if err != nil {
			t.Fatal(err)
		}
		h.Outputs = nil
		for i, id := range grads {
			if err := h.SetOutput(fmt.Sprintf("%d", i), id); err != nil {
				t.Fatal(err)
			}
		}
		for i, id := range sums {
			if err := h.SetOutput(fmt.Sprintf("sum%d", i), id); err != nil {
				t.Fatal(err)
			}
		}
		return h
	}
	first, last := build(false), build(true)
	state, err := NewState(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Add(last); err != nil {
		t.Fatal(err)
	}
	want := make([][]float64, len(first.Outputs)/2)
	for part, g := range []*graph.Graph{first, last} {
		p, err := CompileTrain(g, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.NewSession(nil, state)
		if err != nil {
			t.Fatal(err)
		}
		for i, in := range feed(g, part) {
			copy(s.Input(i), in)
			if g.Node(g.Inputs[i]).Name == "keep" {
				s.Input(i)[0] = float32(part)
			}
		}
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if part == 0 {
				want[i] = wide(s.Output(i))
				continue
			}
			for j, v := range s.Output(i) {
				want[i][j] += float64(v)
			}
			if e := relative(s.Output(len(want)+i), want[i]); !(e < 1e-6) {
				t.Errorf("sum %d: relative error %g", i, e)
			}
		}
	}
}

// TestLossScale: a scaled loss gives scaled gradients, and Scale undoes it.
func TestLossScale(t *testing.T) {
	gradients := func(scale float64) []float64 {
		made, err := pass.Training(logitsOnly(t, 2, 33), pass.TrainingOptions{NoDropout: true})
		if err != nil {
			t.Fatal(err)
		}
		h := made.Graph
		loss, err := pass.CrossEntropy(h, h.Outputs[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		var opt pass.GradOptions
		if scale != 0 {
			opt.HasScale = true
			if opt.Scale, err = h.AddInput("scale", graph.F32(1)); err != nil {
				t.Fatal(err)
			}
		}
		vars := pass.Trained(h, nil)
		grads, err := pass.GradWith(h, loss.Mean, vars, opt)
		if err != nil {
			t.Fatal(err)
		}
		if scale != 0 {
			undo, err := h.AddInput("undo", graph.F32(1))
			if err != nil {
				t.Fatal(err)
			}
			if grads, err = pass.Scale(h, grads, undo); err != nil {
				t.Fatal(err)
			}
		}
		r, err := NewReference[float64](h)
		if err != nil {
			t.Fatal(err)
		}
		var in [][]float64
		for i, x := range feed(h, 0) {
			in = append(in, wide(x))
			switch h.Node(h.Inputs[i]).Name {
			case "scale":
				in[i][0] = scale
			case "undo":
				in[i][0] = 2 / scale
			}
		}
		if err := r.Run(in...); err != nil {
			t.Fatal(err)
		}
		return r.Value(grads[0])
	}
	plain, scaled := gradients(0), gradients(1024)
	for i, v := range plain {
		if math.Abs(scaled[i]-2*v) > 1e-12*math.Abs(v)+1e-15 {
			t.Fatalf("element %d is %v, twice it %v", i, v, scaled[i])
		}
	}
}
