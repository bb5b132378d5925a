package kernel

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// v2Layers are the convolutions of MobileNetV2 1.0 at 224 x 224 in order.
func v2Layers() (layers []ConvShape) {
	relu6 := Act{Kind: ref.ReLU6}
	h, c := 224, 3
	add := func(o, k, stride, groups int, act Act, residual bool) {
		s := ConvShape{N: 1, H: h, W: h, C: c, OH: (h + stride - 1) / stride, OW: (h + stride - 1) / stride, O: o,
			KH: k, KW: k, StrideH: stride, StrideW: stride, PadTop: k / 2, PadLeft: k / 2, Groups: groups,
			Act: act, HasResidual: residual}
		layers = append(layers, s.Normal())
		h, c = s.OH, o
	}
	add(32, 3, 2, 1, relu6, false)
	for _, r := range [][4]int{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range r[2] {
			stride := 1
			if i == 0 {
				stride = r[3]
			}
			wide := c * r[0]
			if r[0] > 1 {
				add(wide, 1, 1, 1, relu6, false)
			}
			add(wide, 3, stride, wide, relu6, false)
			add(r[1], 1, 1, 1, Act{}, i > 0)
		}
	}
	add(1280, 1, 1, 1, relu6, false)
	h = 1
	add(1000, 1, 1, 1, Act{}, false)
	return layers
}

func macs(s *ConvShape) float64 {
	return float64(s.N) * float64(s.OH*s.OW) * float64(s.O) * float64(s.KH*s.KW) * float64(s.C/s.Groups)
}

type step struct {
	k       *ConvKernel
	a       *Conv
	scratch [][]float32
}

func newStep(s ConvShape, k *ConvKernel, workers int) step {
	a := &Conv{ConvShape: s}
	a.X = noise(s.N*s.H*s.W*s.XPixel, 1)
	a.Y = make([]float32, s.N*s.OH*s.OW*s.YPixel)
	a.Bias = noise(s.O, 2)
	if s.HasResidual {
		a.Residual = noise(len(a.Y), 3)
	}
	if s.HasScale {
		a.Scale = noise(s.N*s.C, 4)
	}
	a.Weight = make([]float32, k.PackedLen(&s))
	k.Pack(&s, noise(s.O*s.C/s.Groups*s.KH*s.KW, 5), a.Weight)
	st := step{k: k, a: a}
	for range workers {
		st.scratch = append(st.scratch, make([]float32, k.ScratchLen(&s)))
	}
	return st
}

func noise(n int, seed uint32) []float32 {
	x := make([]float32, n)
	for i := range x {
		seed = seed*1664525 + 1013904223
		x[i] = float32(int32(seed)) / (1 << 31)
	}
	return x
}

func (s *step) run(workers int) {
	n := s.k.Tasks(&s.a.ConvShape)
	if workers == 1 {
		for t := range n {
			s.k.Run(s.a, t, s.scratch[0])
		}
		return
	}
	var next atomic.Int32
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for t := int(next.Add(1)) - 1; t < n; t = int(next.Add(1)) - 1 {
				s.k.Run(s.a, t, s.scratch[w])
			}
		})
	}
	wg.Wait()
}

// BenchmarkV2 runs all convolutions of MobileNetV2 1.0 at 224 x 224 in sequence.
func BenchmarkV2(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(map[int]string{1: "threads=1", 2: "threads=2"}[workers], func(b *testing.B) {
			var steps []step
			total := 0.0
			for _, s := range v2Layers() {
				steps = append(steps, newStep(s, SelectConv(&s, "go"), workers))
				total += macs(&s)
			}
			spent := map[string]time.Duration{}
			work := map[string]float64{}
			for b.Loop() {
				for i := range steps {
					t := time.Now()
					steps[i].run(workers)
					spent[steps[i].k.Name] += time.Since(t)
					work[steps[i].k.Name] += macs(&steps[i].a.ConvShape)
				}
			}
			b.ReportMetric(total*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			for k, d := range spent {
				b.Logf("%s %.2f ms %.2f GMAC/s", k, d.Seconds()*1e3/float64(b.N), work[k]/float64(d.Nanoseconds()))
			}
		})
	}
}

// BenchmarkConv measures every kernel on the layers of MobileNetV2 it accepts.
func BenchmarkConv(b *testing.B) {
	seen := map[ConvShape]bool{}
	for _, s := range v2Layers() {
		if seen[s] {
			continue
		}
		seen[s] = true
		for _, k := range ConvKernels() {
			if !k.Available() || !k.Accepts(&s) {
				continue
			}
			b.Run(shapeName(&s)+"/"+k.Name+"/impl="+k.Impl, func(b *testing.B) {
				st := newStep(s, &k, 1)
				for b.Loop() {
					st.run(1)
				}
				b.ReportMetric(macs(&s)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			})
		}
	}
}
