package importer

import (
	"encoding/binary"
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// constQuant says what the integers of a constant stand for. Key tells the
// parameters apart: one tensor of a file may be read with several scales, and
// what is made of it is shared by key.
type constQuant struct {
	*graph.Quant
	key string
}

// along is q with its scales along another axis.
func (q *constQuant) along(axis int) *constQuant {
	if len(q.Scales) == 1 {
		return q
	}
	moved := *q.Quant
	moved.Axis = axis
	return &constQuant{&moved, fmt.Sprint(q.key, " axis ", axis)}
}

// parameter emits a weight of the file: a variable of real numbers, or the
// constant of its integers and, unless ints, what they stand for.
func (b *build) parameter(name string, role graph.Role, t *tensor.Tensor, q *constQuant, ints bool, how string, f func(*tensor.Tensor) (*tensor.Tensor, error)) (graph.ID, error) {
	if q == nil && !ints {
		return b.variable(name, role, t, how, f)
	}
	var quant *graph.Quant
	if q != nil {
		quant = q.Quant
		how = fmt.Sprint(how, " ", q.key)
		if len(quant.Scales) > 1 && quant.Axis != 0 {
			if len(t.Shape) == 0 || t.Len() != len(quant.Scales) { // a vector is flattened
				return graph.None, fmt.Errorf("%w: tensor %q has scales along axis %d", ErrUnsupported, t.Name, quant.Axis)
			}
			quant = &graph.Quant{Scales: quant.Scales, Zeros: quant.Zeros}
		}
	}
	id, err := b.integers(name, t, quant, how, f)
	if err != nil || ints {
		return id, err
	}
	return b.add(name+".real", graph.Dequantize{}, id)
}

// elements reads the elements of a constant of a quantized type one by one.
func elements(t *tensor.Tensor) func(i int) int32 {
	switch t.DType {
	case tensor.U8:
		return func(i int) int32 { return int32(t.Data[i]) }
	case tensor.I8:
		return func(i int) int32 { return int32(int8(t.Data[i])) }
	}
	return func(i int) int32 { return int32(binary.LittleEndian.Uint32(t.Data[4*i:])) }
}

// channel gives for an element of a shape the index of its scale.
func channel(q *graph.Quant, shape tensor.Shape) func(i int) int {
	n := len(q.Scales)
	if n == 1 {
		return func(int) int { return 0 }
	}
	inner := shape[q.Axis+1:].Len()
	return func(i int) int { return i / inner % n }
}

// foldDequantize is a constant of integers as real numbers.
func foldDequantize(t *tensor.Tensor, q *graph.Quant) *tensor.Tensor {
	at, of := elements(t), channel(q, t.Shape)
	v := make([]float32, t.Len())
	for i := range v {
		k := of(i)
		v[i] = q.Scales[k] * float32(int64(at(i))-int64(q.Zeros[k]))
	}
	return tensor.FromFloat32(t.Name, t.Shape, v)
}

// foldQuantize rounds a constant of real numbers to integers, ties to even.
func foldQuantize(t *tensor.Tensor, to tensor.DType, q *graph.Quant) (*tensor.Tensor, error) {
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	of := channel(q, t.Shape)
	data := make([]byte, len(v))
	for i, x := range v {
		k := of(i)
		data[i] = byte(graph.Whole(to, q.Scales[k], q.Zeros[k]).Nearest(x))
	}
	return tensor.New(t.Name, to, t.Shape, data)
}
