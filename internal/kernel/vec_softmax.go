//go:build (amd64 || arm64) && !purego

package kernel

import "math"

func vecSoftmaxKernels() (out []Kernel[Softmax]) {
	for _, v := range vecISAs {
		out = append(out, vecKernel(v, "softmaxF32", func(a *Softmax) bool { return a.Cols >= 8 }, softmaxTasks, v.runSoftmax))
	}
	return out
}

// runSoftmax has the powers on vector registers. The maximum and the sum are
// four chains, joined in the same order for every row.
func (v *vecISA) runSoftmax(a *Softmax, task int) {
	lo, hi := chunk(task, rowsPerTask(8*a.Cols), a.Rows)
	e := elemArgs{mode: modeExp}
	for r := lo; r < hi; r++ {
		x, y := a.X[r*a.Cols:][:a.Cols], a.Y[r*a.Cols:][:a.Cols]
		e.lo = greatest(x)
		v.mapEach(&e, x, y)
		scale := float32(1 / total(y))
		for i := range y {
			y[i] *= scale
		}
	}
}

func greatest(x []float32) float32 {
	low := float32(math.Inf(-1))
	a, b, c, d := low, low, low, low
	for ; len(x) >= 4; x = x[4:] {
		a, b, c, d = max(a, x[0]), max(b, x[1]), max(c, x[2]), max(d, x[3])
	}
	for _, v := range x {
		a = max(a, v)
	}
	return max(max(a, b), max(c, d))
}

// total is the sum in float64.
func total(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a, b, c, d = a+float64(x[0]), b+float64(x[1]), c+float64(x[2]), d+float64(x[3])
	}
	for _, v := range x {
		a += float64(v)
	}
	return (a + b) + (c + d)
}
