//go:build amd64 && !purego

package kernel

import "unsafe"

// Products of bfloat16: rows of inputs times panels of 32 outputs. The rows of
// a pointwise convolution stored as bfloat16 are the picture's own pixels;
// others are made in scratch: rounded or split from float32, scaled, or
// gathered for dense kernels.

// halfPanel is the outputs of a panel.
const halfPanel = 32

// halfGemm is how a shape is divided: chunks of pixels and of panels.
type halfGemm struct {
	copied  bool // rows are made in scratch
	k, kp   int  // products per output; padded to 32
	parts   int  // 1, or 2 for a low and a high part
	panels  int
	pixels  int
	stride  int // float32s between copied rows
	px, ch  int // pixels and panels of a chunk
	npx, nc int // chunks
}

const (
	// halfInputs bounds the inputs of a chunk, which stay in the second-level
	// cache while the panels pass.
	halfInputs = 1 << 18
	// halfWeights is the weights that stay there while the pixels pass.
	halfWeights = 1 << 16
)

func (v *halfISA) plan(s *ConvShape) (p halfGemm) {
	p.parts = int(s.BF16.Parts)
	p.k = s.KH * s.KW * s.C
	p.kp = ceilDiv(p.k, 32) * 32
	p.panels = ceilDiv(s.O, halfPanel)
	p.pixels = s.N * s.OH * s.OW
	p.copied = !s.BF16.X || s.HasScale || !pointwise(s)
	p.stride = p.parts * p.kp / 2
	if p.stride%256 == 0 {
		p.stride += 16
	}
	work := p.k * s.O * (2*p.parts - 1) // of a pixel
	image := max(s.OH*s.OW, 1)
	most := max(v.unit, halfInputs/(p.kp*p.parts)/v.unit*v.unit)
	p.ch = p.panels
	switch {
	case image == 1:
		// A vector for each picture: the weights are the work.
		p.ch = max(1, v.work/4/(p.k*halfPanel*min(p.pixels, 8)))
	case p.copied:
		// Rows are made once for all panels.
		most = min(most, 8*v.unit)
	case p.k*s.O > halfWeights:
		p.ch = max(1, min(p.panels, halfWeights/(p.kp*halfPanel)))
	}
	p.ch = min(p.ch, p.panels)
	p.px = min(p.pixels, most)
	for p.px > 2*v.unit && p.px*work/p.panels*p.ch > v.work {
		p.px = ceilDiv(p.px, 2)
	}
	if p.copied && image > 1 && image <= 64 && p.panels >= 8 {
		p.ch = ceilDiv(p.panels, 2)
	}
	p.npx = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	p.px = ceilDiv(ceilDiv(p.pixels, p.npx), v.unit) * v.unit
	p.px = min(p.px, max(p.pixels, 1))
	p.npx = max(1, ceilDiv(p.pixels, p.px))
	p.nc = ceilDiv(p.panels, p.ch)
	p.ch = ceilDiv(p.panels, p.nc)
	p.nc = ceilDiv(p.panels, p.ch)
	return p
}

func (v *halfISA) gemmKernel(name string, accepts func(*ConvShape) bool, parts int8) ConvKernel {
	bound := convError
	if parts == 2 {
		bound = 3e-5 // of the product of the low parts, left out
	}
	k := ConvKernel{
		Name: name + "x32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: bound,
		Accepts: func(s *ConvShape) bool {
			if !acceptGemm(s) || s.Groups != 1 || s.BF16.Parts != parts || accepts != nil && !accepts(s) {
				return false
			}
			return pointwise(s) || s.BF16.X && !s.HasScale && parts == 1
		},
		PackedLen:  func(s *ConvShape) int { p := v.plan(s); return p.panels * p.panelLen() },
		Pack:       func(s *ConvShape, oihw, dst []float32) { p := v.plan(s); packHalf(s, &p, oihw, dst) },
		Tasks:      func(s *ConvShape) int { p := v.plan(s); return p.npx * p.nc },
		ScratchLen: func(s *ConvShape) int { p := v.plan(s); return p.scratch() },
		Run:        func(a *Conv, task int, scratch []float32) { v.run(a, v.plan(&a.ConvShape), task, scratch) },
		Bind: func(s *ConvShape) func(*Conv, int, []float32) {
			p := v.plan(s)
			return func(a *Conv, task int, scratch []float32) { v.run(a, p, task, scratch) }
		},
	}
	if parts == 1 {
		k.PackTurned = v.packHalfTurned
	}
	return k
}

// panelLen is the float32s of a panel.
func (p *halfGemm) panelLen() int { return halfPanel * p.kp * p.parts / 2 }

// scratch holds a block of sums of the tiles, the sums of a panel where an
// activation is left for later, and copied rows.
func (p *halfGemm) scratch() int {
	n := 1024 + p.px*halfPanel
	if p.copied {
		n += p.px*p.stride + 16
	}
	return n
}

// packHalf lays weights out as [panel][half][part][kp/2][16][2], the high part
// first, zeros beyond the last output and input. Inputs are in the order kh,
// kw, c.
func packHalf(s *ConvShape, p *halfGemm, oihw, dst []float32) {
	out, taps := Halves(dst), s.KH*s.KW
	if taps == 1 && p.parts == 1 {
		packHalfRows(s, p, oihw, dst)
		return
	}
	clear(out)
	for o := range s.O {
		at := out[o/halfPanel*2*p.panelLen()+o%halfPanel/16*16*p.kp*p.parts:]
		for t := range taps {
			for c := range s.C {
				k := t*s.C + c
				high, low := splitBF16(oihw[(o*s.C+c)*taps+t])
				i := k/2*32 + o%16*2 + k%2
				at[i] = high
				if p.parts == 2 {
					at[p.kp*16+i] = low
				}
			}
		}
	}
}

func (v *halfISA) run(a *Conv, p halfGemm, task int, scratch []float32) {
	c0 := task % p.nc * p.ch
	p0 := task / p.nc * p.px
	n := min(p.px, p.pixels-p0)
	if n <= 0 || p.k == 0 {
		return
	}
	sums := scratch[1024:][:p.px*halfPanel]
	args := halfArgs{sums: &scratch[0], wHalf: 32 * p.kp * p.parts, part: 2 * p.kp, segs: 2*p.parts - 1, k: ceilDiv(p.k, 2)}
	if v.tiles {
		args.k = p.kp / 32
	}
	x, stride := a.X, 4*a.XPixel
	from := p0 * a.XPixel
	if p.copied {
		rows := scratch[1024+p.px*halfPanel:]
		halfRows(a, &p, p0, n, rows)
		x, stride, from = rows, 4*p.stride, 0
	}
	var fused bool
	args.mode, args.lo, args.hi, args.scale, fused = vecAct(a.Act)
	for c := c0; c < min(c0+p.ch, p.panels); c++ {
		o := c * halfPanel
		valid := min(halfPanel, a.O-o)
		args.x, args.xStride = &x[from], stride
		args.w, args.bias = &a.Weight[c*p.panelLen()], &a.Bias[o]
		args.low, args.high = 1<<min(valid, 16)-1, 1<<max(valid-16, 0)-1
		args.width, args.res = ceilDiv(valid, 8), nil
		at := p0*a.YPixel + o
		if a.BF16.Y {
			at = p0*a.YPixel + o/2
		}
		if !fused {
			args.y, args.yStride, args.half = &sums[0], 4*halfPanel, 0
			v.gemm(&args, n)
			finishHalf(a, p0, n, o, valid, halfPanel, sums)
			continue
		}
		args.y, args.yStride = &a.Y[at], 4*a.YPixel
		if args.half = 0; a.BF16.Y {
			args.half = 1
		}
		if a.HasResidual {
			args.res = &a.Residual[at]
		}
		v.gemm(&args, n)
	}
}

// finishHalf applies an activation that the routines do not know to the sums
// of a panel for n pixels, adds the residual and stores. The panel is width
// outputs wide, of which valid exist.
func finishHalf(a *Conv, p0, n, o, valid, width int, sums []float32) {
	sums = sums[:n*width]
	isaAVX512.activate(a.Act, sums, sums)
	if a.BF16.Y && !a.HasResidual {
		rowsF32AVX512(&rowsArgs{x: &sums[0], y: &a.Y[p0*a.YPixel+o/2], xStride: 4 * width, yStride: 4 * a.YPixel, rows: n, channels: valid})
		return
	}
	for i := range n {
		row, at := sums[i*width:][:valid], (p0+i)*a.YPixel+o
		if !a.BF16.Y {
			if !a.HasResidual {
				copy(a.Y[at:], row)
				continue
			}
			for j, v := range a.Residual[at:][:valid] {
				a.Y[at+j] = row[j] + v
			}
			continue
		}
		at = (p0+i)*a.YPixel*2 + o
		// Y may be the residual.
		y, res := Halves(a.Y)[at:][:min(width, ceilDiv(valid, 32)*32)], Halves(a.Residual)[at:]
		for j, v := range row {
			y[j] = RoundBF16(v + WidenBF16(res[j]))
		}
		clear(y[valid:])
	}
}

// halfRows makes the rows of some pixels.
func halfRows(a *Conv, p *halfGemm, p0, n int, rows []float32) {
	if !pointwise(&a.ConvShape) {
		for i := range n {
			gatherHalf(a, p0+i, Halves(rows[i*p.stride:][:p.kp/2]))
		}
		return
	}
	args := rowsArgs{xStride: 4 * a.XPixel, yStride: 4 * p.stride, channels: a.C, part: 2 * p.kp}
	image := a.OH * a.OW
	for i := 0; i < n; {
		at := p0 + i
		args.x, args.y = &a.X[at*a.XPixel], &rows[i*p.stride]
		args.rows = n - i
		if a.HasScale {
			args.scale, args.rows = &a.Scale[at/image*a.C], min(n-i, image-at%image)
		}
		i += args.rows
		switch {
		case a.BF16.X && a.HasScale:
			rowsScaledBF16AVX512(&args)
		case p.parts == 2 && a.HasScale:
			splitScaledF32AVX512(&args)
		case p.parts == 2:
			splitF32AVX512(&args)
		case a.HasScale:
			rowsScaledF32AVX512(&args)
		default:
			rowsF32AVX512(&args)
		}
	}
}

// gatherHalf copies the inputs of an output of a dense kernel.
func gatherHalf(a *Conv, pixel int, row []uint16) {
	x := Halves(a.X)
	n, oh, ow := pixel/(a.OH*a.OW), pixel/a.OW%a.OH, pixel%a.OW
	at := 0
	for kh := range a.KH {
		h := oh*a.StrideH - a.PadTop + kh*a.DilationH
		for kw := range a.KW {
			w := ow*a.StrideW - a.PadLeft + kw*a.DilationW
			dst := row[at:][:a.C]
			at += a.C
			if h < 0 || h >= a.H || w < 0 || w >= a.W {
				clear(dst)
			} else {
				copy(dst, x[((n*a.H+h)*a.W+w)*a.XPixel*2:])
			}
		}
	}
	clear(row[at:])
}

// moved is p some bytes on, nil if it is nil.
func moved(p *float32, bytes int) *float32 {
	if p == nil {
		return nil
	}
	return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}
