package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/tensor"
	"google.golang.org/protobuf/encoding/protowire"
)

// dtypes maps ONNX's element types, by number, onto ours. Strings, complex
// numbers, the FNUZ kinds of float8 and 4-bit integers have no counterpart.
var dtypes = [...]tensor.DType{
	1: tensor.F32, 2: tensor.U8, 3: tensor.I8, 4: tensor.U16, 5: tensor.I16,
	6: tensor.I32, 7: tensor.I64, 9: tensor.Bool, 10: tensor.F16, 11: tensor.F64,
	12: tensor.U32, 13: tensor.U64, 16: tensor.BF16, 17: tensor.F8E4M3, 19: tensor.F8E5M2,
}

// DTypeOf is the element type of an ONNX type number, as tensors and the
// operator Cast carry it; Invalid when there is no counterpart.
func DTypeOf(elem int64) tensor.DType {
	if elem < 0 || elem >= int64(len(dtypes)) {
		return tensor.Invalid
	}
	return dtypes[elem]
}

// elemType is the inverse of DTypeOf, 0 when there is none.
func elemType(dt tensor.DType) int64 {
	for i, d := range dtypes {
		if d == dt && d != tensor.Invalid {
			return int64(i)
		}
	}
	return 0
}

// tensorData is where a TensorProto may keep its elements.
type tensorData struct {
	raw   *span
	typed []field // in file order, all of one field number
}

func (r *reader) tensor(f field) (*tensor.Tensor, error) {
	m, err := r.message(f)
	if err != nil {
		return nil, err
	}
	if r.tensors++; r.tensors > r.lim.Tensors {
		return nil, fmt.Errorf("%w: more than %d tensors", ErrLimit, r.lim.Tensors)
	}
	if err := r.charge(256); err != nil {
		return nil, err
	}
	off := f.off
	var name string
	var elem, location int64
	var dims []int64
	var external string
	var segment bool
	var d tensorData
	err = r.each(m, func(f field) (err error) {
		switch f.num {
		case 1:
			dims, err = r.ints(f, dims)
		case 2:
			elem, err = r.varint(f)
		case 3:
			segment = true
		case 4, 5, 7, 10, 11:
			if len(d.typed) > 0 && d.typed[0].num != f.num {
				return r.malformed(f.off, "tensor has data in two fields")
			}
			d.typed = append(d.typed, f)
			err = r.charge(80)
		case 6:
			return fmt.Errorf("%w: offset %d: tensor of strings", ErrUnsupported, f.off)
		case 8:
			name, err = r.str(f)
		case 9:
			var b span
			b, err = r.message(f)
			d.raw = &b
		case 13:
			var k, v string
			if k, v, err = r.pair(f); k == "location" {
				external = v
			}
		case 14:
			location, err = r.varint(f)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if location != 0 || external != "" {
		return nil, fmt.Errorf("%w: tensor %q keeps its data in the external file %q; save the model as one file", ErrUnsupported, name, external)
	}
	if segment {
		return nil, fmt.Errorf("%w: tensor %q is stored in segments", ErrUnsupported, name)
	}
	dt := DTypeOf(elem)
	if dt == tensor.Invalid {
		return nil, fmt.Errorf("%w: tensor %q has ONNX element type %d", ErrUnsupported, name, elem)
	}
	shape := make(tensor.Shape, len(dims))
	for i, v := range dims {
		if v < 0 || v > math.MaxInt32 {
			return nil, r.malformed(off, "tensor %q has an extent of %d", name, v)
		}
		shape[i] = int(v)
	}
	n, err := shape.Elems()
	if err != nil || n > math.MaxInt/dt.Size() {
		return nil, r.malformed(off, "tensor %q of shape %v is larger than memory", name, shape)
	}
	data, err := r.elements(name, off, dt, n, d)
	if err != nil {
		return nil, err
	}
	return tensor.New(name, dt, shape, data)
}

// elements is the little-endian data of a tensor of n elements.
func (r *reader) elements(name string, off int, dt tensor.DType, n int, d tensorData) ([]byte, error) {
	if d.raw != nil {
		if len(d.typed) > 0 {
			return nil, r.malformed(off, "tensor %q has raw and typed data", name)
		}
		if got := d.raw.end - d.raw.pos; got != n*dt.Size() {
			return nil, r.malformed(off, "tensor %q needs %d bytes of %v and has %d", name, n*dt.Size(), dt, got)
		}
		return r.data[d.raw.pos:d.raw.end:d.raw.end], nil
	}
	if len(d.typed) == 0 {
		if n != 0 {
			return nil, r.malformed(off, "tensor %q of %d elements has no data", name, n)
		}
		return []byte{}, nil
	}
	var want protowire.Number
	var fixed int // bytes of a fixed-width element, 0 for varints
	switch dt {
	case tensor.F32:
		want, fixed = 4, 4
	case tensor.F64:
		want, fixed = 10, 8
	case tensor.I64:
		want = 7
	case tensor.U32, tensor.U64:
		want = 11
	default:
		want = 5
	}
	if d.typed[0].num != want {
		return nil, r.malformed(off, "tensor %q of %v keeps its data in field %d", name, dt, d.typed[0].num)
	}
	count := 0
	for _, f := range d.typed {
		switch {
		case f.typ != protowire.BytesType:
			count++
		case fixed != 0:
			if (f.body.end-f.body.pos)%fixed != 0 {
				return nil, r.malformed(f.off, "tensor %q: %d packed bytes of %v", name, f.body.end-f.body.pos, dt)
			}
			count += (f.body.end - f.body.pos) / fixed
		default:
			count += countVarints(r.data[f.body.pos:f.body.end])
		}
	}
	if count != n {
		return nil, r.malformed(off, "tensor %q needs %d elements and has %d", name, n, count)
	}
	if r.bytes += int64(n) * int64(dt.Size()); r.bytes > r.lim.TensorBytes {
		return nil, fmt.Errorf("%w: tensors need more than %d bytes of memory", ErrLimit, r.lim.TensorBytes)
	}
	out := make([]byte, 0, n*dt.Size())
	for _, f := range d.typed {
		if f.typ != protowire.BytesType {
			wantTyp := protowire.VarintType
			if fixed == 4 {
				wantTyp = protowire.Fixed32Type
			} else if fixed == 8 {
				wantTyp = protowire.Fixed64Type
			}
			if f.typ != wantTyp {
				return nil, r.malformed(f.off, "tensor %q: element has wire type %d", name, f.typ)
			}
			out = appendElem(out, dt.Size(), f.num0)
			continue
		}
		b := r.data[f.body.pos:f.body.end]
		if fixed != 0 {
			out = append(out, b...)
			continue
		}
		for len(b) > 0 {
			v, k := protowire.ConsumeVarint(b)
			if k < 0 {
				return nil, r.malformed(f.body.end-len(b), "tensor %q: packed integer is cut off or overlong", name)
			}
			out, b = appendElem(out, dt.Size(), v), b[k:]
		}
	}
	return out, nil
}

// appendElem adds the low size bytes of v.
func appendElem(b []byte, size int, v uint64) []byte {
	switch size {
	case 1:
		return append(b, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(b, uint16(v))
	case 4:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(b, v)
}
