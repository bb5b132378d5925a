package kernel_test

import (
	"fmt"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

func BenchmarkZZ(b *testing.B) {
	const c = 128
	const big = 56 * 56 * 32
	x, dy, y := testkit.Noise(big*c, 1), testkit.Noise(big*c, 2), make([]float32, big*c)
	gamma, beta, stats, sums := testkit.Noise(c, 3), testkit.Noise(c, 4), make([]float32, 2*c), make([]float32, 2*c)
	for i := range c {
		stats[c+i] = 1
	}
	for _, rows := range []int{400, big} {
		n := fmt.Sprint("rows=", rows, "/")
		benchTrain(b, n+"stats", kernel.ChannelStatsKernels()[:1], kernel.ChannelStats{Rows: rows, C: c, X: x, Y: sums}, rows*c, "Gelem/s")
		act := relu6
		benchTrain(b, n+"apply", kernel.BatchNormTrainKernels()[:1], kernel.BatchNormTrain{Rows: rows, C: c, Act: act, X: x, Gamma: gamma, Beta: beta, Stats: stats, Y: y}, rows*c, "Gelem/s")
		benchTrain(b, n+"applyToSmall", kernel.BatchNormTrainKernels()[:1], kernel.BatchNormTrain{Rows: 400, C: c, Act: act, X: x, Gamma: gamma, Beta: beta, Stats: stats, Y: y}, 400*c, "Gelem/s")
		benchTrain(b, n+"sums", kernel.BatchNormGradSumsKernels()[:1], kernel.BatchNormGradSums{Rows: rows, C: c, Act: act, X: x, DY: dy, Gamma: gamma, Beta: beta, Stats: stats, Y: sums}, rows*c, "Gelem/s")
		benchTrain(b, n+"input", kernel.BatchNormGradInputKernels()[:1], kernel.BatchNormGradInput{Rows: rows, C: c, Act: act, X: x, DY: dy, Gamma: gamma, Beta: beta, Stats: stats, Sums: sums, DX: y}, rows*c, "Gelem/s")
	}
}

func BenchmarkZZGemm(b *testing.B) {
	for _, s := range []kernel.ConvShape{
		same(1, 7, 56, 128, 128, 1, 1, 1), same(1, 14, 28, 128, 256, 1, 1, 1), same(1, 10, 28, 256, 256, 1, 1, 1), same(1, 7, 14, 512, 512, 1, 1, 1), same(1, 9, 32, 1024, 1024, 1, 1, 1), same(1, 4, 112, 32, 64, 1, 1, 1), same(1, 4, 112, 64, 32, 1, 1, 1),
	} {
		x := testkit.Noise(s.N*s.H*s.W*s.C, 1)
		y := make([]float32, s.N*s.OH*s.OW*s.O)
		w := testkit.Noise(s.C*s.O, 3)
		k := kernel.SelectConv(&s, "")
		packed := make([]float32, k.PackedLen(&s))
		k.Pack(&s, w, packed)
		scratch := make([]float32, k.ScratchLen(&s))
		a := kernel.Conv{ConvShape: s, X: x, Y: y, Weight: packed, Bias: make([]float32, s.O)}
		b.Run(shapeName(&s), func(b *testing.B) {
			for b.Loop() {
				for t := range k.Tasks(&s) {
					k.Run(&a, t, scratch)
				}
			}
			b.ReportMetric(float64(b.N)*float64(s.C*s.O*s.H*s.W)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
		})
		dw := make([]float32, s.C*s.O)
		g := kernel.ConvGradWeight{ConvShape: s, X: x, DY: y, DWeight: dw, Add: true}
		kg := kernel.Select(kernel.ConvGradWeightKernels(), &g, "")
		g.Partial = make([]float32, kg.Reduce.Len(&g))
		sc := make([]float32, kg.ScratchLen(&g))
		b.Run("dw/"+shapeName(&s), func(b *testing.B) {
			for b.Loop() {
				for t := range kg.Tasks(&g) {
					kg.Run(&g, t, sc)
				}
			}
			b.ReportMetric(float64(b.N)*float64(s.C*s.O*s.H*s.W)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
		})
	}
}
