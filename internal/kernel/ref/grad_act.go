package ref

import "math"

// ActSlope is the derivative of an activation at x. At a kink it takes the
// side that PyTorch's backward functions take.
func ActSlope[T Float](a Act, x T) T {
	v, p, q := float64(x), constant[T](a.A), constant[T](a.B)
	inside := func(in bool, slope T) T {
		if in || x != x {
			return slope
		}
		return 0
	}
	switch a.Kind {
	case ReLU:
		return inside(x > 0, 1)
	case ReLU6:
		return inside(x > 0 && x < 6, 1)
	case Clip:
		return inside(x > p && x < q, 1)
	case LeakyReLU:
		if x <= 0 {
			return p
		}
	case Swish:
		s := 1 / (1 + math.Exp(-v))
		return T(s * (1 + v*(1-s)))
	case Sigmoid:
		s := 1 / (1 + math.Exp(-v))
		return T(s * (1 - s))
	case HSwish:
		if x > 3 {
			return 6 * p
		}
		return inside(x >= -3, (2*x+3)*p)
	case HSigmoid:
		return inside(x > -3 && x < 3, p)
	case HardSigmoid:
		return inside(p*x+q > 0 && p*x+q < 1, p)
	case Tanh:
		t := math.Tanh(v)
		return T(1 - t*t)
	case GELU:
		return T(0.5*math.Erfc(-v/math.Sqrt2) + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
	}
	return 1
}

// constant is an activation's constant. The float32 nearest to 1/6 stands for
// 1/6 itself, which float64 holds better.
func constant[T Float](v float32) T {
	if v == float32(1.0/6) {
		return T(1) / 6
	}
	return T(v)
}

// ActivationGradArgs is the gradient of an activation's input X; DX may be DY.
type ActivationGradArgs[T Float] struct {
	Len       int
	Act       Act
	X, DY, DX []T
}

// ActivationGrad multiplies by the slope.
func ActivationGrad[T Float](a *ActivationGradArgs[T]) {
	for i := range a.Len {
		a.DX[i] = a.DY[i] * ActSlope(a.Act, a.X[i])
	}
}

// SoftmaxGradArgs is the gradient of the input of a softmax Y of Rows rows of
// Cols numbers; DX may be DY.
type SoftmaxGradArgs[T Float] struct {
	Rows, Cols int
	Y, DY, DX  []T
}

// SoftmaxGrad is y*(dy - sum(y*dy)).
func SoftmaxGrad[T Float](a *SoftmaxGradArgs[T]) {
	for r := range a.Rows {
		var sum float64
		for i := r * a.Cols; i < (r+1)*a.Cols; i++ {
			sum += float64(a.Y[i]) * float64(a.DY[i])
		}
		for i := r * a.Cols; i < (r+1)*a.Cols; i++ {
			a.DX[i] = T(float64(a.Y[i]) * (float64(a.DY[i]) - sum))
		}
	}
}
