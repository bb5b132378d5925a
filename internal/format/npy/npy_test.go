package npy

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobilenet-go/mobilenet/tensor"
)

type goldenArray struct {
	Shape  tensor.Shape
	Values []float64
}

func readGolden(t *testing.T) map[string]goldenArray {
	t.Helper()
	b, err := os.ReadFile("testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]goldenArray
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func compare(t *testing.T, got *tensor.Tensor, want goldenArray) {
	t.Helper()
	v, err := got.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	if !got.Shape.Equal(want.Shape) || len(v) != len(want.Values) {
		t.Fatalf("shape %v, want %v", got.Shape, want.Shape)
	}
	for i := range v {
		if v[i] != want.Values[i] {
			t.Errorf("element %d is %v, want %v", i, v[i], want.Values[i])
		}
	}
}

// TestGolden reads arrays written by NumPy, alone and in archives.
func TestGolden(t *testing.T) {
	golden := readGolden(t)
	for name, want := range golden {
		b, err := os.ReadFile(filepath.Join("testdata", name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(b)
		got, err := Parse(b, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compare(t, got, want)
		if !bytes.Equal(b, before) {
			t.Errorf("%s: Parse changed its input", name)
		}
		if got, err = Read(bytes.NewReader(b), int64(len(b)), nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compare(t, got, want)
	}
	for _, name := range []string{"stored.npz", "deflated.npz"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		arrays, err := ReadArchive(bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(arrays) != 18 {
			t.Fatalf("%s: %d arrays", name, len(arrays))
		}
		for _, a := range arrays {
			want, ok := golden[a.Name]
			if !ok {
				t.Fatalf("%s: unknown array %q", name, a.Name)
			}
			compare(t, a, want)
		}
	}
}

// TestWriteAsNumPy holds the writer to the bytes that NumPy writes.
func TestWriteAsNumPy(t *testing.T) {
	for name := range readGolden(t) {
		if strings.HasPrefix(name, "be_") || strings.HasPrefix(name, "version") || name == "fortran" {
			continue
		}
		want, err := os.ReadFile(filepath.Join("testdata", name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := Parse(want, nil)
		if err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		if err := Write(&buf, a); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf.Bytes(), want) {
			t.Errorf("%s: wrote %q, NumPy %q", name, buf.Bytes(), want)
		}
	}
	var buf bytes.Buffer
	if err := WriteFloat32(&buf, tensor.Shape{2, 2}, []float32{1, 2, 3}); err == nil {
		t.Error("wrote 3 values as [2,2]")
	}
	if err := Write(&buf, &tensor.Tensor{DType: tensor.BF16, Shape: tensor.Shape{1}, Data: []byte{0x80, 0x3f}}); err != nil {
		t.Fatal(err)
	}
	back, err := Parse(buf.Bytes(), nil)
	if err != nil || back.DType != tensor.F32 {
		t.Fatalf("bfloat16 came back as %v, %v", back, err)
	}
}

func file(version byte, head string, data int) []byte {
	b := append([]byte(magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(head)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	}
	return append(append(b, head...), make([]byte, data)...)
}

func hostile() map[string][]byte {
	dict := func(descr, order, shape string) string {
		return fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }", descr, order, shape)
	}
	return map[string][]byte{
		"empty":           {},
		"magic only":      []byte(magic),
		"version 9":       file(9, dict("'<f4'", "False", "(1,)"), 4),
		"huge header":     append([]byte(magic), 2, 0, 0xff, 0xff, 0xff, 0xff),
		"huge extent":     file(1, dict("'<f4'", "False", "(1000000000000,)"), 4),
		"overflow":        file(1, dict("'<f4'", "False", "(4294967296, 4294967296, 4294967296)"), 4),
		"past int64":      file(1, dict("'<f4'", "False", "(99999999999999999999,)"), 4),
		"negative":        file(1, dict("'<f4'", "False", "(-1,)"), 4),
		"rank":            file(1, dict("'<f4'", "False", "("+strings.Repeat("1,", 40)+")"), 4),
		"short data":      file(1, dict("'<f4'", "False", "(2,)"), 4),
		"long data":       file(1, dict("'<f4'", "False", "(2,)"), 12),
		"order":           file(1, dict("'<f4'", "Maybe", "(1,)"), 4),
		"no shape":        file(1, "{'descr': '<f4', 'fortran_order': False}", 4),
		"twice":           file(1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4),
		"open dictionary": file(1, "{'descr': '<f4'", 4),
		"open string":     file(1, "{'descr", 4),
		"not a tuple":     file(1, dict("'<f4'", "False", "1"), 4),
		"type":            file(1, dict("'<U4'", "False", "(1,)"), 16),
		"empty type":      file(1, dict("''", "False", "(1,)"), 4),
		"native order":    file(1, dict("'=f4'", "False", "(1,)"), 4),
		"after the end":   file(1, dict("'<f4'", "False", "(1,)")+"import os", 4),
	}
}

func TestHostile(t *testing.T) {
	for name, b := range hostile() {
		if _, err := Parse(b, nil); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"refused_structured", "refused_object", "refused_complex"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(b, nil); err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, _ := os.ReadFile("testdata/le_f4.npy")
	for n := range b {
		if _, err := Parse(b[:n], nil); err == nil {
			t.Errorf("%d bytes of %d were accepted", n, len(b))
		}
	}
	if _, err := Parse(b, &Limits{MaxBytes: 8}); err == nil {
		t.Error("limit of bytes was not kept")
	}
	z, _ := os.ReadFile("testdata/deflated.npz")
	for n := range z {
		if _, err := ReadArchive(bytes.NewReader(z[:n]), int64(n), nil); err == nil {
			t.Errorf("%d bytes of %d of an archive were accepted", n, len(z))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range hostile() {
		f.Add(b)
	}
	paths, _ := filepath.Glob("testdata/*.npy")
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Parse(b, nil)
		if err != nil {
			return
		}
		var buf bytes.Buffer
		if err := Write(&buf, a); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(buf.Bytes(), nil)
		if err != nil || again.DType != a.DType || !again.Shape.Equal(a.Shape) || !bytes.Equal(again.Data, a.Data) {
			t.Fatalf("writing and reading changed %v %v: %v", a.DType, a.Shape, err)
		}
	})
}

func FuzzReadArchive(f *testing.F) {
	for _, name := range []string{"stored.npz", "deflated.npz"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		arrays, err := ReadArchive(bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			return
		}
		for _, a := range arrays {
			if err := a.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
