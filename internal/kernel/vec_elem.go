//go:build (amd64 || arm64) && !purego

package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The elementwise operations on vector registers. Eights of elements go
// through the routines. So does a tail, in memory of its own, where the
// portable code's last bits would be others.

// vecKernel registers a function that takes some arguments.
func vecKernel[A any](v *vecISA, name string, accepts func(*A) bool, tasks func(*A) int, run func(*A, int)) Kernel[A] {
	return Kernel[A]{
		Name: name + v.suffix, Impl: v.impl, Available: v.available, Accepts: accepts,
		Tasks: tasks, ScratchLen: noScratch[A],
		Run:      func(a *A, task int, _ []float32) { run(a, task) },
		MaxError: 1e-6,
	}
}

func vecActivationKernels() (out []Kernel[Activation]) {
	for _, v := range vecISAs {
		out = append(out, vecKernel(v, "actF32", func(a *Activation) bool {
			_, ok := mapArgs(a.Act)
			return ok
		}, activationTasks, v.runActivation))
	}
	return out
}

func vecGlobalAvgPoolKernels() (out []Kernel[GlobalAvgPool]) {
	for _, v := range vecISAs {
		out = append(out, vecKernel(v, "gapF32", func(a *GlobalAvgPool) bool { return a.H*a.W > 0 }, gapTasks, v.runGlobalAvgPool))
	}
	return out
}

func vecBinaryKernels() (out []Kernel[Binary]) {
	for _, v := range vecISAs {
		out = append(out, vecKernel(v, "binaryF32", func(a *Binary) bool {
			_, ok := mapArgs(a.Act)
			p := planBinary(a)
			return ok && (a.Fn == ref.Add || a.Fn == ref.Mul || a.Fn == ref.Sub) && p.innerA == 1 && p.innerB == 1 && p.inner >= 8
		}, binaryTasks, v.runBinary))
	}
	return out
}

func (v *vecISA) runActivation(a *Activation, task int) {
	lo, hi := chunk(task, chunkElems, a.Len)
	v.activate(a.Act, a.X[lo:hi], a.Y[lo:hi])
}

// activate is y = act(x) for any activation; y may be x.
func (v *vecISA) activate(act Act, x, y []float32) {
	if act.Kind == ref.Linear {
		copy(y, x)
		return
	}
	if e, ok := mapArgs(act); ok {
		v.mapEach(&e, x, y)
		return
	}
	activate(act, x, y)
}

// activateRows is y = act(x) for rows of a multiple of 8 elements, which are
// strides of elements apart. It refuses activations that the products'
// epilogues have, and unknown ones.
func (v *vecISA) activateRows(act Act, x, y []float32, rows, n, xStride, yStride int) bool {
	e, ok := mapArgs(act)
	if !ok || e.mode < modeLeaky {
		return false
	}
	e.x, e.y, e.n, e.m, e.stride, e.yStride = &x[0], &y[0], n, rows, 4*xStride, 4*yStride
	v.mapAct(&e)
	return true
}

// mapEach runs the elementwise routine over any number of elements.
func (v *vecISA) mapEach(e *elemArgs, x, y []float32) {
	e.m = 1
	if e.n = len(y) &^ 7; e.n > 0 {
		e.x, e.y = &x[0], &y[0]
		v.mapAct(e)
	}
	if rest := y[e.n:]; len(rest) > 0 {
		var eight [8]float32
		copy(eight[:], x[e.n:len(y)])
		tail := *e
		tail.x, tail.y, tail.n = &eight[0], &eight[0], 8
		v.mapAct(&tail)
		copy(rest, eight[:])
	}
}

// runGlobalAvgPool sums each row on its own, then the rows.
func (v *vecISA) runGlobalAvgPool(a *GlobalAvgPool, task int) {
	blocks := ceilDiv(a.C, poolBlock)
	n := task / blocks
	lo, hi := chunk(task%blocks, poolBlock, a.C)
	if eights := (hi - lo) / 8; eights > 0 {
		e := elemArgs{x: &a.X[n*a.H*a.W*a.C+lo], y: &a.Y[n*a.C+lo], n: a.H, m: a.W, stride: 4 * a.C, mode: eights, scale: float32(a.H * a.W)}
		v.sumPixels(&e)
		lo += 8 * eights
	}
	for c := lo; c < hi; c++ {
		total := float32(0)
		for h := range a.H {
			row := float32(0)
			for w := range a.W {
				row += a.X[((n*a.H+h)*a.W+w)*a.C+c]
			}
			total += row
		}
		a.Y[n*a.C+c] = total / float32(a.H*a.W)
	}
}

func (v *vecISA) runBinary(a *Binary, task int) {
	p := planBinary(a)
	lo, hi := chunk(task, chunkElems, p.total)
	e := elemArgs{lo: float32(math.Inf(-1)), hi: float32(math.Inf(1))}
	post := a.Act.Kind != ref.Linear
	if a.Act.Kind == ref.ReLU || a.Act.Kind == ref.ReLU6 || a.Act.Kind == ref.Clip {
		_, e.lo, e.hi, _, _ = vecAct(a.Act)
		if a.Act.Kind == ref.ReLU {
			e.hi = float32(math.Inf(1))
		}
		post = false
	}
	for lo < hi {
		row, col := lo/p.inner, lo%p.inner
		n := min(p.inner-col, hi-lo)
		ia, ib := col, col
		for d := 2; d >= 0; d-- {
			at := row % p.size[d]
			row /= p.size[d]
			ia, ib = ia+at*p.strideA[d], ib+at*p.strideB[d]
		}
		x, b, y := a.A[ia:][:n], a.B[ib:][:n], a.Y[lo:][:n]
		if e.n = n &^ 7; e.n > 0 {
			e.x, e.b, e.y = &x[0], &b[0], &y[0]
			switch a.Fn {
			case ref.Add:
				v.mapAdd(&e)
			case ref.Mul:
				v.mapMul(&e)
			default:
				v.mapSub(&e)
			}
		}
		if rest := y[e.n:]; len(rest) > 0 {
			binaryVV(a.Fn, x[e.n:], b[e.n:], rest)
			if !post {
				activate(a.Act, rest, rest)
			}
		}
		if post {
			v.activate(a.Act, y, y)
		}
		lo += n
	}
}
