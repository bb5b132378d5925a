package torchpt

import (
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// rebuildTensor is torch._utils._rebuild_tensor(storage, offset, size, stride)
// and its later versions, which only add arguments: version 2 requires_grad
// and hooks, version 3 the element type of an untyped storage after those.
func (m *machine) rebuildTensor(g Global, args Tuple) (*Tensor, error) {
	if len(args) < 4 {
		return nil, m.errorf("calls %s with %d arguments", g, len(args))
	}
	st, ok1 := args[0].(*Storage)
	offset, ok2 := args[1].(int64)
	size, ok3 := args[2].(Tuple)
	stride, ok4 := args[3].(Tuple)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, m.errorf("rebuilds a tensor from a %s, a %s, a %s and a %s", kind(args[0]), kind(args[1]), kind(args[2]), kind(args[3]))
	}
	if m.tensors++; m.tensors > m.opt.MaxTensors {
		return nil, m.errorf("rebuilds more than %d tensors, the limit", m.opt.MaxTensors)
	}
	t := &Tensor{Storage: st, DType: st.DType, Offset: offset}
	elems := st.Elems
	if g.Name == "_rebuild_tensor_v3" {
		var dt tensor.DType
		if len(args) >= 7 {
			if name, ok := args[6].(Global); ok {
				dt, _ = dtypeByName(name.Name)
			}
		}
		if dt == tensor.Invalid || st.DType.Size() != 1 {
			return nil, m.errorf("rebuilds a tensor of an element type that is not supported")
		}
		t.DType = dt
		elems /= int64(dt.Size())
	}
	if err := t.setView(size, stride, elems, m.opt.MaxRank); err != nil {
		return nil, m.errorf("rebuilds a tensor: %v", err)
	}
	return t, m.charge(1, costTensor)
}

// setView fills shape and strides after making sure that every element lies
// within the storage.
func (t *Tensor) setView(size, stride Tuple, elems int64, maxRank int) error {
	if len(size) != len(stride) {
		return fmt.Errorf("%d extents and %d strides", len(size), len(stride))
	}
	if len(size) > maxRank {
		return fmt.Errorf("%d axes, over the limit of %d", len(size), maxRank)
	}
	t.Shape = make(tensor.Shape, len(size))
	t.Strides = make([]int64, len(size))
	last := t.Offset // the largest index used
	empty := false
	if t.Offset < 0 {
		return fmt.Errorf("offset %d is negative", t.Offset)
	}
	for i := range size {
		n, ok1 := size[i].(int64)
		s, ok2 := stride[i].(int64)
		if !ok1 || !ok2 {
			return fmt.Errorf("extent and stride are a %s and a %s", kind(size[i]), kind(stride[i]))
		}
		if n < 0 || n > math.MaxInt || s < 0 {
			return fmt.Errorf("extent %d, stride %d", n, s)
		}
		t.Shape[i], t.Strides[i] = int(n), s
		if n == 0 {
			empty = true
		} else if n > 1 {
			if s > 0 && n-1 > (math.MaxInt64-last)/s {
				return fmt.Errorf("extent %d with stride %d reaches past any storage", n, s)
			}
			last += (n - 1) * s
		}
	}
	count, err := t.Shape.Elems()
	if err != nil {
		return err
	}
	if count > math.MaxInt/t.DType.Size() {
		return fmt.Errorf("shape %v of %v does not fit memory", t.Shape, t.DType)
	}
	if !empty && last >= elems {
		return fmt.Errorf("shape %v with strides %v from element %d reaches element %d of a storage of %d", t.Shape, t.Strides, t.Offset, last, elems)
	}
	return nil
}

// contiguous reports whether the view is row-major without gaps.
func (t *Tensor) contiguous() bool {
	want := int64(1)
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] != 1 && t.Strides[i] != want {
			return false
		}
		want *= int64(t.Shape[i])
	}
	return true
}

// gather copies the view out of its storage, whose bytes begin at the view's
// first element, in row-major order.
func (t *Tensor) gather(out, data []byte) {
	size := t.DType.Size()
	rank := len(t.Shape)
	index := make([]int, rank)
	src := int64(0)
	for dst := 0; dst < len(out); dst += size {
		at := int(src) * size
		copy(out[dst:dst+size], data[at:at+size])
		for i := rank - 1; i >= 0; i-- {
			index[i]++
			src += t.Strides[i]
			if index[i] < t.Shape[i] {
				break
			}
			src -= t.Strides[i] * int64(t.Shape[i])
			index[i] = 0
		}
	}
}
