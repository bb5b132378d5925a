package tflite

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyOptions gives the options of an operator with drawn fields.
func anyOptions(t *rapid.T, b Builtin) any {
	o := optionsOf[b].read(table{r: &reader{}})
	v := reflect.ValueOf(o).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(rapid.Bool().Draw(t, "flag"))
		case reflect.Int8:
			f.SetInt(int64(rapid.Int8Range(0, 20).Draw(t, "enum")))
		case reflect.Int:
			f.SetInt(int64(rapid.Int32().Draw(t, "number")))
		case reflect.Float32:
			f.SetFloat(float64(rapid.Float32().Draw(t, "real")))
		case reflect.Slice:
			f.Set(reflect.ValueOf(someInts(t, math.MinInt32, math.MaxInt32)))
		default:
			t.Fatalf("no draw for a field of kind %v", f.Kind())
		}
	}
	return o
}

func someInts(t *rapid.T, lo, hi int) []int {
	if rapid.IntRange(0, 3).Draw(t, "none") == 0 {
		return nil
	}
	return append([]int{}, rapid.SliceOfN(rapid.IntRange(lo, hi), 0, 4).Draw(t, "list")...)
}

func anyModel(t *rapid.T) *Model {
	withOptions := slices.Sorted(maps.Keys(optionsOf))
	text := rapid.StringMatching(`[a-zé]{0,9}`)
	m := &Model{Version: 3, Description: text.Draw(t, "description"), Metadata: map[string][]byte{}}
	m.Buffers = append(m.Buffers, nil)
	for range rapid.IntRange(1, 2).Draw(t, "subgraphs") {
		g := Subgraph{Name: text.Draw(t, "name")}
		for range rapid.IntRange(1, 5).Draw(t, "tensors") {
			v := Tensor{Name: text.Draw(t, "name"), Shape: someInts(t, 0, 3), Type: []Type{0, 2, 3, 9}[rapid.IntRange(0, 3).Draw(t, "type")],
				HasRank: rapid.Bool().Draw(t, "ranked"), Variable: rapid.Bool().Draw(t, "variable")}
			n := v.Type.DType().Size()
			for _, d := range v.Shape {
				n *= d
			}
			if n > 0 && rapid.Bool().Draw(t, "constant") {
				v.Data = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")
				v.Buffer = len(m.Buffers)
				m.Buffers = append(m.Buffers, v.Data)
			}
			if rapid.Bool().Draw(t, "quantized") {
				real := rapid.Float32Range(-1e9, 1e9)
				v.Quant = &Quantization{Scale: rapid.SliceOfN(real, 1, 3).Draw(t, "scales"), Dimension: rapid.IntRange(0, 3).Draw(t, "axis"),
					ZeroPoint: rapid.SliceOfN(rapid.Int64(), 1, 3).Draw(t, "zeros")}
				if rapid.Bool().Draw(t, "ranges") {
					v.Quant.Min, v.Quant.Max = []float32{real.Draw(t, "min")}, []float32{real.Draw(t, "max")}
				}
			}
			g.Tensors = append(g.Tensors, v)
		}
		tensors := func(least int) []int { return someInts(t, least, len(g.Tensors)-1) }
		g.Inputs, g.Outputs = tensors(0), tensors(0)
		for range rapid.IntRange(0, 4).Draw(t, "operators") {
			o := Operator{Code: OperatorCode{Version: rapid.IntRange(1, 9).Draw(t, "version")}, Inputs: tensors(-1), Outputs: tensors(0)}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				o.Code.Builtin = HardSwish
			case 1:
				o.Code.Builtin, o.Code.Custom = Custom, "Own"
				o.CustomOptions = rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "own")
			default:
				o.Code.Builtin = rapid.SampledFrom(withOptions).Draw(t, "operator")
				o.Options = anyOptions(t, o.Code.Builtin)
			}
			if !slices.Contains(m.OperatorCodes, o.Code) {
				m.OperatorCodes = append(m.OperatorCodes, o.Code)
			}
			g.Operators = append(g.Operators, o)
		}
		m.Subgraphs = append(m.Subgraphs, g)
	}
	if rapid.Bool().Draw(t, "metadata") {
		note := []byte("a note that no tensor holds")
		m.Buffers = append(m.Buffers, note)
		m.Metadata["note"] = note
	}
	return m
}

// TestWriteReadsBack holds for whatever can be said in a Model.
func TestWriteReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyModel(t)
		data, err := Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Fatal(d)
		}
		again, err := Marshal(got)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("the same model gave another file, %v", err)
		}
	})
}

// TestWriteAddsCodes writes a model without the lists that Parse fills.
func TestWriteAddsCodes(t *testing.T) {
	m := &Model{Version: 3, Buffers: [][]byte{nil}, Metadata: map[string][]byte{"a": []byte("b")}, Subgraphs: []Subgraph{{
		Tensors:   []Tensor{{Name: "x"}},
		Operators: []Operator{{Code: OperatorCode{Builtin: Gelu, Version: 1}, Inputs: []int{0}, Outputs: []int{0}, Options: &GeluOptions{true}}},
	}}}
	var b bytes.Buffer
	if err := Write(&b, m); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b.Bytes(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Subgraphs[0].Operators[0].Name() != "GELU" || string(got.Metadata["a"]) != "b" || len(got.OperatorCodes) != 1 {
		t.Errorf("%+v", got)
	}
	if len(m.OperatorCodes) != 0 || len(m.Buffers) != 1 {
		t.Error("writing changed the model")
	}
}

// TestWriteAlignsBuffers: kernels read weights where they lie.
func TestWriteAlignsBuffers(t *testing.T) {
	m := &Model{Version: 3, Buffers: [][]byte{nil}, Subgraphs: []Subgraph{{}}}
	for i := range 40 {
		m.Buffers = append(m.Buffers, bytes.Repeat([]byte{byte(i), 255 - byte(i), 77}, i+3))
	}
	data, err := Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range m.Buffers[1:] {
		if at := bytes.Index(data, b); at < 0 || at%bufferAlign != 0 {
			t.Errorf("a buffer of %d bytes lies at %d", len(b), at)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	f32 := func(shape []int, data []byte) Tensor { return Tensor{Name: "x", Shape: shape, Buffer: 1, Data: data} }
	four := []byte{1, 2, 3, 4}
	base := func() *Model {
		return &Model{Buffers: [][]byte{nil, four}, Subgraphs: []Subgraph{{Tensors: []Tensor{f32([]int{1}, four)}}}}
	}
	tests := []struct {
		text string
		mess func(m *Model, g *Subgraph)
	}{
		{"needs a subgraph", func(m *Model, g *Subgraph) { m.Subgraphs = nil }},
		{`tensor 0 "x": its data are not those of buffer 2 of 2`, func(m *Model, g *Subgraph) { g.Tensors[0].Buffer = 2 }},
		{"its data are not those of buffer 1", func(m *Model, g *Subgraph) { g.Tensors[0].Data = []byte{0, 0, 0, 0} }},
		{"4 bytes for FLOAT32 of shape [2]", func(m *Model, g *Subgraph) { g.Tensors[0].Shape = []int{2} }},
		{"extent of 4294967296", func(m *Model, g *Subgraph) { g.Tensors[0] = Tensor{Shape: []int{1 << 32}} }},
		{"sparse", func(m *Model, g *Subgraph) { g.Tensors[0].Sparse = true }},
		{"form of its own", func(m *Model, g *Subgraph) { g.Tensors[0].Quant = &Quantization{Custom: true} }},
		{"tensor 1 of 1", func(m *Model, g *Subgraph) { g.Inputs = []int{1} }},
		{"operator 0 (ADD): tensor -2 of 1", func(m *Model, g *Subgraph) { g.Operators = []Operator{{Inputs: []int{-2}}} }},
		{"are not its options", func(m *Model, g *Subgraph) { g.Operators = []Operator{{Options: &PackOptions{}}} }},
		{"operator code -1", func(m *Model, g *Subgraph) { g.Operators = []Operator{{Code: OperatorCode{Builtin: -1}}} }},
	}
	for _, tt := range tests {
		m := base()
		tt.mess(m, &m.Subgraphs[0])
		if _, err := Marshal(m); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%v, want %q", err, tt.text)
		}
	}
}
