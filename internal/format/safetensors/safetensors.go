// Package safetensors reads and writes the safetensors format: an 8-byte
// header length, a JSON header, and the tensors' bytes one after another.
//
// Reading is strict. The header has to describe the data completely: no byte
// is shared between tensors, none is left over, and no name occurs twice. All
// sizes are checked against the limits and the file before memory is taken.
//
// Format: https://github.com/huggingface/safetensors (README, "Format").
package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Limits bound what Read and Parse accept. A field of zero or less means its
// default.
type Limits struct {
	MaxHeaderBytes int64 // JSON header; default 16 MiB: a hundred times what networks need
	MaxDataBytes   int64 // all tensors together; default 2 GiB
	MaxTensors     int   // and entries of metadata; default 65536
	MaxRank        int   // default 16
	MaxNameBytes   int   // length of a tensor's name; default 1024
}

func (l *Limits) withDefaults() Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	def64 := func(p *int64, v int64) {
		if *p <= 0 {
			*p = v
		}
	}
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def64(&out.MaxHeaderBytes, 16<<20)
	def64(&out.MaxDataBytes, 2<<30)
	def(&out.MaxTensors, 65536)
	def(&out.MaxRank, 16)
	def(&out.MaxNameBytes, 1024)
	return out
}

// File is a decoded file. The tensors are in the order of their bytes and
// share one buffer.
type File struct {
	Tensors  []*tensor.Tensor
	Metadata map[string]string // nil when the file has none
}

// Info describes one tensor of a header: its bytes are [Begin, End) counted
// from the end of the header.
type Info struct {
	Name       string
	DType      tensor.DType
	Shape      tensor.Shape
	Begin, End int64
}

// Header is a decoded and checked header.
type Header struct {
	Tensors    []Info // by Begin, then End
	Metadata   map[string]string
	DataOffset int64 // where the tensors' bytes begin in the file
}

// ReadHeader reads and checks the header of a file of the given size without
// touching the tensors' bytes.
func ReadHeader(r io.ReaderAt, size int64, lim *Limits) (*Header, error) {
	l := lim.withDefaults()
	if size < 8 {
		return nil, fmt.Errorf("safetensors: %d bytes are too few for a header length", size)
	}
	var b [8]byte
	if err := readFull(r, b[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > uint64(size-8) {
		return nil, fmt.Errorf("safetensors: header of %d bytes in a file of %d: truncated, or not safetensors", n, size)
	}
	if n > uint64(l.MaxHeaderBytes) || n > math.MaxInt {
		return nil, fmt.Errorf("safetensors: header of %d bytes is over the limit of %d", n, l.MaxHeaderBytes)
	}
	if err := checkReadable(r, size); err != nil {
		return nil, err
	}
	raw := make([]byte, n)
	if err := readFull(r, raw, 8); err != nil {
		return nil, err
	}
	return parseHeader(raw, size-8-int64(n), &l)
}

// Read reads a whole file of the given size.
func Read(r io.ReaderAt, size int64, lim *Limits) (*File, error) {
	h, err := ReadHeader(r, size, lim)
	if err != nil {
		return nil, err
	}
	n := size - h.DataOffset
	if n > math.MaxInt {
		return nil, fmt.Errorf("safetensors: %d bytes of tensors do not fit this machine's memory", n)
	}
	data := make([]byte, n)
	if err := readFull(r, data, h.DataOffset); err != nil {
		return nil, err
	}
	return h.file(data)
}

// Parse decodes a file held in memory. The tensors alias b.
func Parse(b []byte, lim *Limits) (*File, error) {
	h, err := ReadHeader(bytesAt(b), int64(len(b)), lim)
	if err != nil {
		return nil, err
	}
	return h.file(b[h.DataOffset:])
}

func (h *Header) file(data []byte) (*File, error) {
	f := &File{Metadata: h.Metadata, Tensors: make([]*tensor.Tensor, len(h.Tensors))}
	for i, in := range h.Tensors {
		t, err := tensor.New(in.Name, in.DType, in.Shape, data[in.Begin:in.End:in.End])
		if err != nil {
			return nil, fmt.Errorf("safetensors: %w", err)
		}
		f.Tensors[i] = t
	}
	return f, nil
}

type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// checkReadable reads the last byte: a size that promises more than the file
// holds is found before buffers of that size are made.
func checkReadable(r io.ReaderAt, size int64) error {
	var one [1]byte
	return readFull(r, one[:], size-1)
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("safetensors: reading %d bytes at offset %d: %w", len(b), off, err)
}
