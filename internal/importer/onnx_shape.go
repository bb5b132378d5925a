package importer

import (
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

func (c *onnxCall) concat() (val, error) {
	if err := c.need(len(c.in)); err != nil {
		return val{}, err
	}
	return c.b.concat(c.name, c.n.Int("axis", 1), c.in)
}

func (c *onnxCall) reshape() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	to, ok, err := c.list("shape", 1)
	if err != nil {
		return val{}, err
	}
	if !ok {
		return val{}, fmt.Errorf("no shape is given")
	}
	s, err := resolve(c.in[0].dims(), to, c.n.Int("allowzero", 0) == 0)
	if err != nil {
		return val{}, err
	}
	return c.b.reshape(c.name, c.in[0], s)
}

func (c *onnxCall) flatten() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	s := tensor.Shape(c.in[0].dims())
	axis := c.n.Int("axis", 1)
	if axis < 0 {
		axis += int64(len(s))
	}
	if axis < 0 || axis > int64(len(s)) {
		return val{}, fmt.Errorf("axis %d of %v", axis, s)
	}
	return c.b.reshape(c.name, c.in[0], []int{s[:axis].Len(), s[axis:].Len()})
}

func (c *onnxCall) squeeze() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	axes, ok, err := c.list("axes", 1)
	if err != nil {
		return val{}, err
	}
	return c.b.squeeze(c.name, c.in[0], axes, !ok)
}

// squeeze drops axes of one element: those listed, or all.
func (b *build) squeeze(name string, x val, axes []int64, all bool) (val, error) {
	s := x.dims()
	drop := make([]bool, len(s))
	for _, a := range axes {
		k, err := axisOf(a, len(s))
		if err != nil {
			return val{}, err
		}
		if s[k] != 1 {
			return val{}, fmt.Errorf("axis %d of %v is not of one element", a, tensor.Shape(s))
		}
		drop[k] = true
	}
	var to []int
	for k, d := range s {
		if drop[k] || all && d == 1 {
			continue
		}
		to = append(to, d)
	}
	return b.reshape(name, x, to)
}

func (c *onnxCall) unsqueeze() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	axes, _, err := c.list("axes", 1)
	if err != nil {
		return val{}, err
	}
	return c.b.unsqueeze(c.name, c.in[0], axes)
}

func (b *build) unsqueeze(name string, x val, axes []int64) (val, error) {
	s := x.dims()
	if len(axes) > 8 {
		return val{}, fmt.Errorf("%w: %d new axes", ErrUnsupported, len(axes))
	}
	to := make([]int, len(s)+len(axes))
	for _, a := range axes {
		k, err := axisOf(a, len(to))
		if err != nil {
			return val{}, err
		}
		if to[k] != 0 {
			return val{}, fmt.Errorf("axis %d twice", a)
		}
		to[k] = 1
	}
	i := 0
	fresh := slices.Clone(to)
	for k := range to {
		if fresh[k] == 0 {
			to[k] = s[i]
			i++
		}
	}
	return b.reshape(name, x, to)
}

func (c *onnxCall) transpose() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	rank := len(c.in[0].dims())
	perm := make([]int, rank)
	list := c.n.Ints("perm", nil)
	if list != nil && len(list) != rank {
		return val{}, fmt.Errorf("perm %v of %d axes", list, rank)
	}
	for i := range perm {
		perm[i] = rank - 1 - i
		if list != nil {
			if list[i] < 0 || list[i] >= int64(rank) {
				return val{}, fmt.Errorf("perm %v of %d axes", list, rank)
			}
			perm[i] = int(list[i])
		}
	}
	v, err := c.b.transpose(c.in[0], perm)
	if q := c.in[0].q; q != nil && err == nil {
		v.q = q.along(slices.Index(perm, q.Axis))
	}
	return v, err
}

func (c *onnxCall) identity() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	if c.has(2) { // Dropout's training_mode
		if t, err := c.weight(2); err != nil {
			return val{}, err
		} else if v, err := t.Int64s(); err != nil || len(v) != 1 || v[0] != 0 {
			return val{}, fmt.Errorf("%w: in training mode", ErrUnsupported)
		}
	}
	return c.in[0], nil
}

func (c *onnxCall) cast() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	to := onnx.DTypeOf(c.n.Int("to", 0))
	if c.in[0].isConst() {
		t, err := foldCast(c.in[0].c, to)
		return val{c: t}, err
	}
	if !to.Float() {
		return val{}, fmt.Errorf("%w: to %v", ErrUnsupported, to)
	}
	return c.in[0], nil
}

func (c *onnxCall) constant() (val, error) {
	var t *tensor.Tensor
	name := c.n.Outputs[0]
	switch {
	case c.n.Tensor("value") != nil:
		t = c.n.Tensor("value")
	case c.n.Has("value_float"):
		t = tensor.FromFloat32(name, nil, []float32{c.n.Float("value_float", 0)})
	case c.n.Has("value_floats"):
		v := c.n.Floats("value_floats", nil)
		t = tensor.FromFloat32(name, tensor.Shape{len(v)}, v)
	case c.n.Has("value_int"):
		t = newInts(name, nil, []int64{c.n.Int("value_int", 0)})
	case c.n.Has("value_ints"):
		t = vector(name, c.n.Ints("value_ints", nil))
	default:
		return val{}, fmt.Errorf("%w: a constant that is not a tensor or numbers", ErrUnsupported)
	}
	return val{c: t}, nil
}

func (c *onnxCall) constantOfShape() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	shape, err := ints(c.in[0])
	if err != nil {
		return val{}, err
	}
	one := c.n.Tensor("value")
	if one == nil {
		one = tensor.FromFloat32(c.name, nil, []float32{0})
	}
	t, err := fill(shape, one)
	return val{c: t}, err
}

func (c *onnxCall) shape() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	s := c.in[0].dims()
	rank := int64(len(s))
	bound := func(attr string, def int64) int64 {
		v := c.n.Int(attr, def)
		if v < 0 {
			v += rank
		}
		return min(max(v, 0), rank)
	}
	start, end := bound("start", 0), bound("end", rank)
	v := []int64{}
	for i := start; i < end; i++ {
		v = append(v, int64(s[i]))
	}
	return val{c: vector(c.name, v)}, nil
}

func (c *onnxCall) gather() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	if !c.in[0].isConst() || !c.in[1].isConst() {
		return val{}, fmt.Errorf("%w: of a value that is not constant", ErrUnsupported)
	}
	t, err := foldGather(c.in[0].c, c.in[1].c, c.n.Int("axis", 0))
	return val{c: t}, err
}

func (c *onnxCall) slice() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	x := c.in[0]
	shape := x.dims()
	var lists [4][]int64 // starts, ends, axes, steps
	for i, attr := range []string{"starts", "ends", "axes", "steps"} {
		v, ok, err := c.list(attr, i+1)
		if err != nil {
			return val{}, err
		}
		if !ok {
			v = nil
		}
		lists[i] = v
	}
	starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
	if len(starts) != len(ends) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) || len(starts) > len(shape) {
		return val{}, fmt.Errorf("%d starts, %d ends for %v", len(starts), len(ends), tensor.Shape(shape))
	}
	spans := make([]span, len(shape))
	for a, d := range shape {
		spans[a] = span{0, 1, d}
	}
	for i := range starts {
		a, step := i, int64(1)
		if axes != nil {
			var err error
			if a, err = axisOf(axes[i], len(shape)); err != nil {
				return val{}, err
			}
		}
		if steps != nil {
			step = steps[i]
		}
		var err error
		if spans[a], err = newSpan(starts[i], ends[i], step, shape[a]); err != nil {
			return val{}, err
		}
	}
	if !x.isConst() {
		for a, s := range spans { // exporters crop to the size a map already has
			if s != (span{0, 1, shape[a]}) {
				return val{}, fmt.Errorf("%w: of a value that is not constant", ErrUnsupported)
			}
		}
		return x, nil
	}
	t, err := foldSlice(x.c, spans)
	return val{c: t}, err
}

// expand repeats a constant, or leaves a value that has the shape already.
func (c *onnxCall) expand() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	to, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	s := make(tensor.Shape, len(to))
	for i, d := range to {
		if d < 0 || d > math.MaxInt32 {
			return val{}, fmt.Errorf("an extent of %d", d)
		}
		s[i] = int(d)
	}
	from := tensor.Shape(c.in[0].dims())
	if s, err = graph.Broadcast(from, s); err != nil {
		return val{}, err
	}
	if !c.in[0].isConst() {
		if !s.Equal(from) {
			return val{}, fmt.Errorf("%w: of a value that is not constant", ErrUnsupported)
		}
		return c.in[0], nil
	}
	t, err := pick(c.in[0].c, s, broadcastIndex(from, s))
	return val{c: t}, err
}
