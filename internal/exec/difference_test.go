package exec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Gradients against differences, in float64 with the reference kernels. The
// derivative by an element is taken from four evaluations, at one and two
// steps of distance to either side, whose error falls with the fourth power of
// the step.
//
// A difference across a kink of an activation says nothing. So the operands of
// each case are drawn again, from the next seed, until the inputs of every
// activation with kinks, and the rivals in every maximum's window, are further
// away from one than kinkDistance, some ten times as far as a step moves them.
const (
	diffStep     = 1e-5
	kinkDistance = 2e-4
	diffBound    = 1e-5
	diffElements = 60 // of each tensor, at most
)

// difference checks the gradients of the sum of y*r, r random, by all
// variables and inputs of the graph that build makes.
func difference(t *testing.T, build func(b *graph.Builder) graph.ID) {
	t.Helper()
	for seed := uint64(1); seed < 200; seed++ {
		var b graph.Builder
		y := build(&b)
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		if err := g.SetOutput("y", y); err != nil {
			t.Fatal(err)
		}
		fillSeed(g, seed)
		if ok := differenceOnce(t, g, seed); ok {
			return
		}
	}
	t.Fatal("no seed keeps away from the kinks")
}

func fillSeed(g *graph.Graph, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 5))
	for _, id := range g.Variables() {
		n := g.Node(id)
		a := &graph.Array{Shape: n.Type.Shape, Data: make([]float32, n.Type.Shape.Len())}
		fan := 1.0
		if len(a.Shape) == 4 {
			fan = float64(a.Shape[1] * a.Shape[2] * a.Shape[3])
		}
		for i := range a.Data {
			v := r.Float64()*2 - 1
			switch n.Op.(graph.Variable).Role {
			case graph.Weight:
				v *= math.Sqrt(6 / fan)
			case graph.Gamma, graph.Var:
				v = 1 + 0.3*v
			default:
				v *= 0.3
			}
			a.Data[i] = float32(v)
		}
		n.Value = a
	}
}

func differenceOnce(t *testing.T, g *graph.Graph, seed uint64) bool {
	t.Helper()
	made, err := pass.Training(g, pass.TrainingOptions{DropPath: 0.3})
	if err != nil {
		t.Fatal(err)
	}
	h := made.Graph
	y := h.Outputs[0].ID
	r := rand.New(rand.NewPCG(seed, 9))
	random := &graph.Array{Shape: h.Node(y).Type.Shape, Data: make([]float32, h.Node(y).Type.Shape.Len())}
	for i := range random.Data {
		random.Data[i] = float32(r.Float64()*2 - 1)
	}
	add := func(id graph.ID, err error) graph.ID {
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	loss := y
	if h.Node(y).Type.Shape.Len() > 1 {
		c := add(h.AddConstant("test.r", random))
		loss = add(h.Add("test.loss", graph.Reduce{}, add(h.Add("test.product", graph.Binary{Fn: graph.Mul}, y, c))))
	}
	wrt := append(pass.Trained(h, nil), h.Inputs...)
	grads, err := pass.GradWith(h, loss, wrt, pass.GradOptions{Recompute: seed%2 == 0})
	if err != nil {
		t.Fatal(err)
	}
	run, err := NewReference[float64](h)
	if err != nil {
		t.Fatal(err)
	}
	inputs := make([][]float64, len(h.Inputs))
	for i, id := range h.Inputs {
		inputs[i] = make([]float64, h.Node(id).Type.Shape.Len())
		for j := range inputs[i] {
			if inputs[i][j] = r.Float64()*3 - 1.5; id == made.Seed || id == made.Step {
				inputs[i][j] = float64(7 + j)
			}
		}
	}
	eval := func() float64 {
		if err := run.Run(inputs...); err != nil {
			t.Fatal(err)
		}
		return run.Value(loss)[0]
	}
	// Averages are written at the end of a run and read by no loss here.
	eval()
	if nearKink(h, run) {
		return false
	}
	analytic := make([][]float64, len(wrt))
	for i, id := range grads {
		if id != graph.None {
			analytic[i] = append([]float64(nil), run.Value(id)...)
		}
	}
	for i, id := range wrt {
		if id == made.Seed || id == made.Step {
			if grads[i] != graph.None {
				t.Errorf("%s has a gradient", h.Node(id).Name)
			}
			continue
		}
		x := run.Value(id)
		for k, in := range h.Inputs {
			if in == id {
				x = inputs[k] // a run copies it
			}
		}
		// A gradient may be 0, as of what a norm takes out; differences are then
		// the rounding of a sum by the step.
		largest := 1e-4
		for _, v := range analytic[i] {
			largest = max(largest, math.Abs(v))
		}
		for _, j := range r.Perm(len(x))[:min(len(x), diffElements)] {
			was, f := x[j], [5]float64{}
			for k := -2; k <= 2; k++ {
				if k != 0 {
					x[j] = was + float64(k)*diffStep
					f[k+2] = eval()
				}
			}
			x[j] = was
			want := (8*(f[3]-f[1]) - (f[4] - f[0])) / (12 * diffStep)
			got := 0.0
			if analytic[i] != nil {
				got = analytic[i][j]
			}
			if e := math.Abs(got-want) / max(math.Abs(want), largest/10); !(e <= diffBound) {
				t.Errorf("gradient by %s[%d] is %g, the difference says %g: relative error %g", h.Node(id).Name, j, got, want, e)
				break
			}
		}
	}
	return true
}

// nearKink reports an activation's input close to one of its kinks, or two
// elements of a maximum's window close to each other.
func nearKink(g *graph.Graph, run *Reference[float64]) bool {
	for i := range g.Nodes {
		n := &g.Nodes[i]
		switch op := n.Op.(type) {
		case graph.Activation:
			for _, v := range run.Value(n.In[0]) {
				if nearAct(op.Act, v) {
					return true
				}
			}
		case graph.BatchNormTrain:
			c := len(run.Value(n.In[1]))
			z := make([]float64, n.Type.Shape.Len())
			ref.BatchNormTrain(&ref.BatchNormTrainArgs[float64]{Rows: len(z) / c, C: c, Epsilon: op.Epsilon,
				X: run.Value(n.In[0]), Gamma: run.Value(n.In[1]), Beta: run.Value(n.In[2]), Stats: run.Value(n.In[3]), Y: z})
			for _, v := range z {
				if nearAct(op.Act, v) {
					return true
				}
			}
		case graph.Pool:
			if x := run.Value(n.In[0]); op.Max {
				for a := range x {
					for b := range a {
						if math.Abs(x[a]-x[b]) < kinkDistance && a%g.Nodes[n.In[0]].Type.Shape[3] == b%g.Nodes[n.In[0]].Type.Shape[3] {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

func nearAct(a graph.Act, v float64) bool {
	var kinks []float64
	switch a.Kind {
	case graph.ReLU, graph.LeakyReLU:
		kinks = []float64{0}
	case graph.ReLU6:
		kinks = []float64{0, 6}
	case graph.Clip:
		kinks = []float64{float64(a.A), float64(a.B)}
	case graph.HSwish, graph.HSigmoid:
		kinks = []float64{-3, 3}
	case graph.HardSigmoid:
		kinks = []float64{-float64(a.B) / float64(a.A), (1 - float64(a.B)) / float64(a.A)}
	}
	for _, k := range kinks {
		if math.Abs(v-k) < kinkDistance {
			return true
		}
	}
	return false
}

// TestGradientOps holds the gradient of every operation to differences.
func TestGradientOps(t *testing.T) {
	type build = func(b *graph.Builder) graph.ID
	cases := map[string]build{}
	conv := func(name string, n, h, w, c int, s graph.ConvSpec) {
		cases["conv/"+name] = func(b *graph.Builder) graph.ID { return b.Conv("conv", b.Input("x", n, h, w, c), s) }
	}
	win := func(kh, kw, sh, sw, dh, dw int, p graph.Padding) graph.Window {
		return graph.Window{KH: kh, KW: kw, StrideH: sh, StrideW: sw, DilationH: dh, DilationW: dw, Pad: p}
	}
	conv("pointwise", 2, 3, 4, 5, graph.ConvSpec{Window: win(1, 1, 1, 1, 1, 1, graph.Padding{}), Out: 3, Bias: true})
	conv("pointwise_stride", 2, 5, 4, 3, graph.ConvSpec{Window: win(1, 1, 2, 2, 1, 1, graph.Padding{}), Out: 4})
	conv("dense", 2, 5, 6, 3, graph.ConvSpec{Window: win(3, 3, 2, 2, 1, 1, graph.Pad(1)), Out: 4, Bias: true})
	conv("dense_same", 2, 6, 5, 3, graph.ConvSpec{Window: win(3, 2, 2, 1, 1, 1, graph.SamePadding), Out: 2})
	conv("dense_dilated", 1, 7, 8, 2, graph.ConvSpec{Window: win(3, 3, 1, 1, 2, 3, graph.Padding{Top: 2, Bottom: 1, Left: 3}), Out: 3})
	conv("grouped", 2, 4, 5, 6, graph.ConvSpec{Window: win(3, 3, 1, 2, 1, 1, graph.Pad(1)), Out: 4, Groups: 2, Bias: true})
	conv("depthwise", 2, 5, 5, 4, graph.ConvSpec{Window: win(3, 3, 1, 1, 1, 1, graph.Pad(1)), Out: 4, Groups: 4})
	conv("depthwise_stride", 2, 7, 6, 3, graph.ConvSpec{Window: win(5, 5, 2, 2, 1, 1, graph.SamePadding), Out: 3, Groups: 3})
	conv("depthwise_dilated", 1, 7, 7, 3, graph.ConvSpec{Window: win(3, 3, 1, 1, 2, 2, graph.Pad(2)), Out: 3, Groups: 3, Bias: true})
	conv("multiplier", 1, 4, 4, 3, graph.ConvSpec{Window: win(3, 3, 1, 1, 1, 1, graph.Pad(1)), Out: 6, Groups: 3})
	for _, a := range allActs() {
		cases["act/"+a.String()] = func(b *graph.Builder) graph.ID {
			x := b.Input("x", 2, 4, 4, 3)
			x = b.Op("wide", graph.Expand{Shape: tensor.Shape{2, 4, 4, 3}, Factor: 4}, x)
			return b.Op("act", graph.Activation{Act: a}, x)
		}
		cases["norm/"+a.String()] = func(b *graph.Builder) graph.ID {
			x := b.Norm("bn", b.Input("x", 3, 2, 3, 4), graph.BatchNorm{Epsilon: 1e-3, Momentum: 0.9})
			return b.Op("act", graph.Activation{Act: a}, x)
		}
		cases["fused/"+a.String()] = func(b *graph.Builder) graph.ID { return fusedConv(b, a) }
	}
	cases["norm/twice"] = func(b *graph.Builder) graph.ID { // no fusion: its result is read twice
		x := b.Norm("bn", b.Input("x", 3, 2, 3, 4), graph.BatchNorm{Epsilon: 1e-3, Momentum: 0.9})
		return b.Op("sum", graph.Binary{Fn: graph.Mul}, b.Act("act", x, graph.ActSwish), x)
	}
	shapes := [][2][]int{{{2, 3, 4, 2}, {2, 3, 4, 2}}, {{2, 3, 4, 2}, {2, 1, 1, 2}}, {{2, 1, 1, 2}, {2, 3, 4, 2}}, {{2, 3, 4, 2}, {1, 1, 1, 1}}, {{2, 1, 4, 1}, {1, 3, 1, 2}}}
	for i, s := range shapes {
		for fn := graph.Add; fn <= graph.Div; fn++ {
			for _, act := range []graph.Act{{}, graph.ActReLU} {
				cases[fmt.Sprintf("binary/%v%d%v", fn, i, act)] = func(b *graph.Builder) graph.ID {
					x := b.Input("x", s[0][0], s[0][1], s[0][2], s[0][3])
					z := b.Input("z", s[1][0], s[1][1], s[1][2], s[1][3])
					z = b.Op("positive", graph.Activation{Act: graph.ActSigmoid}, z) // it divides
					return b.Op("y", graph.Binary{Fn: fn, Act: act}, x, z)
				}
			}
		}
	}
	cases["binary/square"] = func(b *graph.Builder) graph.ID {
		x := b.Input("x", 2, 3, 3, 2)
		return b.Op("y", graph.Binary{Fn: graph.Mul}, x, x)
	}
	cases["binary/vector"] = func(b *graph.Builder) graph.ID {
		return b.Op("y", graph.Binary{Fn: graph.Mul}, b.Input("x", 2, 3, 3, 2), b.Variable("v", graph.Bias, 2))
	}
	op := func(name string, n, h, w, c int, op graph.Op) {
		cases[name] = func(b *graph.Builder) graph.ID { return b.Op("y", op, b.Input("x", n, h, w, c)) }
	}
	op("pool/global", 2, 3, 4, 3, graph.GlobalAvgPool{})
	op("pool/max", 2, 5, 6, 3, graph.Pool{Window: graph.Square(3, 2, 1, graph.Pad(1)), Max: true})
	op("pool/max_dilated", 1, 7, 7, 2, graph.Pool{Window: graph.Square(2, 1, 2, graph.Pad(1)), Max: true})
	op("pool/mean", 2, 5, 6, 3, graph.Pool{Window: graph.Square(3, 2, 1, graph.Pad(1))})
	op("pool/mean_padded", 2, 5, 6, 3, graph.Pool{Window: graph.Square(3, 2, 1, graph.SamePadding), CountPad: true})
	for rule := graph.HalfPixel; rule <= graph.Asymmetric; rule++ {
		for _, nearest := range []bool{false, true} {
			op(fmt.Sprintf("resize/up%d%v", rule, nearest), 2, 3, 4, 2, graph.Resize2D{H: 7, W: 8, Rule: rule, Nearest: nearest})
			op(fmt.Sprintf("resize/down%d%v", rule, nearest), 2, 5, 6, 2, graph.Resize2D{H: 3, W: 4, Rule: rule, Nearest: nearest})
		}
	}
	op("pad", 2, 3, 4, 2, graph.Pad2D{Padding: graph.Padding{Top: 1, Bottom: 2, Right: 3}, Value: 2})
	op("transpose", 2, 3, 4, 2, graph.Transpose{Perm: []int{0, 3, 1, 2}})
	op("reshape", 2, 3, 4, 2, graph.Reshape{Shape: tensor.Shape{0, -1}})
	op("softmax", 2, 3, 2, 5, graph.Softmax{})
	op("dropout", 2, 3, 4, 5, graph.Dropout{Rate: 0.4})
	op("channel_sum", 2, 3, 4, 5, graph.ChannelSum{})
	op("sum_to", 2, 3, 4, 5, graph.SumTo{Shape: tensor.Shape{2, 1, 1, 5}})
	op("expand", 2, 1, 1, 5, graph.Expand{Shape: tensor.Shape{2, 3, 2, 5}, Factor: 0.3})
	for fn := graph.ReduceSum; fn <= graph.ReduceSumSquares; fn++ {
		op(fmt.Sprintf("reduce/%d", fn), 2, 3, 4, 5, graph.Reduce{Fn: fn})
	}
	cases["sum_to/product"] = func(b *graph.Builder) graph.ID {
		return b.Op("y", graph.SumTo{Shape: tensor.Shape{2, 1, 1, 5}, Product: true}, b.Input("x", 2, 3, 4, 5), b.Input("z", 2, 3, 4, 5))
	}
	for axis := range 4 {
		cases[fmt.Sprintf("concat/%d", axis)] = func(b *graph.Builder) graph.ID {
			s := []int{2, 3, 4, 2}
			x := b.Input("x", s[0], s[1], s[2], s[3])
			s[axis] += 2
			return b.Op("y", graph.Concat{Axis: axis}, x, b.Input("z", s[0], s[1], s[2], s[3]), x)
		}
	}
	cases["cross_entropy"] = func(b *graph.Builder) graph.ID {
		x := b.Op("rows", graph.Reshape{Shape: tensor.Shape{0, -1}}, b.Input("x", 3, 1, 1, 4))
		target := b.Op("target", graph.Softmax{}, b.Variable("t", graph.Mean, 3, 4))
		return b.Op("loss", graph.SoftmaxCrossEntropy{}, x, target, b.Variable("w", graph.Var, 3))
	}
	for name, build := range cases {
		t.Run(name, func(t *testing.T) { difference(t, build) })
	}
}

// fusedConv is a convolution as folding leaves it, its weights constants.
func fusedConv(b *graph.Builder, a graph.Act) graph.ID {
	x := b.Input("x", 2, 4, 4, 3)
	gate := b.Op("gate", graph.GlobalAvgPool{}, x)
	weight := make([]float32, 9*27)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range weight {
		weight[i] = float32(r.Float64() - 0.5)
	}
	add := func(name string, data []float32, shape ...int) graph.ID {
		id, err := b.G.AddConstant(name, &graph.Array{Shape: shape, Data: data})
		if err != nil {
			b.Fail("%v", err)
		}
		return id
	}
	w, bias := add("w", weight[:3*27], 3, 3, 3, 3), add("bias", weight[81:84], 3)
	return b.Op("y", graph.Conv2D{Window: graph.Square(3, 1, 1, graph.Pad(1)), Act: a, Bias: true, Residual: true, Scale: true}, x, w, bias, x, gate)
}

func allActs() []graph.Act {
	return []graph.Act{{}, graph.ActReLU, graph.ActReLU6, graph.ActClip(-0.5, 0.75), graph.ActLeakyReLU(0.1), graph.ActSwish, graph.ActSigmoid,
		graph.ActHSwish, graph.ActHSigmoid, {Kind: graph.HSwish, A: graph.SlimSixth}, {Kind: graph.HardSigmoid, A: 0.2, B: 0.5}, {Kind: graph.Tanh}, {Kind: graph.GELU}}
}
