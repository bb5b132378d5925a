// Package tensor holds named bytes with an element type and a shape: what a
// checkpoint file contains and what a network's variables are filled from. It
// has no arithmetic.
package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Tensor is a dense array in row-major order. Data is little-endian and has
// exactly Shape.Len() * DType.Size() bytes; it may alias a larger buffer and
// must then be treated as read-only.
type Tensor struct {
	Name  string
	DType DType
	Shape Shape
	Data  []byte
}

// New wraps data after checking that its length matches the type and shape.
func New(name string, dt DType, shape Shape, data []byte) (*Tensor, error) {
	n, err := shape.Elems()
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", name, err)
	}
	if dt.Size() == 0 {
		return nil, fmt.Errorf("tensor %q: element type %v has no size", name, dt)
	}
	if n > math.MaxInt/dt.Size() || n*dt.Size() != len(data) {
		return nil, fmt.Errorf("tensor %q: %v %v needs %d elements of %d bytes, got %d bytes", name, dt, shape, n, dt.Size(), len(data))
	}
	return &Tensor{Name: name, DType: dt, Shape: shape.Clone(), Data: data}, nil
}

// FromFloat32 copies values into a float32 tensor. It panics when the number
// of values is not the shape's.
func FromFloat32(name string, shape Shape, values []float32) *Tensor {
	if shape.Len() != len(values) {
		panic(fmt.Sprintf("tensor %q: %v from %d values", name, shape, len(values)))
	}
	data := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	return &Tensor{Name: name, DType: F32, Shape: shape.Clone(), Data: data}
}

// Len is the number of elements.
func (t *Tensor) Len() int { return t.Shape.Len() }

// Float32s converts every element to float32, rounding to nearest even. It
// works for every element type.
func (t *Tensor) Float32s() ([]float32, error) {
	if t.DType != F32 || !littleEndian {
		return convert[float32](t)
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	out := make([]float32, len(t.Data)/4)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(out))), 4*len(out)), t.Data)
	return out, nil
}

// ViewFloat32s is Float32s without a copy where there can be one: float32s in
// this machine's byte order at an address that is a multiple of their size. The
// result may share t's data, so both are to be treated as read-only.
func (t *Tensor) ViewFloat32s() ([]float32, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	p := unsafe.SliceData(t.Data)
	if t.DType != F32 || !littleEndian || uintptr(unsafe.Pointer(p))%4 != 0 {
		return t.Float32s()
	}
	n := len(t.Data) / 4
	return unsafe.Slice((*float32)(unsafe.Pointer(p)), n)[:n:n], nil
}

// littleEndian tells the byte order of this machine.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Float64s converts every element to float64.
func (t *Tensor) Float64s() ([]float64, error) {
	return convert[float64](t)
}

// Int64s converts integer and bool tensors; it fails on floating point and on
// an unsigned value above the largest int64.
func (t *Tensor) Int64s() ([]int64, error) {
	if t.DType.Float() {
		return nil, fmt.Errorf("tensor %q: %v where integers are needed", t.Name, t.DType)
	}
	out, err := convert[int64](t)
	if err != nil {
		return nil, err
	}
	if t.DType == U64 {
		for i, v := range out {
			if v < 0 {
				return nil, fmt.Errorf("tensor %q: element %d is %d, more than an int64 holds", t.Name, i, uint64(v))
			}
		}
	}
	return out, nil
}

func convert[T float32 | float64 | int64](t *Tensor) ([]T, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	out := make([]T, t.Len())
	b, le := t.Data, binary.LittleEndian
	switch t.DType {
	case F64:
		for i := range out {
			out[i] = T(math.Float64frombits(le.Uint64(b[8*i:])))
		}
	case F32:
		for i := range out {
			out[i] = T(math.Float32frombits(le.Uint32(b[4*i:])))
		}
	case F16:
		for i := range out {
			out[i] = T(HalfToFloat32(le.Uint16(b[2*i:])))
		}
	case BF16:
		for i := range out {
			out[i] = T(math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16))
		}
	case F8E4M3:
		for i := range out {
			out[i] = T(float8(b[i], 4, false))
		}
	case F8E5M2:
		for i := range out {
			out[i] = T(float8(b[i], 5, true))
		}
	case I64:
		for i := range out {
			out[i] = T(int64(le.Uint64(b[8*i:])))
		}
	case U64:
		for i := range out {
			out[i] = T(le.Uint64(b[8*i:]))
		}
	case I32:
		for i := range out {
			out[i] = T(int32(le.Uint32(b[4*i:])))
		}
	case U32:
		for i := range out {
			out[i] = T(le.Uint32(b[4*i:]))
		}
	case I16:
		for i := range out {
			out[i] = T(int16(le.Uint16(b[2*i:])))
		}
	case U16:
		for i := range out {
			out[i] = T(le.Uint16(b[2*i:]))
		}
	case I8:
		for i := range out {
			out[i] = T(int8(b[i]))
		}
	case U8:
		for i := range out {
			out[i] = T(b[i])
		}
	case Bool:
		for i := range out {
			if b[i] != 0 {
				out[i] = 1
			}
		}
	default:
		return nil, fmt.Errorf("tensor %q: cannot convert %v", t.Name, t.DType)
	}
	return out, nil
}

// HalfToFloat32 widens an IEEE 754 half-precision number exactly.
func HalfToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 31
	frac := uint32(h) & 0x3ff
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
	default: // zero and subnormals: frac * 2^-24
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
}

// float8 widens an 8-bit float with the given number of exponent bits. The
// E5M2 kind has infinities, as IEEE; the E4M3FN kind has NaN only, at all ones.
func float8(b byte, expBits uint, inf bool) float32 {
	fracBits := 7 - expBits
	sign := float32(1)
	if b&0x80 != 0 {
		sign = -1
	}
	exp := int(b>>fracBits) & (1<<expBits - 1)
	frac := int(b) & (1<<fracBits - 1)
	bias := 1<<(expBits-1) - 1
	top := 1<<expBits - 1
	if inf && exp == top {
		if frac == 0 {
			return sign * float32(math.Inf(1))
		}
		return float32(math.NaN())
	}
	if !inf && b&0x7f == 0x7f {
		return float32(math.NaN())
	}
	if exp == 0 {
		return sign * float32(math.Ldexp(float64(frac), 1-bias-int(fracBits)))
	}
	return sign * float32(math.Ldexp(float64(frac+1<<fracBits), exp-bias-int(fracBits)))
}

// Transpose is a copy of t with its axes in the given order: axis i of the
// result is axis perm[i] of t.
func (t *Tensor) Transpose(perm ...int) (*Tensor, error) {
	rank := len(t.Shape)
	seen := make([]bool, rank)
	if len(perm) != rank {
		return nil, fmt.Errorf("tensor %q: permutation %v of %d axes", t.Name, perm, rank)
	}
	for _, p := range perm {
		if p < 0 || p >= rank || seen[p] {
			return nil, fmt.Errorf("tensor %q: bad permutation %v", t.Name, perm)
		}
		seen[p] = true
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	size := t.DType.Size()
	inStride := make([]int, rank)
	stride := size
	for i := rank - 1; i >= 0; i-- {
		inStride[i] = stride
		stride *= t.Shape[i]
	}
	shape := make(Shape, rank)
	step := make([]int, rank)
	for i, p := range perm {
		shape[i], step[i] = t.Shape[p], inStride[p]
	}
	out := make([]byte, len(t.Data))
	index := make([]int, rank)
	src := 0
	for dst := 0; dst < len(out); dst += size {
		copy(out[dst:dst+size], t.Data[src:src+size])
		for i := rank - 1; i >= 0; i-- {
			index[i]++
			src += step[i]
			if index[i] < shape[i] {
				break
			}
			src -= step[i] * shape[i]
			index[i] = 0
		}
	}
	return &Tensor{Name: t.Name, DType: t.DType, Shape: shape, Data: out}, nil
}

// Reshape is t with another shape of the same number of elements, sharing data.
func (t *Tensor) Reshape(shape Shape) (*Tensor, error) {
	n, err := shape.Elems()
	if err != nil || n != t.Len() {
		return nil, fmt.Errorf("tensor %q: cannot view %v as %v", t.Name, t.Shape, shape)
	}
	return &Tensor{Name: t.Name, DType: t.DType, Shape: shape.Clone(), Data: t.Data}, nil
}
