package tflite

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type golden struct {
	Version      int
	Description  string
	Inputs       []int
	Outputs      []int
	Operators    map[string]int
	Edges        string
	Tensors      int
	TensorDigest string `json:"tensor_digest"`
	Buffers      int
	ScaleSum     float64 `json:"scale_sum"`
	BufferDigest string  `json:"buffer_digest"`
	Metadata     []string
}

func dataDir(t testing.TB) string {
	dir := os.Getenv("MOBILENET_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test data at %s; set MOBILENET_TESTDATA", dir)
	}
	return dir
}

// TestRealFiles compares every file with what flatc reads in it.
func TestRealFiles(t *testing.T) {
	dir := dataDir(t)
	var all map[string]golden
	b, err := os.ReadFile("testdata/real.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "models", "*", "*.tflite"))
	if len(files) == 0 {
		t.Skipf("no TFLite files under %s", dir)
	}
	for _, f := range files {
		rel, _ := filepath.Rel(dir, f)
		t.Run(filepath.Base(f), func(t *testing.T) {
			want, ok := all[filepath.ToSlash(rel)]
			if !ok {
				t.Fatal("no golden counts; run testdata/make.py")
			}
			m, _, err := Open(f, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, m, want)
		})
	}
}

func compare(t *testing.T, m *Model, want golden) {
	g := m.Subgraphs[0]
	got := golden{Version: m.Version, Description: m.Description, Inputs: g.Inputs, Outputs: g.Outputs, Tensors: len(g.Tensors), Buffers: len(m.Buffers), Metadata: []string{}}
	var edges, tens []string
	ops := map[string]int{}
	for i := range g.Operators {
		o := &g.Operators[i]
		list := fmt.Sprint(append(append([]any{}, anys(o.Inputs)...), append([]any{"->"}, anys(o.Outputs)...)...))
		edges = append(edges, strings.Trim(list, "[]"))
		opts, err := json.Marshal(o.Options)
		if err != nil {
			t.Fatal(err)
		}
		if o.Options == nil {
			opts = []byte("{}")
		}
		ops[o.Code.Builtin.String()+" "+canonical(t, string(opts), nil)]++
	}
	// The golden options hold fields this package leaves out: keep its own.
	wantOps := map[string]int{}
	for k, n := range want.Operators {
		name, opts, _ := strings.Cut(k, " ")
		wantOps[name+" "+canonical(t, opts, keysOf(t, ops, name))] += n
	}
	if d := cmp.Diff(wantOps, ops); d != "" {
		t.Errorf("operators: %s", d)
	}
	h := sha256.New()
	for _, b := range m.Buffers {
		h.Write(b)
	}
	scales, scaleSum := 0, 0.0
	for _, v := range g.Tensors {
		scale, zero := "0", ""
		if v.Quant != nil {
			for _, x := range v.Quant.Scale {
				scales++
				scaleSum += float64(x)
			}
			scale, zero = strconv.Itoa(len(v.Quant.Scale)), join(v.Quant.ZeroPoint)
		}
		tens = append(tens, strings.Join([]string{v.Name, v.Type.String(), join(v.Shape), strconv.Itoa(len(v.Data)), scale, zero}, " "))
	}
	for name := range m.Metadata {
		got.Metadata = append(got.Metadata, name)
	}
	slices.Sort(got.Metadata)
	got.Edges, got.TensorDigest, got.BufferDigest = sum(strings.Join(edges, "\n")), sum(strings.Join(tens, "\n")), hex.EncodeToString(h.Sum(nil))
	if math.Abs(scaleSum-want.ScaleSum) > 1e-6*float64(scales)+1e-6*scaleSum {
		t.Errorf("scales add up to %v, want %v", scaleSum, want.ScaleSum)
	}
	want.Operators, want.ScaleSum = nil, 0
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func anys(l []int) []any {
	out := make([]any, len(l))
	for i, v := range l {
		out[i] = v
	}
	return out
}

func join[T int | int64](l []T) string {
	s := make([]string, len(l))
	for i, v := range l {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, ",")
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// canonical rewrites a JSON object with sorted keys and no defaults; keys, if
// not nil, are those to keep.
func canonical(t *testing.T, s string, keys map[string]bool) string {
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatal(err)
	}
	for k, v := range m {
		if keys != nil && !keys[k] || v == float64(0) || v == false || v == "NONE" {
			delete(m, k)
		}
	}
	b, _ := json.Marshal(m)
	return string(b)
}

var optionKeys = map[string]bool{"padding": true, "stride_w": true, "stride_h": true, "fused_activation_function": true, "dilation_w_factor": true,
	"dilation_h_factor": true, "depth_multiplier": true, "filter_width": true, "filter_height": true, "keep_num_dims": true, "beta": true, "axis": true,
	"align_corners": true, "half_pixel_centers": true, "new_shape": true, "keep_dims": true, "squeeze_dims": true, "begin_mask": true, "end_mask": true,
	"shrink_axis_mask": true, "num_splits": true, "in_data_type": true, "out_type": true, "out_data_type": true, "output_type": true, "values_count": true, "alpha": true}

// keysOf is what to compare of an operator's options: everything this package
// reads, nothing for the operators whose options it does not read.
func keysOf(t *testing.T, ops map[string]int, name string) map[string]bool {
	for b := range optionsOf {
		if b.String() == name {
			return optionKeys
		}
	}
	return map[string]bool{}
}

func TestNames(t *testing.T) {
	for b, want := range map[Builtin]string{Add: "ADD", Conv2D: "CONV_2D", Custom: "CUSTOM", PadV2: "PADV2", Quantize: "QUANTIZE", HardSwish: "HARD_SWISH",
		128: "CUMSUM", Gelu: "GELU", ReLU0To1: "RELU_0_TO_1", 205: "REDUCE_WINDOW", -1: "BUILTIN_-1", 9999: "BUILTIN_9999", TransposeConv: "TRANSPOSE_CONV"} {
		if b.String() != want {
			t.Errorf("%d is %q, want %q", b, b.String(), want)
		}
	}
}
