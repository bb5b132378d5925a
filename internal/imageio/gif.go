package imageio

import (
	"bytes"
	"image"
	"image/gif"
	"io"
)

func gifHeader(b []byte) (header, error) {
	h, _, err := configHeader(b, gif.DecodeConfig)
	// The frame's indices and the RGB canvas; uninterlacing copies the indices.
	h.memory = 5 * int64(h.width) * int64(h.height)
	return h, err
}

// gifFirstFrame walks the blocks before the first frame. It returns the position of the frame, that
// of the flags of the graphic control that rules it (0 without one) and its transparent index (-1).
func gifFirstFrame(b []byte) (frame, flags, transparent int) {
	transparent = -1
	if len(b) < 13 {
		return 0, 0, -1
	}
	i := 13
	if b[10]&0x80 != 0 {
		i += 3 << (b[10]&7 + 1)
	}
	for i+1 < len(b) && b[i] == 0x21 {
		if b[i+1] == 0xf9 && i+6 < len(b) && b[i+2] == 4 {
			flags, transparent = i+3, -1
			if b[i+3]&1 != 0 {
				transparent = int(b[i+6])
			}
		}
		for i += 2; i < len(b) && b[i] != 0; {
			i += 1 + int(b[i])
		}
		i++
	}
	return i, flags, transparent
}

// decodeGIF draws the first frame on the logical screen. Pillow drops transparency, so the palette
// entry marked transparent keeps its colour, and what the frame does not cover has the colour of
// that entry, or of entry 0.
func decodeGIF(b []byte) (*Image, error) {
	frame, flags, transparent := gifFirstFrame(b)
	var r io.Reader = bytes.NewReader(b)
	if transparent >= 0 && frame <= len(b) {
		// Go's decoder blanks the transparent entry; it is not told.
		head := bytes.Clone(b[:frame])
		head[flags] &^= 1
		r = io.MultiReader(bytes.NewReader(head), bytes.NewReader(b[frame:]))
	}
	m, err := gif.Decode(r)
	if err != nil {
		return nil, err
	}
	h, err := gifHeader(b)
	if err != nil {
		return nil, err
	}
	p, ok := m.(*image.Paletted)
	if !ok || p.Rect == image.Rect(0, 0, h.width, h.height) {
		return convert(m, true)
	}
	out, err := New(h.width, h.height)
	if err != nil {
		return nil, err
	}
	table := paletteTable(p.Palette)
	if fill := table[max(0, transparent)]; fill != [3]byte{} {
		for i := 0; i+3 <= len(out.Pix); i += 3 {
			copy(out.Pix[i:i+3], fill[:])
		}
	}
	for y := p.Rect.Min.Y; y < p.Rect.Max.Y; y++ {
		dst, src := out.Row(y)[3*p.Rect.Min.X:], p.Pix[(y-p.Rect.Min.Y)*p.Stride:][:p.Rect.Dx()]
		for x, i := range src {
			copy(dst[3*x:3*x+3], table[i][:])
		}
	}
	return out, nil
}
