package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

func runReduce(a *Reduce, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	sum := 0.0
	if a.Fn == ref.ReduceSumSquares {
		for _, v := range a.X[lo:hi] {
			sum += float64(v) * float64(v)
		}
	} else {
		for _, v := range a.X[lo:hi] {
			sum += float64(v)
		}
	}
	a.Partial[task] = float32(sum)
}

func mergeReduce(a *Reduce, _ int) {
	sum := 0.0
	for _, v := range a.Partial[:ceilDiv(a.Len, chunkElems)] {
		sum += float64(v)
	}
	if a.Fn == ref.ReduceMean {
		sum /= float64(a.Len)
	}
	a.Y[0] = float32(sum)
}

// acceptSumPixels takes [N,H,W,C] to [N,1,1,C], the gradient of a gate.
func acceptSumPixels(a *SumTo) bool {
	return a.To == [4]int{a.Shape[0], 1, 1, a.Shape[3]}
}

func sumPixelsTasks(a *SumTo) int { return a.Shape[0] * ceilDiv(a.Shape[3], channelBlock) }

func runSumPixels(a *SumTo, task int, _ []float32) {
	c, blocks := a.Shape[3], ceilDiv(a.Shape[3], channelBlock)
	n := task / blocks
	lo, hi := chunk(task%blocks, channelBlock, c)
	y := a.Y[n*c+lo : n*c+hi]
	first, rows := n*a.Shape[1]*a.Shape[2], a.Shape[1]*a.Shape[2]
	if a.Product == nil {
		sumRows(a.X[first*c+lo:], c, 0, rows, y)
		return
	}
	var total [channelBlock]float32
	for at := 0; at < rows; {
		var block [channelBlock]float32
		end := min(at+blockRows, rows)
		for ; at < end; at++ {
			p, q := a.X[(first+at)*c+lo:][:len(y)], a.Product[(first+at)*c+lo:][:len(y)]
			for i, v := range p {
				block[i&(channelBlock-1)] += v * q[i]
			}
		}
		for i := range total {
			total[i] += block[i]
		}
	}
	copy(y, total[:])
}

func sumToTasks(a *SumTo) int {
	return ceilDiv(a.To[0]*a.To[1]*a.To[2]*a.To[3], sumToElems)
}

// sumToElems is the sums of a task.
const sumToElems = 64

// runSumTo adds up each element of the result on its own, in float64.
func runSumTo(a *SumTo, task int, _ []float32) {
	lo, hi := chunk(task, sumToElems, a.To[0]*a.To[1]*a.To[2]*a.To[3])
	var stride, count [4]int
	step := 1
	for d := 3; d >= 0; d-- {
		stride[d], count[d] = step, 1
		step *= a.Shape[d]
		if a.To[d] != a.Shape[d] {
			count[d] = a.Shape[d]
		}
	}
	for i := lo; i < hi; i++ {
		rest, from := i, 0
		for d := 3; d >= 0; d-- {
			from += rest % a.To[d] * stride[d]
			rest /= a.To[d]
		}
		sum := 0.0
		for p := range count[0] {
			for q := range count[1] {
				for r := range count[2] {
					at := from + p*stride[0] + q*stride[1] + r*stride[2]
					for s := range count[3] {
						v := float64(a.X[at+s])
						if a.Product != nil {
							v *= float64(a.Product[at+s])
						}
						sum += v
					}
				}
			}
		}
		a.Y[i] = float32(sum)
	}
}

func expandTasks(a *Expand) int {
	return ceilDiv(a.Shape[0]*a.Shape[1]*a.Shape[2], rowsPerTask(a.Shape[3]))
}

func runExpand(a *Expand, task int, _ []float32) {
	c := a.Shape[3]
	lo, hi := chunk(task, rowsPerTask(c), a.Shape[0]*a.Shape[1]*a.Shape[2])
	f := float32(a.Factor)
	before := -1 // where the last row came from
	for row := lo; row < hi; row++ {
		rest, from, step := row, 0, a.From[3]
		for d := 2; d >= 0; d-- {
			from += min(rest%a.Shape[d], a.From[d]-1) * step
			rest, step = rest/a.Shape[d], step*a.From[d]
		}
		y := a.Y[row*c:][:c]
		if from == before {
			copy(y, a.Y[(row-1)*c:])
			continue
		}
		before = from
		if a.From[3] == 1 {
			fill(y, a.X[from]*f)
			continue
		}
		for i, v := range a.X[from:][:len(y)] {
			y[i] = v * f
		}
	}
}
