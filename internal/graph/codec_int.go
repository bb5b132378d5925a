package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// The written form of integer graphs: their operations, and what the integers
// of constants stand for.

func newIntegerOp(kind string) Op {
	switch kind {
	case "quantized_conv2d":
		return &QConv2D{}
	case "quantized_binary":
		return &QBinary{}
	case "quantized_activation":
		return &QActivation{}
	case "quantized_pool":
		return &QPool{}
	case "quantized_mean":
		return &QMean{}
	case "quantized_softmax":
		return &QSoftmax{}
	case "quantize":
		return &Quantize{}
	case "dequantize":
		return &Dequantize{}
	case "from_pixels":
		return &FromPixels{}
	case "arg_max":
		return &ArgMax{}
	case "to_float":
		return &ToFloat{}
	}
	return nil
}

func writtenInteger(op Op) string {
	switch op.(type) {
	case QBinary:
		return "quantized_binary"
	case QPool:
		return "quantized_pool"
	}
	return op.Kind()
}

func derefInteger(op Op) Op {
	switch op := op.(type) {
	case *QConv2D:
		return *op
	case *QBinary:
		return *op
	case *QActivation:
		return *op
	case *QPool:
		return *op
	case *QMean:
		return *op
	case *QSoftmax:
		return *op
	case *Quantize:
		return *op
	case *Dequantize:
		return *op
	case *FromPixels:
		return *op
	case *ArgMax:
		return *op
	case *ToFloat:
		return *op
	}
	return op
}

func writtenQuant(q *Quant) *quantJSON {
	if q == nil {
		return nil
	}
	j := &quantJSON{Scales: q.Scales, Axis: q.Axis}
	for _, z := range q.Zeros {
		if z != 0 {
			j.Zeros = q.Zeros
			break
		}
	}
	return j
}

// constant is the type of a constant that is read.
func (n *nodeJSON) constant() (Type, error) {
	t := Type{DType: tensor.F32, Shape: n.Shape}
	switch n.Type {
	case "":
	case tensor.U8.String():
		t.DType = tensor.U8
	case tensor.I8.String():
		t.DType = tensor.I8
	case tensor.I32.String():
		t.DType = tensor.I32
	default:
		return t, fmt.Errorf("constant %q: no constants of type %q", clip(n.Name), clip(n.Type))
	}
	if n.Quant == nil {
		return t, nil
	}
	if t.DType == tensor.F32 {
		return t, fmt.Errorf("constant %q: scales of real numbers", clip(n.Name))
	}
	t.Quant = &Quant{Scales: n.Quant.Scales, Zeros: n.Quant.Zeros, Axis: n.Quant.Axis}
	if t.Quant.Zeros == nil {
		t.Quant.Zeros = make([]int32, len(t.Quant.Scales))
	}
	return t, nil
}
