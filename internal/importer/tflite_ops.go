package importer

import (
	"fmt"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// tfliteOps are the operators by code.
var tfliteOps = map[tflite.Builtin]func(*tfliteCall) (val, error){
	tflite.Conv2D: (*tfliteCall).conv, tflite.DepthwiseConv2D: (*tfliteCall).depthwise, tflite.FullyConnected: (*tfliteCall).dense,
	tflite.AveragePool2D: (*tfliteCall).pool, tflite.MaxPool2D: (*tfliteCall).pool, tflite.Mean: (*tfliteCall).mean,
	tflite.Softmax: (*tfliteCall).softmax, tflite.Pad: (*tfliteCall).pad, tflite.PadV2: (*tfliteCall).pad,
	tflite.ResizeBilinear: (*tfliteCall).resize, tflite.ResizeNearestNeighbor: (*tfliteCall).resize,

	tflite.ReLU: tfliteAct(graph.ActReLU), tflite.ReLU6: tfliteAct(graph.ActReLU6), tflite.ReLUN1To1: tfliteAct(graph.ActClip(-1, 1)),
	tflite.ReLU0To1: tfliteAct(graph.ActClip(0, 1)), tflite.Logistic: tfliteAct(graph.ActSigmoid), tflite.HardSwish: tfliteAct(graph.ActHSwish),
	tflite.Tanh: tfliteAct(graph.Act{Kind: graph.Tanh}), tflite.LeakyReLU: (*tfliteCall).leaky, tflite.PReLU: (*tfliteCall).prelu, tflite.Gelu: (*tfliteCall).gelu,

	tflite.Add: tfliteBinary(graph.Add), tflite.Sub: tfliteBinary(graph.Sub), tflite.Mul: tfliteBinary(graph.Mul), tflite.Div: tfliteBinary(graph.Div),
	tflite.Maximum: tfliteExtreme(true), tflite.Minimum: tfliteExtreme(false),

	tflite.Concatenation: (*tfliteCall).concat, tflite.Reshape: (*tfliteCall).reshape, tflite.Squeeze: (*tfliteCall).squeeze,
	tflite.ExpandDims: (*tfliteCall).expandDims, tflite.Transpose: (*tfliteCall).transpose, tflite.Dequantize: (*tfliteCall).dequantize, tflite.Cast: (*tfliteCall).cast,

	tflite.Shape: (*tfliteCall).shape, tflite.Pack: (*tfliteCall).pack, tflite.Gather: (*tfliteCall).gather,
	tflite.StridedSlice: (*tfliteCall).stridedSlice, tflite.Slice: (*tfliteCall).slice,
}

func tfliteAct(a graph.Act) func(*tfliteCall) (val, error) {
	return func(c *tfliteCall) (val, error) {
		if err := c.need(1); err != nil {
			return val{}, err
		}
		return c.b.act(c.name, c.in[0], a)
	}
}

func tfliteBinary(fn graph.BinaryKind) func(*tfliteCall) (val, error) {
	return func(c *tfliteCall) (val, error) {
		if err := c.need(2); err != nil {
			return val{}, err
		}
		x, err := c.b.binary(c.name, fn, c.in[0], c.in[1])
		return c.fused(x, err, c.o.Options.(*tflite.BinaryOptions).Activation)
	}
}

func tfliteExtreme(max bool) func(*tfliteCall) (val, error) {
	return func(c *tfliteCall) (val, error) {
		if err := c.need(2); err != nil {
			return val{}, err
		}
		return c.b.extreme(c.name, max, c.in)
	}
}

// params are the constant weight of four axes and the bias of a convolution.
func (c *tfliteCall) params() (w, bias *tensor.Tensor, err error) {
	if err := c.need(2); err != nil {
		return nil, nil, err
	}
	if w, err = c.weight(1); err != nil {
		return nil, nil, err
	}
	bias, err = c.weight(2)
	return w, bias, err
}

func (c *tfliteCall) conv() (val, error) {
	w, bias, err := c.params()
	if err != nil {
		return val{}, err
	}
	x, o := c.in[0], c.o.Options.(*tflite.Conv2DOptions)
	if len(w.Shape) != 4 || len(x.shape) != 4 || w.Shape[3] < 1 || x.shape[3]%w.Shape[3] != 0 {
		return val{}, fmt.Errorf("%w: a weight of shape %v for an input of %v", ErrUnsupported, w.Shape, tensor.Shape(x.dims()))
	}
	win, err := window(o.Padding, w.Shape[1], w.Shape[2], o.StrideH, o.StrideW, o.DilationH, o.DilationW)
	if err != nil {
		return val{}, err
	}
	x, err = c.b.conv(c.name, x, convolution{Window: win, groups: x.shape[3] / w.Shape[3], weight: w, layout: []int{0, 3, 1, 2}, bias: bias})
	return c.fused(x, err, o.Activation)
}

// depthwise has its weight as [1,KH,KW,C*multiplier].
func (c *tfliteCall) depthwise() (val, error) {
	w, bias, err := c.params()
	if err != nil {
		return val{}, err
	}
	x, o := c.in[0], c.o.Options.(*tflite.DepthwiseConv2DOptions)
	if len(w.Shape) != 4 || len(x.shape) != 4 || w.Shape[0] != 1 || x.shape[3] < 1 || w.Shape[3]%x.shape[3] != 0 {
		return val{}, fmt.Errorf("%w: a weight of shape %v for an input of %v", ErrUnsupported, w.Shape, tensor.Shape(x.dims()))
	}
	win, err := window(o.Padding, w.Shape[1], w.Shape[2], o.StrideH, o.StrideW, o.DilationH, o.DilationW)
	if err != nil {
		return val{}, err
	}
	x, err = c.b.conv(c.name, x, convolution{Window: win, groups: x.shape[3], weight: w, layout: []int{3, 0, 1, 2}, bias: bias})
	return c.fused(x, err, o.Activation)
}

func (c *tfliteCall) dense() (val, error) {
	w, bias, err := c.params()
	if err != nil {
		return val{}, err
	}
	x, o := c.in[0], c.o.Options.(*tflite.FullyConnectedOptions)
	if o.Shuffled || len(w.Shape) != 2 || x.isConst() {
		return val{}, fmt.Errorf("%w: a weight of shape %v or in a shuffled layout", ErrUnsupported, w.Shape)
	}
	rank := len(x.shape)
	pixels := rank == 4 && o.KeepNumDims
	if pixels && tensor.Shape(x.shape[:3]).Len() != 1 {
		// Over the last axis of a picture it is a 1x1 convolution.
		conv := convolution{Window: graph.Window{KH: 1, KW: 1}, weight: w, bias: bias}
		if x, err = c.b.asPicture(c.name, x); err != nil {
			return x, err
		}
		x, err = c.b.emitConv(c.name, x, conv, "dense pixels", func(t *tensor.Tensor) (*tensor.Tensor, error) {
			return t.Reshape(tensor.Shape{t.Shape[0], t.Shape[1], 1, 1})
		})
		return c.fused(x, err, o.Activation)
	}
	if x, err = c.b.reshape(c.name, x, []int{1, tensor.Shape(x.shape).Len()}); err != nil {
		return x, err
	}
	x, err = c.b.dense(c.name, x, w, false, bias, 1)
	if err == nil && o.KeepNumDims && rank != 2 {
		x, err = c.b.reshape(c.name, x, append(slices.Repeat([]int{1}, rank-1), w.Shape[0]))
	}
	return c.fused(x, err, o.Activation)
}

func (c *tfliteCall) pool() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	o := c.o.Options.(*tflite.Pool2DOptions)
	win, err := window(o.Padding, o.FilterH, o.FilterW, o.StrideH, o.StrideW, 1, 1)
	if err != nil {
		return val{}, err
	}
	x, err := c.b.pool(c.name, c.in[0], graph.Pool{Window: win, Max: c.o.Code.Builtin == tflite.MaxPool2D})
	return c.fused(x, err, o.Activation)
}

func (c *tfliteCall) mean() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	axes, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	if c.in[0].isConst() {
		return val{}, fmt.Errorf("%w: the mean of a constant", ErrUnsupported)
	}
	return c.b.mean(c.name, c.in[0], axes, c.o.Options.(*tflite.ReducerOptions).KeepDims)
}

// softmax is over the last axis, of the logits times beta.
func (c *tfliteCall) softmax() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	x := c.in[0]
	if beta := c.o.Options.(*tflite.SoftmaxOptions).Beta; beta != 1 {
		var err error
		if x, err = c.b.binary(c.name+".beta", graph.Mul, x, val{c: tensor.FromFloat32("beta", nil, []float32{beta})}); err != nil {
			return x, err
		}
	}
	return c.b.softmax(c.name, x, len(x.dims())-1)
}

func (c *tfliteCall) pad() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	v, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	if len(v)%2 != 0 {
		return val{}, fmt.Errorf("%d amounts of padding", len(v))
	}
	amounts := make([][2]int64, len(v)/2)
	for i := range amounts {
		amounts[i] = [2]int64{v[2*i], v[2*i+1]}
	}
	value := float32(0)
	if t, err := c.weight(2); err != nil {
		return val{}, err
	} else if t != nil {
		f, err := t.Float32s()
		if err != nil || len(f) != 1 {
			return val{}, fmt.Errorf("a padding value of shape %v", t.Shape)
		}
		value = f[0]
	}
	return c.b.pad(c.name, c.in[0], amounts, value)
}

func (c *tfliteCall) resize() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	size, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	if len(size) != 2 || size[0] < 1 || size[1] < 1 || size[0] > 1<<20 || size[1] > 1<<20 {
		return val{}, fmt.Errorf("a size of %v", size)
	}
	o := c.o.Options.(*tflite.ResizeOptions)
	r := graph.Resize2D{H: int(size[0]), W: int(size[1]), Nearest: c.o.Code.Builtin == tflite.ResizeNearestNeighbor, Rule: graph.Asymmetric}
	switch {
	case o.AlignCorners && o.HalfPixelCenters:
		return val{}, fmt.Errorf("%w: align_corners together with half_pixel_centers", ErrUnsupported)
	case o.AlignCorners:
		r.Rule = graph.AlignCorners
	case o.HalfPixelCenters:
		r.Rule = graph.HalfPixel
	}
	return c.b.resize(c.name, c.in[0], r)
}

func (c *tfliteCall) leaky() (val, error) {
	return tfliteAct(graph.ActLeakyReLU(c.o.Options.(*tflite.LeakyReLUOptions).Alpha))(c)
}

func (c *tfliteCall) gelu() (val, error) {
	if c.o.Options.(*tflite.GeluOptions).Approximate {
		return val{}, fmt.Errorf("%w: the approximate form", ErrUnsupported)
	}
	return tfliteAct(graph.Act{Kind: graph.GELU})(c)
}

func (c *tfliteCall) prelu() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	slope, err := c.weight(1)
	if err != nil {
		return val{}, err
	}
	return c.b.prelu(c.name, c.in[0], slope)
}

func (c *tfliteCall) concat() (val, error) {
	if err := c.need(len(c.in)); err != nil {
		return val{}, err
	}
	o := c.o.Options.(*tflite.ConcatenationOptions)
	x, err := c.b.concat(c.name, int64(o.Axis), c.in)
	return c.fused(x, err, o.Activation)
}

func (c *tfliteCall) reshape() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	var to []int64
	if c.has(1) {
		var err error
		if to, err = ints(c.in[1]); err != nil {
			return val{}, err
		}
	} else {
		for _, d := range c.o.Options.(*tflite.ReshapeOptions).NewShape {
			to = append(to, int64(d))
		}
	}
	s, err := resolve(c.in[0].dims(), to, false)
	if err != nil {
		return val{}, err
	}
	return c.b.reshape(c.name, c.in[0], s)
}

func (c *tfliteCall) squeeze() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	var axes []int64
	for _, a := range c.o.Options.(*tflite.SqueezeOptions).Dims {
		axes = append(axes, int64(a))
	}
	return c.b.squeeze(c.name, c.in[0], axes, len(axes) == 0)
}

func (c *tfliteCall) expandDims() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	axes, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	return c.b.unsqueeze(c.name, c.in[0], axes)
}

func (c *tfliteCall) transpose() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	list, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	perm := make([]int, len(list))
	for i, a := range list {
		if perm[i], err = axisOf(a, len(list)); err != nil {
			return val{}, err
		}
	}
	return c.b.transpose(c.in[0], perm)
}

// dequantize is the identity on float16 weights, which are widened where they
// are used, and turns integer weights into floats.
func (c *tfliteCall) dequantize() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	x := c.in[0]
	if !x.isConst() {
		return val{}, fmt.Errorf("%w: of a value that is not constant", ErrUnsupported)
	}
	if x.c.DType.Float() {
		return x, nil
	}
	v := &c.s.g.Tensors[c.o.Inputs[0]]
	if lo, hi := graph.IntRange(x.c.DType); lo <= hi {
		if _, err := quantOf(v); err != nil {
			return val{}, err
		}
	}
	if bytesWithScale(v) && slices.Contains(c.s.g.Outputs, c.o.Outputs[0]) {
		return c.constantOutput()
	}
	t, err := dequantized(v, x.c)
	return val{c: t}, err
}

func (c *tfliteCall) cast() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	to := c.s.g.Tensors[c.o.Outputs[0]].Type.DType() // the options may be left out
	if c.in[0].isConst() {
		t, err := foldCast(c.in[0].c, to)
		return val{c: t}, err
	}
	if !to.Float() {
		return val{}, fmt.Errorf("%w: to %v", ErrUnsupported, to)
	}
	return c.in[0], nil
}

func (c *tfliteCall) shape() (val, error) {
	if err := c.need(1); err != nil {
		return val{}, err
	}
	v := []int64{}
	for _, d := range c.in[0].dims() {
		v = append(v, int64(d))
	}
	return val{c: vector(c.name, v)}, nil
}

// pack joins constants along a new axis.
func (c *tfliteCall) pack() (val, error) {
	if err := c.need(max(len(c.in), 1)); err != nil {
		return val{}, err
	}
	ts := make([]*tensor.Tensor, len(c.in))
	axis, err := axisOf(int64(c.o.Options.(*tflite.PackOptions).Axis), len(c.in[0].dims())+1)
	if err != nil {
		return val{}, err
	}
	for i, x := range c.in {
		if !x.isConst() || len(x.c.Shape) < axis {
			return val{}, fmt.Errorf("%w: of values that are not constant", ErrUnsupported)
		}
		t := x.c
		if !t.DType.Float() { // shape arithmetic mixes int32 from the file and int64
			if t, err = foldCast(t, tensor.I64); err != nil {
				return val{}, err
			}
		}
		if ts[i], err = t.Reshape(slices.Insert(slices.Clone(t.Shape), axis, 1)); err != nil {
			return val{}, err
		}
	}
	t, err := foldConcat(ts, int64(axis))
	return val{c: t}, err
}

func (c *tfliteCall) gather() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	o := c.o.Options.(*tflite.GatherOptions)
	if !c.in[0].isConst() || !c.in[1].isConst() || o.BatchDims != 0 {
		return val{}, fmt.Errorf("%w: of a value that is not constant", ErrUnsupported)
	}
	t, err := foldGather(c.in[0].c, c.in[1].c, int64(o.Axis))
	return val{c: t}, err
}

// slice takes sizes elements from begin on; -1 is all that is left.
func (c *tfliteCall) slice() (val, error) {
	if err := c.need(3); err != nil {
		return val{}, err
	}
	begin, err := ints(c.in[1])
	if err != nil {
		return val{}, err
	}
	size, err := ints(c.in[2])
	if err != nil {
		return val{}, err
	}
	s := c.in[0].dims()
	if len(begin) != len(s) || len(size) != len(s) {
		return val{}, fmt.Errorf("%d starts and %d sizes for %v", len(begin), len(size), tensor.Shape(s))
	}
	spans := make([]span, len(s))
	for a, d := range s {
		n := size[a]
		if n == -1 {
			n = int64(d) - begin[a]
		}
		if begin[a] < 0 || n < 0 || begin[a] > int64(d) || n > int64(d)-begin[a] {
			return val{}, fmt.Errorf("%d elements from %d of %v", n, begin[a], tensor.Shape(s))
		}
		spans[a] = span{int(begin[a]), 1, int(n)}
	}
	return c.part(spans)
}

// part is a slice of a constant, or a value that is sliced whole.
func (c *tfliteCall) part(spans []span) (val, error) {
	x := c.in[0]
	if x.isConst() {
		t, err := foldSlice(x.c, spans)
		return val{c: t}, err
	}
	for a, s := range spans {
		if s != (span{0, 1, x.shape[a]}) {
			return val{}, fmt.Errorf("%w: of a value that is not constant", ErrUnsupported)
		}
	}
	return x, nil
}

func (c *tfliteCall) stridedSlice() (val, error) {
	if err := c.need(4); err != nil {
		return val{}, err
	}
	var lists [3][]int64
	s := c.in[0].dims()
	for i := range lists {
		var err error
		if lists[i], err = ints(c.in[i+1]); err != nil {
			return val{}, err
		}
		if len(lists[i]) > len(s) || len(lists[i]) != len(lists[0]) {
			return val{}, fmt.Errorf("%d bounds for %v", len(lists[i]), tensor.Shape(s))
		}
	}
	o := c.o.Options.(*tflite.StridedSliceOptions)
	if o.EllipsisMask != 0 || o.NewAxisMask != 0 || o.Offset {
		return val{}, fmt.Errorf("%w: ellipsis, new axes or offsets", ErrUnsupported)
	}
	spans := make([]span, len(s))
	var to []int
	for a, d := range s {
		spans[a] = span{0, 1, d}
		if a >= len(lists[0]) {
			to = append(to, d)
			continue
		}
		begin, end, step := lists[0][a], lists[1][a], lists[2][a]
		bit := 1 << a
		if o.ShrinkAxisMask&bit != 0 {
			end, step = begin+1, 1
			if end == 0 {
				end = int64(d)
			}
		}
		if o.BeginMask&bit != 0 {
			begin = 0
			if step < 0 {
				begin = int64(d)
			}
		}
		if o.EndMask&bit != 0 && o.ShrinkAxisMask&bit == 0 {
			end = int64(d)
			if step < 0 {
				end = math.MinInt64 + int64(d)
			}
		}
		var err error
		if spans[a], err = newSpan(begin, end, step, d); err != nil {
			return val{}, err
		}
		if o.ShrinkAxisMask&bit == 0 {
			to = append(to, spans[a].count)
		} else if spans[a].count != 1 {
			return val{}, fmt.Errorf("index %d of %d elements", begin, d)
		}
	}
	x, err := c.part(spans)
	if err != nil {
		return x, err
	}
	return c.b.reshape(c.name, x, to)
}
