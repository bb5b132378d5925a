package graph

import "fmt"

// ActivationGrad is the gradient of an activation's input: dy * act'(x), with
// x the input. Inputs: x, dy. At a kink it takes PyTorch's side.
type ActivationGrad struct{ Act Act }

func (ActivationGrad) Kind() string { return "activation_grad" }

func (a ActivationGrad) Infer(in []Type) (Type, error) {
	if err := alike(in, 2); err != nil {
		return Type{}, err
	}
	return in[0], a.Act.Check()
}

func (ActivationGrad) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 2 * elems(out)} }

// SoftmaxGrad is the gradient of a softmax's input. Inputs: y, the softmax,
// and dy.
type SoftmaxGrad struct{}

func (SoftmaxGrad) Kind() string { return "softmax_grad" }

func (SoftmaxGrad) Infer(in []Type) (Type, error) {
	if err := alike(in, 2); err != nil {
		return Type{}, err
	}
	if len(in[0].Shape) == 0 {
		return Type{}, fmt.Errorf("input is a scalar")
	}
	return in[0], nil
}

func (SoftmaxGrad) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 4 * elems(out)} }

// alike wants a number of inputs of one shape.
func alike(in []Type, want int) error {
	if err := arity(in, want); err != nil {
		return err
	}
	for _, t := range in[1:] {
		if !t.Shape.Equal(in[0].Shape) {
			return fmt.Errorf("shapes %v and %v differ", in[0].Shape, t.Shape)
		}
	}
	return nil
}
