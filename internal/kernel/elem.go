package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The kinds of the argument blocks, for callers that build them.
type (
	BinaryKind = ref.BinaryKind
	ResizeRule = ref.ResizeRule
)

// chunkElems is the elements of a task where an element costs next to nothing:
// about ten microseconds.
const chunkElems = 1 << 14

// chunk is the part [lo,hi) of n that task covers, in pieces of size.
func chunk(task, size, n int) (lo, hi int) { return task * size, min((task+1)*size, n) }

// rowsPerTask is how many rows of some elements make a task.
func rowsPerTask(elems int) int { return max(1, chunkElems/max(elems, 1)) }

func activationTasks(a *Activation) int { return ceilDiv(a.Len, chunkElems) }

func runActivation(a *Activation, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	activate(a.Act, a.X[lo:hi], a.Y[lo:hi])
}

// binaryPlan is the broadcast with neighbouring dimensions merged where both
// operands run through them alike: rows of inner elements.
type binaryPlan struct {
	total, inner   int
	size           [3]int // of the outer dimensions, outermost first
	strideA        [3]int // 0 where broadcast
	strideB        [3]int
	innerA, innerB int // 1 or 0
}

func planBinary(a *Binary) (p binaryPlan) {
	out := a.OutShape()
	p.total, p.inner = out[0]*out[1]*out[2]*out[3], 1
	// From the innermost outwards, merging while the pattern stays.
	dim, da, db := 2, 1, 1
	began := false
	var lastA, lastB bool
	for d := 3; d >= 0; d-- {
		if out[d] == 1 {
			continue
		}
		hasA, hasB := a.AShape[d] != 1, a.BShape[d] != 1
		switch {
		case !began:
			p.inner, p.innerA, p.innerB, began = out[d], one(hasA), one(hasB), true
		case hasA == lastA && hasB == lastB && dim == 2:
			p.inner *= out[d]
		case hasA == lastA && hasB == lastB:
			p.size[dim+1] *= out[d]
		default:
			p.size[dim], p.strideA[dim], p.strideB[dim] = out[d], da*one(hasA), db*one(hasB)
			dim--
		}
		lastA, lastB = hasA, hasB
		da, db = da*a.AShape[d], db*a.BShape[d]
	}
	for ; dim >= 0; dim-- {
		p.size[dim] = 1
	}
	return p
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func binaryTasks(a *Binary) int { return ceilDiv(planBinary(a).total, chunkElems) }

func runBinary(a *Binary, task int, _ []float32) {
	p := planBinary(a)
	lo, hi := chunk(task, chunkElems, p.total)
	for lo < hi {
		row, col := lo/p.inner, lo%p.inner
		n := min(p.inner-col, hi-lo)
		ia, ib := col*p.innerA, col*p.innerB
		for d := 2; d >= 0; d-- {
			at := row % p.size[d]
			row /= p.size[d]
			ia, ib = ia+at*p.strideA[d], ib+at*p.strideB[d]
		}
		y := a.Y[lo : lo+n]
		switch {
		case p.innerA == 1 && p.innerB == 1:
			binaryVV(a.Fn, a.A[ia:][:n], a.B[ib:][:n], y)
		case p.innerA == 1:
			binaryVS(a.Fn, a.A[ia:][:n], a.B[ib], y)
		case p.innerB == 1:
			binarySV(a.Fn, a.A[ia], a.B[ib:][:n], y)
		default:
			binaryVS(a.Fn, a.A[ia:][:n], a.B[ib], y)
		}
		if a.Act.Kind != ref.Linear {
			activate(a.Act, y, y)
		}
		lo += n
	}
}

func binaryVV(fn BinaryKind, a, b, y []float32) {
	a, b = a[:len(y)], b[:len(y)]
	switch fn {
	case ref.Add:
		for i := range y {
			y[i] = a[i] + b[i]
		}
	case ref.Sub:
		for i := range y {
			y[i] = a[i] - b[i]
		}
	case ref.Mul:
		for i := range y {
			y[i] = a[i] * b[i]
		}
	case ref.Div:
		for i := range y {
			y[i] = a[i] / b[i]
		}
	}
}

func binaryVS(fn BinaryKind, a []float32, b float32, y []float32) {
	a = a[:len(y)]
	switch fn {
	case ref.Add:
		for i := range y {
			y[i] = a[i] + b
		}
	case ref.Sub:
		for i := range y {
			y[i] = a[i] - b
		}
	case ref.Mul:
		for i := range y {
			y[i] = a[i] * b
		}
	case ref.Div:
		for i := range y {
			y[i] = a[i] / b
		}
	}
}

func binarySV(fn BinaryKind, a float32, b, y []float32) {
	b = b[:len(y)]
	switch fn {
	case ref.Add:
		for i := range y {
			y[i] = a + b[i]
		}
	case ref.Sub:
		for i := range y {
			y[i] = a - b[i]
		}
	case ref.Mul:
		for i := range y {
			y[i] = a * b[i]
		}
	case ref.Div:
		for i := range y {
			y[i] = a / b[i]
		}
	}
}

func softmaxTasks(a *Softmax) int { return ceilDiv(a.Rows, rowsPerTask(8*a.Cols)) }

func runSoftmax(a *Softmax, task int, _ []float32) {
	lo, hi := chunk(task, rowsPerTask(8*a.Cols), a.Rows)
	for r := lo; r < hi; r++ {
		x, y := a.X[r*a.Cols:][:a.Cols], a.Y[r*a.Cols:][:a.Cols]
		top := float32(math.Inf(-1))
		for _, v := range x {
			top = max(top, v)
		}
		sum := 0.0
		for i, v := range x {
			y[i] = exp(v - top)
			sum += float64(y[i])
		}
		scale := float32(1 / sum)
		for i := range y {
			y[i] *= scale
		}
	}
}

func batchNormTasks(a *BatchNorm) int { return ceilDiv(a.Rows, rowsPerTask(a.C)) }

func runBatchNorm(a *BatchNorm, task int, factor []float32) {
	lo, hi := chunk(task, rowsPerTask(a.C), a.Rows)
	factor = factor[:a.C]
	for c := range factor {
		factor[c] = float32(float64(a.Gamma[c]) / math.Sqrt(float64(a.Var[c])+a.Epsilon))
	}
	mean, beta := a.Mean[:len(factor)], a.Beta[:len(factor)]
	for r := lo; r < hi; r++ {
		x, y := a.X[r*a.C:][:len(factor)], a.Y[r*a.C:][:len(factor)]
		for c, f := range factor {
			y[c] = float32((x[c]-mean[c])*f) + beta[c]
		}
	}
}
