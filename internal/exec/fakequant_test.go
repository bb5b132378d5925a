package exec

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// aware is a small network with generated weights, ready for training with
// fake quantization, and the graph it was made of.
func aware(t testing.TB, name string, opt arch.Options, batch int) (rounding, folded *graph.Graph) {
	t.Helper()
	if opt.Resolution == 0 {
		opt.Resolution = 33
	}
	net, err := arch.New(name, opt)
	if err != nil {
		t.Fatal(err)
	}
	g, err := net.Graph(batch, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Fill(g)
	f := pass.Folder{Bounds: true}
	if folded, err = f.Fold(g); err != nil {
		t.Fatal(err)
	}
	if rounding, err = pass.QuantizeAware(folded, pass.QuantizeOptions{}); err != nil {
		t.Fatal(err)
	}
	return rounding, folded
}

// block is a small graph with everything that is rounded: a bound, h-swish,
// swish, a gate, a sum, a join, a mean.
func roundedBlock(t *testing.T, seed uint64) *graph.Graph {
	t.Helper()
	var b graph.Builder
	x := b.Input("x", 2, 6, 6, 3)
	conv := func(name string, in graph.ID, k, out, groups int, act graph.Act) graph.ID {
		return b.Act(name+".act", b.Conv(name, in, graph.ConvSpec{Window: graph.Square(k, 1, 1, graph.Pad(k/2)), Out: out, Groups: groups, Bias: true}), act)
	}
	stem := conv("stem", x, 3, 8, 1, graph.ActReLU)
	dw := conv("dw", stem, 3, 8, 8, graph.ActHSwish)
	gate := conv("gate", b.Op("pool", graph.GlobalAvgPool{}, dw), 1, 8, 1, graph.ActHSigmoid)
	scaled := b.Op("scaled", graph.Binary{Fn: graph.Mul}, dw, gate)
	project := conv("project", scaled, 1, 8, 1, graph.Act{})
	sum := b.Op("sum", graph.Binary{Fn: graph.Add}, project, stem)
	other := conv("other", sum, 1, 4, 1, graph.ActSwish)
	both := b.Op("both", graph.Concat{Axis: 3}, sum, other)
	last := conv("last", b.Op("mean", graph.GlobalAvgPool{}, both), 1, 5, 1, graph.Act{})
	b.Output("logits", b.Op("logits", graph.Reshape{Shape: []int{0, -1}}, last))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	fillSeed(g, seed)
	f := pass.Folder{Bounds: true}
	folded, err := f.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	rounding, err := pass.QuantizeAware(folded, pass.QuantizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rounding
}

// TestFakeQuantGradient: the gradients of a graph with fake quantization are
// those of the same graph with each rounding replaced by its straight line, x
// plus what rounding adds here, or a number where it clamps. That one is
// smooth and computes the same, so differences tell.
func TestFakeQuantGradient(t *testing.T) {
	clamped := 0
	for seed := uint64(1); seed < 40; seed++ {
		g := roundedBlock(t, seed)
		made, err := pass.Training(g, pass.TrainingOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h := made.Graph
		loss := addLoss(t, h, h.Outputs[0].ID, seed)
		vars := pass.Trained(h, nil)
		grads, err := pass.GradWith(h, loss, vars, pass.GradOptions{Recompute: seed%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		run, err := NewReference[float64](h)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, 9))
		inputs := make([][]float64, len(h.Inputs))
		for i, id := range h.Inputs {
			inputs[i] = make([]float64, h.Node(id).Type.Shape.Len())
			for j := range inputs[i] {
				inputs[i][j] = r.Float64()*3 - 1.5
			}
		}
		at := func(id graph.ID) int { return slices.Index(h.Inputs, id) }
		inputs[at(made.Rounding)][0], inputs[at(made.Averaging)][0] = 1, 1
		if err := run.Run(inputs...); err != nil {
			t.Fatal(err)
		}
		inputs[at(made.Averaging)][0] = 0
		for _, name := range []string{"x.range", "dw.range", "scaled.range", "last.range"} {
			for i := range run.Variable(name) {
				run.Variable(name)[i] *= 0.7 // so that some are clamped
			}
		}
		if err := run.Run(inputs...); err != nil {
			t.Fatal(err)
		}
		if nearKink(h, run) {
			continue
		}
		smooth, n := straightened(t, h, run)
		clamped += n
		compareWithDifferences(t, h, run, vars, grads, smooth, loss, inputs)
		if seed > 4 && clamped > 0 {
			return
		}
	}
	t.Fatal("no seed keeps away from the kinks and clamps")
}

// addLoss is the sum of y times random numbers.
func addLoss(t *testing.T, h *graph.Graph, y graph.ID, seed uint64) graph.ID {
	t.Helper()
	s := h.Node(y).Type.Shape
	random := &graph.Array{Shape: s, Data: testkit.Noise(s.Len(), seed)}
	c, err := h.AddConstant("test.r", random)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Add("test.product", graph.Binary{Fn: graph.Mul}, y, c)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := h.Add("test.loss", graph.Reduce{}, p)
	if err != nil {
		t.Fatal(err)
	}
	return loss
}

// straightened copies the forward part of a graph with straight lines for
// roundings, and counts the elements that are clamped.
func straightened(t *testing.T, g *graph.Graph, run *Reference[float64]) (*graph.Graph, int) {
	t.Helper()
	out, to, clamped := &graph.Graph{}, make([]graph.ID, len(g.Nodes)), 0
	for i := range g.Nodes {
		id, n := graph.ID(i), &g.Nodes[i]
		var err error
		switch op := n.Op.(type) {
		case graph.Input:
			to[i], err = out.AddInput(n.Name, n.Type)
		case graph.Constant:
			to[i], err = out.AddConstant(n.Name, n.Value)
		case graph.Variable:
			to[i], err = out.AddVariable(n.Name, op.Role, n.Type.Shape...)
			out.Nodes[to[i]].Value = n.Value
		case graph.Assign:
			continue
		case graph.FakeQuant, graph.FakeQuantWeight:
			x, y := run.Value(n.In[0]), run.Value(id)
			slope := &graph.Array{Shape: n.Type.Shape, Data: make([]float32, len(x))}
			shift := &graph.Array{Shape: n.Type.Shape, Data: make([]float32, len(x))}
			step := math.Inf(1)
			if _, value := op.(graph.FakeQuant); value {
				step, _ = ref.Affine(run.Value(n.In[1])[0], run.Value(n.In[1])[1])
			}
			for j := range x {
				if slope.Data[j] = 1; math.Abs(y[j]-x[j]) > step*0.500001 {
					slope.Data[j] = 0
					clamped++
				}
				shift.Data[j] = float32(y[j] - float64(slope.Data[j])*x[j])
			}
			m, err1 := out.AddConstant(n.Name+".slope", slope)
			s, err2 := out.AddConstant(n.Name+".shift", shift)
			p, err3 := out.Add(n.Name+".product", graph.Binary{Fn: graph.Mul}, to[n.In[0]], m)
			if err1 != nil || err2 != nil || err3 != nil {
				t.Fatal(err1, err2, err3)
			}
			to[i], err = out.Add(n.Name, graph.Binary{Fn: graph.Add}, p, s)
		default:
			in := make([]graph.ID, len(n.In))
			for k, x := range n.In {
				in[k] = to[x]
			}
			to[i], err = out.Add(n.Name, n.Op, in...)
		}
		if err != nil {
			t.Fatal(err)
		}
		if n.Name == "test.loss" {
			return out, clamped
		}
	}
	t.Fatal("no loss")
	return nil, 0
}

func compareWithDifferences(t *testing.T, h *graph.Graph, run *Reference[float64], vars, grads []graph.ID, smooth *graph.Graph, loss graph.ID, inputs [][]float64) {
	t.Helper()
	diff, err := NewReference[float64](smooth)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := smooth.Lookup("test.loss")
	eval := func() float64 {
		if err := diff.Run(inputs[:len(smooth.Inputs)]...); err != nil {
			t.Fatal(err)
		}
		return diff.Value(end)[0]
	}
	if got, want := eval(), run.Value(loss)[0]; math.Abs(got-want) > 1e-5 {
		t.Fatalf("the smooth graph's loss is %v, not %v", got, want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i, id := range vars {
		name := h.Node(id).Name
		x, got := diff.Variable(name), run.Value(grads[i])
		largest := 1e-4
		for _, v := range got {
			largest = max(largest, math.Abs(v))
		}
		for _, j := range r.Perm(len(x))[:min(len(x), 20)] {
			was := x[j]
			x[j] = was + diffStep
			up := eval()
			x[j] = was - diffStep
			want := (up - eval()) / (2 * diffStep)
			x[j] = was
			if e := math.Abs(got[j]-want) / max(math.Abs(want), largest/10); !(e <= 1e-4) {
				t.Errorf("gradient by %s[%d] is %g, the difference says %g", name, j, got[j], want)
				break
			}
		}
	}
}

// qatStep is a training step with fake quantization.
func qatStep(t testing.TB, name string, opt arch.Options, batch int, o pass.Optimizer) *graph.Graph {
	t.Helper()
	g, _ := aware(t, name, opt, batch)
	return trainable(t, g, pass.TrainingOptions{}, o)
}

// TestFakeQuantSameBits: a step with fake quantization has the same bits for
// any threads, with memory shared or not, and allocates nothing.
func TestFakeQuantSameBits(t *testing.T) {
	g := qatStep(t, "mobilenet_v3_small", arch.Options{Width: 0.5, Classes: 10}, 3, optimizers["sgd"])
	for _, impl := range []string{"go", ""} {
		losses, want := trained(t, g, Options{Impl: impl, apart: true}, nil, 3)
		for _, threads := range []int{1, 3} {
			pool := NewPool(threads)
			got, vars := trained(t, g, Options{Impl: impl}, pool, 3)
			pool.Close()
			if !slices.Equal(got, losses) {
				t.Errorf("kernels %q, %d threads: losses %v, want %v", impl, threads, got, losses)
			}
			for v, x := range vars {
				if !slices.Equal(x, want[v]) {
					t.Fatalf("kernels %q, %d threads: variable %s differs", impl, threads, v)
				}
			}
		}
	}
	p, err := CompileTrain(g, Options{})
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
	if n := testing.AllocsPerRun(2, func() { _ = s.Run(context.Background()) }); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

// TestFakeQuantPhases: switched off, a step is one without fake quantization to
// the last bit but for the ranges; ranges take those of the first batch, then
// follow, and at a rate of 0 stay.
func TestFakeQuantPhases(t *testing.T) {
	g := roundedBlock(t, 3)
	plain, _, err := pass.Unrounded(setRanges(g, -1, 1))
	if err != nil {
		t.Fatal(err)
	}
	sgd := optimizers["sgd"]
	h := trainable(t, g, pass.TrainingOptions{}, sgd)
	want, float := trained(t, trainable(t, plain, pass.TrainingOptions{}, sgd), Options{}, nil, 1)
	p, err := CompileTrain(h, Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(h)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil, state)
	if err != nil {
		t.Fatal(err)
	}
	step := func(at int, on, rate float32) {
		for i, in := range feed(h, at) {
			copy(s.Input(i), in)
			switch h.Node(h.Inputs[i]).Name {
			case "rounding":
				s.Input(i)[0] = on
			case "averaging":
				s.Input(i)[0] = rate
			}
		}
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	extremes := func(at int) [2]float32 {
		x := feed(h, at)[0]
		return [2]float32{slices.Min(x), slices.Max(x)}
	}
	step(0, 0, 1)
	if got := s.Output(0)[0]; got != want[0] {
		t.Errorf("without rounding the loss is %v, want %v", got, want[0])
	}
	for name, v := range float {
		if !slices.Equal(state.Variable(name), v) {
			t.Errorf("without rounding %s is another", name)
		}
	}
	r := state.Variable("x.range")
	if first := extremes(0); r[0] != first[0] || r[1] != first[1] {
		t.Errorf("after the first batch the range is %v, want %v", r, first)
	}
	step(1, 1, 0.25)
	for i, v := range extremes(1) {
		if want := 0.75*extremes(0)[i] + 0.25*v; r[i] != want {
			t.Errorf("after the second batch bound %d is %v, want %v", i, r[i], want)
		}
	}
	was := make(map[string][]float32)
	for _, name := range state.Names() {
		if strings.HasSuffix(name, ".range") {
			was[name] = slices.Clone(state.Variable(name))
		}
	}
	step(2, 1, 0)
	for name, v := range was {
		if !slices.Equal(v, state.Variable(name)) {
			t.Errorf("%s is not frozen", name)
		}
	}
	if len(was) < 8 {
		t.Errorf("%d ranges", len(was))
	}
}

// setRanges gives all ranges of a graph a value.
func setRanges(g *graph.Graph, lo, hi float32) *graph.Graph {
	for _, id := range g.Variables() {
		if n := g.Node(id); n.Op.(graph.Variable).Role == graph.Range {
			n.Value = &graph.Array{Shape: n.Type.Shape, Data: []float32{lo, hi}}
		}
	}
	return g
}

// TestFakeQuantFold: the inference graph rounds as the training graph does.
func TestFakeQuantFold(t *testing.T) {
	for _, name := range []string{"mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small"} {
		g, _ := aware(t, name, arch.Options{Width: 0.5, Classes: 10}, 2)
		setRanges(g, -1, 3)
		want, err := NewReference[float32](g)
		if err != nil {
			t.Fatal(err)
		}
		x := testkit.Noise(len(want.Value(g.Inputs[0])), 4)
		if err := want.Run(x); err != nil {
			t.Fatal(err)
		}
		folded, err := pass.Fold(g)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(folded, Options{Impl: "ref"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.NewSession(nil)
		if err != nil {
			t.Fatal(err)
		}
		copy(s.Input(0), x)
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if want := want.Value(g.Outputs[0].ID); !slices.Equal(s.Output(0), want) {
			t.Errorf("%s: folded %v, want %v", name, s.Output(0), want)
		}
	}
}
