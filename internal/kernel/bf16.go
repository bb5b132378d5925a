package kernel

import (
	"math"
	"sync"
	"unsafe"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// BF16ConvKernels lists the convolutions with bfloat16 in them, best first.
// The list is made once and not to be changed.
func BF16ConvKernels() []ConvKernel { return bf16ConvKernels() }

var bf16ConvKernels = sync.OnceValue(func() []ConvKernel {
	return append(vecBF16ConvKernels(), refBF16)
})

// BF16Pixel is the distance of pixels, in float32s, of a value stored as
// bfloat16: room for a multiple of 32 channels.
func BF16Pixel(channels int) int { return ceilDiv(channels, 32) * 16 }

// GlobalAvgPoolBF16 is a GlobalAvgPool of a value stored as bfloat16, whose
// pixels lie Pixel float32s apart.
type GlobalAvgPoolBF16 struct {
	GlobalAvgPool
	Pixel int
}

// GlobalAvgPoolBF16Kernels lists the means over pictures stored as bfloat16.
func GlobalAvgPoolBF16Kernels() []Kernel[GlobalAvgPoolBF16] {
	return append(vecGlobalAvgPoolBF16Kernels(),
		refKernel("gapBF16Ref", 1e-6, func(a *GlobalAvgPoolBF16) {
			x := make([]float64, a.N*a.H*a.W*a.C)
			wide(a.X, a.Pixel, a.C, true, x)
			y := make([]float64, a.N*a.C)
			ref.GlobalAvgPool(&ref.GlobalAvgPoolArgs[float64]{N: a.N, H: a.H, W: a.W, C: a.C, X: x, Y: y})
			for i, v := range y {
				a.Y[i] = float32(v)
			}
		}))
}

// SelectGlobalAvgPoolBF16 chooses a kernel for a mean over pictures stored as
// bfloat16.
func SelectGlobalAvgPoolBF16(a *GlobalAvgPoolBF16, impl string) *Kernel[GlobalAvgPoolBF16] {
	return Select(GlobalAvgPoolBF16Kernels(), a, impl)
}

// RoundBF16 rounds to the nearest bfloat16, ties to even. As the instruction
// that does it, it takes numbers below the normal ones as zeros and keeps a
// NaN.
func RoundBF16(v float32) uint16 {
	b := math.Float32bits(v)
	switch {
	case v != v:
		return uint16(b>>16) | 0x40
	case b&0x7f800000 == 0:
		return uint16(b>>16) & 0x8000
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// WidenBF16 is the float32 of a bfloat16.
func WidenBF16(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }

// splitBF16 gives the two parts of a number.
func splitBF16(v float32) (high, low uint16) {
	high = RoundBF16(v)
	return high, RoundBF16(v - WidenBF16(high))
}

// Halves is the memory of float32s as twice as many bfloat16s.
func Halves(x []float32) []uint16 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}

// refBF16 is the reference: operands rounded to bfloat16 as the shape says,
// exact sums in float64, the epilogue, rounding where the output is stored so.
// Depthwise weights are not rounded: their kernels multiply in float32.
var refBF16 = ConvKernel{
	Name: "convBF16Ref", Impl: "ref", Available: always,
	Accepts:    func(s *ConvShape) bool { return s.XBlock == 16 && s.YBlock == 16 },
	PackedLen:  refConv.PackedLen,
	Pack:       refConv.Pack,
	Tasks:      refConv.Tasks,
	ScratchLen: refConv.ScratchLen,
	Run:        func(a *Conv, _ int, _ []float32) { runRefBF16(a) },
	MaxError:   convError,
}

func runRefBF16(a *Conv) {
	s := a.ConvShape
	s.XPixel, s.YPixel = s.C, s.O
	b := ref.ConvArgs[float64]{ConvShape: s}
	b.X = make([]float64, a.N*a.H*a.W*a.C)
	wide(a.X, a.XPixel, a.C, a.BF16.X, b.X)
	if a.HasScale {
		// The scale belongs to the input, which is rounded after it.
		b.HasScale = false
		for i := range b.X {
			b.X[i] = float64(float32(b.X[i]) * a.Scale[i/(a.H*a.W*a.C)*a.C+i%a.C])
		}
	}
	b.Weight, b.Bias = doubles(a.Weight), doubles(a.Bias)
	round := func(x []float64) {
		for i, v := range x {
			high, low := splitBF16(float32(v))
			if x[i] = float64(WidenBF16(high)); a.BF16.Parts == 2 {
				x[i] += float64(WidenBF16(low))
			}
		}
	}
	if a.BF16.Parts > 0 {
		round(b.X)
		round(b.Weight)
	}
	b.Y = make([]float64, a.N*a.OH*a.OW*a.O)
	if a.HasResidual {
		b.Residual = make([]float64, len(b.Y))
		wide(a.Residual, a.YPixel, a.O, a.BF16.Y, b.Residual)
	}
	ref.Conv(&b)
	y := Halves(a.Y)
	for i, v := range b.Y {
		at := i/a.O*a.YPixel*2 + i%a.O
		if a.BF16.Y {
			y[at] = RoundBF16(float32(v))
		} else {
			a.Y[i/a.O*a.YPixel+i%a.O] = float32(v)
		}
	}
	if a.BF16.Y {
		for p := range a.N * a.OH * a.OW {
			clear(y[p*a.YPixel*2+a.O : p*a.YPixel*2+2*BF16Pixel(a.O)])
		}
	}
}

func doubles(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// wide writes the channels of pixels, some float32s apart, to out.
func wide(x []float32, pixel, channels int, half bool, out []float64) {
	h := Halves(x)
	for i := range out {
		if at := i/channels*pixel + i%channels; half {
			out[i] = float64(WidenBF16(h[i/channels*pixel*2+i%channels]))
		} else {
			out[i] = float64(x[at])
		}
	}
}
