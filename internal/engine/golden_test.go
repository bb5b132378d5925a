package engine

import (
	"context"
	"math"
	"testing"

	"github.com/mobilenet-go/mobilenet/arch"
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestGoldenLogits runs the networks (15 of the reference, and some with odd
// sizes, dilation and other widths) whose logits PyTorch computed from
// generated weights, through folding and every rung of kernels this machine has. The golden
// file keeps the mean, the deviation, the norm, the best class and the first
// eight logits; the relative L2 bound is held between our own rungs and the
// float64 run of the unfolded graph as well, on the whole vector.
func TestGoldenLogits(t *testing.T) {
	nets, err := testkit.GoldenNets()
	if err != nil {
		t.Fatal(err)
	}
	if len(nets) != 15 {
		t.Errorf("%d networks, want 15", len(nets))
	}
	extra, err := testkit.ExtraGoldenNets()
	if err != nil {
		t.Fatal(err)
	}
	nets = append(nets, extra...)
	pool := exec.NewPool(0)
	defer pool.Close()
	for _, n := range nets {
		t.Run(n.Name, func(t *testing.T) {
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
			impls := cpu.Present()
			if testing.Short() {
				impls = impls[1:]
			}
			var first []float32
			for _, impl := range impls {
				p, err := exec.Compile(folded, exec.Options{Impl: impl})
				if err != nil {
					t.Fatal(err)
				}
				s, err := p.NewSession(pool)
				if err != nil {
					t.Fatal(err)
				}
				copy(s.Input(0), in)
				if err := s.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				check(t, impl, s.Output(0), n.Logits)
				if first == nil {
					first = s.Output(0)
				} else if e := l2(first, s.Output(0)); !(e <= 1e-5) {
					t.Errorf("kernels %s and %s differ by %g", impls[0], impl, e)
				}
			}
		})
	}
}

func l2(a, b []float32) float64 {
	d, n := 0.0, 0.0
	for i := range a {
		d += math.Pow(float64(a[i])-float64(b[i]), 2)
		n += math.Pow(float64(b[i]), 2)
	}
	return math.Sqrt(d / n)
}

// check holds every stored property of the golden vector: relative 1e-4 on
// norm, mean and deviation (against the norm, since the mean is near zero) and
// 1e-3 on the first eight.
func check(t *testing.T, impl string, got []float32, want testkit.Logits) {
	t.Helper()
	if len(got) != want.N {
		t.Fatalf("%s: %d logits, want %d", impl, len(got), want.N)
	}
	sum, sq, best := 0.0, 0.0, 0
	for i, v := range got {
		sum += float64(v)
		sq += float64(v) * float64(v)
		if v > got[best] {
			best = i
		}
	}
	n := float64(len(got))
	mean := sum / n
	std := math.Sqrt((sq - n*mean*mean) / (n - 1))
	scale := want.L2 / math.Sqrt(n)
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"L2 per element", math.Sqrt(sq / n), scale}, {"mean", mean, want.Mean}, {"deviation", std, want.Std}} {
		if e := math.Abs(c.got-c.want) / scale; !(e <= 1e-4) {
			t.Errorf("%s: %s is %g, want %g (relative error %g)", impl, c.name, c.got, c.want, e)
		}
	}
	if best != want.Argmax {
		t.Errorf("%s: best class %d, want %d", impl, best, want.Argmax)
	}
	d, m := 0.0, 0.0
	for i, w := range want.First8 {
		d += (float64(got[i]) - w) * (float64(got[i]) - w)
		m += w * w
		if e := math.Abs(float64(got[i]) - w); e > 1e-3*math.Max(math.Abs(w), scale) {
			t.Errorf("%s: logit %d is %g, want %g", impl, i, got[i], w)
		}
	}
	if e := math.Sqrt(d / m); !(e <= 1e-4) {
		t.Errorf("%s: relative L2 of the first eight is %g", impl, e)
	}
}
