package imageio

import "encoding/binary"

// tiffTags reads the first directory of TIFF-structured data (a TIFF file, or an EXIF block) and
// calls f with each tag that holds one or more unsigned integers and with its first value.
func tiffTags(b []byte, f func(tag uint16, value uint32)) bool {
	if len(b) < 8 {
		return false
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return false
	}
	off := uint64(order.Uint32(b[4:]))
	if off+2 > uint64(len(b)) {
		return false
	}
	n := int(order.Uint16(b[off:]))
	entries := b[off+2:]
	for i := 0; i < n && 12*(i+1) <= len(entries); i++ {
		e := entries[12*i : 12*i+12]
		kind, count := order.Uint16(e[2:]), order.Uint32(e[4:])
		size := map[uint16]uint64{1: 1, 3: 2, 4: 4}[kind]
		if size == 0 || count == 0 {
			continue
		}
		v := e[8:]
		if size*uint64(count) > 4 { // stored elsewhere
			at := uint64(order.Uint32(v))
			if at+size > uint64(len(b)) {
				continue
			}
			v = b[at:]
		}
		value := uint32(v[0])
		switch size {
		case 2:
			value = uint32(order.Uint16(v))
		case 4:
			value = order.Uint32(v)
		}
		f(order.Uint16(e), value)
	}
	return true
}

const tagOrientation = 0x0112

// exifOrientation returns 1..8, or 0 when the block says nothing usable.
func exifOrientation(exif []byte) (o int) {
	tiffTags(exif, func(tag uint16, v uint32) {
		if tag == tagOrientation && v >= 1 && v <= 8 && o == 0 {
			o = int(v)
		}
	})
	return o
}

// Orient returns the picture turned and mirrored upright, by the EXIF orientation 1..8 it was stored
// with. 1 and unknown values return m itself; otherwise the result is a copy.
func (m *Image) Orient(o int) *Image {
	if o < 2 || o > 8 {
		return m
	}
	w, h := m.W, m.H
	if o >= 5 {
		w, h = h, w
	}
	out := &Image{W: w, H: h, Pix: make([]byte, 3*w*h)}
	// Position in m of the result's pixel (x, y): start + x*dx + y*dy, in pixels.
	var start, dx, dy int
	last, bottom := m.W-1, (m.H-1)*m.W
	switch o {
	case 2: // mirrored left to right
		start, dx, dy = last, -1, m.W
	case 3: // upside down
		start, dx, dy = bottom+last, -1, -m.W
	case 4: // mirrored top to bottom
		start, dx, dy = bottom, 1, -m.W
	case 5: // mirrored along the main diagonal
		start, dx, dy = 0, m.W, 1
	case 6: // to be turned clockwise
		start, dx, dy = bottom, -m.W, 1
	case 7: // mirrored along the other diagonal
		start, dx, dy = bottom+last, -m.W, -1
	case 8: // to be turned counterclockwise
		start, dx, dy = last, m.W, -1
	}
	for y := range h {
		row := out.Row(y)
		at := start + y*dy
		for x := range w {
			p := 3 * (at + x*dx)
			row[3*x], row[3*x+1], row[3*x+2] = m.Pix[p], m.Pix[p+1], m.Pix[p+2]
		}
	}
	return out
}
