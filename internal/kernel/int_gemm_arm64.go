//go:build arm64 && !purego

package kernel

import (
	"encoding/binary"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

// Convolutions of bytes that are not depthwise, on NEON: a task copies rows of
// inputs into scratch, made signed and filled up to whole steps, and multiplies
// them with its panels of weights. The copy costs two instructions for sixteen
// bytes, where the products of one panel cost sixteen, and makes every
// convolution the same.

// intNEON is one of the two ways to multiply bytes.
type intNEON struct {
	suffix    string
	available func() bool
	panel     int // outputs of a full panel
	step      int // inputs of a step, to which rows are filled up
	rows      int // of a tile
	work      int // multiply-adds aimed at in a task
}

// The routines are called by name: through a variable their arguments would
// go to the heap.
var (
	intNEONDot = intNEON{suffix: "DOTPROD", available: cpu.DotProd, panel: 16, step: 4, rows: 6, work: 1 << 20}
	intNEONMul = intNEON{suffix: "NEON", available: cpu.NEON, panel: 8, step: 16, rows: 3, work: 1 << 18}
)

// The ways to rescale, as the generator names them.
const (
	roundTwice      = iota // ties upward, or nothing negative is seen
	roundTwiceEvery        // ties away from zero
	roundOnce
	roundUp    // roundTwice, but in 64 bits where a shift is to the left
	roundFloat // in float32, ties to even
)

// intWay is the way to rescale of a convolution.
func intWay(s *QConvShape) int {
	switch {
	case s.Single:
		return roundOnce
	case s.Up:
		return roundUp
	case s.Float:
		return roundFloat
	case s.Lo >= s.YZero:
		return roundTwice
	}
	return roundTwiceEvery
}

func (q *intNEON) kernel() QConvKernel {
	return QConvKernel{
		Name: "convU8" + q.suffix, Impl: "neon", Available: q.available,
		Accepts: func(s *QConvShape) bool {
			return s.C > 0 && s.O > 0 && (s.Groups == 1 || s.O/s.Groups >= 4 && s.C/s.Groups >= 4)
		},
		PackedLen: func(s *QConvShape) int { return s.Groups * q.groupBytes(s) },
		Pack:      q.pack,
		Tasks: func(s *QConvShape) int {
			p := q.plan(s)
			return s.Groups * p.npx * p.nc
		},
		ScratchLen: func(s *QConvShape) int {
			p := q.plan(s)
			return ceilDiv(p.px*(p.stride+4+q.panel), 4)
		},
		Run: q.run,
	}
}

// intPlan is how a shape is divided: a grid of groups, chunks of pixels and
// chunks of panels.
type intPlan struct {
	k, stride int // bytes of a row, and between rows
	og        int // outputs of a group
	panels    int // of a group
	pixels    int
	px, ch    int // pixels and panels of a chunk
	npx, nc   int // chunks
}

// intRowBytes bounds the rows of a chunk, which stay in the first-level cache.
const intRowBytes = 1 << 15

func (q *intNEON) plan(s *QConvShape) (p intPlan) {
	p.k, p.og = s.KH*s.KW*(s.C/s.Groups), s.O/s.Groups
	p.stride = ceilDiv(p.k, 16) * 16
	if p.stride%1024 == 0 {
		p.stride += 16 // rows that share a set of the cache
	}
	p.panels, p.pixels = ceilDiv(p.og, q.panel), max(s.N*s.OH*s.OW, 1)
	p.px = max(min(q.work/(p.k*p.og), intRowBytes/p.stride)/q.rows, 1) * q.rows
	p.npx = ceilDiv(p.pixels, p.px)
	p.px = ceilDiv(ceilDiv(p.pixels, p.npx), q.rows) * q.rows
	p.npx = ceilDiv(p.pixels, p.px)
	p.px = min(p.px, p.pixels)
	// Few pixels share out the panels.
	p.ch = max(1, min(p.panels, q.work/(p.px*p.k*q.panel)))
	p.nc = ceilDiv(p.panels, p.ch)
	p.ch = ceilDiv(p.panels, p.nc)
	p.nc = ceilDiv(p.panels, p.ch)
	return p
}

// intHeader is the flags of a panel.
const intHeader = 16

// panelBytes is the size of a packed panel with an input and output more or
// less: flags, five constants an output, weights.
func (q *intNEON) panelBytes(k, width int) int {
	return intHeader + 20*width + ceilDiv(k, q.step)*q.step*width
}

// width is the outputs of the panel from o on, in eights.
func (q *intNEON) width(og, o int) int { return min(q.panel, ceilDiv(og-o, 8)*8) }

// groupBytes is the size of a group's panels, the last of which may be half as
// wide.
func (q *intNEON) groupBytes(s *QConvShape) int {
	k, og := s.KH*s.KW*(s.C/s.Groups), s.O/s.Groups
	last := (og - 1) / q.panel
	return last*q.panelBytes(k, q.panel) + q.panelBytes(k, q.width(og, last*q.panel))
}

func (q *intNEON) pack(a *QConv, dst []byte) {
	og, k := a.O/a.Groups, a.KH*a.KW*(a.C/a.Groups)
	for g := range a.Groups {
		for o := 0; o < og; o += q.panel {
			width := q.width(og, o)
			size := q.panelBytes(k, width)
			q.packPanel(a, g*og+o, min(width, og-o), width, dst[:size])
			dst = dst[size:]
		}
	}
}

// packPanel packs outputs o to o+valid as [k/step][width][step], zeros beyond
// the last.
func (q *intNEON) packPanel(a *QConv, o, valid, width int, dst []byte) {
	clear(dst)
	cg, taps := a.C/a.Groups, a.KH*a.KW
	constants, weights := dst[intHeader:][:20*width], dst[intHeader+20*width:]
	packShifts(a, o, valid, width, dst, constants)
	for j := range valid {
		var sum int32
		for t := range taps {
			for c := range cg {
				w, at := a.Weight[((o+j)*cg+c)*taps+t], t*cg+c
				// A step of the dot products is four inputs of four outputs,
				// which is the same order.
				weights[at/q.step*q.step*width+j*q.step+at%q.step] = byte(w)
				sum += int32(w)
				if w == -128 {
					binary.LittleEndian.PutUint32(dst[4:], 1)
				}
			}
		}
		var zero int32
		if a.HasWZero {
			zero = a.WZero[o+j]
		}
		// sum((x-XZero)*(w-zero)) = sum((x-128)*w) - zero*sum(x) + bias.
		bias := a.Bias[o+j] + (128-int32(a.XZero))*sum + int32(taps*cg)*zero*int32(a.XZero)
		binary.LittleEndian.PutUint32(constants[4*j:], uint32(bias))
		binary.LittleEndian.PutUint32(constants[4*(width+j):], uint32(a.Mult[o+j]))
		binary.LittleEndian.PutUint32(constants[4*(4*width+j):], uint32(zero))
	}
}

// packShifts writes the shifts of a panel's or block's outputs from o on to their
// places after the biases and multipliers, and its flag of one to the left.
func packShifts(a *QConv, o, valid, width int, flags, constants []byte) {
	if a.Float {
		return
	}
	shifts := a.Shift[o:][:valid]
	anyLeft := slices.Max(shifts) > 0 && !a.Single
	if anyLeft {
		binary.LittleEndian.PutUint32(flags, 1)
	}
	for j, shift := range shifts {
		left, right := max(shift, 0), min(shift, 0)
		switch {
		case a.Single:
			left, right = 0, shift-31
		case a.Up && anyLeft:
			if left, right = 0, shift-31; shift < 0 {
				left = 1 << 30
			}
		}
		binary.LittleEndian.PutUint32(constants[4*(2*width+j):], uint32(left))
		binary.LittleEndian.PutUint32(constants[4*(3*width+j):], uint32(right))
	}
}

func (q *intNEON) run(a *QConv, task int, scratch []float32) {
	p := q.plan(&a.QConvShape)
	c0 := task % p.nc * p.ch
	p0 := task / p.nc % p.npx * p.px
	g := task / p.nc / p.npx
	n := min(p.px, p.pixels-p0, a.N*a.OH*a.OW-p0)
	if n <= 0 {
		return
	}
	bytes := Bytes(scratch)
	sums := Int32s(scratch)[:p.px]
	bytes = bytes[4*p.px:]
	spare, rows := bytes[:p.px*q.panel], bytes[p.px*q.panel:]
	args := intGemmArgs{x: &rows[0], xStride: p.stride, k: ceilDiv(p.k, q.step), rows: n,
		way: intWay(&a.QConvShape), yZero: uint32(a.YZero), lo: uint32(a.Lo), hi: uint32(a.Hi)}
	if a.HasWZero {
		args.sums = &sums[0]
	}
	if a.HasTable {
		args.table = &a.Table[0]
	}
	q.copyRows(a, &p, g, p0, n, rows, args.sums)
	packed := a.Packed[g*q.groupBytes(&a.QConvShape):]
	for c := c0; c < min(c0+p.ch, p.panels); c++ {
		o := c * q.panel
		width, valid := q.width(p.og, o), min(q.panel, p.og-o)
		args.w, args.width = &packed[c*q.panelBytes(p.k, q.panel)], width/8
		y := a.Y[p0*a.YPixel+g*p.og+o:]
		if args.y, args.yStride = &y[0], a.YPixel; valid < width {
			args.y, args.yStride = &spare[0], width
		}
		if q.step == 4 {
			intGemmDotNEON(&args)
		} else {
			intGemmMulNEON(&args)
		}
		if valid < width {
			for i := range n {
				copy(y[i*a.YPixel:][:valid], spare[i*width:])
			}
		}
	}
}

// copyRows fills scratch with the inputs of n pixels.
func (q *intNEON) copyRows(a *QConv, p *intPlan, g, p0, n int, rows []byte, sums *int32) {
	args := intRowsArgs{y: &rows[0], yStride: p.stride, sums: sums,
		n: p.k, padded: ceilDiv(p.k, q.step) * q.step, rows: n}
	if pointwiseBytes(&a.QConvShape) {
		args.x, args.xStride = &a.X[p0*a.XPixel+g*p.k], a.XPixel
	} else {
		for i := range n {
			gatherBytes(a, g, p0+i, rows[i*p.stride:][:p.k], p.k/a.KH)
		}
		args.x, args.xStride = args.y, p.stride
	}
	intRowsNEON(&args)
}
