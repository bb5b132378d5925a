package exec

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// network is a small network with one of everything that folds and several
// things that must not, filled with random weights.
func network(t testing.TB, batch, size int) *graph.Graph {
	t.Helper()
	var b graph.Builder
	norm := graph.BatchNorm{Epsilon: 1e-3, Momentum: 0.9}
	layer := func(name string, x graph.ID, k, s, out, groups int, pad graph.Padding, a graph.Act) graph.ID {
		x = b.Conv(name, x, graph.ConvSpec{Window: graph.Square(k, s, 1, pad), Out: out, Groups: groups})
		x = b.Norm(name+".bn", x, norm)
		return b.Act(name+".act", x, a)
	}
	one := graph.Padding{}
	x := b.Input("image", batch, size, size, 3)
	x = layer("stem", x, 3, 2, 12, 1, graph.SamePadding, graph.ActHSwish)
	// An inverted residual with squeeze-and-excite.
	y := layer("b0.expand", x, 1, 1, 24, 1, one, graph.ActReLU6)
	y = layer("b0.dw", y, 5, 1, 24, 24, graph.Pad(2), graph.ActHSwish)
	s := b.Op("b0.se.pool", graph.GlobalAvgPool{}, y)
	s = b.Conv("b0.se.reduce", s, graph.ConvSpec{Window: graph.Square(1, 1, 1, one), Out: 8, Bias: true})
	s = b.Act("b0.se.relu", s, graph.ActReLU)
	s = b.Conv("b0.se.expand", s, graph.ConvSpec{Window: graph.Square(1, 1, 1, one), Out: 24, Bias: true})
	s = b.Act("b0.se.gate", s, graph.ActHSigmoid)
	y = b.Op("b0.se.scale", graph.Binary{Fn: graph.Mul}, y, s)
	y = layer("b0.project", y, 1, 1, 12, 1, one, graph.ActNone)
	x = b.Op("b0.add", graph.Binary{Fn: graph.Add}, x, y)
	// A value read twice, an activation after a sum, a bare batch norm.
	z := b.Act("twice", x, graph.ActLeakyReLU(0.1))
	z = b.Norm("bare", z, norm)
	x = b.Op("sum", graph.Binary{Fn: graph.Add}, z, x)
	x = b.Act("sum.act", x, graph.ActSwish)
	x = layer("dense", x, 3, 2, 16, 1, graph.Padding{Top: 1, Left: 2, Right: 1}, graph.ActReLU)
	x = b.Op("max", graph.Pool{Window: graph.Square(3, 2, 1, graph.Pad(1)), Max: true}, x)
	u := b.Op("up", graph.Resize2D{ScaleH: 2, ScaleW: 2}, x)
	u = b.Op("avg", graph.Pool{Window: graph.Square(2, 2, 1, one)}, u)
	x = b.Op("cat", graph.Concat{Axis: 3}, x, u)
	x = b.Op("pad", graph.Pad2D{Padding: graph.Pad(1)}, x)
	x = b.Op("pool", graph.GlobalAvgPool{}, x)
	x = b.Op("dropout", graph.Dropout{Rate: 0.2}, x)
	x = b.Conv("classifier", x, graph.ConvSpec{Window: graph.Square(1, 1, 1, one), Out: 10, Bias: true})
	x = b.Op("logits", graph.Reshape{Shape: tensor.Shape{0, -1}}, x)
	b.Output("logits", x)
	b.Output("prob", b.Op("prob", graph.Softmax{}, x))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	fill(g)
	return g
}

// fill gives every variable random values; variances are positive.
func fill(g *graph.Graph) {
	r := rand.New(rand.NewPCG(1, 2))
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
				v *= 0.2
			}
			a.Data[i] = float32(v)
		}
		n.Value = a
	}
}

func noise(n int) []float32 {
	r := rand.New(rand.NewPCG(7, 8))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.Float64()*2 - 1)
	}
	return x
}

func reference[T ref.Float](t testing.TB, g *graph.Graph, in []float32) [][]T {
	t.Helper()
	r, err := NewReference[T](g)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]T, len(in))
	for i, v := range in {
		x[i] = T(v)
	}
	if err := r.Run(x); err != nil {
		t.Fatal(err)
	}
	var out [][]T
	for _, o := range g.Outputs {
		out = append(out, r.Value(o.ID))
	}
	return out
}

func run(t testing.TB, g *graph.Graph, opt Options, pool *Pool, in []float32) [][]float32 {
	t.Helper()
	p, err := Compile(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(pool)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	// Twice, so that state left over from a run would show.
	for range 2 {
		copy(s.Input(0), in)
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		out = nil
		for i := range g.Outputs {
			out = append(out, slices.Clone(s.Output(i)))
		}
	}
	return out
}

func relative(got []float32, want []float64) float64 {
	d, n := 0.0, 0.0
	for i, w := range want {
		d += (float64(got[i]) - w) * (float64(got[i]) - w)
		n += w * w
	}
	return math.Sqrt(d / n)
}

// TestFoldKeepsTheFunction compares the folded float32 program, with every
// rung of kernels, to the unfolded graph computed in float64.
func TestFoldKeepsTheFunction(t *testing.T) {
	g := network(t, 2, 33)
	in := noise(2 * 33 * 33 * 3)
	want := reference[float64](t, g, in)
	folded, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(3)
	defer pool.Close()
	for name, h := range map[string]*graph.Graph{"training": g, "folded": folded} {
		for _, impl := range []string{"ref", "go", ""} {
			got := run(t, h, Options{Impl: impl}, pool, in)
			for i := range want {
				if e := relative(got[i], want[i]); !(e < 2e-6) {
					t.Errorf("%s graph, kernels %q, output %s: relative error %g", name, impl, g.Outputs[i].Name, e)
				}
			}
		}
	}
}

// TestFoldLeavesNothingToFold looks at the structure: what should have gone is
// gone, and what two nodes read is still computed as it stands.
func TestFoldLeavesNothingToFold(t *testing.T) {
	folded, err := pass.Fold(network(t, 1, 33))
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"stem.bn", "stem.act", "b0.add", "b0.se.scale", "dropout", "sum.act", "b0.se.gate"} {
		if _, ok := folded.Lookup(gone); ok {
			t.Errorf("%q is still there", gone)
		}
	}
	for _, kept := range []string{"twice", "bare", "sum"} {
		if _, ok := folded.Lookup(kept); !ok {
			t.Errorf("%q has gone", kept)
		}
	}
	id, _ := folded.Lookup("b0.project")
	if c := folded.Node(id).Op.(graph.Conv2D); !c.Residual || !c.Scale || !c.Bias {
		t.Errorf("project is %+v", c)
	}
}

// TestTapsAreExact asks for values inside the folded regions.
func TestTapsAreExact(t *testing.T) {
	g := network(t, 1, 17)
	for _, name := range []string{"b0.expand.act", "b0.se.scale", "b0.project.bn", "b0.add", "stem"} {
		id, ok := g.Lookup(name)
		if !ok {
			t.Fatal(name)
		}
		g.SetOutput(name, id)
	}
	in := noise(17 * 17 * 3)
	want := reference[float64](t, g, in)
	folded, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, folded, Options{}, nil, in)
	for i, o := range g.Outputs {
		if e := relative(got[i], want[i]); !(e < 2e-6) {
			t.Errorf("%s: relative error %g", o.Name, e)
		}
	}
}

// TestSameBits is the promise: neither threads nor batch change a bit.
func TestSameBits(t *testing.T) {
	const size, batch = 33, 5
	g, err := pass.Fold(network(t, 1, size))
	if err != nil {
		t.Fatal(err)
	}
	all, err := g.Resize(batch, size, size)
	if err != nil {
		t.Fatal(err)
	}
	in := noise(batch * size * size * 3)
	one := NewPool(1)
	want := run(t, all, Options{}, one, in)[0]
	for _, threads := range []int{2, 3, 8} {
		pool := NewPool(threads)
		if got := run(t, all, Options{}, pool, in)[0]; !slices.Equal(got, want) {
			t.Errorf("%d threads change the result", threads)
		}
		pool.Close()
	}
	per := size * size * 3
	for i := range batch {
		got := run(t, g, Options{}, one, in[i*per:(i+1)*per])[0]
		if !slices.Equal(got, want[i*10:(i+1)*10]) {
			t.Errorf("picture %d alone differs from the batch", i)
		}
	}
}

// TestConcurrentSessions runs many sessions on one pool at once.
func TestConcurrentSessions(t *testing.T) {
	g, err := pass.Fold(network(t, 1, 33))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(g, Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(4)
	defer pool.Close()
	in := noise(33 * 33 * 3)
	want := run(t, g, Options{}, nil, in)[0]
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := p.NewSession(pool)
			if err != nil {
				t.Error(err)
				return
			}
			for range 30 {
				copy(s.Input(0), in)
				if err := s.Run(context.Background()); err != nil {
					t.Error(err)
				}
				if !slices.Equal(s.Output(0), want) {
					t.Error("a concurrent run differs")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestRunAllocatesNothing(t *testing.T) {
	g, err := pass.Fold(network(t, 1, 33))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(g, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2} {
		pool := NewPool(threads)
		s, err := p.NewSession(pool)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		s.Run(ctx)
		if n := testing.AllocsPerRun(20, func() { s.Run(ctx) }); n != 0 {
			t.Errorf("%d threads: %v allocations a run", threads, n)
		}
		pool.Close()
	}
}

func TestCancelledRunStops(t *testing.T) {
	p, err := Compile(network(t, 1, 33), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

// TestEnumsAgree pins the orders that lower converts by number.
func TestEnumsAgree(t *testing.T) {
	names := []string{"linear", "relu", "relu6", "clip", "leaky_relu", "swish", "sigmoid", "hswish", "hsigmoid", "hard_sigmoid", "tanh", "gelu"}
	kinds := []ref.ActKind{ref.Linear, ref.ReLU, ref.ReLU6, ref.Clip, ref.LeakyReLU, ref.Swish, ref.Sigmoid, ref.HSwish, ref.HSigmoid, ref.HardSigmoid, ref.Tanh, ref.GELU}
	for i, k := range kinds {
		if got := graph.ActKind(k).String(); got != names[i] {
			t.Errorf("kernel activation %d is the graph's %s, want %s", k, got, names[i])
		}
	}
	for i, k := range []ref.BinaryKind{ref.Add, ref.Sub, ref.Mul, ref.Div} {
		if got := fmt.Sprint(graph.BinaryKind(k)); got != []string{"add", "sub", "mul", "div"}[i] {
			t.Errorf("arithmetic %d is %s", k, got)
		}
	}
	if graph.ResizeRule(ref.AlignCorners) != graph.AlignCorners || graph.ResizeRule(ref.Asymmetric) != graph.Asymmetric {
		t.Error("resize rules differ")
	}
}

func TestCompileRefuses(t *testing.T) {
	g := network(t, 1, 33)
	id, _ := g.Lookup("stem.weight")
	g.Node(id).Value = nil
	if _, err := Compile(g, Options{}); err == nil {
		t.Error("an unbound variable was accepted")
	}
	if _, err := pass.Fold(g); err == nil {
		t.Error("an unbound variable was folded")
	}
	if _, err := Compile(network(t, 1, 33), Options{Impl: "quantum"}); err == nil {
		t.Error("unknown kernels were accepted")
	}
	if _, err := Compile(&graph.Graph{}, Options{}); err == nil {
		t.Error("an empty graph was accepted")
	}
}
