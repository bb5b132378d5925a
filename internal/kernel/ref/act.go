package ref

import "math"

// ActKind is the shape of an activation function, in the order of the graph's
// own list.
type ActKind uint8

// The activation functions. A and B are Act's fields.
const (
	Linear      ActKind = iota // x
	ReLU                       // max(x, 0)
	ReLU6                      // min(max(x, 0), 6)
	Clip                       // min(max(x, A), B)
	LeakyReLU                  // x < 0 ? A*x : x
	Swish                      // x * sigmoid(x)
	Sigmoid                    // 1 / (1 + exp(-x))
	HSwish                     // x * relu6(x+3) * A
	HSigmoid                   // relu6(x+3) * A
	HardSigmoid                // min(max(A*x + B, 0), 1)
	Tanh                       // tanh(x)
	GELU                       // x * Phi(x), exact
	NumActs
)

// Act is an activation function with its constants; the zero value is the
// identity.
type Act struct {
	Kind ActKind
	A, B float32
}

// ApplyAct is the activation of one number, computed in float64 where it needs
// a transcendental function. A NaN stays a NaN.
func ApplyAct[T Float](a Act, x T) T {
	v, p, q := float64(x), constant[T](a.A), constant[T](a.B)
	switch a.Kind {
	case ReLU:
		return max(x, 0)
	case ReLU6:
		return min(max(x, 0), 6)
	case Clip:
		return min(max(x, p), q)
	case LeakyReLU:
		if x < 0 {
			return p * x
		}
	case Swish:
		return T(v / (1 + math.Exp(-v)))
	case Sigmoid:
		return T(1 / (1 + math.Exp(-v)))
	case HSwish:
		return x * min(max(x+3, 0), 6) * p
	case HSigmoid:
		return min(max(x+3, 0), 6) * p
	case HardSigmoid:
		return min(max(p*x+q, 0), 1)
	case Tanh:
		return T(math.Tanh(v))
	case GELU:
		return T(v * 0.5 * math.Erfc(-v/math.Sqrt2))
	}
	return x
}

// ActivationArgs is an activation of every element; Y may be X.
type ActivationArgs[T Float] struct {
	Len  int
	Act  Act
	X, Y []T
}

// Activation applies an activation function to every element.
func Activation[T Float](a *ActivationArgs[T]) {
	for i := range a.Len {
		a.Y[i] = ApplyAct(a.Act, a.X[i])
	}
}
