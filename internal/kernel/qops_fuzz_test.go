package kernel_test

import (
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
	"github.com/mobilenet-go/mobilenet/internal/testkit"
)

// FuzzByteOps holds the operations on bytes but for convolutions, which have
// their own, to their references: broadcasting, windows, sizes, rounding.
func FuzzByteOps(f *testing.F) {
	f.Add([]byte{0, 2, 3, 4, 5, 0b0110, 2, 0}, uint64(1))
	f.Add([]byte{1, 2, 9, 8, 5, 3, 2, 1, 1, 1}, uint64(2))
	f.Add([]byte{2, 1, 9, 8, 70, 3, 2}, uint64(3))
	f.Add([]byte{3, 4, 3, 7, 5, 2, 1, 1, 1}, uint64(4))
	f.Add([]byte{4, 4, 3, 7, 5, 2, 1}, uint64(5))
	f.Add([]byte{5, 1, 3, 7, 39, 2, 1}, uint64(6))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		b = append(b, make([]byte, 12)...)
		at := func(i, most int) int { return int(b[i])%most + 1 }
		n, h, w, c := at(1, 3), at(2, 12), at(3, 12), at(4, 140)
		x := randomBytes(n*h*w*c, seed)
		switch b[0] % 6 {
		case 0:
			as, bs := [4]int{n, h, w, c}, [4]int{n, h, w, c}
			for d := range 4 { // a bit drops a dimension of either
				if b[5]>>d&1 != 0 {
					as[d] = 1
				}
				if b[5]>>(4+d)&1 != 0 {
					bs[d] = 1
				}
			}
			fn := []kernel.BinaryKind{ref.Add, ref.Sub, ref.Mul}[b[6]%3]
			checkBytes(t, kernel.QBinaryKernels(), newQBinary(as, bs, fn, seed), ref.QBinary)
		case 1:
			a := kernel.QPool{N: n, H: h, W: w, C: c, KH: at(5, 4), KW: at(6, 4), StrideH: at(7, 3), StrideW: at(8, 3),
				DilationH: at(9, 2), DilationW: at(10, 2), PadTop: int(b[11]) % 3, PadLeft: int(b[11]>>2) % 3,
				Max: b[11]&64 != 0, Signed: b[11]&128 != 0, Hi: 255, X: x}
			if h+2*a.PadTop <= (a.KH-1)*a.DilationH || w+2*a.PadLeft <= (a.KW-1)*a.DilationW {
				return
			}
			a.OH = (h+2*a.PadTop-(a.KH-1)*a.DilationH-1)/a.StrideH + 1
			a.OW = (w+2*a.PadLeft-(a.KW-1)*a.DilationW-1)/a.StrideW + 1
			a.Y = make([]uint8, n*a.OH*a.OW*c)
			checkBytes(t, kernel.QPoolKernels(), a, ref.QPool)
		case 2:
			a := kernel.QMean{N: n, H: h, W: w, C: c, XZero: b[5], YZero: b[6], Hi: 255, Rule: ref.MeanRule(b[7]) % (ref.MeanTruncated + 1),
				Signed: b[8]&1 != 0, Single: b[8]&2 != 0, X: x, Y: make([]uint8, n*c)}
			a.SetScales(0.02, 0.013)
			checkBytes(t, kernel.QMeanKernels(), a, ref.QMean)
		case 3:
			a := kernel.ByteResize{N: n, H: h, W: w, C: c, OH: at(5, 15), OW: at(6, 15), Nearest: b[7]&1 != 0, Signed: b[7]&2 != 0, Rule: ref.ResizeRule(b[8]) % 3, X: x}
			a.Y = make([]uint8, n*a.OH*a.OW*c)
			checkBytes(t, kernel.ByteResizeKernels(), a, ref.ByteResize)
		case 4:
			a := kernel.BytePad{N: n, H: h, W: w, C: c, Top: int(b[5]) % 4, Bottom: int(b[6]) % 4, Left: int(b[7]) % 4, Right: int(b[8]) % 4, Value: float32(b[9]), X: x}
			a.Y = make([]uint8, n*(h+a.Top+a.Bottom)*(w+a.Left+a.Right)*c)
			checkBytes(t, kernel.BytePadKernels(), a, ref.Pad[uint8])
		case 5:
			a := kernel.Table{Len: len(x), Table: (*[256]uint8)(randomBytes(256, seed)), X: x, Y: make([]uint8, len(x))}
			checkBytes(t, kernel.TableKernels(), a, ref.Table)
			q := kernel.Quantize{Len: len(x), Scale: float32(int(b[5])+1) / 4096, Zero: b[6], Hi: 255, Even: b[7]&1 != 0, X: testkit.Noise(len(x), seed), Y: make([]uint8, len(x))}
			checkBytes(t, kernel.QuantizeKernels(), q, ref.Quantize)
		}
	})
}
