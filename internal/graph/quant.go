package graph

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Quant says how the integers of a value stand for real numbers:
//
//	real = Scales[k] * (q - Zeros[k])
//
// with k = 0 for the whole value, or the index along Axis where there is a
// scale for each. Values that are computed have one scale; weights may have
// one for each output channel.
type Quant struct {
	Scales []float32
	Zeros  []int32
	Axis   int
}

// PerTensor is one scale and zero point for a whole value.
func PerTensor(scale float32, zero int32) *Quant {
	return &Quant{Scales: []float32{scale}, Zeros: []int32{zero}}
}

// Equal reports the same numbers.
func (q *Quant) Equal(r *Quant) bool {
	if q == nil || r == nil {
		return q == r
	}
	if len(q.Scales) != len(r.Scales) || len(q.Scales) > 1 && q.Axis != r.Axis {
		return false
	}
	for i := range q.Scales {
		if q.Scales[i] != r.Scales[i] || q.Zeros[i] != r.Zeros[i] {
			return false
		}
	}
	return true
}

// Check reports parameters that cannot belong to a value of a type and shape.
func (q *Quant) Check(t tensor.DType, shape tensor.Shape) error {
	n := len(q.Scales)
	if n == 0 || n != len(q.Zeros) {
		return fmt.Errorf("%d scales and %d zero points", n, len(q.Zeros))
	}
	if n > 1 && (q.Axis < 0 || q.Axis >= len(shape) || shape[q.Axis] != n) {
		return fmt.Errorf("%d scales along axis %d of %v", n, q.Axis, shape)
	}
	lo, hi := IntRange(t)
	for i, s := range q.Scales {
		if err := checkScale(s); err != nil {
			return err
		}
		if z := int64(q.Zeros[i]); z < lo || z > hi {
			return fmt.Errorf("zero point %d is no %v", z, t)
		}
	}
	return nil
}

// minScale and maxScale bound scales: the reciprocal of one and 256 times
// another are finite float32s.
const (
	minScale = 0x1p-126
	maxScale = 0x1p+118
)

func checkScale(s float32) error {
	if !(s >= minScale && s <= maxScale) {
		return fmt.Errorf("scale %v: it must be a positive number from %.3g to %.3g", s, float32(minScale), float32(maxScale))
	}
	return nil
}

// IntRange is the least and the greatest value of an integer type, 0 and -1
// for a type that no quantized value has.
func IntRange(t tensor.DType) (lo, hi int64) {
	switch t {
	case tensor.U8:
		return 0, math.MaxUint8
	case tensor.I8:
		return math.MinInt8, math.MaxInt8
	case tensor.I32:
		return math.MinInt32, math.MaxInt32
	}
	return 0, -1
}

// Quantized reports a value of bytes that stand for real numbers.
func (t Type) Quantized() bool {
	return (t.DType == tensor.U8 || t.DType == tensor.I8) && t.Quant != nil
}

// Stored says how an operation stores its result: as U8 or I8, with a scale
// and a zero point, clamped to [Lo,Hi]. The clamp is how integer networks
// express ReLU and ReLU6. The zero value is not valid.
type Stored struct {
	DType  tensor.DType
	Scale  float32
	Zero   int32
	Lo, Hi int32
}

// Whole is a Stored without a clamp beyond the type's own range.
func Whole(t tensor.DType, scale float32, zero int32) Stored {
	lo, hi := IntRange(t)
	return Stored{t, scale, zero, int32(lo), int32(hi)}
}

// Act narrows the clamp to what an activation lets through: ReLU, ReLU6 and
// Clip are bounds, rounded to the nearest integer as TFLite does; false for
// activations that are no bounds.
func (s *Stored) Act(a Act) bool {
	lo, hi := math.Inf(-1), math.Inf(1)
	switch a.Kind {
	case Linear:
		return true
	case ReLU:
		lo = 0
	case ReLU6:
		lo, hi = 0, 6
	case Clip:
		lo, hi = float64(a.A), float64(a.B)
	default:
		return false
	}
	bound := func(v float64) int32 { // within the clamp there is
		q := float64(s.Zero) + math.Round(v/float64(s.Scale))
		return int32(min(max(q, float64(s.Lo)), float64(s.Hi)))
	}
	s.Lo, s.Hi = bound(lo), bound(hi)
	return true
}

// Nearest is the integer for a real number, ties to even, as ONNX rounds.
func (s Stored) Nearest(x float32) int32 {
	v := math.RoundToEven(float64(x/s.Scale)) + float64(s.Zero)
	if !(v >= float64(s.Lo)) { // not a number counts as the least
		return s.Lo
	}
	return int32(min(v, float64(s.Hi)))
}

// Type is the type of a result of a shape.
func (s Stored) Type(shape tensor.Shape) (Type, error) {
	if s.DType != tensor.U8 && s.DType != tensor.I8 {
		return Type{}, fmt.Errorf("a quantized value cannot be stored as %v", s.DType)
	}
	t := Type{DType: s.DType, Shape: shape, Quant: PerTensor(s.Scale, s.Zero)}
	if err := t.Quant.Check(s.DType, shape); err != nil {
		return Type{}, err
	}
	if lo, hi := IntRange(s.DType); int64(s.Lo) < lo || int64(s.Hi) > hi || s.Lo > s.Hi {
		return Type{}, fmt.Errorf("clamp to [%d,%d] of a %v", s.Lo, s.Hi, s.DType)
	}
	return t, nil
}

// Rounding says how a 32-bit sum is multiplied by the fixed-point number that
// brings it to the scale of the result.
type Rounding uint8

const (
	// DoubleRounding rounds the product to 32 bits, then its shift, ties away
	// from zero: TFLite's reference.
	DoubleRounding Rounding = iota
	// SingleRounding rounds once, ties upward.
	SingleRounding
	// UpwardRounding rounds twice, ties upward both times: TFLite's matrix
	// products.
	UpwardRounding
	// FloatRounding multiplies in float32 and rounds once, ties to even: ONNX
	// Runtime's.
	FloatRounding
)

// byteInputs checks that the first n inputs are quantized bytes.
func byteInputs(in []Type, n int) error {
	for i, t := range in[:n] {
		if !t.Quantized() || len(t.Quant.Scales) != 1 {
			return fmt.Errorf("input %d (%v) is not quantized with one scale", i, t)
		}
	}
	return nil
}

// alikeInts lets an operation that moves values without computing take
// integers: all inputs must be stored the same way.
func alikeInts(in []Type) error {
	for _, t := range in[1:] {
		if t.DType != in[0].DType || !t.Quant.Equal(in[0].Quant) {
			return fmt.Errorf("inputs %v and %v are not stored the same way", in[0], t)
		}
	}
	return nil
}

// moved is the type of a result that holds the input's values in another
// shape.
func moved(in Type, shape tensor.Shape) Type {
	return Type{DType: in.DType, Shape: shape, Quant: in.Quant}
}

// checkReal keeps integers from operations on real numbers.
func checkReal(op Op, in []Type) error {
	switch op.(type) {
	case Dequantize, QActivation, QBinary, QSoftmax, ArgMax, ToFloat, QConv2D, QPool, QMean,
		Reshape, Transpose, Concat, Pad2D, Resize2D:
		return nil
	}
	for i, t := range in {
		if t.DType != tensor.F32 {
			return fmt.Errorf("input %d is %v, not real numbers", i, t)
		}
	}
	return nil
}
