package kernel_test

import (
	"math"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// bf16GradShapes are pointwise convolutions: every rest of a tile of sums
// either way, odd numbers of pixels, steps and chunks of more than one, and
// layers of networks.
func bf16GradShapes() (out []kernel.ConvShape) {
	for i := 1; i <= 34; i++ {
		out = append(out, same(1, 1, 1+(7*i)%23, i, 1+(11*i)%37, 1, 1, 1), same(2, 3, 1+i%5, 1+(5*i)%71, i, 1, 1, 1))
	}
	for _, s := range append(gradShapes(),
		same(3, 19, 19, 40, 24, 1, 1, 1), same(2, 31, 33, 24, 72, 1, 1, 1), same(2, 7, 7, 320, 1280, 1, 1, 1),
		same(4, 28, 28, 256, 256, 1, 1, 1), same(1, 33, 33, 13, 127, 1, 1, 1), same(32, 3, 3, 128, 160, 1, 1, 1)) {
		if s.KH*s.KW == 1 && s.StrideH*s.StrideW == 1 && s.Groups == 1 && s.PadTop+s.PadLeft == 0 && s.OH == s.H && s.OW == s.W {
			out = append(out, s)
		}
	}
	return out
}

// roundedGradWeight is the exact gradient of factors rounded to bfloat16.
func roundedGradWeight(a *ref.ConvGradWeightArgs[float64]) {
	for _, x := range [][]float64{a.X, a.DY} {
		for i, v := range x {
			x[i] = float64(kernel.WidenBF16(kernel.RoundBF16(float32(v))))
		}
	}
	ref.ConvGradWeight(a)
}

// TestBF16GradWeight holds weights' gradients by products of bfloat16 to the
// exact ones of rounded factors, as a whole and put together from parts.
func TestBF16GradWeight(t *testing.T) {
	for i, s := range bf16GradShapes() {
		if testing.Short() && i%3 != 0 {
			continue
		}
		t.Run(shapeName(&s), func(t *testing.T) { checkBF16GradWeight(t, s, uint64(i)) })
	}
}

func checkBF16GradWeight(t *testing.T, s kernel.ConvShape, seed uint64) {
	t.Helper()
	s.BF16 = kernel.BF16{Parts: 1}
	x, dy := testkit.Noise(s.N*s.H*s.W*s.C, seed), testkit.Noise(s.N*s.OH*s.OW*s.O, seed+1)
	a := kernel.ConvGradWeight{ConvShape: s, X: x, DY: dy, DWeight: make([]float32, s.O*s.C)}
	testkit.CheckKernels(t, kernel.ConvGradWeightBF16Kernels(), a, roundedGradWeight)
	checkGradParts(t, s, x, dy)
	checkGradTasks(t, a)
}

// checkGradTasks: tasks in another order, each with scratch that others have
// used, leave the same bits.
func checkGradTasks(t *testing.T, a kernel.ConvGradWeight) {
	t.Helper()
	for _, k := range kernel.ConvGradWeightBF16Kernels() {
		if !k.Available() || !k.Accepts(&a) || k.Reduce == nil {
			continue
		}
		var first []float32
		for _, down := range []bool{false, true} {
			b := a
			b.DWeight, b.Partial = make([]float32, len(a.DWeight)), make([]float32, k.Reduce.Len(&a))
			scratch := testkit.Noise(k.ScratchLen(&a), 9)
			all := func(n int, run func(int)) {
				for i := range n {
					if down {
						i = n - 1 - i
					}
					run(i)
				}
			}
			all(k.Tasks(&b), func(i int) { k.Run(&b, i, scratch) })
			all(k.Reduce.Tasks(&b), func(i int) { k.Reduce.Merge(&b, i) })
			if first == nil {
				first = b.DWeight
			}
			for i, v := range b.DWeight {
				if math.Float32bits(v) != math.Float32bits(first[i]) {
					t.Fatalf("%s: element %d has other bits", k.Name, i)
				}
			}
		}
	}
}

// TestBF16GradWeightNaN: a NaN, or an infinity, in either factor reaches every
// element that it is a factor of.
func TestBF16GradWeightNaN(t *testing.T) {
	s := same(1, 3, 5, 20, 37, 1, 1, 1)
	s.BF16 = kernel.BF16{Parts: 1}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		for _, k := range kernel.ConvGradWeightBF16Kernels() {
			a := kernel.ConvGradWeight{ConvShape: s, X: testkit.Noise(15*20, 1), DY: testkit.Noise(15*37, 2), DWeight: make([]float32, 20*37)}
			if !k.Available() || !k.Accepts(&a) {
				continue
			}
			a.X[14*20+3] = bad
			if k.Reduce != nil {
				a.Partial = make([]float32, k.Reduce.Len(&a))
			}
			scratch := make([]float32, k.ScratchLen(&a))
			for task := range k.Tasks(&a) {
				k.Run(&a, task, scratch)
			}
			if k.Reduce != nil {
				for task := range k.Reduce.Tasks(&a) {
					k.Reduce.Merge(&a, task)
				}
			}
			for i, v := range a.DWeight {
				if got := v-v != 0; got != (i%20 == 3) {
					t.Fatalf("%s: element %d is %v", k.Name, i, v)
				}
			}
		}
	}
}

// FuzzBF16GradWeight takes any shape.
func FuzzBF16GradWeight(f *testing.F) {
	f.Add(uint8(1), uint8(3), uint8(5), uint8(20), uint8(37), uint64(1))
	f.Add(uint8(3), uint8(29), uint8(29), uint8(16), uint8(130), uint64(2))
	f.Fuzz(func(t *testing.T, n, h, w, c, o uint8, seed uint64) {
		checkBF16GradWeight(t, same(int(n)%4+1, int(h)%32+1, int(w)%32+1, int(c)%140+1, int(o)%140+1, 1, 1, 1), seed)
	})
}

// BenchmarkBF16GradWeight measures them beside those of float32.
func BenchmarkBF16GradWeight(b *testing.B) {
	for _, s := range []kernel.ConvShape{
		same(1, 56, 2, 64, 128, 1, 1, 1), same(1, 28, 28, 32, 192, 1, 1, 1), same(4, 28, 28, 192, 32, 1, 1, 1),
		same(1, 14, 14, 512, 512, 1, 1, 1), same(32, 7, 7, 1024, 1024, 1, 1, 1),
	} {
		x, dy := testkit.Noise(s.N*s.H*s.W*s.C, 1), testkit.Noise(s.N*s.OH*s.OW*s.O, 2)
		n := s.O * s.C
		for _, add := range []bool{false, true} {
			name := shapeName(&s)
			if add {
				name += "_part"
			}
			a := kernel.ConvGradWeight{ConvShape: s, Add: add, X: x, DY: dy, DWeight: make([]float32, n)}
			benchTrain(b, name, kernel.ConvGradWeightKernels()[:2], a, n*s.N*s.OH*s.OW, "GMAC/s")
			a.BF16 = kernel.BF16{Parts: 1}
			benchTrain(b, name, kernel.ConvGradWeightBF16Kernels(), a, n*s.N*s.OH*s.OW, "GMAC/s")
		}
	}
}

// TestBF16PackTurned: weights packed turned round are those of the gradient's
// convolution.
func TestBF16PackTurned(t *testing.T) {
	packed := 0
	for i, s := range bf16GradShapes() {
		w := testkit.Noise(s.O*s.C, uint64(i))
		turned := make([]float32, len(w))
		kernel.GradInputWeight(&s, w, turned)
		g, ok := kernel.GradInputConv(&s)
		g.BF16 = kernel.BF16{Parts: 1}
		for _, k := range kernel.BF16ConvKernels() {
			if !ok || !k.Available() || !k.Accepts(&g) || k.PackTurned == nil {
				continue
			}
			want, got := testkit.NewGuarded(k.PackedLen(&g)), testkit.NewGuarded(k.PackedLen(&g))
			k.Pack(&g, turned, want.Data)
			if !k.PackTurned(&s, w, got.Data) {
				t.Errorf("%s: %s is not packed", k.Name, shapeName(&s))
				continue
			}
			packed++
			for j, v := range want.Data {
				if math.Float32bits(v) != math.Float32bits(got.Data[j]) {
					t.Fatalf("%s: %s: element %d differs", k.Name, shapeName(&s), j)
				}
			}
			if err := got.Check(); err != nil {
				t.Errorf("%s: %s: %v", k.Name, shapeName(&s), err)
			}
		}
	}
	t.Logf("%d pairs of a shape and a kernel", packed)
}

// TestBF16Store holds rounding and widening of any number of float32s to their
// definitions, and what lies behind them to be left alone.
func TestBF16Store(t *testing.T) {
	special := []float32{0, 1e-40, float32(math.Inf(1)), float32(math.NaN()), 3.4e38, 1 + 1./256, 1 + 3./256}
	for n := range 100 {
		x := testkit.GuardedCopy(testkit.Noise(n, uint64(n)))
		for i := range min(n, len(special)) {
			x.Data[n-1-i] = special[i]
		}
		half := make([]uint16, n+64)
		kernel.StoreBF16(x.Data, half[:n])
		for i, v := range half {
			if i < n && v != kernel.RoundBF16(x.Data[i]) || i >= n && v != 0 {
				t.Fatalf("%d numbers: element %d is %#x", n, i, v)
			}
		}
		y := testkit.NewGuarded(n)
		kernel.LoadBF16(half[:n], y.Data)
		for i, v := range y.Data {
			if math.Float32bits(v) != uint32(half[i])<<16 {
				t.Fatalf("%d numbers: element %d is %v", n, i, v)
			}
		}
		if err := y.Check(); err != nil {
			t.Error(err)
		}
	}
}
