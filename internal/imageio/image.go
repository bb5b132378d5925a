// Package imageio turns picture files into packed 8-bit RGB and resizes them exactly as the
// libraries do that published networks were trained and measured with (Pillow, TensorFlow).
//
// Everything a file declares is checked against Limits before memory is taken for it; a decoder
// never panics on bad input. Colour follows Pillow's convert("RGB"): see Decode.
package imageio

import (
	"fmt"
	"math"
)

// Image is a picture of W x H pixels: R, G, B bytes, row after row, without padding
// (Pix[3*(y*W+x)] is the red of column x, row y).
type Image struct {
	W, H int
	Pix  []byte // at least 3*W*H bytes
}

// New returns a black picture. Sides below one or too big for an int are errors.
func New(w, h int) (*Image, error) {
	if err := checkSize(w, h); err != nil {
		return nil, err
	}
	return &Image{W: w, H: h, Pix: make([]byte, 3*w*h)}, nil
}

// Check reports whether the fields agree with each other.
func (m *Image) Check() error {
	if m == nil {
		return fmt.Errorf("imageio: no picture (nil)")
	}
	if err := checkSize(m.W, m.H); err != nil {
		return err
	}
	if len(m.Pix) < 3*m.W*m.H {
		return fmt.Errorf("imageio: a %dx%d picture needs %d bytes, has %d", m.W, m.H, 3*m.W*m.H, len(m.Pix))
	}
	return nil
}

// Row returns the 3*W bytes of row y.
func (m *Image) Row(y int) []byte { return m.Pix[3*y*m.W : 3*(y+1)*m.W : 3*(y+1)*m.W] }

// Crop copies the rectangle of w x h pixels at (left, top); what lies outside the picture is black.
func (m *Image) Crop(left, top, w, h int) (*Image, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	out, err := New(w, h)
	if err != nil {
		return nil, err
	}
	x0, x1 := clampRange(left, w, m.W)
	y0, y1 := clampRange(top, h, m.H)
	for y := y0; y < y1 && x0 < x1; y++ {
		copy(out.Row(y)[3*x0:3*x1], m.Row(y + top)[3*(x0+left):3*(x1+left)])
	}
	return out, nil
}

// clampRange returns the part [lo, hi) of [0, n) whose positions offset+i lie inside [0, size).
func clampRange(offset, n, size int) (lo, hi int) {
	lo = max(0, min(n, -offset))
	hi = max(lo, min(n, size-offset))
	return lo, hi
}

// checkSize refuses sides that are not positive or whose picture cannot be addressed. The bound of
// 2^31-1 bytes holds on every platform, so that 32-bit builds refuse the same pictures.
func checkSize(w, h int) error {
	if w < 1 || h < 1 {
		return fmt.Errorf("imageio: size %dx%d: both sides must be at least 1", w, h)
	}
	if int64(w) > math.MaxInt32/3/int64(h) {
		return fmt.Errorf("imageio: size %dx%d: more than 2^31 bytes of pixels", w, h)
	}
	return nil
}

// checkSides refuses sizes of a resize of which only a part is kept: the whole is never in memory,
// so that a very long picture passes.
func checkSides(w, h int) error {
	if w < 1 || h < 1 || w > 1<<30 || h > 1<<30 {
		return fmt.Errorf("imageio: size %dx%d: both sides must be 1 to 2^30", w, h)
	}
	return nil
}
