package kernel

// The portable gradients of convolutions, of plain NHWC.

// GradInputConv gives the convolution that computes a convolution's gradient
// by its input from dy, with the weights of GradInputWeight: where the stride
// is 1 every kernel of ConvKernels serves backwards too.
func GradInputConv(s *ConvShape) (g ConvShape, ok bool) {
	g = ConvShape{N: s.N, H: s.OH, W: s.OW, C: s.O, OH: s.H, OW: s.W, O: s.C, KH: s.KH, KW: s.KW,
		DilationH: s.DilationH, DilationW: s.DilationW, Groups: s.Groups,
		PadTop: (s.KH-1)*s.DilationH - s.PadTop, PadLeft: (s.KW-1)*s.DilationW - s.PadLeft}.Normal()
	return g, s.StrideH == 1 && s.StrideW == 1 && g.PadTop >= 0 && g.PadLeft >= 0
}

// GradInputWeight turns [O,C/Groups,KH,KW] into the weights of GradInputConv:
// inputs and outputs of each group exchanged, the window turned round.
func GradInputWeight(s *ConvShape, oihw, dst []float32) {
	cg, og, taps := s.C/s.Groups, s.O/s.Groups, s.KH*s.KW
	if taps == 1 {
		for g := range s.Groups {
			transposeMatrix(oihw[g*og*cg:], dst[g*og*cg:], og, cg)
		}
		return
	}
	for g := range s.Groups {
		for c := range cg {
			for o := range og {
				from, to := oihw[((g*og+o)*cg+c)*taps:][:taps], dst[((g*cg+c)*og+o)*taps:][:taps]
				for t, v := range from {
					to[taps-1-t] = v
				}
			}
		}
	}
}

// transposeMatrix writes the columns of x, rows x cols, as rows of y, by blocks
// that the first-level cache holds.
func transposeMatrix(x, y []float32, rows, cols int) {
	const block = 32
	for r0 := 0; r0 < rows; r0 += block {
		for c0 := 0; c0 < cols; c0 += block {
			for c := c0; c < min(c0+block, cols); c++ {
				to := y[c*rows:][:rows]
				for r := r0; r < min(r0+block, rows); r++ {
					to[r] = x[r*cols+c]
				}
			}
		}
	}
}

// gradInputRows is the rows of inputs of a task, so many that reordering the
// weights costs little.
func gradInputRows(a *ConvGradInput) int {
	rows := a.N * a.H
	return min(max(1, rows/64, ceilDiv(taskWork, max(1, a.W*a.C*(a.O/a.Groups)*a.KH*a.KW))), max(rows, 1))
}

func convGradInputTasks(a *ConvGradInput) int { return ceilDiv(a.N*a.H, gradInputRows(a)) }

func convGradInputScratch(a *ConvGradInput) int { return a.O * (a.C / a.Groups) * a.KH * a.KW }

func runConvGradInput(a *ConvGradInput, task int, scratch []float32) {
	cg, og, taps := a.C/a.Groups, a.O/a.Groups, a.KH*a.KW
	// Weights as [tap][o][c of the group].
	for o := range a.O {
		for c := range cg {
			for t := range taps {
				scratch[(t*a.O+o)*cg+c] = a.Weight[(o*cg+c)*taps+t]
			}
		}
	}
	lo, hi := chunk(task, gradInputRows(a), a.N*a.H)
	for row := lo; row < hi; row++ {
		n, h := row/a.H, row%a.H
		for w := range a.W {
			dx := a.DX[(row*a.W+w)*a.C:][:a.C]
			clear(dx)
			for kh := range a.KH {
				oh := h + a.PadTop - kh*a.DilationH
				if oh < 0 || oh%a.StrideH != 0 || oh/a.StrideH >= a.OH {
					continue
				}
				for kw := range a.KW {
					ow := w + a.PadLeft - kw*a.DilationW
					if ow < 0 || ow%a.StrideW != 0 || ow/a.StrideW >= a.OW {
						continue
					}
					dy := a.DY[((n*a.OH+oh/a.StrideH)*a.OW+ow/a.StrideW)*a.O:][:a.O]
					tap := scratch[(kh*a.KW+kw)*a.O*cg:][:a.O*cg]
					switch {
					case cg == 1 && og == 1:
						tap = tap[:len(dx)]
						for c, g := range dy[:len(dx)] {
							dx[c] += g * tap[c]
						}
					default:
						for o, g := range dy {
							addScaled(dx[o/og*cg:][:cg], tap[o*cg:][:cg], g)
						}
					}
				}
			}
		}
	}
}

// addScaled is y += g*x.
func addScaled(y, x []float32, g float32) {
	x = x[:len(y)]
	for i := range y {
		y[i] += g * x[i]
	}
}

// The weight's gradient: a task is a chunk of pixels and a block of output
// channels; it leaves its sums, [O][kh][kw][c], beside the other chunks'.

// gradWeightPlan is how a shape is divided.
type gradWeightPlan struct {
	k, size        int // of a channel's weights, of all
	pixels         int
	chunks, px     int
	blocks, ch, og int // of the channels of a group
}

// gradBatch is the pixels whose products are added in one go.
const gradBatch = 4

func planGradWeight(a *ConvGradWeight) (p gradWeightPlan) {
	p.og = a.O / a.Groups
	p.k = a.KH * a.KW * (a.C / a.Groups)
	p.size = a.O * p.k
	p.pixels = a.N * a.OH * a.OW
	p.chunks = max(1, min(ceilDiv(p.pixels, 256), (1<<20)/max(p.size, 1), 64))
	if a.Add {
		p.chunks = 1
	}
	p.px = ceilDiv(ceilDiv(p.pixels, p.chunks), gradBatch) * gradBatch
	p.chunks = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	// A block's sums stay in the first-level cache while the pixels pass.
	p.ch = min(p.og, max(8, (6<<10)/max(p.k, 1)))
	p.blocks = ceilDiv(p.og, p.ch)
	return p
}

func gradWeightTasks(a *ConvGradWeight) int {
	p := planGradWeight(a)
	return a.Groups * p.chunks * p.blocks
}

func gradWeightScratch(a *ConvGradWeight) int { return gradBatch * planGradWeight(a).k }

func gradWeightPartialLen(a *ConvGradWeight) int {
	p := planGradWeight(a)
	return p.chunks * p.size
}

func gradWeightPartial(a *ConvGradWeight) *[]float32 { return &a.Partial }

func runGradWeight(a *ConvGradWeight, task int, scratch []float32) {
	p := planGradWeight(a)
	c0 := task % p.blocks * p.ch
	at := task / p.blocks % p.chunks
	g := task / p.blocks / p.chunks
	ch := min(p.ch, p.og-c0)
	o0 := g*p.og + c0
	sums := a.Partial[at*p.size+o0*p.k:][:ch*p.k]
	if !a.Add {
		clear(sums)
	}
	conv := Conv{ConvShape: a.ConvShape, X: a.X}
	lo, hi := chunk(at, p.px, p.pixels)
	for ; lo < hi; lo += gradBatch {
		n := min(gradBatch, hi-lo)
		for i := range n {
			gatherRow(&conv, g, lo+i, scratch[i*p.k:][:p.k])
		}
		if n < gradBatch {
			for i := range n {
				dy := a.DY[(lo+i)*a.O+o0:][:ch]
				for o, v := range dy {
					addScaled(sums[o*p.k:][:p.k], scratch[i*p.k:], v)
				}
			}
			continue
		}
		x0, x1, x2, x3 := scratch[:p.k], scratch[p.k:][:p.k], scratch[2*p.k:][:p.k], scratch[3*p.k:][:p.k]
		d := a.DY[lo*a.O+o0:]
		for o := range ch {
			d0, d1, d2, d3 := d[o], d[a.O+o], d[2*a.O+o], d[3*a.O+o]
			y := sums[o*p.k:][:p.k]
			x0, x1, x2, x3 := x0[:len(y)], x1[:len(y)], x2[:len(y)], x3[:len(y)]
			for i := range y {
				y[i] += (d0*x0[i] + d1*x1[i]) + (d2*x2[i] + d3*x3[i])
			}
		}
	}
}

func gradWeightMergeTasks(a *ConvGradWeight) int { return ceilDiv(a.O, 16) }

func mergeGradWeight(a *ConvGradWeight, task int) {
	p := planGradWeight(a)
	cg, taps := a.C/a.Groups, a.KH*a.KW
	lo, hi := chunk(task, 16, a.O)
	for o := lo; o < hi; o++ {
		// The chunks add up in the first one's place.
		sums := a.Partial[o*p.k:][:p.k]
		for at := 1; at < p.chunks; at++ {
			addScaled(sums, a.Partial[at*p.size+o*p.k:][:p.k], 1)
		}
		dw := a.DWeight[o*p.k:][:p.k]
		for t := range taps {
			for c := range cg {
				dw[c*taps+t] = sums[t*cg+c]
			}
		}
	}
}

// A depthwise weight's gradient: a task is a chunk of rows of outputs, its
// sums lie [tap][c].

func dwGradRows(a *ConvGradWeight) int {
	if a.Add {
		return max(1, a.N*a.OH)
	}
	return max(1, ceilDiv(a.N*a.OH, 64), chunkElems/max(1, a.OW*a.C))
}

func dwGradWeightTasks(a *ConvGradWeight) int { return ceilDiv(a.N*a.OH, dwGradRows(a)) }

func dwGradWeightPartial(a *ConvGradWeight) int {
	return dwGradWeightTasks(a) * a.C * a.KH * a.KW
}

func runDWGradWeight(a *ConvGradWeight, task int, _ []float32) {
	size := a.C * a.KH * a.KW
	sums := a.Partial[task*size:][:size]
	if !a.Add {
		clear(sums)
	}
	lo, hi := chunk(task, dwGradRows(a), a.N*a.OH)
	for row := lo; row < hi; row++ {
		n, oh := row/a.OH, row%a.OH
		for kh := range a.KH {
			h := oh*a.StrideH - a.PadTop + kh*a.DilationH
			if h < 0 || h >= a.H {
				continue
			}
			for kw := range a.KW {
				tap := sums[(kh*a.KW+kw)*a.C:][:a.C]
				for ow := range a.OW {
					w := ow*a.StrideW - a.PadLeft + kw*a.DilationW
					if w < 0 || w >= a.W {
						continue
					}
					x, dy := a.X[((n*a.H+h)*a.W+w)*a.C:][:len(tap)], a.DY[(row*a.OW+ow)*a.C:][:len(tap)]
					for c := range tap {
						tap[c] += x[c] * dy[c]
					}
				}
			}
		}
	}
}

// mergeDWGradWeight adds up that many chunks.
func mergeDWGradWeight(a *ConvGradWeight, task, chunks int) {
	taps := a.KH * a.KW
	lo, hi := chunk(task, 16, a.C)
	for c := lo; c < hi; c++ {
		for t := range taps {
			var sum float32
			for i := range chunks {
				sum += a.Partial[(i*taps+t)*a.C+c]
			}
			a.DWeight[c*taps+t] = sum
		}
	}
}
