package ref

// PoolGradArgs is the gradient of a pooling's input X: the forward block with
// DY, of the result, and DX. A maximum's gradient goes to the first of the
// largest elements of a window, in the order of rows.
type PoolGradArgs[T Float] struct {
	N, H, W, C, OH, OW   int
	KH, KW               int
	StrideH, StrideW     int
	DilationH, DilationW int
	PadTop, PadLeft      int
	Max, CountPad        bool
	X, DY, DX            []T
}

// PoolGrad gives each window's gradient back to its elements.
func PoolGrad[T Float](a *PoolGradArgs[T]) {
	clear(a.DX[:a.N*a.H*a.W*a.C])
	for i := range a.N * a.OH * a.OW * a.C {
		c, ow, oh, n := i%a.C, i/a.C%a.OW, i/a.C/a.OW%a.OH, i/a.C/a.OW/a.OH
		count, best := 0, -1
		var taps []int
		for kh := range a.KH {
			for kw := range a.KW {
				h, w := oh*a.StrideH-a.PadTop+kh*a.DilationH, ow*a.StrideW-a.PadLeft+kw*a.DilationW
				if h < 0 || h >= a.H || w < 0 || w >= a.W {
					continue
				}
				at := ((n*a.H+h)*a.W+w)*a.C + c
				if count, taps = count+1, append(taps, at); best < 0 || a.X[at] > a.X[best] || a.X[at] != a.X[at] {
					best = at
				}
			}
		}
		if a.CountPad {
			count = a.KH * a.KW
		}
		switch {
		case a.Max && best >= 0:
			a.DX[best] += a.DY[i]
		case !a.Max:
			for _, at := range taps {
				a.DX[at] += a.DY[i] / T(count)
			}
		}
	}
}

// ResizeGradArgs is the gradient of a resize's input: DX [N,H,W,C] of DY
// [N,OH,OW,C].
type ResizeGradArgs[T Float] struct {
	N, H, W, C, OH, OW int
	Nearest            bool
	Rule               ResizeRule
	DY, DX             []T
}

// ResizeGrad gives each output's gradient back to its four inputs.
func ResizeGrad[T Float](a *ResizeGradArgs[T]) {
	clear(a.DX[:a.N*a.H*a.W*a.C])
	for i := range a.N * a.OH * a.OW * a.C {
		c, ow, oh, n := i%a.C, i/a.C%a.OW, i/a.C/a.OW%a.OH, i/a.C/a.OW/a.OH
		h0, h1, fh := ResizeSource(oh, a.H, a.OH, a.Rule, a.Nearest)
		w0, w1, fw := ResizeSource(ow, a.W, a.OW, a.Rule, a.Nearest)
		add := func(h, w int, f float64) { a.DX[((n*a.H+h)*a.W+w)*a.C+c] += a.DY[i] * T(f) }
		add(h0, w0, (1-fh)*(1-fw))
		add(h0, w1, (1-fh)*fw)
		add(h1, w0, fh*(1-fw))
		add(h1, w1, fh*fw)
	}
}

// SliceArgs takes the part of X, of Rank extents From, that begins at Start
// and has the extents Shape.
type SliceArgs[T Float] struct {
	Rank               int
	From, Start, Shape [6]int
	X, Y               []T
}

// Slice copies element by element.
func Slice[T Float](a *SliceArgs[T]) {
	total := 1
	for _, d := range a.Shape[:a.Rank] {
		total *= d
	}
	for i := range total {
		rest, at, step := i, 0, 1
		for d := a.Rank - 1; d >= 0; d-- {
			at += (a.Start[d] + rest%a.Shape[d]) * step
			rest, step = rest/a.Shape[d], step*a.From[d]
		}
		a.Y[i] = a.X[at]
	}
}
