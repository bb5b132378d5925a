package tflite

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Is reports whether data begins as a TFLite file does.
func Is(data []byte) bool { return len(data) >= 8 && string(data[4:8]) == "TFL3" }

// Parse reads a model from the bytes of a file. Buffers alias data, which must
// not be changed afterwards.
func Parse(data []byte, lim Limits) (*Model, error) {
	r := &reader{b: data, lim: lim.withDefaults()}
	if int64(len(data)) > r.lim.FileBytes {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrLimit, len(data), r.lim.FileBytes)
	}
	if !Is(data) {
		return nil, fmt.Errorf("%w: offset 4: the identifier TFL3 is missing", ErrMalformed)
	}
	m := r.model(r.table(r.follow(0)))
	if r.err != nil {
		return nil, r.err
	}
	if len(m.Subgraphs) == 0 {
		return nil, fmt.Errorf("%w: offset 0: the file holds no subgraph", ErrMalformed)
	}
	return m, nil
}

func (r *reader) model(t table) *Model {
	m := &Model{Version: int(t.i32(0, 0)), Description: t.string(3), Metadata: map[string][]byte{}}
	t.each(4, 48, func(i int, c table) { m.Buffers = append(m.Buffers, r.buffer(c)) })
	t.each(1, 64, func(i int, c table) { m.OperatorCodes = append(m.OperatorCodes, r.operatorCode(c)) })
	t.each(2, 256, func(i int, c table) { m.Subgraphs = append(m.Subgraphs, r.subgraph(c, m)) })
	t.each(6, 128, func(i int, c table) {
		name, b := c.string(0), c.i32(1, 0)
		if b < 0 || int(b) >= len(m.Buffers) {
			r.fail(ErrMalformed, c.pos, "metadata %q is in buffer %d of %d", name, b, len(m.Buffers))
			return
		}
		m.Metadata[name] = m.Buffers[b]
	})
	return m
}

func (r *reader) buffer(t table) []byte {
	// Files past 2 GiB keep the bytes behind the FlatBuffer and say where.
	if off := t.u64(1); off > 1 {
		size := t.u64(2)
		if off > uint64(len(r.b)) || size > uint64(len(r.b))-off {
			r.fail(ErrMalformed, t.pos, "a buffer of %d bytes at %d leaves the file", size, off)
			return nil
		}
		return r.b[off : off+size : off+size]
	}
	return t.bytes(0)
}

func (r *reader) operatorCode(t table) OperatorCode {
	// The first 127 operators stand in a byte, as the schema began, later ones
	// in a field of their own; writers fill both, so the larger one counts.
	code := Builtin(max(int32(t.i8(0)), t.i32(3, 0)))
	if code < 0 {
		r.fail(ErrMalformed, t.pos, "operator code %d", code)
	}
	return OperatorCode{Builtin: code, Custom: t.string(1), Version: int(t.i32(2, 1))}
}

func (r *reader) subgraph(t table, m *Model) Subgraph {
	g := Subgraph{Name: t.string(4)}
	t.each(0, 384, func(i int, c table) { g.Tensors = append(g.Tensors, r.tensor(c, m)) })
	g.Inputs, g.Outputs = r.indices(t, 1, &g, 0), r.indices(t, 2, &g, 0)
	t.each(3, 384, func(i int, c table) { g.Operators = append(g.Operators, r.operator(c, m, &g)) })
	return g
}

// indices reads a list of tensors; optional says how far below 0 they may go.
func (r *reader) indices(t table, slot int, g *Subgraph, optional int) []int {
	list := t.ints(slot)
	for _, i := range list {
		if i < optional || i >= len(g.Tensors) {
			r.fail(ErrMalformed, t.pos, "tensor %d of %d", i, len(g.Tensors))
			return nil
		}
	}
	return list
}

func (r *reader) tensor(t table, m *Model) Tensor {
	v := Tensor{
		Name: t.string(3), Shape: t.ints(0), Signature: t.ints(7), HasRank: t.bool(8),
		Type: Type(t.i8(1)), Buffer: int(t.i32(2, 0)), Variable: t.bool(5),
	}
	_, v.Sparse = t.child(6)
	if q, ok := t.child(4); ok && r.charge(t.pos, 160) {
		v.Quant = &Quantization{Min: q.floats(0), Max: q.floats(1), Scale: q.floats(2), ZeroPoint: q.longs(3), Custom: q.i8(4) != 0, Dimension: int(q.i32(6, 0))}
	}
	if r.err != nil {
		return v
	}
	shape := tensor.Shape(v.Shape)
	n, err := shape.Elems()
	if err != nil || n > math.MaxInt/16 {
		r.fail(ErrMalformed, t.pos, "tensor %q of shape %v is larger than memory", v.Name, shape)
	}
	for _, d := range v.Signature {
		if d < -1 {
			r.fail(ErrMalformed, t.pos, "tensor %q has an extent of %d", v.Name, d)
		}
	}
	if len(v.Signature) != 0 && len(v.Signature) != len(v.Shape) {
		r.fail(ErrMalformed, t.pos, "tensor %q has shape %v and signature %v", v.Name, shape, tensor.Shape(v.Signature))
	}
	if v.Buffer < 0 || v.Buffer >= len(m.Buffers) {
		r.fail(ErrMalformed, t.pos, "tensor %q is in buffer %d of %d", v.Name, v.Buffer, len(m.Buffers))
		return v
	}
	v.Data = m.Buffers[v.Buffer]
	if dt := v.Type.DType(); len(v.Data) > 0 && dt != tensor.Invalid && !v.Sparse && n*dt.Size() != len(v.Data) {
		r.fail(ErrMalformed, t.pos, "tensor %q of %v %v needs %d bytes and has %d", v.Name, v.Type, shape, n*dt.Size(), len(v.Data))
	}
	return v
}

func (r *reader) operator(t table, m *Model, g *Subgraph) Operator {
	var o Operator
	code := t.i32(0, 0)
	if code < 0 || int(code) >= len(m.OperatorCodes) {
		r.fail(ErrMalformed, t.pos, "operator code %d of %d", code, len(m.OperatorCodes))
		return o
	}
	o.Code = m.OperatorCodes[code]
	o.Inputs, o.Outputs = r.indices(t, 1, g, -1), r.indices(t, 2, g, 0)
	o.CustomOptions = t.bytes(5)
	want, ok := optionsOf[o.Code.Builtin]
	if !ok {
		return o
	}
	kind := uint8(t.i8(3))
	body, _ := t.child(4)
	switch kind {
	case want.kind:
	case 0:
		body = table{r: r}
	default:
		r.fail(ErrMalformed, t.pos, "operator %s has options of kind %d, not %d", o.Name(), kind, want.kind)
		return o
	}
	o.Options = want.read(body)
	return o
}

// AssociatedFiles unpacks the files appended to a model as a zip archive, as
// models with metadata carry their labels. It is empty when there is none.
func AssociatedFiles(data []byte, lim Limits) (map[string][]byte, error) {
	lim = lim.withDefaults()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if errors.Is(err, zip.ErrFormat) {
		return nil, nil
	} else if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are only looked up, never opened
		return nil, fmt.Errorf("%w: associated files: %v", ErrMalformed, err)
	}
	if len(z.File) > lim.Files {
		return nil, fmt.Errorf("%w: %d associated files, more than %d", ErrLimit, len(z.File), lim.Files)
	}
	files := map[string][]byte{}
	left := lim.FileSize
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		b, err := unpack(f, left)
		if err != nil {
			return nil, fmt.Errorf("%w: associated file %q: %v", ErrMalformed, f.Name, err)
		}
		if left -= int64(len(b)); left < 0 {
			return nil, fmt.Errorf("%w: associated files of more than %d bytes", ErrLimit, lim.FileSize)
		}
		files[f.Name] = b
	}
	return files, nil
}

// unpack reads one byte more than left, so that the caller sees the excess.
func unpack(f *zip.File, left int64) ([]byte, error) {
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(io.LimitReader(rc, left+1))
}
