package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32ToHalf rounds a value to IEEE 754 binary16, to the nearest, ties to
// the even one. Values from 65520 on become infinite.
func Float32ToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	e, m := int(b>>23&0xff)-127+15, b&0x7fffff
	switch {
	case b&0x7fffffff > 0x7f800000:
		return sign | 0x7e00 | uint16(m>>13)
	case e >= 31:
		return sign | 0x7c00
	case e < -10:
		return sign
	}
	shift := uint(13)
	if e <= 0 {
		// Subnormal: the leading one is written out.
		m |= 1 << 23
		shift += uint(1 - e)
		e = 0
	}
	half := uint32(e)<<10 + m>>shift
	rest, tie := m&(1<<shift-1), uint32(1)<<(shift-1)
	if rest > tie || rest == tie && half&1 == 1 {
		half++ // may carry into the exponent, which is right
	}
	return sign | uint16(half)
}

// FromFloat32As makes a tensor of the given float type, F32, F16 or BF16,
// rounding to the nearest. It fails where a finite value has no finite
// neighbour in the type.
func FromFloat32As(name string, dt DType, shape Shape, values []float32) (*Tensor, error) {
	var round func(float32) uint16
	switch dt {
	case F32:
		return FromFloat32(name, shape, values), nil
	case F16:
		round = Float32ToHalf
	case BF16:
		round = func(f float32) uint16 {
			b := math.Float32bits(f)
			if f != f {
				return uint16(b>>16) | 0x40
			}
			return uint16((b + 0x7fff + b>>16&1) >> 16)
		}
	default:
		return nil, fmt.Errorf("tensor %q: cannot be written as %v: use float32, float16 or bfloat16", name, dt)
	}
	infinite := uint16(0x7c00)
	if dt == BF16 {
		infinite = 0x7f80
	}
	data := make([]byte, 2*len(values))
	for i, v := range values {
		h := round(v)
		if h&0x7fff == infinite && !math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("tensor %q: element %d, %g, is too large for %v", name, i, v, dt)
		}
		binary.LittleEndian.PutUint16(data[2*i:], h)
	}
	return &Tensor{Name: name, DType: dt, Shape: shape.Clone(), Data: data}, nil
}
