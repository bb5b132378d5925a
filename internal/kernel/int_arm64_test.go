//go:build !purego

package kernel_test

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// TestByteKernelsChosen holds every convolution of bytes of a network to NEON's
// kernels, and to those with dot products where there are such instructions;
// weights with zero points keep depthwise convolutions from them.
func TestByteKernelsChosen(t *testing.T) {
	suffix := "NEON"
	if cpu.DotProd() {
		suffix = "DOTPROD"
	}
	t.Logf("kernels: %s", suffix)
	for _, f := range append(v1Layers(224), v2Layers(224)...) {
		s := plainBytes(f)
		want := "convU8" + suffix
		if s.Groups > 1 {
			want = "dwconvU8K3S" + string(rune('0'+s.StrideW)) + "T7" + suffix
		}
		if k := kernel.SelectQConv(&s, "neon"); k.Name != want {
			t.Errorf("%s: %s is chosen, want %s", shapeName(&f), k.Name, want)
		}
		s.HasWZero = true
		if k := kernel.SelectQConv(&s, "neon"); k.Impl != "neon" {
			t.Errorf("%s with zero points of weights: %s is chosen", shapeName(&f), k.Name)
		}
	}
}
