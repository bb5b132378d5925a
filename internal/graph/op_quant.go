package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// FromPixels takes a picture's bytes, given as float32s from 0 to 255, for the
// bytes of a quantized input: the first byte value is the type's least.
type FromPixels struct{ Stored }

func (FromPixels) Kind() string { return "from_pixels" }

func (f FromPixels) Infer(in []Type) (Type, error) { return fromFloat(f.Stored, in) }

func (FromPixels) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

// Quantize rounds real numbers to the integers of a quantized value: ties away
// from zero as TFLite does, or to even as ONNX does.
type Quantize struct {
	Stored
	Even bool
}

func (Quantize) Kind() string { return "quantize" }

func (q Quantize) Infer(in []Type) (Type, error) { return fromFloat(q.Stored, in) }

func (Quantize) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

func fromFloat(s Stored, in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if in[0].DType != tensor.F32 {
		return Type{}, fmt.Errorf("input %v is not real numbers", in[0])
	}
	return s.Type(in[0].Shape)
}

// Dequantize gives the real numbers that a quantized value stands for.
type Dequantize struct{}

func (Dequantize) Kind() string { return "dequantize" }

func (Dequantize) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if in[0].Quant == nil {
		return Type{}, fmt.Errorf("input %v is not quantized", in[0])
	}
	return F32(in[0].Shape...), nil
}

func (Dequantize) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

// QActivation is a function of one quantized value: an activation, or with the
// zero Act a change of scale. It is a table of 256 bytes.
type QActivation struct {
	Stored
	Act Act
	// Rule says whose arithmetic fills the table.
	Rule TableRule
	// Rounding is that of a change of scale by RuleTFLite.
	Rounding Rounding
}

// TableRule says whose arithmetic makes the table of a QActivation.
type TableRule uint8

const (
	// RuleTFLite is TFLite's: h-swish in 16 bits, sigmoid and tanh from
	// float32, a change of scale in fixed point.
	RuleTFLite TableRule = iota
	// RuleFloat computes in float32 and rounds ties to even: ONNX's.
	RuleFloat
	// RuleJoin is the change of scale within TFLite's legacy concatenation:
	// in float32, ties away from zero.
	RuleJoin
)

func (QActivation) Kind() string { return "quantized_activation" }

func (a QActivation) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if err := byteInputs(in, 1); err != nil {
		return Type{}, err
	}
	if a.Rule > RuleJoin || a.Rule == RuleJoin && a.Act.Kind != Linear {
		return Type{}, fmt.Errorf("unknown rule %d", a.Rule)
	}
	if err := a.Act.Check(); err != nil {
		return Type{}, err
	}
	t, err := a.Stored.Type(in[0].Shape)
	if x := in[0].Quant.Scales[0]; err == nil && a.Rule == RuleTFLite && a.Act.Kind == HSwish && x/128/a.Scale >= 1 {
		return t, fmt.Errorf("h-swish from scale %v to %v: TFLite's 16 bits hold less than 128 times the result's", x, a.Scale)
	}
	return t, err
}

func (QActivation) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

// QBinary is the sum, difference or product of two quantized values, with
// NumPy's broadcasting, by TFLite's rule.
type QBinary struct {
	Stored
	Fn       BinaryKind
	Rounding Rounding
}

func (b QBinary) Kind() string { return "quantized_" + b.Fn.String() }

func (b QBinary) Infer(in []Type) (Type, error) {
	if err := arity(in, 2); err != nil {
		return Type{}, err
	}
	if err := byteInputs(in, 2); err != nil {
		return Type{}, err
	}
	if b.Fn > Mul {
		return Type{}, fmt.Errorf("no integer arithmetic for %v", b.Fn)
	}
	if in[0].DType != in[1].DType || in[0].DType != b.Stored.DType {
		return Type{}, fmt.Errorf("%v of %v and %v", b.Fn, in[0], in[1])
	}
	s, err := Broadcast(in[0].Shape, in[1].Shape)
	if err != nil {
		return Type{}, err
	}
	return b.Stored.Type(s)
}

func (QBinary) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

// QSoftmax is the softmax over the last axis of quantized logits times Beta.
type QSoftmax struct {
	Stored
	Beta float32
}

func (QSoftmax) Kind() string { return "quantized_softmax" }

func (s QSoftmax) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if err := byteInputs(in, 1); err != nil {
		return Type{}, err
	}
	if len(in[0].Shape) == 0 || !(s.Beta > 0) {
		return Type{}, fmt.Errorf("softmax of %v with beta %v", in[0], s.Beta)
	}
	return s.Stored.Type(in[0].Shape)
}

func (QSoftmax) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }

// ArgMax is the index of the greatest element along the last axis, the lowest
// of equal ones, as int32: [...,C] to [...].
type ArgMax struct{}

func (ArgMax) Kind() string { return "arg_max" }

func (ArgMax) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) == 0 || s[len(s)-1] < 1 {
		return Type{}, fmt.Errorf("no elements to choose from in %v", s)
	}
	return Type{DType: tensor.I32, Shape: s[:len(s)-1].Clone()}, nil
}

func (ArgMax) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: elems(in[0])} }

// ToFloat gives int32s as float32s, for indices among a network's outputs.
type ToFloat struct{}

func (ToFloat) Kind() string { return "to_float" }

func (ToFloat) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	if in[0].DType != tensor.I32 {
		return Type{}, fmt.Errorf("input %v is not int32", in[0])
	}
	return F32(in[0].Shape...), nil
}

func (ToFloat) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: elems(out)} }
