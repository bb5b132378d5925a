//go:build (amd64 || arm64) && !purego

package kernel

import "unsafe"

// The tasks of the products.

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
	share := aheadShare(t.a.Ahead, t.a.AheadToo, task, tasks)
	steps := panels * ceilDiv(t.n, t.v.rows) * (t.p.k / 4)
	if len(share) > 0 && steps > 0 {
		t.ahead, t.aheadStep = uintptr(unsafe.Pointer(&share[0])), ceilDiv(4*len(share), steps)
	}
}

// aheadShare is a task's share of memory in two pieces; of a share of both, the
// larger part.
func aheadShare(x, y []float32, task, tasks int) []float32 {
	n := len(x) + len(y)
	lo, hi := n*task/tasks, n*(task+1)/tasks
	switch border := len(x); {
	case hi <= border:
		return x[lo:hi]
	case lo >= border:
		return y[lo-border : hi-border]
	case border-lo >= hi-border:
		return x[lo:]
	default:
		return y[:hi-border]
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

// quad computes four panels of one pixel at once. An activation that the
// routine does not know follows in place, unless a residual is added after it:
// that it refuses.
func (t *vecTask) quad(c int) bool {
	a, p := t.a, &t.p
	o := t.g*p.og + c*p.panel
	args := gemmArgs{bias: &a.Bias[o], width: 4 * t.v.wide, run: p.k, rows: 1, ahead: t.ahead}
	var fused bool
	if args.mode, args.lo, args.hi, args.scale, fused = vecAct(a.Act); !fused && a.HasResidual {
		return false
	}
	args.w = &a.Weight[(t.g*ceilDiv(p.og, 8)*8+c*p.panel)*p.k]
	if args.x = &a.X[t.p0*a.XPixel]; p.rows == rowsGathered {
		args.x = &t.copies[0]
	}
	y := a.Y[t.p0*a.YPixel+o:][:4*p.panel]
	args.y = &y[0]
	if a.HasResidual {
		args.res = &a.Residual[t.p0*a.YPixel+o]
	}
	t.v.gemm(&args)
	if !fused {
		t.v.activate(a.Act, y, y)
	}
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

// at is the panel of output o from input k on.
func at(a *Conv, g, o int, p *vecGemm, k, eights int) []float32 {
	o -= g * p.og
	return a.Weight[(g*ceilDiv(p.og, 8)*8+o)*p.k+k*8*eights:]
}

// finish takes the sums of a panel from scratch to Y.
func (t *vecTask) finish(o, valid, width int) {
	a := t.a
	if valid == width && !a.HasResidual && t.v.activateRows(a.Act, t.sums, a.Y[t.p0*a.YPixel+o:], t.n, width, width, a.YPixel) {
		return
	}
	t.v.activate(a.Act, t.sums[:t.n*width], t.sums[:t.n*width])
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
