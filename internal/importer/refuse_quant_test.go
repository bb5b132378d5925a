package importer

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/format/tflite"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// badScales are what no scale may be.
var badScales = map[string]float32{"zero": 0, "negative": -0.1, "not a number": float32(math.NaN()), "infinite": float32(math.Inf(1)), "denormal": 1e-40, "huge": 1e38}

// oneError wants one error, of one line, that says the texts.
func oneError(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, want one line with %q", err, texts)
		return
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%v, want %q", err, s)
		}
	}
}

// qlinear is a QLinearConv and what it reads, to be changed by f.
func qlinear(f func(init map[string]*tensor.Tensor, n *onnx.Node)) *onnx.Model {
	init := map[string]*tensor.Tensor{
		"xs": floatTensor("xs", 0.1), "xz": integerTensor("xz", tensor.U8, nil, 128),
		"w":  integerTensor("w", tensor.I8, tensor.Shape{4, 3, 1, 1}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
		"ws": floatTensor("ws", 0.1, 0.2, 0.3, 0.4), "wz": integerTensor("wz", tensor.I8, tensor.Shape{4}, 0, 0, 0, 0),
		"ys": floatTensor("ys", 0.5), "yz": integerTensor("yz", tensor.U8, nil, 3), "b": integerTensor("b", tensor.I32, tensor.Shape{4}, 1, 2, 3, 4),
	}
	n := node("QLinearConv", "q", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b")
	first := onnx.Node{Name: "First", OpType: "QuantizeLinear", Inputs: []string{"x", "xs", "xz"}, Outputs: []string{"q"}}
	f(init, &n)
	m := net(picture(1, 3, 8, 8), []onnx.Node{first, n})
	for _, t := range init {
		m.Graph.Initializers = append(m.Graph.Initializers, t)
	}
	return m
}

func TestQuantizedONNXRefused(t *testing.T) {
	if _, err := FromONNX(qlinear(func(map[string]*tensor.Tensor, *onnx.Node) {})); err != nil {
		t.Fatal(err)
	}
	set := func(name string, v *tensor.Tensor) func(map[string]*tensor.Tensor, *onnx.Node) {
		return func(init map[string]*tensor.Tensor, _ *onnx.Node) { v.Name = name; init[name] = v }
	}
	for what, s := range badScales {
		for _, name := range []string{"xs", "ys"} {
			_, err := FromONNX(qlinear(set(name, floatTensor("", s))))
			oneError(t, err, `scale "`+name+`"`, "must be a positive number")
		}
		_, err := FromONNX(qlinear(set("ws", floatTensor("", 0.1, 0.2, s, 0.4))))
		if oneError(t, err, "node 'Foo' (ONNX op 'QLinearConv')", `scale "ws"`, "must be a positive number"); t.Failed() {
			t.Fatal(what)
		}
	}
	tests := []struct {
		name string
		f    func(init map[string]*tensor.Tensor, n *onnx.Node)
		text string
	}{
		{"length", set("ws", floatTensor("", 0.1, 0.2, 0.3)), `4 zero points in "wz" for 3 scales in "ws"`},
		{"zero points", set("wz", integerTensor("", tensor.I8, tensor.Shape{3}, 0, 0, 0)), `3 zero points in "wz" for 4 scales in "ws"`},
		{"no zero points", set("wz", integerTensor("", tensor.I8, tensor.Shape{0})), `0 zero points`},
		{"no scale", set("ys", tensor.FromFloat32("", tensor.Shape{0}, nil)), `0 scales`},
		{"blocks", set("ws", tensor.FromFloat32("", tensor.Shape{2, 2}, []float32{1, 1, 1, 1})), "a scale for each block"},
		{"type of a scale", set("ys", integerTensor("", tensor.I8, nil, 1)), "it is int8"},
		{"type of a zero point", set("wz", integerTensor("", tensor.U8, tensor.Shape{4}, 0, 0, 0, 0)), `zero point "wz" is uint8, of a value of int8`},
		{"another zero point", func(init map[string]*tensor.Tensor, n *onnx.Node) {
			init["z2"] = integerTensor("z2", tensor.U8, nil, 7)
			n.Inputs[2] = "z2"
		}, "stored with scale 0.1 and zero point 128, read with 0.1 and 7"},
		{"wide result", set("yz", integerTensor("", tensor.I16, nil, 0)), "a result of int16"},
		{"result by channel", func(init map[string]*tensor.Tensor, n *onnx.Node) {
			init["ys"], init["yz"] = floatTensor("ys", 1, 2, 3, 4), integerTensor("yz", tensor.U8, tensor.Shape{4}, 0, 0, 0, 0)
		}, "4 scales"},
		{"wide weight", func(init map[string]*tensor.Tensor, n *onnx.Node) {
			init["w"], init["wz"] = integerTensor("w", tensor.I16, tensor.Shape{4, 3, 1, 1}, make([]int32, 12)...), integerTensor("wz", tensor.I16, tensor.Shape{4}, 0, 0, 0, 0)
		}, `weight "w" is int16`},
		{"float weight", set("w", zeros("", 4, 3, 1, 1)), `weight "w" is float32`},
		{"float bias", set("b", zeros("", 4)), `bias "b" is float32`},
		{"length of the bias", set("b", integerTensor("", tensor.I32, tensor.Shape{3}, 1, 2, 3)), "bias"},
		{"weight does not fit", set("w", integerTensor("", tensor.I8, tensor.Shape{4, 2, 1, 1}, make([]int32, 8)...)), "[4,2,1,1]"},
		{"shape of the weight", set("w", integerTensor("", tensor.I8, tensor.Shape{4, 3}, make([]int32, 12)...)), "weight of shape [4,3]"},
		{"computed scale", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.Inputs[1] = "q" }, "not a constant"},
		{"missing", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.Inputs = n.Inputs[:6] }, "input 6, the scale, is missing"},
		{"dangling", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.Inputs[3] = "nowhere" }, `"nowhere" is not computed`},
		{"itself", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.Inputs[0] = "y" }, `"y" is not computed`},
		{"real input", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.Inputs[0] = "x" }, `input "x" is float32`},
		{"an activation of bytes", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.OpType, n.Inputs = "Relu", []string{"q"} }, "not real numbers"},
		{"to int16", func(init map[string]*tensor.Tensor, n *onnx.Node) {
			init["z"] = integerTensor("z", tensor.I16, nil, 0)
			n.OpType, n.Inputs = "QuantizeLinear", []string{"x", "xs", "z"}
		}, "a result of int16"},
		{"int32 with a zero point", func(init map[string]*tensor.Tensor, n *onnx.Node) {
			init["z"] = integerTensor("z", tensor.I32, nil, 1)
			n.OpType, n.Inputs = "DequantizeLinear", []string{"b", "xs", "z"}
		}, "is 1, not 0"},
		{"axis", func(_ map[string]*tensor.Tensor, n *onnx.Node) {
			n.OpType, n.Inputs, n.Attrs = "DequantizeLinear", []string{"w", "ws", "wz"}, map[string]onnx.Attr{"axis": intAttr(7)}
		}, "axis 7"},
		{"scales along another axis", func(_ map[string]*tensor.Tensor, n *onnx.Node) {
			n.OpType, n.Inputs = "DequantizeLinear", []string{"w", "ws", "wz"}
		}, "4 scales along axis 1 of [4,3,1,1]"},
		{"block size", func(_ map[string]*tensor.Tensor, n *onnx.Node) {
			n.OpType, n.Inputs, n.Attrs = "DequantizeLinear", []string{"w", "xs"}, map[string]onnx.Attr{"block_size": intAttr(2)}
		}, "block"},
		{"sums of integers", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.OpType = "MatMulInteger" }, "(ONNX op 'MatMulInteger'): not supported"},
		{"dynamic", func(_ map[string]*tensor.Tensor, n *onnx.Node) { n.OpType = "DynamicQuantizeLinear" }, "(ONNX op 'DynamicQuantizeLinear'): not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromONNX(qlinear(tt.f))
			oneError(t, err, "node 'Foo'", tt.text)
		})
	}
}

// qtflite is a TFLite convolution of bytes, to be changed by f: tensors 0 to 3
// are input, weight, bias and result.
func qtflite(f func(g *tflite.Subgraph)) *tflite.Model {
	n := &netBuilder{}
	x := n.value("x", 1, 8, 8, 3)
	w := n.constant(integerTensor("w", tensor.I8, tensor.Shape{4, 1, 1, 3}, make([]int32, 12)...))
	b := n.constant(integerTensor("b", tensor.I32, tensor.Shape{4}, 1, 2, 3, 4))
	y := n.op(tflite.Conv2D, "Foo", &tflite.Conv2DOptions{StrideW: 1, StrideH: 1, DilationW: 1, DilationH: 1}, x, w, b)
	m := n.model(x, y)
	g := &m.Subgraphs[0]
	g.Tensors[x].Type, g.Tensors[y].Type = typeOf[tensor.I8], typeOf[tensor.I8]
	g.Tensors[x].Quant = &tflite.Quantization{Scale: []float32{0.1}, ZeroPoint: []int64{-3}}
	g.Tensors[w].Quant = &tflite.Quantization{Scale: []float32{0.1, 0.2, 0.3, 0.4}, ZeroPoint: []int64{0, 0, 0, 0}}
	g.Tensors[y].Quant = &tflite.Quantization{Scale: []float32{0.5}, ZeroPoint: []int64{7}}
	f(g)
	return m
}

func TestQuantizedTFLiteRefused(t *testing.T) {
	if _, err := FromTFLite(qtflite(func(*tflite.Subgraph) {})); err != nil {
		t.Fatal(err)
	}
	names := []string{"x", "w", "b", "Foo"}
	for what, s := range badScales {
		for _, i := range []int{0, 1, 3} {
			_, err := FromTFLite(qtflite(func(g *tflite.Subgraph) {
				g.Tensors[i].Quant.Scale = slices.Clone(g.Tensors[i].Quant.Scale)
				g.Tensors[i].Quant.Scale[0] = s
			}))
			if oneError(t, err, `"`+names[i]+`"`, "must be a positive number"); t.Failed() {
				t.Fatal(what)
			}
		}
	}
	quant := func(i int, q tflite.Quantization) func(*tflite.Subgraph) {
		return func(g *tflite.Subgraph) { g.Tensors[i].Quant = &q }
	}
	tests := []struct {
		name string
		f    func(g *tflite.Subgraph)
		text string
	}{
		{"zero point", quant(0, tflite.Quantization{Scale: []float32{1}, ZeroPoint: []int64{128}}), `tensor "x": zero point 128 is no INT8`},
		{"zero point of the result", quant(3, tflite.Quantization{Scale: []float32{1}, ZeroPoint: []int64{math.MaxInt64}}), `tensor "Foo": zero point`},
		{"zero point of a weight", quant(1, tflite.Quantization{Scale: []float32{1}, ZeroPoint: []int64{-129}}), `tensor "w": zero point -129`},
		{"zero points", quant(1, tflite.Quantization{Scale: []float32{1, 1, 1, 1}, ZeroPoint: []int64{0, 0}}), `4 scales and 2 zero points`},
		{"length", quant(1, tflite.Quantization{Scale: []float32{1, 1, 1}}), `3 scales along axis 0`},
		{"axis", quant(1, tflite.Quantization{Scale: []float32{1, 1, 1, 1}, Dimension: 9}), `along axis 9`},
		{"negative axis", quant(1, tflite.Quantization{Scale: []float32{1, 1, 1, 1}, Dimension: -1}), `along axis -1`},
		{"inputs' axis", quant(1, tflite.Quantization{Scale: []float32{1, 1, 1}, Dimension: 3}), `along axis 3`},
		{"by channel", quant(0, tflite.Quantization{Scale: []float32{1, 1, 1}, Dimension: 3}), `3 scales`},
		{"private form", quant(1, tflite.Quantization{Scale: []float32{1}, Custom: true}), "private form"},
		{"no scale", quant(3, tflite.Quantization{}), `"Foo" is INT8 without a scale`},
		{"no scale of the weight", quant(1, tflite.Quantization{}), `"w"`},
		{"wide result", func(g *tflite.Subgraph) { g.Tensors[3].Type = 7 }, "INT16"},
		{"bias of bytes", func(g *tflite.Subgraph) { g.Tensors[2].Type, g.Tensors[2].Data = typeOf[tensor.I8], make([]byte, 4) }, "bias"},
		{"length of the bias", func(g *tflite.Subgraph) { g.Tensors[2].Shape, g.Tensors[2].Data = []int{3}, make([]byte, 12) }, "bias [3]"},
		{"short data", func(g *tflite.Subgraph) { g.Tensors[1].Data = g.Tensors[1].Data[:5] }, `"w"`},
		{"huge weight", func(g *tflite.Subgraph) { g.Tensors[1].Shape = []int{1 << 30, 1 << 30, 1 << 30, 3} }, `"w"`},
		{"huge input", func(g *tflite.Subgraph) { g.Tensors[0].Shape = []int{1, 1 << 20, 1 << 20, 3} }, "limit"},
		{"dangling", func(g *tflite.Subgraph) { g.Operators[0].Inputs[1] = 3 }, `"Foo" is not computed before it is read`},
		{"nothing", func(g *tflite.Subgraph) { g.Tensors[1].Data = nil }, `"w" is not computed`},
		{"itself", func(g *tflite.Subgraph) { g.Operators[0].Inputs[0] = 3 }, `"Foo" is not computed before it is read`},
		{"computed weight", func(g *tflite.Subgraph) { g.Operators[0].Inputs[1] = 0 }, "constant"},
		{"h-swish", func(g *tflite.Subgraph) {
			g.Tensors[0].Quant.Scale = []float32{64}
			g.Operators[0] = tflite.Operator{Code: tflite.OperatorCode{Builtin: tflite.HardSwish}, Inputs: []int{0}, Outputs: []int{3}}
		}, "h-swish from scale 64 to 0.5"},
		{"detection without options", func(g *tflite.Subgraph) {
			g.Operators[0] = tflite.Operator{Code: tflite.OperatorCode{Builtin: tflite.Custom, Custom: detectionOp}, Inputs: []int{0, 1, 2}, Outputs: []int{3}}
		}, "0 bytes are no FlexBuffer"},
		{"twice", func(g *tflite.Subgraph) { g.Operators = append(g.Operators, g.Operators[0]) }, "computed twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromTFLite(qtflite(tt.f))
			oneError(t, err, tt.text)
		})
	}
}

// tryRun compiles what was imported, if it is small, and runs it once: whatever
// the numbers in a file are, nothing may panic.
func tryRun(t *testing.T, m *Imported, err error) {
	tryBuild(t, m, err)
	if err != nil {
		return
	}
	g, err := m.Build(1, m.H, m.W)
	if err != nil {
		return
	}
	elems := 0
	for _, n := range g.Nodes {
		elems += n.Type.Shape.Len()
	}
	if elems > 1<<16 {
		return
	}
	if g, err = pass.Fold(g); err != nil {
		t.Errorf("imported but not folded: %v", err)
		return
	}
	p, err := exec.Compile(g, exec.Options{})
	if err != nil {
		return
	}
	s, err := p.NewSession(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := 0, s.Input(0); i < len(x); i++ {
		x[i] = float32(i%256) - 7
	}
	if err := s.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// oddScales are among those that fuzzing draws.
var oddScales = []float32{0.1, 1, 1e-30, 1e30, 0x1p-126, 0x1p+118, 0x1p+119, 0, -1, float32(math.NaN()), float32(math.Inf(1)), 1e-40}

// FuzzQuantizedONNX changes the parameters of a network in the QDQ form, and
// its operators, inputs and attributes.
func FuzzQuantizedONNX(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8})
	f.Add([]byte{200, 13, 7, 77, 31})
	ops := []string{"Conv", "Relu", "QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "Add", "Sub", "Mul", "Div", "Clip", "HardSwish", "MaxPool", "AveragePool",
		"GlobalAveragePool", "Concat", "Reshape", "Flatten", "Transpose", "Pad", "Resize", "Sigmoid", "LeakyRelu", "QLinearAdd", "QLinearMul", "QGemm", "QLinearConcat", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearSigmoid", "QLinearLeakyRelu"}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 64 {
			return
		}
		m := small(t).src.(*onnxSource).m
		at := 0
		draw := func(n int) int {
			at++
			return (int(data[at%len(data)]) + 31*(at/len(data))) % n
		}
		for range 1 + draw(3) {
			if n := &m.Graph.Nodes[draw(len(m.Graph.Nodes))]; draw(4) == 0 && microsoftOps[ops[draw(len(ops))]] != nil {
				n.Domain = "com.microsoft"
			}
			switch draw(3) {
			case 0:
				mutate(m, ops, data)
			case 1:
				i := &m.Graph.Initializers[draw(len(m.Graph.Initializers))]
				if k := *i; k.DType == tensor.F32 && k.Len() > 0 {
					v, _ := k.Float32s()
					v[draw(len(v))] = oddScales[draw(len(oddScales))]
					*i = tensor.FromFloat32(k.Name, k.Shape, v)
				}
			case 2:
				i := &m.Graph.Initializers[draw(len(m.Graph.Initializers))]
				k := **i
				if k.Data = slices.Clone(k.Data); len(k.Data) == 0 {
					continue
				}
				k.Data[draw(len(k.Data))] = byte(draw(256))
				if draw(2) == 0 && (k.DType == tensor.I8 || k.DType == tensor.U8) {
					k.DType = tensor.I8 + tensor.U8 - k.DType
				}
				*i = &k
			}
		}
		im, err := FromONNX(m)
		tryRun(t, im, err)
	})
}

// FuzzQuantizedTFLite draws networks of operators on bytes with any parameters.
func FuzzQuantizedTFLite(f *testing.F) {
	codes := []tflite.Builtin{tflite.Conv2D, tflite.DepthwiseConv2D, tflite.FullyConnected, tflite.Add, tflite.Sub, tflite.Mul, tflite.AveragePool2D, tflite.MaxPool2D, tflite.Mean,
		tflite.Softmax, tflite.Logistic, tflite.Tanh, tflite.HardSwish, tflite.ReLU, tflite.LeakyReLU, tflite.Quantize, tflite.Dequantize, tflite.Concatenation, tflite.Pad, tflite.ResizeBilinear,
		tflite.Reshape, tflite.Transpose, tflite.ArgMax, tflite.Tile, tflite.StridedSlice}
	for i := range codes {
		f.Add([]byte{byte(i)}, []byte{byte(i), 1, 2, 3, 4, 5})
	}
	f.Fuzz(func(t *testing.T, ops, data []byte) {
		if len(ops) > 8 || len(data) == 0 {
			return
		}
		b := make([]byte, len(ops))
		for i, c := range ops {
			b[i] = byte(codes[int(c)%len(codes)])
		}
		m := anyNet(b, data)
		at := 0
		draw := func(n int) int {
			at++
			return (int(data[at%len(data)]) + 17*(at/len(data))) % n
		}
		g := &m.Subgraphs[0]
		for i := range g.Tensors {
			v := &g.Tensors[i]
			if v.Type.DType() == tensor.I64 || len(v.Data) > 0 && draw(2) == 0 {
				continue
			}
			to := []tensor.DType{tensor.U8, tensor.I8, tensor.I32}[draw(3)]
			v.Type = typeOf[to]
			if len(v.Data) > 0 {
				v.Data = slices.Repeat([]byte{byte(draw(256))}, max(tensor.Shape(v.Shape).Len(), 0)*to.Size())
			}
			q := &tflite.Quantization{Dimension: draw(5) - 1}
			for range 1 + draw(2)*draw(4) {
				q.Scale = append(q.Scale, oddScales[min(draw(3*len(oddScales)), len(oddScales)-1)%(1+draw(len(oddScales)))])
				q.ZeroPoint = append(q.ZeroPoint, int64(draw(300))-130)
			}
			v.Quant = q
		}
		im, err := FromTFLite(m)
		tryRun(t, im, err)
	})
}
