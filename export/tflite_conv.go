package export

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// windowed gives a window's padding in the schema's terms. Explicit padding
// that SAME would not give becomes a pad of its own: v is then padded, and so
// is the shape returned.
func (x *tfliteWriter) windowed(name string, v int, t graph.Type, w graph.Window, value float32) (tflite.Padding, int, graph.Type, error) {
	s := t.Shape
	_, _, pad, err := w.Output(s[1], s[2])
	if err != nil {
		return 0, 0, t, err
	}
	same := w
	same.Pad = graph.SamePadding
	oh, ow, want, err := same.Output(s[1], s[2])
	if err != nil {
		return 0, 0, t, err
	}
	h, wd, _, _ := w.Output(s[1], s[2])
	switch {
	case pad == (graph.Padding{}):
		return tflite.Valid, v, t, nil
	case pad == want && oh == h && ow == wd:
		return tflite.Same, v, t, nil
	}
	t = graph.Type{DType: t.DType, Quant: t.Quant, Shape: tensor.Shape{s[0], s[1] + pad.Top + pad.Bottom, s[2] + pad.Left + pad.Right, s[3]}}
	v, err = x.pad(name+".pad", t, graph.Pad2D{Padding: pad, Value: value}, v)
	return tflite.Valid, v, t, err
}

// conv lowers everything that is fused into a convolution of real numbers.
func (x *tfliteWriter) conv(id graph.ID, n *graph.Node, op graph.Conv2D) error {
	v, err := x.value(n.In[0])
	if err != nil {
		return err
	}
	bias, residual, scale := op.Operands()
	xt := x.g.Node(n.In[0]).Type
	if scale >= 0 {
		s, err := x.value(n.In[scale])
		if err != nil {
			return err
		}
		if v, err = x.emit(tflite.Mul, n.Name+".scaled", xt, &tflite.BinaryOptions{}, v, s); err != nil {
			return err
		}
	}
	b := graph.None
	if bias >= 0 {
		b = n.In[bias]
	}
	f, ok := fused(op.Act)
	if !ok {
		f = tflite.ActNone
	}
	c := convolution{window: op.Window, groups: op.GroupCount(), weight: n.In[1], bias: b, act: f}
	out, err := x.convolve(id, c, v, n.Type)
	if err != nil {
		return err
	}
	if !ok {
		if out, err = x.act(n.Name+".act", n.Type, op.Act, out); err != nil {
			return err
		}
	}
	if residual >= 0 {
		r, err := x.value(n.In[residual])
		if err != nil {
			return err
		}
		if out, err = x.emit(tflite.Add, n.Name+".sum", n.Type, &tflite.BinaryOptions{}, out, r); err != nil {
			return err
		}
	}
	x.at[id] = out
	return nil
}

// convolution is what CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED share.
type convolution struct {
	window    graph.Window
	groups    int
	weight    graph.ID
	bias      graph.ID // None without
	biasScale *graph.Quant
	act       tflite.Activation
	// depthwise and dense ask for an operator where the shapes leave a choice.
	depthwise, dense bool
}

// convolve emits a convolution of v; t is the result's type.
func (x *tfliteWriter) convolve(id graph.ID, c convolution, v int, t graph.Type) (int, error) {
	n := x.g.Node(id)
	w := x.g.Node(c.weight)
	xt := x.g.Node(n.In[0]).Type
	s, win := w.Type.Shape, c.window.Normal() // O, I/groups, KH, KW
	pixel := xt.Shape[1:3].Len() == 1 && win.KH == 1 && win.KW == 1 && c.groups == 1 && t.Shape[1:3].Len() == 1
	depthwise := c.groups == xt.Shape[3] && s[1] == 1 && (c.groups > 1 || c.depthwise)
	if flat := x.reader(id); flat != graph.None && pixel && !c.dense && c.act == tflite.ActNone {
		// Scores that are read as a vector are a fully connected layer's.
		r, ok := x.g.Node(flat).Op.(graph.Reshape)
		c.dense = ok && len(x.g.Node(flat).Type.Shape) == 2 && r.Shape != nil && t.DType == tensor.F32 && !x.isOutput(id)
	}
	c.dense = c.dense && pixel
	order, axis := []int{0, 2, 3, 1}, 0
	shape := tensor.Shape{s[0], s[2], s[3], s[1]}
	switch {
	case c.dense:
		shape = tensor.Shape{s[0], s[1]}
	case depthwise:
		order, axis, shape = []int{1, 2, 3, 0}, 3, tensor.Shape{1, s[2], s[3], s[0]}
	}
	data, err := x.weight(w, order)
	if err != nil {
		return 0, err
	}
	wt, err := x.add(w.Name, graph.Type{DType: w.Type.DType, Shape: shape, Quant: w.Type.Quant}, axis, data)
	if err != nil {
		return 0, err
	}
	bias, err := x.bias(n, c, s[0])
	if err != nil {
		return 0, err
	}
	if c.dense {
		keep := x.reader(id) == graph.None || t.DType != tensor.F32
		if !keep {
			t = graph.Type{DType: t.DType, Quant: t.Quant, Shape: tensor.Shape{1, s[0]}}
		}
		return x.emit(tflite.FullyConnected, n.Name, t, &tflite.FullyConnectedOptions{Activation: c.act, KeepNumDims: keep}, v, wt, bias)
	}
	pad, v, _, err := x.windowed(n.Name, v, xt, c.window, 0)
	if err != nil {
		return 0, err
	}
	if depthwise {
		return x.emit(tflite.DepthwiseConv2D, n.Name, t, &tflite.DepthwiseConv2DOptions{Padding: pad, StrideH: win.StrideH, StrideW: win.StrideW,
			Multiplier: s[0] / c.groups, Activation: c.act, DilationH: win.DilationH, DilationW: win.DilationW}, v, wt, bias)
	}
	return x.emit(tflite.Conv2D, n.Name, t, &tflite.Conv2DOptions{Padding: pad, StrideH: win.StrideH, StrideW: win.StrideW,
		Activation: c.act, DilationH: win.DilationH, DilationW: win.DilationW}, v, wt, bias)
}

func (x *tfliteWriter) isOutput(id graph.ID) bool {
	for _, o := range x.g.Outputs {
		if o.ID == id {
			return true
		}
	}
	return false
}

// weight is a constant with its axes in another order.
func (x *tfliteWriter) weight(w *graph.Node, order []int) ([]byte, error) {
	if w.Value == nil {
		return nil, fmt.Errorf("the weight %q has no constant value", w.Name)
	}
	data := w.Value.Bytes
	if w.Type.DType == tensor.F32 {
		data = floats(w.Value.Values(nil))
	}
	t, err := tensor.New(w.Name, w.Type.DType, w.Type.Shape, data)
	if err != nil {
		return nil, err
	}
	if t, err = t.Transpose(order...); err != nil {
		return nil, err
	}
	return t.Data, nil
}

// bias is the tensor of a bias of o numbers, zeros where there is none.
func (x *tfliteWriter) bias(n *graph.Node, c convolution, o int) (int, error) {
	t := graph.F32(o)
	if c.biasScale != nil {
		t = graph.Type{DType: tensor.I32, Shape: tensor.Shape{o}, Quant: c.biasScale}
	}
	if c.bias == graph.None {
		return x.add(n.Name+".bias", t, 0, make([]byte, 4*o))
	}
	b := x.g.Node(c.bias)
	if b.Value == nil {
		return 0, fmt.Errorf("the bias %q has no constant value", b.Name)
	}
	data := b.Value.Bytes
	if b.Type.DType == tensor.F32 {
		data = floats(b.Value.Values(nil))
	}
	return x.add(b.Name, t, 0, data)
}

// pool lowers a mean or a maximum over windows.
func (x *tfliteWriter) pool(id graph.ID, n *graph.Node, op graph.Pool, v int) error {
	code, value := tflite.AveragePool2D, float32(0)
	if op.Max {
		code, value = tflite.MaxPool2D, float32(-math.MaxFloat32)
	}
	return x.window(id, n, op.Window, code, tflite.ActNone, v, value, op.Max || op.CountPad)
}

// window emits a pooling; padded says that the padding may be written as
// values, because they never win a maximum or count for the mean.
func (x *tfliteWriter) window(id graph.ID, n *graph.Node, w graph.Window, code tflite.Builtin, act tflite.Activation, v int, value float32, padded bool) error {
	win := w.Normal()
	if win.DilationH != 1 || win.DilationW != 1 {
		return fmt.Errorf("TFLite does not pool with dilation")
	}
	t := x.g.Node(n.In[0]).Type
	before := v
	pad, v, _, err := x.windowed(n.Name, v, t, w, value)
	if err != nil {
		return err
	}
	if v != before && !padded {
		return fmt.Errorf("a mean over a window with padding %+v that does not count is not TFLite's SAME", w.Pad)
	}
	if pad == tflite.Same && padded && code == tflite.AveragePool2D {
		// SAME does not count its padding.
		_, _, p, err := w.Output(t.Shape[1], t.Shape[2])
		if err != nil {
			return err
		}
		s := t.Shape
		t.Shape = tensor.Shape{s[0], s[1] + p.Top + p.Bottom, s[2] + p.Left + p.Right, s[3]}
		if v, err = x.pad(n.Name+".pad", t, graph.Pad2D{Padding: p}, v); err != nil {
			return err
		}
		pad = tflite.Valid
	}
	return x.result(id, code, &tflite.Pool2DOptions{Padding: pad, StrideH: win.StrideH, StrideW: win.StrideW, FilterH: win.KH, FilterW: win.KW, Activation: act}, v)
}
