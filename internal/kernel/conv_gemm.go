package kernel

// The portable product path: every convolution that is not depthwise, as rows
// of inputs times panels of weights. A pointwise convolution's rows are the
// picture's own pixels; the others gather theirs into scratch (kernel rows,
// padding as zeros, squeeze-and-excite scale applied).

// panelWidth is the number of output channels of a weight panel.
const panelWidth = 4

// taskWork is the multiply-adds aimed at in a task: about 25 microseconds, so
// that handing it out costs nothing and a small layer still feeds many cores.
const taskWork = 1 << 17

// gemmPlan is how a shape is divided: a grid of groups, chunks of pixels and
// chunks of panels.
type gemmPlan struct {
	k       int // products per output: KH*KW*C/Groups, in the order kh, kw, c
	panels  int // of one group
	gather  bool
	pixels  int
	px, ch  int // pixels and panels of a chunk
	npx, nc int // chunks
}

func planGemm(s *ConvShape) (p gemmPlan) {
	og := s.O / s.Groups
	p.k = s.KH * s.KW * (s.C / s.Groups)
	p.panels = ceilDiv(og, panelWidth)
	p.gather = s.HasScale || s.KH*s.KW > 1 || s.StrideH*s.StrideW > 1 || s.PadTop|s.PadLeft != 0 || s.OH != s.H || s.OW != s.W
	p.pixels = s.N * s.OH * s.OW
	work := max(p.k, 1) * panelWidth // of one panel and pixel
	least, most := 4, 32
	if p.gather {
		// Gathering must be worth it, and its rows stay in the cache.
		least = 16
		most = min(most, max(4, (1<<15)/max(p.k, 1)))
	}
	p.px = min(p.pixels, most)
	p.ch = max(least, taskWork/(work*max(p.px, 1)))
	if p.ch >= p.panels {
		p.ch = p.panels
		if grown := taskWork / (work * p.panels); grown > p.px && most == 32 {
			p.px = min(p.pixels, grown, 256)
		}
	}
	// Even chunks, of an even number of pixels.
	p.npx = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	p.px = (ceilDiv(p.pixels, p.npx) + 1) &^ 1
	p.npx = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	p.nc = ceilDiv(p.panels, p.ch)
	p.ch = ceilDiv(p.panels, p.nc)
	p.nc = ceilDiv(p.panels, p.ch)
	return p
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func acceptGemm(s *ConvShape) bool {
	return s.XBlock == 16 && s.YBlock == 16 && s.O > 0 && s.C > 0
}

// acceptPointwise takes the products whose rows are the picture's own pixels.
func acceptPointwise(s *ConvShape) bool {
	return acceptGemm(s) && s.Groups == 1 && !planGemm(s).gather
}

func gemmPackedLen(s *ConvShape) int {
	p := planGemm(s)
	return s.Groups * p.panels * panelWidth * p.k
}

// packGemm lays weights out as panels [group][panel][kh][kw][c][4], zeros
// beyond the last channel.
func packGemm(s *ConvShape, oihw, dst []float32) {
	p, og, cg := planGemm(s), s.O/s.Groups, s.C/s.Groups
	i := 0
	for g := range s.Groups {
		for panel := range p.panels {
			for t := range s.KH * s.KW {
				for c := range cg {
					for j := range panelWidth {
						dst[i] = 0
						if o := panel*panelWidth + j; o < og {
							dst[i] = oihw[((g*og+o)*cg+c)*s.KH*s.KW+t]
						}
						i++
					}
				}
			}
		}
	}
}

func gemmTasks(s *ConvShape) int {
	p := planGemm(s)
	return s.Groups * p.npx * p.nc
}

func gemmScratch(s *ConvShape) int {
	p := planGemm(s)
	n := p.px * p.ch * panelWidth
	if p.gather {
		n += p.px * p.k
	}
	return n
}

// runGemm computes one task: the sums of a chunk of pixels and panels into
// scratch, then the epilogue from there to Y.
func runGemm(a *Conv, task int, scratch []float32) {
	p := planGemm(&a.ConvShape)
	c0 := task % p.nc * p.ch
	p0 := task / p.nc % p.npx * p.px
	g := task / p.nc / p.npx
	n := min(p.px, p.pixels-p0)
	ch := min(p.ch, p.panels-c0)
	if n <= 0 || ch <= 0 {
		return
	}
	width := ch * panelWidth
	sums, rest := scratch[:n*width], scratch[n*width:]
	rows, stride := a.X, a.XPixel
	if p.gather {
		rows, stride = rest[:n*p.k], p.k
		for i := range n {
			gatherRow(a, g, p0+i, rows[i*p.k:][:p.k])
		}
	} else {
		rows = rows[p0*stride+g*p.k:]
	}
	size := p.k * panelWidth
	weights := a.Weight[(g*p.panels+c0)*size:][:ch*size]
	multiply(rows, stride, p.k, n, weights, sums, width)

	og := a.O / a.Groups
	o := g*og + c0*panelWidth
	width = min(width, og-c0*panelWidth)
	bias := a.Bias[o:][:width]
	for i := range n {
		at := (p0+i)*a.YPixel + o
		var residual []float32
		if a.HasResidual {
			residual = a.Residual[at:][:width]
		}
		finish(&a.Act, sums[i*ch*panelWidth:][:width], bias, residual, a.Y[at:][:width])
	}
}

// multiply forms the sums of n rows of k inputs, stride apart, with all the
// panels in w. Panels go outside: one stays in the first-level cache while the
// rows pass.
func multiply(x []float32, stride, k, n int, w, sums []float32, width int) {
	size := k * panelWidth
	if n == 1 {
		x = x[:k]
		j := 0
		for ; j+8 <= width; j += 8 {
			tile1x8(x, w[j*k:][:size], w[j*k+size:][:size], (*[8]float32)(sums[j:]))
		}
		if j < width {
			tile1x4(x, w[j*k:][:size], (*[4]float32)(sums[j:]))
		}
		return
	}
	for j := 0; j < width; j += panelWidth {
		panel := w[j*k:][:size]
		tile2x4(x, stride, k, n, panel, sums[j:], width)
		if n&1 != 0 {
			tile1x4(x[(n-1)*stride:][:k], panel, (*[4]float32)(sums[(n-1)*width+j:]))
		}
	}
}

// gatherRow collects the inputs of output pixel p and group g in the order of
// the weights, zeros where the window lies outside of the picture.
func gatherRow(a *Conv, g, p int, dst []float32) {
	n, oh, ow := p/(a.OH*a.OW), p/a.OW%a.OH, p%a.OW
	cg := a.C / a.Groups
	h, w := oh*a.StrideH-a.PadTop, ow*a.StrideW-a.PadLeft
	for kh := range a.KH {
		line := dst[kh*a.KW*cg:][:a.KW*cg]
		y := h + kh*a.DilationH
		if y < 0 || y >= a.H {
			clear(line)
			continue
		}
		row := (n*a.H + y) * a.W
		if a.DilationW == 1 && a.XPixel == cg {
			// Neighbouring taps are neighbours in memory.
			if w >= 0 && w+a.KW <= a.W {
				copy(line, a.X[(row+w)*cg:])
				continue
			}
			lo := min(max(-w, 0), a.KW)
			hi := max(min(a.W-w, a.KW), lo)
			clear(line[:lo*cg])
			if hi > lo {
				copy(line[lo*cg:hi*cg], a.X[(row+w+lo)*cg:])
			}
			clear(line[hi*cg:])
			continue
		}
		for kw := range a.KW {
			tap := line[kw*cg:][:cg]
			if x := w + kw*a.DilationW; x < 0 || x >= a.W {
				clear(tap)
			} else {
				copy(tap, a.X[(row+x)*a.XPixel+g*cg:])
			}
		}
	}
	if a.HasScale {
		scale := a.Scale[n*a.C+g*cg:][:cg]
		for t := 0; t < len(dst); t += cg {
			tap := dst[t:][:cg]
			for i, v := range scale {
				tap[i] *= v
			}
		}
	}
}
