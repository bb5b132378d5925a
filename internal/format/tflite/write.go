package tflite

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// bufferAlign is the alignment the schema asks of a buffer's bytes: the
// runtime computes on them where they lie in the file.
const bufferAlign = 16

// Write writes a model as a file. What it writes Parse reads back: every
// tensor's Data must be the bytes of its Buffer. Operator codes and metadata
// that the lists of the model lack are added to those of the file.
func Write(w io.Writer, m *Model) error {
	b, err := Marshal(m)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// Marshal gives the bytes that Write writes. They are laid out by the format's
// own runtime, which is right about alignment and shared field lists and
// cannot fail on what has been checked here; to read with it is another matter,
// see the package comment.
func Marshal(m *Model) ([]byte, error) {
	size := 1 << 16
	for _, b := range m.Buffers {
		size += len(b) + 2*bufferAlign
	}
	if size > math.MaxInt32-64<<20 {
		return nil, fmt.Errorf("%w: %d bytes of weights do not fit into a TFLite file", ErrLimit, size)
	}
	w := &writer{Builder: flatbuffers.NewBuilder(size), m: m, codes: slices.Clone(m.OperatorCodes), buffers: slices.Clone(m.Buffers)}
	meta := w.metadata()
	var subs []offset
	for i := range m.Subgraphs {
		s, err := w.subgraph(&m.Subgraphs[i])
		if err != nil {
			return nil, err
		}
		subs = append(subs, s)
	}
	if len(subs) == 0 {
		return nil, fmt.Errorf("a TFLite file needs a subgraph")
	}
	codes := make([]offset, len(w.codes))
	for i, c := range w.codes {
		name := w.text(c.Custom)
		w.StartObject(4)
		w.i8(0, int8(min(c.Builtin, 127))) // as files began; later operators stand in field 3
		w.ref(1, name)
		w.i32(2, c.Version, 1)
		w.i32(3, int(c.Builtin), 0)
		codes[i] = w.EndObject()
	}
	buffers := make([]offset, len(w.buffers))
	for i, data := range w.buffers {
		at := w.bytes(data, bufferAlign)
		w.StartObject(3)
		w.ref(0, at)
		buffers[i] = w.EndObject()
	}
	description, listOfCodes, listOfSubs, listOfBuffers, listOfMeta := w.text(m.Description), w.list(codes), w.list(subs), w.list(buffers), w.list(meta)
	w.StartObject(8)
	w.i32(0, m.Version, 0)
	w.ref(1, listOfCodes)
	w.ref(2, listOfSubs)
	w.ref(3, description)
	w.ref(4, listOfBuffers)
	w.ref(6, listOfMeta)
	w.FinishWithFileIdentifier(w.EndObject(), []byte("TFL3"))
	return w.FinishedBytes(), nil
}

type offset = flatbuffers.UOffsetT

// writer builds one file. A list, text or table must be complete before the
// table that refers to it is begun.
type writer struct {
	*flatbuffers.Builder
	m       *Model
	codes   []OperatorCode
	buffers [][]byte
}

// metadata writes the entries by name, so that the same model is the same
// file.
func (w *writer) metadata() (list []offset) {
	for _, key := range slices.Sorted(maps.Keys(w.m.Metadata)) {
		data := w.m.Metadata[key]
		at := slices.IndexFunc(w.buffers, func(b []byte) bool {
			return (b == nil) == (data == nil) && bytes.Equal(b, data)
		})
		if at < 0 {
			at = len(w.buffers)
			w.buffers = append(w.buffers, data)
		}
		name := w.text(key)
		w.StartObject(2)
		w.ref(0, name)
		w.i32(1, at, 0)
		list = append(list, w.EndObject())
	}
	return list
}

func (w *writer) subgraph(g *Subgraph) (offset, error) {
	tensors, operators := make([]offset, len(g.Tensors)), make([]offset, len(g.Operators))
	for i := range g.Tensors {
		var err error
		if tensors[i], err = w.tensor(&g.Tensors[i]); err != nil {
			return 0, fmt.Errorf("tensor %d %q: %w", i, g.Tensors[i].Name, err)
		}
	}
	for i := range g.Operators {
		var err error
		if operators[i], err = w.operator(&g.Operators[i], len(g.Tensors)); err != nil {
			return 0, fmt.Errorf("operator %d (%s): %w", i, g.Operators[i].Name(), err)
		}
	}
	for _, list := range [][]int{g.Inputs, g.Outputs} {
		if err := within(list, 0, len(g.Tensors)); err != nil {
			return 0, fmt.Errorf("subgraph %q: %w", g.Name, err)
		}
	}
	t, in, out, o, name := w.list(tensors), w.ints(g.Inputs), w.ints(g.Outputs), w.list(operators), w.text(g.Name)
	w.StartObject(5)
	w.ref(0, t)
	w.ref(1, in)
	w.ref(2, out)
	w.ref(3, o)
	w.ref(4, name)
	return w.EndObject(), nil
}

func within(list []int, least, n int) error {
	for _, i := range list {
		if i < least || i >= n {
			return fmt.Errorf("tensor %d of %d", i, n)
		}
	}
	return nil
}

func (w *writer) tensor(t *Tensor) (offset, error) {
	if t.Sparse {
		return 0, fmt.Errorf("sparse tensors are not written")
	}
	if t.Buffer < 0 || t.Buffer >= len(w.m.Buffers) || !bytes.Equal(t.Data, w.m.Buffers[t.Buffer]) {
		return 0, fmt.Errorf("its data are not those of buffer %d of %d", t.Buffer, len(w.m.Buffers))
	}
	n, err := tensor.Shape(t.Shape).Elems()
	if dt := t.Type.DType(); err != nil || len(t.Data) > 0 && dt != tensor.Invalid && n*dt.Size() != len(t.Data) {
		return 0, fmt.Errorf("%d bytes for %v of shape %v", len(t.Data), t.Type, tensor.Shape(t.Shape))
	}
	for _, d := range append(slices.Clone(t.Shape), t.Signature...) {
		if d < -1 || d > math.MaxInt32 {
			return 0, fmt.Errorf("an extent of %d", d)
		}
	}
	var quant offset
	if q := t.Quant; q != nil {
		if q.Custom {
			return 0, fmt.Errorf("quantization in a form of its own is not written")
		}
		least, most, scale, zero := w.floats(q.Min), w.floats(q.Max), w.floats(q.Scale), w.longs(q.ZeroPoint)
		w.StartObject(7)
		w.ref(0, least)
		w.ref(1, most)
		w.ref(2, scale)
		w.ref(3, zero)
		w.i32(6, q.Dimension, 0)
		quant = w.EndObject()
	}
	shape, name, signature := w.ints(t.Shape), w.text(t.Name), w.ints(t.Signature)
	w.StartObject(10)
	w.ref(0, shape)
	w.i8(1, int8(t.Type))
	w.i32(2, t.Buffer, 0)
	w.ref(3, name)
	w.ref(4, quant)
	w.flag(5, t.Variable)
	w.ref(7, signature)
	w.flag(8, t.HasRank)
	return w.EndObject(), nil
}

func (w *writer) operator(o *Operator, tensors int) (offset, error) {
	if err := within(o.Inputs, -1, tensors); err != nil {
		return 0, err
	}
	if err := within(o.Outputs, 0, tensors); err != nil {
		return 0, err
	}
	code := slices.Index(w.codes, o.Code)
	if code < 0 {
		if o.Code.Builtin < 0 {
			return 0, fmt.Errorf("operator code %d", o.Code.Builtin)
		}
		code = len(w.codes)
		w.codes = append(w.codes, o.Code)
	}
	kind, options, err := w.options(o)
	if err != nil {
		return 0, err
	}
	in, out, custom := w.ints(o.Inputs), w.ints(o.Outputs), w.bytes(o.CustomOptions, 1)
	w.StartObject(9)
	w.i32(0, code, 0)
	w.ref(1, in)
	w.ref(2, out)
	w.i8(3, int8(kind))
	w.ref(4, options)
	w.ref(5, custom)
	return w.EndObject(), nil
}
