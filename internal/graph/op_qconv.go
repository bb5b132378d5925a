package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// QConv2D is a convolution of bytes with 32-bit sums:
//
//	acc = sum((x - zero(x)) * (w - zero(w))) + bias
//	y   = clamp(zero(y) + round(acc * scale(x)*scale(w)/scale(y)))
//
// Inputs, in this order: x [N,H,W,C], U8 or I8 with one scale; w
// [O,C/Groups,KH,KW], U8 or I8 with one scale or one for each of the O
// outputs; bias [O], I32, if Bias, whose scale is scale(x)*scale(w). Padding
// is real zeros. A fully connected layer is a 1x1 convolution of a 1x1
// picture.
type QConv2D struct {
	Window
	Stored
	Groups   int
	Bias     bool
	Rounding Rounding
	// Narrow multiplies the scales of x and w in float32 rather than float64:
	// see docs/quantization.md.
	Narrow bool
	// Then, if not nil, is a table that the result is looked up in; its Stored
	// is the result's.
	Then *QActivation
}

func (QConv2D) Kind() string { return "quantized_conv2d" }

// GroupCount is Groups with 0 read as 1.
func (c QConv2D) GroupCount() int { return max(c.Groups, 1) }

func (c QConv2D) Infer(in []Type) (Type, error) {
	want := 2
	if c.Bias {
		want++
	}
	if err := arity(in, want); err != nil {
		return Type{}, err
	}
	if err := byteInputs(in, 1); err != nil {
		return Type{}, err
	}
	w := in[1]
	if !w.Quantized() {
		return Type{}, fmt.Errorf("weight %v is not quantized", w)
	}
	if err := w.Quant.Check(w.DType, w.Shape); err != nil {
		return Type{}, fmt.Errorf("weight: %w", err)
	}
	if n := len(w.Quant.Scales); n != 1 && w.Quant.Axis != 0 {
		return Type{}, fmt.Errorf("weight: %d scales along axis %d, want one scale or one for each output", n, w.Quant.Axis)
	}
	if c.Bias && in[2].DType != tensor.I32 {
		return Type{}, fmt.Errorf("bias %v is not int32", in[2])
	}
	if c.Rounding > FloatRounding {
		return Type{}, fmt.Errorf("unknown rounding %d", c.Rounding)
	}
	t, err := Conv2D{Window: c.Window, Groups: c.Groups, Bias: c.Bias}.Infer(in)
	if err != nil {
		return Type{}, err
	}
	if t, err = c.Stored.Type(t.Shape); err != nil || c.Then == nil {
		return t, err
	}
	return c.Then.Infer([]Type{t})
}

// Cost counts as Conv2D does.
func (c QConv2D) Cost(in []Type, out Type) Cost {
	cost := Conv2D{Window: c.Window, Groups: c.Groups, Bias: c.Bias}.Cost(in, out)
	if c.Then != nil {
		cost.Elementwise += elems(out)
	}
	return cost
}

// QPool takes the mean or the maximum of bytes over a window, of the bytes as
// they are: as in TFLite the result's own scale is not looked at, and is the
// input's where a file is sound. Padded positions never count.
type QPool struct {
	Window
	Stored
	Max bool
}

func (p QPool) Kind() string {
	if p.Max {
		return "quantized_max_pool"
	}
	return "quantized_avg_pool"
}

func (p QPool) Infer(in []Type) (Type, error) {
	t, err := Pool{Window: p.Window, Max: p.Max}.Infer(in)
	if err != nil {
		return Type{}, err
	}
	if err := byteInputs(in, 1); err != nil {
		return Type{}, err
	}
	if in[0].DType != p.Stored.DType {
		return Type{}, fmt.Errorf("the result of %v is stored as %v", in[0], p.Stored.DType)
	}
	return p.Stored.Type(t.Shape)
}

// Cost counts one step per window element.
func (p QPool) Cost(in []Type, out Type) Cost {
	return Pool{Window: p.Window, Max: p.Max}.Cost(in, out)
}

// QMean averages each channel of bytes over the picture, [N,H,W,C] to
// [N,1,1,C], with a scale of its own.
type QMean struct {
	Stored
	Rule     MeanRule
	Rounding Rounding
}

// MeanRule is one of the ways in which a sum of bytes becomes a mean; they
// differ by at most one unit. Package kernel/ref defines them.
type MeanRule uint8

const (
	// MeanExact rescales the sum once.
	MeanExact MeanRule = iota
	// MeanBias is TFLite's of uint8s that keeps the axes.
	MeanBias
	// MeanDivided is TFLite's of int8s that keeps the axes.
	MeanDivided
	// MeanFloat is TFLite's that drops the axes.
	MeanFloat
	// MeanTruncated is TFLite's that drops the axes where the result is stored
	// as the input is.
	MeanTruncated
)

func (QMean) Kind() string { return "quantized_mean" }

func (m QMean) Infer(in []Type) (Type, error) {
	t, err := GlobalAvgPool{}.Infer(in)
	if err != nil {
		return Type{}, err
	}
	if err := byteInputs(in, 1); err != nil {
		return Type{}, err
	}
	if m.Rule > MeanTruncated {
		return Type{}, fmt.Errorf("unknown rule %d", m.Rule)
	}
	return m.Stored.Type(t.Shape)
}

func (QMean) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: elems(in[0])} }
