//go:build arm64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// vecNesterovKernels lists the step of SGD with Nesterov's momentum.
func vecNesterovKernels() (out []Kernel[Update]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[Update]{
			Name: "updateF32Nesterov" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 2e-6,
			Accepts: func(a *Update) bool { return a.Fn == ref.UpdateNesterov },
			Tasks:   func(a *Update) int { return ceilDiv(a.Len, chunkElems) }, ScratchLen: noScratch[Update],
			Run: v.runNesterov,
		})
	}
	return out
}

func (v *vecISA) runNesterov(a *Update, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	if n := (hi - lo) / v.lanes * v.lanes; n > 0 {
		v.nesterov(&linearArgs{x: &a.S[lo], b: &a.Q[lo], c: &a.P[lo], y: &a.Y[lo], n: n,
			p: float32(a.Decay), q: float32(a.A), r: float32(a.Rate) * a.U[0]})
		lo += n
	}
	if lo < hi { // the rest as the portable kernel does it
		part := *a
		part.Len, part.S, part.P, part.Q, part.Y = hi-lo, a.S[lo:hi], a.P[lo:hi], a.Q[lo:hi], a.Y[lo:hi]
		runUpdate(&part, 0, nil)
	}
}
