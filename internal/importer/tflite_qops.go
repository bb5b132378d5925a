package importer

import (
	"fmt"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// qweight is input i as a constant of bytes with its parameters.
func (c *tfliteCall) qweight(i int) (*tensor.Tensor, *graph.Quant, error) {
	if err := c.need(i + 1); err != nil {
		return nil, nil, err
	}
	if !c.in[i].isConst() {
		return nil, nil, fmt.Errorf("%w: input %d is not a constant", ErrUnsupported, i)
	}
	t := &c.s.g.Tensors[c.o.Inputs[i]]
	if !bytesWithScale(t) {
		return nil, nil, fmt.Errorf("%w: weight %q of an integer operator is %v without a scale", ErrUnsupported, t.Name, t.Type)
	}
	q, err := quantOf(t)
	return c.in[i].c, q, err
}

// qlinear emits a convolution of bytes of x: the weight, whose axis along
// which it has scales is the outputs', goes through f to [O,I,KH,KW].
func (c *tfliteCall) qlinear(x graph.ID, op graph.QConv2D, outputs int, how string, f func(*tensor.Tensor) (*tensor.Tensor, error)) (graph.ID, error) {
	w, q, err := c.qweight(1)
	if err != nil {
		return graph.None, err
	}
	if len(q.Scales) > 1 {
		if q.Axis != outputs {
			return graph.None, fmt.Errorf("%w: weight %q has its scales along axis %d, not along its outputs", ErrUnsupported, w.Name, q.Axis)
		}
		q = &graph.Quant{Scales: q.Scales, Zeros: q.Zeros}
	}
	id, err := c.b.integers(c.name+".weight", w, q, how, f)
	if err != nil {
		return graph.None, err
	}
	in := []graph.ID{x, id}
	if c.has(2) {
		bias := c.in[2].c
		if bias == nil || bias.DType != tensor.I32 {
			return graph.None, fmt.Errorf("%w: the bias is not a constant of int32", ErrUnsupported)
		}
		if id, err = c.b.integers(c.name+".bias", bias, nil, "flat", flat); err != nil {
			return graph.None, err
		}
		in = append(in, id)
	}
	op.Bias = len(in) > 2
	return c.b.add(c.name, op, in...)
}

func (c *tfliteCall) qconv() (val, error) {
	o := c.o.Options.(*tflite.Conv2DOptions)
	return c.qwindow(o.Padding, o.Activation, 0, []int{0, 3, 1, 2}, func(w, x tensor.Shape) (graph.Window, int, bool) {
		if w[3] < 1 || x[3]%w[3] != 0 {
			return graph.Window{}, 0, false
		}
		return graph.Window{KH: w[1], KW: w[2], StrideH: o.StrideH, StrideW: o.StrideW, DilationH: o.DilationH, DilationW: o.DilationW}, x[3] / w[3], true
	})
}

func (c *tfliteCall) qdepthwise() (val, error) {
	o := c.o.Options.(*tflite.DepthwiseConv2DOptions)
	return c.qwindow(o.Padding, o.Activation, 3, []int{3, 0, 1, 2}, func(w, x tensor.Shape) (graph.Window, int, bool) {
		if w[0] != 1 || x[3] < 1 || w[3]%x[3] != 0 {
			return graph.Window{}, 0, false
		}
		return graph.Window{KH: w[1], KW: w[2], StrideH: o.StrideH, StrideW: o.StrideW, DilationH: o.DilationH, DilationW: o.DilationW}, x[3], true
	})
}

// qwindow is a convolution whose weight's outputs lie along an axis and whose
// weight is [O,I,KH,KW] after the permutation layout. shape reads window and
// groups off the weight's and the input's shape.
func (c *tfliteCall) qwindow(p tflite.Padding, a tflite.Activation, outputs int, layout []int, shape func(w, x tensor.Shape) (graph.Window, int, bool)) (val, error) {
	s, err := c.result(a)
	if err != nil {
		return val{}, err
	}
	if err := c.operands(1); err != nil {
		return val{}, err
	}
	w, _, err := c.qweight(1)
	if err != nil {
		return val{}, err
	}
	if len(w.Shape) != 4 || len(c.in[0].shape) != 4 {
		return val{}, fmt.Errorf("%w: a weight of shape %v for an input of %v", ErrUnsupported, w.Shape, tensor.Shape(c.in[0].shape))
	}
	g, groups, ok := shape(w.Shape, c.in[0].shape)
	if !ok {
		return val{}, fmt.Errorf("%w: a weight of shape %v for an input of %v", ErrUnsupported, w.Shape, tensor.Shape(c.in[0].shape))
	}
	win, err := window(p, g.KH, g.KW, g.StrideH, g.StrideW, g.DilationH, g.DilationW)
	if err != nil {
		return val{}, err
	}
	x, err := c.b.asPicture(c.name, c.in[0])
	if err != nil {
		return x, err
	}
	win, x.id = c.b.foldPad(win, x.id)
	id, err := c.qlinear(x.id, graph.QConv2D{Window: win, Stored: s, Groups: groups, Rounding: tfliteRounding(c.o.Code.Builtin), Narrow: tfliteNarrow(c.o.Code.Builtin, s.DType)}, outputs, fmt.Sprint("conv", layout), func(t *tensor.Tensor) (*tensor.Tensor, error) {
		return t.Transpose(layout...)
	})
	if err != nil {
		return x, err
	}
	return c.b.stored(id, c.b.picture, x.batch), nil
}

func (c *tfliteCall) qdense() (val, error) {
	o := c.o.Options.(*tflite.FullyConnectedOptions)
	s, err := c.result(o.Activation)
	if err != nil {
		return val{}, err
	}
	if err := c.operands(1); err != nil {
		return val{}, err
	}
	w, _, err := c.qweight(1)
	if err != nil {
		return val{}, err
	}
	x := c.in[0]
	if n := tensor.Shape(x.shape).Len(); o.Shuffled || len(w.Shape) != 2 || n != w.Shape[1] {
		return val{}, fmt.Errorf("%w: a weight of shape %v for an input of %v", ErrUnsupported, w.Shape, tensor.Shape(x.shape))
	}
	rank := len(x.shape)
	if x, err = c.b.reshape(c.name, x, []int{1, 1, 1, w.Shape[1]}); err != nil {
		return x, err
	}
	id, err := c.qlinear(x.id, graph.QConv2D{Window: graph.Window{KH: 1, KW: 1}, Stored: s, Rounding: tfliteRounding(tflite.FullyConnected), Narrow: true}, 0, "dense", func(t *tensor.Tensor) (*tensor.Tensor, error) {
		return t.Reshape(tensor.Shape{t.Shape[0], t.Shape[1], 1, 1})
	})
	if err != nil {
		return x, err
	}
	to := []int{1, w.Shape[0]}
	if o.KeepNumDims && rank > 1 {
		to = append(slices.Repeat([]int{1}, rank-1), w.Shape[0])
	}
	return c.b.reshape(c.name, c.b.stored(id, identity(4), x.batch), to)
}

func (c *tfliteCall) qbinary() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	s, err := c.result(c.o.Options.(*tflite.BinaryOptions).Activation)
	if err != nil {
		return val{}, err
	}
	fn := map[tflite.Builtin]graph.BinaryKind{tflite.Add: graph.Add, tflite.Sub: graph.Sub, tflite.Mul: graph.Mul}[c.o.Code.Builtin]
	like := c.in[0]
	if like.isConst() {
		like = c.in[1]
	}
	if like.isConst() {
		return val{}, fmt.Errorf("%w: arithmetic of two constants", ErrUnsupported)
	}
	ids := make([]graph.ID, 2)
	for i, v := range c.in[:2] {
		switch {
		case v.isConst():
			t, q, err := c.qweight(i)
			if err != nil {
				return val{}, err
			}
			if len(t.Shape) > len(like.shape) {
				return val{}, fmt.Errorf("%w: a constant of shape %v with a value of shape %v", ErrUnsupported, t.Shape, tensor.Shape(like.shape))
			}
			if ids[i], err = c.b.integers(c.name+".constant", t, q, "operand", nil); err != nil {
				return val{}, err
			}
		case len(v.shape) != len(like.shape):
			return val{}, fmt.Errorf("%w: operands of shape %v and %v", ErrUnsupported, tensor.Shape(v.shape), tensor.Shape(like.shape))
		default:
			if v, err = c.b.reorder(c.name, v, like.axes); err == nil && v.batch != like.batch {
				err = c.b.loseBatch()
			}
			if err != nil {
				return val{}, err
			}
			ids[i] = v.id
		}
	}
	id, err := c.b.add(c.name, graph.QBinary{Stored: s, Fn: fn}, ids...)
	if err != nil {
		return val{}, err
	}
	return c.b.stored(id, like.axes, like.batch), nil
}

func (c *tfliteCall) qpool() (val, error) {
	o := c.o.Options.(*tflite.Pool2DOptions)
	s, err := c.result(o.Activation)
	if err != nil {
		return val{}, err
	}
	if err := c.operands(1); err != nil {
		return val{}, err
	}
	win, err := window(o.Padding, o.FilterH, o.FilterW, o.StrideH, o.StrideW, 1, 1)
	if err != nil {
		return val{}, err
	}
	x, err := c.b.asPicture(c.name, c.in[0])
	if err != nil {
		return x, err
	}
	id, err := c.b.add(c.name, graph.QPool{Window: win, Stored: s, Max: c.o.Code.Builtin == tflite.MaxPool2D}, x.id)
	if err != nil {
		return x, err
	}
	return c.b.stored(id, c.b.picture, x.batch), nil
}

// qmean is over the pixels of a picture.
func (c *tfliteCall) qmean() (val, error) {
	s, err := c.result(tflite.ActNone)
	if err != nil {
		return val{}, err
	}
	if err := c.operands(1); err != nil {
		return val{}, err
	}
	if err := c.need(2); err != nil {
		return val{}, err
	}
	axes, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	for i, a := range axes {
		if a < 0 {
			axes[i] += 4
		}
	}
	slices.Sort(axes)
	x, err := c.b.asPicture(c.name, c.in[0])
	if err != nil {
		return x, err
	}
	if !slices.Equal(axes, []int64{1, 2}) {
		return x, fmt.Errorf("%w: the mean of %v over axes %v", ErrUnsupported, tensor.Shape(x.shape), axes)
	}
	keep := c.o.Options.(*tflite.ReducerOptions).KeepDims
	id, err := c.b.add(c.name, graph.QMean{Stored: s, Rule: tfliteMean(keep, c.b.g.Node(x.id).Type, s)}, x.id)
	if err != nil {
		return x, err
	}
	x = c.b.stored(id, c.b.picture, x.batch)
	if keep {
		return x, nil
	}
	return c.b.reshape(c.name, x, []int{1, x.shape[3]})
}

// qconcat joins values; those stored otherwise than the result change their
// scale first, as the legacy operator does.
func (c *tfliteCall) qconcat() (val, error) {
	o := c.o.Options.(*tflite.ConcatenationOptions)
	s, err := c.result(o.Activation)
	if err != nil {
		return val{}, err
	}
	want := graph.PerTensor(s.Scale, s.Zero)
	if v, ok, err := c.joined(want, int64(o.Axis)); ok || err != nil {
		return v, err
	}
	if err := c.operands(len(c.in)); err != nil {
		return val{}, err
	}
	xs := slices.Clone(c.in)
	for i, x := range xs {
		t := c.b.g.Node(x.id).Type
		if t.DType != s.DType {
			return val{}, fmt.Errorf("%w: joining %v to %v", ErrUnsupported, t.DType, s.DType)
		}
		if t.Quant.Equal(want) {
			continue
		}
		if xs[i].id, err = c.b.add(fmt.Sprintf("%s.scale%d", c.name, i), graph.QActivation{Stored: s, Rule: graph.RuleJoin}, x.id); err != nil {
			return val{}, err
		}
	}
	return c.b.concat(c.name, int64(o.Axis), xs)
}

// joined joins constants, which must be stored as the result is; false where a
// part is computed.
func (c *tfliteCall) joined(want *graph.Quant, axis int64) (v val, ok bool, err error) {
	ts := make([]*tensor.Tensor, len(c.in))
	for i, x := range c.in {
		if !c.has(i) || !x.isConst() {
			return val{}, false, nil
		}
		q, err := quantOf(&c.s.g.Tensors[c.o.Inputs[i]])
		if err != nil {
			return val{}, false, err
		}
		if !q.Equal(want) {
			return val{}, false, fmt.Errorf("%w: joining constants of other scales", ErrUnsupported)
		}
		ts[i] = x.c
	}
	t, err := foldConcat(ts, axis)
	return val{c: t}, true, err
}

// qpad surrounds with real zeros.
func (c *tfliteCall) qpad() (val, error) {
	if c.has(2) {
		t, q, err := c.qweight(2)
		if err != nil {
			return val{}, err
		}
		v, err := ints(val{c: t})
		if err != nil || len(v) != 1 || v[0] != int64(q.Zeros[0]) {
			return val{}, fmt.Errorf("%w: padding with anything but real zeros", ErrUnsupported)
		}
	}
	return sameScale(func(c *tfliteCall) (val, error) {
		short := *c
		short.in = c.in[:min(len(c.in), 2)]
		return short.pad()
	})(c)
}

// tile repeats a picture of one pixel over rows and columns.
func (c *tfliteCall) tile() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	times, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	x := c.in[0]
	if !slices.ContainsFunc(times, func(n int64) bool { return n != 1 }) {
		return x, nil
	}
	if x.isConst() || len(times) != 4 || len(x.shape) != 4 || times[0] != 1 || times[3] != 1 || x.shape[1] != 1 || x.shape[2] != 1 || times[1] < 1 || times[2] < 1 || times[1] > 1<<16 || times[2] > 1<<16 {
		return x, fmt.Errorf("%w: %v times %v; only one pixel is repeated", ErrUnsupported, times, tensor.Shape(x.dims()))
	}
	return c.b.resize(c.name, x, graph.Resize2D{H: int(times[1]), W: int(times[2]), Nearest: true, Rule: graph.Asymmetric})
}
