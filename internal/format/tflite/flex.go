package tflite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// FlexBuffers are FlatBuffers without a schema: every value carries its type.
// Custom operators keep their options in one, a map from names to numbers.

// The types of FlexBuffers that are read, by their numbers in the format.
const (
	flexInt           = 1
	flexUint          = 2
	flexFloat         = 3
	flexIndirectInt   = 6
	flexIndirectUint  = 7
	flexIndirectFloat = 8
	flexMap           = 9
	flexBool          = 26
)

// maxFlexKeys and maxFlexKey bound the entries of a map and the bytes of a key.
const (
	maxFlexKeys = 256
	maxFlexKey  = 64
)

// FlexNumbers reads the numbers of a map, true as 1. Values of other types are
// left out. Offsets in errors are those within data.
func FlexNumbers(data []byte) (map[string]float64, error) {
	f := &flex{b: data}
	if len(data) < 3 {
		return nil, f.fail(0, "%d bytes are no FlexBuffer", len(data))
	}
	width, packed := int(data[len(data)-1]), data[len(data)-2]
	root := len(data) - 2 - width
	if packed>>2 != flexMap {
		return nil, f.fail(len(data)-2, "the root is of type %d, not a map", packed>>2)
	}
	at, err := f.follow(root, width)
	if err != nil {
		return nil, err
	}
	return f.numbers(at, 1<<(packed&3))
}

type flex struct{ b []byte }

func (f *flex) fail(off int, format string, args ...any) error {
	return fmt.Errorf("%w: options, offset %d: %s", ErrMalformed, off, fmt.Sprintf(format, args...))
}

// bits reads a number of width bytes.
func (f *flex) bits(off, width int) (uint64, error) {
	switch width {
	case 1, 2, 4, 8:
	default:
		return 0, f.fail(off, "a number of %d bytes", width)
	}
	if off < 0 || off > len(f.b)-width {
		return 0, f.fail(off, "%d bytes are needed past the end of %d", width, len(f.b))
	}
	var v [8]byte
	copy(v[:], f.b[off:off+width])
	return binary.LittleEndian.Uint64(v[:]), nil
}

// follow is the position that the offset at off points back to.
func (f *flex) follow(off, width int) (int, error) {
	back, err := f.bits(off, width)
	if err != nil {
		return 0, err
	}
	if back == 0 || back > uint64(off) {
		return 0, f.fail(off, "an offset of %d leaves the buffer", back)
	}
	return off - int(back), nil
}

// number reads a value of a type.
func (f *flex) number(off, width int, kind byte) (float64, error) {
	v, err := f.bits(off, width)
	if err != nil {
		return 0, err
	}
	switch kind {
	case flexInt, flexIndirectInt:
		shift := 64 - 8*width
		return float64(int64(v<<shift) >> shift), nil
	case flexFloat, flexIndirectFloat:
		switch width {
		case 4:
			return float64(math.Float32frombits(uint32(v))), nil
		case 8:
			return math.Float64frombits(v), nil
		}
		return 0, f.fail(off, "a real number of %d bytes", width)
	}
	return float64(v), nil
}

// numbers reads the map whose values begin at a position, each of width bytes.
// Before them stand the offset of the keys, the width of their offsets, and
// the number of entries; after them the types.
func (f *flex) numbers(at, width int) (map[string]float64, error) {
	count, err := f.bits(at-width, width)
	if err != nil {
		return nil, err
	}
	if count > maxFlexKeys {
		return nil, f.fail(at-width, "%d entries, the limit is %d", count, maxFlexKeys)
	}
	n := int(count)
	keyWidth, err := f.bits(at-2*width, width)
	if err != nil {
		return nil, err
	}
	keys, err := f.follow(at-3*width, width)
	if err != nil {
		return nil, err
	}
	if keyWidth > 8 {
		return nil, f.fail(at-2*width, "offsets of %d bytes", keyWidth)
	}
	types := at + n*width
	if types+n > len(f.b) {
		return nil, f.fail(types, "%d types are needed past the end of %d", n, len(f.b))
	}
	out := make(map[string]float64, n)
	for i := range n {
		key, err := f.key(keys+i*int(keyWidth), int(keyWidth))
		if err != nil {
			return nil, err
		}
		packed, off, size := f.b[types+i], at+i*width, width
		kind := packed >> 2
		switch kind {
		case flexInt, flexUint, flexFloat, flexBool:
		case flexIndirectInt, flexIndirectUint, flexIndirectFloat:
			if off, err = f.follow(off, width); err != nil {
				return nil, err
			}
			size = 1 << (packed & 3)
		default:
			continue
		}
		if out[key], err = f.number(off, size, kind); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// key reads the name that an offset points to.
func (f *flex) key(off, width int) (string, error) {
	at, err := f.follow(off, width)
	if err != nil {
		return "", err
	}
	text := f.b[at:min(len(f.b), at+maxFlexKey+1)]
	end := bytes.IndexByte(text, 0)
	if end < 0 {
		return "", f.fail(at, "a key of more than %d bytes", maxFlexKey)
	}
	return string(text[:end]), nil
}
