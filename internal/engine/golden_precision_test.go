package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestGoldenLogitsPrecisions runs the golden networks in the other precisions,
// by every way this machine has, and holds their logits to fp32's, which
// TestGoldenLogits proves; bf16x3 also to the golden properties themselves.
func TestGoldenLogitsPrecisions(t *testing.T) {
	nets, err := testkit.GoldenNets()
	if err != nil {
		t.Fatal(err)
	}
	extra, err := testkit.ExtraGoldenNets()
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, g *graph.Graph, in []float32, p exec.Precision) []float32 {
		prog, err := exec.Compile(g, exec.Options{Precision: p})
		if err != nil {
			t.Fatal(err)
		}
		s, err := prog.NewSession(nil)
		if err != nil {
			t.Fatal(err)
		}
		copy(s.Input(0), in)
		if err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(s.Output(0))
	}
	for _, n := range append(nets, extra...) {
		net, err := arch.New(n.Net, n.Options)
		if err != nil {
			t.Fatal(err)
		}
		g, err := net.Graph(1, n.H, n.W)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Fill(g)
		folded, err := pass.Fold(g)
		if err != nil {
			t.Fatal(err)
		}
		in := testkit.Input(n.H, n.W)
		exact := run(t, folded, in, exec.FP32)
		for p, bound := range map[exec.Precision]float64{exec.BF16: 0.05, exec.BF16x3: 1e-4} {
			for _, way := range []string{"amx", "avx512"} {
				t.Run(n.Name+"/"+string(p)+"/"+way, func(t *testing.T) {
					t.Setenv(cpu.BF16Env, way)
					if u := p.Resolve(""); u.FellBack() {
						t.Skip(u)
					}
					got := run(t, folded, in, p)
					e := l2(got, exact)
					t.Logf("relative error %.3g", e)
					if !(e <= bound) {
						t.Errorf("relative error %g, bound %g", e, bound)
					}
					if p == exec.BF16x3 {
						check(t, string(p), got, n.Logits)
					}
				})
			}
		}
	}
}
