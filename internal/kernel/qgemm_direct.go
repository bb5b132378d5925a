//go:build amd64 && !purego

package kernel

// Dense kernels read in place: outputs whose inputs lie inside of the picture,
// with what their runs are rounded up by, are products of the picture itself, a
// row of outputs at a time. The rows of the others are made in scratch: columns
// at the edges, and the rest of rows of outputs at the top and the bottom.

// innerRange is the outputs read in place: columns and, of every picture, rows.
type innerRange struct{ lo, hi, top, bottom int }

func innerBytes(s *QConvShape) (e innerRange) {
	run := ceilDiv(s.KW*s.C, 4) * 4
	e.lo = min(ceilDiv(s.PadLeft, s.StrideW), s.OW)
	// The last byte read of a row of the picture is its last at most.
	e.hi = e.lo
	if room := (s.W-1)*s.XPixel + s.C - run; room >= 0 {
		e.hi = max(e.lo, min((room/s.XPixel+s.PadLeft)/s.StrideW+1, s.OW))
	}
	e.top = min(ceilDiv(s.PadTop, s.StrideH), s.OH)
	e.bottom = e.top
	if room := s.H - 1 - (s.KH-1)*s.DilationH; room >= 0 {
		e.bottom = max(e.top, min((room+s.PadTop)/s.StrideH+1, s.OH))
	}
	return e
}

// most is the rows that are made at most for a task of some rows of outputs.
func (e innerRange) most(s *QConvShape, rows int) int {
	outer := s.OH - (e.bottom - e.top)
	return rows*(s.OW-(e.hi-e.lo)) + min(rows, (ceilDiv(rows, s.OH)+1)*outer)*(e.hi-e.lo)
}

// in reports whether row of outputs number i is read in place.
func (e innerRange) in(row int) bool { return row >= e.top && row < e.bottom }

// prepareDirect makes the rows: the columns at the edges, one after the other,
// then the outer rows.
func (t *qTask) prepareDirect() {
	a, e := t.a, t.inner
	n := 0
	for ow := range a.OW {
		if ow >= e.lo && ow < e.hi {
			continue
		}
		for i := 0; i < t.n; i += a.OW {
			t.gather(n, t.p0+i+ow)
			n++
		}
	}
	for i := 0; i < t.n; i += a.OW {
		row := (t.p0 + i) / a.OW
		if e.in(row % a.OH) {
			if a.HasWZero && e.hi > e.lo {
				sums := sumsArgs{y: &t.sums[i+e.lo], segs: a.KH, run: a.KW * a.C, rows: e.hi - e.lo, factor: t.factor()}
				sums.x, sums.xStride, sums.segStride = t.inPlace(row)
				rowSumsAVX512(&sums)
			}
			continue
		}
		for ow := e.lo; ow < e.hi; ow++ {
			t.gather(n, t.p0+i+ow)
			n++
		}
	}
	t.addMade(n)
}

// inPlace is where the inputs of the first inner output of a row begin, and
// what lies between those of outputs and between runs.
func (t *qTask) inPlace(row int) (x *uint8, stride, segStride int) {
	a := t.a
	h, w := row%a.OH*a.StrideH-a.PadTop, t.inner.lo*a.StrideW-a.PadLeft
	return &a.X[((row/a.OH*a.H+h)*a.W+w)*a.XPixel], a.StrideW * a.XPixel, a.DilationH * a.W * a.XPixel
}

// direct runs a panel of outputs from o on.
func (t *qTask) direct(args *qgemmArgs, o int) {
	a, p, e := t.a, &t.p, t.inner
	made, rows := 0, t.n/a.OW
	for ow := range a.OW {
		if ow < e.lo || ow >= e.hi {
			t.products(args, made, o, ow, rows, a.OW)
			made += rows
		}
	}
	if e.hi == e.lo {
		return
	}
	for i := 0; i < t.n; i += a.OW {
		row := (t.p0 + i) / a.OW
		if !e.in(row % a.OH) {
			t.products(args, made, o, i+e.lo, e.hi-e.lo, 1)
			made += e.hi - e.lo
			continue
		}
		args.x, args.xStride, args.segStride = t.inPlace(row)
		args.segs, args.run = a.KH, p.run/4
		if a.HasWZero {
			args.sums = &t.sums[i+e.lo]
		}
		t.multiply(args, o, i+e.lo, e.hi-e.lo, 1)
	}
}
