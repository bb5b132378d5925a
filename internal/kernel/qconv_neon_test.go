package kernel_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

func TestNeonConv(t *testing.T) {
	r, ran := rand.New(rand.NewPCG(1, 2)), map[string]int{}
	shapes := []kernel.QConvShape{
		{N: 1, H: 3, W: 5, C: 24, O: 40, KH: 1, KW: 1},
		{N: 2, H: 7, W: 7, C: 17, O: 16, KH: 1, KW: 1},
		{N: 1, H: 1, W: 1, C: 96, O: 100, KH: 1, KW: 1},
		{N: 1, H: 9, W: 9, C: 3, O: 19, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1},
		{N: 1, H: 9, W: 9, C: 16, O: 8, KH: 3, KW: 3, PadTop: 1, PadLeft: 1, Groups: 2},
		{N: 1, H: 9, W: 8, C: 5, O: 3, KH: 3, KW: 2, PadTop: 2, PadLeft: 1, DilationH: 2, DilationW: 2},
	}
	for i := range 200 {
		s := shapes[i%len(shapes)].Normal()
		if s.KH == 1 && i > 60 {
			s.C, s.O, s.W = 1+r.IntN(80), 1+r.IntN(70), 1+r.IntN(9)
		}
		s.OH = (s.H+2*s.PadTop-(s.KH-1)*s.DilationH-1)/s.StrideH + 1
		s.OW = (s.W+2*s.PadLeft-(s.KW-1)*s.DilationW-1)/s.StrideW + 1
		s.XPixel, s.YPixel = s.C, s.O
		s.XZero, s.YZero = uint8(r.IntN(256)), uint8(r.IntN(256))
		s.Lo, s.Hi = uint8(r.IntN(100)), uint8(130+r.IntN(126))
		if i%3 == 0 {
			s.Lo = max(s.Lo, min(s.YZero, s.Hi))
		}
		s.Single, s.HasWZero, s.HasTable = i%2 == 1, i%4 >= 2, i%5 == 0
		a := kernel.QConv{QConvShape: s, X: make([]uint8, s.N*s.H*s.W*s.C), Weight: make([]int8, s.O*s.C/s.Groups*s.KH*s.KW),
			Bias: make([]int32, s.O), Mult: make([]int32, s.O), Shift: make([]int32, s.O), Y: make([]uint8, s.N*s.OH*s.OW*s.O)}
		for j := range a.X {
			a.X[j] = uint8(r.Uint32())
			if i%7 == 0 {
				a.X[j] = 0
			}
		}
		for j := range a.Weight {
			a.Weight[j] = int8(r.Uint32())
			if i%7 == 0 {
				a.Weight[j] = -128
			} else if i%2 == 0 {
				a.Weight[j] = max(a.Weight[j], -127)
			}
		}
		for j := range a.Bias {
			a.Bias[j] = int32(r.IntN(20000) - 10000)
			a.Mult[j], a.Shift[j] = ref.QuantizeMultiplier(math.Exp(-r.Float64()*8 - 1))
			if i%11 == 0 {
				a.Bias[j] = int32(r.Uint32())
				a.Mult[j], a.Shift[j] = int32(1<<30+r.IntN(1<<30)), int32(r.IntN(62)-31)
			}
			if i%6 == 0 {
				// Ties.
				a.Mult[j], a.Shift[j] = 1<<30, -int32(r.IntN(7))
			}
			a.WZero = append(a.WZero, int32(r.IntN(256)-128))
		}
		var table [256]uint8
		for j := range table {
			table[j] = uint8(j*37 + 11)
		}
		a.Table = &table
		ref.QConv(&a)
		want := a.Y
		for _, k := range kernel.QConvKernels() {
			if !k.Available() || !k.Accepts(&s) || k.Impl == "ref" {
				continue
			}
			ran[k.Name]++
			a.Y = make([]uint8, len(want))
			a.Packed = make([]byte, k.PackedLen(&s))
			k.Pack(&a, a.Packed)
			scratch := make([]float32, k.ScratchLen(&s))
			for task := range k.Tasks(&s) {
				k.Run(&a, task, scratch)
			}
			if !bytes.Equal(a.Y, want) {
				n := 0
				for j := range want {
					if want[j] != a.Y[j] {
						n++
						if n < 4 {
							t.Logf("  %d (channel %d): %d, want %d", j, j%s.O, a.Y[j], want[j])
						}
					}
				}
				t.Errorf("%d: %s %+v: %d of %d differ", i, k.Name, s, n, len(want))
			}
		}
	}
	t.Log(ran)
}
