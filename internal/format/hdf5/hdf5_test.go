package hdf5

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

func unpack(tb testing.TB, name string) []byte {
	tb.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func parse(b []byte, lim *Limits) (*File, error) {
	return Read(bytes.NewReader(b), int64(len(b)), lim)
}

func mustRead(tb testing.TB, name string) *File {
	tb.Helper()
	f, err := parse(unpack(tb, name), nil)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return f
}

// TestGolden compares every dataset with what h5py reads.
func TestGolden(t *testing.T) {
	var golden map[string]map[string]struct {
		Shape  []int
		Type   string
		Values []float64
	}
	if err := json.Unmarshal(unpack(t, "golden.json"), &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) != 9 {
		t.Fatalf("%d files", len(golden))
	}
	types := map[string]tensor.DType{
		"int8": tensor.I8, "uint8": tensor.U8, "int16": tensor.I16, "uint16": tensor.U16, "int32": tensor.I32, "uint32": tensor.U32,
		"int64": tensor.I64, "uint64": tensor.U64, "float16": tensor.F16, "float32": tensor.F32, "float64": tensor.F64, "bool": tensor.I8,
	}
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			f := mustRead(t, name)
			got, err := f.Tensors()
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, x := range got {
				seen[x.Name] = true
				w, ok := want[x.Name]
				if !ok {
					t.Errorf("%s is not in h5py's list", x.Name)
					continue
				}
				if !slices.Equal(w.Shape, x.Shape) || x.DType != types[w.Type] {
					t.Errorf("%s: %v %v, want %s %v", x.Name, x.DType, x.Shape, w.Type, w.Shape)
					continue
				}
				v, err := x.Float64s()
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(v, w.Values) {
					t.Errorf("%s: %v, want %v", x.Name, v, w.Values)
				}
			}
			for path := range want {
				if !seen[path] && path != "again" {
					t.Errorf("%s was not read", path)
				}
			}
		})
	}
}

// TestOthers checks what is no numeric dataset: strings, attributes, links.
func TestOthers(t *testing.T) {
	for _, name := range []string{"types.h5", "latest_types.h5"} {
		t.Run(name, func(t *testing.T) {
			f := mustRead(t, name)
			a := f.Root.Attrs
			if !slices.Equal(a["text"].Strings, []string{"Jäger"}) || !slices.Equal(a["list"].Strings, []string{"a", "bc"}) ||
				a["long"].Strings[0] != strings.Repeat("x", 100000) {
				t.Errorf("attributes %q, %q", a["text"].Strings, a["list"].Strings)
			}
			if v, err := a["numbers"].Tensor.Int64s(); err != nil || !slices.Equal(v, []int64{0, 1, 2}) {
				t.Errorf("numbers %v, %v", v, err)
			}
			if n := a["named"]; n.Tensor != nil || n.Strings != nil {
				t.Errorf("an empty attribute has a value: %+v", n)
			}
			for path, want := range map[string][]string{"fixed": {"one", "three"}, "text": {"eins", "zwei ü", ""}} {
				if got, err := f.Root.Dataset(path).Strings(); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %q, %v", path, got, err)
				}
			}
			if _, err := f.Root.Dataset("complex").Tensor(); err == nil || !strings.Contains(err.Error(), "/complex: values of type compound") {
				t.Error(err)
			}
			if _, err := f.Root.Dataset("complex").Strings(); err == nil {
				t.Error("complex numbers read as strings")
			}
			if _, err := f.Root.Dataset("null").Tensor(); err == nil {
				t.Error("nothing was read as a tensor")
			}
			notes := strings.Join(f.Notes, "\n")
			if !strings.Contains(notes, "another link") || !strings.Contains(notes, `"soft" leads to a name`) {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestKerasLayout(t *testing.T) {
	for _, name := range []string{"keras.h5", "latest.h5", "user.h5", "tracked.h5"} {
		f := mustRead(t, name)
		if got := f.Root.Attrs["layer_names"].Strings; !slices.Equal(got, []string{"conv1", "conv1_bn", "relu", "Conv/BatchNorm"}) {
			t.Errorf("%s: layers %q", name, got)
		}
		if got := f.Root.Attrs["keras_version"].Strings; !slices.Equal(got, []string{"2.8.0"}) {
			t.Errorf("%s: version %q", name, got)
		}
		if got := f.Root.Group("conv1_bn").Attrs["weight_names"].Strings; len(got) != 4 || got[0] != "conv1_bn/gamma:0" {
			t.Errorf("%s: weights %q", name, got)
		}
		d := f.Root.Group("Conv/BatchNorm").Dataset("Conv/BatchNorm/gamma:0")
		if d == nil || d.Path != "/Conv/BatchNorm/Conv/BatchNorm/gamma:0" || d.DType != tensor.F32 {
			t.Errorf("%s: dataset %+v", name, d)
		}
		if f.Root.Group("conv") != nil || f.Root.Dataset("conv1") != nil || f.Root.Dataset("x/y") != nil {
			t.Errorf("%s: found what is not there", name)
		}
	}
}

// TestDeep reads groups whose trees have several levels, and attributes that
// fill a heap.
func TestDeep(t *testing.T) {
	for _, name := range []string{"deep.h5", "latest_deep.h5"} {
		f := mustRead(t, name)
		if n := len(f.Root.Datasets); n != 700 {
			t.Fatalf("%s: %d datasets", name, n)
		}
		for i := range 700 {
			path := fmt.Sprintf("weight_%03d", i*7919%700)
			x, err := f.Root.Dataset(path).Tensor()
			if err != nil {
				t.Fatal(err)
			}
			if v, _ := x.Float64s(); len(v) != 1 || v[0] != float64(i) {
				t.Errorf("%s: %s is %v, want %d", name, path, v, i)
			}
		}
		want := map[string]int{"deep.h5": 3, "latest_deep.h5": 40}[name]
		for i := range want {
			if a := f.Root.Attrs[fmt.Sprintf("attribute_%d", i)]; a == nil {
				t.Errorf("%s: no attribute %d", name, i)
			} else if v, _ := a.Tensor.Int64s(); len(v) != 1 || v[0] != int64(i) {
				t.Errorf("%s: attribute %d is %v", name, i, v)
			}
		}
	}
}

// everything reads all that a file holds.
func everything(b []byte, lim *Limits) error {
	f, err := parse(b, lim)
	if err != nil {
		return err
	}
	if _, err := f.Tensors(); err != nil {
		return err
	}
	return f.Root.Walk(func(d *Dataset) error {
		if d.typ.isString() {
			_, err := d.Strings()
			return err
		}
		return nil
	})
}

var testFiles = []string{"keras.h5", "types.h5", "chunks.h5", "latest.h5", "latest_types.h5", "latest_chunks.h5", "user.h5", "tracked.h5", "narrow.h5", "deep.h5", "latest_deep.h5"}

// TestTruncated cuts the files everywhere that is cheap: no panic, and an
// error as long as anything that is used is missing.
func TestTruncated(t *testing.T) {
	for _, name := range testFiles {
		b := unpack(t, name)
		step := max(1, len(b)/400)
		if testing.Short() {
			step = max(1, len(b)/40)
		}
		errors := 0
		for n := 0; n < len(b); n += step {
			if err := everything(b[:n], nil); err != nil {
				errors++
				if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "hdf5: ") {
					t.Fatalf("%s cut to %d: %q", name, n, err)
				}
			} else if n < len(b)*3/4 {
				t.Errorf("%s cut to %d of %d bytes: accepted", name, n, len(b))
			}
		}
		if errors == 0 {
			t.Errorf("%s: never refused", name)
		}
	}
}

func TestLimits(t *testing.T) {
	keras, chunks, deep := unpack(t, "keras.h5"), unpack(t, "chunks.h5"), unpack(t, "deep.h5")
	for _, c := range []struct {
		name string
		b    []byte
		lim  Limits
		want string
	}{
		{"data", keras, Limits{MaxDataBytes: 40}, "bytes are left"},
		{"objects", deep, Limits{MaxObjects: 100}, "the limit of 100"},
		{"depth", keras, Limits{MaxDepth: 1}, "nested over the limit of 1"},
		{"rank", chunks, Limits{MaxRank: 3}, "4 dimensions, over the limit of 3"},
		{"metadata", keras, Limits{MaxMetaBytes: 2000}, "more metadata than the limit of 2000"},
	} {
		if err := everything(c.b, &c.lim); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range testFiles {
		if b := unpack(f, name); len(b) < 64<<10 {
			f.Add(b)
		}
	}
	f.Add([]byte(signature))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := everything(b, &Limits{MaxDataBytes: 1 << 20, MaxMetaBytes: 4 << 20, MaxObjects: 10000}); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}

// BenchmarkRead reads a group of 700 datasets.
func BenchmarkRead(b *testing.B) {
	data := unpack(b, "deep.h5")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := everything(data, nil); err != nil {
			b.Fatal(err)
		}
	}
}
