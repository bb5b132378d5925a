package graph

import (
	"fmt"
	"math"
)

// ActKind is the shape of an activation function.
type ActKind uint8

// The activation functions of the family. A and B are Act's fields.
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
	HardSigmoid                // min(max(A*x + B, 0), 1), ONNX
	Tanh                       // tanh(x)
	GELU                       // x * Phi(x), exact
	numActs
)

var actNames = [numActs]string{"linear", "relu", "relu6", "clip", "leaky_relu", "swish", "sigmoid", "hswish", "hsigmoid", "hard_sigmoid", "tanh", "gelu"}

func (k ActKind) String() string {
	if k < numActs {
		return actNames[k]
	}
	return fmt.Sprintf("act(%d)", uint8(k))
}

// Act is an activation function with its constants. The zero value is the
// identity. Use the constructors below for the functions that take constants:
// h-swish and h-sigmoid carry their factor because TF-slim writes 0.16667
// where everyone else uses 1/6.
type Act struct {
	Kind ActKind
	A, B float32
}

// Sixth is the exact factor of h-swish and h-sigmoid, rounded to float32.
const Sixth = float32(1.0 / 6)

// SlimSixth is the factor in TF-slim's squeeze-and-excite gate.
const SlimSixth = float32(0.16667)

// The activations without constants of their own.
var (
	ActNone     = Act{}
	ActReLU     = Act{Kind: ReLU}
	ActReLU6    = Act{Kind: ReLU6}
	ActSwish    = Act{Kind: Swish}
	ActSigmoid  = Act{Kind: Sigmoid}
	ActHSwish   = Act{Kind: HSwish, A: Sixth}
	ActHSigmoid = Act{Kind: HSigmoid, A: Sixth}
)

// ActLeakyReLU is the leaky ReLU with the given slope below zero.
func ActLeakyReLU(slope float32) Act { return Act{Kind: LeakyReLU, A: slope} }

// ActClip clamps to [lo, hi].
func ActClip(lo, hi float32) Act { return Act{Kind: Clip, A: lo, B: hi} }

// String is the name with its constants, as "leaky_relu(0.1)".
func (a Act) String() string {
	switch a.Kind {
	case LeakyReLU:
		return fmt.Sprintf("%v(%g)", a.Kind, a.A)
	case Clip, HardSigmoid:
		return fmt.Sprintf("%v(%g,%g)", a.Kind, a.A, a.B)
	case HSwish, HSigmoid:
		if a.A != Sixth {
			return fmt.Sprintf("%v(%g)", a.Kind, a.A)
		}
	}
	return a.Kind.String()
}

// Check reports an activation with senseless constants.
func (a Act) Check() error {
	if a.Kind >= numActs {
		return fmt.Errorf("unknown activation %d", a.Kind)
	}
	for _, v := range [2]float32{a.A, a.B} {
		if math.IsNaN(float64(v)) {
			return fmt.Errorf("activation %v: constant is not a number", a.Kind)
		}
	}
	if a.Kind == Clip && a.A > a.B {
		return fmt.Errorf("activation %v: lower bound above upper", a)
	}
	return nil
}

// Activation applies an activation function to every element.
type Activation struct{ Act Act }

func (Activation) Kind() string { return "activation" }

// Infer keeps the input's type.
func (a Activation) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	return in[0], a.Act.Check()
}

func (a Activation) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }
