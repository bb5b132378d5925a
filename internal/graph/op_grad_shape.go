package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// PoolGrad is the gradient of a pooling's input. Inputs: x, dy. A maximum's
// gradient goes to the first of the largest elements of a window.
type PoolGrad struct {
	Window
	Max      bool
	CountPad bool
}

func (PoolGrad) Kind() string { return "pool_grad" }

func (p PoolGrad) Infer(in []Type) (Type, error) {
	if err := arity(in, 2); err != nil {
		return Type{}, err
	}
	y, err := Pool(p).Infer(in[:1])
	if err != nil {
		return Type{}, err
	}
	if !y.Shape.Equal(in[1].Shape) {
		return Type{}, fmt.Errorf("gradient %v of a result %v", in[1].Shape, y.Shape)
	}
	return in[0], nil
}

func (p PoolGrad) Cost(in []Type, _ Type) Cost {
	return Cost{Elementwise: elems(in[1]) * int64(p.KH) * int64(p.KW)}
}

// ResizeGrad is the gradient of a resize's input, which has H x W pixels.
type ResizeGrad struct {
	H, W    int
	Nearest bool
	Rule    ResizeRule
}

func (ResizeGrad) Kind() string { return "resize_grad" }

func (r ResizeGrad) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) != 4 || r.H < 1 || r.W < 1 || r.Rule > Asymmetric {
		return Type{}, fmt.Errorf("gradient %v of a picture of %d x %d", s, r.H, r.W)
	}
	return F32(s[0], r.H, r.W, s[3]), nil
}

func (ResizeGrad) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: 4 * elems(in[0])} }

// Slice takes the part of its input that begins at Start and has the given
// shape.
type Slice struct {
	Start []int
	Shape tensor.Shape
}

func (Slice) Kind() string { return "slice" }

func (s Slice) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	x := in[0].Shape
	if len(s.Start) != len(x) || len(s.Shape) != len(x) {
		return Type{}, fmt.Errorf("part %v at %v of %v", s.Shape, s.Start, x)
	}
	for i, d := range x {
		if s.Start[i] < 0 || s.Shape[i] < 0 || s.Shape[i] > d || s.Start[i] > d-s.Shape[i] {
			return Type{}, fmt.Errorf("part %v at %v of %v", s.Shape, s.Start, x)
		}
	}
	return moved(in[0], s.Shape.Clone()), nil
}

func (Slice) Cost([]Type, Type) Cost { return Cost{} }
