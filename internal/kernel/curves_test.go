package kernel_test

import (
	"math"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// TestActivationRange goes through all magnitudes and both signs: the powers
// in the sigmoid and the swish have an error relative to themselves, down to
// where they are no longer normal numbers, and infinities as the reference has
// them.
func TestActivationRange(t *testing.T) {
	x := []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)),
		math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32}
	// Around the ends of what float32 holds, and where rounding to an integer
	// of log2(e)*x turns over.
	for v := float32(-110); v < 110; v += 0.0137 {
		x = append(x, v, v/64, v/4096)
	}
	for v := float32(1e-37); v < 1e37; v *= 1.37 { // the hard swish goes by 6*x
		x = append(x, v, -v)
	}
	for n := -127; n < 128; n++ {
		half := (float32(n) + 0.5) * math.Ln2
		x = append(x, half, math.Nextafter32(half, 1000), math.Nextafter32(half, -1000))
	}
	for kind := range ref.NumActs {
		a := kernel.Activation{Len: len(x), Act: kernel.Act{Kind: kind, A: 0.25, B: 0.75}, X: x, Y: make([]float32, len(x))}
		for _, k := range kernel.ActivationKernels() {
			if !k.Available() || !k.Accepts(&a) {
				continue
			}
			for task := range k.Tasks(&a) {
				k.Run(&a, task, nil)
			}
			worst := 0.0
			for i, y := range a.Y {
				// In float64, where nothing near the ends of float32 is special.
				want := ref.ApplyAct(a.Act, float64(x[i]))
				got := float64(y)
				switch {
				case want != want || math.IsInf(want, 0) || math.Abs(want) > math.MaxFloat32:
					if float32(got) != float32(want) && (got == got || want == want) {
						t.Errorf("%s kind %d: act(%v) = %v, want %v", k.Name, kind, x[i], got, want)
					}
				case !(math.Abs(got-want) <= 5e-7*math.Abs(want)+1e-35):
					t.Errorf("%s kind %d: act(%v) = %v, want %v", k.Name, kind, x[i], got, want)
				case math.Abs(want) > 1e-30:
					worst = max(worst, math.Abs(got/want-1))
				}
			}
			t.Logf("%s kind %d: relative error at most %.2g", k.Name, kind, worst)
		}
	}
}

// TestActivationPlaces: a number gives the same bits wherever it stands, in
// full registers as in what is left over.
func TestActivationPlaces(t *testing.T) {
	const n = 150
	x := testkit.Noise(n, 1)
	for i := range x {
		x[i] *= 20
	}
	for kind := range ref.NumActs {
		act := kernel.Act{Kind: kind, A: 0.25, B: 0.75}
		for _, k := range kernel.ActivationKernels() {
			whole := kernel.Activation{Len: n, Act: act, X: x, Y: make([]float32, n)}
			if !k.Available() || !k.Accepts(&whole) {
				continue
			}
			k.Run(&whole, 0, nil)
			for from := range n {
				for _, m := range []int{1, 7, 8, 9, 17, 33} {
					m = min(m, n-from)
					part := kernel.Activation{Len: m, Act: act, X: x[from:], Y: make([]float32, m)}
					k.Run(&part, 0, nil)
					for i, v := range part.Y {
						if math.Float32bits(v) != math.Float32bits(whole.Y[from+i]) {
							t.Fatalf("%s kind %d: act(%v) = %v alone, %v among others", k.Name, kind, x[from+i], v, whole.Y[from+i])
						}
					}
				}
			}
		}
	}
}

// BenchmarkActivation measures every activation on a layer of 28 x 28 x 120.
func BenchmarkActivation(b *testing.B) {
	const n = 28 * 28 * 120
	x, y := testkit.Noise(n, 1), make([]float32, n)
	for i := range x {
		x[i] *= 10
	}
	for _, kind := range []struct {
		name string
		kind kernel.ActKind
	}{{"hswish", ref.HSwish}, {"leaky", ref.LeakyReLU}, {"hardsigmoid", ref.HardSigmoid}, {"sigmoid", ref.Sigmoid}, {"swish", ref.Swish}} {
		b.Run(kind.name, func(b *testing.B) {
			bench(b, kernel.ActivationKernels(), kernel.Activation{Len: n, Act: kernel.Act{Kind: kind.kind, A: 1. / 6, B: 0.5}, X: x, Y: y}, n)
		})
	}
}

// TestConvCurves runs layers whose activation follows the products in a pass
// of its own: one pixel and many, whole eights and not, pixels apart, with a
// residual, depthwise.
func TestConvCurves(t *testing.T) {
	for i, s := range []kernel.ConvShape{
		same(2, 1, 1, 64, 600, 1, 1, 1), same(1, 1, 1, 40, 600, 1, 1, 1), same(2, 9, 14, 40, 104, 1, 1, 1), same(1, 9, 14, 40, 99, 1, 1, 1),
		same(1, 9, 9, 3, 24, 3, 2, 1), same(2, 9, 13, 40, 40, 3, 1, 40), same(1, 9, 13, 37, 37, 5, 2, 37),
	} {
		for j, kind := range []kernel.ActKind{ref.Swish, ref.Sigmoid, ref.LeakyReLU, ref.HardSigmoid, ref.GELU} {
			s := s
			s.Act = kernel.Act{Kind: kind, A: 0.25, B: 0.75}
			for _, s.HasResidual = range []bool{false, true} {
				testkit.CheckConv(t, s, uint64(10*i+j))
				wide := s
				wide.YPixel += 16
				testkit.CheckConv(t, wide, uint64(10*i+j))
			}
		}
	}
}
