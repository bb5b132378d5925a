// Package npy reads NumPy's .npy files and .npz archives and writes .npy.
//
// Format: numpy/lib/format.py of NumPy ("NPY format", versions 1 to 3).
package npy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/zipfile"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// Limits bound what is read. A field of zero or less means its default.
type Limits struct {
	MaxBytes   int64 // data of all arrays together; default 2 GiB
	MaxArrays  int   // of an archive; default 65536
	MaxRank    int   // default 32, as NumPy
	MaxEntries int   // of an archive; default 65536
	MaxRatio   int64 // expanded bytes a byte of an archive; default 8, beyond 64 MiB
}

func (l *Limits) withDefaults() Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	if out.MaxBytes <= 0 {
		out.MaxBytes = 2 << 30
	}
	if out.MaxArrays <= 0 {
		out.MaxArrays = 65536
	}
	if out.MaxRank <= 0 {
		out.MaxRank = 32
	}
	if out.MaxEntries <= 0 {
		out.MaxEntries = 65536
	}
	return out
}

const (
	magic          = "\x93NUMPY"
	maxHeaderBytes = 64 << 10
)

// Read reads one array from a file of the given size. The tensor has no name
// and is in row-major order, little-endian, whatever the file's order is.
func Read(r io.ReaderAt, size int64, lim *Limits) (*tensor.Tensor, error) {
	l := lim.withDefaults()
	h, err := readHeader(r, size, &l)
	if err != nil {
		return nil, err
	}
	data := make([]byte, h.bytes)
	if err := readFull(r, data, h.offset); err != nil {
		return nil, err
	}
	return h.tensor(data)
}

// Parse decodes an array held in memory. The result may alias b.
func Parse(b []byte, lim *Limits) (*tensor.Tensor, error) {
	l := lim.withDefaults()
	h, err := readHeader(bytes.NewReader(b), int64(len(b)), &l)
	if err != nil {
		return nil, err
	}
	if h.swap {
		b = slices.Clone(b)
	}
	return h.tensor(b[h.offset : h.offset+h.bytes : h.offset+h.bytes])
}

// ReadArchive reads every array of an .npz file, in the file's order. A
// tensor's name is its entry's without ".npy"; other entries are refused.
func ReadArchive(r io.ReaderAt, size int64, lim *Limits) ([]*tensor.Tensor, error) {
	l := lim.withDefaults()
	a, err := zipfile.Open(r, size, &zipfile.Limits{
		MaxEntries: l.MaxEntries, MaxEntryBytes: l.MaxBytes, MaxTotalBytes: l.MaxBytes, MaxRatio: l.MaxRatio,
	})
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	if len(a.Files) > l.MaxArrays {
		return nil, fmt.Errorf("npz: %d arrays, over the limit of %d", len(a.Files), l.MaxArrays)
	}
	var out []*tensor.Tensor
	for _, f := range a.Files {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("npz: entry %q is not an array", f.Name)
		}
		b, err := a.Read(f)
		if err != nil {
			return nil, fmt.Errorf("npz: %w", err)
		}
		t, err := Parse(b, &l)
		if err != nil {
			return nil, fmt.Errorf("npz: array %q: %w", name, err)
		}
		t.Name = name
		out = append(out, t)
	}
	return out, nil
}

type header struct {
	dtype   tensor.DType
	shape   tensor.Shape
	fortran bool
	swap    bool // big-endian
	offset  int64
	bytes   int64
}

func readHeader(r io.ReaderAt, size int64, l *Limits) (*header, error) {
	var b [12]byte
	if size < int64(len(b)) {
		return nil, fmt.Errorf("npy: %d bytes are too few for a header", size)
	}
	if err := readFull(r, b[:], 0); err != nil {
		return nil, err
	}
	if string(b[:6]) != magic {
		return nil, fmt.Errorf("npy: file begins with %q, not with the magic string", b[:6])
	}
	n, at := int64(binary.LittleEndian.Uint16(b[8:])), int64(10)
	switch b[6] {
	case 1:
	case 2, 3:
		n, at = int64(binary.LittleEndian.Uint32(b[8:])), 12
	default:
		return nil, fmt.Errorf("npy: version %d.%d is not supported", b[6], b[7])
	}
	if n > maxHeaderBytes {
		return nil, fmt.Errorf("npy: header of %d bytes is over the limit of %d", n, maxHeaderBytes)
	}
	if n > size-at {
		return nil, fmt.Errorf("npy: header of %d bytes in a file of %d: truncated", n, size)
	}
	raw := make([]byte, n)
	if err := readFull(r, raw, at); err != nil {
		return nil, err
	}
	h, err := parseHeader(string(raw), l.MaxRank)
	if err != nil {
		return nil, fmt.Errorf("npy: header: %w", err)
	}
	h.offset = at + n
	elems, err := h.shape.Elems()
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	if elems > math.MaxInt/h.dtype.Size() {
		return nil, fmt.Errorf("npy: shape %v of %v does not fit memory", h.shape, h.dtype)
	}
	h.bytes = int64(elems * h.dtype.Size())
	if h.bytes != size-h.offset {
		return nil, fmt.Errorf("npy: %v %v takes %d bytes, the file has %d", h.dtype, h.shape, h.bytes, size-h.offset)
	}
	if h.bytes > l.MaxBytes {
		return nil, fmt.Errorf("npy: %d bytes are over the limit of %d", h.bytes, l.MaxBytes)
	}
	return h, nil
}

// tensor takes ownership of data when the file is big-endian.
func (h *header) tensor(data []byte) (*tensor.Tensor, error) {
	if n := h.dtype.Size(); h.swap && n > 1 {
		for i := 0; i < len(data); i += n {
			slices.Reverse(data[i : i+n])
		}
	}
	shape := h.shape
	if h.fortran {
		shape = slices.Clone(shape)
		slices.Reverse(shape)
	}
	t, err := tensor.New("", h.dtype, shape, data)
	if err != nil || !h.fortran || len(shape) < 2 {
		return t, err
	}
	// Column-major data is the row-major data of the transposed array.
	perm := make([]int, len(shape))
	for i := range perm {
		perm[i] = len(shape) - 1 - i
	}
	return t.Transpose(perm...)
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("npy: reading %d bytes at offset %d: %w", len(b), off, err)
}
