package importer

import (
	"os"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/format/npy"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// netBuilder writes a TFLite graph of one subgraph.
type netBuilder struct{ g tflite.Subgraph }

var typeOf = map[tensor.DType]tflite.Type{tensor.F32: 0, tensor.F16: 1, tensor.I32: 2, tensor.U8: 3, tensor.I64: 4, tensor.I8: 9}

func (n *netBuilder) value(name string, shape ...int) int {
	n.g.Tensors = append(n.g.Tensors, tflite.Tensor{Name: name, Shape: shape})
	return len(n.g.Tensors) - 1
}

func (n *netBuilder) constant(t *tensor.Tensor) int {
	n.g.Tensors = append(n.g.Tensors, tflite.Tensor{Name: t.Name, Shape: t.Shape, Type: typeOf[t.DType], Data: t.Data, Buffer: 1})
	return len(n.g.Tensors) - 1
}

func (n *netBuilder) ints(v ...int64) int { return n.constant(vector("ints", v)) }

func (n *netBuilder) op(b tflite.Builtin, name string, options any, in ...int) int {
	out := n.value(name)
	n.g.Operators = append(n.g.Operators, tflite.Operator{Code: tflite.OperatorCode{Builtin: b}, Inputs: in, Outputs: []int{out}, Options: options})
	return out
}

func (n *netBuilder) model(in, out int) *tflite.Model {
	n.g.Inputs, n.g.Outputs = []int{in}, []int{out}
	return &tflite.Model{Subgraphs: []tflite.Subgraph{n.g}}
}

func loadArchive(t testing.TB, path string) map[string]*tensor.Tensor {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	list, err := npy.ReadArchive(f, st.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*tensor.Tensor{}
	for _, a := range list {
		out[strings.TrimSuffix(a.Name, ".npy")] = a
	}
	return out
}

// tfliteNet is the network of testdata/make_tflite.py.
func tfliteNet(t testing.TB, a map[string]*tensor.Tensor) *tflite.Model {
	t.Helper()
	n := &netBuilder{}
	c := func(name string) int { return n.constant(a[name]) }
	x := n.value("x", 1, 11, 8, 3)
	conv := func(p tflite.Padding, s int, act tflite.Activation) *tflite.Conv2DOptions {
		return &tflite.Conv2DOptions{Padding: p, StrideW: s, StrideH: s, Activation: act, DilationW: 1, DilationH: 1}
	}
	dw := func(p tflite.Padding, s int, act tflite.Activation) *tflite.DepthwiseConv2DOptions {
		return &tflite.DepthwiseConv2DOptions{Padding: p, StrideW: s, StrideH: s, Activation: act, DilationW: 1, DilationH: 1}
	}
	y := n.op(tflite.Conv2D, "conv0", conv(tflite.Same, 2, tflite.ActReLU6), x, c("w0"), c("b0"))
	y = n.op(tflite.DepthwiseConv2D, "dw1", dw(tflite.Same, 1, tflite.ActNone), y, c("w1"), c("b1"))
	y = n.op(tflite.HardSwish, "hs1", nil, y)
	pads := n.constant(newInts("pads", tensor.Shape{4, 2}, []int64{0, 0, 0, 1, 0, 1, 0, 0}))
	y = n.op(tflite.Pad, "pad2", nil, y, pads)
	y = n.op(tflite.DepthwiseConv2D, "dw2", dw(tflite.Valid, 2, tflite.ActReLUN1To1), y, c("w2"), c("b2"))
	w3 := n.op(tflite.Dequantize, "w3f", nil, c("w3"))
	y = n.op(tflite.Conv2D, "conv3", conv(tflite.Valid, 1, tflite.ActNone), y, w3, c("b3"))
	y = n.op(tflite.PReLU, "prelu3", nil, y, c("slope"))
	p := n.op(tflite.AveragePool2D, "pool", &tflite.Pool2DOptions{StrideW: 1, StrideH: 1, FilterW: 2, FilterH: 2}, y)
	p = n.op(tflite.Mul, "half", &tflite.BinaryOptions{}, p, n.constant(tensor.FromFloat32("h", nil, []float32{0.5})))
	y = n.op(tflite.Add, "sum", &tflite.BinaryOptions{Activation: tflite.ActReLU}, y, p)
	y = n.op(tflite.Mean, "mean", &tflite.ReducerOptions{}, y, n.ints(1, 2))
	q := c("q4")
	scale, err := a["s4"].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	n.g.Tensors[q].Quant = &tflite.Quantization{Scale: scale, ZeroPoint: make([]int64, len(scale))}
	w4 := n.op(tflite.Dequantize, "w4f", nil, q)
	y = n.op(tflite.FullyConnected, "fc", &tflite.FullyConnectedOptions{}, y, w4, c("b4"))
	// The shape of a reshape, computed as converters write it: [shape[0], 5].
	shape := n.op(tflite.Shape, "shape", &tflite.ShapeOptions{Output: 2}, y)
	rows := n.op(tflite.StridedSlice, "rows", &tflite.StridedSliceOptions{ShrinkAxisMask: 1}, shape, n.ints(0), n.ints(1), n.ints(1))
	target := n.op(tflite.Pack, "target", &tflite.PackOptions{Count: 2}, rows, n.constant(newInts("five", nil, []int64{5})))
	y = n.op(tflite.Reshape, "logits", &tflite.ReshapeOptions{}, y, target)
	y = n.op(tflite.Softmax, "prob", &tflite.SoftmaxOptions{Beta: 0.5}, y)
	return n.model(x, y)
}

func TestTFLite(t *testing.T) {
	a := loadArchive(t, "testdata/tflite.npz")
	m, err := FromTFLite(tfliteNet(t, a))
	if err != nil {
		t.Fatal(err)
	}
	if m.Classes != 5 || !m.Vector || !m.Softmax || m.SingleBatch || m.Format != TFLite || m.Input != "x" || m.H != 11 || m.W != 8 {
		t.Errorf("%+v", m)
	}
	g, err := m.Build(1, 11, 8)
	if err != nil {
		t.Fatal(err)
	}
	const want = "conv2d relu6 conv2d hswish conv2d clip(-1,1) conv2d relu clip(-Inf,0) mul add avg_pool mul add relu global_avg_pool conv2d reshape mul softmax"
	if s := spell(g); s != want {
		t.Errorf("the graph is %s", s)
	}
	x, prob := nhwc(t, a["x"], true), nhwc(t, a["prob"], true)
	compare(t, run(t, g, x), prob)
	batched(t, m, x, 1, 11, 8, prob)
}
