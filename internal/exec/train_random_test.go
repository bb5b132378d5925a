package exec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// randomTower is four layers whose windows, strides, dilations, paddings,
// groups and channels are drawn, most of them none that a network has.
func randomTower(t *testing.T, r *rand.Rand) (*graph.Graph, string) {
	t.Helper()
	var b graph.Builder
	size := 9 + r.IntN(14)
	x := b.Input("image", 1+r.IntN(3), size, size+r.IntN(3), 3)
	text := fmt.Sprint(b.Shape(x))
	acts := []graph.Act{graph.ActNone, graph.ActReLU, graph.ActReLU6, graph.ActHSwish, graph.ActSwish}
	for i := range 4 {
		c := b.Channels(x)
		w := graph.Window{KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3), DilationH: 1 + r.IntN(2), DilationW: 1 + r.IntN(2)}
		w.Pad = graph.SamePadding
		if r.IntN(2) == 0 {
			w.Pad = graph.Padding{Top: r.IntN(3), Bottom: r.IntN(3), Left: r.IntN(3), Right: r.IntN(3)}
		}
		out, groups := 5+r.IntN(20), 1
		switch r.IntN(4) {
		case 0:
			out, groups = c, c
		case 1:
			w = graph.Square(1, 1, 1, graph.Padding{})
		case 2:
			w.StrideH, w.StrideW = 1, 1
			out, groups = c, c
		}
		s := b.Shape(x)
		if (w.KH-1)*w.DilationH+1 > s[1] || (w.KW-1)*w.DilationW+1 > s[2] {
			w = graph.Square(1, 1+r.IntN(2), 1, graph.Padding{})
		}
		name := fmt.Sprint("layer", i)
		x = b.Conv(name, x, graph.ConvSpec{Window: w, Out: out, Groups: groups})
		x = b.Norm(name+".bn", x, graph.BatchNorm{Epsilon: 1e-3, Momentum: 0.9})
		act := acts[r.IntN(len(acts))]
		x = b.Act(name+".act", x, act)
		text += fmt.Sprintf(" %+v groups %d -> %v %v", w, groups, b.Shape(x), act)
	}
	x = b.Op("pool", graph.GlobalAvgPool{}, x)
	x = b.Conv("classifier", x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: 4, Bias: true})
	b.Output("logits", b.Op("logits", graph.Reshape{Shape: tensor.Shape{0, -1}}, x))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	fill(g)
	return g, text
}

// TestTrainRandom holds the gradients of unusual layers, fused and not, to the
// reference in float64.
func TestTrainRandom(t *testing.T) {
	pool := NewPool(2)
	defer pool.Close()
	towers := 60
	if testing.Short() {
		towers = 12
	}
	seeds := []int{1170} // bands of nothing but padding
	for seed := range towers {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		src, text := randomTower(t, rand.New(rand.NewPCG(uint64(seed), 7)))
		g := trainable(t, src, pass.TrainingOptions{}, pass.Optimizer{Kind: pass.SGD})
		_, r := referenceTrained(t, g, 1)
		for _, opt := range []Options{{}, {fusions: 1}, {Impl: "avx2", fusions: 1}, {Impl: "go", fusions: 1}} {
			_, vars := trained(t, g, opt, pool, 1)
			norm, wrong := 0.0, 0.0
			for _, id := range pass.Trained(g, nil) {
				name := g.Node(id).Name + ".velocity"
				want := r.Variable(name)
				for i, v := range vars[name] {
					norm += want[i] * want[i]
					wrong += math.Pow(want[i]-float64(v), 2)
				}
			}
			if e := math.Sqrt(wrong / norm); !(e < 2e-4) {
				t.Errorf("seed %d, kernels %q fused from %d: relative error %g\n%s", seed, opt.Impl, opt.fusions, e, text)
			}
		}
	}
}
