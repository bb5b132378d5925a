package weights

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Layout says how a checkpoint stores a tensor.
type Layout uint8

const (
	AsIs          Layout = iota // PyTorch: OIHW, [C,1,kh,kw], [O,I]
	HWIO                        // TensorFlow convolution kernel [kh,kw,I,O]
	DepthwiseHWIO               // TensorFlow depthwise kernel [kh,kw,C,multiplier]
	DenseIO                     // Keras dense kernel [I,O]
)

var layoutNames = [...]string{"asis", "hwio", "depthwise_hwio", "dense_io"}

// String is the layout's name in a name map.
func (l Layout) String() string {
	if int(l) < len(layoutNames) {
		return layoutNames[l]
	}
	return fmt.Sprintf("layout(%d)", uint8(l))
}

// MarshalText is String, for JSON.
func (l Layout) MarshalText() ([]byte, error) {
	if int(l) >= len(layoutNames) {
		return nil, fmt.Errorf("unknown layout %d", uint8(l))
	}
	return []byte(layoutNames[l]), nil
}

// UnmarshalText accepts what MarshalText writes.
func (l *Layout) UnmarshalText(b []byte) error {
	for i, name := range layoutNames {
		if name == string(b) {
			*l = Layout(i)
			return nil
		}
	}
	return fmt.Errorf("unknown layout %q: want asis, hwio, depthwise_hwio or dense_io", b)
}

// toTorch brings a tensor into PyTorch's layout.
func (l Layout) toTorch(t *tensor.Tensor) (*tensor.Tensor, error) {
	rank, perm := 4, []int(nil)
	switch l {
	case AsIs:
		return t, nil
	case HWIO:
		perm = []int{3, 2, 0, 1}
	case DepthwiseHWIO:
		perm = []int{2, 3, 0, 1}
	case DenseIO:
		rank, perm = 2, []int{1, 0}
	default:
		return nil, fmt.Errorf("unknown layout %v", l)
	}
	if len(t.Shape) != rank {
		return nil, fmt.Errorf("layout %v needs %d axes", l, rank)
	}
	out, err := t.Transpose(perm...)
	if err != nil || l != DepthwiseHWIO {
		return out, err
	}
	// Output channel c*multiplier+m is the m-th filter of input channel c.
	s := out.Shape
	return out.Reshape(tensor.Shape{s[0] * s[1], 1, s[2], s[3]})
}
