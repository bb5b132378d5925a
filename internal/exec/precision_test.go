package exec

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// precise are the precisions and the ways to compute them that this machine
// has.
func precise(t *testing.T, run func(t *testing.T, p Precision)) {
	t.Helper()
	for _, p := range []Precision{BF16, BF16x3} {
		for _, way := range []string{"amx", "avx512"} {
			t.Run(string(p)+"/"+way, func(t *testing.T) {
				t.Setenv(cpu.BF16Env, way)
				if u := p.Resolve(""); u.FellBack() {
					t.Skip(u)
				}
				run(t, p)
			})
		}
	}
}

// blocks is a stem and some inverted residuals, large enough for chains.
func blocks(t testing.TB, batch, size int) *graph.Graph {
	t.Helper()
	var b graph.Builder
	layer := func(name string, x graph.ID, k, s, out, groups int, a graph.Act) graph.ID {
		x = b.Conv(name, x, graph.ConvSpec{Window: graph.Square(k, s, 1, graph.SamePadding), Out: out, Groups: groups, Bias: true})
		return b.Act(name+".act", x, a)
	}
	x := layer("stem", b.Input("image", batch, size, size, 3), 3, 2, 20, 1, graph.ActHSwish)
	for i, c := range []struct{ stride, in, wide, out, k int }{{1, 20, 60, 20, 3}, {2, 20, 72, 40, 5}, {1, 40, 100, 40, 3}, {2, 40, 160, 33, 3}} {
		name := string(rune('a' + i))
		y := layer(name+".expand", x, 1, 1, c.wide, 1, graph.ActReLU6)
		y = layer(name+".dw", y, c.k, c.stride, c.wide, c.wide, graph.ActReLU6)
		y = layer(name+".project", y, 1, 1, c.out, 1, graph.ActNone)
		if c.stride == 1 {
			y = b.Op(name+".add", graph.Binary{Fn: graph.Add}, x, y)
		}
		x = y
	}
	x = layer("head", x, 1, 1, 96, 1, graph.ActReLU6)
	x = b.Op("pool", graph.GlobalAvgPool{}, x)
	b.Output("logits", b.Conv("classifier", x, graph.ConvSpec{Window: graph.Square(1, 1, 1, graph.Padding{}), Out: 10, Bias: true}))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	fill(g)
	return g
}

// runPrecise runs a graph and returns copies of its outputs.
func runPrecise(t *testing.T, g *graph.Graph, opt Options, threads int, in []float32) [][]float32 {
	t.Helper()
	p, err := Compile(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(threads)
	defer pool.Close()
	s, err := p.NewSession(pool)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for range 2 {
		copy(s.Input(0), in)
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(3, func() { _ = s.Run(context.Background()) }); n != 0 && threads == 1 {
		t.Errorf("%v allocations a run", n)
	}
	copy(s.Input(0), in)
	if err := s.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range g.Outputs {
		out = append(out, slices.Clone(s.Output(i)))
	}
	return out
}

// TestPrecisionBits: the bits of a precision do not depend on threads, on the
// batch, on chains, nor on other packed weights of the model.
func TestPrecisionBits(t *testing.T) {
	precise(t, func(t *testing.T, p Precision) {
		for name, build := range map[string]func(testing.TB, int, int) *graph.Graph{"blocks": blocks, "network": network} {
			one, err := pass.Fold(build(t, 1, 64))
			if err != nil {
				t.Fatal(err)
			}
			seven, err := pass.Fold(build(t, 7, 64))
			if err != nil {
				t.Fatal(err)
			}
			in := noise(7 * 64 * 64 * 3)
			n := len(in) / 7
			want := runPrecise(t, seven, Options{Precision: p, chains: -1}, 1, in)
			for _, threads := range []int{1, 2, 3, 8} {
				for _, chains := range []int{-1, 0, 1} {
					got := runPrecise(t, seven, Options{Precision: p, chains: chains}, threads, in)
					for i := range want {
						if !slices.Equal(got[i], want[i]) {
							t.Errorf("%s: %d threads, chains %d: other bits in output %d", name, threads, chains, i)
						}
					}
				}
			}
			for k := range 7 {
				got := runPrecise(t, one, Options{Precision: p}, 1, in[k*n:][:n])
				for i := range want {
					if m := len(got[i]); !slices.Equal(got[i], want[i][k*m:][:m]) {
						t.Errorf("%s: picture %d alone has other bits in output %d", name, k, i)
					}
				}
			}
		}
	})
}

// TestPrecisionError holds the results to the float64 reference.
func TestPrecisionError(t *testing.T) {
	precise(t, func(t *testing.T, p Precision) {
		bound := map[Precision]float64{BF16: 0.03, BF16x3: 1e-5}[p]
		for name, build := range map[string]func(testing.TB, int, int) *graph.Graph{"blocks": blocks, "network": network} {
			g, err := pass.Fold(build(t, 2, 64))
			if err != nil {
				t.Fatal(err)
			}
			in := noise(2 * 64 * 64 * 3)
			want := reference[float64](t, g, in)
			got := runPrecise(t, g, Options{Precision: p}, 2, in)
			for i := range want {
				var d, n float64
				for j, w := range want[i] {
					d += math.Pow(float64(got[i][j])-w, 2)
					n += w * w
				}
				e := math.Sqrt(d / n)
				t.Logf("%s: output %d: relative error %.3g", name, i, e)
				if !(e <= bound) {
					t.Errorf("%s: output %d: relative error %g, bound %g", name, i, e, bound)
				}
			}
		}
	})
}

// TestPrecisionUsed: bf16 keeps the values between convolutions so, and its
// products are the narrow ones.
func TestPrecisionUsed(t *testing.T) {
	precise(t, func(t *testing.T, p Precision) {
		g, err := pass.Fold(blocks(t, 1, 224))
		if err != nil {
			t.Fatal(err)
		}
		prog, err := Compile(g, Options{Precision: p})
		if err != nil {
			t.Fatal(err)
		}
		narrow, chains := 0, 0
		for _, s := range prog.Steps() {
			narrow += strings.Count(s.Kernel, "BF16x32") + strings.Count(s.Kernel, "BF16x3x32") + strings.Count(s.Kernel, "fcBF16")
			chains += strings.Count(s.Kernel, " + ") / 2
			if p == BF16 && s.Op == "conv2d" && strings.Contains(s.Kernel, "F32K") {
				t.Errorf("%s is computed by %s", s.Node, s.Kernel)
			}
		}
		if want := map[Precision]int{BF16: 10, BF16x3: 7}[p]; narrow != want {
			t.Errorf("%d products by %s, want %d", narrow, p, want)
		}
		if chains == 0 {
			t.Error("no chains")
		}
	})
}

// TestPrecisionBytes: a step's bytes count values stored as bfloat16 as such.
func TestPrecisionBytes(t *testing.T) {
	precise(t, func(t *testing.T, p Precision) {
		g, err := pass.Fold(blocks(t, 1, 64))
		if err != nil {
			t.Fatal(err)
		}
		var values [2]int64 // of the depthwise steps, without weights and bias
		for i, precision := range []Precision{FP32, p} {
			prog, err := Compile(g, Options{Precision: precision, chains: -1})
			if err != nil {
				t.Fatal(err)
			}
			for k, s := range prog.Steps() {
				if id := prog.steps[k].id; strings.Contains(s.Node, ".dw") {
					values[i] += s.Bytes - 4*int64(len(prog.packed[id])+s.Out.Shape[3])
				}
			}
		}
		if want := map[Precision]int64{BF16: values[0] / 2, BF16x3: values[0]}[p]; values[0] == 0 || values[1] != want {
			t.Errorf("%d bytes of values, want %d", values[1], want)
		}
	})
}

// TestPrecisionFallback: where there is nothing to compute it with, a precision
// is fp32 to the bit, and says why.
func TestPrecisionFallback(t *testing.T) {
	g, err := pass.Fold(network(t, 1, 32))
	if err != nil {
		t.Fatal(err)
	}
	in := noise(32 * 32 * 3)
	for _, p := range []Precision{BF16, BF16x3} {
		for _, impl := range []string{"ref", "go", "avx2"} {
			u := p.Resolve(impl)
			if !u.FellBack() || u.Why == "" || !strings.HasPrefix(u.String(), "fp32: ") {
				t.Errorf("%s with %s is %q", p, impl, u)
			}
			if got, want := runPrecise(t, g, Options{Impl: impl, Precision: p}, 1, in), runPrecise(t, g, Options{Impl: impl}, 1, in); !slices.Equal(got[0], want[0]) {
				t.Errorf("%s with %s is not fp32", p, impl)
			}
		}
		t.Setenv(cpu.BF16Env, "off")
		if u := p.Resolve(""); !u.FellBack() || !strings.Contains(u.String(), cpu.BF16Env) {
			t.Errorf("%s switched off is %q", p, u)
		}
	}
	if _, err := Compile(g, Options{Precision: "fp8"}); err == nil || !strings.Contains(err.Error(), `"fp8"`) || !strings.Contains(err.Error(), "bf16x3") {
		t.Errorf("an unknown precision gives %v", err)
	}
}
