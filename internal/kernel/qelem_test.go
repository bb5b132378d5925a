package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

func TestTable(t *testing.T) {
	for _, n := range []int{0, 1, 7, 63, 64, 65, 127, 300, 40000} {
		a := kernel.Table{Len: n, Table: (*[256]uint8)(randomBytes(256, 3)), X: randomBytes(n, uint64(n)), Y: make([]uint8, n)}
		checkBytes(t, kernel.TableKernels(), a, ref.Table)
		a.Y = a.X
		checkBytes(t, kernel.TableKernels(), a, ref.Table)
	}
}

// newQBinary makes an operation with scales drawn from a seed; every third
// has multipliers that no scales give.
func newQBinary(as, bs [4]int, fn kernel.BinaryKind, seed uint64) kernel.QBinary {
	r := rand.New(rand.NewPCG(seed, 41))
	elems := func(s [4]int) int { return s[0] * s[1] * s[2] * s[3] }
	a := kernel.QBinary{Fn: fn, AShape: as, BShape: bs, AZero: uint8(r.Uint32()), BZero: uint8(r.Uint32()), YZero: uint8(r.Uint32()),
		Hi: 255, Single: seed%2 == 1, A: randomBytes(elems(as), seed), B: randomBytes(elems(bs), seed+1)}
	if r.IntN(2) == 0 {
		a.Lo, a.Hi = uint8(r.IntN(100)), uint8(150+r.IntN(100))
	}
	scale := func() float64 { return 0.02 * math.Exp(r.NormFloat64()) }
	sa, sb, sy := scale(), scale(), scale()
	if r.IntN(4) == 0 {
		sb = sa
	}
	if fn == ref.Mul {
		sy *= 0.02
	}
	a.Scales(sa, sb, sy)
	if seed%3 == 0 {
		any := func(m, s *int32) { *m, *s = 1<<30+r.Int32N(1<<30), 5-r.Int32N(36) }
		any(&a.AMult, &a.AShift)
		any(&a.BMult, &a.BShift)
		any(&a.Mult, &a.Shift)
	}
	y := 1
	for d := range as {
		y *= max(as[d], bs[d])
		if as[d] == 0 || bs[d] == 0 {
			y = 0
		}
	}
	a.Y = make([]uint8, y)
	return a
}

func TestQBinary(t *testing.T) {
	for i, s := range [][2][4]int{
		{{1, 1, 1, 1}, {1, 1, 1, 1}}, {{2, 5, 7, 13}, {2, 5, 7, 13}}, {{2, 5, 7, 13}, {2, 1, 1, 13}}, {{2, 1, 1, 13}, {2, 5, 7, 13}},
		{{2, 5, 7, 13}, {1, 1, 1, 1}}, {{1, 1, 1, 1}, {2, 5, 7, 13}}, {{2, 5, 7, 130}, {1, 1, 1, 130}}, {{2, 1, 7, 1}, {1, 5, 1, 13}},
		{{2, 5, 1, 13}, {1, 5, 7, 1}}, {{3, 1, 5, 1}, {3, 4, 5, 6}}, {{2, 5, 7, 1}, {2, 5, 7, 13}},
		{{1, 56, 56, 72}, {1, 1, 1, 72}}, {{1, 40, 50, 20}, {1, 40, 50, 20}}, {{1, 1, 1, 7}, {4, 1, 3, 1}}, {{1, 9, 9, 64}, {1, 9, 9, 64}},
	} {
		for _, fn := range []kernel.BinaryKind{ref.Add, ref.Sub, ref.Mul} {
			for seed := range 6 {
				a := newQBinary(s[0], s[1], fn, uint64(6*i+seed))
				checkBytes(t, kernel.QBinaryKernels(), a, ref.QBinary)
				if len(a.Y) == len(a.A) && seed == 1 {
					a.Y = a.A
					checkBytes(t, kernel.QBinaryKernels(), a, ref.QBinary)
				}
			}
		}
	}
}

// TestQBinaryEvery puts in every pair of bytes.
func TestQBinaryEvery(t *testing.T) {
	for _, fn := range []kernel.BinaryKind{ref.Add, ref.Sub, ref.Mul} {
		for seed := range uint64(12) {
			a := newQBinary([4]int{1, 1, 256, 256}, [4]int{1, 1, 256, 256}, fn, seed)
			for i := range a.A {
				a.A[i], a.B[i] = uint8(i), uint8(i>>8)
			}
			checkBytes(t, kernel.QBinaryKernels(), a, ref.QBinary)
		}
	}
}

func TestQuantize(t *testing.T) {
	for i, n := range []int{0, 1, 7, 15, 16, 17, 64, 127, 40000} {
		for _, even := range []bool{false, true} {
			a := kernel.Quantize{Len: n, Scale: []float32{1. / 64, 0.0173, 0.3137}[i%3], Zero: 77, Hi: 255, Even: even, X: testkit.Noise(n, uint64(n)), Y: make([]uint8, n)}
			for j := range a.X {
				a.X[j] *= 4
				if j%3 == 0 { // ties, and what is next to them
					tie := float32((float64(j%300) - 100.5) * float64(a.Scale))
					a.X[j] = []float32{tie, math.Nextafter32(tie, 9), math.Nextafter32(tie, -9)}[j/3%3]
				}
			}
			for j, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e30, -1e30, 0.49999997 / 64} {
				if j < n-1 {
					a.X[j] = float32(v)
				}
			}
			if i%2 == 0 {
				a.Lo, a.Hi = 20, 200
			}
			checkBytes(t, kernel.QuantizeKernels(), a, ref.Quantize)
			a.Zero, a.Hi = 255, 254
			checkBytes(t, kernel.QuantizeKernels(), a, ref.Quantize)
		}
	}
}

func TestDequantize(t *testing.T) {
	for _, n := range []int{0, 1, 7, 15, 16, 17, 64, 127, 40000} {
		a := kernel.Dequantize{Len: n, Scale: 0.0173, Zero: 131, X: randomBytes(n, uint64(n)), Y: make([]float32, n)}
		checkBytes(t, kernel.DequantizeKernels(), a, ref.Dequantize)
	}
}

func TestQPool(t *testing.T) {
	for i, a := range []kernel.QPool{
		{N: 1, H: 7, W: 7, C: 1024, OH: 1, OW: 1, KH: 7, KW: 7, StrideH: 1, StrideW: 1},
		{N: 2, H: 13, W: 15, C: 7, OH: 7, OW: 8, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1},
		{N: 1, H: 9, W: 8, C: 67, OH: 9, OW: 8, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 2, PadTop: 2, PadLeft: 2},
		{N: 1, H: 1, W: 1, C: 3, OH: 2, OW: 2, KH: 2, KW: 2, StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 2, PadTop: 1, PadLeft: 1},
		{N: 1, H: 65, W: 33, C: 130, OH: 1, OW: 1, KH: 65, KW: 33, StrideH: 65, StrideW: 33},
		{N: 2, H: 1, W: 300, C: 65, OH: 1, OW: 1, KH: 1, KW: 300, StrideH: 1, StrideW: 1},
	} {
		a.DilationH, a.DilationW = max(a.DilationH, 1), max(a.DilationW, 1)
		a.X, a.Y = randomBytes(a.N*a.H*a.W*a.C, uint64(i)), make([]uint8, a.N*a.OH*a.OW*a.C)
		for mode := range 8 {
			a.Max, a.Signed, a.Lo, a.Hi = mode&1 != 0, mode&2 != 0, 0, 255
			if mode&4 != 0 {
				a.Lo, a.Hi = 110, 140
			}
			checkBytes(t, kernel.QPoolKernels(), a, ref.QPool)
		}
		for j := range a.X {
			a.X[j] = 255
		}
		checkBytes(t, kernel.QPoolKernels(), a, ref.QPool)
	}
}

func TestQMean(t *testing.T) {
	for i, s := range [][4]int{{1, 7, 7, 1280}, {2, 1, 1, 13}, {3, 13, 15, 127}, {1, 112, 112, 16}, {2, 1, 7, 64}, {1, 17, 19, 88}} {
		for rule := range ref.MeanTruncated + 1 {
			for mode := range 4 {
				a := kernel.QMean{N: s[0], H: s[1], W: s[2], C: s[3], XZero: uint8(31 * i), YZero: uint8(100 + 10*mode), Hi: 255, Rule: rule,
					Signed: mode&1 != 0, Single: mode&2 != 0, X: randomBytes(s[0]*s[1]*s[2]*s[3], uint64(i)), Y: make([]uint8, s[0]*s[3])}
				a.SetScales(0.02, 0.013)
				checkBytes(t, kernel.QMeanKernels(), a, ref.QMean)
			}
		}
	}
}

func TestQSoftmax(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {1, 1001}, {13, 7}, {300, 21}} {
		a := kernel.QSoftmax{Rows: s[0], Cols: s[1], Exp: new([256]float32), YScale: 1. / 256, Hi: 255, X: randomBytes(s[0]*s[1], 1), Y: make([]uint8, s[0]*s[1])}
		for d := range a.Exp {
			a.Exp[d] = float32(math.Exp(-0.06 * float64(d)))
		}
		checkBytes(t, kernel.QSoftmaxKernels(), a, ref.QSoftmax)
	}
}
