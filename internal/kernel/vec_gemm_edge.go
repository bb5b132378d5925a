//go:build (amd64 || arm64) && !purego

package kernel

// Dense kernels read in place.

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
