package importer

import (
	"math"
	"slices"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/format/onnx"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// TestSizesStayWhole pads a map by amounts computed from its own size, as
// exports of TensorFlow's same padding do: -(-n/2), then |-n|.
func TestSizesStayWhole(t *testing.T) {
	step := func(op, out string, in ...string) onnx.Node {
		return onnx.Node{Name: out, OpType: op, Inputs: in, Outputs: []string{out}}
	}
	nodes := []onnx.Node{
		step("Shape", "s", "x"), step("Gather", "n", "s", "two"), step("Neg", "m", "n"),
		step("Div", "q", "m", "two"), step("Neg", "half", "q"), step("Ceil", "h", "half"),
		step("Abs", "a", "m"), step("Floor", "w", "a"),
		withAttr(step("Concat", "p", "none", "h", "w"), "axis", intAttr(0)), step("Pad", "y", "x", "p"),
	}
	m, err := FromONNX(net(picture(1, 3, 8, 8), nodes, vector("two", []int64{2}), vector("none", make([]int64, 6))))
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Build(1, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	y := run(t, g, slices.Repeat([]float32{1}, 8*8*3))
	if len(y) != 12*16*3 { // 8 and 8/2 rows, 8 and 8 columns
		t.Errorf("%d numbers, want 12 x 16 x 3", len(y))
	}
}

func TestFoldUnary(t *testing.T) {
	neg, abs := func(x float64) float64 { return -x }, func(x int64) int64 { return max(x, -x) }
	for _, in := range []*tensor.Tensor{
		vector("v", []int64{-3, math.MaxInt64, 0}),
		{Name: "v", DType: tensor.I32, Shape: tensor.Shape{1}, Data: []byte{0xfd, 0xff, 0xff, 0xff}},
		{Name: "v", DType: tensor.U8, Shape: tensor.Shape{1}, Data: []byte{3}},
	} {
		out, err := foldUnary(in, neg, abs)
		if err != nil || out.DType != tensor.I64 || !out.Shape.Equal(in.Shape) {
			t.Fatalf("%v: %v, %v", in.DType, out, err)
		}
		v, err := out.Int64s()
		if err != nil || v[0] != 3 || len(v) > 1 && v[1] != math.MaxInt64 {
			t.Errorf("%v: %v, %v", in.DType, v, err)
		}
		if out, err = foldUnary(in, neg, nil); err != nil || out.DType != tensor.F32 {
			t.Errorf("%v without a form for integers: %v, %v", in.DType, out, err)
		}
	}
	out, err := foldUnary(tensor.FromFloat32("f", tensor.Shape{2}, []float32{1.5, -2}), neg, abs)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := out.Float32s(); err != nil || v[0] != -1.5 || v[1] != 2 {
		t.Errorf("%v, %v", v, err)
	}
}
