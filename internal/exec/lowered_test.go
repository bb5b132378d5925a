package exec

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// withState gives the variables of a graph the values of a state.
func withState(g *graph.Graph, s *State) *graph.Graph {
	for _, id := range g.Variables() {
		n := g.Node(id)
		n.Value = &graph.Array{Shape: n.Type.Shape, Data: s.Variable(n.Name)}
	}
	return g
}

// learned is a graph with the values that it has after some steps with fake
// quantization.
func learned(t *testing.T, g *graph.Graph, steps int) *graph.Graph {
	t.Helper()
	h := trainable(t, g, pass.TrainingOptions{}, optimizers["sgd"])
	p, err := CompileTrain(h, Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, err := NewState(h)
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(2)
	defer pool.Close()
	s, err := p.NewSession(pool, state)
	if err != nil {
		t.Fatal(err)
	}
	for step := range steps {
		for i, in := range feed(h, step) {
			copy(s.Input(i), in)
		}
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return withState(g, state)
}

// outputs runs the folded graph.
func outputs(t *testing.T, g *graph.Graph, inputs ...[]float32) (all [][]float32) {
	t.Helper()
	folded, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(folded, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NewSession(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range inputs {
		copy(s.Input(i), x)
	}
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range g.Outputs {
		all = append(all, slices.Clone(s.Output(i)))
	}
	return all
}

// TestLowered: the integer graph computes what the graph with fake quantization
// computes. Given the very values that the latter computes, every operation
// gives the same integer but where rounding is a near thing; through the whole
// network those cases add up to little.
func TestLowered(t *testing.T) {
	const batch, classes, side = 8, 16, 64
	for _, net := range []struct {
		name string
		far  float64 // of the scores, share more than a step apart
	}{{"mobilenet_v1", 0.01}, {"mobilenet_v2", 0.01}, {"mobilenet_v3_small", 0.15}} {
		g, _ := aware(t, net.name, arch.Options{Width: 0.25, Classes: classes, Resolution: side}, batch)
		learned(t, g, 12)
		// Each step is compared with sums that are rounded once: twice is not to
		// the nearest where few numbers are added, as in means.
		once, err := pass.Lower(g, pass.QuantizeOptions{Rounding: graph.SingleRounding})
		if err != nil {
			t.Fatal(err)
		}
		compareSteps(t, net.name, g, once, testkit.Noise(batch*side*side*3, 1))
		ints, err := pass.Lower(g, pass.QuantizeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if share := pass.FloatShare(ints); share != 0 {
			t.Errorf("%s: %v of the multiply-adds in float", net.name, share)
		}
		id, _ := ints.Lookup("classifier")
		scale := float64(ints.Node(id).Type.Quant.Scales[0])
		far, all := 0, 0
		for seed := range uint64(4) {
			x := testkit.Noise(batch*side*side*3, seed+100)
			want, got := outputs(t, g, x)[0], outputs(t, ints, x)[0]
			for i := range want {
				d := math.Abs(float64(got[i]-want[i])) / scale
				if all++; d > 1.01 {
					far++
				}
				if d > 6 {
					t.Errorf("%s: score %d is %.0f steps off", net.name, i, d)
				}
			}
			for r := range batch {
				if a, b := top(want[r*classes:][:classes]), top(got[r*classes:][:classes]); a != b {
					t.Errorf("%s: picture %d of batch %d: class %d, want %d", net.name, r, seed, b, a)
				}
			}
		}
		if share := float64(far) / float64(all); share > net.far {
			t.Errorf("%s: %.3f of the scores are more than a step off", net.name, share)
		}
	}
}

// compareSteps gives every integer operation the values that the graph with
// fake quantization computes before it, and compares what both make of them.
func compareSteps(t *testing.T, name string, g, ints *graph.Graph, x []float32) {
	t.Helper()
	folded, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	h, to := &graph.Graph{}, make([]graph.ID, len(ints.Nodes))
	keep := func(id graph.ID, err error) graph.ID {
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	given, last := make(map[graph.ID]graph.ID), folded.Outputs[0]
	folded.Outputs = nil
	var fed []string // inputs of h by the output of folded that they take
	for i := range ints.Nodes {
		n := &ints.Nodes[i]
		in := make([]graph.ID, len(n.In))
		for k, x := range n.In {
			if in[k] = to[x]; given[x] != 0 {
				in[k] = given[x]
			}
		}
		switch n.Op.(type) {
		case graph.Input:
			to[i] = keep(h.AddInput(n.Name, n.Type))
			continue
		case graph.Constant:
			to[i] = keep(h.AddValue(n.Name, n.Type, n.Value))
			continue
		}
		to[i] = keep(h.Add(n.Name, n.Op, in...))
		q, ok := folded.Lookup(strings.TrimSuffix(n.Name, ".quantized") + ".rounded")
		if !ok || n.Type.Quant == nil {
			continue
		}
		value := keep(h.AddInput(n.Name+".given", graph.F32(n.Type.Shape...)))
		stored := graph.Whole(n.Type.DType, n.Type.Quant.Scales[0], n.Type.Quant.Zeros[0])
		given[graph.ID(i)] = keep(h.Add(n.Name+".fed", graph.Quantize{Stored: stored}, value))
		result := keep(h.Add(n.Name+".result", graph.Dequantize{}, to[i]))
		if err := h.SetOutput(n.Name, result); err != nil {
			t.Fatal(err)
		}
		if err := folded.SetOutput(n.Name, q); err != nil {
			t.Fatal(err)
		}
		fed = append(fed, n.Name)
	}
	if err := folded.SetOutput(last.Name, last.ID); err != nil {
		t.Fatal(err)
	}
	want := outputs(t, folded, x)
	got := outputs(t, h, append([][]float32{x}, want[:len(fed)]...)...)
	if len(fed) < 10 {
		t.Fatalf("%s: %d values compared", name, len(fed))
	}
	for i, value := range fed {
		id, _ := ints.Lookup(value)
		scale, differ := float64(ints.Node(id).Type.Quant.Scales[0]), 0
		for j, v := range want[i] {
			d := math.Abs(float64(got[i][j]-v)) / scale
			if d > 0.01 {
				differ++
			}
			if d > 1.01 {
				t.Errorf("%s: %s[%d] is %v, want %v: %.2f steps", name, value, j, got[i][j], v, d)
				break
			}
		}
		if share := float64(differ) / float64(len(want[i])); share > 0.03 && differ > 2 {
			t.Errorf("%s: %.4f of %s differ (%d)", name, share, value, differ)
		}
	}
}

// TestLoweredOperations: a small graph with swish and values that are joined,
// which share a scale.
func TestLoweredOperations(t *testing.T) {
	g := learned(t, roundedBlock(t, 5), 4)
	ints, err := pass.Lower(g, pass.QuantizeOptions{Rounding: graph.SingleRounding})
	if err != nil {
		t.Fatal(err)
	}
	compareSteps(t, "block", g, ints, testkit.Noise(2*6*6*3, 1))
	scale := func(name string) *graph.Quant {
		id, ok := ints.Lookup(name)
		if !ok {
			t.Fatalf("no value %q", name)
		}
		return ints.Node(id).Type.Quant
	}
	if a, b := scale("sum"), scale("other.act"); !a.Equal(b) || !a.Equal(scale("both")) {
		t.Errorf("joined values are stored by %v, %v and %v", a, b, scale("both"))
	}
}

func top(x []float32) int {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}
