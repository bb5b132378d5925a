//go:build (amd64 || arm64) && !purego

package kernel

// The gradients of depthwise convolutions on vector registers.

func (v *vecISA) acceptDWGrad(s *ConvShape) bool {
	return s.Groups == s.C && s.O == s.C && s.C > 0 && s.KH <= 5 && s.KW <= 5
}

// The weight's gradient: a task is a chunk of rows of outputs; its sums lie
// [tap][c].

func vecDWGradRows(a *ConvGradWeight) int {
	if a.Add {
		return max(1, a.N*a.OH)
	}
	return max(1, ceilDiv(a.N*a.OH, vecNormChunks), vecNormElems/2/max(1, a.OW*a.C))
}

func vecDWGradTasks(a *ConvGradWeight) int { return ceilDiv(a.N*a.OH, vecDWGradRows(a)) }

func (v *vecISA) dwGradWeightKernel() Kernel[ConvGradWeight] {
	k := Kernel[ConvGradWeight]{
		Name: "dwconvgradwF32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: gradWeightError,
		Accepts:    func(a *ConvGradWeight) bool { return v.acceptDWGrad(&a.ConvShape) },
		Tasks:      vecDWGradTasks,
		ScratchLen: noScratch[ConvGradWeight],
		Run:        v.runDWGradWeight,
	}
	k.Reduce = &Reduction[ConvGradWeight]{
		Len:   func(a *ConvGradWeight) int { return vecDWGradTasks(a) * a.C * a.KH * a.KW },
		At:    gradWeightPartial,
		Tasks: gradWeightMergeTasks,
		Merge: func(a *ConvGradWeight, task int) { mergeDWGradWeight(a, task, vecDWGradTasks(a)) },
	}
	return k
}

func (v *vecISA) runDWGradWeight(a *ConvGradWeight, task int, _ []float32) {
	size := a.C * a.KH * a.KW
	sums := a.Partial[task*size:][:size]
	if !a.Add {
		clear(sums)
	}
	lo, hi := chunk(task, vecDWGradRows(a), a.N*a.OH)
	// So many rows at a time that they stay in the second-level cache.
	most := max(1, (1<<16)/(a.C*(a.OW+a.StrideH*a.W)))
	for lo < hi {
		n, oh := lo/a.OH, lo%a.OH
		rows := min(most, hi-lo, a.OH-oh)
		v.dwGradWeightRows(a, a.X[n*a.H*a.W*a.C:], a.DY[lo*a.OW*a.C:], 0, oh, oh+rows, sums)
		lo += rows
	}
}

// dwGradWeightRows adds what the outputs of rows [oh0,oh1) of one picture give.
// x begins with row h0 of the picture, dy with row oh0.
func (v *vecISA) dwGradWeightRows(a *ConvGradWeight, x, dy []float32, h0, oh0, oh1 int, sums []float32) {
	c := a.C
	args := gradTapsArgs{xRow: 4 * a.StrideH * a.W * c, xCol: 4 * a.StrideW * c, tap: 4 * a.DilationW * c,
		dyRow: 4 * a.OW * c, dyCol: 4 * c, sumStride: 4 * c, channels: c}
	for kh := range a.KH {
		// The rows whose kernel row lies inside of the picture.
		first, last := window(a.H, a.StrideH, kh*a.DilationH-a.PadTop, oh0, oh1)
		if first >= last {
			continue
		}
		args.rows = last - first
		h := first*a.StrideH - a.PadTop + kh*a.DilationH - h0
		for ow := 0; ow < a.OW; {
			// Neighbouring outputs with the same taps inside go together.
			k0, k1 := tapsInside(a.W, ow*a.StrideW-a.PadLeft, a.KW, a.DilationW)
			end := ow + 1
			if k0 == 0 && k1 == a.KW {
				_, end = window(a.W, a.StrideW, (a.KW-1)*a.DilationW-a.PadLeft, ow, a.OW)
			}
			if k0 < k1 {
				w := ow*a.StrideW - a.PadLeft + k0*a.DilationW
				args.x, args.dy = &x[(h*a.W+w)*c], &dy[((first-oh0)*a.OW+ow)*c]
				args.sums, args.cols, args.taps = &sums[(kh*a.KW+k0)*c], end-ow, k1-k0
				v.dwGradTaps(&args)
			}
			ow = end
		}
	}
}

// window is the part of [lo,hi) for which i*stride + shift lies in [0,n).
func window(n, stride, shift, lo, hi int) (int, int) {
	first := max(lo, ceilDiv(max(-shift, 0), stride))
	last := min(hi, ceilDiv(max(n-shift, 0), stride))
	return first, last
}

// tapsInside is the taps of a window at w that lie in [0,n).
func tapsInside(n, w, taps, dilation int) (k0, k1 int) {
	k0 = max(0, ceilDiv(max(-w, 0), dilation))
	k1 = min(taps, ceilDiv(max(n-w, 0), dilation))
	return k0, max(k0, k1)
}

// The input's gradient where the stride is 2: an input of odd or even row and
// column takes every second tap, so it is a small window over the gradients.

func (v *vecISA) acceptDWGradInput(a *ConvGradInput) bool {
	return v.acceptDWGrad(&a.ConvShape) && a.StrideH == 2 && a.StrideW == 2 && a.DilationH == 1 && a.DilationW == 1 && a.OW > 0 && a.OH > 0
}

func vecGradInputRows(a *ConvGradInput) int {
	return max(1, ceilDiv(a.N*a.H, vecNormChunks), vecNormElems/max(1, a.W*a.C))
}

func vecGradInputKernels() (out []Kernel[ConvGradInput]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[ConvGradInput]{
			Name: "dwconvgradxF32S2" + v.suffix, Impl: v.impl, Available: v.available, MaxError: gradInputError,
			Accepts:    v.acceptDWGradInput,
			Tasks:      func(a *ConvGradInput) int { return ceilDiv(a.N*a.H, vecGradInputRows(a)) },
			ScratchLen: func(a *ConvGradInput) int { return a.C * a.KH * a.KW },
			Run: func(a *ConvGradInput, task int, scratch []float32) {
				turnTaps(a, scratch)
				lo, hi := chunk(task, vecGradInputRows(a), a.N*a.H)
				for row := lo; row < hi; row++ {
					v.dwGradInputRow(a, a.DY[row/a.H*a.OH*a.OW*a.C:], row%a.H, a.DX[row*a.W*a.C:], scratch)
				}
			},
		})
	}
	return out
}

// turnTaps lays the weights out [kh][kw][c].
func turnTaps(a *ConvGradInput, w []float32) {
	taps := a.KH * a.KW
	for t := range taps {
		out := w[t*a.C:][:a.C]
		for c := range out {
			out[c] = a.Weight[c*taps+t]
		}
	}
}

// dwGradInputRow computes row h of a picture's gradient from the picture's
// gradients dy.
func (v *vecISA) dwGradInputRow(a *ConvGradInput, dy []float32, h int, dx, w []float32) {
	c := a.C
	args := tapsArgs{xStep: 4 * c, yStep: 8 * c, channels: c}
	// The kernel rows that meet a row of gradients.
	var rows [3]struct{ kh, oh int }
	n := 0
	for kh := (h + a.PadTop) % 2; kh < a.KH; kh += 2 {
		if oh := (h + a.PadTop - kh) / 2; h+a.PadTop >= kh && oh < a.OH {
			rows[n].kh, rows[n].oh = kh, oh
			n++
		}
	}
	if n == 0 {
		clear(dx[:a.W*c])
		return
	}
	args.rows = n
	for parity := range min(2, a.W) {
		k0 := (parity + a.PadLeft) % 2 // the first tap of this parity
		taps := (a.KW - k0 + 1) / 2
		shift := (parity + a.PadLeft - k0) / 2 // output i and tap j meet gradient i+shift-j
		outputs := (a.W - parity + 1) / 2
		for i := 0; i < outputs; {
			// Taps run backwards, so that gradients run forwards.
			j1 := min(taps, i+shift+1)
			j0 := max(0, i+shift-a.OW+1)
			end := i + 1
			if taps > 0 && j0 == 0 && j1 == taps {
				end = max(end, min(outputs, a.OW-shift))
			}
			out := dx[(parity+2*i)*c:]
			if j0 >= j1 {
				clear(out[:c])
				i = end
				continue
			}
			args.n, args.cols, args.y, args.wStep = end-i, j1-j0, &out[0], -8*c
			last := j1 - 1
			at := func(r int) (*float32, *float32) {
				return &dy[(rows[r].oh*a.OW+i+shift-last)*c], &w[(rows[r].kh*a.KW+k0+2*last)*c]
			}
			args.x0, args.w0 = at(0)
			if n > 1 {
				args.x1, args.w1 = at(1)
			}
			if n > 2 {
				args.x2, args.w2 = at(2)
			}
			v.dwTaps(&args)
			i = end
		}
	}
}
