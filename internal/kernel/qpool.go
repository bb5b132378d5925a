package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// sumLine adds up bytes of channels over pixels, stride bytes apart.
func sumLine(sums []int32, x []uint8, pixels, stride int) {
	for p := range pixels {
		line := x[p*stride:][:len(sums)]
		for c, v := range line {
			sums[c] += int32(v)
		}
	}
}

// A mean over pictures goes by pictures and blocks of channels.

func qmeanTasks(a *QMean) int { return a.N * ceilDiv(a.C, qmeanBlock) }

// qmeanBlock is the channels of a task.
const qmeanBlock = 256

// runQMean is the mean with what adds up: sums is the task's scratch.
func runQMean(a *QMean, task int, scratch []float32) { meanOf(a, task, scratch, sumLine) }

func qmeanScratch(*QMean) int { return qmeanBlock }

func meanOf(a *QMean, task int, scratch []float32, add func(sums []int32, x []uint8, pixels, stride int)) {
	blocks := ceilDiv(a.C, qmeanBlock)
	n := task / blocks
	lo, hi := chunk(task%blocks, qmeanBlock, a.C)
	sums := Int32s(scratch)[:hi-lo]
	clear(sums)
	if a.H*a.W > 0 {
		add(sums, a.X[n*a.H*a.W*a.C+lo:], a.H*a.W, a.C)
	}
	y := a.Y[n*a.C+lo:][:len(sums)]
	for c, sum := range sums {
		y[c] = a.Mean(sum)
	}
}

// Windows of bytes go by rows of the output.

func qpoolRows(a *QPool) int  { return rowsPerTask(a.OW * a.C * max(a.KH*a.KW/4, 1)) }
func qpoolTasks(a *QPool) int { return ceilDiv(a.N*a.OH, qpoolRows(a)) }

func qpoolScratch(a *QPool) int { return a.C }

func runQPool(a *QPool, task int, scratch []float32) { poolOf(a, task, scratch, sumLine) }

func poolOf(a *QPool, task int, scratch []float32, add func(sums []int32, x []uint8, pixels, stride int)) {
	lo, hi := chunk(task, qpoolRows(a), a.N*a.OH)
	for row := lo; row < hi; row++ {
		n, oh := row/a.OH, row%a.OH
		for ow := range a.OW {
			y := a.Y[(row*a.OW+ow)*a.C:][:a.C]
			top, left := oh*a.StrideH-a.PadTop, ow*a.StrideW-a.PadLeft
			h0, h1 := inside(top, a.DilationH, a.KH, a.H)
			w0, w1 := inside(left, a.DilationW, a.KW, a.W)
			at := func(kh int) []uint8 {
				return a.X[((n*a.H+top+kh*a.DilationH)*a.W+left+w0*a.DilationW)*a.C:]
			}
			pixels, stride := w1-w0, a.DilationW*a.C
			if a.Max {
				clear(y)
				for kh := h0; kh < h1 && pixels > 0; kh++ {
					mostLine(y, at(kh), pixels, stride)
				}
				for c, v := range y {
					y[c] = min(max(v, a.Lo), a.Hi)
				}
				continue
			}
			sums := Int32s(scratch)[:a.C]
			clear(sums)
			for kh := h0; kh < h1 && pixels > 0; kh++ {
				add(sums, at(kh), pixels, stride)
			}
			meanWindow(a, y, sums, int32(max(h1-h0, 0)*max(pixels, 0)))
		}
	}
}

// meanWindow is the means of sums of count bytes each: to the nearest, ties
// away from the zero of int8s where the bytes are such.
func meanWindow(a *QPool, y []uint8, sums []int32, count int32) {
	zero := int32(0)
	if a.Signed {
		zero = 128
	}
	y = y[:len(sums)]
	for c, sum := range sums {
		sum -= zero * count
		v := zero
		if count > 0 && sum < 0 {
			v += (sum - count/2) / count
		} else if count > 0 {
			v += (sum + count/2) / count
		}
		y[c] = uint8(min(max(v, int32(a.Lo)), int32(a.Hi)))
	}
}

// mostLine keeps the greatest bytes of channels over pixels.
func mostLine(y, x []uint8, pixels, stride int) {
	for p := range pixels {
		line := x[p*stride:][:len(y)]
		for c, v := range line {
			y[c] = max(y[c], v)
		}
	}
}

// inside is the range of taps, step apart from the first at from, that lie
// within [0,size).
func inside(from, step, taps, size int) (lo, hi int) {
	if from < 0 {
		lo = ceilDiv(-from, step)
	}
	if from < size {
		hi = min(taps, (size-1-from)/step+1)
	}
	return min(lo, taps), max(hi, min(lo, taps))
}

func qsoftmaxTasks(a *QSoftmax) int { return ceilDiv(a.Rows, rowsPerTask(8*a.Cols)) }

func runQSoftmax(a *QSoftmax, task int, _ []float32) {
	lo, hi := chunk(task, rowsPerTask(8*a.Cols), a.Rows)
	b := *a
	b.Rows, b.X, b.Y = hi-lo, a.X[lo*a.Cols:hi*a.Cols], a.Y[lo*a.Cols:hi*a.Cols]
	ref.QSoftmax(&b)
}
