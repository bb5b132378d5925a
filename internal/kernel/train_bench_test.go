package kernel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// benchTrain runs every available kernel of a table on one worker and reports
// the best pace, of work units an operation, and of merging too.
func benchTrain[A any](b *testing.B, name string, table []kernel.Kernel[A], a A, work int, unit string) {
	for _, k := range table {
		if k.Impl == "ref" || !k.Available() || !k.Accepts(&a) {
			continue
		}
		b.Run(fmt.Sprintf("%s/%s/impl=%s", name, k.Name, k.Impl), func(b *testing.B) {
			scratch := make([]float32, k.ScratchLen(&a))
			if k.Reduce != nil {
				*k.Reduce.At(&a) = make([]float32, k.Reduce.Len(&a))
			}
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				for task := range k.Tasks(&a) {
					k.Run(&a, task, scratch)
				}
				if k.Reduce != nil {
					for task := range k.Reduce.Tasks(&a) {
						k.Reduce.Merge(&a, task)
					}
				}
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(work)/float64(best.Nanoseconds()), unit)
		})
	}
}

// BenchmarkGradWeight measures weights' gradients of typical layers.
func BenchmarkGradWeight(b *testing.B) {
	for _, s := range []kernel.ConvShape{
		same(4, 112, 112, 16, 96, 1, 1, 1), same(4, 56, 56, 144, 24, 1, 1, 1), same(8, 14, 14, 512, 512, 1, 1, 1), same(16, 7, 7, 1024, 1024, 1, 1, 1),
		same(2, 224, 224, 3, 32, 3, 2, 1), same(2, 56, 56, 144, 144, 3, 1, 144), same(4, 28, 28, 120, 120, 5, 2, 120),
	} {
		x, dy := testkit.Noise(s.N*s.H*s.W*s.C, 1), testkit.Noise(s.N*s.OH*s.OW*s.O, 2)
		n := s.O * (s.C / s.Groups) * s.KH * s.KW
		benchTrain(b, shapeName(&s), kernel.ConvGradWeightKernels(), kernel.ConvGradWeight{ConvShape: s, X: x, DY: dy, DWeight: make([]float32, n)}, n*s.N*s.OH*s.OW, "GMAC/s")
	}
}

// BenchmarkNormTrain measures the batch norms on a map that the caches hold.
func BenchmarkNormTrain(b *testing.B) {
	const rows, c = 28 * 28, 96
	x, dy, y := testkit.Noise(rows*c, 1), testkit.Noise(rows*c, 2), make([]float32, rows*c)
	gamma, beta, stats, sums := testkit.Noise(c, 3), testkit.Noise(c, 4), make([]float32, 2*c), make([]float32, 2*c)
	for i := range c {
		stats[c+i] = 1
	}
	benchTrain(b, "stats", kernel.ChannelStatsKernels(), kernel.ChannelStats{Rows: rows, C: c, X: x, Y: sums}, rows*c, "Gelem/s")
	for _, act := range []kernel.Act{relu6, {Kind: ref.HSwish, A: 1. / 6}, {Kind: ref.Swish}} {
		name := fmt.Sprint("act=", act.Kind, "/")
		benchTrain(b, name+"apply", kernel.BatchNormTrainKernels(), kernel.BatchNormTrain{Rows: rows, C: c, Act: act, X: x, Gamma: gamma, Beta: beta, Stats: stats, Y: y}, rows*c, "Gelem/s")
		benchTrain(b, name+"sums", kernel.BatchNormGradSumsKernels(), kernel.BatchNormGradSums{Rows: rows, C: c, Act: act, X: x, DY: dy, Gamma: gamma, Beta: beta, Stats: stats, Y: sums}, rows*c, "Gelem/s")
		benchTrain(b, name+"input", kernel.BatchNormGradInputKernels(), kernel.BatchNormGradInput{Rows: rows, C: c, Act: act, X: x, DY: dy, Gamma: gamma, Beta: beta, Stats: stats, Sums: sums, DX: y}, rows*c, "Gelem/s")
		benchTrain(b, name+"slope", kernel.ActivationGradKernels(), kernel.ActivationGrad{Len: rows * c, Act: act, X: x, DY: dy, DX: y}, rows*c, "Gelem/s")
	}
}

// BenchmarkUpdate measures the steps of optimizers on a weight that the caches
// hold.
func BenchmarkUpdate(b *testing.B) {
	const n = 1 << 16
	x := [5][]float32{}
	for i := range x {
		x[i] = testkit.Noise(n, uint64(i))
		for j := range x[i] {
			x[i][j] += 1.5
		}
	}
	for _, u := range []struct {
		name string
		fn   ref.UpdateKind
	}{{"velocity", ref.UpdateVelocity}, {"nesterov", ref.UpdateNesterov}, {"mean", ref.UpdateMean}, {"meansquare", ref.UpdateMeanSquare}, {"rmsmomentum", ref.UpdateRMSMomentum}, {"adam", ref.UpdateAdam}} {
		benchTrain(b, u.name, kernel.UpdateKernels(), kernel.Update{Len: n, Fn: u.fn, A: 0.9, B: 0.99, Decay: 1e-5, Rate: 0.5, Epsilon: 1e-3,
			S: x[0], P: x[1], Q: x[2], R: x[3], U: []float32{0.1}, V: []float32{3}, Y: x[4]}, n, "Gelem/s")
	}
}
