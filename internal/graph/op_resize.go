package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// ResizeRule says how output pixels map to input pixels.
type ResizeRule uint8

const (
	// HalfPixel maps pixel centres: (i+0.5)*in/out - 0.5 (PyTorch
	// align_corners=False, TensorFlow half_pixel_centers).
	HalfPixel ResizeRule = iota
	// AlignCorners maps corners to corners: i*(in-1)/(out-1).
	AlignCorners
	// Asymmetric is i*in/out, TensorFlow 1's default.
	Asymmetric
)

// Resize2D changes the size of a picture, bilinearly or to the nearest pixel.
// The size is H x W, or the input's times ScaleH and ScaleW where H and W are
// zero.
type Resize2D struct {
	H, W           int
	ScaleH, ScaleW int
	Nearest        bool
	Rule           ResizeRule
}

func (Resize2D) Kind() string { return "resize" }

func (r Resize2D) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) != 4 {
		return Type{}, fmt.Errorf("input %v is not a picture", s)
	}
	h, w := r.H, r.W
	if h == 0 && w == 0 {
		if r.ScaleH < 1 || r.ScaleW < 1 || r.ScaleH > maxWindow || r.ScaleW > maxWindow {
			return Type{}, fmt.Errorf("neither a size nor a scale")
		}
		h, w = s[1]*r.ScaleH, s[2]*r.ScaleW
	}
	if h < 1 || w < 1 || s[1] < 1 || s[2] < 1 || r.Rule > Asymmetric {
		return Type{}, fmt.Errorf("cannot resize %v to %d x %d", s, h, w)
	}
	return moved(in[0], tensor.Shape{s[0], h, w, s[3]}), nil
}

// Cost counts four products per element for bilinear, none for nearest.
func (r Resize2D) Cost(_ []Type, out Type) Cost {
	if r.Nearest {
		return Cost{}
	}
	return Cost{Elementwise: 4 * elems(out)}
}
