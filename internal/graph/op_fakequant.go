package graph

import "fmt"

// Fake quantization keeps real numbers but lets only those through that an
// integer graph could store: a network trained with it is one that pass.Lower
// turns into integers without changing what it computes.
//
// The last input of these operations, On [1], may be left out. Where it is 0
// they pass on what they are given, so that a training can begin without them.

// FakeQuant rounds to the nearest of the 256 values of a byte:
//
//	y = (clamp(round(x/scale), -zero, 255-zero)) * scale
//
// with the scale and the zero point that Affine makes of a range. Inputs: x,
// the range [2] and On.
type FakeQuant struct{}

func (FakeQuant) Kind() string { return "fake_quant" }

func (FakeQuant) Infer(in []Type) (Type, error) {
	if err := optional(in, 2); err != nil {
		return Type{}, err
	}
	return in[0], checkRange(in[1:])
}

func (FakeQuant) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 3 * elems(out)} }

// FakeQuantGrad is the straight-through gradient of a FakeQuant: dy where x was
// not clamped, 0 where it was. Inputs: x, dy, the range and On.
type FakeQuantGrad struct{}

func (FakeQuantGrad) Kind() string { return "fake_quant_grad" }

func (FakeQuantGrad) Infer(in []Type) (Type, error) {
	if err := optional(in, 3); err != nil {
		return Type{}, err
	}
	if err := alike(in[:2], 2); err != nil {
		return Type{}, err
	}
	return in[0], checkRange(in[2:])
}

func (FakeQuantGrad) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 3 * elems(out)} }

// FakeQuantWeight rounds the weights of each output, an element of the first
// axis, to the 255 values from -127 to 127 times a scale, which the greatest of
// them sets: y = round(w/scale) * scale. Inputs: w [O,...] and On. Nothing is
// clamped, so its gradient is that of y.
type FakeQuantWeight struct{}

func (FakeQuantWeight) Kind() string { return "fake_quant_weight" }

func (FakeQuantWeight) Infer(in []Type) (Type, error) {
	if err := optional(in, 1); err != nil {
		return Type{}, err
	}
	if len(in[0].Shape) < 2 {
		return Type{}, fmt.Errorf("weight %v has no outputs", in[0].Shape)
	}
	return in[0], checkOn(in[1:])
}

func (FakeQuantWeight) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 4 * elems(out)} }

// MinMax gives the least and the greatest element: the range [2] of a batch.
type MinMax struct{}

func (MinMax) Kind() string { return "min_max" }

func (MinMax) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if in[0].Shape.Len() == 0 {
		return Type{}, fmt.Errorf("input %v has no elements", in[0].Shape)
	}
	return F32(2), nil
}

func (MinMax) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: 2 * elems(in[0])} }

// optional is arity where the last input may be left out.
func optional(in []Type, want int) error {
	if len(in) == want {
		return nil
	}
	return arity(in, want+1)
}

// checkRange checks a range and what may follow.
func checkRange(in []Type) error {
	if in[0].Shape.Len() != 2 {
		return fmt.Errorf("range %v is not two numbers", in[0].Shape)
	}
	return checkOn(in[1:])
}

func checkOn(in []Type) error {
	if len(in) > 0 && in[0].Shape.Len() != 1 {
		return fmt.Errorf("switch %v is not one number", in[0].Shape)
	}
	return nil
}
