package ref

import "math"

// Affine is the scale and the zero point of the bytes that stand for a range,
// which is widened to hold 0 and moved so that a byte stands for it exactly.
func Affine[T Float](lo, hi T) (scale, zero T) {
	lo, hi = min(lo, 0), max(hi, 0)
	if scale = T((float64(hi) - float64(lo)) / 255); !(scale > 0) {
		return 1.0 / 255, 0
	}
	// Rounded as an int8, whose halves go the other way below 0.
	return scale, T(min(max(math.Round(-128-float64(lo)/float64(scale))+128, 0), 255))
}

// FakeQuantArgs rounds Len elements to the values of a byte; see
// graph.FakeQuant. Range holds the least and the greatest value; with On, one
// number, 0 they pass. Y may be X.
type FakeQuantArgs[T Float] struct {
	Len             int
	X, Range, On, Y []T
}

// FakeQuant rounds ties to even.
func FakeQuant[T Float](a *FakeQuantArgs[T]) {
	if a.On != nil && a.On[0] == 0 {
		copy(a.Y[:a.Len], a.X)
		return
	}
	scale, zero := Affine(a.Range[0], a.Range[1])
	inv := 1 / scale
	for i, x := range a.X[:a.Len] {
		q := T(math.RoundToEven(float64(x * inv)))
		a.Y[i] = (min(max(q, -zero), 255-zero) + 0) * scale // no -0
	}
}

// FakeQuantGradArgs is the gradient of FakeQuant's input. DX may be X or DY.
type FakeQuantGradArgs[T Float] struct {
	Len                  int
	X, DY, Range, On, DX []T
}

// FakeQuantGrad passes the gradient straight through where nothing was
// clamped.
func FakeQuantGrad[T Float](a *FakeQuantGradArgs[T]) {
	if a.On != nil && a.On[0] == 0 {
		copy(a.DX[:a.Len], a.DY)
		return
	}
	scale, zero := Affine(a.Range[0], a.Range[1])
	inv := 1 / scale
	for i, x := range a.X[:a.Len] {
		q := T(math.RoundToEven(float64(x * inv)))
		if a.DX[i] = a.DY[i]; q < -zero || q > 255-zero {
			a.DX[i] = 0
		}
	}
}

// FakeQuantWeightArgs rounds the weights of O outputs, Per each. Y may be X.
type FakeQuantWeightArgs[T Float] struct {
	O, Per   int
	X, On, Y []T
}

// FakeQuantWeight scales each output by the greatest of its weights.
func FakeQuantWeight[T Float](a *FakeQuantWeightArgs[T]) {
	if a.On != nil && a.On[0] == 0 {
		copy(a.Y[:a.O*a.Per], a.X)
		return
	}
	for o := range a.O {
		x, y := a.X[o*a.Per:][:a.Per], a.Y[o*a.Per:][:a.Per]
		scale := WeightScale(x)
		inv := 1 / scale
		for i, w := range x {
			y[i] = (T(math.RoundToEven(float64(w*inv))) + 0) * scale
		}
	}
}

// WeightScale is the scale of an output's weights, 1 where all are 0 or too
// small for a scale of their own.
func WeightScale[T Float](w []T) T {
	var top T
	for _, v := range w {
		top = max(top, v, -v)
	}
	scale := top / 127
	if float64(1/scale) > math.MaxFloat32 {
		return 1
	}
	return scale
}

// MinMaxArgs finds the least and the greatest of Len elements. Partial is the
// memory of a kernel that leaves partial results.
type MinMaxArgs[T Float] struct {
	Len     int
	X, Y    []T
	Partial []T
}

// MinMax looks at every element; a NaN makes both NaN.
func MinMax[T Float](a *MinMaxArgs[T]) {
	lo, hi := a.X[0], a.X[0]
	for _, v := range a.X[:a.Len] {
		lo, hi = min(lo, v), max(hi, v)
	}
	a.Y[0], a.Y[1] = lo, hi
}
