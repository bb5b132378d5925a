//go:build (amd64 || arm64) && !purego

package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The slopes of activations on vector registers, and the batch norms whose own
// routines do not know the activation: those go by blocks of rows that stay in
// the first-level cache, first linear, then through the activation or its
// slope, then on.

// slopeArgs are the arguments of the slope's routine; ok is false for the
// activations it does not know.
func slopeArgs(act Act) (e elemArgs, ok bool) {
	switch act.Kind {
	case ref.ReLU:
		// Nothing is beyond a NaN.
		return elemArgs{mode: modeClip, hi: float32(math.NaN())}, true
	case ref.ReLU6:
		return elemArgs{mode: modeClip, hi: 6}, true
	case ref.Clip:
		return elemArgs{mode: modeClip, lo: act.A, hi: act.B}, true
	case ref.Linear:
		return e, false
	}
	return mapArgs(act)
}

func vecActivationGradKernels() (out []Kernel[ActivationGrad]) {
	for _, v := range vecISAs {
		k := vecKernel(v, "actgradF32", func(a *ActivationGrad) bool {
			_, ok := slopeArgs(a.Act)
			return ok
		}, func(a *ActivationGrad) int { return ceilDiv(a.Len, chunkElems) }, func(a *ActivationGrad, task int) {
			lo, hi := chunk(task, chunkElems, a.Len)
			v.activationGrad(a.Act, a.X[lo:hi], a.DY[lo:hi], a.DX[lo:hi])
		})
		k.MaxError = 2e-6
		out = append(out, k)
	}
	return out
}

// activationGrad is dx = dy*act'(x) for an activation that slopeArgs knows; dx
// may be x or dy.
func (v *vecISA) activationGrad(act Act, x, dy, dx []float32) {
	e, _ := slopeArgs(act)
	if e.n = len(dx) &^ 7; e.n > 0 {
		e.x, e.b, e.y = &x[0], &dy[0], &dx[0]
		v.mapSlope(&e)
	}
	if rest := dx[e.n:]; len(rest) > 0 {
		var x8, dy8 [8]float32
		copy(x8[:], x[e.n:len(dx)])
		copy(dy8[:], dy[e.n:len(dx)])
		tail := e
		tail.x, tail.b, tail.y, tail.n = &x8[0], &dy8[0], &x8[0], 8
		v.mapSlope(&tail)
		copy(rest, x8[:])
	}
}

// vecPassElems is the elements of a block.
const vecPassElems = 4096

func vecPassRows(c int) int { return max(1, min(vecNormBlock, vecPassElems/c)) }

// passSlope reports an activation whose slope needs a pass of its own.
func passSlope(act Act) bool {
	_, known := slopeArgs(act)
	_, _, _, _, fused := vecSlope(act)
	return known && !fused
}

func vecPassNormKernels() (out []Kernel[BatchNormTrain]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[BatchNormTrain]{
			Name: "bntrainF32Pass" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 5e-6,
			Accepts: func(a *BatchNormTrain) bool {
				_, known := mapArgs(a.Act)
				return known && a.C > 0
			},
			Tasks:      func(a *BatchNormTrain) int { return ceilDiv(a.Rows, vecNormRows(a.Rows, a.C)) },
			ScratchLen: func(a *BatchNormTrain) int { return a.C },
			Run: func(a *BatchNormTrain, task int, scratch []float32) {
				factors(a.Stats, a.Gamma, a.Epsilon, scratch[:a.C])
				lo, hi := chunk(task, vecNormRows(a.Rows, a.C), a.Rows)
				for rows := vecPassRows(a.C); lo < hi; lo += rows {
					n := min(rows, hi-lo)
					y := a.Y[lo*a.C:][:n*a.C]
					v.normLinear(a.X[lo*a.C:], y, scratch[:a.C], a.Beta, a.Stats, n)
					v.activate(a.Act, y, y)
				}
			},
		})
	}
	return out
}

// normLinear is y = (x-mean)*factor + beta of some rows.
func (v *vecISA) normLinear(x, y, factor, beta, mean []float32, rows int) {
	c := len(factor)
	v.normApply(&normArgs{x: &x[0], y: &y[0], a: &factor[0], b: &beta[0], p: &mean[0], xStride: 4 * c, yStride: 4 * c,
		rows: rows, channels: c, mode: modeLinear})
}

func vecPassGradSumsKernels() (out []Kernel[BatchNormGradSums]) {
	for _, v := range vecISAs {
		k := Kernel[BatchNormGradSums]{
			Name: "bngradsumsF32Pass" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 2e-5,
			Accepts:    func(a *BatchNormGradSums) bool { return passSlope(a.Act) && a.C > 0 && a.Rows > 0 },
			Tasks:      func(a *BatchNormGradSums) int { return vecRowChunks(a.Rows, a.C) },
			ScratchLen: func(a *BatchNormGradSums) int { return (3 + vecPassRows(a.C)) * a.C },
			Run:        v.runPassGradSums,
		}
		k.Reduce = vecGradSumsReduction()
		out = append(out, k)
	}
	return out
}

func (v *vecISA) runPassGradSums(a *BatchNormGradSums, task int, scratch []float32) {
	c := a.C
	factor, block, g := scratch[:c], scratch[c:][:2*c], scratch[3*c:]
	factors(a.Stats, a.Gamma, a.Epsilon, factor)
	total := a.Partial[task*2*c:][:2*c]
	clear(total)
	args := normArgs{a: &factor[0], b: &a.Beta[0], p: &a.Stats[0], s0: &block[0], s1: &block[c], xStride: 4 * c, dyStride: 4 * c, channels: c, mode: modeLinear}
	lo, hi := chunk(task, vecChunkRows(a.Rows, c), a.Rows)
	for rows := vecPassRows(c); lo < hi; lo += rows {
		n := min(rows, hi-lo)
		v.normSlope(a.Act, a.X[lo*c:], a.DY[lo*c:], g[:n*c], factor, a.Beta, a.Stats, n)
		clear(block)
		args.x, args.dy, args.rows = &a.X[lo*c], &g[0], n
		v.normGradSums(&args)
		for i, s := range block {
			total[i] += s
		}
	}
	byStd(total[c:], a.Stats[c:], a.Epsilon, total[c:])
}

// normSlope is the gradient behind the activation, of some rows.
func (v *vecISA) normSlope(act Act, x, dy, g, factor, beta, mean []float32, rows int) {
	v.normLinear(x, g, factor, beta, mean, rows)
	v.activationGrad(act, g, dy, g)
}

func vecPassGradInputKernels() (out []Kernel[BatchNormGradInput]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[BatchNormGradInput]{
			Name: "bngradxF32Pass" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 1e-5,
			Accepts:    func(a *BatchNormGradInput) bool { return passSlope(a.Act) && a.C > 0 },
			Tasks:      func(a *BatchNormGradInput) int { return ceilDiv(a.Rows, vecNormRows(a.Rows, a.C)) },
			ScratchLen: func(a *BatchNormGradInput) int { return (3 + vecPassRows(a.C)) * a.C },
			Run: func(a *BatchNormGradInput, task int, scratch []float32) {
				c := a.C
				g := scratch[3*c:]
				args := v.gradInputArgs(a, scratch)
				args.mode = modeLinear
				lo, hi := chunk(task, vecNormRows(a.Rows, c), a.Rows)
				for rows := vecPassRows(c); lo < hi; lo += rows {
					n := min(rows, hi-lo)
					v.normSlope(a.Act, a.X[lo*c:], a.DY[lo*c:], g[:n*c], scratch[:c], a.Beta, a.Stats, n)
					args.x, args.dy, args.y, args.rows = &a.X[lo*c], &g[0], &a.DX[lo*c], n
					v.normGradInput(&args)
				}
			},
		})
	}
	return out
}
