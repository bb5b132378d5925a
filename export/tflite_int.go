package export

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// integer lowers a node on integers; ok is false for any other.
func (x *tfliteWriter) integer(id graph.ID, n *graph.Node) (ok bool, err error) {
	if _, done := x.at[id]; done { // the bytes of an input
		return true, nil
	}
	in := make([]int, len(n.In))
	operands := func() (err error) {
		for i, v := range n.In {
			if in[i], err = x.value(v); err != nil {
				return err
			}
		}
		return nil
	}
	switch op := n.Op.(type) {
	case graph.QConv2D:
		return true, x.qconv(id, n, op)
	case graph.Concat:
		if n.Type.DType == tensor.F32 {
			return false, nil
		}
		return true, x.qconcat(id, n, op)
	case graph.FromPixels:
		return true, fmt.Errorf("the bytes of a picture must be the first of a network")
	case graph.Quantize, graph.Dequantize, graph.QActivation, graph.QBinary, graph.QPool, graph.QMean, graph.QSoftmax, graph.ArgMax, graph.ToFloat:
		if err := operands(); err != nil {
			return true, err
		}
	default:
		return false, nil
	}
	switch op := n.Op.(type) {
	case graph.Quantize:
		if op.Even {
			x.note(n, "ties are rounded away from zero, not to even")
		}
		if lo, hi := graph.IntRange(op.DType); int64(op.Lo) != lo || int64(op.Hi) != hi {
			return true, fmt.Errorf("a clamp to [%d,%d]", op.Lo, op.Hi)
		}
		return true, x.result(id, tflite.Quantize, nil, in[0])
	case graph.Dequantize:
		if x.endsInBytes(id) {
			x.at[id] = in[0]
			return true, nil
		}
		return true, x.result(id, tflite.Dequantize, nil, in[0])
	case graph.ToFloat:
		if x.endsInBytes(id) {
			x.at[id] = in[0]
			return true, nil
		}
		return true, x.result(id, tflite.Cast, &tflite.CastOptions{In: 2, Out: 0}, in[0])
	case graph.QActivation:
		if op.Rule == graph.RuleJoin && x.joins(id, op) {
			x.at[id] = in[0]
			return true, nil
		}
		t, err := x.qact(n.Name, n, op, x.g.Node(n.In[0]).Type, in[0])
		x.at[id] = t
		return true, err
	case graph.QBinary:
		if op.Rounding != graph.DoubleRounding {
			x.note(n, "sums are rounded twice")
		}
		f, err := clamped(op.Stored)
		if err != nil {
			return true, err
		}
		code := [...]tflite.Builtin{graph.Add: tflite.Add, graph.Sub: tflite.Sub, graph.Mul: tflite.Mul}[op.Fn]
		return true, x.result(id, code, &tflite.BinaryOptions{Activation: f}, in...)
	case graph.QPool:
		f, err := clamped(op.Stored)
		if err != nil {
			return true, err
		}
		code := tflite.AveragePool2D
		if op.Max {
			code = tflite.MaxPool2D
		}
		return true, x.window(id, n, op.Window, code, f, in[0], 0, false)
	case graph.QMean:
		return true, x.qmean(id, n, op, in[0])
	case graph.QSoftmax:
		return true, x.result(id, tflite.Softmax, &tflite.SoftmaxOptions{Beta: op.Beta}, in[0])
	default: // ArgMax
		axis, err := x.ints("axis", len(x.g.Node(n.In[0]).Type.Shape)-1)
		if err != nil {
			return true, err
		}
		return true, x.result(id, tflite.ArgMax, &tflite.ArgMaxOptions{Output: 2}, in[0], axis)
	}
}

func (x *tfliteWriter) note(n *graph.Node, what string) {
	x.notes = append(x.notes, fmt.Sprintf("node %q (%s): %s; results may differ by one unit", n.Name, n.Op.Kind(), what))
}

// endsInBytes reports a conversion to real numbers that only an output reads,
// through views at most, and that the file leaves out.
func (x *tfliteWriter) endsInBytes(id graph.ID) bool {
	if !x.bytesAsked() {
		return false
	}
	for x.uses[id] == 1 {
		if x.isOutput(id) {
			return true
		}
		if id = x.reader(id); x.g.Node(id).Op.Kind() != (graph.Reshape{}).Kind() {
			return false
		}
	}
	return false
}

// clamped is the activation that a clamp stands for.
func clamped(s graph.Stored) (tflite.Activation, error) {
	for _, c := range []struct {
		f tflite.Activation
		a graph.Act
	}{{tflite.ActNone, graph.ActNone}, {tflite.ActReLU6, graph.ActReLU6}, {tflite.ActReLU, graph.ActReLU}, {tflite.ActReLUN1To1, graph.ActClip(-1, 1)}} {
		w := graph.Whole(s.DType, s.Scale, s.Zero)
		if w.Act(c.a); w == s {
			return c.f, nil
		}
	}
	return 0, fmt.Errorf("a clamp to [%d,%d] at scale %v is no activation of TFLite", s.Lo, s.Hi, s.Scale)
}

// qact lowers a function of one byte.
func (x *tfliteWriter) qact(name string, n *graph.Node, op graph.QActivation, from graph.Type, in int) (int, error) {
	t, err := op.Stored.Type(from.Shape)
	if err != nil {
		return 0, err
	}
	f, err := clamped(op.Stored)
	if err != nil {
		return 0, err
	}
	if op.Act.Kind != graph.Linear && f != tflite.ActNone {
		return 0, fmt.Errorf("%v with a clamp", op.Act)
	}
	if op.Rule != graph.RuleTFLite || op.Rounding != graph.DoubleRounding {
		x.note(n, "the activation is computed by TFLite's rule")
	}
	switch a := op.Act; a.Kind {
	case graph.Linear:
		code := map[tflite.Activation]tflite.Builtin{tflite.ActNone: tflite.Quantize, tflite.ActReLU: tflite.ReLU, tflite.ActReLU6: tflite.ReLU6, tflite.ActReLUN1To1: tflite.ReLUN1To1}[f]
		return x.emit(code, name, t, nil, in)
	case graph.HSwish:
		if a.A != graph.Sixth {
			x.note(n, "the factor of h-swish is 1/6")
		}
		return x.emit(tflite.HardSwish, name, t, nil, in)
	case graph.Sigmoid:
		return x.emit(tflite.Logistic, name, t, nil, in)
	case graph.Tanh:
		return x.emit(tflite.Tanh, name, t, nil, in)
	case graph.LeakyReLU:
		return x.emit(tflite.LeakyReLU, name, t, &tflite.LeakyReLUOptions{Alpha: a.A}, in)
	}
	return 0, fmt.Errorf("TFLite has no integer %v", op.Act)
}

// qconv lowers a convolution of bytes to the operator whose arithmetic it has.
func (x *tfliteWriter) qconv(id graph.ID, n *graph.Node, op graph.QConv2D) error {
	v, err := x.value(n.In[0])
	if err != nil {
		return err
	}
	xt, w := x.g.Node(n.In[0]).Type, x.g.Node(n.In[1])
	if w.Type.DType != xt.DType || op.DType != xt.DType {
		return fmt.Errorf("activations of %v, weights of %v and a result of %v: TFLite has one type for all", xt.DType, w.Type.DType, op.DType)
	}
	if len(w.Type.Quant.Scales) > 1 && xt.DType == tensor.U8 {
		return fmt.Errorf("uint8 weights with a scale for each channel; TFLite has them for int8")
	}
	for _, z := range w.Type.Quant.Zeros {
		if xt.DType == tensor.I8 && z != 0 {
			return fmt.Errorf("int8 weights with zero point %d; TFLite's are symmetric", z)
		}
	}
	if c := (graph.Conv2D{Groups: op.Groups}); op.GroupCount() > 1 && !c.Depthwise(x.g.InTypes(id)) {
		return fmt.Errorf("%d groups of %d channels", op.GroupCount(), xt.Shape[3])
	}
	f, err := clamped(op.Stored)
	if err != nil {
		return err
	}
	c := convolution{window: op.Window, groups: op.GroupCount(), weight: n.In[1], bias: graph.None, act: f}
	if op.Bias {
		c.bias = n.In[2]
	}
	c.biasScale = &graph.Quant{}
	for _, s := range w.Type.Quant.Scales {
		c.biasScale.Scales = append(c.biasScale.Scales, xt.Quant.Scales[0]*s)
		c.biasScale.Zeros = append(c.biasScale.Zeros, 0)
	}
	c.depthwise = op.Rounding == graph.DoubleRounding
	c.dense = op.Narrow && xt.DType == tensor.I8 && len(w.Type.Quant.Scales) == 1
	depthwise := c.groups > 1 || c.depthwise && xt.Shape[3] == 1
	want := graph.UpwardRounding
	if depthwise {
		want = graph.DoubleRounding
	}
	if op.Rounding != want || op.Narrow != (xt.DType == tensor.U8 || c.dense) {
		x.note(n, "sums are rounded as TFLite rounds those of this operator")
	}
	t, err := op.Stored.Type(n.Type.Shape)
	if err != nil {
		return err
	}
	out, err := x.convolve(id, c, v, t)
	if err != nil {
		return err
	}
	if op.Then != nil {
		if out, err = x.qact(n.Name+".act", n, *op.Then, t, out); err != nil {
			return err
		}
	}
	x.at[id] = out
	return nil
}

// qmean lowers a mean over a picture; the rule says whether TFLite drops the
// axes.
func (x *tfliteWriter) qmean(id graph.ID, n *graph.Node, op graph.QMean, v int) error {
	axes, err := x.ints("axes", 1, 2)
	if err != nil {
		return err
	}
	if f, err := clamped(op.Stored); err != nil || f != tflite.ActNone {
		return fmt.Errorf("a mean with a clamp to [%d,%d]", op.Lo, op.Hi)
	}
	kept := graph.MeanBias
	if op.DType == tensor.I8 {
		kept = graph.MeanDivided
	}
	if op.Rounding != graph.DoubleRounding {
		x.note(n, "the mean is rounded twice")
	}
	if op.Rule == graph.MeanFloat || op.Rule == graph.MeanTruncated {
		s := n.Type.Shape
		t, err := x.emit(tflite.Mean, n.Name, graph.Type{DType: n.Type.DType, Quant: n.Type.Quant, Shape: tensor.Shape{s[0], s[3]}}, &tflite.ReducerOptions{}, v, axes)
		if err != nil {
			return err
		}
		shape, err := x.ints("shape", s...)
		if err != nil {
			return err
		}
		t, err = x.emit(tflite.Reshape, n.Name+".view", n.Type, &tflite.ReshapeOptions{NewShape: append([]int{}, s...)}, t, shape)
		x.at[id] = t
		return err
	}
	if op.Rule != kept {
		x.note(n, "the mean is computed by TFLite's rule")
	}
	return x.result(id, tflite.Mean, &tflite.ReducerOptions{KeepDims: true}, v, axes)
}

// joins reports a change of scale that a concatenation of uint8s makes by
// itself.
func (x *tfliteWriter) joins(id graph.ID, op graph.QActivation) bool {
	next := x.reader(id)
	if next == graph.None || op.DType != tensor.U8 {
		return false
	}
	_, ok := x.g.Node(next).Op.(graph.Concat)
	return ok
}

// qconcat lowers a join.
func (x *tfliteWriter) qconcat(id graph.ID, n *graph.Node, op graph.Concat) error {
	in := make([]int, len(n.In))
	for i, v := range n.In {
		t, err := x.value(v)
		if err != nil {
			return err
		}
		in[i] = t
	}
	return x.result(id, tflite.Concatenation, &tflite.ConcatenationOptions{Axis: op.Axis}, in...)
}
