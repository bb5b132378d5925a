//go:build amd64 && !purego

package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// TestRescale holds requantization by vectors to the reference for sums of
// every size, ties among them, and every multiplier and shift there can be.
func TestRescale(t *testing.T) {
	if !cpu.AVX2() {
		t.Skip("no AVX2")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	sum := func() int32 {
		switch rng.IntN(6) {
		case 0:
			return []int32{0, 1, -1, math.MaxInt32, math.MinInt32, math.MaxInt32 - 1, math.MinInt32 + 1, 1 << 30, -1 << 30}[rng.IntN(9)]
		case 1: // ties of the second rounding
			return (rng.Int32N(1001) - 500) << rng.IntN(20)
		default:
			return int32(rng.Uint32()) >> rng.IntN(32)
		}
	}
	for round := range 4000 {
		a := QConv{QConvShape: QConvShape{O: 16, YZero: uint8(rng.Uint32()), Lo: 0, Hi: 255, Single: round%4 == 1, Up: round%4 == 2, Float: round%4 == 3}}
		if round%3 == 0 {
			a.Lo, a.Hi = uint8(rng.IntN(100)), uint8(100+rng.IntN(156))
		}
		a.Mult, a.Shift, a.Bias = make([]int32, 16), make([]int32, 16), make([]int32, 16)
		most := int32(30)
		if round%5 != 0 {
			most = 0
		}
		for i := range a.Mult {
			a.Mult[i], a.Shift[i] = 1<<30+rng.Int32N(1<<30), most-rng.Int32N(32+most)
			if rng.IntN(8) == 0 {
				a.Mult[i] = []int32{0, 1 << 30, math.MaxInt32}[rng.IntN(3)]
			}
			if a.Float {
				a.Mult[i] = ref.FloatMultiplier(float32(math.Ldexp(rng.Float64(), int(a.Shift[i]))))
			}
		}
		const rows = 5
		x := make([]int32, rows*16)
		for i := range x {
			x[i] = sum()
		}
		table := new([256]uint8)
		for i := range table {
			table[i] = uint8(rng.Uint32())
		}
		q := make([]byte, quantBlock)
		packQuant(&a, 0, a.Bias, q)
		for impl := range 4 {
			y := make([]uint8, rows*20)
			for i := range y {
				y[i] = 77
			}
			args := rescaleArgs{x: &x[0], q: &q[0], y: &y[0], xStride: 64, yStride: 20, rows: rows, mask: 0xffff, lo: uint32(a.Lo), hi: uint32(a.Hi)}
			if !a.Twice() {
				args.single = roundOnceOrFloat(&a.QConvShape)
			}
			if shiftsLeft(&a) {
				args.left = 1
			}
			stored, looked := 16, false
			switch {
			case impl == 0:
				rescaleAVX2(&args)
				args.x, args.q, args.y = &x[8], &q[32], &y[8]
				rescaleAVX2(&args)
			case !cpu.AVX512() || impl == 2 && !cpu.VBMI():
				continue
			case impl == 2:
				looked = true
				args.table = &table[0]
				rescaleAVX512(&args)
			case impl == 3:
				stored = 1 + rng.IntN(16)
				args.mask = 1<<stored - 1
				rescaleAVX512(&args)
			default:
				rescaleAVX512(&args)
			}
			for r := range rows {
				for i := range 20 {
					want := uint8(77)
					if i < stored {
						v := int32(a.YZero) + a.Rescale(x[16*r+i], a.Mult[i], a.Shift[i])
						want = uint8(min(max(v, int32(a.Lo)), int32(a.Hi)))
						if looked {
							want = table[want]
						}
					}
					if got := y[20*r+i]; got != want {
						t.Fatalf("impl %d %+v: %d * %d * 2^%d + %d is %d, want %d", impl, a.QConvShape, x[16*r+min(i, 15)], a.Mult[min(i, 15)], a.Shift[min(i, 15)], a.YZero, got, want)
					}
				}
			}
		}
	}
}
