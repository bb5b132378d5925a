package kernel_test

import (
	"math"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// Fake quantization is held to the reference in float32, without any error.

func narrow(x []float64) []float32 {
	if x == nil {
		return nil
	}
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func give(dst []float64, y []float32) {
	for i, v := range y {
		dst[i] = float64(v)
	}
}

func refFakeQuant(a *ref.FakeQuantArgs[float64]) {
	n := ref.FakeQuantArgs[float32]{Len: a.Len, X: narrow(a.X), Range: narrow(a.Range), On: narrow(a.On), Y: make([]float32, a.Len)}
	ref.FakeQuant(&n)
	give(a.Y, n.Y)
}

func refFakeQuantGrad(a *ref.FakeQuantGradArgs[float64]) {
	n := ref.FakeQuantGradArgs[float32]{Len: a.Len, X: narrow(a.X), DY: narrow(a.DY), Range: narrow(a.Range), On: narrow(a.On), DX: make([]float32, a.Len)}
	ref.FakeQuantGrad(&n)
	give(a.DX, n.DX)
}

func refFakeQuantWeight(a *ref.FakeQuantWeightArgs[float64]) {
	n := ref.FakeQuantWeightArgs[float32]{O: a.O, Per: a.Per, X: narrow(a.X), On: narrow(a.On), Y: make([]float32, a.O*a.Per)}
	ref.FakeQuantWeight(&n)
	give(a.Y, n.Y)
}

// hardValues are numbers that lie on steps, between them, on the bounds and
// beyond, and some that are none.
func hardValues(n int, r []float32, seed uint64) []float32 {
	scale, zero := ref.Affine(r[0], r[1])
	x := testkit.Noise(n, seed)
	for i := range x {
		switch i % 5 {
		case 0:
			x[i] *= 300 * scale
		case 1:
			x[i] = float32(int(x[i]*280)) * scale
		case 2:
			x[i] = (float32(int(x[i]*280)) + 0.5) * scale
		case 3:
			x[i] = (float32(i%3-1)*0.5 - zero) * scale
		case 4:
			x[i] = (float32(i%3-1)*0.5 + 255 - zero) * scale
		}
	}
	for i, v := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e30, -1e30, float32(math.Copysign(0, -1)), 1e-40} {
		if at := i*7 + 3; at < n {
			x[at] = v
		}
	}
	return x
}

func TestFakeQuantKernels(t *testing.T) {
	for i, r := range [][]float32{{-1, 1}, {0, 6}, {-0.375, 2.625}, {-3, 0}, {0.5, 3}, {0, 0}, {-1e-30, 1e-30}, {-1e20, 3e20}} {
		for _, n := range []int{1, 7, 13, 15, 16, 17, 127, 20011} {
			for _, on := range [][]float32{nil, {1}, {0}} {
				x, dy := hardValues(n, r, uint64(i)), testkit.Noise(n, 9)
				q := kernel.FakeQuant{Len: n, X: x, Range: r, On: on, Y: make([]float32, n)}
				testkit.CheckKernels(t, kernel.FakeQuantKernels(), q, refFakeQuant)
				q.Y = q.X
				testkit.CheckKernels(t, kernel.FakeQuantKernels(), q, refFakeQuant)
				g := kernel.FakeQuantGrad{Len: n, X: x, DY: dy, Range: r, On: on, DX: make([]float32, n)}
				testkit.CheckKernels(t, kernel.FakeQuantGradKernels(), g, refFakeQuantGrad)
				g.DX = g.DY
				testkit.CheckKernels(t, kernel.FakeQuantGradKernels(), g, refFakeQuantGrad)
			}
		}
	}
	for _, s := range [][2]int{{1, 1}, {3, 7}, {16, 9}, {33, 127}, {5, 20011}} {
		for _, on := range [][]float32{nil, {1}, {0}} {
			w := testkit.Noise(s[0]*s[1], 3)
			for i := range s[1] {
				w[i] *= float32(i % 2) // an output with zeros, of one element nothing else
			}
			a := kernel.FakeQuantWeight{O: s[0], Per: s[1], X: w, On: on, Y: make([]float32, len(w))}
			testkit.CheckKernels(t, kernel.FakeQuantWeightKernels(), a, refFakeQuantWeight)
		}
	}
}

func TestMinMaxKernels(t *testing.T) {
	for _, n := range []int{1, 7, 8, 15, 17, 127, 16384, 40003} {
		x := testkit.Noise(n, uint64(n))
		check := func() {
			t.Helper()
			testkit.CheckKernels(t, kernel.MinMaxKernels(), kernel.MinMax{Len: n, X: x, Y: make([]float32, 2)}, ref.MinMax[float64])
		}
		check()
		for i := range x {
			x[i] += 3 // neither bound is 0
		}
		check()
		x[n/2], x[n-1] = -7, 9 // at the end too
		check()
		x[n-1] = float32(math.NaN())
		check()
		x[n-1], x[0] = 1, float32(math.NaN())
		check()
	}
}

// BenchmarkFakeQuant measures the passes over a map that fake quantization adds
// to a training step.
func BenchmarkFakeQuant(b *testing.B) {
	const n = 8 * 28 * 28 * 120
	x, dy, y := testkit.Noise(n, 1), testkit.Noise(n, 2), make([]float32, n)
	r := []float32{-0.9, 0.9}
	bench(b, kernel.FakeQuantKernels(), kernel.FakeQuant{Len: n, X: x, Range: r, Y: y}, n)
	bench(b, kernel.FakeQuantGradKernels(), kernel.FakeQuantGrad{Len: n, X: x, DY: dy, Range: r, DX: y}, n)
	bench(b, kernel.MinMaxKernels(), kernel.MinMax{Len: n, X: x, Y: y[:2], Partial: make([]float32, 1<<16)}, n)
}
