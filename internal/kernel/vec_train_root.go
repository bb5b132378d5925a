//go:build (amd64 || arm64) && !purego

package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The steps of optimizers that divide by roots, and the sum of gradients of
// several batches. What is left over of a task goes through the routines too,
// in memory of its own.

func vecRootKernels() (out []Kernel[Update]) {
	for _, v := range vecISAs {
		out = append(out, v.rootKernel("updateF32Root", func(a *Update) bool {
			switch a.Fn {
			case ref.UpdateMeanSquare, ref.UpdateRMSMomentum, ref.UpdateAdam, ref.UpdateAccumulate:
				return true
			}
			return false
		}))
	}
	return out
}

func (v *vecISA) rootKernel(name string, accepts func(*Update) bool) Kernel[Update] {
	return Kernel[Update]{
		Name: name + v.suffix, Impl: v.impl, Available: v.available, Accepts: accepts,
		Tasks: func(a *Update) int { return ceilDiv(a.Len, chunkElems) }, ScratchLen: noScratch[Update],
		Run: v.runRoot, MaxError: 2e-6,
	}
}

func (v *vecISA) runRoot(a *Update, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	args := updateArgs{keep: float32(a.A), rate: float32(a.Rate), decay: float32(a.Decay), epsilon: float32(a.Epsilon)}
	if a.U != nil {
		args.rate *= a.U[0]
	}
	var decayed []float32
	switch a.Fn {
	case ref.UpdateMeanSquare:
		args.rate, decayed = float32(1-a.A), a.Q
	case ref.UpdateRMSMomentum:
		decayed = a.R
	case ref.UpdateAdam:
		t := float64(a.V[0])
		args.first, args.second = float32(1/(1-math.Pow(a.A, t))), float32(1/(1-math.Pow(a.B, t)))
		decayed = a.S
	}
	if a.Decay == 0 {
		decayed = nil
	}
	at := func(x []float32, i int) *float32 {
		if x == nil {
			return nil
		}
		return &x[i]
	}
	if args.n = (hi - lo) / v.lanes * v.lanes; args.n > 0 {
		args.s, args.p, args.q, args.d, args.y = &a.S[lo], &a.P[lo], at(a.Q, lo), at(decayed, lo), &a.Y[lo]
		v.root(a, &args)
		lo += args.n
	}
	if lo < hi {
		var s, p, q, d [16]float32 // a vector at most
		copy(s[:], a.S[lo:hi])
		copy(p[:], a.P[lo:hi])
		if a.Q != nil {
			copy(q[:], a.Q[lo:hi])
		}
		args.s, args.p, args.q, args.d, args.y, args.n = &s[0], &p[0], &q[0], nil, &s[0], v.lanes
		if decayed != nil {
			copy(d[:], decayed[lo:hi])
			args.d = &d[0]
		}
		v.root(a, &args)
		copy(a.Y[lo:hi], s[:])
	}
}

func (v *vecISA) root(a *Update, args *updateArgs) {
	switch a.Fn {
	case ref.UpdateMeanSquare:
		v.meanSquare(args)
	case ref.UpdateRMSMomentum:
		v.rmsMomentum(args)
	case ref.UpdateAdam:
		v.adamStep(args)
	case ref.UpdateAccumulate:
		v.linear(&linearArgs{x: args.s, b: args.p, y: args.y, n: args.n, p: a.U[0], q: 1})
	}
}
