package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// poolBlock is the channels of a task of the global mean.
const poolBlock = 64

func gapTasks(a *GlobalAvgPool) int { return a.N * ceilDiv(a.C, poolBlock) }

// runGlobalAvgPool sums a block of channels row by row, then the rows: the
// same tree whatever the threads.
func runGlobalAvgPool(a *GlobalAvgPool, task int, _ []float32) {
	blocks := ceilDiv(a.C, poolBlock)
	n := task / blocks
	lo, hi := chunk(task%blocks, poolBlock, a.C)
	var total, row [poolBlock]float32
	for h := range a.H {
		clear(row[:])
		for w := range a.W {
			x := a.X[((n*a.H+h)*a.W+w)*a.C:][lo:hi]
			for c, v := range x {
				row[c&(poolBlock-1)] += v
			}
		}
		for c, v := range row {
			total[c] += v
		}
	}
	y := a.Y[n*a.C:][lo:hi]
	for c := range y {
		y[c] = total[c&(poolBlock-1)] / float32(a.H*a.W)
	}
}

func poolRows(a *Pool) int  { return rowsPerTask(a.OW * a.C * a.KH * a.KW / 4) }
func poolTasks(a *Pool) int { return ceilDiv(a.N*a.OH, poolRows(a)) }

func runPool(a *Pool, task int, _ []float32) {
	lo, hi := chunk(task, poolRows(a), a.N*a.OH)
	for row := lo; row < hi; row++ {
		for ow := range a.OW {
			runWindow(a, row, ow, a.Y[(row*a.OW+ow)*a.C:][:a.C])
		}
	}
}

// runWindow computes one output pixel, channel after channel within each tap.
func runWindow(a *Pool, row, ow int, y []float32) {
	n, oh, count := row/a.OH, row%a.OH, 0
	start := float32(0)
	if a.Max {
		start = float32(math.Inf(-1))
	}
	for c := range y {
		y[c] = start
	}
	for kh := range a.KH {
		for kw := range a.KW {
			h, w := oh*a.StrideH-a.PadTop+kh*a.DilationH, ow*a.StrideW-a.PadLeft+kw*a.DilationW
			if h < 0 || h >= a.H || w < 0 || w >= a.W {
				continue
			}
			x := a.X[((n*a.H+h)*a.W+w)*a.C:][:len(y)]
			if count++; a.Max {
				for c, v := range x {
					y[c] = max(y[c], v)
				}
			} else {
				for c, v := range x {
					y[c] += v
				}
			}
		}
	}
	if a.CountPad {
		count = a.KH * a.KW
	}
	if !a.Max && count > 0 {
		for c := range y {
			y[c] /= float32(count)
		}
	}
}

func resizeRows(a *Resize) int  { return rowsPerTask(4 * a.OW * a.C) }
func resizeTasks(a *Resize) int { return ceilDiv(a.N*a.OH, resizeRows(a)) }

func runResize(a *Resize, task int, _ []float32) {
	lo, hi := chunk(task, resizeRows(a), a.N*a.OH)
	for row := lo; row < hi; row++ {
		n, oh := row/a.OH, row%a.OH
		h0, h1, fh := ref.ResizeSource(oh, a.H, a.OH, a.Rule, a.Nearest)
		top, bottom := a.X[(n*a.H+h0)*a.W*a.C:], a.X[(n*a.H+h1)*a.W*a.C:]
		for ow := range a.OW {
			w0, w1, fw := ref.ResizeSource(ow, a.W, a.OW, a.Rule, a.Nearest)
			y := a.Y[(row*a.OW+ow)*a.C:][:a.C]
			if a.Nearest {
				copy(y, top[w0*a.C:])
				continue
			}
			gh, gw := float32(fh), float32(fw)
			p, q, r, s := top[w0*a.C:][:len(y)], top[w1*a.C:][:len(y)], bottom[w0*a.C:][:len(y)], bottom[w1*a.C:][:len(y)]
			for c := range y {
				t := p[c] + (q[c]-p[c])*gw
				b := r[c] + (s[c]-r[c])*gw
				y[c] = t + (b-t)*gh
			}
		}
	}
}
