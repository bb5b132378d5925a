package tfckpt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// unsnappy expands a block of the Snappy format, as some builds of TensorFlow
// write it: the length, then literals and copies of what came before. Source:
// format_description.txt of Snappy.
func unsnappy(b []byte) ([]byte, error) {
	size, n := binary.Uvarint(b)
	// A copy makes at most 64 bytes of 2.
	if n <= 0 || size > 32*uint64(len(b)) {
		return nil, fmt.Errorf("Snappy: %d bytes said to expand to %d", len(b), size)
	}
	b = b[n:]
	out := make([]byte, 0, size)
	cut := errors.New("Snappy: the data is cut off")
	for len(b) > 0 {
		tag := int(b[0])
		b = b[1:]
		count, extra := tag>>2+1, 0
		switch kind := tag & 3; kind {
		case 0:
			if count > 60 {
				extra = count - 60
			}
		case 1:
			extra = 1
		case 2:
			extra = 2
		case 3:
			extra = 4
		}
		if extra > len(b) {
			return nil, cut
		}
		v := uint64(0)
		for i, x := range b[:extra] {
			v |= uint64(x) << (8 * i)
		}
		b = b[extra:]
		if tag&3 == 0 {
			if extra > 0 {
				v++
			} else {
				v = uint64(count)
			}
			if v > uint64(len(b)) || v > size-uint64(len(out)) {
				return nil, cut
			}
			out, b = append(out, b[:v]...), b[v:]
			continue
		}
		if tag&3 == 1 {
			count = tag>>2&7 + 4
			v |= uint64(tag>>5) << 8
		}
		if v == 0 || v > uint64(len(out)) || uint64(count) > size-uint64(len(out)) {
			return nil, fmt.Errorf("Snappy: a copy of %d bytes from %d before position %d of %d", count, v, len(out), size)
		}
		for range count { // the copy may overlap what it makes
			out = append(out, out[len(out)-int(v)])
		}
	}
	if uint64(len(out)) != size {
		return nil, cut
	}
	return out, nil
}
