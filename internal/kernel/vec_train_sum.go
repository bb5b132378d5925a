//go:build (amd64 || arm64) && !purego

package kernel

// The sums over a picture's pixels, of products too: the gradient of a gate.
// The batch norm's routine for gradient sums does them.

func vecSumToKernels() (out []Kernel[SumTo]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[SumTo]{
			Name: "sumtoF32Pixels" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 1e-5,
			Accepts: func(a *SumTo) bool {
				return acceptSumPixels(a) && a.Shape[1]*a.Shape[2] > 0 && a.Shape[3] > 0
			},
			Tasks:      func(a *SumTo) int { return a.Shape[0] },
			ScratchLen: func(a *SumTo) int { return 3 * a.Shape[3] },
			Run:        v.runSumPixels,
		})
	}
	return out
}

func (v *vecISA) runSumPixels(a *SumTo, task int, scratch []float32) {
	c, rows := a.Shape[3], a.Shape[1]*a.Shape[2]
	zeros, sums := scratch[:c], scratch[c:][:2*c]
	clear(zeros)
	y := a.Y[task*c:][:c]
	clear(y)
	x := a.X[task*rows*c:][:rows*c]
	// The routine gives the sums of dy, and of dy times x.
	w, from := x, sums[:c]
	if a.Product != nil {
		w, from = a.Product[task*rows*c:][:rows*c], sums[c:]
	}
	args := normArgs{a: &zeros[0], b: &zeros[0], p: &zeros[0], s0: &sums[0], s1: &sums[c], xStride: 4 * c, dyStride: 4 * c, channels: c, mode: modeLinear}
	for at := 0; at < rows; at += vecNormBlock {
		clear(sums)
		args.x, args.dy, args.rows = &w[at*c], &x[at*c], min(vecNormBlock, rows-at)
		v.normGradSums(&args)
		for i, s := range from {
			y[i] += s
		}
	}
}
