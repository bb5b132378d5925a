package kernel_test

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// FuzzOps holds the operations whose shapes are the difficulty to their
// references: broadcasting, windows, permutations, resizing, joining.
func FuzzOps(f *testing.F) {
	f.Add([]byte{0, 2, 3, 4, 5, 0b0110, 2, 0}, uint64(1))
	f.Add([]byte{1, 2, 9, 8, 5, 3, 2, 1, 1, 1}, uint64(2))
	f.Add([]byte{2, 4, 3, 2, 5, 7}, uint64(3))
	f.Add([]byte{3, 4, 3, 7, 5, 2, 1}, uint64(4))
	f.Add([]byte{4, 4, 3, 7, 5, 2, 1}, uint64(5))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		b = append(b, make([]byte, 12)...)
		at := func(i, most int) int { return int(b[i])%most + 1 }
		n, h, w, c := at(1, 3), at(2, 12), at(3, 12), at(4, 40)
		x := testkit.Noise(n*h*w*c, seed)
		switch b[0] % 5 {
		case 0:
			a := kernel.Binary{Fn: ref.BinaryKind(b[6]) % ref.NumBinaries, AShape: [4]int{n, h, w, c}, BShape: [4]int{n, h, w, c}}
			for d := range 4 { // a bit drops a dimension of either
				if b[5]>>d&1 != 0 {
					a.AShape[d] = 1
				}
				if b[5]>>(4+d)&1 != 0 {
					a.BShape[d] = 1
				}
			}
			elems := func(s [4]int) int { return s[0] * s[1] * s[2] * s[3] }
			a.A, a.B = x[:elems(a.AShape)], testkit.Noise(elems(a.BShape), seed+1)
			for i := range a.B {
				a.B[i] += 2
			}
			a.Y = make([]float32, elems(a.OutShape()))
			testkit.CheckKernels(t, kernel.BinaryKernels(), a, ref.Binary[float64])
		case 1:
			a := kernel.Pool{N: n, H: h, W: w, C: c, KH: at(5, 4), KW: at(6, 4), StrideH: at(7, 3), StrideW: at(8, 3),
				DilationH: at(9, 2), DilationW: at(10, 2), PadTop: int(b[11]) % 3, PadLeft: int(b[11]>>2) % 3, Max: b[11]&64 != 0, CountPad: b[11]&128 != 0, X: x}
			a.OH = (h+2*a.PadTop-(a.KH-1)*a.DilationH-1)/a.StrideH + 1
			a.OW = (w+2*a.PadLeft-(a.KW-1)*a.DilationW-1)/a.StrideW + 1
			if h+2*a.PadTop <= (a.KH-1)*a.DilationH || w+2*a.PadLeft <= (a.KW-1)*a.DilationW {
				return
			}
			a.Y = make([]float32, n*a.OH*a.OW*c)
			testkit.CheckKernels(t, kernel.PoolKernels(), a, ref.Pool[float64])
		case 2:
			a := kernel.Transpose{Rank: int(b[6]) % 5, Shape: [6]int{n, h, w, c}, X: x}
			total := 1
			for i := range a.Rank {
				total *= a.Shape[i]
				// A permutation by insertion of each axis somewhere.
				j := int(b[7+i]) % (i + 1)
				copy(a.Perm[j+1:i+1], a.Perm[j:i])
				a.Perm[j] = i
			}
			a.X, a.Y = x[:total], make([]float32, total)
			testkit.CheckKernels(t, kernel.TransposeKernels(), a, ref.Transpose[float64])
		case 3:
			a := kernel.Resize{N: n, H: h, W: w, C: c, OH: at(5, 15), OW: at(6, 15), Nearest: b[7]&1 != 0, Rule: ref.ResizeRule(b[8]) % 3, X: x}
			a.Y = make([]float32, n*a.OH*a.OW*c)
			testkit.CheckKernels(t, kernel.ResizeKernels(), a, ref.Resize[float64])
		case 4:
			a := kernel.Pad{N: n, H: h, W: w, C: c, Top: int(b[5]) % 4, Bottom: int(b[6]) % 4, Left: int(b[7]) % 4, Right: int(b[8]) % 4, Value: 7, X: x}
			a.Y = make([]float32, n*(h+a.Top+a.Bottom)*(w+a.Left+a.Right)*c)
			testkit.CheckKernels(t, kernel.PadKernels(), a, ref.Pad[float64])
		}
	})
}
