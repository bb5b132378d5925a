package imageio

import (
	"bytes"
	"encoding/binary"
	"image"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

func isWebP(b []byte) bool {
	return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP"
}

// webpScan is the first frame of a WebP file and where it lies.
type webpScan struct {
	width, height int    // canvas
	x, y          int    // of the frame on the canvas
	kind          string // "VP8 " or "VP8L"
	data          []byte
	exif          []byte
}

// scanWebP finds the first frame. Alpha is dropped from the result anyway, so its chunk is skipped.
func scanWebP(b []byte) (s webpScan, err error) {
	bad := func(detail string) (webpScan, error) { return s, fail(ErrMalformed, "webp", detail) }
	var frameW, frameH int
	u24 := func(p []byte) int { return int(p[0]) | int(p[1])<<8 | int(p[2])<<16 }
	truncated := false
	for b = b[12:]; len(b) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(b[4:]))
		kind, data := string(b[:4]), b[8:]
		if n > uint64(len(data)) {
			truncated = true
			n = uint64(len(data))
		}
		data, b = data[:n], data[min(n+n&1, uint64(len(data))):]
		switch {
		case kind == "VP8X" && len(data) >= 10:
			s.width, s.height = u24(data[4:])+1, u24(data[7:])+1
		case kind == "ANMF" && s.data == nil:
			if len(data) < 16 {
				return bad("animation frame too short")
			}
			s.x, s.y = 2*u24(data), 2*u24(data[3:])
			frameW, frameH = u24(data[6:])+1, u24(data[9:])+1
			b = data[16:] // its chunks follow; later frames do not matter
		case (kind == "VP8 " || kind == "VP8L") && s.data == nil:
			s.kind, s.data = kind, data
		case kind == "EXIF":
			s.exif = bytes.TrimPrefix(data, []byte("Exif\x00\x00"))
		}
	}
	if s.data == nil {
		return bad("no picture data")
	}
	if truncated {
		return bad("the file ends inside a chunk")
	}
	var w, h int
	if s.kind == "VP8 " {
		d := vp8.NewDecoder()
		d.Init(bytes.NewReader(s.data), len(s.data))
		fh, err := d.DecodeFrameHeader()
		if err != nil {
			return s, err
		}
		w, h = fh.Width, fh.Height
	} else {
		c, err := vp8l.DecodeConfig(bytes.NewReader(s.data))
		if err != nil {
			return s, err
		}
		w, h = c.Width, c.Height
	}
	switch {
	case s.width == 0:
		s.width, s.height = w, h
	case frameW != 0 && (w != frameW || h != frameH), frameW == 0 && (w != s.width || h != s.height):
		return bad("the frame's size differs from the declared one")
	case s.x+w > s.width || s.y+h > s.height:
		return bad("the frame lies outside the canvas")
	}
	return s, nil
}

func webpHeader(b []byte) (header, error) {
	s, err := scanWebP(b)
	if err != nil {
		return header{}, err
	}
	h := header{width: s.width, height: s.height, orientation: exifOrientation(s.exif)}
	px := int64(s.width) * int64(s.height)
	h.memory = 5 * px // 1.5 for the planes, padded, and 3 for RGB
	if s.kind == "VP8L" {
		// Four bytes a pixel, as much again for transforms, and Huffman tables: small files can
		// describe large ones, up to the decoder's own bound of 2600 groups.
		h.memory = 8*px + min(150<<20, 160*int64(len(b)))
	}
	return h, nil
}

func decodeWebP(b []byte) (*Image, error) {
	s, err := scanWebP(b)
	if err != nil {
		return nil, err
	}
	var m *Image
	if s.kind == "VP8 " {
		d := vp8.NewDecoder()
		d.Init(bytes.NewReader(s.data), len(s.data))
		if _, err := d.DecodeFrameHeader(); err != nil {
			return nil, err
		}
		f, err := d.DecodeFrame()
		if err != nil {
			return nil, err
		}
		if m, err = fromVP8(f); err != nil {
			return nil, err
		}
	} else {
		f, err := vp8l.Decode(bytes.NewReader(s.data))
		if err != nil {
			return nil, err
		}
		if m, err = convert(f, true); err != nil {
			return nil, err
		}
	}
	if m.W == s.width && m.H == s.height {
		return m, nil
	}
	return m.Crop(-s.x, -s.y, s.width, s.height) // an animation's canvas is black where no frame is
}

// fromVP8 converts the planes of a lossy WebP as libwebp does: triangle-filtered chroma and the
// limited range (16..235) equations of BT.601 in 14-bit fixed point. VP8's own decoding is exact by
// its specification, so the result equals libwebp's byte for byte.
func fromVP8(f *image.YCbCr) (*Image, error) {
	w, h := f.Rect.Dx(), f.Rect.Dy()
	out, err := New(w, h)
	if err != nil {
		return nil, err
	}
	cw, ch := (w+1)/2, (h+1)/2
	u, v := make([]byte, 2*cw), make([]byte, 2*cw)
	for y := range h {
		cy := y / 2
		far := max(0, min(ch-1, cy-1+2*(y&1)))
		row := func(p []byte, y int) []byte { return p[y*f.CStride:][:cw:cw] }
		diamondH2V2(u, row(f.Cb, cy), row(f.Cb, far))
		diamondH2V2(v, row(f.Cr, cy), row(f.Cr, far))
		dst := out.Row(y)
		for x, l := range f.Y[y*f.YStride:][:w] {
			yy, uu, vv := int32(l)*19077>>8, int32(u[x]), int32(v[x])
			d := dst[3*x : 3*x+3 : 3*x+3]
			d[0] = clip8((yy + vv*26149>>8 - 14234) >> 6)
			d[1] = clip8((yy - uu*6419>>8 - vv*13320>>8 + 8708) >> 6)
			d[2] = clip8((yy + uu*33050>>8 - 17685) >> 6)
		}
	}
	return out, nil
}

// diamondH2V2 doubles chroma in both directions with weights 9, 3, 3, 1 of 16. near is the chroma
// row that covers the output row. libwebp rounds in two steps by way of the diagonals' means.
func diamondH2V2(dst, near, far []byte) {
	n := len(near)
	dst, far = dst[:2*n], far[:n]
	dst[0] = byte((3*uint32(near[0]) + uint32(far[0]) + 2) >> 2)
	dst[2*n-1] = byte((3*uint32(near[n-1]) + uint32(far[n-1]) + 2) >> 2)
	for i := 1; i < n; i++ {
		a, b := uint32(near[i-1]), uint32(near[i])
		c, d := uint32(far[i-1]), uint32(far[i])
		all := a + b + c + d + 8
		bc := (all + 2*(b+c)) >> 3
		ad := (all + 2*(a+d)) >> 3
		dst[2*i-1] = byte((bc + a) >> 1)
		dst[2*i] = byte((ad + b) >> 1)
	}
}
