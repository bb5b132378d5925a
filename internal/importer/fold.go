package importer

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

var negInf = float32(math.Inf(-1))

// ints is a constant as integers of a list.
func ints(v val) ([]int64, error) {
	if v.c == nil {
		return nil, fmt.Errorf("%w: a value computed from the picture where the file must hold a constant", ErrUnsupported)
	}
	return v.c.Int64s()
}

func newInts(name string, shape tensor.Shape, v []int64) *tensor.Tensor {
	data := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(data[8*i:], uint64(x))
	}
	return &tensor.Tensor{Name: name, DType: tensor.I64, Shape: shape, Data: data}
}

func vector(name string, v []int64) *tensor.Tensor { return newInts(name, tensor.Shape{len(v)}, v) }

// axisOf resolves a possibly negative axis.
func axisOf(a int64, rank int) (int, error) {
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		return 0, fmt.Errorf("axis %d of %d axes", a, rank)
	}
	return int(a), nil
}

// pick copies whole elements: from[i] is the element of t that becomes
// element i of the result.
func pick(t *tensor.Tensor, shape tensor.Shape, from func(i int) int) (*tensor.Tensor, error) {
	n, err := shape.Elems()
	if err != nil || n > maxPicked {
		return nil, fmt.Errorf("%w: a computed constant of shape %v", ErrUnsupported, shape)
	}
	size := t.DType.Size()
	data := make([]byte, n*size)
	for i := range n {
		j := from(i)
		copy(data[i*size:(i+1)*size], t.Data[j*size:])
	}
	return &tensor.Tensor{Name: t.Name, DType: t.DType, Shape: shape, Data: data}, nil
}

// foldGather takes slices of t along an axis.
func foldGather(t, index *tensor.Tensor, axis int64) (*tensor.Tensor, error) {
	a, err := axisOf(axis, len(t.Shape))
	if err != nil {
		return nil, err
	}
	idx, err := index.Int64s()
	if err != nil {
		return nil, err
	}
	d := t.Shape[a]
	for i, x := range idx {
		if x < 0 {
			idx[i] += int64(d)
		}
		if idx[i] < 0 || idx[i] >= int64(d) {
			return nil, fmt.Errorf("index %d of %d", x, d)
		}
	}
	inner := t.Shape[a+1:].Len()
	shape := slices.Concat(t.Shape[:a], index.Shape, t.Shape[a+1:])
	n := len(idx)
	return pick(t, shape, func(i int) int {
		in, k, out := i%inner, i/inner%n, i/inner/n
		return (out*d+int(idx[k]))*inner + in
	})
}

// span is one axis of a slice: count elements from start in steps.
type span struct{ start, step, count int }

// foldSlice takes a regular part of t, one span for each axis.
func foldSlice(t *tensor.Tensor, spans []span) (*tensor.Tensor, error) {
	shape := make(tensor.Shape, len(spans))
	for i, s := range spans {
		shape[i] = s.count
	}
	return pick(t, shape, func(i int) int {
		at, stride := 0, 1
		for a := len(spans) - 1; a >= 0; a-- {
			s := spans[a]
			at += (s.start + i%s.count*s.step) * stride
			i /= s.count
			stride *= t.Shape[a]
		}
		return at
	})
}

// newSpan resolves start, end and step over an axis of d elements as NumPy
// and ONNX do.
func newSpan(start, end, step int64, d int) (span, error) {
	if step == 0 || step == math.MinInt64 {
		return span{}, fmt.Errorf("a step of %d", step)
	}
	n := int64(d)
	clamp := func(v, lo, hi int64) int64 {
		if v < 0 {
			v = max(v+n, -1) // adding n to a negative number cannot overflow
		}
		return min(max(v, lo), hi)
	}
	var count int64
	if step > 0 {
		start, end = clamp(start, 0, n), clamp(end, 0, n)
		if end > start {
			count = (end-start-1)/step + 1
		}
	} else {
		start, end = clamp(start, 0, n-1), clamp(end, -1, n-1)
		if start > end {
			count = (start-end-1)/-step + 1
		}
	}
	step = min(max(step, -n-1), n+1)
	return span{int(start), int(step), int(count)}, nil
}

func foldConcat(ts []*tensor.Tensor, axis int64) (*tensor.Tensor, error) {
	if len(ts) == 0 {
		return nil, fmt.Errorf("nothing to join")
	}
	a, err := axisOf(axis, len(ts[0].Shape))
	if err != nil {
		return nil, err
	}
	mixed := slices.ContainsFunc(ts, func(t *tensor.Tensor) bool { return t.DType != ts[0].DType })
	if mixed { // shape arithmetic is int64 here, whatever the file calls it
		ts = slices.Clone(ts)
		for i, t := range ts {
			if ts[i], err = foldCast(t, tensor.I64); err != nil || t.DType.Float() {
				return nil, fmt.Errorf("cannot join %v to %v", t.DType, ts[0].DType)
			}
		}
	}
	shape := ts[0].Shape.Clone()
	shape[a] = 0
	for _, t := range ts {
		if t.DType != ts[0].DType || len(t.Shape) != len(shape) {
			return nil, fmt.Errorf("cannot join %v %v to %v %v", t.DType, t.Shape, ts[0].DType, ts[0].Shape)
		}
		for i, d := range t.Shape {
			if i != a && d != shape[i] {
				return nil, fmt.Errorf("cannot join %v to %v", t.Shape, ts[0].Shape)
			}
		}
		shape[a] += t.Shape[a]
	}
	n, err := shape.Elems()
	if err != nil || n > maxPicked {
		return nil, fmt.Errorf("%w: a computed constant of shape %v", ErrUnsupported, shape)
	}
	size := ts[0].DType.Size()
	data := make([]byte, 0, n*size)
	inner := shape[a+1:].Len() * size
	for o := range shape[:a].Len() {
		for _, t := range ts {
			row := t.Shape[a] * inner
			data = append(data, t.Data[o*row:(o+1)*row]...)
		}
	}
	return tensor.New(ts[0].Name, ts[0].DType, shape, data)
}

// foldBinary is arithmetic on constants: integers as int64, else float32.
func foldBinary(fn graph.BinaryKind, l, r *tensor.Tensor) (*tensor.Tensor, error) {
	shape, err := graph.Broadcast(l.Shape, r.Shape)
	if err != nil {
		return nil, err
	}
	n, err := shape.Elems()
	if err != nil || n > maxPicked {
		return nil, fmt.Errorf("%w: a computed constant of shape %v", ErrUnsupported, shape)
	}
	li, ri := broadcastIndex(l.Shape, shape), broadcastIndex(r.Shape, shape)
	if !l.DType.Float() && !r.DType.Float() {
		x, err := l.Int64s()
		if err != nil {
			return nil, err
		}
		y, err := r.Int64s()
		if err != nil {
			return nil, err
		}
		out := make([]int64, n)
		for i := range out {
			p, q := x[li(i)], y[ri(i)]
			if fn == graph.Div && (q == 0 || q == -1 && p == math.MinInt64) {
				return nil, fmt.Errorf("integer division of %d by %d", p, q)
			}
			switch fn {
			case graph.Add:
				out[i] = p + q
			case graph.Sub:
				out[i] = p - q
			case graph.Mul:
				out[i] = p * q
			default:
				out[i] = p / q
			}
		}
		return newInts(l.Name, shape, out), nil
	}
	x, err := l.Float32s()
	if err != nil {
		return nil, err
	}
	y, err := r.Float32s()
	if err != nil {
		return nil, err
	}
	out := make([]float32, n)
	for i := range out {
		p, q := x[li(i)], y[ri(i)]
		switch fn {
		case graph.Add:
			out[i] = p + q
		case graph.Sub:
			out[i] = p - q
		case graph.Mul:
			out[i] = p * q
		default:
			out[i] = p / q
		}
	}
	return tensor.FromFloat32(l.Name, shape, out), nil
}

// broadcastIndex maps an element of shape to the element of s it repeats.
func broadcastIndex(s, shape tensor.Shape) func(int) int {
	return func(i int) int {
		at, stride := 0, 1
		for a := 1; a <= len(s); a++ {
			d := shape[len(shape)-a]
			if e := s[len(s)-a]; e != 1 {
				at += i % d * stride
				stride *= e
			}
			i /= d
		}
		return at
	}
}

// foldUnary applies whole to integers, as int64, and f to floats. Without
// whole the integers become floats.
func foldUnary(t *tensor.Tensor, f func(float64) float64, whole func(int64) int64) (*tensor.Tensor, error) {
	if whole != nil && !t.DType.Float() {
		v, err := t.Int64s()
		if err != nil {
			return nil, err
		}
		for i, x := range v {
			v[i] = whole(x)
		}
		return newInts(t.Name, t.Shape.Clone(), v), nil
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	for i, x := range v {
		v[i] = float32(f(float64(x)))
	}
	return tensor.FromFloat32(t.Name, t.Shape, v), nil
}

// foldCast converts a constant. Floats become integers by cutting the
// fraction off; integers of every width are kept as int64, which all readers
// of shape arithmetic here accept.
func foldCast(t *tensor.Tensor, to tensor.DType) (*tensor.Tensor, error) {
	switch {
	case to == tensor.Invalid:
		return nil, fmt.Errorf("%w: element type", ErrUnsupported)
	case to == t.DType || to.Float() && t.DType.Float():
		return t, nil // a float is widened where it is used
	case to.Float():
		v, err := t.Float32s()
		if err != nil {
			return nil, err
		}
		return tensor.FromFloat32(t.Name, t.Shape, v), nil
	}
	var out []int64
	if t.DType.Float() {
		v, err := t.Float64s()
		if err != nil {
			return nil, err
		}
		out = make([]int64, len(v))
		for i, x := range v {
			if !(math.Abs(x) < 1<<62) {
				return nil, fmt.Errorf("%v does not fit an integer", x)
			}
			out[i] = int64(x)
		}
	} else {
		var err error
		if out, err = t.Int64s(); err != nil {
			return nil, err
		}
	}
	if to == tensor.Bool {
		for i, x := range out {
			if x != 0 {
				out[i] = 1
			}
		}
	}
	return newInts(t.Name, t.Shape.Clone(), out), nil
}

// fill is n copies of one element.
func fill(shape []int64, one *tensor.Tensor) (*tensor.Tensor, error) {
	s := make(tensor.Shape, len(shape))
	for i, d := range shape {
		if d < 0 || d > math.MaxInt32 {
			return nil, fmt.Errorf("an extent of %d", d)
		}
		s[i] = int(d)
	}
	if one.Len() != 1 {
		return nil, fmt.Errorf("a fill value of shape %v", one.Shape)
	}
	return pick(one, s, func(int) int { return 0 })
}

// resolve turns a reshape's target, where -1 is free and, if zeroCopies, 0
// keeps the input's extent, into a shape.
func resolve(from []int, to []int64, zeroCopies bool) ([]int, error) {
	out := make([]int, len(to))
	free, known := -1, tensor.Shape{}
	for i, d := range to {
		switch {
		case d == 0 && zeroCopies:
			if i >= len(from) {
				return nil, fmt.Errorf("shape %v keeps an extent that %v does not have", to, tensor.Shape(from))
			}
			out[i] = from[i]
		case d == -1 && free < 0:
			free = i
			continue
		case d < 0 || d > math.MaxInt32:
			return nil, fmt.Errorf("cannot view %v as %v", tensor.Shape(from), to)
		default:
			out[i] = int(d)
		}
		known = append(known, out[i])
	}
	total := tensor.Shape(from).Len()
	n, err := known.Elems()
	if err != nil {
		return nil, err
	}
	if free >= 0 {
		if n == 0 || total%n != 0 {
			return nil, fmt.Errorf("cannot view %v as %v", tensor.Shape(from), to)
		}
		out[free] = total / n
	}
	return out, nil
}
