package kernel_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestGradWeightAhead: memory to be fetched ahead changes no result, wherever
// it ends.
func TestGradWeightAhead(t *testing.T) {
	for _, s := range []kernel.ConvShape{same(1, 14, 14, 40, 100, 1, 1, 1), same(1, 9, 9, 3, 16, 3, 2, 1), same(1, 7, 7, 128, 64, 1, 1, 1)} {
		x, dy := testkit.Noise(s.N*s.H*s.W*s.C, 1), testkit.Noise(s.N*s.OH*s.OW*s.O, 2)
		for _, k := range kernel.ConvGradWeightKernels() {
			a := kernel.ConvGradWeight{ConvShape: s, Add: true, X: x, DY: dy, DWeight: make([]float32, s.O*s.C*s.KH*s.KW)}
			if k.Reduce == nil || !k.Available() || !k.Accepts(&a) {
				continue
			}
			gradient := func(ahead []float32) []float32 {
				a.Ahead, a.AheadToo, a.Partial = ahead, ahead[:len(ahead)/3], make([]float32, k.Reduce.Len(&a))
				clear(a.DWeight)
				scratch := make([]float32, k.ScratchLen(&a))
				for task := range k.Tasks(&a) {
					k.Run(&a, task, scratch)
				}
				for task := range k.Reduce.Tasks(&a) {
					k.Reduce.Merge(&a, task)
				}
				return slices.Clone(a.DWeight)
			}
			want := gradient(nil)
			for _, n := range []int{1, 17, 5000, 1 << 18} {
				if got := gradient(testkit.Noise(n, 1)); !slices.Equal(got, want) {
					t.Errorf("%s: fetching %d elements changes the gradient", k.Name, n)
				}
			}
		}
	}
}

// TestNesterovBits: the vector routines round as the portable kernel, whose
// losses are on record.
func TestNesterovBits(t *testing.T) {
	const n = 1003
	lr := []float32{0.137}
	for _, decay := range []float64{0, 3e-5} {
		update := func(k *kernel.Kernel[kernel.Update]) []float32 {
			a := kernel.Update{Len: n, Fn: ref.UpdateNesterov, A: 0.9, Decay: decay, Rate: 0.7,
				S: testkit.Noise(n, 1), P: testkit.Noise(n, 2), Q: testkit.Noise(n, 3), U: lr, Y: make([]float32, n)}
			for task := range k.Tasks(&a) {
				k.Run(&a, task, nil)
			}
			return a.Y
		}
		kernels := kernel.UpdateKernels()
		want := update(&kernels[len(kernels)-1])
		for i := range kernels {
			k := &kernels[i]
			if !k.Available() || !k.Accepts(&kernel.Update{Len: n, Fn: ref.UpdateNesterov}) {
				continue
			}
			t.Run(fmt.Sprint(k.Name, "/decay=", decay), func(t *testing.T) {
				for i, v := range update(k) {
					if math.Float32bits(v) != math.Float32bits(want[i]) {
						t.Fatalf("element %d is %v, by the reference %v", i, v, want[i])
					}
				}
			})
		}
	}
}
