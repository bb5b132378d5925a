package exec

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// TestPrecisionConstantResidual: a convolution that adds a constant to its sums
// keeps float32, whatever the number of its channels.
func TestPrecisionConstantResidual(t *testing.T) {
	precise(t, func(t *testing.T, p Precision) {
		var b graph.Builder
		spec := graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: 40, Bias: true}
		x := b.Conv("first", b.Input("image", 1, 8, 8, 40), spec)
		array := &graph.Array{Shape: tensor.Shape{1, 8, 8, 40}, Data: noise(8 * 8 * 40)}
		constant, err := b.G.AddConstant("constant", array)
		if err != nil {
			t.Fatal(err)
		}
		x = b.Op("sum", graph.Binary{Fn: graph.Add}, x, constant)
		b.Output("out", b.Op("pool", graph.Pool{Window: graph.Square(2, 2, 1, graph.Padding{})}, x))
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		fill(g)
		array.Data = noise(8 * 8 * 40)
		if g, err = pass.Fold(g); err != nil {
			t.Fatal(err)
		}
		in := noise(8 * 8 * 40)
		want := reference[float64](t, g, in)[0]
		for i, v := range runPrecise(t, g, Options{Precision: p}, 1, in)[0] {
			if d := math.Abs(float64(v) - want[i]); !(d <= 0.05) {
				t.Fatalf("element %d is %v, want %v", i, v, want[i])
			}
		}
	})
}

// TestStaleMemory: a run reads nothing that it has not written, whatever the
// memory held before, not even where weights of zero meet it.
func TestStaleMemory(t *testing.T) {
	check := func(t *testing.T, opt Options) {
		for name, build := range map[string]func(testing.TB, int, int) *graph.Graph{"blocks": blocks, "network": network} {
			g, err := pass.Fold(build(t, 2, 61))
			if err != nil {
				t.Fatal(err)
			}
			for _, chains := range []int{-1, 1} {
				opt.chains, opt.together = chains, true
				p, err := Compile(g, opt)
				if err != nil {
					t.Fatal(err)
				}
				s, err := p.NewSession(nil)
				if err != nil {
					t.Fatal(err)
				}
				in := noise(len(s.Input(0)))
				var want []float32
				for _, dirt := range []float32{0, float32(math.NaN())} {
					for i := range s.arena {
						s.arena[i] = dirt
					}
					for i := range s.scratch {
						s.scratch[i] = dirt
					}
					copy(s.Input(0), in)
					if err := s.Run(context.Background()); err != nil {
						t.Fatal(err)
					}
					if want == nil {
						want = slices.Clone(s.Output(0))
					} else if !slices.Equal(s.Output(0), want) {
						t.Errorf("%s, chains %d: the result depends on what memory held before", name, chains)
					}
				}
			}
		}
	}
	for _, impl := range []string{"go", "avx2", "avx512", "amx", "neon"} {
		t.Run(impl, func(t *testing.T) { check(t, Options{Impl: impl}) })
	}
	precise(t, func(t *testing.T, p Precision) { check(t, Options{Precision: p}) })
}
