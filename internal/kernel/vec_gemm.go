//go:build (amd64 || arm64) && !purego

package kernel

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
		Pack: v.packGemm, PackTurned: v.packTurned,
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
			if taps == 1 && valid%4 == 0 {
				packPanel(oihw[(g*og+o0)*cg:], cg, valid, width, dst)
				dst = dst[cg*width:]
				continue
			}
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

// packPanel packs a matrix's rows, a multiple of four, as columns.
func packPanel(x []float32, cg, valid, width int, dst []float32) {
	const block = 64
	for c0 := 0; c0 < cg; c0 += block {
		n := min(block, cg-c0)
		out := dst[c0*width:][:n*width]
		j := 0
		if n%8 == 0 {
			for ; j+8 <= valid && transposeEight(x[j*cg+c0:], cg, n, out[j:], width); j += 8 {
			}
		}
		for ; j < valid; j += 4 {
			r0, r1, r2, r3 := x[j*cg+c0:][:n], x[(j+1)*cg+c0:][:n], x[(j+2)*cg+c0:][:n], x[(j+3)*cg+c0:][:n]
			at := j
			for c, v := range r0 {
				to := (*[4]float32)(out[at:])
				to[0], to[1], to[2], to[3] = v, r1[c], r2[c], r3[c]
				at += width
			}
		}
		if valid < width {
			for c := range n {
				clear(out[c*width+valid:][:width-valid])
			}
		}
	}
}

// packTurned packs the transposed matrix of a pointwise convolution, whose
// panels' rows lie together in the matrix as it is.
func (v *vecISA) packTurned(forward *ConvShape, oihw, dst []float32) bool {
	if forward.KH*forward.KW != 1 || forward.Groups != 1 {
		return false
	}
	// Some rows at a time, which are read in order.
	const block = 16
	for o0 := 0; o0 < forward.O; o0 += block {
		rows := min(block, forward.O-o0)
		for c0 := 0; c0 < forward.C; c0 += 8 * v.wide {
			valid := min(8*v.wide, forward.C-c0)
			width := ceilDiv(valid, 8) * 8
			to := dst[forward.O*c0+o0*width:][:rows*width]
			for o := range rows {
				row, from := to[o*width:][:width], oihw[(o0+o)*forward.C+c0:][:valid]
				if valid == 32 {
					*(*[32]float32)(row) = *(*[32]float32)(from)
					continue
				}
				clear(row[copy(row, from):])
			}
		}
	}
	return true
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
