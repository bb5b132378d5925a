package hdf5

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// datatype is the type of a value as the file stores it.
type datatype struct {
	class    int
	size     int // bytes of a value
	big      bool
	dtype    tensor.DType // of numbers
	text     bool         // fixed string
	vtext    bool         // variable-length string, in a global heap
	spacePad bool
	name     string // for messages
}

func (t *datatype) isString() bool { return t.text || t.vtext }

// Classes of types.
const (
	classFixed = 0
	classFloat = 1
	classText  = 3
	classEnum  = 8
	classVlen  = 9
)

var classNames = [...]string{"integer", "float", "time", "string", "bit field", "opaque", "compound", "reference", "enumeration", "variable length", "array"}

// readType reads a type message. A type that is not supported is no error: its
// dtype is Invalid and its name says what it is.
func readType(c *cursor, depth int) (datatype, error) {
	at := c.offset()
	head := c.u8()
	flags := c.uint(3)
	t := datatype{class: head & 15, size: c.size(4)}
	version := head >> 4
	if err := c.err("type"); err != nil {
		return t, err
	}
	if version < 1 || version > 4 || t.class >= len(classNames) {
		return t, fmt.Errorf("offset %d: type class %d version %d is not supported", at, t.class, version)
	}
	if t.size <= 0 || t.size > 1<<30 {
		return t, fmt.Errorf("offset %d: a type of %d bytes", at, t.size)
	}
	t.name = classNames[t.class]
	switch t.class {
	case classFixed:
		t.big = flags&1 != 0
		offset, bits := c.u16(), c.u16()
		signed := flags&8 != 0
		t.name = fmt.Sprintf("integer of %d bits in %d bytes", bits, t.size)
		if offset == 0 && bits == 8*t.size {
			unsigned := map[int]tensor.DType{1: tensor.U8, 2: tensor.U16, 4: tensor.U32, 8: tensor.U64}
			plain := map[int]tensor.DType{1: tensor.I8, 2: tensor.I16, 4: tensor.I32, 8: tensor.I64}
			if t.dtype = unsigned[t.size]; signed {
				t.dtype = plain[t.size]
			}
		}
	case classFloat:
		t.big = flags&1 != 0
		offset, bits := c.u16(), c.u16()
		expAt, expBits, fracAt, fracBits := c.u8(), c.u8(), c.u8(), c.u8()
		bias := c.uint(4)
		vax := flags&0x40 != 0
		implied := flags>>4&3 == 2
		sign := int(flags >> 8 & 255)
		t.name = fmt.Sprintf("float of %d bits", bits)
		if c.err("type") == nil && offset == 0 && bits == 8*t.size && !vax && implied && sign == bits-1 && fracAt == 0 && expAt == fracBits && expBits+fracBits == bits-1 {
			switch [3]int{bits, expBits, clampInt(bias)} {
			case [3]int{16, 5, 15}:
				t.dtype = tensor.F16
			case [3]int{16, 8, 127}:
				t.dtype = tensor.BF16
			case [3]int{32, 8, 127}:
				t.dtype = tensor.F32
			case [3]int{64, 11, 1023}:
				t.dtype = tensor.F64
			}
		}
	case classText:
		t.text, t.spacePad = true, flags&15 == 2
		t.name = fmt.Sprintf("string of %d bytes", t.size)
	case classEnum:
		// An enumeration, as h5py's booleans, is read as its numbers.
		if depth >= 4 {
			return t, fmt.Errorf("offset %d: types nested more than 4 deep", at)
		}
		inner, err := readType(c, depth+1)
		if err != nil {
			return t, err
		}
		if inner.class == classFixed && inner.size == t.size {
			t.dtype, t.big = inner.dtype, inner.big
		}
	case classVlen:
		t.vtext = flags&15 == 1
		if t.vtext {
			t.name = "variable-length string"
		}
	}
	if t.dtype != tensor.Invalid {
		t.name = t.dtype.String()
	}
	return t, c.err("type")
}

// toLittle changes values to little-endian order in place.
func (t *datatype) toLittle(b []byte) {
	if !t.big || t.size < 2 {
		return
	}
	for ; len(b) >= t.size; b = b[t.size:] {
		slices.Reverse(b[:t.size])
	}
}

// readSpace reads a dataspace message: the shape, nil for the null space,
// which has no value at all.
func (f *File) readSpace(c *cursor) (shape tensor.Shape, null bool, err error) {
	at := c.offset()
	version, rank := c.u8(), c.u8()
	flags := c.u8()
	switch version {
	case 1:
		c.skip(5)
	case 2:
		null = c.u8() == 2
	default:
		return nil, false, fmt.Errorf("offset %d: dataspace version %d is not supported", at, version)
	}
	if rank > f.lim.MaxRank {
		return nil, false, fmt.Errorf("offset %d: %d dimensions, over the limit of %d", at, rank, f.lim.MaxRank)
	}
	shape = make(tensor.Shape, 0, rank)
	for range rank {
		n := f.length(c)
		if n > 1<<31-1 {
			return nil, false, fmt.Errorf("offset %d: a dimension of %d", at, n)
		}
		shape = append(shape, int(n))
	}
	_ = flags // maximum sizes and a permutation may follow; neither changes what is stored
	return shape, null, c.err("dataspace")
}

// strings takes values of a string type apart.
func (f *File) strings(t *datatype, b []byte) ([]string, error) {
	out := make([]string, 0, len(b)/t.size)
	for ; len(b) >= t.size; b = b[t.size:] {
		v := b[:t.size]
		if t.vtext {
			c := cursor{b: v}
			n := c.size(4)
			heap := f.addr(&c)
			index := c.uint(4)
			if c.fail {
				return nil, fmt.Errorf("a variable-length string of %d bytes", t.size)
			}
			if n == 0 {
				out = append(out, "")
				continue
			}
			obj, err := f.heapObject(heap, index)
			if err != nil {
				return nil, err
			}
			if n > len(obj) {
				return nil, fmt.Errorf("offset %d: a string of %d bytes in a heap object of %d", heap, n, len(obj))
			}
			v = obj[:n]
		}
		if err := f.charge(uint64(len(v))+16, "strings"); err != nil {
			return nil, err
		}
		s := string(v)
		if i := strings.IndexByte(s, 0); i >= 0 {
			s = s[:i]
		}
		if t.spacePad {
			s = strings.TrimRight(s, " ")
		}
		out = append(out, s)
	}
	return out, nil
}

// heapObject is an object of a global heap.
func (f *File) heapObject(at, index uint64) ([]byte, error) {
	objects, ok := f.heaps[at]
	if !ok {
		var err error
		if objects, err = f.globalHeap(at); err != nil {
			return nil, err
		}
		f.heaps[at] = objects
	}
	if index > 65535 || objects[uint16(index)] == nil {
		return nil, fmt.Errorf("offset %d: the heap has no object %d", at, index)
	}
	return objects[uint16(index)], nil
}

func (f *File) globalHeap(at uint64) (map[uint16][]byte, error) {
	head, err := f.block(at, uint64(8+f.lenBytes), "global heap")
	if err != nil {
		return nil, err
	}
	if err := head.signature("GCOL"); err != nil {
		return nil, err
	}
	if v := head.u8(); v != 1 {
		return nil, fmt.Errorf("offset %d: global heap version %d is not supported", at, v)
	}
	head.skip(3)
	size := f.length(&head)
	c, err := f.block(at, size, "global heap")
	if err != nil {
		return nil, err
	}
	c.skip(8 + f.lenBytes)
	out := map[uint16][]byte{}
	for c.left() >= 8+f.lenBytes {
		index := uint16(c.uint(2))
		c.skip(6)
		n := f.length(&c)
		if index == 0 {
			break // the rest is free
		}
		if n > uint64(c.left()) {
			return nil, fmt.Errorf("offset %d: heap object %d of %d bytes does not fit", c.offset(), index, n)
		}
		if err := f.charge(64, "global heap"); err != nil {
			return nil, err
		}
		out[index] = c.bytes(int(n))
		c.align8()
	}
	return out, nil
}
