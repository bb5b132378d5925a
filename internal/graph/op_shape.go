package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Reshape views the input under another shape. One extent may be -1 and is
// then found from the number of elements; an extent of 0 keeps the input's
// extent at the same place, so that {0,-1} flattens any batch.
type Reshape struct{ Shape tensor.Shape }

func (Reshape) Kind() string { return "reshape" }

func (r Reshape) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	total, err := in[0].Shape.Elems()
	if err != nil {
		return Type{}, err
	}
	out := r.Shape.Clone()
	free, known := -1, tensor.Shape{}
	for i, d := range out {
		switch {
		case d == 0 && i < len(in[0].Shape):
			out[i] = in[0].Shape[i]
		case d == -1 && free < 0:
			free = i
			continue
		case d < 0:
			return Type{}, fmt.Errorf("shape %v: only one extent may be free", r.Shape)
		}
		known = append(known, out[i])
	}
	n, err := known.Elems()
	if err != nil {
		return Type{}, err
	}
	if free >= 0 && n > 0 {
		out[free] = total / n
		n *= out[free]
	}
	if n != total {
		return Type{}, fmt.Errorf("cannot view %v as %v", in[0].Shape, r.Shape)
	}
	return moved(in[0], out), nil
}

func (Reshape) Cost([]Type, Type) Cost { return Cost{} }

// Transpose reorders the axes: axis i of the result is axis Perm[i].
type Transpose struct{ Perm []int }

func (Transpose) Kind() string { return "transpose" }

func (t Transpose) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	out := make(tensor.Shape, len(s))
	seen := make([]bool, len(s))
	if len(t.Perm) != len(s) {
		return Type{}, fmt.Errorf("permutation %v of %v", t.Perm, s)
	}
	for i, p := range t.Perm {
		if p < 0 || p >= len(s) || seen[p] {
			return Type{}, fmt.Errorf("permutation %v of %v", t.Perm, s)
		}
		seen[p], out[i] = true, s[p]
	}
	return moved(in[0], out), nil
}

func (Transpose) Cost([]Type, Type) Cost { return Cost{} }

// Concat joins its inputs along an axis.
type Concat struct{ Axis int }

func (Concat) Kind() string { return "concat" }

func (c Concat) Infer(in []Type) (Type, error) {
	if len(in) == 0 {
		return Type{}, fmt.Errorf("needs at least one input")
	}
	if err := alikeInts(in); err != nil {
		return Type{}, err
	}
	out := in[0].Shape.Clone()
	if c.Axis < 0 || c.Axis >= len(out) {
		return Type{}, fmt.Errorf("axis %d of %v", c.Axis, out)
	}
	for _, t := range in[1:] {
		if len(t.Shape) != len(out) {
			return Type{}, fmt.Errorf("cannot join %v to %v", t.Shape, in[0].Shape)
		}
		for i, d := range t.Shape {
			if i == c.Axis {
				out[i] += d
			} else if d != out[i] {
				return Type{}, fmt.Errorf("cannot join %v to %v on axis %d", t.Shape, in[0].Shape, c.Axis)
			}
		}
	}
	return moved(in[0], out), nil
}

func (Concat) Cost([]Type, Type) Cost { return Cost{} }

// Pad2D surrounds a picture with a constant value; a quantized one with real
// zeros, whatever Value says.
type Pad2D struct {
	Padding
	Value float32
}

func (Pad2D) Kind() string { return "pad" }

func (p Pad2D) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) != 4 || p.Same {
		return Type{}, fmt.Errorf("needs a picture and explicit padding, got %v", s)
	}
	for _, v := range []int{p.Top, p.Bottom, p.Left, p.Right} {
		if v < 0 || v > maxWindow {
			return Type{}, fmt.Errorf("padding of %d", v)
		}
	}
	return moved(in[0], tensor.Shape{s[0], s[1] + p.Top + p.Bottom, s[2] + p.Left + p.Right, s[3]}), nil
}

func (Pad2D) Cost([]Type, Type) Cost { return Cost{} }
