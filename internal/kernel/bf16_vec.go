//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// Matrix-vector products of bfloat16: the classifier and squeeze-and-excite,
// one vector for each picture. Tiles would gain nothing here: the weights' way
// from memory is the time.

const (
	// halfWide is the outputs of a panel.
	halfWide = 128
	// halfVecWork is the weights aimed at in a task.
	halfVecWork = 1 << 17
)

func halfVecKernel() ConvKernel {
	return ConvKernel{
		Name: "fcBF16x128AVX512BF16", Impl: "avx512", Available: cpu.BF16, MaxError: convError,
		Accepts: func(s *ConvShape) bool {
			return acceptGemm(s) && s.Groups == 1 && s.BF16.Parts == 1 && pointwise(s) && s.OH*s.OW == 1
		},
		PackedLen:  func(s *ConvShape) int { return ceilDiv(s.O, halfWide) * halfWideLen(s) },
		Pack:       packHalfVec,
		Tasks:      func(s *ConvShape) int { return ceilDiv(ceilDiv(s.O, halfWide), halfVecPanels(s)) },
		ScratchLen: func(s *ConvShape) int { return 2*halfWide + BF16Pixel(s.C) },
		Run:        runHalfVec,
	}
}

// halfVecPanels is the panels of a task.
func halfVecPanels(s *ConvShape) int { return max(1, halfVecWork/(s.C*halfWide)) }

// halfWideLen is the float32s of a panel.
func halfWideLen(s *ConvShape) int { return ceilDiv(s.C, 2) * halfWide }

// packHalfVec lays weights out as [panel][c/2][128][2], zeros beyond the last
// output and input.
func packHalfVec(s *ConvShape, oihw, dst []float32) {
	out := Halves(dst)
	clear(out)
	for o := range s.O {
		at := out[o/halfWide*2*halfWideLen(s)+o%halfWide*2:]
		for c, v := range oihw[o*s.C:][:s.C] {
			at[c/2*2*halfWide+c%2] = RoundBF16(v)
		}
	}
}

func runHalfVec(a *Conv, task int, scratch []float32) {
	panels := ceilDiv(a.O, halfWide)
	from := task * halfVecPanels(&a.ConvShape)
	to := min(panels, from+halfVecPanels(&a.ConvShape))
	bias, sums, row := scratch[:halfWide], scratch[halfWide:2*halfWide], scratch[2*halfWide:]
	args := halfArgs{k: ceilDiv(a.C, 2)}
	var fused bool
	args.mode, args.lo, args.hi, args.scale, fused = vecAct(a.Act)
	if a.HasResidual {
		fused, args.mode = false, modeLinear
	}
	plan := halfGemm{parts: 1, stride: len(row)}
	for n := range a.N {
		args.x = &a.X[n*a.XPixel]
		if !a.BF16.X || a.HasScale {
			halfRows(a, &plan, n, 1, row)
			args.x = &row[0]
		}
		for c := from; c < to; c++ {
			o := c * halfWide
			valid := min(halfWide, a.O-o)
			args.w = &a.Weight[c*halfWideLen(&a.ConvShape)]
			if valid == halfWide && fused && !a.BF16.Y {
				args.bias, args.y = &a.Bias[o], &a.Y[n*a.YPixel+o]
				gemvBF16AVX512(&args)
				continue
			}
			clear(bias[copy(bias, a.Bias[o:]):])
			args.bias, args.y = &bias[0], &sums[0]
			gemvBF16AVX512(&args)
			switch {
			case !fused:
				finishHalf(a, n, 1, o, valid, halfWide, sums)
			case a.BF16.Y:
				rowsF32AVX512(&rowsArgs{x: &sums[0], y: &a.Y[n*a.YPixel+o/2], rows: 1, channels: valid})
			default:
				copy(a.Y[n*a.YPixel+o:], sums[:valid])
			}
		}
	}
}
