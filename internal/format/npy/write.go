package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Write writes a tensor as a version 1 file in C order. bfloat16 and the 8-bit
// floats, which NumPy does not have, are written as float32.
func Write(w io.Writer, t *tensor.Tensor) error {
	if err := t.Check(); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	if code(t.DType) == "" {
		wide, err := t.ToFloat32()
		if err != nil {
			return fmt.Errorf("npy: %w", err)
		}
		t = wide
	}
	order := "<"
	if t.DType.Size() == 1 {
		order = "|"
	}
	dims := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		dims[i] = strconv.Itoa(d)
	}
	shape := strings.Join(dims, ", ")
	if len(dims) == 1 {
		shape += ","
	}
	head := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }", order, code(t.DType), shape)
	// Spaces and a newline bring the data to a multiple of 64 bytes.
	const prefix, align = 10, 64
	pad := align - (prefix+len(head)+1)%align
	head += strings.Repeat(" ", pad%align) + "\n"
	if len(head) > 0xffff {
		return fmt.Errorf("npy: shape of %d axes is too long for a header", len(t.Shape))
	}
	buf := append([]byte(magic), 1, 0)
	buf = binary.LittleEndian.AppendUint16(buf, uint16(len(head)))
	buf = append(buf, head...)
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	if _, err := w.Write(t.Data); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

// WriteFloat32 writes values of the given shape.
func WriteFloat32(w io.Writer, shape tensor.Shape, values []float32) error {
	n, err := shape.Elems()
	if err != nil || n != len(values) {
		return fmt.Errorf("npy: %d values do not make %v", len(values), shape)
	}
	return Write(w, tensor.FromFloat32("", shape, values))
}
