package graph

import "fmt"

// ConvGradInput is the gradient of a convolution's input. Inputs: dy
// [N,OH,OW,O], w [O,C/Groups,KH,KW]; the result is [N,H,W,C].
type ConvGradInput struct {
	Window
	Groups int
	H, W   int // of the convolution's input
}

func (ConvGradInput) Kind() string { return "conv_grad_input" }

// GroupCount is Groups with 0 read as 1.
func (c ConvGradInput) GroupCount() int { return max(c.Groups, 1) }

func (c ConvGradInput) Infer(in []Type) (Type, error) {
	if err := arity(in, 2); err != nil {
		return Type{}, err
	}
	dy, w := in[0].Shape, in[1].Shape
	if len(dy) != 4 || len(w) != 4 {
		return Type{}, fmt.Errorf("gradient %v and weight %v must have four extents", dy, w)
	}
	out := F32(dy[0], c.H, c.W, w[1]*c.GroupCount())
	forward := Conv2D{Window: c.Window, Groups: c.Groups}
	y, err := forward.Infer([]Type{out, in[1]})
	if err != nil {
		return Type{}, err
	}
	if !y.Shape.Equal(dy) {
		return Type{}, fmt.Errorf("gradient %v of a result %v", dy, y.Shape)
	}
	return out, nil
}

// Cost counts the forward convolution's products.
func (c ConvGradInput) Cost(in []Type, _ Type) Cost {
	w := in[1].Shape
	return Cost{MAdds: elems(in[0]) * int64(w[1]) * int64(w[2]) * int64(w[3])}
}

// ConvGradWeight is the gradient of a convolution's weight. Inputs: x
// [N,H,W,C], dy [N,OH,OW,O]; the result is [O,C/Groups,KH,KW].
type ConvGradWeight struct {
	Window
	Groups int
}

func (ConvGradWeight) Kind() string { return "conv_grad_weight" }

// GroupCount is Groups with 0 read as 1.
func (c ConvGradWeight) GroupCount() int { return max(c.Groups, 1) }

func (c ConvGradWeight) Infer(in []Type) (Type, error) {
	if err := arity(in, 2); err != nil {
		return Type{}, err
	}
	x, dy := in[0].Shape, in[1].Shape
	if len(x) != 4 || len(dy) != 4 {
		return Type{}, fmt.Errorf("input %v and gradient %v must have four extents", x, dy)
	}
	if x[3]%c.GroupCount() != 0 {
		return Type{}, fmt.Errorf("%d input channels in %d groups", x[3], c.GroupCount())
	}
	out := F32(dy[3], x[3]/c.GroupCount(), c.KH, c.KW)
	forward := Conv2D{Window: c.Window, Groups: c.Groups}
	y, err := forward.Infer([]Type{in[0], out})
	if err != nil {
		return Type{}, err
	}
	if !y.Shape.Equal(dy) {
		return Type{}, fmt.Errorf("gradient %v of a result %v", dy, y.Shape)
	}
	return out, nil
}

// Cost counts the forward convolution's products.
func (c ConvGradWeight) Cost(in []Type, out Type) Cost {
	w := out.Shape
	return Cost{MAdds: elems(in[1]) * int64(w[1]) * int64(w[2]) * int64(w[3])}
}
