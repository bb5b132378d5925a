package kernel_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

func macs(s *kernel.ConvShape) float64 {
	return float64(s.N) * float64(s.OH*s.OW) * float64(s.O) * float64(s.KH*s.KW) * float64(s.C/s.Groups)
}

// layer is a convolution ready to run on some workers.
type layer struct {
	k       *kernel.ConvKernel
	a       *kernel.Conv
	scratch [][]float32
	best    []time.Duration // of each task, with one worker
}

func newLayer(s kernel.ConvShape, k *kernel.ConvKernel, workers int) layer {
	l := layer{k: k, a: testkit.NewConv(s, 1)}
	packed := make([]float32, k.PackedLen(&s))
	k.Pack(&s, l.a.Weight, packed)
	l.a.Weight = packed
	for range workers {
		l.scratch = append(l.scratch, make([]float32, k.ScratchLen(&s)))
	}
	return l
}

func (l *layer) run() {
	n := l.k.Tasks(&l.a.ConvShape)
	if len(l.scratch) == 1 {
		if l.best == nil {
			l.best = slices.Repeat([]time.Duration{time.Hour}, n)
		}
		for t := range n {
			start := time.Now()
			l.k.Run(l.a, t, l.scratch[0])
			l.best[t] = min(l.best[t], time.Since(start))
		}
		return
	}
	var next atomic.Int32
	var wg sync.WaitGroup
	for _, scratch := range l.scratch {
		wg.Go(func() {
			for t := int(next.Add(1)) - 1; t < n; t = int(next.Add(1)) - 1 {
				l.k.Run(l.a, t, scratch)
			}
		})
	}
	wg.Wait()
}

// undisturbed is the sum of each task's best time: what the layer takes when
// nothing else runs, to be had on a busy machine too.
func (l *layer) undisturbed() (sum time.Duration) {
	for _, d := range l.best {
		sum += d
	}
	return sum
}

// BenchmarkV2 runs all convolutions of MobileNetV2 1.0 at 224 x 224 in
// sequence, with one worker and with two, and logs the shares of the kernels.
func BenchmarkV2(b *testing.B) {
	for _, impl := range append([]string{"go"}, vectorRungs()...) {
		b.Run("impl="+impl, func(b *testing.B) { benchV2(b, impl) })
	}
}

func benchV2(b *testing.B, impl string) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", workers), func(b *testing.B) {
			var layers []layer
			total := 0.0
			for _, s := range v2Layers(224) {
				layers = append(layers, newLayer(s, kernel.SelectConv(&s, impl), workers))
				total += macs(&s)
			}
			spent, work := map[string]time.Duration{}, map[string]float64{}
			for b.Loop() {
				for i := range layers {
					start := time.Now()
					layers[i].run()
					spent[layers[i].k.Name] += time.Since(start)
					work[layers[i].k.Name] += macs(&layers[i].a.ConvShape)
				}
			}
			b.ReportMetric(total*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			best := time.Duration(0)
			for i := range layers {
				best += layers[i].undisturbed()
			}
			if workers == 1 {
				b.ReportMetric(best.Seconds()*1e3, "undisturbed-ms")
			}
			for k, d := range spent {
				b.Logf("%-20s %6.2f ms %5.2f GMAC/s", k, d.Seconds()*1e3/float64(b.N), work[k]/float64(d.Nanoseconds()))
			}
		})
	}
}

// BenchmarkConv measures every kernel on the layers of MobileNetV2 it accepts,
// and on 5x5 depthwise layers of V3.
func BenchmarkConv(b *testing.B) {
	seen := map[string]bool{}
	for _, s := range append(v2Layers(224), same(1, 28, 28, 120, 120, 5, 1, 120), same(1, 14, 14, 672, 672, 5, 2, 672)) {
		if seen[shapeName(&s)] {
			continue
		}
		seen[shapeName(&s)] = true
		for _, k := range kernel.ConvKernels() {
			if !k.Available() || !k.Accepts(&s) {
				continue
			}
			b.Run(fmt.Sprintf("%s/%s/impl=%s", shapeName(&s), k.Name, k.Impl), func(b *testing.B) {
				l := newLayer(s, &k, 1)
				for b.Loop() {
					l.run()
				}
				b.ReportMetric(macs(&s)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
				b.ReportMetric(macs(&s)/float64(l.undisturbed().Nanoseconds()), "undisturbed-GMAC/s")
			})
		}
	}
}
