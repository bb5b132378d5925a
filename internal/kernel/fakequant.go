package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// The tables of fake quantization, best first. All kernels have the bits of
// the reference: a value on the wrong side of a rounding is off by a whole step.

// FakeQuantKernels lists the roundings of values.
func FakeQuantKernels() []Kernel[FakeQuant] {
	return append(vecFakeQuantKernels(),
		goKernel("fakequantF32Go", 0, func(a *FakeQuant) int { return ceilDiv(a.Len, chunkElems) }, noScratch[FakeQuant], runFakeQuant),
		refKernel("fakequantF32Ref", 0, ref.FakeQuant[float32]),
	)
}

// FakeQuantGradKernels lists their gradients.
func FakeQuantGradKernels() []Kernel[FakeQuantGrad] {
	return append(vecFakeQuantGradKernels(),
		goKernel("fakequantgradF32Go", 0, func(a *FakeQuantGrad) int { return ceilDiv(a.Len, chunkElems) }, noScratch[FakeQuantGrad], runFakeQuantGrad),
		refKernel("fakequantgradF32Ref", 0, ref.FakeQuantGrad[float32]),
	)
}

// FakeQuantWeightKernels lists the roundings of weights.
func FakeQuantWeightKernels() []Kernel[FakeQuantWeight] {
	return []Kernel[FakeQuantWeight]{
		goKernel("fakequantwF32Go", 0, func(a *FakeQuantWeight) int { return ceilDiv(a.O, rowsPerTask(a.Per)) }, noScratch[FakeQuantWeight], runFakeQuantWeight),
		refKernel("fakequantwF32Ref", 0, ref.FakeQuantWeight[float32]),
	}
}

// MinMaxKernels lists the ranges.
func MinMaxKernels() []Kernel[MinMax] {
	k := goKernel("minmaxF32Go", 0, minMaxTasks, noScratch[MinMax], runMinMax)
	k.Reduce = minMaxReduction()
	return append(vecMinMaxKernels(), k, refKernel("minmaxF32Ref", 0, ref.MinMax[float32]))
}

func minMaxReduction() *Reduction[MinMax] {
	return &Reduction[MinMax]{
		Len:   func(a *MinMax) int { return 2 * minMaxTasks(a) },
		At:    func(a *MinMax) *[]float32 { return &a.Partial },
		Tasks: func(*MinMax) int { return 1 },
		Merge: func(a *MinMax, _ int) {
			a.Y[0], a.Y[1] = minMax(a.Partial[:2*minMaxTasks(a)])
		},
	}
}

// roundingMagic added to and taken away from a number below 2^22 leaves the
// nearest integer, ties to even.
const roundingMagic = 3 << 22

// steps is what rounding to a byte needs: numbers are multiplied by inv, kept
// within [lo,hi], rounded and multiplied by scale.
type steps struct{ inv, lo, hi, scale float32 }

func rangeSteps(r []float32) steps {
	scale, zero := ref.Affine(r[0], r[1])
	return steps{1 / scale, -zero, 255 - zero, scale}
}

func runFakeQuant(a *FakeQuant, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	x, y := a.X[lo:hi], a.Y[lo:hi]
	if a.On != nil && a.On[0] == 0 {
		copy(y, x)
		return
	}
	s := rangeSteps(a.Range)
	s.round(x, y)
}

// round is y = fake quantized x; y may be x. To clamp before rounding is the
// same as to clamp after it, as the bounds are integers.
func (s *steps) round(x, y []float32) {
	x = x[:len(y)]
	for i, v := range x {
		v = min(max(v*s.inv, s.lo), s.hi)
		v = float32(v+roundingMagic) - roundingMagic
		y[i] = v * s.scale
	}
}

func runFakeQuantGrad(a *FakeQuantGrad, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	x, dy, dx := a.X[lo:hi], a.DY[lo:hi], a.DX[lo:hi]
	if a.On != nil && a.On[0] == 0 {
		copy(dx, dy)
		return
	}
	s := rangeSteps(a.Range)
	s.grad(x, dy, dx)
}

// grad passes dy where x is not clamped; dx may be x or dy.
func (s *steps) grad(x, dy, dx []float32) {
	x, dy = x[:len(dx)], dy[:len(dx)]
	// Beyond the bounds by more than half a step; the ties lo-0.5 and hi+0.5
	// round to even.
	lo, hi := s.lo-0.5, s.hi+0.5
	loTie, hiTie := int32(s.lo)&1 == 0, int32(s.hi)&1 == 0
	for i, v := range x {
		v *= s.inv
		g := dy[i]
		if v <= lo && (v < lo || !loTie) || v >= hi && (v > hi || !hiTie) {
			g = 0
		}
		dx[i] = g
	}
}

func runFakeQuantWeight(a *FakeQuantWeight, task int, _ []float32) {
	lo, hi := chunk(task, rowsPerTask(a.Per), a.O)
	if a.On != nil && a.On[0] == 0 {
		copy(a.Y[lo*a.Per:hi*a.Per], a.X[lo*a.Per:])
		return
	}
	for o := lo; o < hi; o++ {
		x, y := a.X[o*a.Per:][:a.Per], a.Y[o*a.Per:][:a.Per]
		scale := ref.WeightScale(x)
		s := steps{1 / scale, -127, 127, scale}
		s.round(x, y)
	}
}

func minMaxTasks(a *MinMax) int { return ceilDiv(a.Len, chunkElems) }

func runMinMax(a *MinMax, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	a.Partial[2*task], a.Partial[2*task+1] = minMax(a.X[lo:hi])
}

// minMax is the least and the greatest of some numbers, both NaN if one is.
func minMax(x []float32) (lo, hi float32) {
	lo, hi = x[0], x[0]
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
		if v != v {
			return v, v
		}
	}
	return lo, hi
}
