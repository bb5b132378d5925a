//go:build (amd64 || arm64) && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// The steps of optimizers that are sums of scaled arrays. Nesterov's has the
// bits of the portable kernel, with which models were trained.

func vecUpdateKernels() (out []Kernel[Update]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[Update]{
			Name: "updateF32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 2e-6,
			Accepts: func(a *Update) bool {
				switch a.Fn {
				case ref.UpdateVelocity, ref.UpdateSGD, ref.UpdateNesterov, ref.UpdateMean:
					return true
				}
				return false
			},
			Tasks: func(a *Update) int { return ceilDiv(a.Len, chunkElems) }, ScratchLen: noScratch[Update],
			Run: v.runUpdate,
		})
	}
	return out
}

func (v *vecISA) runUpdate(a *Update, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	part := *a
	n := (hi - lo) / v.lanes * v.lanes
	if n > 0 {
		args := linearArgs{x: &a.S[lo], b: &a.P[lo], y: &a.Y[lo], n: n, p: float32(a.A)}
		rate := float32(a.Rate)
		if a.U != nil && a.Fn != ref.UpdateMean {
			rate *= a.U[0]
		}
		switch a.Fn {
		case ref.UpdateVelocity:
			args.q = 1
		case ref.UpdateSGD:
			args.p, args.q = 1, -rate
		case ref.UpdateMean:
			args.q = float32((1 - a.A) * a.Rate)
		}
		switch {
		case a.Fn == ref.UpdateNesterov:
			args.b, args.c, args.p, args.q, args.r = &a.Q[lo], &a.P[lo], float32(a.Decay), float32(a.A), rate
			v.nesterov(&args)
		case a.Decay != 0 && a.Fn != ref.UpdateSGD:
			args.c, args.r = &a.Q[lo], args.q*float32(a.Decay)
			v.linear(&args)
		default:
			v.linear(&args)
		}
	}
	// The rest as the portable kernel does it.
	lo += n
	cut := func(x []float32) []float32 {
		if x == nil {
			return nil
		}
		return x[lo:hi]
	}
	part.Len, part.S, part.P, part.Q, part.R, part.Y = hi-lo, cut(a.S), cut(a.P), cut(a.Q), cut(a.R), cut(a.Y)
	if part.Len > 0 {
		runUpdate(&part, 0, nil)
	}
}
