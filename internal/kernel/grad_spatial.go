package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// A task of a pooling's gradient is some channels of one picture: windows may
// overlap, so their order is fixed.
func poolGradTasks(a *PoolGrad) int { return a.N * ceilDiv(a.C, poolBlock) }

func runPoolGrad(a *PoolGrad, task int, _ []float32) {
	blocks := ceilDiv(a.C, poolBlock)
	n := task / blocks
	lo, hi := chunk(task%blocks, poolBlock, a.C)
	for p := range a.H * a.W {
		clear(a.DX[(n*a.H*a.W+p)*a.C:][lo:hi])
	}
	var best [poolBlock]int
	for p := range a.OH * a.OW {
		oh, ow := p/a.OW, p%a.OW
		dy := a.DY[(n*a.OH*a.OW+p)*a.C:][lo:hi]
		h0, w0 := oh*a.StrideH-a.PadTop, ow*a.StrideW-a.PadLeft
		count := 0
		for kh := range a.KH {
			for kw := range a.KW {
				h, w := h0+kh*a.DilationH, w0+kw*a.DilationW
				if h < 0 || h >= a.H || w < 0 || w >= a.W {
					continue
				}
				at := ((n*a.H+h)*a.W + w) * a.C
				if a.Max {
					for i := range dy {
						if x := a.X[at+lo+i]; count == 0 || x > a.X[best[i]] || x != x {
							best[i] = at + lo + i
						}
					}
				}
				count++
			}
		}
		if a.Max && count > 0 {
			for i, g := range dy {
				a.DX[best[i]] += g
			}
		}
		if a.CountPad {
			count = a.KH * a.KW
		}
		if a.Max {
			continue
		}
		for kh := range a.KH {
			for kw := range a.KW {
				h, w := h0+kh*a.DilationH, w0+kw*a.DilationW
				if h < 0 || h >= a.H || w < 0 || w >= a.W {
					continue
				}
				dx := a.DX[((n*a.H+h)*a.W+w)*a.C:][lo:hi]
				for i, g := range dy {
					dx[i] += g / float32(count)
				}
			}
		}
	}
}

// runResizeGrad gives back one picture's gradient.
func runResizeGrad(a *ResizeGrad, n int, _ []float32) {
	clear(a.DX[n*a.H*a.W*a.C:][:a.H*a.W*a.C])
	for oh := range a.OH {
		h0, h1, fh := ref.ResizeSource(oh, a.H, a.OH, a.Rule, a.Nearest)
		for ow := range a.OW {
			w0, w1, fw := ref.ResizeSource(ow, a.W, a.OW, a.Rule, a.Nearest)
			dy := a.DY[((n*a.OH+oh)*a.OW+ow)*a.C:][:a.C]
			for _, tap := range [4]struct {
				h, w int
				f    float64
			}{{h0, w0, (1 - fh) * (1 - fw)}, {h0, w1, (1 - fh) * fw}, {h1, w0, fh * (1 - fw)}, {h1, w1, fh * fw}} {
				if tap.f != 0 {
					addScaled(a.DX[((n*a.H+tap.h)*a.W+tap.w)*a.C:][:a.C], dy, float32(tap.f))
				}
			}
		}
	}
}

func sliceRows(a *Slice) (rows, inner int) {
	rows, inner = 1, 1
	for d := range a.Rank - 1 {
		rows *= a.Shape[d]
	}
	if a.Rank > 0 {
		inner = a.Shape[a.Rank-1]
	}
	return rows, inner
}

func sliceTasks(a *Slice) int {
	rows, inner := sliceRows(a)
	return ceilDiv(rows, rowsPerTask(inner))
}

func runSlice(a *Slice, task int, _ []float32) {
	rows, inner := sliceRows(a)
	lo, hi := chunk(task, rowsPerTask(inner), rows)
	for row := lo; row < hi; row++ {
		rest, from, step := row, 0, 1
		if a.Rank > 0 {
			from, step = a.Start[a.Rank-1], a.From[a.Rank-1]
		}
		for d := a.Rank - 2; d >= 0; d-- {
			from += (a.Start[d] + rest%a.Shape[d]) * step
			rest, step = rest/a.Shape[d], step*a.From[d]
		}
		copy(a.Y[row*inner:][:inner], a.X[from:])
	}
}
