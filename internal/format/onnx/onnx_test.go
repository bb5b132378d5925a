package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mobilenet-go/mobilenet/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// golden is what testdata/make.py found in a file with the onnx package.
type golden struct {
	IR           int64
	Opset        map[string]int64
	Producer     string
	Metadata     map[string]string
	Ops          map[string]int
	Inputs       map[string][]int
	Outputs      map[string][]int
	Initializers int
	Attributes   int
	Edges        string
	Tensors      map[string][]any
	TensorCount  int `json:"tensor_count"`
	All          string
}

func check(t *testing.T, m *Model, g golden) {
	t.Helper()
	if m.IRVersion != g.IR || m.Producer != g.Producer {
		t.Errorf("IR %d producer %q, want %d %q", m.IRVersion, m.Producer, g.IR, g.Producer)
	}
	if d := cmp.Diff(g.Opset, m.Opset); d != "" {
		t.Errorf("operator sets: %s", d)
	}
	if d := cmp.Diff(g.Metadata, m.Metadata); d != "" {
		t.Errorf("metadata: %s", d)
	}
	ops, attrs, edges := map[string]int{}, 0, []string{}
	all := map[string]*tensor.Tensor{}
	for _, it := range m.Graph.Initializers {
		all[it.Name] = it
	}
	for _, n := range m.Graph.Nodes {
		ops[n.OpType]++
		attrs += len(n.Attrs)
		edges = append(edges, strings.Join(append(append(slices.Clone(n.Inputs), "->"), n.Outputs...), " "))
		for k, a := range n.Attrs {
			if a.Kind == AttrTensor {
				all[n.Outputs[0]+"/"+k] = a.T
			}
		}
	}
	if d := cmp.Diff(g.Ops, ops); d != "" {
		t.Errorf("operators: %s", d)
	}
	if attrs != g.Attributes || len(m.Graph.Initializers) != g.Initializers || len(all) != g.TensorCount {
		t.Errorf("%d attributes, %d initializers, %d tensors, want %d, %d, %d", attrs, len(m.Graph.Initializers), len(all), g.Attributes, g.Initializers, g.TensorCount)
	}
	if h := hash([]byte(strings.Join(edges, "\n"))); h != g.Edges {
		t.Errorf("edges differ")
	}
	for _, l := range []struct {
		got  []ValueInfo
		want map[string][]int
	}{{m.Graph.Inputs, g.Inputs}, {m.Graph.Outputs, g.Outputs}} {
		got := map[string][]int{}
		for _, v := range l.got {
			got[v.Name] = append([]int{}, v.Shape...)
		}
		if d := cmp.Diff(l.want, got); d != "" {
			t.Errorf("values: %s", d)
		}
	}
	var sums []string
	for _, it := range all {
		sums = append(sums, hash(it.Data))
	}
	slices.Sort(sums)
	if h := hash([]byte(strings.Join(sums, ""))); h != g.All {
		t.Errorf("tensor data differs")
	}
	for name, want := range g.Tensors {
		it := all[name]
		if it == nil {
			t.Errorf("tensor %q is missing", name)
			continue
		}
		var dims []int
		for _, d := range want[1].([]any) {
			dims = append(dims, int(d.(float64)))
		}
		if it.DType != DTypeOf(int64(want[0].(float64))) || !slices.Equal(it.Shape, dims) || hash(it.Data) != want[2] {
			t.Errorf("tensor %q: %v %v, want %v", name, it.DType, it.Shape, want)
		}
	}
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func load(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
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

func TestKinds(t *testing.T) {
	m, err := Open("testdata/kinds.onnx", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	load(t, "testdata/kinds.json", &g)
	check(t, m, g)
	in := m.Graph.Inputs[0]
	if in.DType != tensor.F32 || !in.HasShape || !slices.Equal(in.Symbols, []string{"batch", "", "", ""}) {
		t.Errorf("input %+v", in)
	}
	if out := m.Graph.Outputs[0]; out.HasShape {
		t.Errorf("output of unknown rank has shape %v", out.Shape)
	}
	if v := m.Graph.Values[0]; v.DType != tensor.F16 || !v.HasShape || len(v.Shape) != 0 {
		t.Errorf("scalar value %+v", v)
	}
	n := &m.Graph.Nodes[0]
	if n.Domain != "test.domain" || n.Inputs[1] != "" {
		t.Errorf("node %+v", n)
	}
	if n.Int("i", 0) != -5 || n.Float("f", 0) != 0.5 || n.String("s", "") != "text" ||
		!slices.Equal(n.Ints("ints", nil), []int64{1, -2, 1 << 40}) || !slices.Equal(n.Floats("floats", nil), []float32{0.25, -1.5}) ||
		!slices.Equal(n.Attrs["strings"].Strings, []string{"a", "b"}) || len(n.Attrs["tensors"].Tensors) != 2 || n.Tensor("t").Len() != 4 {
		t.Errorf("attributes %+v", n.Attrs)
	}
	if n.Int("f", 3) != 3 || n.Float("i", 2) != 2 || n.Tensor("i") != nil || n.Has("none") || !n.Has("i") {
		t.Error("a getter of another kind must give the default")
	}
}

func TestRealFiles(t *testing.T) {
	dir := dataDir(t)
	var all map[string]golden
	load(t, "testdata/real.json", &all)
	files, err := filepath.Glob(filepath.Join(dir, "models", "*", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Skipf("no ONNX files under %s", dir)
	}
	for _, f := range files {
		rel, _ := filepath.Rel(dir, f)
		t.Run(filepath.Base(f), func(t *testing.T) {
			g, ok := all[filepath.ToSlash(rel)]
			if !ok {
				t.Fatal("no golden counts; run testdata/make.py")
			}
			m, err := Open(f, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, m, g)
			b, err := Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(b, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(m, again) {
				t.Error("written and read again, the model differs")
			}
		})
	}
}

func TestWriterRoundTrip(t *testing.T) {
	m, err := Open("testdata/kinds.onnx", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, again); d != "" {
		t.Error(d)
	}
	b2, _ := Marshal(again)
	if string(b) != string(b2) {
		t.Error("equal models give different bytes")
	}
}

func TestTruncated(t *testing.T) {
	b, err := os.ReadFile("testdata/kinds.onnx")
	if err != nil {
		t.Fatal(err)
	}
	ok := 0
	for n := range b {
		if _, err := Parse(b[:n], Limits{}); err == nil {
			ok++ // cut between two fields of the file after its graph
		} else if !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if ok > 8 {
		t.Errorf("%d of %d prefixes were taken for whole files", ok, len(b))
	}
}

// lenField is a length-delimited field with the given payload.
func lenField(num protowire.Number, payload ...[]byte) []byte {
	return putBytes(nil, num, slices.Concat(payload...))
}

func intField(num protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), uint64(v))
}

func TestHostile(t *testing.T) {
	tensorIn := func(fields ...[]byte) []byte { return lenField(7, lenField(5, fields...)) }
	named := lenField(8, []byte("w"))
	attr := func(fields ...[]byte) []byte {
		return lenField(7, lenField(1, lenField(3, []byte("Foo")), lenField(4, []byte("LSTM")), lenField(5, fields...)))
	}
	many := func(num protowire.Number, n int) []byte {
		return lenField(7, []byte(strings.Repeat(string(lenField(num, nil)), n)))
	}
	manyAttrs := lenField(7, lenField(1, []byte(strings.Repeat(string(lenField(5, nil)), 1<<20))))
	tests := []struct {
		name string
		data []byte
		want error
		text string
	}{
		{"empty", nil, ErrMalformed, "no graph"},
		{"text", []byte("hello, world: not a model"), ErrMalformed, "offset"},
		{"graph as varint", intField(7, 1), ErrMalformed, "wire type"},
		{"huge extents", tensorIn(named, intField(1, 1<<31-1), intField(1, 1<<31-1), intField(1, 1<<31-1), intField(2, 1), lenField(9, nil)), ErrMalformed, `"w"`},
		{"extent past 31 bits", tensorIn(named, intField(1, 1<<40), intField(2, 1), lenField(9, nil)), ErrMalformed, "extent"},
		{"negative extent", tensorIn(named, intField(1, -1), intField(2, 1), lenField(9, nil)), ErrMalformed, "extent of -1"},
		{"large and no data", tensorIn(named, intField(1, 1<<30), intField(2, 1)), ErrMalformed, "no data"},
		{"short raw data", tensorIn(named, intField(1, 2), intField(2, 1), lenField(9, make([]byte, 7))), ErrMalformed, "needs 8 bytes"},
		{"wrong typed field", tensorIn(named, intField(1, 1), intField(2, 1), intField(7, 1)), ErrMalformed, "field 7"},
		{"wrong wire type", tensorIn(named, intField(1, 1), intField(2, 1), intField(4, 1)), ErrMalformed, "wire type"},
		{"raw and typed", tensorIn(named, intField(1, 1), intField(2, 7), intField(7, 1), lenField(9, make([]byte, 8))), ErrMalformed, "raw and typed"},
		{"overlong varint", tensorIn(named, intField(1, 1), intField(2, 7), lenField(7, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))), ErrMalformed, "packed"},
		{"strings", tensorIn(named, intField(1, 1), intField(2, 8), lenField(6, []byte("a"))), ErrUnsupported, "strings"},
		{"complex", tensorIn(named, intField(1, 1), intField(2, 14), lenField(9, make([]byte, 8))), ErrUnsupported, "element type 14"},
		{"external", tensorIn(named, intField(1, 1), intField(2, 1), intField(14, 1), lenField(13, lenField(1, []byte("location")), lenField(2, []byte("../../etc/passwd")))), ErrUnsupported, "external file"},
		{"same name twice", lenField(7, lenField(5, named, intField(2, 1), lenField(9, make([]byte, 4))), lenField(5, named, intField(2, 1), lenField(9, make([]byte, 4)))), ErrMalformed, "two initializers"},
		{"subgraph", attr(lenField(1, []byte("body")), lenField(6, nil)), ErrUnsupported, `node "Foo" (ONNX op "LSTM")`},
		{"attribute twice", lenField(7, lenField(1, lenField(5, lenField(1, []byte("a")), intField(3, 1)), lenField(5, lenField(1, []byte("a")), intField(3, 1)))), ErrMalformed, "twice"},
		{"tensor attribute without one", attr(lenField(1, []byte("t")), intField(20, 4)), ErrMalformed, "holds none"},
		{"unknown kind", attr(lenField(1, []byte("t")), intField(20, 99)), ErrUnsupported, "kind 99"},
		{"sparse", lenField(7, lenField(15, nil)), ErrUnsupported, "sparse"},
		{"functions", lenField(25, nil), ErrUnsupported, "functions"},
		{"many nodes", many(1, 1<<17), ErrLimit, "nodes"},
		{"many values", many(13, 1<<20), ErrLimit, "memory"},
		{"many attributes", manyAttrs, ErrLimit, "memory"},
		{"not UTF-8", lenField(2, []byte{0xff}), ErrMalformed, "UTF-8"},
		{"end of group", []byte{0x3c}, ErrMalformed, "offset 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.data, Limits{})
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %v with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	b, err := os.ReadFile("testdata/kinds.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for _, lim := range []Limits{{FileBytes: 100}, {Nodes: 1}, {Tensors: 3}, {TensorBytes: 16}, {Structure: 1000}} {
		if _, err := Parse(b, lim); !errors.Is(err, ErrLimit) {
			t.Errorf("%+v: %v", lim, err)
		}
	}
	if _, err := Open("testdata/kinds.onnx", Limits{FileBytes: 100}); !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "kinds.onnx") {
		t.Errorf("Open: %v", err)
	}
}

// Files of the first IR versions leave an attribute's kind out.
func TestKindInferred(t *testing.T) {
	data := lenField(7, lenField(1, lenField(5, lenField(1, []byte("axis")), intField(3, 7))))
	m, err := Parse(data, Limits{})
	if err != nil || m.Graph.Nodes[0].Int("axis", 0) != 7 {
		t.Errorf("%+v, %v", m, err)
	}
	if !math.IsNaN(float64((&Node{}).Float("x", float32(math.NaN())))) {
		t.Error("default is not passed through")
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/kinds.onnx")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add([]byte{})
	f.Add(lenField(7, lenField(1, lenField(4, []byte("Conv")), lenField(5, lenField(1, []byte("pads")), lenField(8, []byte{0, 1, 2}), intField(20, 7)))))
	lim := Limits{Structure: 4 << 20, TensorBytes: 4 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data, lim)
		if err != nil {
			return
		}
		b, err := Marshal(m)
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		again, err := Parse(b, Limits{})
		if err != nil {
			t.Fatalf("written but not read: %v", err)
		}
		b2, err := Marshal(again)
		if err != nil || string(b) != string(b2) {
			t.Fatalf("written twice, the bytes differ (%v)", err)
		}
	})
}
