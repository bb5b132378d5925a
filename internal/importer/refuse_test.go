package importer

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

func picture(shape ...int) onnx.ValueInfo {
	return onnx.ValueInfo{Name: "x", DType: tensor.F32, HasShape: true, Shape: shape}
}

// net is an ONNX graph of an input x and an output y.
func net(in onnx.ValueInfo, nodes []onnx.Node, init ...*tensor.Tensor) *onnx.Model {
	return &onnx.Model{Opset: map[string]int64{"": 13}, Graph: onnx.Graph{Nodes: nodes, Initializers: init, Inputs: []onnx.ValueInfo{in}, Outputs: []onnx.ValueInfo{{Name: "y"}}}}
}

func node(op string, in ...string) onnx.Node {
	return onnx.Node{Name: "Foo", OpType: op, Inputs: in, Outputs: []string{"y"}}
}

func zeros(name string, shape ...int) *tensor.Tensor {
	return tensor.FromFloat32(name, shape, make([]float32, tensor.Shape(shape).Len()))
}

func withAttr(n onnx.Node, name string, a onnx.Attr) onnx.Node {
	n.Attrs = map[string]onnx.Attr{name: a}
	return n
}

func intsAttr(v ...int64) onnx.Attr { return onnx.Attr{Kind: onnx.AttrInts, Ints: v} }
func textAttr(s string) onnx.Attr   { return onnx.Attr{Kind: onnx.AttrString, S: s} }
func intAttr(v int64) onnx.Attr     { return onnx.Attr{Kind: onnx.AttrInt, I: v} }

func TestONNXRefused(t *testing.T) {
	x := picture(1, 3, 8, 8)
	w := zeros("w", 4, 3, 3, 3)
	custom := node("Conv", "x", "w")
	custom.Domain = "com.example"
	second := net(x, []onnx.Node{node("Relu", "x")})
	second.Graph.Inputs = append(second.Graph.Inputs, onnx.ValueInfo{Name: "z", DType: tensor.F32, HasShape: true, Shape: []int{1}})
	indices := node("MaxPool", "x")
	indices.Outputs = []string{"m", "y"}
	indices.Attrs = map[string]onnx.Attr{"kernel_shape": intsAttr(2, 2)}
	tests := []struct {
		name string
		m    *onnx.Model
		text string
	}{
		{"operator", net(x, []onnx.Node{node("LSTM", "x")}), "node 'Foo' (ONNX op 'LSTM'): not supported"},
		{"domain", net(x, []onnx.Node{custom}, w), "node 'Foo' (ONNX op 'com.example.Conv'): not supported"},
		{"sums of integers", net(x, []onnx.Node{node("ConvInteger", "x")}), "node 'Foo' (ONNX op 'ConvInteger'): not supported"},
		{"two inputs", second, `"x" and "z"`},
		{"no input", &onnx.Model{}, "no input"},
		{"no output", &onnx.Model{Graph: onnx.Graph{Inputs: []onnx.ValueInfo{x}}}, "no output"},
		{"rank", net(picture(1, 3, 8), []onnx.Node{node("Relu", "x")}), "batch of pictures"},
		{"colours unknown", net(picture(-1, -1, -1, -1), []onnx.Node{node("Relu", "x")}), "colours"},
		{"integers", net(onnx.ValueInfo{Name: "x", DType: tensor.U8, HasShape: true, Shape: []int{1, 3, 8, 8}}, []onnx.Node{node("Relu", "x")}), "uint8"},
		{"unknown value", net(x, []onnx.Node{node("Relu", "nowhere")}), `"nowhere"`},
		{"no nodes", net(x, nil), `"y"`},
		{"missing input", net(x, []onnx.Node{node("Conv", "x")}), "input 1 is missing"},
		{"no input at all", net(x, []onnx.Node{node("Relu")}), "input 0 is missing"},
		{"computed weight", net(x, []onnx.Node{node("Conv", "x", "x")}), "not a constant"},
		{"weight does not fit", net(x, []onnx.Node{node("Conv", "x", "w")}, zeros("w", 4, 5, 3, 3)), "weight [4,5,3,3]"},
		{"kernel_shape", net(x, []onnx.Node{withAttr(node("Conv", "x", "w"), "kernel_shape", intsAttr(5, 5))}, w), "kernel_shape"},
		{"1-d", net(x, []onnx.Node{node("Conv", "x", "w")}, zeros("w", 4, 3, 3)), "[4,3,3]"},
		{"pads", net(x, []onnx.Node{withAttr(node("Conv", "x", "w"), "pads", intsAttr(1, 1))}, w), "pads"},
		{"negative pads", net(x, []onnx.Node{withAttr(node("Conv", "x", "w"), "pads", intsAttr(-1, 0, 0, 0))}, w), "pads"},
		{"zero stride", net(x, []onnx.Node{withAttr(node("Conv", "x", "w"), "strides", intsAttr(0, 0))}, w), "strides"},
		{"huge stride", net(x, []onnx.Node{withAttr(node("Conv", "x", "w"), "strides", intsAttr(math.MaxInt64, 1))}, w), "strides"},
		{"auto_pad", net(x, []onnx.Node{withAttr(node("Conv", "x", "w"), "auto_pad", textAttr("SAME"))}, w), "auto_pad"},
		{"group", net(x, []onnx.Node{withAttr(node("Conv", "x", "w"), "group", intAttr(-1))}, w), "group -1"},
		{"reflect", net(x, []onnx.Node{withAttr(node("Pad", "x"), "mode", textAttr("reflect"))}), "reflect"},
		{"pad channels", net(x, []onnx.Node{node("Pad", "x", "p")}, vector("p", []int64{0, 1, 0, 0, 0, 1, 0, 0})), "axis 1"},
		{"pool indices", net(x, []onnx.Node{indices}), `output "y"`},
		{"cubic", net(x, []onnx.Node{withAttr(node("Resize", "x"), "mode", textAttr("cubic"))}), "cubic"},
		{"mean of channels", net(x, []onnx.Node{withAttr(node("ReduceMean", "x"), "axes", intsAttr(1))}), "mean of [1,3,8,8]"},
		{"bad axis", net(x, []onnx.Node{withAttr(node("Concat", "x", "x"), "axis", intAttr(9))}), "axis 9"},
		{"batch concat", net(x, []onnx.Node{withAttr(node("Concat", "x", "x"), "axis", intAttr(0))}), "batch axis"},
		{"bad perm", net(x, []onnx.Node{withAttr(node("Transpose", "x"), "perm", intsAttr(0, 0, 1, 2))}), "permutation"},
		{"bad reshape", net(x, []onnx.Node{node("Reshape", "x", "s")}, vector("s", []int64{1, 7, -1})), "cannot view"},
		{"reshape by a value", net(x, []onnx.Node{node("Reshape", "x", "x")}), "constant"},
		{"broadcast", net(x, []onnx.Node{node("Add", "x", "k")}, zeros("k", 5)), "broadcast"},
		{"constant output", net(x, []onnx.Node{node("Identity", "k")}, zeros("k", 5)), "is a constant"},
		{"huge constant", net(x, []onnx.Node{node("ConstantOfShape", "s")}, vector("s", []int64{1 << 20, 1 << 20, 1 << 20})), "not supported"},
		{"huge resize", net(x, []onnx.Node{withAttr(node("Resize", "x", "", "", "s"), "mode", textAttr("linear"))}, vector("s", []int64{1, 3, 1 << 20, 1 << 20})), "limit"},
		{"huge input", net(picture(1, 3, 1<<20, 1<<20), []onnx.Node{node("Relu", "x")}), "limit"},
		{"division by zero", net(x, []onnx.Node{node("Div", "a", "b")}, vector("a", []int64{1}), vector("b", []int64{0})), "division"},
		{"batch norm", net(x, []onnx.Node{node("BatchNormalization", "x", "k", "k", "k", "k")}, zeros("k", 5)), "5"},
		{"gemm", net(x, []onnx.Node{node("Gemm", "x", "k")}, zeros("k", 5, 5)), "input [1,3,8,8]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromONNX(tt.m)
			if err == nil || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tt.text)
			}
		})
	}
}

func TestTFLiteRefused(t *testing.T) {
	one := func(b tflite.Builtin, options any, more ...*tensor.Tensor) *tflite.Model {
		n := &netBuilder{}
		in := []int{n.value("x", 1, 8, 8, 3)}
		for _, c := range more {
			in = append(in, n.constant(c))
		}
		return n.model(in[0], n.op(b, "Foo", options, in...))
	}
	conv := &tflite.Conv2DOptions{StrideW: 1, StrideH: 1, DilationW: 1, DilationH: 1}
	w := zeros("w", 4, 3, 3, 3)
	named := one(tflite.Custom, nil)
	named.Subgraphs[0].Operators[0].Code.Custom = "Other_Operator"
	quantized := one(tflite.ReLU, nil)
	quantized.Subgraphs[0].Tensors[0].Type = 3
	quantized.Subgraphs[0].Tensors[0].Quant = &tflite.Quantization{Scale: []float32{0.1}}
	hybrid := one(tflite.Conv2D, conv, &tensor.Tensor{Name: "w", DType: tensor.I8, Shape: tensor.Shape{4, 3, 3, 3}, Data: make([]byte, 108)})
	hybrid.Subgraphs[0].Tensors[1].Quant = &tflite.Quantization{Scale: []float32{0.1}}
	none := one(tflite.ReLU, nil)
	none.Subgraphs[0].Outputs = nil
	tests := []struct {
		name string
		m    *tflite.Model
		text string
	}{
		{"operator", one(tflite.Builtin(16), nil), "node 'Foo' (TFLite op 'LSTM'): not supported"},
		{"custom", named, "node 'Foo' (TFLite op 'Other_Operator'): not supported"},
		{"quantized", quantized, `tensor "Foo" is FLOAT32`},
		{"quantized weight", hybrid, "quantized weight"},
		{"empty", &tflite.Model{}, "no graph"},
		{"no output", none, "no output"},
		{"missing weight", one(tflite.Conv2D, conv), "input 1 is missing"},
		{"stride", one(tflite.Conv2D, &tflite.Conv2DOptions{DilationW: 1, DilationH: 1}, w), "stride 0"},
		{"channels", one(tflite.Conv2D, conv, zeros("w", 4, 3, 3, 2)), "[4,3,3,2]"},
		{"depthwise", one(tflite.DepthwiseConv2D, &tflite.DepthwiseConv2DOptions{StrideW: 1, StrideH: 1, DilationW: 1, DilationH: 1}, zeros("w", 1, 3, 3, 4)), "[1,3,3,4]"},
		{"activation", one(tflite.Conv2D, &tflite.Conv2DOptions{StrideW: 1, StrideH: 1, DilationW: 1, DilationH: 1, Activation: tflite.ActSignBit}, w), "SIGN_BIT"},
		{"padding", one(tflite.Pad, nil, vector("p", []int64{1, 1, 0, 0, 0, 0, 0, 0})), "axis 0"},
		{"mean of all", one(tflite.Mean, &tflite.ReducerOptions{}, vector("a", []int64{0, 1, 2, 3})), "batch axis"},
		{"shuffled", one(tflite.FullyConnected, &tflite.FullyConnectedOptions{Shuffled: true}, zeros("w", 4, 192)), "shuffled"},
		{"resize", one(tflite.ResizeBilinear, &tflite.ResizeOptions{AlignCorners: true, HalfPixelCenters: true}, vector("s", []int64{4, 4})), "align_corners"},
		{"slice", one(tflite.Slice, nil, vector("b", []int64{0, 0, 0, 0}), vector("s", []int64{1, 4, 8, 3})), "not constant"},
		{"slice outside", one(tflite.Slice, nil, vector("b", []int64{0, 9, 0, 0}), vector("s", []int64{1, -1, 8, 3})), "from 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromTFLite(tt.m)
			if err == nil || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tt.text)
			}
		})
	}
}

func TestBuildRefused(t *testing.T) {
	m := open(t, "testdata/torch/flatten_map.onnx")
	for _, tt := range []struct {
		n, h, w int
		text    string
	}{{0, 9, 7, "positive"}, {1, 0, 7, "positive"}, {1, 9, 9, "where the file says 9 x 7"}, {1, 1, 1, "smaller than the window"}, {1, 1 << 20, 1 << 20, "limit"}} {
		if _, err := m.Build(tt.n, tt.h, tt.w); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%d x %d x %d: %v", tt.n, tt.h, tt.w, err)
		}
	}
}

// TestShared builds from many goroutines; run it with the race detector. All
// graphs share their weights.
func TestShared(t *testing.T) {
	m := open(t, "testdata/torch/squeeze_excite.onnx")
	graphs := make([]*graph.Graph, 8)
	var wg sync.WaitGroup
	for i := range graphs {
		wg.Go(func() {
			g, err := m.Build(1+i%3, 9+i, 7)
			if err != nil {
				t.Error(err)
			}
			graphs[i] = g
		})
	}
	wg.Wait()
	first := graphs[0]
	for _, g := range graphs[1:] {
		for i := range g.Nodes {
			if g.Nodes[i].Value != first.Nodes[i].Value {
				t.Fatalf("node %q has a copy of its weight", g.Nodes[i].Name)
			}
		}
	}
}

// TestOtherSizes runs a file at a size it does not declare: the pooling over
// the whole map stays so.
func TestOtherSizes(t *testing.T) {
	m := open(t, "testdata/torch/avg_pool_all.onnx")
	g, err := m.Build(1, 20, 30)
	if err != nil {
		t.Fatal(err)
	}
	if s := spell(g); s != what["avg_pool_all"] {
		t.Errorf("the graph is %s", s)
	}
}

func FuzzONNX(f *testing.F) {
	files, _ := filepath.Glob("testdata/torch/*.onnx")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 6000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := onnx.Parse(data, onnx.Limits{Structure: 4 << 20, TensorBytes: 4 << 20})
		if err != nil {
			return
		}
		m, err := FromONNX(p)
		tryBuild(t, m, err)
	})
}

// tryBuild checks that what could be imported can be built again.
func tryBuild(t *testing.T, m *Imported, err error) {
	if err != nil {
		if strings.Contains(err.Error(), "\n") && !strings.Contains(err.Error(), "'") {
			t.Errorf("an error of several lines: %v", err)
		}
		return
	}
	if _, err := m.Build(1, m.H, m.W); err != nil {
		t.Errorf("imported but not built again: %v", err)
	}
	m.Build(2, m.H+3, max(m.W-2, 1))
}

func FuzzTFLite(f *testing.F) {
	codes := []byte{byte(tflite.Conv2D), byte(tflite.ReLU), byte(tflite.Mean), byte(tflite.Reshape), byte(tflite.StridedSlice), byte(tflite.Pad)}
	f.Add(codes, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{byte(tflite.Shape), byte(tflite.Pack), byte(tflite.Gather), byte(tflite.Transpose)}, []byte{9, 1, 200, 3})
	f.Fuzz(func(t *testing.T, codes, data []byte) {
		if len(codes) > 12 || len(data) == 0 {
			return
		}
		m, err := FromTFLite(anyNet(codes, data))
		tryBuild(t, m, err)
	})
}

// anyNet is a graph of the given operators whose inputs, options and constants
// are drawn from data.
func anyNet(codes, data []byte) *tflite.Model {
	at := 0
	draw := func(n int) int {
		at++
		return int(data[at%len(data)]) % n
	}
	n := &netBuilder{}
	x := n.value("x", 1, 1+draw(9), 1+draw(9), 1+draw(4))
	for range 1 + draw(5) {
		shape := tensor.Shape{}
		for range draw(5) {
			shape = append(shape, draw(4))
		}
		v := make([]int64, shape.Len())
		for i := range v {
			v[i] = int64(draw(9)) - 3
		}
		c := newInts("c", shape, v)
		if draw(2) == 0 {
			c, _ = foldCast(c, tensor.F32)
		}
		n.constant(c)
	}
	last := x
	pad, act := tflite.Padding(draw(2)), tflite.Activation(draw(6))
	for _, c := range codes {
		b := tflite.Builtin(c)
		in := []int{last}
		for range draw(4) {
			in = append(in, draw(len(n.g.Tensors)))
		}
		if draw(4) == 0 {
			slices.Reverse(in)
		}
		pool := &tflite.Pool2DOptions{Padding: pad, StrideW: draw(4), StrideH: draw(4), FilterW: draw(5), FilterH: draw(5), Activation: act}
		resize := &tflite.ResizeOptions{AlignCorners: draw(2) == 0, HalfPixelCenters: draw(2) == 0}
		binary := &tflite.BinaryOptions{Activation: act}
		options := map[tflite.Builtin]any{
			tflite.Conv2D:                &tflite.Conv2DOptions{Padding: pad, StrideW: draw(4), StrideH: draw(4), Activation: act, DilationW: draw(3), DilationH: draw(3)},
			tflite.DepthwiseConv2D:       &tflite.DepthwiseConv2DOptions{Padding: pad, StrideW: draw(4), StrideH: draw(4), Activation: act, DilationW: draw(3), DilationH: draw(3)},
			tflite.FullyConnected:        &tflite.FullyConnectedOptions{Activation: act, KeepNumDims: draw(2) == 0},
			tflite.AveragePool2D:         pool,
			tflite.MaxPool2D:             pool,
			tflite.Mean:                  &tflite.ReducerOptions{KeepDims: draw(2) == 0},
			tflite.Softmax:               &tflite.SoftmaxOptions{Beta: float32(draw(3))},
			tflite.ResizeBilinear:        resize,
			tflite.ResizeNearestNeighbor: resize,
			tflite.LeakyReLU:             &tflite.LeakyReLUOptions{Alpha: 0.1},
			tflite.Gelu:                  &tflite.GeluOptions{},
			tflite.Add:                   binary,
			tflite.Sub:                   binary,
			tflite.Mul:                   binary,
			tflite.Div:                   binary,
			tflite.Concatenation:         &tflite.ConcatenationOptions{Axis: draw(6) - 2, Activation: act},
			tflite.Reshape:               &tflite.ReshapeOptions{NewShape: []int{1, draw(9) - 1, draw(5)}},
			tflite.Squeeze:               &tflite.SqueezeOptions{Dims: []int{draw(5)}[:draw(2)]},
			tflite.Pack:                  &tflite.PackOptions{Count: draw(3), Axis: draw(4) - 1},
			tflite.Gather:                &tflite.GatherOptions{Axis: draw(4) - 1},
			tflite.StridedSlice:          &tflite.StridedSliceOptions{BeginMask: draw(16), EndMask: draw(16), ShrinkAxisMask: draw(16)},
			tflite.Cast:                  &tflite.CastOptions{},
			tflite.Shape:                 &tflite.ShapeOptions{},
		}[b]
		last = n.op(b, "", options, in...)
		n.g.Tensors[last].Type = tflite.Type(draw(3))
	}
	return n.model(x, last)
}
