//go:build amd64 && !purego

package kernel

import (
	"unsafe"
)

// Every convolution that is not depthwise, on vector registers: rows of inputs
// times panels of weights. A pointwise convolution's rows are the picture's
// own pixels; a dense kernel's inner pixels are read in place as well, a
// kernel row at a time; what is left (edges, groups, dilation) gathers its
// rows into scratch.

// The ways to find the inputs of an output.
const (
	rowsPixels   = iota // the pixel itself
	rowsDirect          // kernel rows in place, gathered at the left and right edge
	rowsGathered        // a copy
)

// vecGemm is how a shape is divided: a grid of groups, chunks of pixels and
// chunks of panels. Chunks of direct rows are whole rows of outputs.
type vecGemm struct {
	rows    int
	k       int // products per output: KH*KW*C/Groups, in the order kh, kw, c
	og      int // outputs of a group
	panels  int // of a group
	panel   int // outputs of a full panel
	pixels  int
	scaled  bool // squeeze-and-excite folded into the weights, picture by picture
	stride  int  // between gathered rows
	px, ch  int  // pixels and panels of a chunk
	npx, nc int  // chunks
}

const (
	// vecTaskWork is the multiply-adds aimed at in a task: 10 to 20
	// microseconds.
	vecTaskWork = 1 << 19
	// vecInputs bounds the inputs of a chunk, so that they stay in the second
	// level cache while the panels pass.
	vecInputs = 1 << 17
	// vecWeights is the weights that stay there while the pixels pass.
	vecWeights = 1 << 15
)

func acceptVecPointwise(s *ConvShape) bool {
	return acceptGemm(s) && s.Groups == 1 && pointwise(s)
}

// pointwise reports that each output is made of its own pixel alone.
func pointwise(s *ConvShape) bool {
	return s.KH*s.KW == 1 && s.StrideH*s.StrideW == 1 && s.PadTop|s.PadLeft == 0 && s.OH == s.H && s.OW == s.W
}

func (v *vecISA) planGemm(s *ConvShape) (p vecGemm) {
	p.og = s.O / s.Groups
	p.k = s.KH * s.KW * (s.C / s.Groups)
	p.panel = 8 * v.wide
	p.panels = ceilDiv(p.og, p.panel)
	p.pixels = s.N * s.OH * s.OW
	image, unit := p.pixels, v.rows
	p.ch = 1
	if p.k*p.og <= vecWeights {
		p.ch = p.panels
	}
	k := max(p.k, 1)
	most := max(1, vecInputs/k)
	// Rows a multiple of 4 KiB apart share one set of the first-level cache,
	// which a tile of more rows than it has ways then thrashes.
	p.stride = p.k
	if p.k%512 == 0 {
		p.stride += 16
	}
	aliased := s.XPixel%1024 == 0 && p.k >= 256 && p.pixels > 8
	switch {
	case s.Groups == 1 && pointwise(s) && s.HasScale && s.OH*s.OW <= max(p.og, 256):
		// Scaling the inputs costs less than scaling the weights.
		p.rows, p.ch, most = rowsGathered, p.panels, unit
		if s.OH*s.OW < 100 {
			p.ch = ceilDiv(p.panels, 2)
		}
	case s.Groups == 1 && pointwise(s) && aliased && !s.HasScale:
		p.rows, p.ch, most = rowsGathered, ceilDiv(p.panels, 8), min(most, 8*unit)
	case s.Groups == 1 && pointwise(s):
		p.rows = rowsPixels
		if p.scaled = s.HasScale; p.scaled {
			image = s.OH * s.OW
		}
	case s.Groups == 1 && !s.HasScale && (s.KW == 1 || s.DilationW == 1 && s.XPixel == s.C):
		p.rows, unit = rowsDirect, s.OW
	default:
		p.rows, most = rowsGathered, min(most, 8*unit)
	}
	image = max(1, image)
	p.px = min(image, max(most, unit))
	tiles := ceilDiv(image, unit)
	switch {
	case p.rows == rowsGathered:
	case p.pixels == 1:
		// Four panels at once make a matrix-vector product.
		if p.ch < p.panels {
			p.ch = min(4, p.panels)
		}
	case p.rows == rowsPixels && p.ch == p.panels && tiles <= 16:
		// Few tiles share out evenly only if the panels are divided too.
		switch {
		case p.panels < 4:
			p.px = unit
		case tiles > 4:
			p.px, p.ch = ceilDiv(tiles, 2)*unit, ceilDiv(p.panels, 4)
		default:
			p.px, p.ch = image, ceilDiv(p.panels, 8)
		}
	default:
		// Enough tasks for several cores, but not of less than a minimum.
		for p.px > 2*unit && p.px*k*p.panel*p.ch > vecTaskWork && (p.ch == p.panels || ceilDiv(image, p.px)*p.panels < 12) {
			p.px = ceilDiv(p.px, 2)
		}
		if p.ch < p.panels {
			p.ch = min(p.panels, max(p.ch, vecTaskWork/(p.px*k*p.panel)))
		}
	}
	// Even chunks of whole tiles or rows.
	p.npx = max(1, ceilDiv(image, max(p.px, 1)))
	p.px = ceilDiv(ceilDiv(image, p.npx), unit) * unit
	if p.rows == rowsPixels {
		p.px = min(p.px, image)
	}
	p.npx = max(1, ceilDiv(image, p.px))
	if p.scaled {
		p.npx *= s.N
	}
	p.nc = ceilDiv(p.panels, p.ch)
	p.ch = ceilDiv(p.panels, p.nc)
	p.nc = ceilDiv(p.panels, p.ch)
	return p
}

func (v *vecISA) gemmKernel(name string, accepts func(*ConvShape) bool) ConvKernel {
	return ConvKernel{
		Name: name + v.suffix, Impl: v.impl, Available: v.available, Accepts: accepts,
		PackedLen: func(s *ConvShape) int {
			return s.Groups * ceilDiv(s.O/s.Groups, 8) * 8 * s.KH * s.KW * (s.C / s.Groups)
		},
		Pack: v.packGemm,
		Tasks: func(s *ConvShape) int {
			p := v.planGemm(s)
			return s.Groups * p.npx * p.nc
		},
		ScratchLen: v.gemmScratch, MaxError: convError,
		Run: func(a *Conv, task int, scratch []float32) { v.runGemm(a, v.planGemm(&a.ConvShape), task, scratch) },
		Bind: func(s *ConvShape) func(*Conv, int, []float32) {
			p := v.planGemm(s)
			return func(a *Conv, task int, scratch []float32) { v.runGemm(a, p, task, scratch) }
		},
	}
}

// packGemm lays weights out as panels [group][panel][kh][kw][c][width], zeros
// beyond the last channel. The last panel of a group is as wide as needed in
// eights. Inputs go by in blocks whose part of the panel fits the first-level
// cache.
func (v *vecISA) packGemm(s *ConvShape, oihw, dst []float32) {
	const block = 64
	og, cg, taps := s.O/s.Groups, s.C/s.Groups, s.KH*s.KW
	for g := range s.Groups {
		for o0 := 0; o0 < og; o0 += 8 * v.wide {
			valid := min(8*v.wide, og-o0)
			width := ceilDiv(valid, 8) * 8
			for t := range taps {
				for c0 := 0; c0 < cg; c0 += block {
					n := min(block, cg-c0)
					out := dst[c0*width:][:n*width]
					for j := range valid {
						from := oihw[((g*og+o0+j)*cg+c0)*taps+t:]
						from = from[:(n-1)*taps+1]
						at := j
						for c := 0; c < len(from); c += taps {
							out[at] = from[c]
							at += width
						}
					}
					for j := valid; j < width; j++ {
						for c := range n {
							out[c*width+j] = 0
						}
					}
				}
				dst = dst[cg*width:]
			}
		}
	}
}

// gemmScratch holds a chunk of one panel's sums where they cannot go to Y at
// once, a padded bias, a scaled panel, and gathered rows.
func (v *vecISA) gemmScratch(s *ConvShape) int {
	p := v.planGemm(s)
	n := (p.px + 1) * p.panel
	if p.scaled {
		n += p.k * p.panel
	}
	switch p.rows {
	case rowsGathered:
		n += p.px * p.stride
	case rowsDirect:
		n += p.px * p.k // at most: every output may lie at an edge
	}
	return n
}

func (v *vecISA) runGemm(a *Conv, plan vecGemm, task int, scratch []float32) {
	t := vecTask{v: v, a: a, p: plan}
	p := &t.p
	c0 := task % p.nc * p.ch
	t.p0 = task / p.nc % p.npx * p.px
	t.g = task / p.nc / p.npx
	end := p.pixels
	if p.scaled {
		image := a.OH * a.OW
		per := ceilDiv(image, p.px)
		chunk := task / p.nc % p.npx
		t.p0 = chunk/per*image + chunk%per*p.px
		end = (chunk/per + 1) * image
	}
	t.n = min(p.px, end-t.p0)
	if t.n <= 0 || p.k == 0 {
		return
	}
	t.sums, scratch = scratch[:p.px*p.panel], scratch[p.px*p.panel:]
	t.bias, scratch = scratch[:p.panel], scratch[p.panel:]
	if p.scaled {
		t.panel, scratch = scratch[:p.k*p.panel], scratch[p.k*p.panel:]
	}
	t.copies = scratch
	t.fetchAhead(task, min(p.ch, p.panels-c0))
	switch p.rows {
	case rowsGathered:
		t.gather()
	case rowsDirect:
		t.inner = t.edges()
		t.gatherEdges()
	}
	end = min(c0+p.ch, p.panels)
	for c := c0; c < end; {
		c += t.run(c, end-c)
	}
}

// vecTask is the state of one task.
type vecTask struct {
	v     *vecISA
	a     *Conv
	p     vecGemm
	g     int
	p0, n int // pixels

	sums, bias, panel, copies []float32
	inner                     edgeRange // of a dense kernel

	// The address of the memory to fetch by the way, not a pointer: it may
	// run past the end.
	ahead     uintptr
	aheadStep int // in bytes for four inputs of a tile
}

// fetchAhead sets the task's share of the memory that later steps need,
// spread over its work.
func (t *vecTask) fetchAhead(task, panels int) {
	t.ahead = uintptr(unsafe.Pointer(&t.a.Weight[0]))
	tasks := t.a.Groups * t.p.npx * t.p.nc
	n := len(t.a.Ahead)
	lo, hi := n*task/tasks, n*(task+1)/tasks
	steps := panels * ceilDiv(t.n, t.v.rows) * (t.p.k / 4)
	if lo < hi && steps > 0 {
		t.ahead, t.aheadStep = uintptr(unsafe.Pointer(&t.a.Ahead[lo])), ceilDiv(4*(hi-lo), steps)
	}
}

// gather copies the task's rows of inputs.
func (t *vecTask) gather() {
	a, p := t.a, &t.p
	if pointwise(&a.ConvShape) && a.HasScale && p.k%8 == 0 {
		t.gatherScaled()
		return
	}
	for i := range t.n {
		row := t.copies[i*p.stride:][:p.k]
		if at := t.p0 + i; pointwise(&a.ConvShape) && !a.HasScale {
			copy(row, a.X[at*a.XPixel+t.g*p.k:])
		} else {
			gatherRow(a, t.g, at, row)
		}
	}
}

// gatherScaled copies pixels times the scale of their picture.
func (t *vecTask) gatherScaled() {
	a, p := t.a, &t.p
	image := a.OH * a.OW
	for i := 0; i < t.n; {
		at := t.p0 + i
		rows := min(t.n-i, image-at%image)
		t.v.scaleRows(&elemArgs{x: &a.X[at*a.XPixel+t.g*p.k], b: &a.Scale[at/image*a.C+t.g*p.k], y: &t.copies[i*p.stride],
			n: rows, m: p.k / 8, stride: 4 * a.XPixel, mode: 4 * p.stride})
		i += rows
	}
}

// run computes the c-th panel for all pixels of the task, or some panels at
// once, at most most. It returns how many.
func (t *vecTask) run(c, most int) int {
	a, p := t.a, &t.p
	o := c * p.panel
	if t.n == 1 && most >= 4 && o+4*p.panel <= p.og && p.rows != rowsDirect && !p.scaled {
		if t.quad(c) {
			return 4
		}
	}
	valid := min(p.panel, p.og-o)
	eights := ceilDiv(valid, 8)
	w := a.Weight[(t.g*ceilDiv(p.og, 8)*8+o)*p.k:][:p.k*8*eights]
	if p.scaled {
		e := elemArgs{x: &w[0], b: &a.Scale[t.p0/(a.OH*a.OW)*a.C], y: &t.panel[0], n: p.k, m: eights}
		t.v.scalePanel(&e)
		w = t.panel
	}
	o += t.g * p.og
	args := gemmArgs{w: &w[0], width: eights, segs: 1, run: p.k, aheadStep: t.aheadStep}
	var fused bool
	args.mode, args.lo, args.hi, args.scale, fused = vecAct(a.Act)
	// Sums that still need an activation, or are not whole eights, go through
	// scratch.
	direct := fused && valid == 8*eights
	if direct {
		args.bias, args.yStride = &a.Bias[o], 4*a.YPixel
	} else {
		copy(t.bias, a.Bias[o:o+valid])
		clear(t.bias[valid:])
		args.bias, args.yStride, args.mode = &t.bias[0], 4*8*eights, modeLinear
	}
	switch p.rows {
	case rowsPixels:
		args.x, args.xStride = &a.X[t.p0*a.XPixel], 4*a.XPixel
		t.product(&args, o, 0, t.n, direct)
	case rowsGathered:
		args.x, args.xStride = &t.copies[0], 4*p.stride
		t.product(&args, o, 0, t.n, direct)
	case rowsDirect:
		for i := 0; i < t.n; i += a.OW {
			t.line(args, o, i, direct)
		}
		t.edgeColumns(args, o, direct)
	}
	if !direct {
		t.finish(o, valid, 8*eights)
	}
	return 1
}

// quad computes four panels of one pixel at once. It refuses an activation
// that the routine does not know.
func (t *vecTask) quad(c int) bool {
	a, p := t.a, &t.p
	o := t.g*p.og + c*p.panel
	args := gemmArgs{bias: &a.Bias[o], width: 4 * t.v.wide, run: p.k, rows: 1, ahead: t.ahead}
	var fused bool
	if args.mode, args.lo, args.hi, args.scale, fused = vecAct(a.Act); !fused {
		return false
	}
	args.w = &a.Weight[(t.g*ceilDiv(p.og, 8)*8+c*p.panel)*p.k]
	if args.x = &a.X[t.p0*a.XPixel]; p.rows == rowsGathered {
		args.x = &t.copies[0]
	}
	args.y = &a.Y[t.p0*a.YPixel+o]
	if a.HasResidual {
		args.res = &a.Residual[t.p0*a.YPixel+o]
	}
	t.v.gemm(&args)
	return true
}

// product runs the routine for n pixels from the i-th of the task.
func (t *vecTask) product(args *gemmArgs, o, i, n int, direct bool) {
	if n <= 0 {
		return
	}
	args.rows = n
	if direct {
		at := (t.p0+i)*t.a.YPixel + o
		args.y = &t.a.Y[at]
		if t.a.HasResidual {
			args.res = &t.a.Residual[at]
		}
	} else {
		args.y = &t.sums[i*args.yStride/4]
	}
	args.ahead = t.ahead
	t.v.gemm(args)
	t.ahead = args.ahead
}

// edgeRange is the outputs of a row that have all their columns inside of the
// picture; the others are the edge.
type edgeRange struct{ lo, hi int }

func (t *vecTask) edges() (e edgeRange) {
	a := t.a
	e.lo = min(ceilDiv(a.PadLeft, a.StrideW), a.OW)
	e.hi = e.lo
	if room := a.W + a.PadLeft - (a.KW-1)*a.DilationW - 1; room >= 0 {
		e.hi = max(e.lo, min(room/a.StrideW+1, a.OW))
	}
	return e
}

// line runs the inner outputs of a row of a dense kernel, with the kernel rows
// inside of the picture only.
func (t *vecTask) line(args gemmArgs, o, i int, direct bool) {
	a, p, e := t.a, &t.p, t.inner
	row := (t.p0 + i) / a.OW
	h := row%a.OH*a.StrideH - a.PadTop
	k0, k1 := kernelRows(&a.ConvShape, row%a.OH)
	if e.hi == e.lo {
		return
	}
	if k0 >= k1 {
		// Nothing but padding: no runs, the bias alone. The routine wants one.
		k0, k1 = 0, 1
		args.run, args.segs = 0, 1
		args.x = &a.X[0]
		t.product(&args, o, i+e.lo, e.hi-e.lo, direct)
		return
	}
	run := a.KW * a.C
	args.w = &at(a, t.g, o, p, k0*run, args.width)[0]
	args.x = &a.X[((row/a.OH*a.H+h+k0*a.DilationH)*a.W+e.lo*a.StrideW-a.PadLeft)*a.XPixel]
	args.xStride, args.segs, args.run, args.segStride = 4*a.StrideW*a.XPixel, k1-k0, run, 4*a.DilationH*a.W*a.XPixel
	t.product(&args, o, i+e.lo, e.hi-e.lo, direct)
}

// gatherEdges copies the inputs of the edges, column by column, so that those
// of all rows of the task make one product.
func (t *vecTask) gatherEdges() {
	a, k, e := t.a, t.p.k, t.inner
	dst := t.copies
	for ow := range a.OW {
		if ow >= e.lo && ow < e.hi {
			continue
		}
		for i := 0; i < t.n; i += a.OW {
			gatherRow(a, t.g, t.p0+i+ow, dst[:k])
			dst = dst[k:]
		}
	}
}

// edgeColumns runs the edges of all rows of the task.
func (t *vecTask) edgeColumns(args gemmArgs, o int, direct bool) {
	a, k, e := t.a, t.p.k, t.inner
	rows := t.n / a.OW
	args.xStride = 4 * k
	args.yStride *= a.OW
	from := 0
	for ow := range a.OW {
		if ow >= e.lo && ow < e.hi {
			continue
		}
		args.x = &t.copies[from]
		from += rows * k
		if direct {
			t.product(&args, o, ow, rows, true)
			continue
		}
		// Sums in scratch are pixel by pixel as well.
		args.rows, args.y = rows, &t.sums[ow*args.yStride/4/a.OW]
		t.v.gemm(&args)
	}
}

// at is the panel of output o from input k on.
func at(a *Conv, g, o int, p *vecGemm, k, eights int) []float32 {
	o -= g * p.og
	return a.Weight[(g*ceilDiv(p.og, 8)*8+o)*p.k+k*8*eights:]
}

// finish takes the sums of a panel from scratch to Y.
func (t *vecTask) finish(o, valid, width int) {
	a := t.a
	activate(a.Act, t.sums[:t.n*width], t.sums[:t.n*width])
	for i := range t.n {
		sum := t.sums[i*width:][:valid]
		at := (t.p0+i)*a.YPixel + o
		y := a.Y[at:][:valid]
		if !a.HasResidual {
			copy(y, sum)
			continue
		}
		for j, r := range a.Residual[at:][:valid] {
			y[j] = sum[j] + r
		}
	}
}
