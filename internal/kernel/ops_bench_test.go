package kernel_test

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// bench runs every available kernel of a table on one worker; elems is what
// the operation reads or writes, whichever is more.
func bench[A any](b *testing.B, table []kernel.Kernel[A], a A, elems int) {
	for _, k := range table {
		if !k.Available() || !k.Accepts(&a) {
			continue
		}
		b.Run(k.Name+"/impl="+k.Impl, func(b *testing.B) {
			scratch := make([]float32, k.ScratchLen(&a))
			for b.Loop() {
				for task := range k.Tasks(&a) {
					k.Run(&a, task, scratch)
				}
			}
			b.ReportMetric(float64(elems)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "Gelem/s")
		})
	}
}

// BenchmarkOps measures everything but convolutions on a map of 28 x 28 x 120.
func BenchmarkOps(b *testing.B) {
	const h, c = 28, 120
	const n = h * h * c
	x, z, y, v := testkit.Noise(n, 1), testkit.Noise(n, 2), make([]float32, 4*n), testkit.Noise(c, 3)
	for i := range v {
		v[i] += 2
	}
	for _, kind := range []kernel.ActKind{ref.ReLU6, ref.HSwish, ref.Swish, ref.GELU} {
		bench(b, kernel.ActivationKernels(), kernel.Activation{Len: n, Act: kernel.Act{Kind: kind, A: 1. / 6}, X: x, Y: y[:n]}, n)
	}
	bench(b, kernel.GlobalAvgPoolKernels(), kernel.GlobalAvgPool{N: 1, H: h, W: h, C: c, X: x, Y: y[:c]}, n)
	bench(b, kernel.PoolKernels(), kernel.Pool{N: 1, H: h, W: h, C: c, OH: h / 2, OW: h / 2, KH: 2, KW: 2, StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1, X: x, Y: y[:n/4]}, n)
	bench(b, kernel.BinaryKernels(), kernel.Binary{AShape: [4]int{1, h, h, c}, BShape: [4]int{1, h, h, c}, A: x, B: z, Y: y[:n]}, n)
	bench(b, kernel.BinaryKernels(), kernel.Binary{Fn: ref.Mul, AShape: [4]int{1, h, h, c}, BShape: [4]int{1, 1, 1, c}, A: x, B: v, Y: y[:n]}, n)
	bench(b, kernel.SoftmaxKernels(), kernel.Softmax{Rows: h, Cols: h * c, X: x, Y: y[:n]}, n)
	bench(b, kernel.BatchNormKernels(), kernel.BatchNorm{Rows: h * h, C: c, Epsilon: 1e-3, X: x, Gamma: v, Beta: v, Mean: v, Var: v, Y: y[:n]}, n)
	bench(b, kernel.ResizeKernels(), kernel.Resize{N: 1, H: h, W: h, C: c, OH: 2 * h, OW: 2 * h, X: x, Y: y}, 4*n)
	bench(b, kernel.PadKernels(), kernel.Pad{N: 1, H: h, W: h, C: c, Bottom: 1, Right: 1, X: x, Y: y[:(h+1)*(h+1)*c]}, n)
	bench(b, kernel.ConcatKernels(), kernel.Concat{Outer: h * h, Inner: []int{c, c}, Xs: [][]float32{x, z}, Y: y[:2*n]}, 2*n)
	bench(b, kernel.TransposeKernels(), kernel.Transpose{Rank: 3, Shape: [6]int{h, h, c}, Perm: [6]int{2, 0, 1}, X: x, Y: y[:n]}, n)
}
