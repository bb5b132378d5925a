package graph

import "fmt"

// BatchNorm normalises each channel. Inputs: x [N,H,W,C], gamma, beta, mean,
// var, each [C]:
//
//	y = (x - mean) / sqrt(var + Epsilon) * gamma + beta
//
// This is inference with stored statistics. Momentum is the fraction of the
// old average kept at each training step (0.9 for PyTorch's momentum 0.1); it
// does not affect inference.
type BatchNorm struct {
	Epsilon  float64
	Momentum float64
}

func (BatchNorm) Kind() string { return "batch_norm" }

func (b BatchNorm) Infer(in []Type) (Type, error) {
	if err := arity(in, 5); err != nil {
		return Type{}, err
	}
	x := in[0].Shape
	if len(x) == 0 {
		return Type{}, fmt.Errorf("input has no channels")
	}
	c := x[len(x)-1]
	for i, name := range []string{"gamma", "beta", "mean", "var"} {
		if s := in[i+1].Shape; len(s) != 1 || s[0] != c {
			return Type{}, fmt.Errorf("%s %v for %d channels", name, s, c)
		}
	}
	if !(b.Epsilon >= 0) {
		return Type{}, fmt.Errorf("epsilon %v", b.Epsilon)
	}
	return in[0], nil
}

// Cost counts one scale-and-shift per element.
func (BatchNorm) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

// Dropout is the identity at inference; Rate is the fraction dropped in training.
type Dropout struct{ Rate float64 }

func (Dropout) Kind() string { return "dropout" }

func (d Dropout) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if !(d.Rate >= 0 && d.Rate < 1) {
		return Type{}, fmt.Errorf("rate %v is not in [0,1)", d.Rate)
	}
	return in[0], nil
}

func (Dropout) Cost([]Type, Type) Cost { return Cost{} }

// Softmax normalises the last axis to probabilities.
type Softmax struct{}

func (Softmax) Kind() string { return "softmax" }

func (Softmax) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if len(in[0].Shape) == 0 {
		return Type{}, fmt.Errorf("input is a scalar")
	}
	return in[0], nil
}

// Cost counts an exponential and a division per element.
func (Softmax) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 2 * elems(out)} }
