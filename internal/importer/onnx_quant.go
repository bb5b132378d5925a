package importer

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Quantized ONNX comes in two forms. QDQ files keep their operators on real
// numbers and put QuantizeLinear and DequantizeLinear around them: they become
// the same nodes of the graph, which pass.Fold turns into arithmetic on bytes.
// Files of QLinear operators say the arithmetic themselves. Weights stay the
// integers they are in both.

// microsoftOps are the operators of ONNX Runtime's own domain.
var microsoftOps = map[string]func(*onnxCall) (val, error){
	"QuantizeLinear": (*onnxCall).quantizeLinear, "DequantizeLinear": (*onnxCall).dequantizeLinear,
	"QLinearAdd": qlinearBinary(graph.Add), "QLinearMul": qlinearBinary(graph.Mul),
	"QLinearSigmoid":   qlinearAct(func(*onnxCall) graph.Act { return graph.ActSigmoid }),
	"QLinearLeakyRelu": qlinearAct(func(c *onnxCall) graph.Act { return graph.ActLeakyReLU(c.n.Float("alpha", 0.01)) }),
	"QLinearConcat":    (*onnxCall).qlinearConcat, "QGemm": (*onnxCall).qgemm,
	"QLinearGlobalAveragePool": (*onnxCall).qlinearGlobalPool, "QLinearAveragePool": (*onnxCall).qlinearPool,
}

// takesIntegers are the operators that keep a constant of integers with a
// scale as it is; the others get real numbers.
var takesIntegers = map[string]bool{
	"Conv": true, "Gemm": true, "MatMul": true, "Add": true, "Sub": true, "Mul": true, "Div": true,
	"Transpose": true, "Identity": true,
}

// float is v with real numbers for integers with a scale.
func (w *onnxWalk) float(v val) (val, error) {
	t, _, err := w.floats(v.c, v.q)
	if v.q != nil {
		v = val{c: t}
	}
	return v, err
}

func (w *onnxWalk) floats(t *tensor.Tensor, q *constQuant) (*tensor.Tensor, *constQuant, error) {
	if t == nil || q == nil {
		return t, nil, nil
	}
	key := arrayKey{t, q.key}
	if made := w.s.reals[key]; made != nil {
		return made, nil, nil
	}
	if err := w.b.account(4 * t.Len()); err != nil {
		return nil, nil, err
	}
	made := foldDequantize(t, q.Quant)
	if w.b.first && w.b.im.static[t] {
		w.s.reals[key] = made
		w.b.im.static[made] = true
	}
	return made, nil, nil
}

// quantOf is what the integers of input i stand for, nil if it has none.
func (c *onnxCall) quantOf(i int) *constQuant {
	if !c.has(i) {
		return nil
	}
	return c.in[i].q
}

// quant reads the scale in one input and the zero point in another, of a value
// of a type and shape that has a scale for all or one for each index along
// axis. A zero point left out is 0.
func (c *onnxCall) quant(scale, zero int, t tensor.DType, shape tensor.Shape, axis int64) (*constQuant, error) {
	if !c.has(scale) {
		return nil, fmt.Errorf("input %d, the scale, is missing", scale)
	}
	s, err := c.weight(scale)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("scale %q: %s", c.n.Inputs[scale], fmt.Sprintf(format, args...))
	}
	if !s.DType.Float() {
		return nil, fail("it is %v", s.DType)
	}
	if len(s.Shape) > 1 || c.n.Int("block_size", 0) != 0 {
		return nil, fmt.Errorf("%w: a scale for each block (%q of shape %v); only one for a tensor or for each channel", ErrUnsupported, c.n.Inputs[scale], s.Shape)
	}
	q := &graph.Quant{Zeros: make([]int32, s.Len())}
	if q.Scales, err = s.Float32s(); err != nil {
		return nil, err
	}
	if len(q.Scales) > 1 {
		if q.Axis, err = axisOf(axis, len(shape)); err != nil {
			return nil, fail("%d scales along %v", len(q.Scales), err)
		}
	}
	var z *tensor.Tensor
	if c.has(zero) {
		if z, err = c.weight(zero); err != nil {
			return nil, err
		}
		if z.DType != t {
			return nil, fmt.Errorf("zero point %q is %v, of a value of %v", c.n.Inputs[zero], z.DType, t)
		}
		if z.Len() != len(q.Scales) {
			return nil, fmt.Errorf("%d zero points in %q for %d scales in %q", z.Len(), c.n.Inputs[zero], len(q.Scales), c.n.Inputs[scale])
		}
		at := elements(z)
		for i := range q.Zeros {
			if q.Zeros[i] = at(i); t == tensor.I32 && q.Zeros[i] != 0 {
				return nil, fmt.Errorf("zero point %q of int32s is %d, not 0", c.n.Inputs[zero], q.Zeros[i])
			}
		}
	}
	if err := q.Check(t, shape); err != nil {
		return nil, fail("%v", err)
	}
	return &constQuant{q, fmt.Sprintf("%p %p %d", s, z, q.Axis)}, nil
}

// stored reads how a result of bytes is stored; def is its type where the zero
// point is left out.
func (c *onnxCall) stored(scale, zero int, def tensor.DType) (graph.Stored, error) {
	t := def
	if c.has(zero) {
		z, err := c.weight(zero)
		if err != nil {
			return graph.Stored{}, err
		}
		t = z.DType
	}
	if t != tensor.U8 && t != tensor.I8 {
		return graph.Stored{}, fmt.Errorf("%w: a result of %v; only uint8 and int8", ErrUnsupported, t)
	}
	q, err := c.quant(scale, zero, t, nil, 0)
	if err != nil {
		return graph.Stored{}, err
	}
	if len(q.Scales) != 1 {
		return graph.Stored{}, fmt.Errorf("%w: %d scales in %q for a value that is computed", ErrUnsupported, len(q.Scales), c.n.Inputs[scale])
	}
	return graph.Whole(t, q.Scales[0], q.Zeros[0]), nil
}

// bytes is input i, a value of bytes, with the scale and zero point that the
// operator says it has; a constant becomes one with a scale.
func (c *onnxCall) bytes(i, scale, zero int) (val, error) {
	if !c.has(i) {
		return val{}, fmt.Errorf("input %d is missing", i)
	}
	x := c.in[i]
	t := graph.Type{}
	if x.isConst() {
		t.DType = x.c.DType
	} else {
		t = c.b.g.Node(x.id).Type
	}
	if t.DType != tensor.U8 && t.DType != tensor.I8 {
		return x, fmt.Errorf("input %q is %v, not uint8 or int8", c.n.Inputs[i], t.DType)
	}
	q, err := c.quant(scale, zero, t.DType, nil, 0)
	if err != nil {
		return x, err
	}
	if len(q.Scales) != 1 {
		return x, fmt.Errorf("%w: %d scales for input %q", ErrUnsupported, len(q.Scales), c.n.Inputs[i])
	}
	if x.isConst() {
		x.q = q
		return x, nil
	}
	if !t.Quant.Equal(q.Quant) {
		return x, fmt.Errorf("%w: input %q is stored with scale %v and zero point %d, read with %v and %d", ErrUnsupported,
			c.n.Inputs[i], t.Quant.Scales[0], t.Quant.Zeros[0], q.Scales[0], q.Zeros[0])
	}
	return x, nil
}

// notConst refuses an operator whose first input is a constant.
func (c *onnxCall) notConst(x val) error {
	if x.isConst() {
		return fmt.Errorf("%w: input %q is a constant", ErrUnsupported, c.n.Inputs[0])
	}
	return nil
}

func (c *onnxCall) quantizeLinear() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	t := tensor.U8
	if k := c.n.Int("output_dtype", 0); k != 0 {
		t = onnx.DTypeOf(k)
	}
	x := c.in[0]
	if !x.isConst() {
		s, err := c.stored(1, 2, t)
		if err != nil {
			return val{}, err
		}
		x.id, err = c.b.add(c.name, graph.Quantize{Stored: s, Even: true}, x.id)
		return x, err
	}
	if c.has(2) {
		z, err := c.weight(2)
		if err != nil {
			return val{}, err
		}
		t = z.DType
	}
	if t != tensor.U8 && t != tensor.I8 || !x.c.DType.Float() {
		return val{}, fmt.Errorf("%w: %v to %v; only real numbers to uint8 and int8", ErrUnsupported, x.c.DType, t)
	}
	q, err := c.quant(1, 2, t, x.c.Shape, c.n.Int("axis", 1))
	if err != nil {
		return val{}, err
	}
	made, err := foldQuantize(x.c, t, q.Quant)
	return val{c: made}, err
}

func (c *onnxCall) dequantizeLinear() (val, error) {
	if err := c.need(2); err != nil {
		return val{}, err
	}
	x := c.in[0]
	if !x.isConst() {
		x, err := c.bytes(0, 1, 2)
		if err != nil {
			return val{}, err
		}
		x.id, err = c.b.add(c.name, graph.Dequantize{}, x.id)
		return x, err
	}
	if lo, hi := graph.IntRange(x.c.DType); lo > hi {
		return val{}, fmt.Errorf("%w: of %v; only uint8, int8 and int32", ErrUnsupported, x.c.DType)
	}
	q, err := c.quant(1, 2, x.c.DType, x.c.Shape, c.n.Int("axis", 1))
	return val{c: x.c, q: q}, err
}

// weights reads the constant of bytes in input i and the sums to begin with in
// input bias, whose scale is that of the products.
func (c *onnxCall) weights(i, scale, zero, bias int, axis func(rank int) int64) (convolution, error) {
	var conv convolution
	w, err := c.weight(i)
	if err != nil {
		return conv, err
	}
	if w == nil {
		return conv, fmt.Errorf("input %d, the weight, is missing", i)
	}
	if w.DType != tensor.U8 && w.DType != tensor.I8 {
		return conv, fmt.Errorf("weight %q is %v, not uint8 or int8", c.n.Inputs[i], w.DType)
	}
	if conv.wq, err = c.quant(scale, zero, w.DType, w.Shape, axis(len(w.Shape))); err != nil {
		return conv, err
	}
	conv.weight = w
	if conv.bias, err = c.weight(bias); err != nil || conv.bias == nil {
		return conv, err
	}
	if conv.bias.DType != tensor.I32 {
		return conv, fmt.Errorf("bias %q is %v, not int32", c.n.Inputs[bias], conv.bias.DType)
	}
	return conv, nil
}

func (c *onnxCall) qlinearConv() (val, error) {
	x, err := c.bytes(0, 1, 2)
	if err != nil {
		return val{}, err
	}
	conv, err := c.weights(3, 4, 5, 8, func(int) int64 { return 0 })
	if err != nil {
		return val{}, err
	}
	out, err := c.stored(6, 7, tensor.U8)
	if err != nil {
		return val{}, err
	}
	if conv.groups, conv.Window, err = c.convWindow(x, conv.weight); err != nil {
		return val{}, err
	}
	conv.out = &out
	return c.b.conv(c.name, x, conv)
}

func (c *onnxCall) qlinearMatMul() (val, error) {
	x, err := c.bytes(0, 1, 2)
	if err != nil {
		return val{}, err
	}
	if err := c.notConst(x); err != nil {
		return val{}, err
	}
	conv, err := c.weights(3, 4, 5, len(c.in), func(rank int) int64 { return int64(rank) - 1 })
	if err != nil {
		return val{}, err
	}
	out, err := c.stored(6, 7, tensor.U8)
	if err != nil {
		return val{}, err
	}
	conv.out = &out
	return c.b.denseConv(c.name, x, conv, true, 1)
}

// qgemm is alpha*a*b + c, with c in the scale of alpha*a*b. Without a scale for
// the result that is real numbers.
func (c *onnxCall) qgemm() (val, error) {
	x, err := c.bytes(0, 1, 2)
	if err != nil {
		return val{}, err
	}
	if err := c.notConst(x); err != nil {
		return val{}, err
	}
	turned := c.n.Int("transB", 0) == 0
	conv, err := c.weights(3, 4, 5, 6, func(rank int) int64 {
		if turned {
			return int64(rank) - 1
		}
		return 0
	})
	if err != nil {
		return val{}, err
	}
	if c.n.Int("transA", 0) != 0 || c.n.Float("alpha", 1) != 1 {
		return val{}, fmt.Errorf("%w: transA or alpha", ErrUnsupported)
	}
	if !c.has(7) {
		return val{}, fmt.Errorf("%w: without a scale for the result", ErrUnsupported)
	}
	out, err := c.stored(7, 8, tensor.U8)
	if err != nil {
		return val{}, err
	}
	conv.out = &out
	return c.b.denseConv(c.name, x, conv, turned, 1)
}

func qlinearBinary(fn graph.BinaryKind) func(*onnxCall) (val, error) {
	return func(c *onnxCall) (val, error) {
		l, err := c.bytes(0, 1, 2)
		if err != nil {
			return val{}, err
		}
		r, err := c.bytes(3, 4, 5)
		if err != nil {
			return val{}, err
		}
		if l.isConst() && r.isConst() {
			return val{}, fmt.Errorf("%w: of two constants", ErrUnsupported)
		}
		out, err := c.stored(6, 7, tensor.U8)
		if err != nil {
			return val{}, err
		}
		return c.b.elementwise(c.name, graph.QBinary{Stored: out, Fn: fn, Rounding: graph.FloatRounding}, l, r)
	}
}

func qlinearAct(f func(*onnxCall) graph.Act) func(*onnxCall) (val, error) {
	return func(c *onnxCall) (val, error) {
		x, err := c.bytes(0, 1, 2)
		if err != nil {
			return val{}, err
		}
		if err := c.notConst(x); err != nil {
			return val{}, err
		}
		out, err := c.stored(3, 4, c.b.g.Node(x.id).Type.DType)
		if err != nil {
			return val{}, err
		}
		x.id, err = c.b.add(c.name, graph.QActivation{Stored: out, Act: f(c), Rule: graph.RuleFloat}, x.id)
		return x, err
	}
}

func (c *onnxCall) qlinearConcat() (val, error) {
	out, err := c.stored(0, 1, tensor.U8)
	if err != nil {
		return val{}, err
	}
	if len(c.in) < 5 || (len(c.in)-2)%3 != 0 {
		return val{}, fmt.Errorf("%d inputs, want a scale, a zero point and three for each part", len(c.in))
	}
	var xs []val
	for i := 2; i < len(c.in); i += 3 {
		x, err := c.bytes(i, i+1, i+2)
		if err != nil {
			return val{}, err
		}
		if x.isConst() {
			return val{}, fmt.Errorf("%w: joining a constant to a value", ErrUnsupported)
		}
		t := c.b.g.Node(x.id).Type
		if t.DType != out.DType || !t.Quant.Equal(graph.PerTensor(out.Scale, out.Zero)) {
			name := fmt.Sprintf("%s.part%d", c.name, (i-2)/3)
			if x.id, err = c.b.add(name, graph.QActivation{Stored: out, Rule: graph.RuleFloat}, x.id); err != nil {
				return val{}, err
			}
		}
		xs = append(xs, x)
	}
	return c.b.concat(c.name, c.n.Int("axis", 1), xs)
}

// nhwc refuses the form of an operator for pictures with their channels last.
func (c *onnxCall) nhwc() error {
	if c.n.Int("channels_last", 0) != 0 {
		return fmt.Errorf("%w: channels_last", ErrUnsupported)
	}
	return nil
}

func (c *onnxCall) qlinearGlobalPool() (val, error) {
	if err := c.nhwc(); err != nil {
		return val{}, err
	}
	x, err := c.bytes(0, 1, 2)
	if err != nil {
		return val{}, err
	}
	out, err := c.stored(3, 4, tensor.U8)
	if err != nil {
		return val{}, err
	}
	if x, err = c.b.asPicture(c.name, x); err != nil {
		return x, err
	}
	id, err := c.b.add(c.name, graph.QMean{Stored: out, Rounding: graph.FloatRounding}, x.id)
	if err != nil {
		return x, err
	}
	return c.b.stored(id, c.b.picture, x.batch), nil
}

// qlinearPool is written as the mean of real numbers, for which pass.Fold
// finds the arithmetic.
func (c *onnxCall) qlinearPool() (val, error) {
	if err := c.nhwc(); err != nil {
		return val{}, err
	}
	x, err := c.bytes(0, 1, 2)
	if err != nil {
		return val{}, err
	}
	if err := c.notConst(x); err != nil {
		return val{}, err
	}
	out, err := c.stored(3, 4, tensor.U8)
	if err != nil {
		return val{}, err
	}
	if x.id, err = c.b.add(c.name+".real", graph.Dequantize{}, x.id); err != nil {
		return val{}, err
	}
	c.in[0] = x
	if x, err = c.pool(); err != nil {
		return x, err
	}
	x.id, err = c.b.add(c.name+".bytes", graph.Quantize{Stored: out, Even: true}, x.id)
	return x, err
}
