package ref

import "math"

// GlobalAvgPoolArgs averages [N,H,W,C] over the picture to [N,C].
type GlobalAvgPoolArgs[T Float] struct {
	N, H, W, C int
	X, Y       []T
}

// GlobalAvgPool is the mean of each channel: the sum of each row first, then
// of the rows, which keeps the rounding error small at any size.
func GlobalAvgPool[T Float](a *GlobalAvgPoolArgs[T]) {
	for n := range a.N {
		for c := range a.C {
			var sum T
			for h := range a.H {
				var row T
				for w := range a.W {
					row += a.X[((n*a.H+h)*a.W+w)*a.C+c]
				}
				sum += row
			}
			a.Y[n*a.C+c] = sum / T(a.H*a.W)
		}
	}
}

// PoolArgs is a mean or a maximum over windows of [N,H,W,C]. Padded positions
// never count for a maximum; they count for a mean only if CountPad. A window
// that holds no position at all has mean 0 and maximum -Inf.
type PoolArgs[T Float] struct {
	N, H, W, C, OH, OW   int
	KH, KW               int
	StrideH, StrideW     int
	DilationH, DilationW int
	PadTop, PadLeft      int
	Max, CountPad        bool
	X, Y                 []T
}

// Pool computes the windows by their definition. Strides and dilations are at
// least 1.
func Pool[T Float](a *PoolArgs[T]) {
	for i := range a.N * a.OH * a.OW * a.C {
		c, ow, oh, n := i%a.C, i/a.C%a.OW, i/a.C/a.OW%a.OH, i/a.C/a.OW/a.OH
		sum, top, count := T(0), T(math.Inf(-1)), 0
		for kh := range a.KH {
			for kw := range a.KW {
				h, w := oh*a.StrideH-a.PadTop+kh*a.DilationH, ow*a.StrideW-a.PadLeft+kw*a.DilationW
				if h < 0 || h >= a.H || w < 0 || w >= a.W {
					continue
				}
				x := a.X[((n*a.H+h)*a.W+w)*a.C+c]
				sum, top, count = sum+x, max(top, x), count+1
			}
		}
		if a.CountPad {
			count = a.KH * a.KW
		}
		switch {
		case a.Max:
			a.Y[i] = top
		case count == 0:
			a.Y[i] = 0
		default:
			a.Y[i] = sum / T(count)
		}
	}
}
