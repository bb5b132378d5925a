package importer

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/internal/pass"
	"github.com/mobilenet-go/mobilenet/tensor"
)

func integerTensor(name string, dt tensor.DType, shape tensor.Shape, v ...int32) *tensor.Tensor {
	data := make([]byte, 0, 4*len(v))
	for _, x := range v {
		switch dt {
		case tensor.I32:
			data = binary.LittleEndian.AppendUint32(data, uint32(x))
		case tensor.I16:
			data = binary.LittleEndian.AppendUint16(data, uint16(x))
		default:
			data = append(data, byte(x))
		}
	}
	return &tensor.Tensor{Name: name, DType: dt, Shape: shape, Data: data}
}

func floatTensor(name string, v ...float32) *tensor.Tensor {
	shape := tensor.Shape{len(v)}
	if len(v) == 1 {
		shape = nil
	}
	return tensor.FromFloat32(name, shape, v)
}

// qdqWriter writes ONNX networks in the QDQ form, as make_onnx.py of the peers
// does: uint8 activations, int8 weights and int32 biases with a scale for each
// output.
type qdqWriter struct {
	m   onnx.Model
	rng *rand.Rand
	n   int
	// quants are the names of scale and zero point of a quantized value.
	quants map[string][2]string
}

func newQDQ(shape ...int) *qdqWriter {
	w := &qdqWriter{rng: rand.New(rand.NewPCG(1, 2)), quants: map[string][2]string{}}
	w.m = onnx.Model{IRVersion: 8, Opset: map[string]int64{"": 15}}
	w.m.Graph.Inputs = []onnx.ValueInfo{{Name: "x", DType: tensor.F32, HasShape: true, Shape: shape}}
	return w
}

func (w *qdqWriter) keep(t *tensor.Tensor) string {
	w.n++
	t.Name = fmt.Sprintf("t%d", w.n)
	w.m.Graph.Initializers = append(w.m.Graph.Initializers, t)
	return t.Name
}

func (w *qdqWriter) op(kind string, attrs map[string]onnx.Attr, in ...string) string {
	w.n++
	out := fmt.Sprintf("v%d", w.n)
	w.m.Graph.Nodes = append(w.m.Graph.Nodes, onnx.Node{Name: "n_" + out, OpType: kind, Inputs: in, Outputs: []string{out}, Attrs: attrs})
	return out
}

// quant puts a QuantizeLinear and a DequantizeLinear behind a value.
func (w *qdqWriter) quant(x string, scale float32, zero int32) string {
	s, z := w.keep(floatTensor("", scale)), w.keep(integerTensor("", tensor.U8, nil, zero))
	q := w.op("QuantizeLinear", nil, x, s, z)
	return w.op("DequantizeLinear", nil, q, s, z)
}

// random is integers from lo to hi.
func (w *qdqWriter) random(dt tensor.DType, lo, hi int, shape ...int) *tensor.Tensor {
	v := make([]int32, tensor.Shape(shape).Len())
	for i := range v {
		v[i] = int32(lo + w.rng.IntN(hi-lo+1))
	}
	return integerTensor("", dt, shape, v...)
}

func (w *qdqWriter) scales(n int, about float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = about * (0.5 + w.rng.Float32())
	}
	return v
}

// conv is a convolution of a value that was quantized with the scale x.
func (w *qdqWriter) conv(in string, x float32, out, c, k, stride, group int) string {
	ws := w.scales(out, 0.01)
	bs := make([]float32, out)
	for i := range bs {
		bs[i] = ws[i] * x
	}
	axis := map[string]onnx.Attr{"axis": intAttr(0)}
	wd := w.op("DequantizeLinear", axis, w.keep(w.random(tensor.I8, -127, 127, out, c/group, k, k)), w.keep(floatTensor("", ws...)), w.keep(w.random(tensor.I8, 0, 0, out)))
	bd := w.op("DequantizeLinear", axis, w.keep(w.random(tensor.I32, -500, 500, out)), w.keep(floatTensor("", bs...)), w.keep(w.random(tensor.I32, 0, 0, out)))
	p := int64(k / 2)
	return w.op("Conv", map[string]onnx.Attr{"kernel_shape": intsAttr(int64(k), int64(k)), "strides": intsAttr(int64(stride), int64(stride)),
		"pads": intsAttr(p, p, p, p), "group": intAttr(int64(group))}, in, wd, bd)
}

// finish declares the output and sends the model through a file's bytes.
func (w *qdqWriter) finish(t testing.TB, out string) *Imported {
	t.Helper()
	w.m.Graph.Outputs = []onnx.ValueInfo{{Name: out, DType: tensor.F32}}
	b, err := onnx.Marshal(&w.m)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(b, onnx.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	im, err := FromONNX(m)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// small is a network with every form of the QDQ files of MobileNets: ReLU6 as
// a clip, a residual addition, squeeze-and-excite with h-sigmoid, h-swish.
func small(t testing.TB) *Imported {
	w := newQDQ(1, 3, 12, 12)
	clip := func(x string) string {
		return w.op("Clip", nil, x, w.keep(floatTensor("", 0)), w.keep(floatTensor("", 6)))
	}
	x := w.quant("x", 0.02, 128)
	x = w.quant(clip(w.conv(x, 0.02, 8, 3, 3, 2, 1)), 6.0/255, 0)
	r := x
	x = w.quant(w.conv(x, 6.0/255, 16, 8, 1, 1, 1), 0.03, 120)
	x = w.quant(w.op("HardSwish", nil, x), 0.02, 20)
	x = w.quant(w.op("Relu", nil, w.conv(x, 0.02, 16, 16, 3, 1, 16)), 0.01, 0)
	g := w.quant(w.op("GlobalAveragePool", nil, x), 0.008, 0)
	g = w.quant(w.op("Relu", nil, w.conv(g, 0.008, 4, 16, 1, 1, 1)), 0.01, 0)
	g = w.quant(w.conv(g, 0.01, 16, 4, 1, 1, 1), 0.02, 128)
	g = w.quant(w.op("HardSigmoid", map[string]onnx.Attr{"alpha": {Kind: onnx.AttrFloat, F: 1. / 6}, "beta": {Kind: onnx.AttrFloat, F: 0.5}}, g), 1./255, 0)
	x = w.quant(w.op("Mul", nil, x, g), 0.01, 0)
	x = w.quant(w.conv(x, 0.01, 8, 16, 1, 1, 1), 0.02, 100)
	x = w.quant(w.op("Add", nil, r, x), 0.03, 64)
	x = w.quant(w.op("GlobalAveragePool", nil, x), 0.02, 64)
	x = w.quant(w.conv(x, 0.02, 10, 8, 1, 1, 1), 0.02, 128)
	return w.finish(t, w.op("Flatten", nil, x))
}

// kinds counts the operations of a folded graph that compute.
func kinds(t testing.TB, g *graph.Graph) map[string]int {
	t.Helper()
	f, err := pass.Fold(g)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for i := range f.Nodes {
		switch n := &f.Nodes[i]; n.Op.(type) {
		case graph.Constant, graph.Reshape:
		default:
			count[n.Op.Kind()]++
		}
	}
	return count
}

// TestQDQLowers proves that nothing between the first rounding and the last
// result is left in real numbers, at any batch and size.
func TestQDQLowers(t *testing.T) {
	m := small(t)
	if m.Classes != 10 || !m.Vector || m.SingleBatch || m.Softmax {
		t.Errorf("%d classes, vector %v, single batch %v, softmax %v", m.Classes, m.Vector, m.SingleBatch, m.Softmax)
	}
	for _, size := range [][3]int{{1, 12, 12}, {3, 12, 12}, {2, 17, 9}} {
		g, err := m.Build(size[0], size[1], size[2])
		if err != nil {
			t.Fatal(err)
		}
		got := kinds(t, g)
		delete(got, "quantized_activation") // taken in by convolutions or not
		want := map[string]int{"input": 1, "quantize": 1, "dequantize": 1, "quantized_conv2d": 7, "quantized_mean": 2, "quantized_mul": 1, "quantized_add": 1}
		if !maps.Equal(got, want) {
			t.Errorf("%v: %v", size, got)
		}
	}
}

// TestQDQShares builds twice: weights are the file's bytes, once.
func TestQDQShares(t *testing.T) {
	m := small(t)
	var f pass.Folder
	var before map[string]*graph.Array
	for n := 1; n < 3; n++ {
		g, err := m.Build(n, 12, 12)
		if err != nil {
			t.Fatal(err)
		}
		if g, err = f.Fold(g); err != nil {
			t.Fatal(err)
		}
		arrays := map[string]*graph.Array{}
		for i := range g.Nodes {
			if n := &g.Nodes[i]; n.Value != nil {
				arrays[n.Name] = n.Value
			}
		}
		if before != nil && !maps.Equal(before, arrays) {
			t.Error("the second graph has arrays of its own")
		}
		before = arrays
	}
}

// TestQDQTap asks for values inside: each is float32 and breaks the fusion at
// its place only.
func TestQDQTap(t *testing.T) {
	m := small(t)
	g, err := m.Build(1, 12, 12)
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		switch n.Op.(type) {
		case graph.Constant, graph.Variable:
			continue
		case graph.Dequantize:
			if _, ok := g.Node(n.In[0]).Op.(graph.Constant); ok {
				continue
			}
		}
		tapped := *g
		tapped.Outputs = append(slices.Clone(g.Outputs), graph.Output{Name: n.Name, ID: graph.ID(i)})
		f, err := pass.Fold(&tapped)
		if err != nil {
			t.Fatalf("tap %q: %v", n.Name, err)
		}
		if out := f.Node(f.Outputs[1].ID).Type; out.DType != tensor.F32 || !out.Shape.Equal(n.Type.Shape) {
			t.Errorf("tap %q is %v, want %v", n.Name, out, n.Type)
		}
	}
}

// TestQDQForms lowers one operator each and names what it becomes.
func TestQDQForms(t *testing.T) {
	ints := func(w *qdqWriter, v ...int64) string { return w.keep(vector("", v)) }
	pool := map[string]onnx.Attr{"kernel_shape": intsAttr(2, 2), "strides": intsAttr(2, 2)}
	padded := map[string]onnx.Attr{"kernel_shape": intsAttr(3, 3), "strides": intsAttr(2, 2), "pads": intsAttr(1, 1, 1, 1)}
	counted := maps.Clone(padded)
	counted["count_include_pad"] = intAttr(1)
	for _, tt := range []struct {
		name string
		f    func(w *qdqWriter, x string) string
		want string // besides input, quantize, dequantize
	}{
		{"change of scale", func(w *qdqWriter, x string) string { return w.quant(x, 0.1, 3) }, "quantized_activation 1"},
		{"same scale", func(w *qdqWriter, x string) string { return w.quant(x, 0.05, 100) }, ""},
		{"pads and moves", func(w *qdqWriter, x string) string {
			x = w.op("Pad", nil, x, ints(w, 0, 0, 1, 1, 0, 0, 1, 1))
			return w.quant(w.op("Transpose", map[string]onnx.Attr{"perm": intsAttr(0, 1, 3, 2)}, x), 0.05, 100)
		}, "pad 1 transpose 1"},
		{"concat", func(w *qdqWriter, x string) string {
			y := w.quant(w.op("Sigmoid", nil, x), 1./256, 0)
			return w.quant(w.op("Concat", map[string]onnx.Attr{"axis": intAttr(1)}, x, y), 0.05, 100)
		}, "concat 1 quantized_activation 2"},
		{"concat of convolutions", func(w *qdqWriter, x string) string {
			return w.quant(w.op("Concat", map[string]onnx.Attr{"axis": intAttr(1)}, w.conv(x, 0.05, 4, 4, 1, 1, 1), w.conv(x, 0.05, 5, 4, 1, 1, 1)), 0.05, 100)
		}, "concat 1 quantized_conv2d 2"},
		{"max pool", func(w *qdqWriter, x string) string { return w.quant(w.op("MaxPool", pool, x), 0.05, 100) }, "quantized_max_pool 1"},
		{"max pool of a convolution", func(w *qdqWriter, x string) string {
			return w.quant(w.op("MaxPool", pool, w.op("Relu", nil, w.conv(x, 0.05, 4, 4, 3, 1, 4))), 0.1, 0)
		}, "quantized_conv2d 1 quantized_max_pool 1"},
		{"average pool", func(w *qdqWriter, x string) string { return w.quant(w.op("AveragePool", pool, x), 0.05, 100) }, "quantized_avg_pool 1"},
		{"average pool to a scale", func(w *qdqWriter, x string) string { return w.quant(w.op("AveragePool", pool, x), 0.04, 100) }, "quantized_conv2d 1"},
		{"average pool of part", func(w *qdqWriter, x string) string { return w.quant(w.op("AveragePool", padded, x), 0.04, 100) }, "quantized_activation 1 quantized_avg_pool 1"},
		{"average pool with zeros", func(w *qdqWriter, x string) string { return w.quant(w.op("AveragePool", counted, x), 0.05, 100) }, "quantized_conv2d 1"},
		{"resize", func(w *qdqWriter, x string) string {
			r := map[string]onnx.Attr{"mode": textAttr("nearest"), "nearest_mode": textAttr("floor"), "coordinate_transformation_mode": textAttr("asymmetric")}
			return w.quant(w.op("Resize", r, x, "", w.keep(floatTensor("", 1, 1, 2, 2))), 0.05, 100)
		}, "resize 1"},
		{"leaky", func(w *qdqWriter, x string) string { return w.quant(w.op("LeakyRelu", nil, x), 0.05, 10) }, "quantized_activation 1"},
		{"relu of a value", func(w *qdqWriter, x string) string { return w.quant(w.op("Relu", nil, x), 0.05, 10) }, "quantized_activation 1"},
		{"sub", func(w *qdqWriter, x string) string {
			return w.quant(w.op("Sub", nil, x, w.quant(w.op("Sigmoid", nil, x), 1./256, 0)), 0.05, 10)
		}, "quantized_activation 1 quantized_sub 1"},
		{"add a number", func(w *qdqWriter, x string) string {
			return w.quant(w.op("Add", nil, x, w.keep(floatTensor("", 3))), 0.05, 10)
		}, "quantized_add 1"},
		{"divide by a number", func(w *qdqWriter, x string) string {
			return w.quant(w.op("Div", nil, x, w.keep(floatTensor("", -6))), 0.05, 10)
		}, "quantized_mul 1"},
		{"float bias", func(w *qdqWriter, x string) string {
			wd := w.op("DequantizeLinear", nil, w.keep(w.random(tensor.U8, 0, 255, 6, 4, 1, 1)), w.keep(floatTensor("", 0.01)), w.keep(integerTensor("", tensor.U8, nil, 130)))
			return w.quant(w.op("Conv", nil, x, wd, w.keep(floatTensor("", 1, 2, 3, -4, 5, 0))), 0.05, 10)
		}, "quantized_conv2d 1"},
		{"weight quantized in the file", func(w *qdqWriter, x string) string {
			wd := w.quant(w.keep(tensor.FromFloat32("", tensor.Shape{2, 4, 1, 1}, []float32{1, 2, 3, 4, -5, 6, 7, 8})), 0.1, 60)
			return w.quant(w.op("Conv", nil, x, wd), 0.05, 10)
		}, "quantized_conv2d 1"},
		// What has no integer arithmetic stays as it is.
		{"huge bias", func(w *qdqWriter, x string) string {
			wd := w.op("DequantizeLinear", nil, w.keep(w.random(tensor.I8, -9, 9, 1, 4, 1, 1)), w.keep(floatTensor("", 1e-9)))
			return w.quant(w.op("Conv", nil, x, wd, w.keep(tensor.FromFloat32("", tensor.Shape{1}, []float32{100}))), 0.05, 10)
		}, "conv2d 1"},
		{"h-swish of a convolution", func(w *qdqWriter, x string) string {
			return w.quant(w.op("HardSwish", nil, w.conv(x, 0.05, 4, 4, 1, 1, 1)), 0.05, 10)
		}, "conv2d 1"},
		{"float weight", func(w *qdqWriter, x string) string {
			return w.quant(w.op("Conv", nil, x, w.keep(zeros("", 4, 4, 1, 1))), 0.05, 10)
		}, "conv2d 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newQDQ(1, 4, 8, 8)
			m := w.finish(t, tt.f(w, w.quant("x", 0.05, 100)))
			g, err := m.Build(2, 8, 8)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			count := kinds(t, g)
			for _, k := range slices.Sorted(maps.Keys(count)) {
				switch k {
				case "input", "quantize", "dequantize":
				default:
					got = append(got, fmt.Sprintf("%s %d", k, count[k]))
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s, want %s", s, tt.want)
			}
		})
	}
}

// TestWeightOnly reads a file whose weights alone are integers: they are real
// numbers when they are used.
func TestWeightOnly(t *testing.T) {
	w := newQDQ(1, 3, 1, 1)
	wd := w.op("DequantizeLinear", map[string]onnx.Attr{"axis": intAttr(0)}, w.keep(integerTensor("", tensor.I8, tensor.Shape{2, 3, 1, 1}, 1, 2, 5, -3, 4, 0)),
		w.keep(floatTensor("", 0.5, 0.25)), w.keep(integerTensor("", tensor.I8, tensor.Shape{2}, 1, 0)))
	m := w.finish(t, w.op("Conv", nil, "x", wd))
	g, err := m.Build(1, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, g, []float32{1, 2, 3}); !slices.Equal(got, []float32{7, 1.25}) {
		t.Errorf("%v", got)
	}
}
