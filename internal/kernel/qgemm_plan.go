//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// Convolution of bytes as rows of inputs times panels of outputs. The rows of a
// pointwise convolution are the picture's own pixels; those of a dense kernel
// are runs within the picture, one for every row of the kernel, where all of it
// lies inside; other rows are made in scratch. Every row, in place or made, is
// KH runs of as many bytes, rounded up to four: what is read beyond a run, or
// beyond a row of tiles, meets weights of zero.

// qISA is an instruction set with products of bytes.
type qISA struct {
	name, impl string
	available  func() bool
	kind       int
	unit       int  // rows of the largest tile
	panel      int  // outputs of a panel
	align      int  // inputs of a row are a multiple of it
	work       int  // multiply-adds aimed at in a task: about 10 microseconds
	look       bool // the routine looks tables up
}

// The kinds of routines.
const (
	qVNNI  = iota
	qTiles // rows a multiple of 64 bytes, in one run
	qWords // rows of words
)

var (
	qAMX   = qISA{"convU8x32x32AMX", "amx", func() bool { return cpu.AMXInt8() && cpu.VBMI() }, qTiles, 32, 32, 64, 1 << 23, true}
	qVBMI  = qISA{"convU8x14x32VBMI", "avx512", func() bool { return cpu.VNNI() && cpu.VBMI() }, qVNNI, 14, 32, 4, 1 << 20, true}
	qPlain = qISA{"convU8x14x32VNNI", "avx512", cpu.VNNI, qVNNI, 14, 32, 4, 1 << 20, false}
	qAVX2  = qISA{"convU8x6x16AVX2", "avx2", cpu.AVX2, qWords, 6, 16, 2, 1 << 18, false}
)

// vecQGemmKernels lists the products of bytes, best first.
func vecQGemmKernels() (out []QConvKernel) {
	for _, v := range []*qISA{&qAMX, &qVBMI, &qPlain, &qAVX2} {
		out = append(out, v.kernel())
	}
	return out
}

func (v *qISA) kernel() QConvKernel {
	return QConvKernel{
		Name: v.name, Impl: v.impl, Available: v.available,
		Accepts:    v.accepts,
		PackedLen:  func(s *QConvShape) int { p := v.plan(s); return p.blocks() + p.panels*p.panelLen(v) },
		Pack:       v.pack,
		Tasks:      func(s *QConvShape) int { p := v.plan(s); return p.npx * p.nc },
		ScratchLen: func(s *QConvShape) int { p := v.plan(s); return p.scratch(v, s) },
		Run:        v.run,
	}
}

func (v *qISA) accepts(s *QConvShape) bool {
	if s.Groups != 1 || s.O < 1 || s.C < 1 {
		return false
	}
	switch v.kind {
	case qTiles:
		// A single row fills a sixteenth of a tile, few inputs as little.
		return s.OH*s.OW > 1 && s.C >= 16
	case qWords:
		return s.KH*s.KW*s.C <= qgoMost
	}
	return true
}

// qPlan is how a shape is divided: chunks of pixels and chunks of panels.
type qPlan struct {
	rows    int // rowsPixels and so on
	run     int // bytes of a run, rounded up
	k       int // inputs of a row, rounded up
	stride  int // bytes between rows that are made
	panels  int
	pixels  int
	over    int // last pixels whose rows would be read beyond the picture
	px, ch  int // pixels and panels of a chunk
	npx, nc int // chunks
}

// qMade bounds the bytes of rows made at once, which stay in the second-level
// cache while the panels pass.
const qMade = 1 << 17

func (v *qISA) plan(s *QConvShape) (p qPlan) {
	p.run = s.KW * s.C
	if v.kind == qVNNI {
		p.run = ceilDiv(p.run, v.align) * v.align
	}
	p.k = ceilDiv(s.KH*p.run, v.align) * v.align
	p.stride = p.k
	if v.kind == qWords {
		p.stride *= 2
	}
	p.stride = ceilDiv(p.stride, 64) * 64
	if p.stride%1024 == 0 {
		p.stride += 64 // or the rows of a tile share a line of the cache
	}
	p.panels, p.pixels = ceilDiv(s.O, v.panel), s.N*s.OH*s.OW
	image, unit := s.OH*s.OW, v.unit
	switch {
	case pointwiseBytes(s):
		p.rows = rowsPixels
		if v.kind != qWords {
			p.over = ceilDiv(p.k-s.C, s.XPixel)
		}
	case v.kind == qVNNI && image > 1 && (s.KW == 1 || s.DilationW == 1 && s.XPixel == s.C):
		p.rows, unit = rowsDirect, s.OW
	default:
		p.rows = rowsGathered
	}
	p.px, p.ch = max(p.pixels, 1), p.panels
	panel := p.k * v.panel // work of a panel and a pixel
	switch {
	case p.rows == rowsDirect:
		p.px = min(p.px, 64*unit)
	case p.rows == rowsGathered || v.kind == qWords:
		p.px = min(p.px, max(1, qMade/p.stride/unit)*unit)
	}
	if image == 1 {
		// The weights are the work, four panels at a time.
		p.ch = min(p.panels, max(4, v.work/4/(panel*min(p.pixels, 8))&^3))
	} else {
		for p.px > 4*unit && p.px*panel*p.ch > v.work {
			p.px = ceilDiv(p.px, 2)
		}
		if p.rows != rowsDirect && p.px*panel*p.ch > 2*v.work {
			p.ch = max(1, v.work/(p.px*panel))
			if p.rows == rowsGathered {
				p.ch = max(p.ch, ceilDiv(p.panels, 2)) // rows are made anew in each
			}
		}
	}
	// Even chunks of whole tiles or rows.
	p.npx = ceilDiv(max(p.pixels, 1), p.px)
	p.px = ceilDiv(ceilDiv(max(p.pixels, 1), p.npx), unit) * unit
	p.npx = max(1, ceilDiv(p.pixels, p.px))
	p.nc = ceilDiv(p.panels, p.ch)
	p.ch = ceilDiv(p.panels, p.nc)
	if image == 1 && p.nc > 1 { // whole fours
		p.ch = ceilDiv(p.ch, 4) * 4
	}
	p.nc = ceilDiv(p.panels, p.ch)
	return p
}

// made is the rows that a task makes in scratch at most.
func (p *qPlan) made(v *qISA, s *QConvShape) int {
	switch {
	case p.rows == rowsDirect:
		return innerBytes(s).most(s, p.px/s.OW)
	case p.rows == rowsPixels && v.kind != qWords:
		return min(p.px, p.over)
	}
	return p.px
}

// scratch holds a block of sums of tiles, sums of rows, and rows; for words a
// row of bytes and the bytes of a pixel's last panel too.
func (p *qPlan) scratch(v *qISA, s *QConvShape) int {
	made := p.made(v, s)
	n := made * p.stride / 4
	switch {
	case v.kind == qWords:
		return n + ceilDiv(p.k, 4) + 4*p.px
	case v.kind == qTiles:
		n += qBlock
	}
	if s.HasWZero {
		n += made + p.px
	}
	return n
}

// qBlock is the sums of 32 rows by 32 outputs.
const qBlock = 1024
