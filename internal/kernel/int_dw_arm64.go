//go:build arm64 && !purego

package kernel

import (
	"encoding/binary"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

// Depthwise convolutions of bytes on NEON. A task is some rows of outputs, a
// row tiles of seven outputs by eight channels.

// intDWBlock is the channels of a block of weights; the last block is the last
// eight channels, whatever the one before has.
const intDWBlock = 8

func intDWKernel(k, stride int, dot bool) QConvKernel {
	name, available := "NEON", cpu.NEON
	if dot {
		name, available = "DOTPROD", cpu.DotProd
	}
	return QConvKernel{
		Name: "dwconvU8K" + string(rune('0'+k)) + "S" + string(rune('0'+stride)) + "T7" + name,
		Impl: "neon", Available: available,
		Accepts:   func(s *QConvShape) bool { return acceptIntDW(s, k, stride) && !(dot && s.HasWZero) },
		PackedLen: func(s *QConvShape) int { return ceilDiv(s.C, intDWBlock) * intDWBlockSize(k, dot) },
		Pack:      func(a *QConv, dst []byte) { packIntDW(a, dst, dot) },
		Tasks: func(s *QConvShape) int {
			c := intDWExtents(s)
			return ceilDiv(s.N*s.OH, vecDWRows(&c))
		},
		ScratchLen: func(s *QConvShape) int {
			if !dot {
				return 0
			}
			return ceilDiv(s.W*s.XPixel, 4)
		},
		Run: func(a *QConv, task int, scratch []float32) { runIntDW(a, task, scratch, k, stride, dot) },
	}
}

// intDWExtents is the shape as functions shared with float32s read it.
func intDWExtents(s *QConvShape) ConvShape {
	return ConvShape{N: s.N, H: s.H, W: s.W, C: s.C, OH: s.OH, OW: s.OW, O: s.O, KH: s.KH, KW: s.KW,
		StrideH: s.StrideH, StrideW: s.StrideW, DilationH: s.DilationH, DilationW: s.DilationW, PadTop: s.PadTop, PadLeft: s.PadLeft}
}

func acceptIntDW(s *QConvShape, k, stride int) bool {
	if s.Groups != s.C || s.O != s.C || s.C < intDWBlock || s.KH != k || s.KW != k ||
		s.StrideW != stride || stride > 1 && s.DilationW > 1 {
		return false
	}
	c := intDWExtents(s)
	for oh := range s.OH {
		if k0, k1 := kernelRows(&c, oh); k0 >= k1 {
			return false
		}
	}
	return true
}

// intDWBlockSize is the bytes of a packed block: flags, constants, and weights of
// 16 bits, or groups of four kernel rows of 8.
func intDWBlockSize(k int, dot bool) int {
	if dot {
		return intHeader + 20*intDWBlock + ceilDiv(k, 4)*k*4*intDWBlock
	}
	return intHeader + 20*intDWBlock + 2*k*k*intDWBlock
}

// packIntDW lays blocks out as [KH][KW][8] of 16 bits, weights less their zero
// points, or [KH/4][KW][8][4] bytes.
func packIntDW(a *QConv, dst []byte, dot bool) {
	k, size := a.KH, intDWBlockSize(a.KH, dot)
	for c0 := 0; c0 < a.C; c0 += intDWBlock {
		block := dst[:size]
		dst = dst[size:]
		clear(block)
		constants, weights := block[intHeader:][:20*intDWBlock], block[intHeader+20*intDWBlock:]
		first := min(c0, a.C-intDWBlock)
		packShifts(a, first, intDWBlock, intDWBlock, block, constants)
		for j := range intDWBlock {
			c := first + j
			var sum, zero int32
			if a.HasWZero {
				zero = a.WZero[c]
			}
			for t := range k * k {
				w := a.Weight[c*k*k+t]
				sum += int32(w)
				if kh, kw := t/k, t%k; dot {
					weights[((kh/4*k+kw)*intDWBlock+j)*4+kh%4] = byte(w)
				} else {
					binary.LittleEndian.PutUint16(weights[2*(t*intDWBlock+j):], uint16(int32(w)-zero))
				}
			}
			bias := a.Bias[c]
			if dot {
				bias += (128 - int32(a.XZero)) * sum
			}
			binary.LittleEndian.PutUint32(constants[4*j:], uint32(bias))
			binary.LittleEndian.PutUint32(constants[4*(intDWBlock+j):], uint32(a.Mult[c]))
		}
	}
}

func runIntDW(a *QConv, task int, scratch []float32, k, stride int, dot bool) {
	s := intDWExtents(&a.QConvShape)
	n := vecDWRows(&s)
	args := intDWArgs{x: &a.X[0], w: &a.Packed[0], channels: a.C, blockSize: intDWBlockSize(k, dot),
		rowStride: a.DilationH * a.W * a.XPixel, colStride: a.DilationW * a.XPixel, yStride: a.DilationW * a.YPixel,
		xTile: vecDWTile * stride * a.DilationW * a.XPixel, yTile: vecDWTile * a.DilationW * a.YPixel,
		way: intWay(&a.QConvShape), xZero: uint32(a.XZero), yZero: uint32(a.YZero), lo: uint32(a.Lo), hi: uint32(a.Hi)}
	if a.HasTable {
		args.table = &a.Table[0]
	}
	var outside []byte
	if dot {
		args.xZero ^= 128
		outside = Bytes(scratch)[:a.W*a.XPixel]
		args.outside = &outside[0]
	}
	filled := false
	for row := task * n; row < min((task+1)*n, a.N*a.OH); row++ {
		k0, k1 := kernelRows(&s, row%a.OH)
		if dot && k1-k0 < k && !filled {
			fillBytes(outside, a.XZero)
			filled = true
		}
		args.rows, args.wSkip = k1-k0, intHeader+20*intDWBlock+2*k0*k*intDWBlock
		for phase := range min(a.DilationW, a.OW) {
			intDWLine(a, &s, &args, row, k0, k1, phase, k, stride, dot)
		}
	}
}

// intDWLine computes the outputs phase, phase+dilation, ... of a row, whose kernel
// rows k0 to k1 lie inside of the picture.
func intDWLine(a *QConv, s *ConvShape, args *intDWArgs, row, k0, k1, phase, k, stride int, dot bool) {
	h := row%a.OH*a.StrideH - a.PadTop
	for ow := phase; ow < a.OW; {
		args.tiles, args.cols, args.outs = vecDWTiles(s, ow, k, stride)
		first := (ow*stride - a.PadLeft) * a.XPixel
		line := func(r int) int { return (row/a.OH*a.H+h+r*a.DilationH)*a.W*a.XPixel + first }
		args.off0 = line(k0)
		if dot {
			args.above = 1<<k - 1 - (1<<k1 - 1<<k0)
			for r, off := range [...]*int{&args.off0, &args.off1, &args.off2, &args.off3, &args.off4} {
				if *off = line(r); r < k0 || r >= k1 {
					*off = first
				}
			}
		}
		args.y = &a.Y[(row*a.OW+ow)*a.YPixel]
		tiles := args.tiles
		intDWRun(args, k, stride, dot)
		ow += tiles * vecDWTile * a.DilationW
	}
}

func intDWRun(args *intDWArgs, k, stride int, dot bool) {
	switch {
	case dot && k == 3 && stride == 1:
		intDW3S1DotNEON(args)
	case dot && k == 3:
		intDW3S2DotNEON(args)
	case dot && stride == 1:
		intDW5S1DotNEON(args)
	case dot:
		intDW5S2DotNEON(args)
	case k == 3 && stride == 1:
		intDW3S1NEON(args)
	case k == 3:
		intDW3S2NEON(args)
	case stride == 1:
		intDW5S1NEON(args)
	default:
		intDW5S2NEON(args)
	}
}
