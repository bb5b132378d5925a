//go:build amd64 && !purego

package kernel

import (
	"encoding/binary"
	"unsafe"
)

// The tasks of the products of bytes.

// qTask is the state of one task.
type qTask struct {
	v        *qISA
	a        *QConv
	p        qPlan
	p0, n    int // pixels
	inner    innerRange
	made     []byte  // rows made in scratch
	sums     []int32 // of the inputs of the task's pixels
	madeSums []int32 // of the rows made in scratch
	acc      []int32 // of a block of tiles
	// The address of the memory to fetch by the way, not a pointer: it may
	// run past the end.
	ahead     uintptr
	aheadStep int    // in bytes for sixteen inputs of a tile
	line      []byte // a row of bytes on its way to words
	part      []byte // bytes of a panel that is not whole (words)
}

func (v *qISA) run(a *QConv, task int, scratch []float32) {
	t := qTask{v: v, a: a, p: v.plan(&a.QConvShape)}
	p := &t.p
	c0 := task % p.nc * p.ch
	t.p0 = task / p.nc * p.px
	if t.n = min(p.px, p.pixels-t.p0); t.n <= 0 {
		return
	}
	if p.rows == rowsDirect {
		t.inner = innerBytes(&a.QConvShape)
	}
	made := p.made(v, &a.QConvShape)
	t.made, scratch = Bytes(scratch[:made*p.stride/4]), scratch[made*p.stride/4:]
	switch {
	case v.kind == qTiles:
		t.acc, scratch = Int32s(scratch[:qBlock]), scratch[qBlock:]
	case v.kind == qWords:
		t.part, t.line = Bytes(scratch[:4*p.px]), Bytes(scratch[4*p.px:])
	}
	if a.HasWZero && v.kind != qWords {
		t.sums, t.madeSums = Int32s(scratch[:p.px]), Int32s(scratch[p.px:][:made])
	}
	t.prepare()
	end := min(c0+p.ch, p.panels)
	t.fetchAhead(task, end-c0)
	for c := c0; c < end; {
		c += t.panel(c, end-c)
	}
	if a.HasTable && !v.look {
		from, to := c0*v.panel, min(end*v.panel, a.O)
		for i := range t.n {
			y := a.Y[(t.p0+i)*a.YPixel:][from:to]
			lookUpBytes(a.Table, y, y)
		}
	}
}

// fetchAhead sets the task's share of the memory that later steps need, spread
// over its work.
func (t *qTask) fetchAhead(task, panels int) {
	a, p := t.a, &t.p
	t.ahead = uintptr(unsafe.Pointer(&a.Packed[0]))
	n, tasks := len(a.Ahead), p.npx*p.nc
	share := a.Ahead[n*task/tasks : n*(task+1)/tasks]
	steps := p.k / 16
	if p.rows == rowsDirect {
		steps = a.KH * (p.run / 16)
	}
	if steps *= panels * ceilDiv(t.n, t.v.unit); steps > 0 && len(share) > 0 {
		t.ahead, t.aheadStep = uintptr(unsafe.Pointer(&share[0])), ceilDiv(len(share), steps)
	}
}

// prepare makes the rows that are not read in place, and adds rows up where
// weights have zero points.
func (t *qTask) prepare() {
	a, p := t.a, &t.p
	switch {
	case p.rows == rowsDirect:
		t.prepareDirect()
	case t.v.kind == qWords:
		t.prepareWords()
	case p.rows == rowsGathered:
		for i := range t.n {
			t.gather(i, t.p0+i)
		}
		t.addMade(t.n)
	default:
		if a.HasWZero {
			rowSumsAVX512(&sumsArgs{x: &a.X[t.p0*a.XPixel], y: &t.sums[0], xStride: a.XPixel, segs: 1, run: a.C, rows: t.n, factor: t.factor()})
		}
		for i := t.safe(); i < t.n; i++ {
			copy(t.made[(i-t.safe())*p.stride:], a.X[(t.p0+i)*a.XPixel:][:a.C])
		}
	}
}

// safe is the pixels of the task whose rows are read in place.
func (t *qTask) safe() int { return min(t.n, max(0, t.p.pixels-t.p.over-t.p0)) }

// gather makes the i-th row, of some pixel.
func (t *qTask) gather(i, pixel int) {
	gatherBytes(t.a, 0, pixel, t.made[i*t.p.stride:][:t.a.KH*t.p.run], t.p.run)
}

// prepareWords makes rows of words.
func (t *qTask) prepareWords() {
	a, p := t.a, &t.p
	args := wordsArgs{y: (*uint16)(unsafe.Pointer(&t.made[0])), yStride: p.stride, n: a.KH * p.run, rows: 1}
	if p.rows == rowsPixels {
		args.x, args.xStride, args.rows = &a.X[t.p0*a.XPixel], a.XPixel, t.n
		wordsAVX2(&args)
		return
	}
	line := t.line[:args.n]
	args.x = &line[0]
	for i := range t.n {
		gatherBytes(a, 0, t.p0+i, line, p.run)
		args.y = (*uint16)(unsafe.Pointer(&t.made[i*p.stride]))
		wordsAVX2(&args)
	}
}

// addMade adds up the first n rows made.
func (t *qTask) addMade(n int) {
	if t.a.HasWZero && n > 0 {
		rowSumsAVX512(&sumsArgs{x: &t.made[0], y: &t.madeSums[0], xStride: t.p.stride, segs: 1, run: t.a.KH * t.p.run, rows: n, factor: t.factor()})
	}
}

// factor is what sums of rows are multiplied by: the zero point of the weights
// if they all have the same.
func (t *qTask) factor() int { return int(int32(binary.NativeEndian.Uint32(t.a.Packed[4:]))) }

// panel computes the c-th panel for all pixels of the task, or four at once.
// It returns how many.
func (t *qTask) panel(c, most int) int {
	a, p, v := t.a, &t.p, t.v
	o := c * v.panel
	width := v.width(a.O, c)
	args := qgemmArgs{q: &a.Packed[qHeader+v.panel/quantLanes*quantBlock*c], w: &a.Packed[p.blocks()+c*p.panelLen(v)],
		vecs: width / quantLanes, segs: 1, left: int(a.Packed[0]), uniform: int(a.Packed[1]), lo: uint32(a.Lo), hi: uint32(a.Hi)}
	args.mask = 1<<min(width, a.O-o) - 1
	if a.HasTable && v.look {
		args.table = &a.Table[0]
	}
	if !a.Twice() {
		args.single = roundOnceOrFloat(&a.QConvShape)
	}
	many := 1
	if v.kind == qVNNI && t.n == 1 && most >= 4 && o+4*v.panel <= a.O && p.rows != rowsDirect {
		many, args.vecs, args.panel = 4, 8, p.panelLen(v)
	}
	switch {
	case p.rows == rowsDirect:
		t.direct(&args, o)
	case p.rows == rowsGathered || v.kind == qWords:
		t.products(&args, 0, o, 0, t.n, 1)
	default:
		safe := t.safe()
		if safe > 0 {
			args.x, args.xStride, args.run = &a.X[t.p0*a.XPixel], a.XPixel, p.k/4
			if a.HasWZero {
				args.sums = &t.sums[0]
			}
			t.multiply(&args, o, 0, safe, 1)
		}
		if safe < t.n {
			args.x, args.xStride, args.run = &t.made[0], p.stride, p.k/4
			if a.HasWZero {
				args.sums = &t.sums[safe]
			}
			t.multiply(&args, o, safe, t.n-safe, 1)
		}
	}
	return many
}

// products takes n rows made in scratch from the j-th on to pixels i, i+step
// and so on of the task.
func (t *qTask) products(args *qgemmArgs, j, o, i, n, step int) {
	if n <= 0 {
		return
	}
	args.x, args.xStride, args.segs, args.run = &t.made[j*t.p.stride], t.p.stride, 1, t.p.k/4
	if t.v.kind == qWords {
		args.run = t.p.k / 2
	}
	if t.a.HasWZero && t.v.kind != qWords {
		args.sums = &t.madeSums[j]
	}
	t.multiply(args, o, i, n, step)
}

// multiply runs the routine for n rows, whose outputs from o on are of pixels
// i, i+step and so on of the task.
func (t *qTask) multiply(args *qgemmArgs, o, i, n, step int) {
	at := (t.p0+i)*t.a.YPixel + o
	args.rows = n
	args.y, args.yStride = &t.a.Y[at], step*t.a.YPixel
	switch t.v.kind {
	case qVNNI:
		args.ahead, args.aheadStep = t.ahead, t.aheadStep
		qgemmVNNI(args)
		t.ahead = args.ahead
	case qTiles:
		t.tiles(args)
	default:
		valid := t.a.O - o
		if valid >= quantLanes || valid == 8 {
			qgemmAVX2(args)
			return
		}
		// The routine stores whole sixteens or eights.
		args.mask, args.y, args.yStride = 0xffff, &t.part[0], quantLanes
		qgemmAVX2(args)
		for i := range n {
			copy(t.a.Y[at+i*step*t.a.YPixel:][:valid], t.part[i*quantLanes:])
		}
	}
}

// tiles runs whole blocks of 32 rows, then what is left with smaller tiles.
// Pointers move only to rows that exist: one past the end of its memory would
// point into another object, which the garbage collector does not forgive.
func (t *qTask) tiles(args *qgemmArgs) {
	args.acc = &t.acc[0]
	blocks, rest := args.rows&^31, args.rows&31
	if blocks > 0 {
		args.rows, args.config = blocks, tileConfig(16, 16)
		qgemmAMX(args)
	}
	if rest > 0 {
		if blocks > 0 {
			args.x = (*uint8)(unsafe.Add(unsafe.Pointer(args.x), blocks*args.xStride))
			args.y = (*uint8)(unsafe.Add(unsafe.Pointer(args.y), blocks*args.yStride))
			if args.sums != nil {
				args.sums = (*int32)(unsafe.Add(unsafe.Pointer(args.sums), 4*blocks))
			}
		}
		args.rows, args.config = rest, tileConfig(min(rest, 16), max(rest-16, 0))
		qgemmAMX(args)
	}
}
