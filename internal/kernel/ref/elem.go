package ref

import "math"

// BinaryKind is the arithmetic of two operands, in the order of the graph's
// own list.
type BinaryKind uint8

// The elementwise operations of two operands.
const (
	Add BinaryKind = iota
	Sub
	Mul
	Div
	NumBinaries
)

// BinaryArgs is an elementwise operation of two operands of up to four
// dimensions, missing leading ones given as 1. An extent of 1 is broadcast;
// the result has the larger extent of each pair (0 if either is 0). Y may be
// A or B where that one is not broadcast.
type BinaryArgs[T Float] struct {
	Fn             BinaryKind
	AShape, BShape [4]int
	Act            Act
	A, B, Y        []T
}

// OutShape is the common shape of the operands under NumPy's rule.
func (a *BinaryArgs[T]) OutShape() (s [4]int) {
	for i := range s {
		if s[i] = a.AShape[i]; s[i] == 1 {
			s[i] = a.BShape[i]
		}
	}
	return s
}

// Apply is the arithmetic of one pair.
func (a *BinaryArgs[T]) Apply(x, y T) T {
	switch a.Fn {
	case Add:
		x += y
	case Sub:
		x -= y
	case Mul:
		x *= y
	case Div:
		x /= y
	}
	return ApplyAct(a.Act, x)
}

// Binary computes every element of the broadcast result.
func Binary[T Float](a *BinaryArgs[T]) {
	s := a.OutShape()
	for i := range s[0] * s[1] * s[2] * s[3] {
		ia, ib, rest, da, db := 0, 0, i, 1, 1
		for d := 3; d >= 0; d-- {
			at := rest % s[d]
			rest /= s[d]
			ia, ib = ia+min(at, a.AShape[d]-1)*da, ib+min(at, a.BShape[d]-1)*db
			da, db = da*a.AShape[d], db*a.BShape[d]
		}
		a.Y[i] = a.Apply(a.A[ia], a.B[ib])
	}
}

// SoftmaxArgs normalises each of Rows rows of Cols numbers; Y may be X.
type SoftmaxArgs[T Float] struct {
	Rows, Cols int
	X, Y       []T
}

// Softmax subtracts the largest element first, so that nothing overflows, and
// sums in float64.
func Softmax[T Float](a *SoftmaxArgs[T]) {
	for r := range a.Rows {
		x, y := a.X[r*a.Cols:][:a.Cols], a.Y[r*a.Cols:][:a.Cols]
		top := math.Inf(-1)
		for _, v := range x {
			top = max(top, float64(v))
		}
		var sum float64
		for _, v := range x {
			sum += math.Exp(float64(v) - top)
		}
		for i, v := range x {
			y[i] = T(math.Exp(float64(v)-top) / sum)
		}
	}
}

// BatchNormArgs normalises each channel of Rows rows of C channels with given
// statistics: (x-mean)/sqrt(var+eps)*gamma + beta. Y may be X.
type BatchNormArgs[T Float] struct {
	Rows, C                      int
	Epsilon                      float64
	X, Gamma, Beta, Mean, Var, Y []T
}

// BatchNorm computes the formula. The factor of a channel is found in float64.
func BatchNorm[T Float](a *BatchNormArgs[T]) {
	for i := range a.Rows * a.C {
		c := i % a.C
		f := T(float64(a.Gamma[c]) / math.Sqrt(float64(a.Var[c])+a.Epsilon))
		a.Y[i] = T((a.X[i]-a.Mean[c])*f) + a.Beta[c]
	}
}
