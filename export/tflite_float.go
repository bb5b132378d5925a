package export

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// float lowers a node on real numbers, and those that move values of any kind.
func (x *tfliteWriter) float(id graph.ID, n *graph.Node) error {
	switch op := n.Op.(type) {
	case graph.Conv2D:
		return x.conv(id, n, op)
	case graph.Reshape:
		return x.reshape(id, n)
	}
	in := make([]int, len(n.In))
	for i, v := range n.In {
		var err error
		if in[i], err = x.value(v); err != nil {
			return err
		}
	}
	switch op := n.Op.(type) {
	case graph.Activation:
		t, err := x.act(n.Name, n.Type, op.Act, in[0])
		x.at[id] = t
		return err
	case graph.Binary:
		return x.binary(id, n, op, in)
	case graph.BatchNorm:
		return x.batchNorm(id, n, op, in[0])
	case graph.Dropout:
		x.at[id] = in[0]
		return nil
	case graph.GlobalAvgPool:
		axes, err := x.ints("axes", 1, 2)
		if err != nil {
			return err
		}
		return x.result(id, tflite.Mean, &tflite.ReducerOptions{KeepDims: true}, in[0], axes)
	case graph.Pool:
		return x.pool(id, n, op, in[0])
	case graph.Softmax:
		return x.result(id, tflite.Softmax, &tflite.SoftmaxOptions{Beta: 1}, in[0])
	case graph.Transpose:
		perm, err := x.ints("permutation", op.Perm...)
		if err != nil {
			return err
		}
		return x.result(id, tflite.Transpose, nil, in[0], perm)
	case graph.Concat:
		return x.result(id, tflite.Concatenation, &tflite.ConcatenationOptions{Axis: op.Axis}, in...)
	case graph.Pad2D:
		t, err := x.pad(n.Name, n.Type, op, in[0])
		x.at[id] = t
		return err
	case graph.Resize2D:
		size, err := x.ints("size", n.Type.Shape[1], n.Type.Shape[2])
		if err != nil {
			return err
		}
		code := tflite.ResizeBilinear
		if op.Nearest {
			code = tflite.ResizeNearestNeighbor
		}
		return x.result(id, code, &tflite.ResizeOptions{AlignCorners: op.Rule == graph.AlignCorners, HalfPixelCenters: op.Rule == graph.HalfPixel}, in[0], size)
	}
	return fmt.Errorf("TFLite has no such operator")
}

// fused is the activation of the schema that an activation is.
func fused(a graph.Act) (tflite.Activation, bool) {
	switch {
	case a.Kind == graph.Linear:
		return tflite.ActNone, true
	case a.Kind == graph.ReLU:
		return tflite.ActReLU, true
	case a.Kind == graph.ReLU6, a.Kind == graph.Clip && a.A == 0 && a.B == 6:
		return tflite.ActReLU6, true
	case a.Kind == graph.Clip && a.A == -1 && a.B == 1:
		return tflite.ActReLUN1To1, true
	}
	return 0, false
}

// act applies an activation of real numbers.
func (x *tfliteWriter) act(name string, t graph.Type, a graph.Act, in int) (int, error) {
	// with is an operation with a constant.
	with := func(op tflite.Builtin, in int, v float32, f tflite.Activation) (int, error) {
		c, err := x.scalar(v)
		if err != nil {
			return 0, err
		}
		return x.emit(op, name, t, &tflite.BinaryOptions{Activation: f}, in, c)
	}
	limit := func(op tflite.Builtin, in int, v float32) (int, error) {
		c, err := x.scalar(v)
		if err != nil {
			return 0, err
		}
		return x.emit(op, name, t, nil, in, c)
	}
	switch a.Kind {
	case graph.Linear:
		return in, nil
	case graph.ReLU:
		return x.emit(tflite.ReLU, name, t, nil, in)
	case graph.ReLU6:
		return x.emit(tflite.ReLU6, name, t, nil, in)
	case graph.Sigmoid:
		return x.emit(tflite.Logistic, name, t, nil, in)
	case graph.Tanh:
		return x.emit(tflite.Tanh, name, t, nil, in)
	case graph.LeakyReLU:
		return x.emit(tflite.LeakyReLU, name, t, &tflite.LeakyReLUOptions{Alpha: a.A}, in)
	case graph.GELU:
		return x.emit(tflite.Gelu, name, t, &tflite.GeluOptions{}, in)
	case graph.Swish:
		gate, err := x.emit(tflite.Logistic, name+".gate", t, nil, in)
		if err != nil {
			return 0, err
		}
		return x.emit(tflite.Mul, name, t, &tflite.BinaryOptions{}, in, gate)
	case graph.Clip:
		lower, err := limit(tflite.Maximum, in, a.A)
		if err != nil || math.IsInf(float64(a.B), 1) {
			return lower, err
		}
		return limit(tflite.Minimum, lower, a.B)
	case graph.HSwish:
		if a.A == graph.Sixth {
			return x.emit(tflite.HardSwish, name, t, nil, in)
		}
		gate, err := x.act(name+".gate", t, graph.Act{Kind: graph.HSigmoid, A: a.A}, in)
		if err != nil {
			return 0, err
		}
		return x.emit(tflite.Mul, name, t, &tflite.BinaryOptions{}, in, gate)
	case graph.HSigmoid:
		up, err := with(tflite.Add, in, 3, tflite.ActReLU6)
		if err != nil {
			return 0, err
		}
		return with(tflite.Mul, up, a.A, tflite.ActNone)
	case graph.HardSigmoid:
		up, err := with(tflite.Mul, in, a.A, tflite.ActNone)
		if err == nil {
			up, err = with(tflite.Add, up, a.B, tflite.ActReLU)
		}
		if err != nil {
			return 0, err
		}
		return limit(tflite.Minimum, up, 1)
	}
	return 0, fmt.Errorf("TFLite has no activation %v", a)
}

func (x *tfliteWriter) binary(id graph.ID, n *graph.Node, op graph.Binary, in []int) error {
	code := [...]tflite.Builtin{graph.Add: tflite.Add, graph.Sub: tflite.Sub, graph.Mul: tflite.Mul, graph.Div: tflite.Div}[op.Fn]
	f, ok := fused(op.Act)
	if ok {
		return x.result(id, code, &tflite.BinaryOptions{Activation: f}, in...)
	}
	t, err := x.emit(code, n.Name, n.Type, &tflite.BinaryOptions{}, in...)
	if err == nil {
		t, err = x.act(n.Name+".act", n.Type, op.Act, t)
	}
	x.at[id] = t
	return err
}

// batchNorm is one that follows no convolution: a product and a sum.
func (x *tfliteWriter) batchNorm(id graph.ID, n *graph.Node, op graph.BatchNorm, in int) error {
	var v [4][]float32
	for i := range v {
		p := x.g.Node(n.In[i+1])
		if p.Value == nil {
			return fmt.Errorf("%q has no value", p.Name)
		}
		v[i] = p.Value.Values(nil)
	}
	scale, shift := make([]float32, len(v[0])), make([]float32, len(v[0]))
	for c := range scale {
		k := float64(v[0][c]) / math.Sqrt(float64(v[3][c])+op.Epsilon)
		scale[c], shift[c] = float32(k), float32(float64(v[1][c])-float64(v[2][c])*k)
	}
	one := graph.F32(len(scale))
	a, err := x.add(n.Name+".scale", one, 0, floats(scale))
	if err != nil {
		return err
	}
	b, err := x.add(n.Name+".shift", one, 0, floats(shift))
	if err != nil {
		return err
	}
	if a, err = x.emit(tflite.Mul, n.Name+".scaled", n.Type, &tflite.BinaryOptions{}, in, a); err != nil {
		return err
	}
	return x.result(id, tflite.Add, &tflite.BinaryOptions{}, a, b)
}

// reshape keeps whatever its operand became.
func (x *tfliteWriter) reshape(id graph.ID, n *graph.Node) error {
	in, err := x.value(n.In[0])
	if err != nil {
		return err
	}
	v := &x.sub.Tensors[in]
	t := n.Type
	if t.DType != v.Type.DType() { // of integers whose conversion to real numbers fell away
		t = graph.Type{DType: v.Type.DType(), Shape: t.Shape}
		if v.Quant != nil {
			t.Quant = graph.PerTensor(v.Quant.Scale[0], int32(v.Quant.ZeroPoint[0]))
		}
	}
	if slices.Equal(v.Shape, []int(t.Shape)) {
		x.at[id] = in // as after a fully connected layer
		return nil
	}
	shape, err := x.ints("shape", t.Shape...)
	if err != nil {
		return err
	}
	// Our importer calls a view NAME.view: so that names come back, not grow.
	out, err := x.emit(tflite.Reshape, strings.TrimSuffix(n.Name, ".view"), t, &tflite.ReshapeOptions{NewShape: append([]int{}, t.Shape...)}, in, shape)
	x.at[id] = out
	return err
}

// pad surrounds a picture with a value, integers with real zeros.
func (x *tfliteWriter) pad(name string, t graph.Type, op graph.Pad2D, in int) (int, error) {
	amounts := []int{0, 0, op.Top, op.Bottom, op.Left, op.Right, 0, 0}
	p, err := x.constant("padding", graph.Type{DType: tensor.I32, Shape: tensor.Shape{4, 2}}, int32s(amounts))
	if err != nil {
		return 0, err
	}
	if t.DType != tensor.F32 || op.Value == 0 {
		return x.emit(tflite.Pad, name, t, nil, in, p)
	}
	v, err := x.scalar(op.Value)
	if err != nil {
		return 0, err
	}
	return x.emit(tflite.PadV2, name, t, nil, in, p, v)
}
