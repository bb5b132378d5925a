package kernel_test

import (
	"math"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

func TestActivation(t *testing.T) {
	for kind := range ref.NumActs {
		for _, n := range []int{0, 1, 7, 127, 40000} {
			a := kernel.Activation{Len: n, Act: kernel.Act{Kind: kind, A: 0.25, B: 0.75}, X: testkit.Noise(n, 1), Y: make([]float32, n)}
			for i := range a.X {
				a.X[i] *= float32(int(1) << (i % 9))
			}
			for i, v := range []float64{0, math.Copysign(0, -1), 1000, -1000, math.Inf(1), math.Inf(-1), math.NaN()} {
				if i < n-1 {
					a.X[i] = float32(v)
				}
			}
			checkActivation(t, a)
		}
	}
}

// checkActivation leaves infinities out of the scale of the tolerance, and
// runs in place too.
func checkActivation(t *testing.T, a kernel.Activation) {
	t.Helper()
	want := make([]float32, a.Len)
	reference := kernel.Activation{Len: a.Len, Act: a.Act, X: a.X, Y: want}
	ref.Activation(&reference)
	for _, k := range kernel.ActivationKernels() {
		if !k.Available() {
			continue
		}
		y := append([]float32(nil), a.X...)
		b := kernel.Activation{Len: a.Len, Act: a.Act, X: y, Y: y}
		for task := range k.Tasks(&b) {
			k.Run(&b, task, nil)
		}
		for i, v := range y {
			w := want[i]
			if v != w && !(math.Abs(float64(v-w)) <= 5e-7*math.Abs(float64(w))+1e-34) && !(v != v && w != w) {
				t.Errorf("%s kind %d: act(%v) = %v, want %v", k.Name, a.Act.Kind, a.X[i], v, w)
			}
		}
	}
	finite := a
	finite.X = testkit.Noise(a.Len, 3)
	testkit.CheckKernels(t, kernel.ActivationKernels(), finite, ref.Activation[float64])
}

func TestGlobalAvgPool(t *testing.T) {
	for _, s := range [][4]int{{1, 7, 7, 1280}, {2, 1, 1, 13}, {3, 13, 15, 127}, {1, 112, 112, 15}, {2, 1, 7, 64}} {
		a := kernel.GlobalAvgPool{N: s[0], H: s[1], W: s[2], C: s[3], X: testkit.Noise(s[0]*s[1]*s[2]*s[3], 5), Y: make([]float32, s[0]*s[3])}
		testkit.CheckKernels(t, kernel.GlobalAvgPoolKernels(), a, ref.GlobalAvgPool[float64])
	}
}

func TestPool(t *testing.T) {
	for i, a := range []kernel.Pool{
		{N: 1, H: 7, W: 7, C: 13, OH: 1, OW: 1, KH: 7, KW: 7, StrideH: 1, StrideW: 1},
		{N: 2, H: 13, W: 15, C: 7, OH: 7, OW: 8, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1},
		{N: 1, H: 9, W: 8, C: 3, OH: 9, OW: 8, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 2, PadTop: 2, PadLeft: 2},
		{N: 1, H: 1, W: 1, C: 3, OH: 2, OW: 2, KH: 2, KW: 2, StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 2, PadTop: 1, PadLeft: 1},
		{N: 1, H: 65, W: 33, C: 64, OH: 32, OW: 16, KH: 2, KW: 2, StrideH: 2, StrideW: 2},
	} {
		a.DilationH, a.DilationW = max(a.DilationH, 1), max(a.DilationW, 1)
		a.X, a.Y = testkit.Noise(a.N*a.H*a.W*a.C, uint64(i)), make([]float32, a.N*a.OH*a.OW*a.C)
		for _, a.Max = range []bool{false, true} {
			for _, a.CountPad = range []bool{false, true} {
				testkit.CheckKernels(t, kernel.PoolKernels(), a, ref.Pool[float64])
			}
		}
	}
}

func TestBinary(t *testing.T) {
	elems := func(s [4]int) int { return s[0] * s[1] * s[2] * s[3] }
	for _, s := range [][2][4]int{
		{{1, 1, 1, 1}, {1, 1, 1, 1}}, {{2, 5, 7, 13}, {2, 5, 7, 13}}, {{2, 5, 7, 13}, {2, 1, 1, 13}}, {{2, 1, 1, 13}, {2, 5, 7, 13}},
		{{2, 5, 7, 13}, {1, 1, 1, 1}}, {{1, 1, 1, 1}, {2, 5, 7, 13}}, {{2, 5, 7, 13}, {1, 1, 1, 13}}, {{2, 1, 7, 1}, {1, 5, 1, 13}},
		{{2, 5, 1, 13}, {1, 5, 7, 1}}, {{3, 1, 5, 1}, {3, 4, 5, 6}}, {{2, 5, 7, 1}, {2, 5, 7, 13}}, {{0, 5, 7, 3}, {1, 5, 7, 3}},
		{{1, 56, 56, 72}, {1, 1, 1, 72}}, {{1, 40, 50, 20}, {1, 40, 50, 20}}, {{1, 1, 1, 7}, {4, 1, 3, 1}},
	} {
		for fn := range ref.NumBinaries {
			a := kernel.Binary{Fn: fn, AShape: s[0], BShape: s[1], A: testkit.Noise(elems(s[0]), 1), B: testkit.Noise(elems(s[1]), 2)}
			for i := range a.B {
				a.B[i] = 1.5 + a.B[i] // not near zero: it divides
			}
			a.Y = make([]float32, elems(a.OutShape()))
			testkit.CheckKernels(t, kernel.BinaryKernels(), a, ref.Binary[float64])
			a.Act = relu6
			testkit.CheckKernels(t, kernel.BinaryKernels(), a, ref.Binary[float64])
			if s[0] == a.OutShape() {
				a.Y = a.A
				testkit.CheckKernels(t, kernel.BinaryKernels(), a, ref.Binary[float64])
			}
		}
	}
}

func TestSoftmax(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {1, 1000}, {13, 7}, {5, 8}, {300, 21}} {
		a := kernel.Softmax{Rows: s[0], Cols: s[1], X: testkit.Noise(s[0]*s[1], 1), Y: make([]float32, s[0]*s[1])}
		testkit.CheckKernels(t, kernel.SoftmaxKernels(), a, ref.Softmax[float64])
		for i := range a.X {
			a.X[i] *= 20000 // overflows without the shift
		}
		a.Y = a.X
		testkit.CheckKernels(t, kernel.SoftmaxKernels(), a, ref.Softmax[float64])
	}
}

// TestSoftmaxLimits: what is far below the maximum is nothing at all, and a NaN
// spoils its row, not another.
func TestSoftmaxLimits(t *testing.T) {
	const cols = 21
	for _, k := range kernel.SoftmaxKernels() {
		a := kernel.Softmax{Rows: 2, Cols: cols, X: make([]float32, 2*cols), Y: make([]float32, 2*cols)}
		if !k.Available() || !k.Accepts(&a) {
			continue
		}
		for i := range cols {
			a.X[i] = float32(math.Inf(-1))
			a.X[cols+i] = 1
		}
		a.X[3], a.X[20], a.X[cols+9] = 5, -200, float32(math.NaN())
		for task := range k.Tasks(&a) {
			k.Run(&a, task, nil)
		}
		for i, v := range a.Y {
			switch {
			case i >= cols && v == v:
				t.Errorf("%s: %v in the row with a NaN", k.Name, v)
			case i < cols && v != 0 && i != 3 || i == 3 && v != 1:
				t.Errorf("%s: element %d is %v", k.Name, i, v)
			}
		}
	}
}

func TestBatchNorm(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {49, 13}, {500, 127}} {
		n, c := s[0]*s[1], s[1]
		a := kernel.BatchNorm{Rows: s[0], C: c, Epsilon: 1e-3, X: testkit.Noise(n, 1), Gamma: testkit.Noise(c, 2),
			Beta: testkit.Noise(c, 3), Mean: testkit.Noise(c, 4), Var: testkit.Noise(c, 5), Y: make([]float32, n)}
		for i := range a.Var {
			a.Var[i] = 1.1 + a.Var[i]
		}
		testkit.CheckKernels(t, kernel.BatchNormKernels(), a, ref.BatchNorm[float64])
	}
}

func TestResize(t *testing.T) {
	for _, s := range [][4]int{{7, 7, 14, 14}, {13, 15, 7, 5}, {1, 1, 4, 3}, {5, 4, 1, 1}, {65, 33, 65, 33}} {
		for rule := ref.HalfPixel; rule <= ref.Asymmetric; rule++ {
			for _, nearest := range []bool{false, true} {
				a := kernel.Resize{N: 2, H: s[0], W: s[1], C: 5, OH: s[2], OW: s[3], Rule: rule, Nearest: nearest,
					X: testkit.Noise(2*s[0]*s[1]*5, 1), Y: make([]float32, 2*s[2]*s[3]*5)}
				testkit.CheckKernels(t, kernel.ResizeKernels(), a, ref.Resize[float64])
			}
		}
	}
}

func TestPad(t *testing.T) {
	for _, s := range [][4]int{{0, 0, 0, 0}, {1, 0, 2, 3}, {0, 1, 0, 1}, {2, 2, 0, 0}} {
		a := kernel.Pad{N: 2, H: 7, W: 5, C: 3, Top: s[0], Bottom: s[1], Left: s[2], Right: s[3], Value: -2, X: testkit.Noise(210, 1)}
		a.Y = make([]float32, 2*(7+s[0]+s[1])*(5+s[2]+s[3])*3)
		testkit.CheckKernels(t, kernel.PadKernels(), a, ref.Pad[float64])
	}
}

func TestConcat(t *testing.T) {
	for _, inner := range [][]int{{5}, {1, 7, 13}, {0, 4}, {20000, 3}} {
		a := kernel.Concat{Outer: 6, Inner: inner}
		total := 0
		for i, n := range inner {
			a.Xs = append(a.Xs, testkit.Noise(6*n, uint64(i)))
			total += 6 * n
		}
		a.Y = make([]float32, total)
		testkit.CheckKernels(t, kernel.ConcatKernels(), a, ref.Concat[float64])
	}
}

func TestTranspose(t *testing.T) {
	for _, c := range []struct{ shape, perm []int }{
		{[]int{7}, []int{0}}, {[]int{}, []int{}}, {[]int{13, 15}, []int{1, 0}}, {[]int{2, 7, 5, 13}, []int{0, 3, 1, 2}},
		{[]int{2, 7, 5, 13}, []int{0, 2, 3, 1}}, {[]int{2, 7, 5, 13}, []int{0, 2, 1, 3}}, {[]int{2, 7, 5, 13}, []int{0, 1, 2, 3}},
		{[]int{2, 3, 4, 5, 6, 7}, []int{5, 0, 3, 1, 4, 2}}, {[]int{1, 64, 128, 4}, []int{0, 3, 1, 2}}, {[]int{2, 1, 3}, []int{1, 0, 2}},
	} {
		a := kernel.Transpose{Rank: len(c.shape)}
		n := 1
		for i := range c.shape {
			a.Shape[i], a.Perm[i] = c.shape[i], c.perm[i]
			n *= c.shape[i]
		}
		a.X, a.Y = testkit.Noise(n, 1), make([]float32, n)
		testkit.CheckKernels(t, kernel.TransposeKernels(), a, ref.Transpose[float64])
	}
}
