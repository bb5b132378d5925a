package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// bf16Forms are the ways in which a shape may have bfloat16 in it.
func bf16Forms(s kernel.ConvShape) (out []kernel.ConvShape) {
	for _, f := range []kernel.BF16{{Parts: 1, X: true, Y: true}, {Parts: 1, X: true}, {Parts: 1, Y: true}, {Parts: 1}, {Parts: 2}, {X: true, Y: true}, {Y: true}} {
		s.BF16 = f
		out = append(out, s)
	}
	return out
}

// checkBF16 runs every kernel on every form of a shape and returns how many
// pairs there were.
func checkBF16(t *testing.T, s kernel.ConvShape, seed uint64) (n int) {
	for i, f := range bf16Forms(s) {
		n += testkit.CheckBF16Conv(t, testkit.BF16Layout(f, (i+int(seed))%3%2), seed)
	}
	return n
}

// TestBF16Conv holds every convolution with bfloat16 to the reference on odd
// shapes and on the layers of real networks.
func TestBF16Conv(t *testing.T) {
	shapes := append(oddShapes(), v2Layers(64)...)
	hswish := kernel.Act{Kind: ref.HSwish, A: 1. / 6}
	for _, s := range []kernel.ConvShape{
		same(1, 14, 14, 120, 120, 5, 1, 120), same(1, 14, 14, 240, 240, 5, 2, 240),
		same(1, 1, 1, 72, 24, 1, 1, 1), same(2, 7, 7, 240, 40, 1, 1, 1), same(3, 1, 1, 576, 1024, 1, 1, 1),
		same(1, 14, 14, 32, 96, 3, 2, 1), same(1, 14, 14, 512, 512, 1, 1, 1), same(1, 7, 7, 1024, 72, 1, 1, 1),
		same(2, 23, 3, 40, 40, 1, 1, 1), same(1, 33, 1, 33, 17, 1, 1, 1), same(1, 47, 1, 7, 48, 1, 1, 1),
	} {
		s.Act, s.HasScale = hswish, s.O == 40 && s.KH == 1
		shapes = append(shapes, s)
	}
	n := 0
	for i, s := range shapes {
		if testing.Short() && i%3 != 0 || s.XPixel != s.C || s.YPixel != s.O {
			continue
		}
		t.Run(shapeName(&s), func(t *testing.T) { n += checkBF16(t, s, uint64(i)) })
	}
	if n == 0 {
		t.Skip("no kernels with bfloat16 on this machine")
	}
	t.Logf("%d pairs of a shape and a kernel", n)
}

// TestBF16ConvBatch holds batches of real layers to the bits of single
// pictures.
func TestBF16ConvBatch(t *testing.T) {
	for i, s := range v2Layers(32) {
		if i%4 != 0 && i < 48 {
			continue
		}
		s.N = 5
		t.Run(shapeName(&s), func(t *testing.T) { checkBF16(t, s, uint64(i)) })
	}
}

// TestBF16GlobalAvgPool holds the means of values stored as bfloat16 to the
// reference.
func TestBF16GlobalAvgPool(t *testing.T) {
	for _, c := range []int{1, 7, 31, 32, 33, 96, 127, 128, 129, 300} {
		a := kernel.GlobalAvgPoolBF16{GlobalAvgPool: kernel.GlobalAvgPool{N: 2, H: 7, W: 5, C: c}, Pixel: kernel.BF16Pixel(c) + 16}
		a.X = testkit.Noise(2*7*5*a.Pixel, uint64(c))
		for i, v := range a.X {
			kernel.Halves(a.X)[2*i], kernel.Halves(a.X)[2*i+1] = kernel.RoundBF16(v), kernel.RoundBF16(1-v)
		}
		table := kernel.GlobalAvgPoolBF16Kernels()
		a.Y = make([]float32, 2*c)
		table[len(table)-1].Run(&a, 0, nil)
		want := slices.Clone(a.Y)
		for _, k := range table[:len(table)-1] {
			if !k.Available() || !k.Accepts(&a) {
				continue
			}
			y := testkit.NewGuarded(2 * c)
			a.Y = y.Data
			for _, task := range rand.Perm(k.Tasks(&a)) {
				k.Run(&a, task, nil)
			}
			for i, v := range a.Y {
				if !(math.Abs(float64(v-want[i])) <= 2*k.MaxError) {
					t.Fatalf("%s: %d channels: mean %d is %v, want %v", k.Name, c, i, v, want[i])
				}
			}
			if err := y.Check(); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
			if n := testing.AllocsPerRun(1, func() { k.Run(&a, 0, nil) }); n != 0 {
				t.Errorf("%s: %v allocations", k.Name, n)
			}
		}
	}
}

// TestBF16NaN: a NaN in the picture reaches the result; an infinity does, as
// itself or, where numbers are split, as a NaN.
func TestBF16NaN(t *testing.T) {
	for _, s := range []kernel.ConvShape{same(1, 4, 5, 8, 12, 1, 1, 1), same(1, 4, 5, 8, 8, 3, 1, 8), same(1, 4, 5, 3, 8, 3, 1, 1)} {
		for kind := range ref.NumActs {
			s.Act = kernel.Act{Kind: kind, A: 0.5, B: 1}
			for _, f := range bf16Forms(s) {
				f = testkit.BF16Layout(f, 0)
				for _, k := range kernel.BF16ConvKernels() {
					if !k.Available() || !k.Accepts(&f) {
						continue
					}
					for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
						if bad == bad && kind != ref.Linear {
							continue
						}
						a := testkit.NewBF16Conv(f, 1)
						for i := range 8 {
							if f.BF16.X {
								kernel.Halves(a.X)[i] = kernel.RoundBF16(bad)
							} else {
								a.X[i] = bad
							}
						}
						packed := make([]float32, k.PackedLen(&f))
						k.Pack(&f, a.Weight, packed)
						a.Weight = packed
						scratch := make([]float32, k.ScratchLen(&f))
						for task := range k.Tasks(&f) {
							k.Run(a, task, scratch)
						}
						for o := range f.O {
							v := a.Y[min(o, len(a.Y)-1)]
							if f.BF16.Y {
								v = kernel.WidenBF16(kernel.Halves(a.Y)[o])
							}
							if v-v == 0 {
								t.Fatalf("%s: activation %d makes %v of %v in channel %d", k.Name, kind, v, bad, o)
							}
						}
					}
				}
			}
		}
	}
}

// TestRoundBF16 holds the rounding to its definition.
func TestRoundBF16(t *testing.T) {
	for _, c := range []struct {
		in   float32
		want float32
	}{{0, 0}, {1, 1}, {-1, -1}, {1 + 1./256, 1}, {1 + 3./256, 1 + 1./64}, {1 + 1./256 + 1./65536, 1 + 1./128}, {3.3895314e38, 3.3895314e38}, {3.4e38, float32(math.Inf(1))}} {
		if got := kernel.WidenBF16(kernel.RoundBF16(c.in)); got != c.want {
			t.Errorf("%v becomes %v, want %v", c.in, got, c.want)
		}
	}
	if v := kernel.WidenBF16(kernel.RoundBF16(float32(math.NaN()))); v == v {
		t.Errorf("a NaN becomes %v", v)
	}
}

// FuzzBF16Conv runs every form of a shape.
func FuzzBF16Conv(f *testing.F) {
	f.Add([]byte{1, 7, 7, 8, 8, 1, 1, 1, 1, 0, 0, 0, 0}, uint64(1))
	f.Add([]byte{2, 5, 9, 39, 35, 1, 1, 1, 1, 0, 0, 3, 1}, uint64(2))
	f.Add([]byte{1, 9, 9, 33, 33, 3, 2, 1, 1, 1, 0, 8, 0}, uint64(3))
	f.Add([]byte{1, 8, 12, 3, 20, 3, 2, 1, 1, 1, 7, 0, 2}, uint64(4))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) < 13 {
			return
		}
		at := func(i, most int) int { return int(b[i])%most + 1 }
		s := kernel.ConvShape{N: at(0, 3), H: at(1, 14), W: at(2, 14), C: at(3, 70), O: at(4, 140), KH: at(5, 5), KW: at(5, 5),
			StrideH: at(6, 2), StrideW: at(6, 2), DilationH: at(7, 2), DilationW: at(8, 2), PadTop: at(9, 3) - 1, PadLeft: at(9, 3) - 1,
			Act:         kernel.Act{Kind: kernel.ActKind(b[10]) % ref.NumActs, A: 0.25, B: 0.75},
			HasResidual: b[11]&1 != 0, HasScale: b[11]&2 != 0}
		if b[11]&8 != 0 {
			s.O, s.Groups = s.C, s.C
		}
		bottom := int(b[12]) % 3
		if s.H+s.PadTop+bottom <= (s.KH-1)*s.DilationH || s.W+s.PadLeft+bottom <= (s.KW-1)*s.DilationW {
			return
		}
		checkBF16(t, window(s, bottom, bottom), seed)
	})
}

// BenchmarkBF16Conv measures every kernel with bfloat16 on the layers of
// MobileNetV2, stored as in a network.
func BenchmarkBF16Conv(b *testing.B) {
	seen := map[string]bool{}
	for _, s := range v2Layers(224) {
		if seen[shapeName(&s)] {
			continue
		}
		seen[shapeName(&s)] = true
		for _, f := range bf16Forms(s) {
			f = testkit.BF16Layout(f, 0)
			for _, k := range kernel.BF16ConvKernels() {
				if !k.Available() || !k.Accepts(&f) || k.Impl == "ref" || f.BF16.X != f.BF16.Y {
					continue
				}
				b.Run(shapeName(&s)+"/"+k.Name+"/impl="+k.Impl, func(b *testing.B) {
					a := testkit.NewBF16Conv(f, 1)
					packed := make([]float32, k.PackedLen(&f))
					k.Pack(&f, a.Weight, packed)
					a.Weight = packed
					scratch := make([]float32, k.ScratchLen(&f))
					for b.Loop() {
						for task := range k.Tasks(&f) {
							k.Run(a, task, scratch)
						}
					}
					b.ReportMetric(macs(&f)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
				})
			}
		}
	}
}
