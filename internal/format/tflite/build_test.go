package tflite

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/google/go-cmp/cmp"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// fb builds tables with the FlatBuffers runtime, independently of the reader.
type fb struct{ *flatbuffers.Builder }

// slot is one field of a table: an offset, or a number of some width.
type slot struct {
	n   int
	off flatbuffers.UOffsetT
	v   any
}

func (b fb) table(fields ...slot) flatbuffers.UOffsetT {
	n := 0
	for _, f := range fields {
		n = max(n, f.n+1)
	}
	b.StartObject(n)
	for _, f := range fields {
		switch v := f.v.(type) {
		case nil:
			b.PrependUOffsetTSlot(f.n, f.off, 0)
		case int8:
			b.PrependInt8(v)
			b.Slot(f.n)
		case int32:
			b.PrependInt32(v)
			b.Slot(f.n)
		case float32:
			b.PrependFloat32(v)
			b.Slot(f.n)
		case uint64:
			b.PrependUint64(v)
			b.Slot(f.n)
		}
	}
	return b.EndObject()
}

func (b fb) tables(offs ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	b.StartVector(4, len(offs), 4)
	for i := len(offs) - 1; i >= 0; i-- {
		b.PrependUOffsetT(offs[i])
	}
	return b.EndVector(len(offs))
}

func (b fb) ints(v ...int32) flatbuffers.UOffsetT {
	b.StartVector(4, len(v), 4)
	for i := len(v) - 1; i >= 0; i-- {
		b.PrependInt32(v[i])
	}
	return b.EndVector(len(v))
}

func (b fb) finish(root flatbuffers.UOffsetT) []byte {
	b.FinishWithFileIdentifier(root, []byte("TFL3"))
	return b.FinishedBytes()
}

// op is an operator of a test file: its code and options table.
type op struct {
	dep     int8
	builtin int32
	custom  string
	kind    int8
	fields  []slot
	ints    []int32 // a list for field 0 of the options
	in, out []int32
}

// model is a file with three tensors (a float constant, two values) and the
// given operators.
func model(ops ...op) []byte {
	b := fb{flatbuffers.NewBuilder(1024)}
	var codes, list []flatbuffers.UOffsetT
	for i, o := range ops {
		c := []slot{{n: 0, v: o.dep}, {n: 3, v: o.builtin}, {n: 2, v: int32(2)}}
		if o.custom != "" {
			c = append(c, slot{n: 1, off: b.CreateString(o.custom)})
		}
		codes = append(codes, b.table(c...))
		if o.in == nil {
			o.in, o.out = []int32{0, -1, 1}, []int32{2}
		}
		f := []slot{{n: 0, v: int32(i)}, {n: 1, off: b.ints(o.in...)}, {n: 2, off: b.ints(o.out...)}}
		if o.kind != 0 {
			fields := o.fields
			if o.ints != nil {
				fields = append(fields, slot{n: 0, off: b.ints(o.ints...)})
			}
			f = append(f, slot{n: 3, v: o.kind}, slot{n: 4, off: b.table(fields...)})
		}
		if o.custom != "" {
			f = append(f, slot{n: 5, off: b.CreateByteVector([]byte("options"))})
		}
		list = append(list, b.table(f...))
	}
	empty := b.table()
	data := b.table(slot{n: 0, off: b.CreateByteVector([]byte{0, 0, 128, 63, 0, 0, 0, 64})})
	scale := func() flatbuffers.UOffsetT {
		b.StartVector(4, 1, 4)
		b.PrependFloat32(0.5)
		return b.EndVector(1)
	}()
	zero := func() flatbuffers.UOffsetT {
		b.StartVector(8, 1, 8)
		b.PrependInt64(-3)
		return b.EndVector(1)
	}()
	quant := b.table(slot{n: 2, off: scale}, slot{n: 3, off: zero}, slot{n: 6, v: int32(1)})
	tensors := b.tables(
		b.table(slot{n: 0, off: b.ints(1, 2)}, slot{n: 2, v: int32(1)}, slot{n: 3, off: b.CreateString("w")}, slot{n: 4, off: quant}, slot{n: 8, v: int8(1)}),
		b.table(slot{n: 0, off: b.ints(1, 4)}, slot{n: 7, off: b.ints(-1, 4)}, slot{n: 3, off: b.CreateString("x")}, slot{n: 5, v: int8(1)}),
		b.table(slot{n: 1, v: int8(9)}, slot{n: 3, off: b.CreateString("y")}),
	)
	sub := b.table(slot{n: 0, off: tensors}, slot{n: 1, off: b.ints(1)}, slot{n: 2, off: b.ints(2)}, slot{n: 3, off: b.tables(list...)}, slot{n: 4, off: b.CreateString("main")})
	meta := b.table(slot{n: 0, off: b.CreateString("note")}, slot{n: 1, v: int32(1)})
	return b.finish(b.table(slot{n: 0, v: int32(3)}, slot{n: 1, off: b.tables(codes...)}, slot{n: 2, off: b.tables(sub)},
		slot{n: 3, off: b.CreateString("a test")}, slot{n: 4, off: b.tables(empty, data)}, slot{n: 6, off: b.tables(meta)}))
}

func TestOptions(t *testing.T) {
	i := func(n int, v int32) slot { return slot{n: n, v: v} }
	e := func(n int, v int8) slot { return slot{n: n, v: v} }
	f := func(n int, v float32) slot { return slot{n: n, v: v} }
	tests := []struct {
		op   op
		name string
		want any
	}{
		{op{dep: 3, kind: 1, fields: []slot{e(0, 1), i(1, 2), i(2, 3), e(3, 1), i(4, 5), i(5, 6)}}, "CONV_2D", &Conv2DOptions{Valid, 2, 3, ActReLU, 5, 6}},
		{op{dep: 3, kind: 1, fields: []slot{i(1, 2), i(2, 2)}}, "CONV_2D", &Conv2DOptions{Same, 2, 2, ActNone, 1, 1}},
		{op{dep: 4, kind: 2, fields: []slot{i(1, 2), i(2, 3), i(3, 4), e(4, 3), i(5, 6), i(6, 7)}}, "DEPTHWISE_CONV_2D", &DepthwiseConv2DOptions{Same, 2, 3, 4, ActReLU6, 6, 7}},
		{op{dep: 1, kind: 5, fields: []slot{e(0, 1), i(1, 2), i(2, 3), i(3, 4), i(4, 5), e(5, 2)}}, "AVERAGE_POOL_2D", &Pool2DOptions{Valid, 2, 3, 4, 5, ActReLUN1To1}},
		{op{dep: 17, kind: 5}, "MAX_POOL_2D", &Pool2DOptions{}},
		{op{dep: 9, kind: 8, fields: []slot{e(0, 3), e(1, 1), e(2, 1)}}, "FULLY_CONNECTED", &FullyConnectedOptions{ActReLU6, true, true}},
		{op{dep: 25, kind: 9, fields: []slot{f(0, 0.5)}}, "SOFTMAX", &SoftmaxOptions{0.5}},
		{op{dep: 2, kind: 10, fields: []slot{i(0, -1), e(1, 1)}}, "CONCATENATION", &ConcatenationOptions{-1, ActReLU}},
		{op{dep: 0, kind: 11, fields: []slot{e(0, 1)}}, "ADD", &BinaryOptions{ActReLU}},
		{op{dep: 0}, "ADD", &BinaryOptions{}},
		{op{dep: 18, kind: 21, fields: []slot{e(0, 3)}}, "MUL", &BinaryOptions{ActReLU6}},
		{op{dep: 41, kind: 28, fields: []slot{e(0, 4)}}, "SUB", &BinaryOptions{ActTanh}},
		{op{dep: 42, kind: 29}, "DIV", &BinaryOptions{}},
		{op{dep: 23, kind: 15, fields: []slot{e(2, 1), e(3, 0)}}, "RESIZE_BILINEAR", &ResizeOptions{true, false}},
		{op{dep: 97, kind: 74, fields: []slot{e(0, 0), e(1, 1)}}, "RESIZE_NEAREST_NEIGHBOR", &ResizeOptions{false, true}},
		{op{dep: 22, kind: 17, ints: []int32{1, -1}}, "RESHAPE", &ReshapeOptions{[]int{1, -1}}},
		{op{dep: 40, kind: 27, fields: []slot{e(0, 1)}}, "MEAN", &ReducerOptions{true}},
		{op{dep: 43, kind: 30, ints: []int32{1, 2}}, "SQUEEZE", &SqueezeOptions{[]int{1, 2}}},
		{op{dep: 45, kind: 32, fields: []slot{i(0, 1), i(1, 2), i(2, 4), i(3, 8), i(4, 16), e(5, 1)}}, "STRIDED_SLICE", &StridedSliceOptions{1, 2, 4, 8, 16, true}},
		{op{dep: 49, kind: 35, fields: []slot{i(0, 3)}}, "SPLIT", &SplitOptions{3}},
		{op{dep: 36, kind: 23, fields: []slot{i(0, 2), i(1, 1)}}, "GATHER", &GatherOptions{2, 1}},
		{op{dep: 53, kind: 37, fields: []slot{e(0, 2), e(1, 4)}}, "CAST", &CastOptions{2, 4}},
		{op{dep: 56, kind: 40, fields: []slot{e(0, 4)}}, "ARG_MAX", &ArgMaxOptions{4}},
		{op{dep: 77, kind: 55, fields: []slot{e(0, 2)}}, "SHAPE", &ShapeOptions{2}},
		{op{dep: 83, kind: 59, fields: []slot{i(0, 4), i(1, 1)}}, "PACK", &PackOptions{4, 1}},
		{op{dep: 88, kind: 64, fields: []slot{i(0, 4), i(1, 1)}}, "UNPACK", &UnpackOptions{4, 1}},
		{op{dep: 98, kind: 75, fields: []slot{f(0, 0.1)}}, "LEAKY_RELU", &LeakyReLUOptions{0.1}},
		{op{dep: 67, kind: 49, fields: []slot{e(0, 1), i(1, 2), i(2, 3), e(3, 1)}}, "TRANSPOSE_CONV", &TransposeConvOptions{Valid, 2, 3, ActReLU}},
		{op{dep: 5, kind: 94, fields: []slot{i(0, 2)}}, "DEPTH_TO_SPACE", &BlockOptions{2}},
		{op{dep: 127, builtin: 150, kind: 116, fields: []slot{e(0, 1)}}, "GELU", &GeluOptions{true}},
		{op{dep: 100, builtin: 100, kind: 77, fields: []slot{e(0, 1)}}, "MIRROR_PAD", &MirrorPadOptions{true}},
		{op{dep: 117, builtin: 117, kind: 91}, "HARD_SWISH", nil},
		{op{dep: 32, custom: "TFLite_Detection_PostProcess"}, "TFLite_Detection_PostProcess", nil},
	}
	for _, tt := range tests {
		m, err := Parse(model(tt.op), Limits{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		o := &m.Subgraphs[0].Operators[0]
		if d := cmp.Diff(tt.want, o.Options); d != "" || o.Name() != tt.name {
			t.Errorf("%s: read as %s: %s", tt.name, o.Name(), d)
		}
		if tt.op.custom != "" && string(o.CustomOptions) != "options" {
			t.Errorf("custom options %q", o.CustomOptions)
		}
	}
}

func TestModel(t *testing.T) {
	m, err := Parse(model(op{dep: 0}, op{dep: 127, builtin: 130}), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte{0, 0, 128, 63, 0, 0, 0, 64}
	want := &Model{
		Version: 3, Description: "a test", Buffers: [][]byte{nil, data}, Metadata: map[string][]byte{"note": data},
		OperatorCodes: []OperatorCode{{Builtin: Add, Version: 2}, {Builtin: 130, Version: 2}},
		Subgraphs: []Subgraph{{
			Name: "main", Inputs: []int{1}, Outputs: []int{2},
			Tensors: []Tensor{
				{Name: "w", Shape: []int{1, 2}, HasRank: true, Buffer: 1, Data: data, Quant: &Quantization{Scale: []float32{0.5}, ZeroPoint: []int64{-3}, Dimension: 1}},
				{Name: "x", Shape: []int{1, 4}, Signature: []int{-1, 4}, Variable: true},
				{Name: "y", Type: 9},
			},
			Operators: []Operator{
				{Code: OperatorCode{Builtin: Add, Version: 2}, Inputs: []int{0, -1, 1}, Outputs: []int{2}, Options: &BinaryOptions{}},
				{Code: OperatorCode{Builtin: 130, Version: 2}, Inputs: []int{0, -1, 1}, Outputs: []int{2}},
			},
		}},
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	c, err := m.Subgraphs[0].Tensors[0].Constant()
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := c.Float32s(); !cmp.Equal(v, []float32{1, 2}) || c.DType != tensor.F32 {
		t.Errorf("constant %v", v)
	}
	if _, err := m.Subgraphs[0].Tensors[1].Constant(); err == nil {
		t.Error("a value passed for a constant")
	}
}

// TestTruncated also flips every byte: neither may do worse than an error.
func TestTruncated(t *testing.T) {
	data := model(op{dep: 3, kind: 1, fields: []slot{{n: 1, v: int32(2)}}}, op{dep: 22, kind: 17, ints: []int32{1, 2}})
	for n := range data {
		if _, err := Parse(data[:n], Limits{}); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if _, err := Parse(data[:len(data)/2], Limits{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("half a file: %v", err)
	}
	for i := range data {
		for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			c := bytes.Clone(data)
			c[i] = v
			if _, err := Parse(c, Limits{}); err != nil && (!errors.Is(err, ErrMalformed) && !errors.Is(err, ErrLimit) || strings.Contains(err.Error(), "\n")) {
				t.Fatalf("byte %d = %#x: %v", i, v, err)
			}
		}
	}
}

func TestHostile(t *testing.T) {
	le := binary.LittleEndian
	head := func(body ...byte) []byte { return append([]byte("\x08\x00\x00\x00TFL3"), body...) }
	shared := func() []byte { // one tensor with a long name, a million times
		b := fb{flatbuffers.NewBuilder(1 << 16)}
		name := b.CreateString(strings.Repeat("n", 1<<20))
		one := b.table(slot{n: 3, off: name})
		list := make([]flatbuffers.UOffsetT, 1<<18)
		for i := range list {
			list[i] = one
		}
		sub := b.table(slot{n: 0, off: b.tables(list...)})
		return b.finish(b.table(slot{n: 2, off: b.tables(sub)}, slot{n: 4, off: b.tables(b.table())}))
	}
	file := func(buffer []slot, tensor func(fb) []slot) []byte {
		b := fb{flatbuffers.NewBuilder(1 << 10)}
		buf := b.table(buffer...)
		sub := b.table(slot{n: 0, off: b.tables(b.table(tensor(b)...))})
		return b.finish(b.table(slot{n: 2, off: b.tables(sub)}, slot{n: 4, off: b.tables(buf)}))
	}
	tests := []struct {
		name string
		data []byte
		want error
		text string
	}{
		{"empty", nil, ErrMalformed, "TFL3"},
		{"text", []byte("a picture, not a model"), ErrMalformed, "TFL3"},
		{"identifier only", []byte("\x08\x00\x00\x00TFL3"), ErrMalformed, "offset 8"},
		{"root outside", []byte("\xff\xff\xff\xffTFL3....."), ErrMalformed, "offset 0"},
		{"root at itself", []byte("\x00\x00\x00\x00TFL3....."), ErrMalformed, "offset 0"},
		{"fields before the file", head(le.AppendUint32(nil, 1<<20)...), ErrMalformed, "outside"},
		{"field list too short", head(0xfc, 0xff, 0xff, 0xff, 2, 0, 8, 0), ErrMalformed, "field list"},
		{"field outside table", head(0xfc, 0xff, 0xff, 0xff, 8, 0, 4, 0, 0, 0, 200, 0), ErrMalformed, "table"},
		{"no subgraph", fb{flatbuffers.NewBuilder(64)}.finishEmpty(), ErrMalformed, "no subgraph"},
		{"operator code", model(op{dep: 0, builtin: -5}, op{dep: -9, builtin: -5}), ErrMalformed, "operator code -5"},
		{"operator of no code", model(op{dep: 0, in: []int32{7}, out: []int32{2}}), ErrMalformed, "tensor 7 of 3"},
		{"negative output", model(op{dep: 0, in: []int32{1}, out: []int32{-1}}), ErrMalformed, "tensor -1 of 3"},
		{"wrong options", model(op{dep: 3, kind: 11}), ErrMalformed, "CONV_2D has options of kind 11"},
		{"shared tables", shared(), ErrLimit, "memory"},
		{"huge extents", file(nil, func(b fb) []slot { return []slot{{n: 0, off: b.ints(1<<31-1, 1<<31-1, 1<<31-1)}} }), ErrMalformed, "larger than memory"},
		{"negative extent", file(nil, func(b fb) []slot { return []slot{{n: 0, off: b.ints(4, -1)}} }), ErrMalformed, "[4,-1]"},
		{"signature", file(nil, func(b fb) []slot { return []slot{{n: 0, off: b.ints(4)}, {n: 7, off: b.ints(4, 4)}} }), ErrMalformed, "signature"},
		{"buffer index", file(nil, func(b fb) []slot { return []slot{{n: 2, v: int32(5)}} }), ErrMalformed, "buffer 5 of 1"},
		{"buffer behind the file", file([]slot{{n: 1, v: uint64(1 << 63)}, {n: 2, v: uint64(8)}}, func(b fb) []slot { return nil }), ErrMalformed, "leaves the file"},
		{"buffer too small", file([]slot{{n: 1, v: uint64(8)}, {n: 2, v: uint64(8)}}, func(b fb) []slot { return []slot{{n: 0, off: b.ints(1000)}} }), ErrMalformed, "needs 4000 bytes and has 8"},
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

func (b fb) finishEmpty() []byte { return b.finish(b.table()) }

func TestAssociatedFiles(t *testing.T) {
	data := model(op{dep: 0})
	if f, err := AssociatedFiles(data, Limits{}); err != nil || len(f) != 0 {
		t.Errorf("no archive: %v, %v", f, err)
	}
	var z bytes.Buffer
	z.Write(data)
	w := zip.NewWriter(&z)
	w.SetOffset(int64(len(data)))
	for name, text := range map[string]string{"labels.txt": "cat\ndog\n", "../x": strings.Repeat("0", 1<<20)} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := AssociatedFiles(z.Bytes(), Limits{})
	if err != nil || string(f["labels.txt"]) != "cat\ndog\n" || len(f) != 2 {
		t.Errorf("%d files, %v", len(f), err)
	}
	if _, err := Parse(z.Bytes(), Limits{}); err != nil {
		t.Errorf("model with files: %v", err)
	}
	for _, lim := range []Limits{{FileSize: 1 << 19}, {Files: 1}} {
		if _, err := AssociatedFiles(z.Bytes(), lim); !errors.Is(err, ErrLimit) {
			t.Errorf("%+v: %v", lim, err)
		}
	}
}

// TestLabelsInRealFile reads the labels a published file carries.
func TestLabelsInRealFile(t *testing.T) {
	dir := dataDir(t)
	_, files, err := Open(dir+"/models/cls/mobilenet_v1_0.25_224_uint8.tflite", Limits{})
	if os.IsNotExist(err) {
		t.Skip(err)
	}
	if err != nil || len(files) == 0 {
		t.Fatalf("%d associated files, %v", len(files), err)
	}
	for name, b := range files {
		if n := bytes.Count(b, []byte("\n")); strings.HasSuffix(name, ".txt") && n != 1001 && n != 1000 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(model(op{dep: 3, kind: 1, fields: []slot{{n: 1, v: int32(2)}}}, op{dep: 22, kind: 17, ints: []int32{1, 2}}))
	f.Add(model(op{dep: 32, custom: "C"}))
	f.Add([]byte("\x08\x00\x00\x00TFL3\xfc\xff\xff\xff\x04\x00\x08\x00"))
	lim := Limits{Structure: 4 << 20, FileSize: 1 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := Parse(data, lim); err == nil {
			for _, g := range m.Subgraphs {
				for i := range g.Tensors {
					g.Tensors[i].Constant()
				}
				for i := range g.Operators {
					g.Operators[i].Name()
				}
			}
		}
		AssociatedFiles(data, lim)
	})
}
