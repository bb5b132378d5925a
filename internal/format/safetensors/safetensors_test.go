package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
	"pgregory.net/rapid"
)

func readGolden(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/golden.safetensors")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	b := readGolden(t)
	mem, err := Parse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Read(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]float64{
		"w": {0, 1, 2, 3, 4, 5}, "half": {1.5, -2}, "brain": {1, -2}, "count": {-5}, "none": {}, "mask": {1, 0, 1},
		"e4": {1}, "e5": {1}, "d": {0.1}, "i32": {-3}, "i16": {-3}, "i8": {-3},
		"u64": {3}, "u32": {3}, "u16": {3}, "café \"u8\"": {3},
	}
	for _, f := range []*File{mem, file} {
		if len(f.Tensors) != len(want) || f.Metadata["format"] != "pt" || f.Metadata["note"] != "a\nb" {
			t.Errorf("%d tensors, metadata %q", len(f.Tensors), f.Metadata)
		}
		types := map[tensor.DType]bool{}
		for _, x := range f.Tensors {
			v, err := x.Float64s()
			w, ok := want[x.Name]
			if err != nil || !ok || !slices.Equal(v, w) {
				t.Errorf("%s = %v, %v; want %v", x.Name, v, err, w)
			}
			types[x.DType] = true
		}
		if len(types) != int(tensor.Bool) {
			t.Errorf("%d element types of %d are covered", len(types), tensor.Bool)
		}
	}
}

func build(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func one(dtype, shape, offsets string) string {
	return fmt.Sprintf(`{"a":{"dtype":%s,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":"",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func hostile() map[string][]byte {
	a4 := `{"dtype":"U8","shape":[4],"data_offsets":[0,4]}`
	return map[string][]byte{
		"empty":             {},
		"seven bytes":       make([]byte, 7),
		"zero header":       make([]byte, 8),
		"huge header":       bytes.Repeat([]byte{0xff}, 16),
		"header past end":   binary.LittleEndian.AppendUint64(nil, 9),
		"not an object":     build(`[1]`, 0),
		"leading space":     build(` {}`, 0),
		"open":              build(`{"a":`, 0),
		"not utf-8":         build("{\"\xff\":{}}", 0),
		"null":              build(`null`, 0),
		"after the brace":   build(`{}x`, 0),
		"second object":     build(`{} {}`, 0),
		"twice":             build(`{"a":`+a4+`,"a":`+a4+`}`, 4),
		"key twice":         build(`{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4),
		"shape twice":       build(`{"a":{"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]}}`, 4),
		"unknown key":       build(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}}`, 4),
		"no shape":          build(`{"a":{"dtype":"U8","data_offsets":[0,4]}}`, 4),
		"number for tensor": build(`{"a":1}`, 0),
		"metadata number":   build(`{"__metadata__":{"a":1}}`, 0),
		"metadata twice":    build(`{"__metadata__":{},"__metadata__":{}}`, 0),
		"metadata key":      build(`{"__metadata__":{"a":"","a":""}}`, 0),
		"metadata many":     build(`{"__metadata__":{`+manyKeys(70000)+`}}`, 0),
		"metadata deep":     build(`{"__metadata__":`+strings.Repeat("[", 100000), 0),
		"dtype":             build(one(`"F31"`, `[1]`, `[0,4]`), 4),
		"complex":           build(one(`"C64"`, `[1]`, `[0,8]`), 8),
		"dtype number":      build(one(`1`, `[1]`, `[0,4]`), 4),
		"size":              build(one(`"F32"`, `[2]`, `[0,4]`), 4),
		"huge":              build(one(`"F32"`, `[4611686018427387904]`, `[0,4]`), 4),
		"overflow":          build(one(`"U8"`, `[4294967296,4294967296,4294967296]`, `[0,4]`), 4),
		"past int64":        build(one(`"U8"`, `[18446744073709551615]`, `[0,4]`), 4),
		"negative":          build(one(`"U8"`, `[-4]`, `[0,4]`), 4),
		"fraction":          build(one(`"U8"`, `[4.0]`, `[0,4]`), 4),
		"exponent":          build(one(`"U8"`, `[4e0]`, `[0,4]`), 4),
		"text extent":       build(one(`"U8"`, `["4"]`, `[0,4]`), 4),
		"rank":              build(one(`"U8"`, "["+strings.Repeat("1,", 16)+"1]", `[0,1]`), 1),
		"reversed":          build(one(`"U8"`, `[4]`, `[4,0]`), 4),
		"one offset":        build(one(`"U8"`, `[4]`, `[4]`), 4),
		"three offsets":     build(one(`"U8"`, `[4]`, `[0,4,4]`), 4),
		"hole in front":     build(one(`"U8"`, `[4]`, `[1,5]`), 5),
		"left over":         build(one(`"U8"`, `[4]`, `[0,4]`), 5),
		"truncated":         build(one(`"U8"`, `[4]`, `[0,4]`), 3),
		"overlap":           build(`{"a":`+a4+`,"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}`, 6),
		"same bytes":        build(`{"a":`+a4+`,"b":`+a4+`}`, 4),
		"hole":              build(`{"a":`+a4+`,"b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}}`, 6),
		"long name":         build(`{"`+strings.Repeat("a", 2000)+`":`+a4+`}`, 4),
	}
}

func TestHostile(t *testing.T) {
	for name, b := range hostile() {
		_, err := Parse(b, nil)
		if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 2000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := readGolden(t)
	for n := range b {
		if _, err := Parse(b[:n], nil); err == nil {
			t.Errorf("%d bytes of %d were accepted", n, len(b))
		}
	}
	if _, err := Read(bytes.NewReader(b), int64(len(b))+1<<40, nil); err == nil {
		t.Error("a false size was accepted")
	}
	for name, lim := range map[string]*Limits{
		"header": {MaxHeaderBytes: 100}, "data": {MaxDataBytes: 10}, "tensors": {MaxTensors: 3}, "rank": {MaxRank: 1}, "name": {MaxNameBytes: 3},
	} {
		if _, err := Parse(b, lim); err == nil {
			t.Errorf("the limit of %s was not kept", name)
		}
	}
}

func TestAccepted(t *testing.T) {
	for name, b := range map[string][]byte{
		"no tensors": build(`{}`, 0),
		"padding":    build(`{}      `, 0),
		"unsorted":   build(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"b":{"shape":[1],"data_offsets":[0,1],"dtype":"I8"}}`, 2),
	} {
		if _, err := Parse(b, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteLayout(t *testing.T) {
	ts := []*tensor.Tensor{
		{Name: "b", DType: tensor.U8, Shape: tensor.Shape{3}, Data: []byte{1, 2, 3}},
		tensor.FromFloat32("z", tensor.Shape{}, []float32{1}),
		tensor.FromFloat32("<a>&", tensor.Shape{1}, []float32{2}),
	}
	var buf, again bytes.Buffer
	if err := Write(&buf, ts, map[string]string{"y": "2", "x": "1"}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(ts)
	if err := Write(&again, ts, map[string]string{"x": "1", "y": "2"}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf.Bytes(), again.Bytes()) {
		t.Error("the order of the tensors changes the file")
	}
	want := `{"__metadata__":{"x":"1","y":"2"},"<a>&":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"z":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}`
	n := binary.LittleEndian.Uint64(buf.Bytes())
	if got := strings.TrimRight(string(buf.Bytes()[8:8+n]), " "); got != want || n%8 != 0 {
		t.Errorf("header of %d bytes: %s", n, got)
	}
	for name, bad := range map[string][]*tensor.Tensor{
		"twice":    {ts[0], ts[0]},
		"reserved": {{Name: "__metadata__", DType: tensor.U8, Shape: tensor.Shape{0}}},
		"length":   {{Name: "a", DType: tensor.U8, Shape: tensor.Shape{2}, Data: []byte{1}}},
		"utf-8":    {{Name: "\xff", DType: tensor.U8, Shape: tensor.Shape{0}}},
	} {
		if err := Write(&bytes.Buffer{}, bad, nil); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// TestRoundTrip: what is written is read back, whatever it is.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ts []*tensor.Tensor
		for name := range rapid.MapOfN(rapid.StringN(0, 20, 200), rapid.Just(true), 0, 6).Draw(t, "names") {
			if name == metadataKey {
				continue
			}
			dt := tensor.DType(rapid.IntRange(int(tensor.F64), int(tensor.Bool)).Draw(t, "dtype"))
			shape := tensor.Shape(rapid.SliceOfN(rapid.IntRange(0, 3), 0, 4).Draw(t, "shape"))
			data := rapid.SliceOfN(rapid.Byte(), shape.Len()*dt.Size(), shape.Len()*dt.Size()).Draw(t, "data")
			ts = append(ts, &tensor.Tensor{Name: name, DType: dt, Shape: shape, Data: data})
		}
		meta := rapid.MapOfN(rapid.StringN(0, 9, 99), rapid.StringN(0, 9, 99), 0, 4).Draw(t, "metadata")
		var buf bytes.Buffer
		if err := Write(&buf, ts, meta); err != nil {
			t.Fatal(err)
		}
		f, err := Parse(buf.Bytes(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(f.Metadata, meta) || len(f.Tensors) != len(ts) {
			t.Fatalf("metadata %q, %d tensors", f.Metadata, len(f.Tensors))
		}
		for _, w := range ts {
			i := slices.IndexFunc(f.Tensors, func(g *tensor.Tensor) bool { return g.Name == w.Name })
			if i < 0 || f.Tensors[i].DType != w.DType || !f.Tensors[i].Shape.Equal(w.Shape) || !bytes.Equal(f.Tensors[i].Data, w.Data) {
				t.Fatalf("tensor %q changed", w.Name)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(readGolden(f))
	for _, b := range hostile() {
		if len(b) < 10000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Parse(b, nil)
		if err != nil {
			return
		}
		var buf bytes.Buffer
		if err := Write(&buf, x.Tensors, x.Metadata); err != nil {
			t.Fatal(err)
		}
		y, err := Parse(buf.Bytes(), nil)
		if err != nil || len(y.Tensors) != len(x.Tensors) || !maps.Equal(x.Metadata, y.Metadata) {
			t.Fatalf("writing and reading changed the file: %v", err)
		}
	})
}
