package importer

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/internal/exec"
	"github.com/mobilenet-go/mobilenet/internal/graph"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// nhwc is the data of a tensor with its channels moved last, if it has four
// axes and they are not.
func nhwc(t testing.TB, a *tensor.Tensor, already bool) []float32 {
	t.Helper()
	if len(a.Shape) == 4 && !already {
		var err error
		if a, err = a.Transpose(0, 2, 3, 1); err != nil {
			t.Fatal(err)
		}
	}
	v, err := a.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// what says which nodes the graph of a case must have: how often each kind of
// operation, and the activations by name. Others may not appear.
var what = map[string]string{
	"conv_bn_relu6":       "conv2d batch_norm relu6",
	"conv_bn_folded":      "conv2d relu6",
	"hardswish_13":        "conv2d hswish",
	"hardswish_14":        "conv2d hswish",
	"hardswish_spelled":   "conv2d hswish",
	"hardswish_slim":      "conv2d hswish(0.16667)",
	"hardsigmoid_spelled": "conv2d hsigmoid",
	"silu":                "conv2d swish conv2d sigmoid",
	"acts_9":              "conv2d clip(1,4)",
	"squeeze_excite":      "conv2d global_avg_pool conv2d relu conv2d hsigmoid mul",
	"head_13":             "conv2d global_avg_pool conv2d reshape softmax",
	"head_conv":           "conv2d global_avg_pool conv2d reshape",
	"head_nobias":         "global_avg_pool conv2d reshape",
	"flatten_map":         "conv2d transpose reshape conv2d reshape",
	"flatten_permuted":    "conv2d reshape conv2d reshape",
	"avg_pool_all":        "conv2d global_avg_pool conv2d reshape",
	"pads":                "conv2d pad conv2d",
	"pads_9":              "conv2d",
	"pads_pool":           "avg_pool pad max_pool",
	"nhwc":                "conv2d",
	"matmul_add":          "global_avg_pool conv2d reshape",
	"auto_same_upper":     "conv2d",
	"min_max":             "clip(-0.5,0.25)",
	"hard_sigmoid":        "hard_sigmoid(0.2,0.5)",
}

func spell(g *graph.Graph) string {
	var out []string
	for i := range g.Nodes {
		switch op := g.Nodes[i].Op.(type) {
		case graph.Input, graph.Variable, graph.Constant:
		case graph.Activation:
			out = append(out, op.Act.String())
		default:
			out = append(out, op.Kind())
		}
	}
	return strings.Join(out, " ")
}

func TestTorch(t *testing.T) {
	arrays := loadArchive(t, "testdata/torch/cases.npz")
	files, _ := filepath.Glob("testdata/torch/*.onnx")
	if len(files) < 50 {
		t.Fatalf("%d cases; run testdata/make.py", len(files))
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".onnx")
		t.Run(name, func(t *testing.T) {
			m := open(t, f)
			x, y := arrays[name+".x"], arrays[name+".y"]
			if x == nil || y == nil {
				t.Fatal("no arrays for this case")
			}
			last := name == "nhwc"
			n, h, w := x.Shape[0], x.Shape[2], x.Shape[3]
			if last {
				h, w = x.Shape[1], x.Shape[2]
			}
			g, err := m.Build(n, h, w)
			if err != nil {
				t.Fatal(err)
			}
			if s := spell(g); what[name] != "" && s != what[name] {
				t.Errorf("the graph is %s, want %s", s, what[name])
			}
			in, want := nhwc(t, x, last), nhwc(t, y, last)
			compare(t, run(t, g, in), want)
			ref, err := exec.NewReference[float64](g)
			if err != nil {
				t.Fatal(err)
			}
			wide := make([]float64, len(in))
			for i, v := range in {
				wide[i] = float64(v)
			}
			if err := ref.Run(wide); err != nil {
				t.Fatal(err)
			}
			var narrow []float32
			for _, v := range ref.Value(g.Outputs[0].ID) {
				narrow = append(narrow, float32(v))
			}
			compare(t, narrow, want)
			batched(t, m, in, n, h, w, want)
		})
	}
}

// batched checks that three pictures at once give what each gives alone.
func batched(t *testing.T, m *Imported, in []float32, n, h, w int, want []float32) {
	if m.SingleBatch {
		if _, err := m.Build(2, h, w); err == nil {
			t.Error("two pictures at once were not refused")
		}
		return
	}
	g, err := m.Build(3*n, h, w)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, run(t, g, slices.Repeat(in, 3)), slices.Repeat(want, 3))
}

func compare(t *testing.T, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	largest, worst := 0.0, 0.0
	for i := range want {
		largest = max(largest, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
	}
	if !(worst <= 2e-6*max(largest, 1)) {
		t.Errorf("largest difference %g of values up to %g", worst, largest)
	}
}
