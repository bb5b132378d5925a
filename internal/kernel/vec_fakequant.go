//go:build (amd64 || arm64) && !purego

package kernel

import "math"

// Fake quantization on vector registers. The rest of a part that is no multiple
// of a register is the portable code's, which has the same bits.

func vecFakeQuantKernels() (out []Kernel[FakeQuant]) {
	for _, v := range vecISAs {
		k := vecKernel(v, "fakequantF32", func(*FakeQuant) bool { return true },
			func(a *FakeQuant) int { return ceilDiv(a.Len, chunkElems) }, v.runFakeQuant)
		k.MaxError = 0
		out = append(out, k)
	}
	return out
}

func vecFakeQuantGradKernels() (out []Kernel[FakeQuantGrad]) {
	for _, v := range vecISAs {
		k := vecKernel(v, "fakequantgradF32", func(*FakeQuantGrad) bool { return true },
			func(a *FakeQuantGrad) int { return ceilDiv(a.Len, chunkElems) }, v.runFakeQuantGrad)
		k.MaxError = 0
		out = append(out, k)
	}
	return out
}

func vecMinMaxKernels() (out []Kernel[MinMax]) {
	for _, v := range vecISAs {
		k := vecKernel(v, "minmaxF32", func(*MinMax) bool { return true }, minMaxTasks, v.runMinMax)
		k.MaxError, k.Reduce = 0, minMaxReduction()
		out = append(out, k)
	}
	return out
}

// step is the elements that all routines take at once.
func (v *vecISA) step() int { return max(v.lanes, 8) }

func (v *vecISA) runFakeQuant(a *FakeQuant, task int) {
	lo, hi := chunk(task, chunkElems, a.Len)
	x, y := a.X[lo:hi], a.Y[lo:hi]
	if a.On != nil && a.On[0] == 0 {
		copy(y, x)
		return
	}
	s := rangeSteps(a.Range)
	n := len(y) / v.step() * v.step()
	if n > 0 {
		v.roundSteps(&roundArgs{x: &x[0], y: &y[0], n: n, inv: s.inv, lo: s.lo, hi: s.hi, scale: s.scale})
	}
	s.round(x[n:], y[n:])
}

func (v *vecISA) runFakeQuantGrad(a *FakeQuantGrad, task int) {
	lo, hi := chunk(task, chunkElems, a.Len)
	x, dy, dx := a.X[lo:hi], a.DY[lo:hi], a.DX[lo:hi]
	if a.On != nil && a.On[0] == 0 {
		copy(dx, dy)
		return
	}
	s := rangeSteps(a.Range)
	n := len(dx) / v.step() * v.step()
	if n > 0 {
		v.roundGrad(&roundArgs{x: &x[0], b: &dy[0], y: &dx[0], n: n, inv: s.inv, lo: s.lo, hi: s.hi})
	}
	s.grad(x[n:], dy[n:], dx[n:])
}

func (v *vecISA) runMinMax(a *MinMax, task int) {
	lo, hi := chunk(task, chunkElems, a.Len)
	x := a.X[lo:hi]
	n := len(x) / v.step() * v.step()
	if n == 0 {
		a.Partial[2*task], a.Partial[2*task+1] = minMax(x)
		return
	}
	var lanes [32]float32
	args := roundArgs{x: &x[0], y: &lanes[0], n: n}
	v.extremes(&args)
	half := v.extremeLanes()
	least, _ := minMax(lanes[:half])
	_, most := minMax(lanes[half : 2*half])
	if n < len(x) {
		l, m := minMax(x[n:])
		least, most = min(least, l), max(most, m)
	}
	if args.none != 0 {
		least, most = float32(math.NaN()), float32(math.NaN())
	}
	a.Partial[2*task], a.Partial[2*task+1] = least, most
}
