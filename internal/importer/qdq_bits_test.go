package importer

import (
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// TestQDQBits runs the small network by every rung of kernels and compares with
// ONNX Runtime 1.30, to the bit: the scales are such that h-swish, sums and
// means meet many ties.
func TestQDQBits(t *testing.T) {
	want := []float32{-0.22, -2.56, 2.3999999, 2.54, -2.56, -2.56, 0.84, -0.04, 1.9599999, 1.14}
	m := small(t)
	for _, impl := range []string{"ref", "go", "avx2", "avx512", "amx", "neon"} {
		g, err := m.Build(1, 12, 12)
		if err != nil {
			t.Fatal(err)
		}
		if g, err = pass.Fold(g); err != nil {
			t.Fatal(err)
		}
		p, err := exec.Compile(g, exec.Options{Impl: impl})
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.NewSession(nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := 0, s.Input(0); i < len(x); i++ {
			x[i] = float32((i*37+i/36*5)%101)/25 - 2
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if y := s.Output(0); !slices.Equal(y, want) {
			t.Errorf("%s: %v, want %v", impl, y, want)
		}
	}
}
