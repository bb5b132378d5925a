//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// Depthwise convolutions of values stored as bfloat16, as vec_dw.go has them
// for float32: products and sums are float32.

func halfDWKernel(k, stride int) ConvKernel {
	return ConvKernel{
		Name: "dwconvBF16K" + string(rune('0'+k)) + "S" + string(rune('0'+stride)) + "T7AVX512BF16", Impl: "avx512", Available: cpu.BF16,
		Accepts: func(s *ConvShape) bool {
			// An activation left for later would be given numbers rounded.
			_, _, _, _, fused := vecAct(s.Act)
			return s.BF16 == BF16{X: true, Y: true} && fused && !s.HasResidual && isaAVX512.acceptDepthwise(s, k, stride)
		},
		PackedLen:  func(s *ConvShape) int { return ceilDiv(s.C, 32) * 32 * k * k },
		Pack:       packHalfDW,
		Tasks:      func(s *ConvShape) int { return ceilDiv(s.N*s.OH, vecDWRows(s)) },
		ScratchLen: func(*ConvShape) int { return 0 },
		Run:        func(a *Conv, task int, _ []float32) { runHalfDW(a, task, k, stride) },
		MaxError:   convError,
	}
}

// packHalfDW lays weights out as [C/32][KH][KW][even, odd][16], zeros beyond
// the last channel.
func packHalfDW(s *ConvShape, oihw, dst []float32) {
	taps := s.KH * s.KW
	for c0 := 0; c0 < s.C; c0 += 32 {
		for t := range taps {
			for j := range 32 {
				dst[j] = 0
				if c := c0 + j%16*2 + j/16; c < s.C {
					dst[j] = oihw[c*taps+t]
				}
			}
			dst = dst[32:]
		}
	}
}

func runHalfDW(a *Conv, task, k, stride int) {
	n := vecDWRows(&a.ConvShape)
	args := halfDWArgs{x: &a.X[0], bias: &a.Bias[0], channels: a.C, yStride: 4 * a.DilationW * a.YPixel,
		rowStride: 4 * a.DilationH * a.W * a.XPixel, colStride: 4 * a.DilationW * a.XPixel,
		xTile: 4 * vecDWTile * stride * a.DilationW * a.XPixel, yTile: 4 * vecDWTile * a.DilationW * a.YPixel}
	args.mode, args.lo, args.hi, args.scale, _ = vecAct(a.Act)
	for row := task * n; row < min((task+1)*n, a.N*a.OH); row++ {
		k0, k1 := kernelRows(&a.ConvShape, row%a.OH)
		args.rows, args.wSkip = k1-k0, 128*(k-k1+k0)*k
		args.w = &a.Weight[k0*k*32]
		h := row%a.OH*a.StrideH - a.PadTop + k0*a.DilationH
		line := (row/a.OH*a.H + h) * a.W
		for phase := range min(a.DilationW, a.OW) {
			halfDWLine(a, &args, line, row*a.OW, phase, k, stride)
		}
	}
}

// halfDWLine computes the outputs phase, phase+dilation, ... of a row. line is
// the pixel its first kernel row begins with, out the first output pixel.
func halfDWLine(a *Conv, args *halfDWArgs, line, out, phase, k, stride int) {
	step := vecDWTile * a.DilationW
	for ow := phase; ow < a.OW; {
		args.tiles, args.cols, args.outs = vecDWTiles(&a.ConvShape, ow, k, stride)
		args.xOff = 4 * (line + ow*stride - a.PadLeft) * a.XPixel
		args.y = &a.Y[(out+ow)*a.YPixel]
		tiles := args.tiles
		switch {
		case k == 3 && stride == 1:
			dwBF16K3S1AVX512(args)
		case k == 3:
			dwBF16K3S2AVX512(args)
		case stride == 1:
			dwBF16K5S1AVX512(args)
		default:
			dwBF16K5S2AVX512(args)
		}
		ow += tiles * step
	}
}
