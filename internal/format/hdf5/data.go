package hdf5

import (
	"errors"
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// dataset reads all about a dataset but its values.
func (f *File) dataset(msgs []message, path string) (*Dataset, error) {
	d := &Dataset{Path: path, f: f}
	var err error
	if d.Attrs, err = f.attrs(msgs, path); err != nil {
		return nil, err
	}
	var typed, null bool
	for _, m := range msgs {
		c := m.body
		switch m.kind {
		case msgSpace:
			if d.Shape, null, err = f.readSpace(&c); err != nil {
				return nil, err
			}
		case msgType:
			if d.typ, err = readType(&c, 0); err != nil {
				return nil, err
			}
			typed = true
		case msgLayout:
			d.layout = c
		case msgFilters:
			if d.filters, err = readFilters(&c); err != nil {
				return nil, err
			}
		case msgOldFill:
			if d.fill == nil {
				d.fill = c.bytes(c.size(4))
			}
		case msgFill:
			if d.fill, err = readFill(&c); err != nil {
				return nil, err
			}
		case msgExternal:
			d.unread = fmt.Errorf("offset %d: values in other files are not supported", c.at)
		}
	}
	if !typed || d.Shape == nil {
		return nil, errors.New("a dataset without type or shape")
	}
	d.DType, d.Type = d.typ.dtype, d.typ.name
	if null {
		d.DType, d.Type = tensor.Invalid, "nothing"
	}
	if _, err := d.Shape.Elems(); err != nil {
		return nil, err
	}
	return d, nil
}

// readFill reads the value of elements that were never written; nil is zero.
func readFill(c *cursor) ([]byte, error) {
	at := c.offset()
	version := c.u8()
	defined := true
	switch version {
	case 1, 2:
		c.skip(2)
		defined = c.u8() != 0 || version == 1
	case 3:
		defined = c.u8()&0x20 != 0
	default:
		return nil, fmt.Errorf("offset %d: fill value version %d is not supported", at, version)
	}
	if !defined {
		return nil, nil
	}
	b := c.bytes(c.size(4))
	return b, c.err("fill value")
}

// take counts the bytes of values against the limits before they are made.
func (f *File) take(n int64) error {
	if n > f.data {
		return fmt.Errorf("%d bytes of values, of which %d are left for a file of this size", n, f.data)
	}
	f.data -= n
	return nil
}

// bytesOf is the size of the values of a shape.
func (d *Dataset) bytesOf(shape tensor.Shape) (int64, error) {
	n, err := shape.Elems()
	if err != nil {
		return 0, err
	}
	if int64(n) > d.f.data/int64(d.typ.size) {
		return 0, fmt.Errorf("%v values of %d bytes, of which %d bytes are left for a file of this size", shape, d.typ.size, d.f.data)
	}
	return int64(n) * int64(d.typ.size), nil
}

// filled makes the bytes of a dataset that is written into.
func (d *Dataset) filled(n int64) []byte {
	out := make([]byte, n)
	if len(d.fill) == d.typ.size {
		zero := true
		for _, x := range d.fill {
			zero = zero && x == 0
		}
		if !zero {
			for i := 0; i < len(out); i += len(d.fill) {
				copy(out[i:], d.fill)
			}
		}
	}
	return out
}

// Classes of layouts.
const (
	compact    = 0
	contiguous = 1
	chunked    = 2
)

// values reads the values as the file stores them.
func (d *Dataset) values() ([]byte, error) {
	if d.unread != nil {
		return nil, d.unread
	}
	f, c := d.f, d.layout
	n, err := d.bytesOf(d.Shape)
	if err != nil {
		return nil, err
	}
	version := c.u8()
	var class, rank int
	switch version {
	case 1, 2:
		rank, class = c.u8(), c.u8()
		c.skip(5)
		return d.oldValues(&c, class, rank, n)
	case 3, 4:
		class = c.u8()
	default:
		return nil, fmt.Errorf("offset %d: layout version %d is not supported", c.at, version)
	}
	switch class {
	case compact:
		b := c.sub(c.size(2))
		if err := c.err("compact values"); err != nil {
			return nil, err
		}
		return d.compact(b, n)
	case contiguous:
		at, size := f.addr(&c), f.length(&c)
		if err := c.err("layout"); err != nil {
			return nil, err
		}
		if at != undefined && size < uint64(n) {
			return nil, fmt.Errorf("offset %d: %d bytes of storage for %d bytes of values", c.at, size, n)
		}
		return d.contiguous(at, n)
	case chunked:
		if version == 3 {
			rank = c.u8()
			at := f.addr(&c)
			return d.chunks(&c, rank, 4, index{kind: indexTree, at: at}, n)
		}
		return d.newChunks(&c, n)
	}
	return nil, fmt.Errorf("offset %d: storage of class %d (virtual or unknown) is not supported", c.at, class)
}

// oldValues reads by the layout messages of versions 1 and 2.
func (d *Dataset) oldValues(c *cursor, class, rank int, n int64) ([]byte, error) {
	at := uint64(undefined)
	if class != compact {
		at = d.f.addr(c)
	}
	switch class {
	case compact:
		c.skip(4 * rank)
		b := c.sub(c.size(4))
		if err := c.err("compact values"); err != nil {
			return nil, err
		}
		return d.compact(b, n)
	case contiguous:
		return d.contiguous(at, n)
	case chunked:
		return d.chunks(c, rank, 4, index{kind: indexTree, at: at}, n)
	}
	return nil, fmt.Errorf("offset %d: storage of class %d is not supported", c.at, class)
}

func (d *Dataset) compact(c cursor, n int64) ([]byte, error) {
	if int64(len(c.b)) < n {
		return nil, fmt.Errorf("offset %d: %d bytes of storage for %d bytes of values", c.at, len(c.b), n)
	}
	if err := d.f.take(n); err != nil {
		return nil, err
	}
	return append([]byte(nil), c.b[:n]...), nil
}

func (d *Dataset) contiguous(at uint64, n int64) ([]byte, error) {
	if len(d.filters) > 0 {
		return nil, errors.New("filters on values that are not in chunks")
	}
	if at == undefined || n == 0 { // never written
		if err := d.f.take(n); err != nil {
			return nil, err
		}
		return d.filled(n), nil
	}
	if err := d.f.inside(at, uint64(n), "values"); err != nil {
		return nil, err
	}
	if err := d.f.take(n); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	return b, d.f.readAt(b, at)
}
