//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// halfStem is a convolution in float32 whose output is stored as bfloat16: the
// first of a network, whose three channels would fill a tenth of a tile. A
// task computes some rows of outputs into scratch and rounds them.
func halfStem() ConvKernel {
	base := isaAVX512.gemmKernel("", acceptGemm)
	// Blocks of a strip's arguments, which would go to the heap each time. A
	// sync.Pool would lose them now and then.
	blocks := make(chan *Conv, 64)
	return ConvKernel{
		Name: "convF32ToBF16AVX512BF16", Impl: "avx512", Available: cpu.BF16, MaxError: convError,
		Accepts: func(s *ConvShape) bool {
			return acceptGemm(s) && s.BF16 == BF16{Y: true} && s.Groups == 1 && !s.HasResidual && !s.HasScale
		},
		PackedLen: base.PackedLen,
		Pack:      base.Pack,
		Tasks:     func(s *ConvShape) int { return s.N * ceilDiv(s.OH, halfStemRows(s)) },
		ScratchLen: func(s *ConvShape) int {
			n := 0
			strip := *s
			for rows := 1; rows <= halfStemRows(s); rows++ {
				for _, h := range []int{s.H, min(s.H, (rows-1)*s.StrideH+(s.KH-1)*s.DilationH+1)} {
					strip.N, strip.H, strip.OH, strip.YPixel, strip.BF16 = 1, h, rows, s.O, BF16{}
					n = max(n, base.ScratchLen(&strip))
				}
			}
			return n + halfStemRows(s)*s.OW*s.O
		},
		Run: func(a *Conv, task int, scratch []float32) {
			var b *Conv
			select {
			case b = <-blocks:
			default:
				b = new(Conv)
			}
			*b = *a
			runHalfStem(a, b, task, scratch)
			*b = Conv{} // it keeps nothing alive
			select {
			case blocks <- b:
			default:
			}
		},
	}
}

// halfStemRows is the rows of outputs of a task: what the first-level cache
// holds, and half a task's work at least.
func halfStemRows(s *ConvShape) int {
	return min(max(s.OH, 1), max(1, (1<<14)/max(s.OW*s.O, 1)))
}

// runHalfStem computes a task; b is a copy of a to be changed.
func runHalfStem(a, b *Conv, task int, scratch []float32) {
	rows := halfStemRows(&a.ConvShape)
	strips := ceilDiv(a.OH, rows)
	n, first := task/strips, task%strips*rows
	last := min(a.OH, first+rows)
	if first >= last || a.OW == 0 {
		return
	}
	out := scratch[:rows*a.OW*a.O]
	lo := max(0, first*a.StrideH-a.PadTop)
	hi := min(a.H, (last-1)*a.StrideH-a.PadTop+(a.KH-1)*a.DilationH+1)
	b.N, b.H, b.OH = 1, max(0, hi-lo), last-first
	b.PadTop = max(0, a.PadTop-first*a.StrideH)
	b.YPixel, b.BF16, b.Y = a.O, BF16{}, out
	b.X = a.X[(n*a.H+min(lo, a.H-1))*a.W*a.XPixel:]
	plan := isaAVX512.planGemm(&b.ConvShape)
	for t := range plan.npx * plan.nc {
		isaAVX512.runGemm(b, plan, t, scratch[len(out):])
	}
	at := (n*a.OH + first) * a.OW
	rowsF32AVX512(&rowsArgs{x: &out[0], y: &a.Y[at*a.YPixel], xStride: 4 * a.O, yStride: 4 * a.YPixel, rows: (last - first) * a.OW, channels: a.O})
}
