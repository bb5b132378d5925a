package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Padding says how a window meets the edge of its input.
type Padding struct {
	// Same asks for TensorFlow's SAME rule: the output has ceil(in/stride)
	// pixels and the odd pixel of padding goes to the bottom and the right.
	// The other fields are then ignored.
	Same                     bool
	Top, Bottom, Left, Right int
}

// Pad is the same explicit padding on all four sides.
func Pad(p int) Padding { return Padding{Top: p, Bottom: p, Left: p, Right: p} }

// SamePadding is TensorFlow's SAME rule.
var SamePadding = Padding{Same: true}

// Window is the geometry shared by convolution and pooling. Zero strides and
// dilations mean 1.
type Window struct {
	KH, KW               int
	StrideH, StrideW     int
	DilationH, DilationW int
	Pad                  Padding
}

// Square is a k x k window with stride s and dilation d.
func Square(k, s, d int, pad Padding) Window {
	return Window{k, k, s, s, d, d, pad}
}

// Normal returns w with zero strides and dilations replaced by 1.
func (w Window) Normal() Window {
	w.StrideH, w.StrideW = max(w.StrideH, 1), max(w.StrideW, 1)
	w.DilationH, w.DilationW = max(w.DilationH, 1), max(w.DilationW, 1)
	return w
}

// maxWindow bounds every number of a window, so that the sums below cannot
// overflow on any input.
const maxWindow = 1 << 20

// Output gives the output extents and the explicit padding for an input.
func (w Window) Output(h, wd int) (oh, ow int, pad Padding, err error) {
	w = w.Normal()
	for _, v := range []int{w.KH, w.KW} {
		if v < 1 || v > maxWindow {
			return 0, 0, pad, fmt.Errorf("window of %d x %d", w.KH, w.KW)
		}
	}
	for _, v := range []int{w.StrideH, w.StrideW, w.DilationH, w.DilationW} {
		if v > maxWindow {
			return 0, 0, pad, fmt.Errorf("stride or dilation of %d", v)
		}
	}
	for _, v := range []int{w.Pad.Top, w.Pad.Bottom, w.Pad.Left, w.Pad.Right} {
		if v < 0 || v > maxWindow {
			return 0, 0, pad, fmt.Errorf("padding of %d", v)
		}
	}
	pad = w.Pad
	ekh, ekw := (w.KH-1)*w.DilationH+1, (w.KW-1)*w.DilationW+1
	if pad.Same {
		oh, ow = ceilDiv(h, w.StrideH), ceilDiv(wd, w.StrideW)
		ph := max((oh-1)*w.StrideH+ekh-h, 0)
		pw := max((ow-1)*w.StrideW+ekw-wd, 0)
		return oh, ow, Padding{Top: ph / 2, Bottom: ph - ph/2, Left: pw / 2, Right: pw - pw/2}, nil
	}
	oh = (h+pad.Top+pad.Bottom-ekh)/w.StrideH + 1
	ow = (wd+pad.Left+pad.Right-ekw)/w.StrideW + 1
	if h+pad.Top+pad.Bottom < ekh || wd+pad.Left+pad.Right < ekw {
		return 0, 0, pad, fmt.Errorf("input of %d x %d is smaller than the window %d x %d", h, wd, ekh, ekw)
	}
	return oh, ow, pad, nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// Conv2D is a convolution with everything that can be fused into it:
//
//	y = act(conv(x * scale, w) + bias) + residual
//
// Inputs, in this order: x [N,H,W,C]; w [O,C/Groups,KH,KW]; bias [O] if Bias;
// residual (like y) if Residual; scale [N,1,1,C] if Scale. Groups 0 means 1; a
// depthwise convolution has Groups == C. A fully connected layer is a 1x1
// convolution of a 1x1 picture.
type Conv2D struct {
	Window
	Groups                int
	Act                   Act
	Bias, Residual, Scale bool
}

func (Conv2D) Kind() string { return "conv2d" }

// Operands gives the positions of the optional inputs, -1 where absent.
func (c Conv2D) Operands() (bias, residual, scale int) {
	bias, residual, scale = -1, -1, -1
	next := 2
	for _, o := range []struct {
		on  bool
		pos *int
	}{{c.Bias, &bias}, {c.Residual, &residual}, {c.Scale, &scale}} {
		if o.on {
			*o.pos = next
			next++
		}
	}
	return
}

// GroupCount is Groups with 0 read as 1.
func (c Conv2D) GroupCount() int { return max(c.Groups, 1) }

// Depthwise reports whether every output channel reads one input channel.
func (c Conv2D) Depthwise(in []Type) bool {
	return len(in) > 1 && len(in[1].Shape) == 4 && in[1].Shape[1] == 1 && c.GroupCount() == in[0].Shape[3] && c.GroupCount() > 1
}

func (c Conv2D) Infer(in []Type) (Type, error) {
	want := 2
	for _, on := range []bool{c.Bias, c.Residual, c.Scale} {
		if on {
			want++
		}
	}
	if err := arity(in, want); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(x) != 4 || len(w) != 4 {
		return Type{}, fmt.Errorf("input %v and weight %v must have four extents", x, w)
	}
	g := c.GroupCount()
	if x[3]%g != 0 || w[0]%g != 0 || w[1] != x[3]/g {
		return Type{}, fmt.Errorf("weight %v does not fit %d input channels in %d groups", w, x[3], g)
	}
	if w[2] != c.KH || w[3] != c.KW {
		return Type{}, fmt.Errorf("weight %v is not a %d x %d kernel", w, c.KH, c.KW)
	}
	oh, ow, _, err := c.Output(x[1], x[2])
	if err != nil {
		return Type{}, err
	}
	out := F32(x[0], oh, ow, w[0])
	bias, residual, scale := c.Operands()
	if bias >= 0 && in[bias].Shape.Len() != w[0] {
		return Type{}, fmt.Errorf("bias %v for %d output channels", in[bias].Shape, w[0])
	}
	if residual >= 0 && !in[residual].Shape.Equal(out.Shape) {
		return Type{}, fmt.Errorf("residual %v is not like the output %v", in[residual].Shape, out.Shape)
	}
	if scale >= 0 && !in[scale].Shape.Equal(tensor.Shape{x[0], 1, 1, x[3]}) {
		return Type{}, fmt.Errorf("scale %v for input %v", in[scale].Shape, x)
	}
	return out, c.Act.Check()
}

// Cost counts KH*KW*C/Groups multiply-adds per output, and one step for each
// fused bias, activation, residual and scale.
func (c Conv2D) Cost(in []Type, out Type) Cost {
	w := in[1].Shape
	n := elems(out)
	cost := Cost{MAdds: n * int64(w[1]) * int64(w[2]) * int64(w[3])}
	if c.Bias {
		cost.Elementwise += n
	}
	if c.Act.Kind != Linear {
		cost.Elementwise += n
	}
	if c.Residual {
		cost.Elementwise += n
	}
	if c.Scale {
		cost.Elementwise += elems(in[0])
	}
	return cost
}

func arity(in []Type, want int) error {
	if len(in) != want {
		return fmt.Errorf("needs %d inputs, got %d", want, len(in))
	}
	return nil
}
