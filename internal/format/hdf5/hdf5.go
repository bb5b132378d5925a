// Package hdf5 reads the part of the HDF5 file format that Keras and h5py
// write: groups, numeric and string datasets, and attributes.
//
// Read: superblocks 0 to 3; object headers 1 and 2; groups kept as symbol
// tables, as link messages and in fractal heaps; datasets stored compact,
// contiguous and in chunks (version 1 B-trees, single, implicit and fixed-array
// indexes); the filters deflate, shuffle and Fletcher-32; integers and floats of
// either byte order; fixed and variable-length strings. Compound, reference and
// other types are listed but their values are not read. Refused with a message:
// chunk indexes for growing datasets (extensible array, version 2 B-tree),
// virtual and external storage, other filters.
//
// Source: HDF5 File Format Specification, version 3.0.
package hdf5

import (
	"fmt"
	"io"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Limits bound what a file may ask for, checked before memory is taken. A
// field of zero or less means its default.
type Limits struct {
	MaxDataBytes int64 // values of all datasets that are loaded; default 2 GiB
	MaxObjects   int   // groups, datasets and attributes; default 262144
	MaxDepth     int   // groups inside groups; default 32
	MaxRank      int   // default 32, as HDF5
	// MaxRatio bounds the bytes of values made from a byte of the file, beyond
	// a first 32 MiB: compressed chunks and storage that was never written
	// claim more than the file holds. Default 8.
	MaxRatio int64
	// MaxMetaBytes bounds what is read besides the values of datasets: headers,
	// trees, heaps, attributes. Default 16 MiB and twice the file, at most 128 MiB.
	MaxMetaBytes int64
}

const freeBytes = 32 << 20 // of values, whatever the file's size

func (l *Limits) withDefaults(size int64) Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	if out.MaxDataBytes <= 0 {
		out.MaxDataBytes = 2 << 30
	}
	if out.MaxObjects <= 0 {
		out.MaxObjects = 262144
	}
	if out.MaxDepth <= 0 {
		out.MaxDepth = 32
	}
	if out.MaxRank <= 0 {
		out.MaxRank = 32
	}
	if out.MaxRatio <= 0 {
		out.MaxRatio = 8
	}
	if out.MaxMetaBytes <= 0 {
		out.MaxMetaBytes = 128 << 20
		if size < 56<<20 {
			out.MaxMetaBytes = 16<<20 + 2*size
		}
	}
	return out
}

// File is a file whose groups, datasets and attributes have been read. The
// values of datasets are read on demand, from the reader given to Read.
type File struct {
	Root *Group
	// Notes say what was left out of the tree and why, a line each.
	Notes []string

	r        io.ReaderAt
	size     int64
	base     uint64 // what addresses are relative to
	offBytes int    // of an address
	lenBytes int    // of a length
	lim      Limits
	meta     int64 // bytes of metadata that may still be read
	data     int64 // bytes of values that may still be read
	objects  int
	seen     map[uint64]bool // object headers
	heaps    map[uint64]map[uint16][]byte
}

// Group is a folder of objects, in the order of the file's links.
type Group struct {
	Path     string // "/" for the root
	Attrs    map[string]*Attr
	Groups   []*Group
	Datasets []*Dataset
}

// Dataset is an array, whose values are in the file still.
type Dataset struct {
	Path  string
	Attrs map[string]*Attr
	Shape tensor.Shape
	// DType is tensor.Invalid for values that are no numbers; Type describes
	// the type for messages, as "float32" or "string of 12 bytes".
	DType tensor.DType
	Type  string

	f       *File
	typ     datatype
	layout  cursor
	filters []filter
	fill    []byte
	unread  error // why values cannot be read
}

// Attr is a small named value. One of Strings and Tensor is set, or, where the
// type is not supported, neither. A scalar string is a list of one.
type Attr struct {
	Name    string
	Shape   tensor.Shape
	Strings []string
	Tensor  *tensor.Tensor
	Type    string
}

// Read reads the tree of a file of the given size. Errors name the object and
// the offset in the file.
func Read(r io.ReaderAt, size int64, lim *Limits) (*File, error) {
	f := &File{r: r, size: size, lim: lim.withDefaults(size), seen: map[uint64]bool{}, heaps: map[uint64]map[uint16][]byte{}}
	f.meta = f.lim.MaxMetaBytes
	f.data = f.lim.MaxDataBytes
	if size < f.data/f.lim.MaxRatio {
		f.data = min(f.data, freeBytes+size*f.lim.MaxRatio)
	}
	root, err := f.superblock()
	if err != nil {
		return nil, fmt.Errorf("hdf5: %w", err)
	}
	g, d, err := f.object(root, "/", 0)
	if err != nil {
		return nil, fmt.Errorf("hdf5: %w", err)
	}
	if g == nil || d != nil {
		return nil, fmt.Errorf("hdf5: the root object at offset %d is no group", root)
	}
	f.Root = g
	return f, nil
}

// Group finds a group by its path below g, as "model_weights/conv1"; nil when
// there is none.
func (g *Group) Group(path string) *Group {
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		var next *Group
		for _, c := range g.Groups {
			if base(c.Path) == part {
				next = c
				break
			}
		}
		if next == nil {
			return nil
		}
		g = next
	}
	return g
}

// Dataset finds a dataset by its path below g; nil when there is none.
func (g *Group) Dataset(path string) *Dataset {
	path = strings.Trim(path, "/")
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		if g = g.Group(path[:i]); g == nil {
			return nil
		}
		path = path[i+1:]
	}
	for _, d := range g.Datasets {
		if base(d.Path) == path {
			return d
		}
	}
	return nil
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// Walk visits all datasets below g, its own first.
func (g *Group) Walk(visit func(*Dataset) error) error {
	for _, d := range g.Datasets {
		if err := visit(d); err != nil {
			return err
		}
	}
	for _, c := range g.Groups {
		if err := c.Walk(visit); err != nil {
			return err
		}
	}
	return nil
}

// Tensors reads every numeric dataset of the file. A tensor's name is its path
// without the first slash; values are little-endian. Datasets of other types
// are left out and noted.
func (f *File) Tensors() ([]*tensor.Tensor, error) {
	var out []*tensor.Tensor
	err := f.Root.Walk(func(d *Dataset) error {
		if d.DType == tensor.Invalid {
			f.Notes = append(f.Notes, fmt.Sprintf("%s: values of type %s are not read", d.Path, d.Type))
			return nil
		}
		t, err := d.Tensor()
		if err != nil {
			return err
		}
		out = append(out, t)
		return nil
	})
	return out, err
}

// Tensor reads the values of a numeric dataset. They count against the file's
// limits each time.
func (d *Dataset) Tensor() (*tensor.Tensor, error) {
	if d.DType == tensor.Invalid {
		return nil, fmt.Errorf("hdf5: %s: values of type %s are no numbers that can be read", d.Path, d.Type)
	}
	b, err := d.values()
	if err != nil {
		return nil, fmt.Errorf("hdf5: %s: %w", d.Path, err)
	}
	d.typ.toLittle(b)
	t, err := tensor.New(strings.TrimPrefix(d.Path, "/"), d.DType, d.Shape, b)
	if err != nil {
		return nil, fmt.Errorf("hdf5: %s: %w", d.Path, err)
	}
	return t, nil
}

// Strings reads the values of a dataset of strings.
func (d *Dataset) Strings() ([]string, error) {
	if !d.typ.isString() {
		return nil, fmt.Errorf("hdf5: %s: values of type %s are no strings", d.Path, d.Type)
	}
	b, err := d.values()
	if err != nil {
		return nil, fmt.Errorf("hdf5: %s: %w", d.Path, err)
	}
	out, err := d.f.strings(&d.typ, b)
	if err != nil {
		return nil, fmt.Errorf("hdf5: %s: %w", d.Path, err)
	}
	return out, nil
}
