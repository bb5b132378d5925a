package kernel

// The portable depthwise convolutions. A task is some rows of the output. It
// walks them tile by tile, reading the picture in place; only a tile that
// meets the edge is copied into scratch first, with zeros around it, so that
// there is one arithmetic for all.

// dwTaskWork is the multiply-adds aimed at in a task. They cost twice those of
// a product, and a small picture has few rows.
const dwTaskWork = taskWork / 4

// dwPlan says how a shape is divided and which tile serves it.
type dwPlan struct {
	tile      int // outputs of a tile
	cols      int // input columns of a tile
	phase     int // distance of a tile's outputs: the dilation
	rows      int // output rows of a task
	perKernel int // weights of a channel that lie together
}

func planDepthwise(s *ConvShape) dwPlan {
	p := dwPlan{tile: 1, cols: s.KW, phase: 1, perKernel: 1}
	square := s.KH == s.KW
	switch {
	case square && s.KW == 3 && s.StrideW == 1:
		// Outputs a dilation apart share their columns.
		p = dwPlan{tile: 4, cols: 6, phase: s.DilationW, perKernel: 9}
	case square && s.KW == 3 && s.StrideW == 2 && s.DilationW == 1:
		p = dwPlan{tile: 2, cols: 5, phase: 1, perKernel: 9}
	case square && s.KW == 5 && s.StrideW == 1:
		p = dwPlan{tile: 4, cols: 8, phase: s.DilationW, perKernel: 5}
	case square && s.KW == 5 && s.StrideW == 2 && s.DilationW == 1:
		p = dwPlan{tile: 2, cols: 7, phase: 1, perKernel: 5}
	}
	rows := s.N * s.OH
	p.rows = min(max(dwTaskWork/max(s.OW*s.C*s.KH*s.KW, 1), 1), max(rows, 1))
	p.rows = ceilDiv(rows, max(ceilDiv(rows, p.rows), 1))
	return p
}

// acceptDepthwise takes the shapes of the k x k tile with a stride, or with k 0
// those that no tile serves.
func acceptDepthwise(k, stride int) func(s *ConvShape) bool {
	return func(s *ConvShape) bool {
		if s.Groups != s.C || s.O != s.C || s.HasScale || s.XBlock != 16 || s.YBlock != 16 || s.C == 0 {
			return false
		}
		if k == 0 {
			return planDepthwise(s).tile == 1
		}
		return s.KH == k && s.KW == k && s.StrideW == stride && (stride == 1 || s.DilationW == 1)
	}
}

func dwPackedLen(s *ConvShape) int { return s.C * s.KH * s.KW }

// packDepthwise lays weights out as [tap / perKernel][c][tap % perKernel].
func packDepthwise(s *ConvShape, oihw, dst []float32) {
	taps, per := s.KH*s.KW, planDepthwise(s).perKernel
	for c := range s.C {
		for t := range taps {
			dst[(t/per*s.C+c)*per+t%per] = oihw[c*taps+t]
		}
	}
}

func dwTasks(s *ConvShape) int {
	return ceilDiv(s.N*s.OH, max(planDepthwise(s).rows, 1))
}

// dwScratch holds a tile's sums, its columns copied, and a row of zeros.
func dwScratch(s *ConvShape) int {
	p := planDepthwise(s)
	return s.C * (p.tile + p.cols*(s.KH+1))
}

func runDepthwise(a *Conv, task int, scratch []float32) {
	p, c := planDepthwise(&a.ConvShape), a.C
	t := dwTiles{a: a, p: p, sums: scratch[:p.tile*c]}
	t.zeros = scratch[p.tile*c:][:p.cols*c]
	t.patch = scratch[(p.tile+p.cols)*c:][:p.cols*c*a.KH]
	clear(t.zeros)
	for row := task * p.rows; row < min((task+1)*p.rows, a.N*a.OH); row++ {
		for phase := range min(p.phase, a.OW) {
			for ow := phase; ow < a.OW; ow += p.tile * p.phase {
				t.run(row, ow)
			}
		}
	}
}

// dwTiles is the state of one task.
type dwTiles struct {
	a                  *Conv
	p                  dwPlan
	sums, zeros, patch []float32
	step               int // distance of columns in the source of the current tile
	direct             bool
	n, h, w            int // top left of the window: picture, row, column
}

// run computes the outputs ow, ow+phase, ... of an output row.
func (t *dwTiles) run(row, ow int) {
	a, p, c := t.a, &t.p, t.a.C
	n, oh := row/a.OH, row%a.OH
	t.n, t.h, t.w = n, oh*a.StrideH-a.PadTop, ow*a.StrideW-a.PadLeft
	// The zeros that stand for rows outside are as dense as a copy, so beside
	// them the picture can be read in place only if it is as dense.
	t.step = a.DilationW * a.XPixel
	t.direct = t.w >= 0 && t.w+(p.cols-1)*a.DilationW < a.W &&
		(t.step == c || t.h >= 0 && t.h+(a.KH-1)*a.DilationH < a.H)
	if !t.direct {
		t.step = c
	}
	s, w := t.sums, a.Weight
	switch {
	case p.tile == 4 && p.perKernel == 9:
		dw3s1(t.line(0), t.line(1), t.line(2), t.step, w, s[:c], s[c:], s[2*c:], s[3*c:])
	case p.tile == 2 && p.perKernel == 9:
		dw3s2(t.line(0), t.line(1), t.line(2), t.step, w, s[:c], s[c:])
	case p.tile == 4:
		clear(s)
		for kh := range a.KH {
			dw5s1(t.line(kh), t.step, w[kh*5*c:], s[:c], s[c:], s[2*c:], s[3*c:])
		}
	case p.tile == 2:
		clear(s)
		for kh := range a.KH {
			dw5s2(t.line(kh), t.step, w[kh*5*c:], s[:c], s[c:])
		}
	default:
		clear(s)
		for kh := range a.KH {
			line := t.line(kh)
			for kw := range a.KW {
				dwTap(line[kw*t.step:], w[(kh*a.KW+kw)*c:], s)
			}
		}
	}
	for i := 0; i < p.tile && ow+i*p.phase < a.OW; i++ {
		at := (row*a.OW + ow + i*p.phase) * a.YPixel
		var residual []float32
		if a.HasResidual {
			residual = a.Residual[at:][:c]
		}
		finish(&a.Act, s[i*c:][:c], a.Bias, residual, a.Y[at:][:c])
	}
}

// line is the tile's columns of kernel row kh, step apart: the picture itself,
// zeros above and below it, or a copy where the tile meets the left or right
// edge.
func (t *dwTiles) line(kh int) []float32 {
	a, c := t.a, t.a.C
	h := t.h + kh*a.DilationH
	if h < 0 || h >= a.H {
		return t.zeros
	}
	first := (t.n*a.H+h)*a.W + t.w
	if t.direct {
		return a.X[first*a.XPixel:]
	}
	line := t.patch[kh*t.p.cols*c:][:t.p.cols*c]
	for j := range t.p.cols {
		dst := line[j*c:][:c]
		if w := t.w + j*a.DilationW; w < 0 || w >= a.W {
			clear(dst)
		} else {
			copy(dst, a.X[(first+j*a.DilationW)*a.XPixel:])
		}
	}
	return line
}
