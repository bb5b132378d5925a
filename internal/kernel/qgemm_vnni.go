//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// qvnniRows is the rows of the largest tile.
const qvnniRows = 14

// qconvVNNI multiplies by VPDPBUSD, four products and their sum at a time.
var qconvVNNI = QConvKernel{
	Name: "convU8x14x32VNNI", Impl: "avx512", Available: cpu.VNNI,
	Accepts: acceptQGemm,
	PackedLen: func(s *QConvShape) int {
		p := planQGemm(s, qvnniRows)
		return p.blocks() + p.panels*p.k*qPanel
	},
	Pack: packVNNI,
	Tasks: func(s *QConvShape) int {
		p := planQGemm(s, qvnniRows)
		return p.npx * p.nc
	},
	ScratchLen: func(s *QConvShape) int {
		p := planQGemm(s, qvnniRows)
		return p.scratch(s)
	},
	Run: runVNNI,
}

func acceptQGemm(s *QConvShape) bool { return !s.Float && s.Groups == 1 && s.O > 0 && s.C > 0 }

// scratch holds rows that are made and the sums of rows.
func (p *qgemmPlan) scratch(s *QConvShape) int {
	made := 0
	switch p.rows {
	case rowsGathered:
		made = p.px
	case rowsDirect:
		made = innerBytes(s).most(s, p.px/s.OW)
	}
	n := made * p.stride / 4
	if s.HasWZero {
		n += made + p.px
	}
	return n
}

// packVNNI lays out the constants of requantization, then weights as panels
// [panel][kh][run/4][32][4], the last of a width of 16 if that is enough.
func packVNNI(a *QConv, dst []byte) {
	p := planQGemm(&a.QConvShape, qvnniRows)
	p.packQBlocks(a, dst)
	dst = dst[p.blocks():]
	clear(dst)
	taps := a.KH * a.KW
	for o := range a.O {
		width := p.width(a.O, o/qPanel)
		panel := dst[o/qPanel*p.k*qPanel:][:p.k*width]
		for t := range taps {
			for c := range a.C {
				k := t/a.KW*p.run + t%a.KW*a.C + c
				panel[k/4*4*width+o%qPanel*4+k%4] = byte(a.Weight[(o*a.C+c)*taps+t])
			}
		}
	}
}

// width is the outputs of a panel.
func (p *qgemmPlan) width(o, panel int) int {
	if o-panel*qPanel <= quantLanes {
		return quantLanes
	}
	return qPanel
}

func runVNNI(a *QConv, task int, scratch []float32) {
	t := qTask{a: a, p: planQGemm(&a.QConvShape, qvnniRows)}
	p := &t.p
	c0 := task % p.nc * p.ch
	t.p0 = task / p.nc * p.px
	if t.n = min(p.px, p.pixels-t.p0); t.n <= 0 {
		return
	}
	if a.HasWZero {
		t.sums, scratch = Int32s(scratch[:p.px]), scratch[p.px:]
	}
	t.inner = innerBytes(&a.QConvShape)
	made := 0
	switch p.rows {
	case rowsGathered:
		made = p.px
	case rowsDirect:
		made = t.inner.most(&a.QConvShape, p.px/a.OW)
	}
	if a.HasWZero {
		t.madeSums, scratch = Int32s(scratch[:made]), scratch[made:]
	}
	t.made = Bytes(scratch)
	t.prepare()
	for c, end := c0, min(c0+p.ch, p.panels); c < end; {
		c += t.panel(c, end-c)
	}
}

// qTask is the state of one task.
type qTask struct {
	a        *QConv
	p        qgemmPlan
	p0, n    int // pixels
	inner    innerRange
	made     []byte  // rows made in scratch
	sums     []int32 // of the inputs of the task's pixels
	madeSums []int32 // of the rows made in scratch
}

// prepare makes the rows that are not read in place, and adds rows up where
// weights have zero points.
func (t *qTask) prepare() {
	a, p := t.a, &t.p
	switch p.rows {
	case rowsGathered:
		for i := range t.n {
			t.gather(i, t.p0+i)
		}
		t.addMade(t.n)
	case rowsPixels:
		if a.HasWZero {
			rowSumsAVX512(&sumsArgs{x: &a.X[t.p0*a.XPixel], y: &t.sums[0], xStride: a.XPixel, segs: 1, run: a.C, rows: t.n})
		}
	case rowsDirect:
		t.prepareDirect()
	}
}

// gather makes the i-th row, of some pixel.
func (t *qTask) gather(i, pixel int) {
	gatherBytes(t.a, 0, pixel, t.made[i*t.p.stride:][:t.p.k], t.p.run)
}

// addMade adds up the first n rows made.
func (t *qTask) addMade(n int) {
	if t.a.HasWZero && n > 0 {
		rowSumsAVX512(&sumsArgs{x: &t.made[0], y: &t.madeSums[0], xStride: t.p.stride, segs: 1, run: t.p.k, rows: n})
	}
}

// panel computes the c-th panel for all pixels of the task, or four at once.
// It returns how many.
func (t *qTask) panel(c, most int) int {
	a, p := t.a, &t.p
	o := c * qPanel
	width := p.width(a.O, c)
	args := qgemmArgs{q: &a.Packed[qHeader+2*quantBlock*c], w: &a.Packed[p.blocks()+c*p.k*qPanel],
		vecs: width / quantLanes, segs: 1, run: p.k / 4, left: int(a.Packed[0]), lo: uint32(a.Lo), hi: uint32(a.Hi)}
	args.mask = 1<<min(width, a.O-o) - 1
	if a.HasTable {
		args.table = &a.Table[0]
	}
	if !a.Twice() {
		args.single = 1
	}
	many := 1
	if t.n == 1 && most >= 4 && o+4*qPanel <= a.O && p.rows != rowsDirect {
		many, args.vecs, args.panel = 4, 8, p.k*qPanel
	}
	switch p.rows {
	case rowsGathered:
		t.products(&args, 0, o, 0, t.n, 1)
	case rowsPixels:
		args.x, args.xStride = &a.X[t.p0*a.XPixel], a.XPixel
		if a.HasWZero {
			args.sums = &t.sums[0]
		}
		t.multiply(&args, o, 0, t.n, 1)
	case rowsDirect:
		t.direct(&args, o)
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
	if t.a.HasWZero {
		args.sums = &t.madeSums[j]
	}
	t.multiply(args, o, i, n, step)
}

// multiply runs the routine for n rows, whose outputs from o on are of pixels
// i, i+step and so on of the task.
func (t *qTask) multiply(args *qgemmArgs, o, i, n, step int) {
	args.rows = n
	args.y, args.yStride = &t.a.Y[(t.p0+i)*t.a.YPixel+o], step*t.a.YPixel
	qgemmVNNI(args)
}
