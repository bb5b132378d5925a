package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Random is a mask: each element is 0 with probability Rate and 1/(1-Rate)
// otherwise. It is a hash of the seed, the step, Stream and the element's
// index, so that it has no state and any thread can compute any element. The
// shape says what is dropped together: that of a map for dropout, [N,1,1,1]
// for whole pictures in stochastic depth.
//
// Inputs: seed [2], two whole numbers below 2^24; step [1], a whole number
// below 2^24.
type Random struct {
	Shape  tensor.Shape
	Rate   float64
	Stream uint32
}

func (Random) Kind() string { return "random" }

func (r Random) Infer(in []Type) (Type, error) {
	if err := arity(in, 2); err != nil {
		return Type{}, err
	}
	if in[0].Shape.Len() != 2 || in[1].Shape.Len() != 1 {
		return Type{}, fmt.Errorf("seed %v and step %v must have two numbers and one", in[0].Shape, in[1].Shape)
	}
	if !(r.Rate >= 0 && r.Rate < 1) {
		return Type{}, fmt.Errorf("rate %v is not in [0,1)", r.Rate)
	}
	return F32(r.Shape.Clone()...), nil
}

func (Random) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }
