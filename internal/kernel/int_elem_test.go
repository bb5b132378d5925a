package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// byteLengths have every rest of the vectors' widths, and several tasks.
var byteLengths = []int{1, 7, 8, 15, 16, 17, 24, 63, 64, 65, 127, 1000, 1<<14 + 21}

// TestByteBinary holds the arithmetic of two operands of bytes to its
// reference, for every pattern of operands networks have and some more, in
// place and not.
func TestByteBinary(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 7))
	shapes := [][2][4]int{}
	for _, n := range byteLengths {
		shapes = append(shapes, [2][4]int{{1, 1, 1, n}, {1, 1, 1, n}})
	}
	for _, c := range []int{1, 8, 16, 23, 24, 72} {
		shapes = append(shapes, [2][4]int{{2, 3, 5, c}, {2, 1, 1, c}}, [2][4]int{{2, 1, 1, c}, {2, 3, 5, c}},
			[2][4]int{{2, 3, 5, c}, {1, 1, 1, c}}, [2][4]int{{2, 3, 5, c}, {1, 3, 5, c}}, [2][4]int{{1, 3, 1, c}, {2, 1, 5, c}},
			[2][4]int{{1, 29, 31, c}, {1, 1, 1, c}}, [2][4]int{{2, 3, 5, c}, {1, 1, 1, 1}}, [2][4]int{{2, 3, 5, c}, {2, 3, 5, 1}})
	}
	for i, s := range shapes {
		for j, fn := range []ref.BinaryKind{ref.Add, ref.Sub, ref.Mul} {
			for round := range 4 {
				if testing.Short() && (i+j+round)%4 != 0 {
					continue
				}
				a := kernel.QBinary{Fn: fn, AShape: s[0], BShape: s[1], AZero: uint8(r.Uint32()), BZero: uint8(r.Uint32()), YZero: uint8(r.Uint32()),
					Lo: uint8(r.IntN(100)), Hi: uint8(156 + r.IntN(100)), Single: round%2 == 1}
				a.Scales(math.Exp(r.NormFloat64()), math.Exp(r.NormFloat64()), math.Exp(r.NormFloat64())*[]float64{1, 1, 100}[j])
				if round == 2 {
					// Ties.
					a.AMult, a.BMult, a.Mult = 1<<30, 1<<30, 1<<30
					a.AShift, a.BShift, a.Shift = -r.Int32N(22), -r.Int32N(22), -r.Int32N(22)
				}
				if round == 3 {
					a.Shift = r.Int32N(62) - 31
				}
				size := func(s [4]int) int { return s[0] * s[1] * s[2] * s[3] }
				var out [4]int
				for d := range out {
					out[d] = max(s[0][d], s[1][d])
				}
				a.A, a.B = randomBytes(size(s[0]), uint64(i)), randomBytes(size(s[1]), uint64(i+1))
				a.Y = make([]uint8, size(out))
				if round%2 == 0 && out == s[0] {
					a.Y = a.A
				}
				checkBytes(t, kernel.QBinaryKernels(), a, ref.QBinary)
			}
		}
	}
}

// TestByteTable holds the look-ups to their reference, in place too.
func TestByteTable(t *testing.T) {
	for i, n := range byteLengths {
		a := kernel.Table{Len: n, X: randomBytes(n, uint64(i)), Y: make([]uint8, n), Table: (*[256]uint8)(randomBytes(256, uint64(i+1)))}
		checkBytes(t, kernel.TableKernels(), a, ref.Table)
		a.Y = a.X
		checkBytes(t, kernel.TableKernels(), a, ref.Table)
	}
}

// TestByteRounding holds the ways from float32s and back to their references,
// with ties, numbers beyond every range and what is no number.
func TestByteRounding(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 7))
	special := []float32{0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e30, -1e30, math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 3e9, -3e9, 0x1p-149}
	for _, n := range byteLengths {
		for round := range 6 {
			q := kernel.Quantize{Len: n, Scale: []float32{1, 0.25, float32(math.Exp(r.NormFloat64())), 0x1p-120, 7e-41, 2}[round],
				Zero: uint8(r.Uint32()), Lo: uint8(r.IntN(9)), Hi: uint8(240 + r.IntN(16)), Even: round%2 == 1, Y: make([]uint8, n)}
			d := kernel.Dequantize{Len: n, Scale: q.Scale, Zero: q.Zero, X: randomBytes(n, uint64(n)), Y: make([]float32, n)}
			for range n {
				v := float32(r.NormFloat64()*100) * q.Scale
				switch r.IntN(3) {
				case 0:
					v = float32(math.Floor(r.NormFloat64()*100)+0.5) * q.Scale
				case 1:
					if r.IntN(4) == 0 {
						v = special[r.IntN(len(special))]
					}
				}
				q.X = append(q.X, v)
			}
			checkBytes(t, kernel.QuantizeKernels(), q, ref.Quantize)
			checkBytes(t, kernel.DequantizeKernels(), d, ref.Dequantize)
		}
	}
}

// TestByteMean holds the means of pictures to their reference.
func TestByteMean(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 7))
	for _, c := range []int{1, 7, 8, 16, 24, 31, 64, 72, 130} {
		for _, hw := range [][2]int{{1, 1}, {7, 7}, {3, 100}, {16, 16}, {31, 33}} {
			for round := range 4 {
				if testing.Short() && (c+round)%3 != 0 {
					continue
				}
				a := kernel.QMean{N: 2, H: hw[0], W: hw[1], C: c, XZero: uint8(r.Uint32()), YZero: uint8(r.Uint32()), Hi: 255, Single: round%2 == 1,
					X: randomBytes(2*hw[0]*hw[1]*c, uint64(c)), Y: make([]uint8, 2*c)}
				if round == 2 {
					a.Lo, a.Hi = 40, 200
				}
				a.Mult, a.Shift = ref.QuantizeMultiplier(math.Exp(r.NormFloat64()/4) / float64(hw[0]*hw[1]))
				t.Run(fmt.Sprint(hw, c, round), func(t *testing.T) { checkBytes(t, kernel.QMeanKernels(), a, ref.QMean) })
			}
		}
	}
}
