package imageio

import (
	"fmt"
	"image"
	"image/color"
)

// FromImage converts a picture of the image packages as Decode would: alpha is dropped, not
// composited; premultiplied colours are divided by their alpha first. It copies.
func FromImage(m image.Image) (*Image, error) {
	if m == nil {
		return nil, fmt.Errorf("imageio: no picture (nil)")
	}
	return convert(m, false)
}

// convert makes RGB of a Go image. When reuse is set the image's own memory may become the result's:
// four and eight bytes a pixel are compacted to three in place, which halves the peak.
func convert(m image.Image, reuse bool) (*Image, error) {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	if err := checkSize(w, h); err != nil {
		return nil, err
	}
	into := func(pix []byte) *Image {
		if reuse && len(pix) >= 3*w*h {
			return &Image{W: w, H: h, Pix: pix[:3*w*h]}
		}
		return &Image{W: w, H: h, Pix: make([]byte, 3*w*h)}
	}
	var out *Image
	// each calls f on every row; writing row y of the result never overtakes reading row y.
	each := func(pix []byte, stride, bytes int, f func(dst, src []byte)) {
		for y := range h {
			f(out.Row(y), pix[y*stride:y*stride+w*bytes])
		}
	}
	switch m := m.(type) {
	case *image.Gray:
		out = into(nil)
		each(m.Pix, m.Stride, 1, grayRow)
	case *image.Gray16:
		out = into(nil)
		each(m.Pix, m.Stride, 2, func(dst, src []byte) {
			for x := range w {
				dst[3*x], dst[3*x+1], dst[3*x+2] = src[2*x], src[2*x], src[2*x]
			}
		})
	case *image.NRGBA:
		out = into(m.Pix)
		each(m.Pix, m.Stride, 4, dropAlphaRow)
	case *image.RGBA:
		out = into(m.Pix)
		each(m.Pix, m.Stride, 4, unmultiplyRow)
	case *image.NRGBA64:
		out = into(m.Pix)
		each(m.Pix, m.Stride, 8, func(dst, src []byte) {
			for x := range w {
				dst[3*x], dst[3*x+1], dst[3*x+2] = src[8*x], src[8*x+2], src[8*x+4]
			}
		})
	case *image.RGBA64:
		out = into(m.Pix)
		each(m.Pix, m.Stride, 8, unmultiply16Row)
	case *image.CMYK:
		out = into(m.Pix)
		each(m.Pix, m.Stride, 4, cmykRow)
	case *image.Paletted:
		out = into(nil)
		table := paletteTable(m.Palette)
		each(m.Pix, m.Stride, 1, func(dst, src []byte) {
			for x, i := range src {
				c := &table[i]
				dst[3*x], dst[3*x+1], dst[3*x+2] = c[0], c[1], c[2]
			}
		})
	case *image.YCbCr:
		return fromYCbCr(m)
	case *image.NYCbCrA:
		return fromYCbCr(&m.YCbCr)
	default:
		out = into(nil)
		for y := range h {
			dst := out.Row(y)
			for x := range w {
				c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
				dst[3*x], dst[3*x+1], dst[3*x+2] = c.R, c.G, c.B
			}
		}
	}
	return out, nil
}

func grayRow(dst, src []byte) {
	dst = dst[:3*len(src)]
	for x, v := range src {
		d := dst[3*x : 3*x+3 : 3*x+3]
		d[0], d[1], d[2] = v, v, v
	}
}

func dropAlphaRow(dst, src []byte) {
	for len(src) >= 4 && len(dst) >= 3 {
		dst[0], dst[1], dst[2] = src[0], src[1], src[2]
		dst, src = dst[3:], src[4:]
	}
}

// unmultiplyRow undoes premultiplied alpha as Pillow does (division rounding down).
func unmultiplyRow(dst, src []byte) {
	for len(src) >= 4 && len(dst) >= 3 {
		r, g, b, a := uint32(src[0]), uint32(src[1]), uint32(src[2]), uint32(src[3])
		if a != 255 && a != 0 {
			r, g, b = min(255, 255*r/a), min(255, 255*g/a), min(255, 255*b/a)
		}
		dst[0], dst[1], dst[2] = byte(r), byte(g), byte(b)
		dst, src = dst[3:], src[4:]
	}
}

func unmultiply16Row(dst, src []byte) {
	for ; len(src) >= 8 && len(dst) >= 3; dst, src = dst[3:], src[8:] {
		a := uint32(src[6])<<8 | uint32(src[7])
		for c := range 3 {
			v := uint32(src[2*c])<<8 | uint32(src[2*c+1])
			if a != 0xffff && a != 0 {
				v = min(0xffff, uint32(uint64(v)*0xffff/uint64(a)))
			}
			dst[c] = byte(v >> 8)
		}
	}
}

// cmykRow is Pillow's conversion: each ink darkens what the black ink leaves, in rounded 255ths.
func cmykRow(dst, src []byte) {
	for ; len(src) >= 4 && len(dst) >= 3; dst, src = dst[3:], src[4:] {
		white := 255 - int32(src[3])
		c, m, y := int32(src[0]), int32(src[1]), int32(src[2])
		dst[0] = clip8(white - mulDiv255(c, white))
		dst[1] = clip8(white - mulDiv255(m, white))
		dst[2] = clip8(white - mulDiv255(y, white))
	}
}

func mulDiv255(a, b int32) int32 {
	t := a*b + 128
	return (t>>8 + t) >> 8
}

// paletteTable looks every possible index up once; indices beyond the palette are black.
func paletteTable(p color.Palette) (t [256][3]byte) {
	for i, c := range p {
		if i > 255 {
			break
		}
		switch c := c.(type) {
		case color.NRGBA:
			t[i] = [3]byte{c.R, c.G, c.B}
		case color.RGBA64: // opaque, from TIFF
			t[i] = [3]byte{byte(c.R >> 8), byte(c.G >> 8), byte(c.B >> 8)}
		default:
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			t[i] = [3]byte{n.R, n.G, n.B}
		}
	}
	return t
}
