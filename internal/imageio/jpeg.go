package imageio

import (
	"bytes"
	"image"
	"image/jpeg"
	"io"
)

// jpegScan is what the markers before the first scan say.
type jpegScan struct {
	width, height int
	progressive   bool
	sampling      [4]struct{ h, v int }
	components    int
	adobe         bool
	exif          []byte
}

// scanJPEG walks the markers up to the first scan. It is as tolerant as decoders are (fill bytes,
// garbage between segments) and reports false when there is no frame header.
func scanJPEG(b []byte) (s jpegScan, ok bool) {
	for i := 2; i+4 <= len(b); {
		if b[i] != 0xff || b[i+1] == 0xff || b[i+1] == 0 {
			i++
			continue
		}
		marker := b[i+1]
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 { // no payload
			i += 2
			continue
		}
		if marker == 0xd9 || marker == 0xda {
			break
		}
		n := int(b[i+2])<<8 | int(b[i+3])
		if n < 2 || i+2+n > len(b) {
			break
		}
		p := b[i+4 : i+2+n]
		switch {
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if ok || len(p) < 6 {
				break // a second frame header is for the decoder to refuse
			}
			ok = true
			s.height, s.width = int(p[1])<<8|int(p[2]), int(p[3])<<8|int(p[4])
			s.progressive = marker == 0xc2
			s.components = int(p[5])
			for c := 0; c < 4 && 6+3*c+1 < len(p); c++ {
				s.sampling[c].h, s.sampling[c].v = int(p[7+3*c]>>4), int(p[7+3*c]&15)
			}
		case marker == 0xe1 && s.exif == nil && bytes.HasPrefix(p, []byte("Exif\x00")) && len(p) > 6:
			s.exif = p[6:]
		case marker == 0xee && len(p) >= 12 && bytes.HasPrefix(p, []byte("Adobe")):
			s.adobe = true
		}
		i += 2 + n
	}
	return s, ok
}

func jpegHeader(b []byte) (header, error) {
	s, ok := scanJPEG(b)
	if !ok {
		return header{}, fail(ErrMalformed, "jpeg", "no frame header before the end or the first scan")
	}
	h := header{width: s.width, height: s.height, orientation: exifOrientation(s.exif)}
	h0, v0 := max(1, s.sampling[0].h), max(1, s.sampling[0].v)
	if s.components == 1 {
		h0, v0 = 1, 1
	}
	mcus := int64((s.width+8*h0-1)/(8*h0)) * int64((s.height+8*v0-1)/(8*v0))
	var samples int64
	for c := range min(s.components, 4) {
		n := int64(s.sampling[c].h * s.sampling[c].v)
		if s.components == 1 {
			n = 1
		}
		samples += 64 * mcus * n
	}
	h.memory = samples
	if s.progressive {
		h.memory += 4 * samples // coefficients are kept until the last scan
	}
	px := int64(s.width) * int64(s.height)
	if s.components == 4 {
		h.memory += 4 * px
	}
	h.memory += 3 * px
	return h, nil
}

func decodeJPEG(b []byte) (*Image, error) {
	var r io.Reader = bytes.NewReader(b)
	if s, ok := scanJPEG(b); ok && s.components == 4 && !s.adobe {
		// CMYK without Adobe's marker: libjpeg takes it for plain CMYK, Pillow for inverted as Adobe
		// writes it. Saying so with a marker makes the decoder do the same instead of refusing.
		const app14 = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
		r = io.MultiReader(bytes.NewReader(b[:2]), bytes.NewReader([]byte(app14)), bytes.NewReader(b[2:]))
	}
	m, err := jpeg.Decode(r)
	if err != nil {
		return nil, err
	}
	if y, ok := m.(*image.YCbCr); ok {
		return fromJPEG(y)
	}
	return convert(m, true)
}
