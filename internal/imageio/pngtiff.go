package imageio

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"

	"golang.org/x/image/tiff"
)

func pngHeader(b []byte) (header, error) {
	if len(b) >= 24 && (b[16] != 0 || b[20] != 0) {
		return header{}, fail(ErrLimit, "png", "a side of 2^24 pixels or more")
	}
	h, c, err := configHeader(b, png.DecodeConfig)
	if err != nil {
		return h, err
	}
	perPixel := int64(4) // 8-bit colour, compacted in place; gray and palettes: 1 + 3
	switch c.ColorModel {
	case color.Gray16Model:
		perPixel = 8 // 2 + 3, or 8 when one gray level is marked transparent
	case color.RGBA64Model, color.NRGBA64Model:
		perPixel = 8
	}
	interlaced := len(b) > 28 && b[28] != 0
	if interlaced {
		perPixel += perPixel / 2 // the last pass holds half the rows beside the whole
	}
	h.memory = perPixel * int64(h.width) * int64(h.height)
	h.orientation = exifOrientation(pngChunk(b, "eXIf"))
	return h, nil
}

// pngChunk returns the data of the first chunk of a kind, or nil.
func pngChunk(b []byte, kind string) []byte {
	for b = b[min(8, len(b)):]; len(b) >= 12; {
		n := uint64(binary.BigEndian.Uint32(b))
		if n+12 > uint64(len(b)) {
			return nil
		}
		if string(b[4:8]) == kind {
			return b[8 : 8+n]
		}
		b = b[12+n:]
	}
	return nil
}

// Tags of TIFF that decide how much memory decoding takes.
const (
	tagCompression  = 0x0103
	tagPhotometric  = 0x0106
	tagRowsPerStrip = 0x0116
	tagTileWidth    = 0x0142
	tagTileLength   = 0x0143
)

func tiffHeader(b []byte) (header, error) {
	h, c, err := configHeader(b, tiff.DecodeConfig)
	if err != nil {
		return h, err
	}
	if h.width > 1<<24 || h.height > 1<<24 {
		return h, fail(ErrLimit, "tiff", "a side of more than 2^24 pixels")
	}
	tags := map[uint16]int64{}
	tiffTags(b, func(tag uint16, v uint32) {
		if _, seen := tags[tag]; !seen {
			tags[tag] = int64(v)
		}
	})
	h.orientation = int(min(tags[tagOrientation], 9))
	if h.orientation > 8 {
		h.orientation = 0
	}
	width, height := int64(h.width), int64(h.height)
	perPixel := int64(4)
	switch c.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model:
		perPixel = 8
	case color.Gray16Model:
		perPixel = 5
	}
	h.memory = perPixel * width * height
	// A strip or tile is decompressed whole, into a buffer that grows by doubling up to 8 bytes a pixel.
	block := width * height
	if w, l := tags[tagTileWidth], tags[tagTileLength]; w > 0 && l > 0 {
		block = min(w, width+1024) * min(l, height+1024)
	} else if rows := tags[tagRowsPerStrip]; rows > 0 && rows < height {
		block = width * rows
	}
	if comp := tags[tagCompression]; comp > 1 {
		h.memory += 3 * min(8*block, inflated(int64(len(b)), comp))
	} else {
		h.memory += int64(len(b))
	}
	return h, nil
}

// inflated bounds what n compressed bytes can become: deflate's and LZW's best are near 1032 and
// 1400 to one, PackBits' is 64 to one; CCITT's has no useful bound.
func inflated(n, compression int64) int64 {
	switch compression {
	case 5, 8, 32946:
		return 1500 * n
	case 32773:
		return 64 * n
	}
	return 1 << 50
}

func decodeTIFF(b []byte) (*Image, error) {
	m, err := tiff.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	// Fax compression codes runs of 0 and 1 bits; which of them is black is for the photometric tag
	// to say, as libtiff has it. Go's decoder takes white for white whatever the tag says, which
	// leaves files with "black is zero" inverted.
	compression, photometric := uint32(0), uint32(0)
	tiffTags(b, func(tag uint16, v uint32) {
		switch tag {
		case tagCompression:
			compression = v
		case tagPhotometric:
			photometric = v
		}
	})
	if g, ok := m.(*image.Gray); ok && photometric == 1 && (compression == 3 || compression == 4) {
		for i := range g.Pix {
			g.Pix[i] = ^g.Pix[i]
		}
	}
	return convert(m, true)
}
