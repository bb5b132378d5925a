package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// FuzzConvGradients holds the gradients of convolutions of any shape to their
// references.
func FuzzConvGradients(f *testing.F) {
	f.Add([]byte{1, 7, 7, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, uint64(1))
	f.Add([]byte{2, 5, 9, 12, 12, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 12, 8}, uint64(2))
	f.Add([]byte{1, 5, 9, 12, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 3, 0}, uint64(4))
	// A window of one tap: every other input has no gradient.
	f.Add([]byte{2, 5, 7, 15, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 8}, uint64(9))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) < 17 {
			return
		}
		at := func(i, most int) int { return int(b[i])%most + 1 }
		s := kernel.ConvShape{N: at(0, 3), H: at(1, 16), W: at(2, 16), C: at(3, 40), O: at(4, 40),
			KH: at(5, 6), KW: at(6, 6), StrideH: at(7, 3), StrideW: at(8, 3), DilationH: at(9, 3), DilationW: at(10, 3),
			PadTop: at(11, 4) - 1, PadLeft: at(12, 4) - 1, Groups: max(int(b[15])%40, 1)}
		if b[16]&8 != 0 {
			s.O, s.Groups = s.C, s.C
		}
		bottom, right := at(13, 4)-1, at(14, 4)-1
		if s.C%s.Groups != 0 || s.O%s.Groups != 0 ||
			s.H+s.PadTop+bottom <= (s.KH-1)*s.DilationH || s.W+s.PadLeft+right <= (s.KW-1)*s.DilationW {
			return
		}
		checkConvGradients(t, window(s, bottom, right), seed)
	})
}

// FuzzNormGradients does so for batch norms of any shape and activation.
func FuzzNormGradients(f *testing.F) {
	f.Add(uint16(100), uint16(24), uint8(2), uint64(1))
	f.Add(uint16(3), uint16(300), uint8(7), uint64(2))
	f.Fuzz(func(t *testing.T, r, ch uint16, kind uint8, seed uint64) {
		rows, c := int(r)%2000+2, int(ch)%400+1
		if rows*c > 1<<17 {
			return
		}
		checkNorm(t, rows, c, gradActs[int(kind)%len(gradActs)], seed)
	})
}

// FuzzElementwiseTraining does so for slopes of activations and the steps of
// optimizers, of any length.
func FuzzElementwiseTraining(f *testing.F) {
	f.Add(uint16(100), uint8(5), uint64(1))
	f.Add(uint16(16390), uint8(6), uint64(2))
	f.Fuzz(func(t *testing.T, length uint16, kind uint8, seed uint64) {
		n := int(length)
		x, act := testkit.Noise(n, seed), gradActs[int(kind)%len(gradActs)]
		for i := range x {
			if x[i] *= 8; act.Kind == ref.HardSigmoid && math.Abs(math.Abs(float64(x[i]))-2.5) < 1e-5 {
				x[i] = 0 // on which side of the kink is rounding's to say
			}
		}
		testkit.CheckKernels(t, kernel.ActivationGradKernels(), kernel.ActivationGrad{Len: n, Act: act, X: x, DY: testkit.Noise(n, seed+1), DX: make([]float32, n)}, ref.ActivationGrad[float64])
		r := rand.New(rand.NewPCG(seed, 1))
		a := kernel.Update{Len: n, Fn: ref.UpdateKind(kind) % ref.NumUpdates, A: r.Float64(), B: r.Float64(), Rate: r.Float64(), Epsilon: 1e-2, S: x, P: testkit.Noise(n, seed+2),
			Q: testkit.Noise(n, seed+3), R: testkit.Noise(n, seed+4), U: []float32{r.Float32()}, V: []float32{1 + float32(r.IntN(100))}, Y: make([]float32, n)}
		if r.IntN(2) == 1 {
			a.Decay = r.Float64() / 10
		}
		for i := range a.Q {
			a.Q[i] += 1.5
		}
		testkit.CheckKernels(t, kernel.UpdateKernels(), a, ref.Update[float64])
	})
}

// BenchmarkTrainOps measures the operations of training on a batch of maps of
// 28 x 28 x 120, in elements of the map.
func BenchmarkTrainOps(b *testing.B) {
	const rows, c = 8 * 28 * 28, 120
	const n = rows * c
	x, dy, y := testkit.Noise(n, 1), testkit.Noise(n, 2), make([]float32, n)
	v, stats := make([]float32, c), make([]float32, 2*c)
	for i := range v {
		v[i], stats[i], stats[c+i] = 1, 0.1, 0.5
	}
	partial := make([]float32, 1<<22)
	for _, act := range []kernel.Act{{}, relu6, {Kind: ref.HSwish, A: 1. / 6}} {
		bench(b, kernel.ActivationGradKernels(), kernel.ActivationGrad{Len: n, Act: act, X: x, DY: dy, DX: y}, n)
		bench(b, kernel.BatchNormTrainKernels(), kernel.BatchNormTrain{Rows: rows, C: c, Epsilon: 1e-3, Act: act, X: x, Gamma: v, Beta: v, Stats: stats, Y: y}, n)
		bench(b, kernel.BatchNormGradSumsKernels(), kernel.BatchNormGradSums{Rows: rows, C: c, Epsilon: 1e-3, Act: act, X: x, DY: dy, Gamma: v, Beta: v, Stats: stats, Y: y[:2*c], Partial: partial}, n)
		bench(b, kernel.BatchNormGradInputKernels(), kernel.BatchNormGradInput{Rows: rows, C: c, Epsilon: 1e-3, Act: act, X: x, DY: dy, Gamma: v, Beta: v, Stats: stats, Sums: stats, DX: y}, n)
	}
	bench(b, kernel.ChannelStatsKernels(), kernel.ChannelStats{Rows: rows, C: c, X: x, Y: y[:2*c], Partial: partial}, n)
	bench(b, kernel.ChannelSumKernels(), kernel.ChannelSum{Rows: rows, C: c, X: x, Y: y[:c], Partial: partial}, n)
	for _, s := range []kernel.ConvShape{same(8, 28, 28, c, 40, 1, 1, 1), same(8, 28, 28, c, c, 3, 1, c), same(8, 28, 28, c, c, 5, 2, c)} {
		w := make([]float32, s.O*(s.C/s.Groups)*s.KH*s.KW)
		bench(b, kernel.ConvGradWeightKernels(), kernel.ConvGradWeight{ConvShape: s, X: x, DY: dy, DWeight: w, Partial: partial}, n)
		bench(b, kernel.ConvGradInputKernels(), kernel.ConvGradInput{ConvShape: s, DY: dy, Weight: w, DX: y}, n)
	}
}
