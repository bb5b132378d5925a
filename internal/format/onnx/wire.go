package onnx

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// reader walks one file and keeps account of the memory the result takes.
type reader struct {
	data    []byte
	lim     Limits
	nodes   int
	tensors int
	bytes   int64 // tensor data that had to be converted
	used    int64 // structures
}

// charge accounts for n bytes of structures about to be allocated.
func (r *reader) charge(n int) error {
	r.used += int64(n)
	if r.used > r.lim.Structure {
		return fmt.Errorf("%w: nodes, names and shapes need more than %d bytes of memory", ErrLimit, r.lim.Structure)
	}
	return nil
}

// span is a message, or the payload of a field, as absolute offsets.
type span struct{ pos, end int }

// field is one field of a message on the wire.
type field struct {
	num  protowire.Number
	typ  protowire.Type
	off  int    // of its tag
	num0 uint64 // value of a varint or fixed field
	body span   // payload of a length-delimited field
}

func (r *reader) malformed(off int, format string, args ...any) error {
	return fmt.Errorf("%w: offset %d: %s", ErrMalformed, off, fmt.Sprintf(format, args...))
}

// each calls f on every field of a message, in order. Groups are skipped.
func (r *reader) each(m span, f func(field) error) error {
	for m.pos < m.end {
		b := r.data[m.pos:m.end]
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return r.malformed(m.pos, "no valid field here")
		}
		fd := field{num: num, typ: typ, off: m.pos}
		b, m.pos = b[n:], m.pos+n
		switch typ {
		case protowire.VarintType:
			fd.num0, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			fd.num0 = uint64(v)
		case protowire.Fixed64Type:
			fd.num0, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(b); n >= 0 {
				fd.body = span{m.pos + n - len(v), m.pos + n}
			}
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return r.malformed(fd.off, "field %d is cut off or overlong", num)
		}
		m.pos += n
		if typ == protowire.StartGroupType || typ == protowire.EndGroupType {
			continue
		}
		if err := f(fd); err != nil {
			return err
		}
	}
	return nil
}

// message is the body of a field that must be length-delimited.
func (r *reader) message(f field) (span, error) {
	if f.typ != protowire.BytesType {
		return span{}, r.malformed(f.off, "field %d has wire type %d where bytes are needed", f.num, f.typ)
	}
	return f.body, nil
}

func (r *reader) str(f field) (string, error) {
	m, err := r.message(f)
	if err != nil {
		return "", err
	}
	b := r.data[m.pos:m.end]
	if err := r.charge(len(b) + 16); err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", r.malformed(f.off, "text is not UTF-8")
	}
	return string(b), nil
}

func (r *reader) varint(f field) (int64, error) {
	if f.typ != protowire.VarintType {
		return 0, r.malformed(f.off, "field %d has wire type %d where a varint is needed", f.num, f.typ)
	}
	return int64(f.num0), nil
}

// ints adds the values of a repeated integer field, packed or not.
func (r *reader) ints(f field, to []int64) ([]int64, error) {
	if f.typ != protowire.BytesType {
		v, err := r.varint(f)
		if err != nil {
			return nil, err
		}
		return append(to, v), r.charge(16)
	}
	b := r.data[f.body.pos:f.body.end]
	// Every varint ends in one byte below 0x80, so they can be counted first.
	n := countVarints(b)
	if err := r.charge(8 * n); err != nil {
		return nil, err
	}
	if to == nil {
		to = make([]int64, 0, n)
	}
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, r.malformed(f.body.end-len(b), "packed integer is cut off or overlong")
		}
		to, b = append(to, int64(v)), b[n:]
	}
	return to, nil
}

// floats adds the values of a repeated float field, packed or not.
func (r *reader) floats(f field, to []float32) ([]float32, error) {
	if f.typ == protowire.Fixed32Type {
		return append(to, math.Float32frombits(uint32(f.num0))), r.charge(8)
	}
	m, err := r.message(f)
	if err != nil {
		return nil, err
	}
	b := r.data[m.pos:m.end]
	if len(b)%4 != 0 {
		return nil, r.malformed(f.off, "%d bytes of packed float32", len(b))
	}
	if err := r.charge(len(b)); err != nil {
		return nil, err
	}
	for len(b) > 0 {
		v, n := protowire.ConsumeFixed32(b)
		to, b = append(to, math.Float32frombits(v)), b[n:]
	}
	return to, nil
}

func countVarints(b []byte) int {
	n := 0
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	return n
}
