//go:build (amd64 || arm64) && !purego

package kernel

import "unsafe"

// Depthwise convolutions on vector registers. A task is some rows of outputs;
// a row is tiles of seven outputs. Nothing is copied: the kernel rows outside
// of the picture are left out, the columns outside are masked.

// vecDWTile is the outputs of a tile, as in the generator.
const vecDWTile = 7

// vecDWWork is the multiply-adds aimed at in a task.
const vecDWWork = 1 << 17

func (v *vecISA) acceptDepthwise(s *ConvShape, k, stride int) bool {
	if s.Groups != s.C || s.O != s.C || s.HasScale || s.XBlock != 16 || s.YBlock != 16 || s.C == 0 ||
		s.KH != k || s.KW != k || s.StrideW != stride || stride > 1 && s.DilationW > 1 {
		return false
	}
	if _, _, _, _, fused := vecAct(s.Act); !fused && s.HasResidual {
		return false
	}
	for oh := range s.OH {
		if k0, k1 := kernelRows(s, oh); k0 >= k1 {
			return false
		}
	}
	return true
}

// kernelRows is the range of kernel rows inside of the picture.
func kernelRows(s *ConvShape, oh int) (k0, k1 int) {
	h := oh*s.StrideH - s.PadTop
	k0 = max(0, ceilDiv(-h, s.DilationH))
	k1 = min(s.KH, ceilDiv(max(s.H-h, 0), s.DilationH))
	return k0, k1
}

func (v *vecISA) dwKernel(k, stride int) ConvKernel {
	name := "dwconvF32K" + string(rune('0'+k)) + "S" + string(rune('0'+stride)) + "T7" + v.suffix
	return ConvKernel{
		Name: name, Impl: v.impl, Available: v.available,
		Accepts:    func(s *ConvShape) bool { return v.acceptDepthwise(s, k, stride) },
		PackedLen:  func(s *ConvShape) int { return ceilDiv(s.C, v.lanes) * v.lanes * k * k },
		Pack:       v.packDepthwise,
		Tasks:      func(s *ConvShape) int { return ceilDiv(s.N*s.OH, vecDWRows(s)) },
		ScratchLen: func(*ConvShape) int { return 0 },
		Run:        func(a *Conv, task int, _ []float32) { v.runDepthwise(a, task, k, stride) },
		MaxError:   convError,
	}
}

// vecDWRows is the rows of outputs of a task.
func vecDWRows(s *ConvShape) int {
	rows := max(s.N*s.OH, 1)
	n := min(max(vecDWWork/max(s.OW*s.C*s.KH*s.KW, 1), 1), rows)
	return ceilDiv(rows, ceilDiv(rows, n))
}

// packDepthwise lays weights out as [C/lanes][KH][KW][lanes], zeros beyond the
// last channel.
func (v *vecISA) packDepthwise(s *ConvShape, oihw, dst []float32) {
	taps := s.KH * s.KW
	for c0 := 0; c0 < s.C; c0 += v.lanes {
		for t := range taps {
			for j := range v.lanes {
				dst[j] = 0
				if c := c0 + j; c < s.C {
					dst[j] = oihw[c*taps+t]
				}
			}
			dst = dst[v.lanes:]
		}
	}
}

func (v *vecISA) runDepthwise(a *Conv, task, k, stride int) {
	n := vecDWRows(&a.ConvShape)
	var fused bool
	args := dwArgs{x: &a.X[0], bias: &a.Bias[0], channels: a.C, yStride: 4 * a.DilationW * a.YPixel,
		rowStride: 4 * a.DilationH * a.W * a.XPixel, colStride: 4 * a.DilationW * a.XPixel,
		xTile: 4 * vecDWTile * stride * a.DilationW * a.XPixel, yTile: 4 * vecDWTile * a.DilationW * a.YPixel}
	args.mode, args.lo, args.hi, args.scale, fused = vecAct(a.Act)
	if share := aheadShare(a.Ahead, a.AheadToo, task, ceilDiv(a.N*a.OH, n)); len(share) > 0 {
		args.ahead = uintptr(unsafe.Pointer(&share[0]))
		args.aheadStep = ceilDiv(4*len(share), n*ceilDiv(a.OW, vecDWTile)*ceilDiv(a.C, v.lanes))
	}
	for row := task * n; row < min((task+1)*n, a.N*a.OH); row++ {
		k0, k1 := kernelRows(&a.ConvShape, row%a.OH)
		args.rows, args.wSkip = k1-k0, 4*(k-k1+k0)*k*v.lanes
		args.w = &a.Weight[k0*k*v.lanes]
		h := row%a.OH*a.StrideH - a.PadTop + k0*a.DilationH
		line := (row/a.OH*a.H + h) * a.W
		for phase := range min(a.DilationW, a.OW) {
			v.depthwiseLine(a, &args, line, row*a.OW, phase, k, stride)
		}
		if !fused {
			v.activateRow(a, row)
		}
	}
}

// activateRow applies the activation to a row of outputs.
func (v *vecISA) activateRow(a *Conv, row int) {
	n, pixels := a.C, a.OW
	if a.YPixel == a.C {
		n, pixels = a.OW*a.C, 1
	}
	for i := range pixels {
		y := a.Y[(row*a.OW+i)*a.YPixel:][:n]
		v.activate(a.Act, y, y)
	}
}

// vecDWTiles is the number of tiles that go together from output ow of a row on,
// and the masks of their columns inside the picture and of their outputs.
func vecDWTiles(s *ConvShape, ow, k, stride int) (tiles, cols, outs int) {
	last := (vecDWTile-1)*stride + k - 1
	w, width, first, end := ow*stride-s.PadLeft, last*s.DilationW, 0, last
	if w < 0 {
		first = ceilDiv(-w, s.DilationW)
	}
	if w+width >= s.W {
		end = (s.W-1-w+(last+1)*s.DilationW)/s.DilationW - (last + 1)
	}
	n := min(vecDWTile, ceilDiv(s.OW-ow, s.DilationW))
	tiles = 1
	if first == 0 && end == last && n == vecDWTile {
		// As many as have all their columns go together.
		step := vecDWTile * s.DilationW
		room := (s.W - 1 - width - w) / (stride * step)
		tiles = min(room, (s.OW-1-ow-(vecDWTile-1)*s.DilationW)/step) + 1
	}
	if first <= end {
		cols = 1<<(end+1) - 1<<first
	}
	return tiles, cols, 1<<n - 1
}

// depthwiseLine computes the outputs phase, phase+dilation, ... of a row. line
// is the pixel its first kernel row begins with, out the first output pixel.
func (v *vecISA) depthwiseLine(a *Conv, args *dwArgs, line, out, phase, k, stride int) {
	step := vecDWTile * a.DilationW
	for ow := phase; ow < a.OW; {
		args.tiles, args.cols, args.outs = vecDWTiles(&a.ConvShape, ow, k, stride)
		args.xOff = 4 * (line + ow*stride - a.PadLeft) * a.XPixel
		at := (out + ow) * a.YPixel
		args.y, args.res = &a.Y[at], nil
		if a.HasResidual {
			args.res = &a.Residual[at]
		}
		tiles := args.tiles
		v.depthwise(k, stride, args)
		ow += tiles * step
	}
}
