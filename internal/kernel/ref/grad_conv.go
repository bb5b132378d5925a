package ref

// ConvGradInputArgs is the gradient of a convolution's input: DX [N,H,W,C] of
// DY [N,OH,OW,O] and Weight [O,C/Groups,KH,KW]. The shape is the forward
// convolution's, Normal, of plain NHWC, without an epilogue.
type ConvGradInputArgs[T Float] struct {
	ConvShape
	DY, Weight, DX []T
}

// ConvGradInput adds up, for every input, what it gave to each output.
func ConvGradInput[T Float](a *ConvGradInputArgs[T]) {
	cg, og := a.C/a.Groups, a.O/a.Groups
	for i := range a.N * a.H * a.W * a.C {
		c, w, h, n := i%a.C, i/a.C%a.W, i/a.C/a.W%a.H, i/a.C/a.W/a.H
		var sum T
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
				dy := a.DY[((n*a.OH+oh/a.StrideH)*a.OW+ow/a.StrideW)*a.O:]
				for j := range og {
					o := c/cg*og + j
					sum += dy[o] * a.Weight[((o*cg+c%cg)*a.KH+kh)*a.KW+kw]
				}
			}
		}
		a.DX[i] = sum
	}
}

// ConvGradWeightArgs is the gradient of a convolution's weight: DWeight
// [O,C/Groups,KH,KW] of X [N,H,W,C] and DY [N,OH,OW,O]. Partial is the
// memory of a kernel that leaves partial sums. With Add the work is a part of
// a larger one: a kernel that has partial sums keeps one chunk and adds to what
// Partial holds, to be merged once at the end; one that has none adds to
// DWeight. Ahead and AheadToo are as in ConvArgs.
type ConvGradWeightArgs[T Float] struct {
	ConvShape
	Add            bool
	X, DY, DWeight []T
	Partial        []T

	Ahead, AheadToo []T
}

// ConvGradWeight adds up, for every weight, the products it was used with: the
// pixels of a row first, then the rows.
func ConvGradWeight[T Float](a *ConvGradWeightArgs[T]) {
	cg, og := a.C/a.Groups, a.O/a.Groups
	for i := range a.O * cg * a.KH * a.KW {
		kw, kh, c, o := i%a.KW, i/a.KW%a.KH, i/a.KW/a.KH%cg, i/a.KW/a.KH/cg
		c += o / og * cg
		var sum T
		for row := range a.N * a.OH {
			n, h := row/a.OH, row%a.OH*a.StrideH-a.PadTop+kh*a.DilationH
			if h < 0 || h >= a.H {
				continue
			}
			var part T
			for ow := range a.OW {
				if w := ow*a.StrideW - a.PadLeft + kw*a.DilationW; w >= 0 && w < a.W {
					part += a.X[((n*a.H+h)*a.W+w)*a.C+c] * a.DY[(row*a.OW+ow)*a.O+o]
				}
			}
			sum += part
		}
		if a.Add {
			sum += a.DWeight[i]
		}
		a.DWeight[i] = sum
	}
}
