package importer

import (
	"bytes"
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Integer operators of TFLite files. An operator belongs here when its result,
// or the value it reads, is stored as bytes with a scale.

// quantOf reads the parameters of a tensor that is stored as bytes.
func quantOf(t *tflite.Tensor) (*graph.Quant, error) {
	if t.Quant == nil || len(t.Quant.Scale) == 0 {
		return nil, fmt.Errorf("%w: tensor %q is %v without a scale", ErrUnsupported, t.Name, t.Type)
	}
	if t.Quant.Custom {
		return nil, fmt.Errorf("%w: tensor %q has quantization parameters of a private form", ErrUnsupported, t.Name)
	}
	n := len(t.Quant.Scale)
	if z := len(t.Quant.ZeroPoint); z != n && z != 0 {
		return nil, fmt.Errorf("tensor %q has %d scales and %d zero points", t.Name, n, z)
	}
	q := &graph.Quant{Scales: t.Quant.Scale, Zeros: make([]int32, n), Axis: t.Quant.Dimension}
	lo, hi := graph.IntRange(t.Type.DType())
	for i, z := range t.Quant.ZeroPoint {
		if z < lo || z > hi {
			return nil, fmt.Errorf("tensor %q: zero point %d is no %v", t.Name, z, t.Type)
		}
		q.Zeros[i] = int32(z)
	}
	if err := q.Check(t.Type.DType(), t.Shape); err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	return q, nil
}

// bytesWithScale reports a tensor stored as quantized bytes.
func bytesWithScale(t *tflite.Tensor) bool {
	d := t.Type.DType()
	return (d == tensor.U8 || d == tensor.I8) && t.Quant != nil && len(t.Quant.Scale) > 0
}

// stored is how a computed tensor is stored.
func (s *tfliteSource) stored(t int) (graph.Stored, error) {
	v := &s.g.Tensors[t]
	if d := v.Type.DType(); d != tensor.U8 && d != tensor.I8 {
		return graph.Stored{}, fmt.Errorf("%w: tensor %q is %v; integer networks of 8 bits are read", ErrUnsupported, v.Name, v.Type)
	}
	q, err := quantOf(v)
	if err != nil {
		return graph.Stored{}, err
	}
	if len(q.Scales) != 1 {
		return graph.Stored{}, fmt.Errorf("%w: tensor %q has %d scales; a computed value has one", ErrUnsupported, v.Name, len(q.Scales))
	}
	return graph.Whole(v.Type.DType(), q.Scales[0], q.Zeros[0]), nil
}

// result is how the operator's result is stored, its activation as a clamp.
func (c *tfliteCall) result(a tflite.Activation) (graph.Stored, error) {
	s, err := c.s.stored(c.o.Outputs[0])
	if err != nil {
		return s, err
	}
	var act graph.Act
	switch a {
	case tflite.ActNone:
	case tflite.ActReLU:
		act = graph.ActReLU
	case tflite.ActReLU6:
		act = graph.ActReLU6
	case tflite.ActReLUN1To1:
		act = graph.ActClip(-1, 1)
	default:
		return s, fmt.Errorf("%w: fused activation %v of integers", ErrUnsupported, a)
	}
	s.Act(act)
	return s, nil
}

// quantized reports that the operator is one of integers.
func (s *tfliteSource) quantized(o *tflite.Operator, in []val) bool {
	if bytesWithScale(&s.g.Tensors[o.Outputs[0]]) {
		return true
	}
	return len(in) > 0 && !in[0].isConst() && len(o.Inputs) > 0 && o.Inputs[0] >= 0 && bytesWithScale(&s.g.Tensors[o.Inputs[0]])
}

var tfliteIntOps map[tflite.Builtin]func(*tfliteCall) (val, error)

func init() {
	tfliteIntOps = map[tflite.Builtin]func(*tfliteCall) (val, error){
		tflite.Conv2D: (*tfliteCall).qconv, tflite.DepthwiseConv2D: (*tfliteCall).qdepthwise, tflite.FullyConnected: (*tfliteCall).qdense,
		tflite.Add: (*tfliteCall).qbinary, tflite.Sub: (*tfliteCall).qbinary, tflite.Mul: (*tfliteCall).qbinary,
		tflite.AveragePool2D: (*tfliteCall).qpool, tflite.MaxPool2D: (*tfliteCall).qpool, tflite.Mean: (*tfliteCall).qmean,
		tflite.Softmax: (*tfliteCall).qsoftmax, tflite.Logistic: qact(graph.ActSigmoid), tflite.Tanh: qact(graph.Act{Kind: graph.Tanh}),
		tflite.HardSwish: qact(graph.ActHSwish), tflite.ReLU: qbound(graph.ActReLU), tflite.ReLU6: qbound(graph.ActReLU6), tflite.ReLUN1To1: qbound(graph.ActClip(-1, 1)),
		tflite.LeakyReLU: (*tfliteCall).qleaky, tflite.Quantize: (*tfliteCall).quantize, tflite.Dequantize: (*tfliteCall).toFloat,
		tflite.Concatenation: (*tfliteCall).qconcat, tflite.Pad: (*tfliteCall).qpad, tflite.PadV2: (*tfliteCall).qpad,
		tflite.ResizeBilinear: sameScale((*tfliteCall).resize), tflite.ResizeNearestNeighbor: sameScale((*tfliteCall).resize),
		tflite.Reshape: sameScale((*tfliteCall).reshape), tflite.Squeeze: sameScale((*tfliteCall).squeeze), tflite.ExpandDims: sameScale((*tfliteCall).expandDims),
		tflite.Transpose: sameScale((*tfliteCall).transpose), tflite.StridedSlice: sameScale((*tfliteCall).stridedSlice), tflite.Slice: sameScale((*tfliteCall).slice),
		tflite.Shape: (*tfliteCall).shape, tflite.ArgMax: (*tfliteCall).argMax, tflite.Tile: sameScale((*tfliteCall).tile),
	}
}

// sameScale is an operator that moves values: the result must be stored as the
// operand is.
func sameScale(f func(*tfliteCall) (val, error)) func(*tfliteCall) (val, error) {
	return func(c *tfliteCall) (val, error) {
		if err := c.need(1); err != nil {
			return val{}, err
		}
		x, err := f(c)
		if err != nil || x.isConst() {
			return x, err
		}
		s, err := c.s.stored(c.o.Outputs[0])
		if err != nil {
			return x, err
		}
		if t := c.b.g.Node(x.id).Type; t.DType != s.DType || !t.Quant.Equal(graph.PerTensor(s.Scale, s.Zero)) {
			return x, fmt.Errorf("%w: the scale of the result is not the operand's", ErrUnsupported)
		}
		return x, nil
	}
}

// integers emits a constant of the file as integers; f changes the order of
// its elements, how names that for sharing between graphs.
func (b *build) integers(name string, t *tensor.Tensor, q *graph.Quant, how string, f func(*tensor.Tensor) (*tensor.Tensor, error)) (graph.ID, error) {
	key := arrayKey{t, "integers " + how}
	b.im.mu.Lock()
	a := b.im.arrays[key]
	b.im.mu.Unlock()
	if a == nil {
		v := t
		if f != nil {
			var err error
			if v, err = f(t); err != nil {
				return graph.None, err
			}
		}
		a = &graph.Array{Shape: v.Shape.Clone(), Bytes: v.Data}
		if b.im.static[t] {
			b.im.mu.Lock()
			b.im.arrays[key] = a
			b.im.mu.Unlock()
		} else if err := b.account(len(v.Data)); err != nil {
			return graph.None, err
		}
	}
	return b.g.AddIntegers(b.unique(name), graph.Type{DType: t.DType, Shape: a.Shape, Quant: q}, a)
}

// operands checks the first n inputs, which must be computed values.
func (c *tfliteCall) operands(n int) error {
	if err := c.need(n); err != nil {
		return err
	}
	for i := range n {
		if c.in[i].isConst() {
			return fmt.Errorf("%w: input %d is a constant", ErrUnsupported, i)
		}
	}
	return nil
}

// unary emits a function of one value.
func (c *tfliteCall) unary(op graph.Op) (val, error) {
	if err := c.operands(1); err != nil {
		return val{}, err
	}
	id, err := c.b.add(c.name, op, c.in[0].id)
	x := c.in[0]
	x.id = id
	return x, err
}

func qact(a graph.Act) func(*tfliteCall) (val, error) {
	return func(c *tfliteCall) (val, error) {
		s, err := c.result(tflite.ActNone)
		if err != nil {
			return val{}, err
		}
		return c.unary(graph.QActivation{Stored: s, Act: a})
	}
}

func (c *tfliteCall) qleaky() (val, error) {
	return qact(graph.ActLeakyReLU(c.o.Options.(*tflite.LeakyReLUOptions).Alpha))(c)
}

// qbound is an activation that is a bound: a change of scale with a clamp.
func qbound(a graph.Act) func(*tfliteCall) (val, error) {
	return func(c *tfliteCall) (val, error) {
		s, err := c.result(tflite.ActNone)
		if err != nil {
			return val{}, err
		}
		s.Act(a)
		return c.unary(graph.QActivation{Stored: s})
	}
}

// quantize rounds real numbers, or changes the scale of bytes.
func (c *tfliteCall) quantize() (val, error) {
	s, err := c.result(tflite.ActNone)
	if err != nil {
		return val{}, err
	}
	if err := c.operands(1); err != nil {
		return val{}, err
	}
	if c.b.g.Node(c.in[0].id).Type.DType == tensor.F32 {
		return c.unary(graph.Quantize{Stored: s})
	}
	return c.unary(graph.QActivation{Stored: s})
}

func (c *tfliteCall) toFloat() (val, error) { return c.unary(graph.Dequantize{}) }

// constantOutput is a constant that the file gives out with its results, as
// detectors do with their anchors: the same for every picture.
func (c *tfliteCall) constantOutput() (val, error) {
	t := c.in[0].c
	q, err := quantOf(&c.s.g.Tensors[c.o.Inputs[0]])
	if err != nil {
		return val{}, err
	}
	if len(t.Shape) < 2 || t.Shape[0] != 1 || len(q.Scales) != 1 {
		return val{}, fmt.Errorf("%w: an output that is a constant of shape %v", ErrUnsupported, t.Shape)
	}
	id, err := c.b.integers(c.name+".constant", t, q, fmt.Sprint("times ", c.b.n), func(t *tensor.Tensor) (*tensor.Tensor, error) {
		if err := c.b.account(c.b.n * len(t.Data)); err != nil {
			return nil, err
		}
		shape := t.Shape.Clone()
		shape[0] = c.b.n
		return tensor.New(t.Name, t.DType, shape, bytes.Repeat(t.Data, c.b.n))
	})
	if err != nil {
		return val{}, err
	}
	if id, err = c.b.add(c.name, graph.Dequantize{}, id); err != nil {
		return val{}, err
	}
	return c.b.stored(id, identity(len(t.Shape)), true), nil
}

func (c *tfliteCall) qsoftmax() (val, error) {
	s, err := c.result(tflite.ActNone)
	if err != nil {
		return val{}, err
	}
	return c.unary(graph.QSoftmax{Stored: s, Beta: c.o.Options.(*tflite.SoftmaxOptions).Beta})
}

// argMax is over the last axis.
func (c *tfliteCall) argMax() (val, error) {
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
	x := c.in[0]
	rank := len(x.shape)
	if len(axes) != 1 || axes[0] != -1 && axes[0] != int64(rank-1) || rank < 2 || x.axes[rank-1] != rank-1 {
		return val{}, fmt.Errorf("%w: over axis %v of %v", ErrUnsupported, axes, tensor.Shape(x.shape))
	}
	id, err := c.b.add(c.name, graph.ArgMax{}, x.id)
	if err != nil {
		return val{}, err
	}
	return c.b.stored(id, x.axes[:rank-1], x.batch), nil
}
