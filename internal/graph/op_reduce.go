package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Every reduction is split by its shape into chunks that are combined in a
// fixed order, never by the number of threads.

// ChannelSum sums each channel over all pixels: [...,C] to [C]. It is the
// gradient of a convolution's bias.
type ChannelSum struct{}

func (ChannelSum) Kind() string { return "channel_sum" }

func (ChannelSum) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) == 0 {
		return Type{}, fmt.Errorf("input has no channels")
	}
	return F32(s[len(s)-1]), nil
}

func (ChannelSum) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: elems(in[0])} }

// SumTo sums over the axes by which a value of the given shape would be
// broadcast to the input's. With Product there are two inputs of one shape,
// whose product is summed.
type SumTo struct {
	Shape   tensor.Shape
	Product bool
}

func (SumTo) Kind() string { return "sum_to" }

func (s SumTo) Infer(in []Type) (Type, error) {
	want := 1
	if s.Product {
		want = 2
	}
	if err := alike(in, want); err != nil {
		return Type{}, err
	}
	b, err := Broadcast(in[0].Shape, s.Shape)
	if err != nil || !b.Equal(in[0].Shape) {
		return Type{}, fmt.Errorf("%v is not a broadcast of %v", in[0].Shape, s.Shape)
	}
	return moved(in[0], s.Shape.Clone()), nil
}

func (s SumTo) Cost(in []Type, _ Type) Cost {
	n := elems(in[0])
	if s.Product {
		n *= 2
	}
	return Cost{Elementwise: n}
}

// Expand broadcasts its input to a shape and multiplies it by a factor. With
// the input's own shape it scales.
type Expand struct {
	Shape  tensor.Shape
	Factor float64
}

func (Expand) Kind() string { return "expand" }

func (e Expand) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	b, err := Broadcast(in[0].Shape, e.Shape)
	if err != nil || !b.Equal(e.Shape) {
		return Type{}, fmt.Errorf("%v cannot be broadcast to %v", in[0].Shape, e.Shape)
	}
	return moved(in[0], e.Shape.Clone()), nil
}

func (Expand) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

// ReduceKind is what Reduce computes of all elements.
type ReduceKind uint8

// The reductions to one number.
const (
	ReduceSum ReduceKind = iota
	ReduceMean
	ReduceSumSquares
)

// Reduce makes one number, of shape [1], of all elements.
type Reduce struct{ Fn ReduceKind }

func (Reduce) Kind() string { return "reduce" }

func (r Reduce) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if r.Fn > ReduceSumSquares || in[0].Shape.Len() == 0 {
		return Type{}, fmt.Errorf("cannot reduce %v", in[0].Shape)
	}
	return F32(1), nil
}

func (Reduce) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: elems(in[0])} }

// ClipFactor is the factor that clips gradients to a global norm:
//
//	min(1, Max / (sqrt(sum of inputs) + 1e-6))
//
// of any number of sums of squares, each [1].
type ClipFactor struct{ Max float64 }

func (ClipFactor) Kind() string { return "clip_factor" }

func (c ClipFactor) Infer(in []Type) (Type, error) {
	if len(in) == 0 || !(c.Max > 0) {
		return Type{}, fmt.Errorf("no inputs, or a norm of %v", c.Max)
	}
	for _, t := range in {
		if t.Shape.Len() != 1 {
			return Type{}, fmt.Errorf("input %v is not one number", t.Shape)
		}
	}
	return F32(1), nil
}

func (ClipFactor) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: int64(len(in))} }
