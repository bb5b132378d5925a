package tensor

import (
	"fmt"
	"math"
)

// Check reports whether the data has exactly the length that the type and
// the shape ask for. Tensors from New always pass.
func (t *Tensor) Check() error {
	n, err := t.Shape.Elems()
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	size := t.DType.Size()
	if size == 0 || n > math.MaxInt/size || n*size != len(t.Data) {
		return fmt.Errorf("tensor %q: %v %v does not match its %d bytes", t.Name, t.DType, t.Shape, len(t.Data))
	}
	return nil
}

// ToFloat32 is t converted to float32. A float32 tensor is returned as it is,
// so the result may share t's data.
func (t *Tensor) ToFloat32() (*Tensor, error) {
	if t.DType == F32 {
		return t, t.Check()
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	return FromFloat32(t.Name, t.Shape, v), nil
}

// Rows is the part [lo, hi) of the outermost axis, sharing t's data. Dropping
// the background class of a 1001-row classifier is Rows(1, 1001).
func (t *Tensor) Rows(lo, hi int) (*Tensor, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if len(t.Shape) == 0 || lo < 0 || hi < lo || hi > t.Shape[0] {
		return nil, fmt.Errorf("tensor %q: rows %d to %d of shape %v", t.Name, lo, hi, t.Shape)
	}
	shape := t.Shape.Clone()
	shape[0] = hi - lo
	row := 0
	if t.Shape[0] > 0 {
		row = len(t.Data) / t.Shape[0]
	}
	return &Tensor{Name: t.Name, DType: t.DType, Shape: shape, Data: t.Data[lo*row : hi*row : hi*row]}, nil
}
