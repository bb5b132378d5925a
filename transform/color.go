package transform

import "math"

// The functions of this file change a picture in place, to the bytes of Pillow's ImageEnhance and
// ImageOps, through which torchvision goes.

// luma is Pillow's convert("L").
func luma(r, g, b byte) uint32 {
	return (uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 1<<15) >> 16
}

// blend is Pillow's Image.blend of one sample: from the degenerate value d towards v by the factor,
// which may be beyond 1. In float32, rounded down.
func blend(d, v byte, factor float32) byte {
	t := float32(d) + float32(factor*(float32(v)-float32(d)))
	return byte(max(0, min(255, t)))
}

// blendTable is blend towards one grey for all values.
func blendTable(d byte, factor float32) (t [256]byte) {
	for v := range t {
		t[v] = blend(d, byte(v), factor)
	}
	return t
}

func lookup(m *Image, t *[256]byte) {
	for i, v := range m.Pix {
		m.Pix[i] = t[v]
	}
}

func adjustBrightness(m *Image, factor float64) {
	t := blendTable(0, float32(factor))
	lookup(m, &t)
}

func adjustContrast(m *Image, factor float64) {
	var sum uint64
	for p := m.Pix; len(p) >= 3; p = p[3:] {
		sum += uint64(luma(p[0], p[1], p[2]))
	}
	mean := int(float64(sum)/float64(m.W*m.H) + 0.5)
	t := blendTable(byte(mean), float32(factor))
	lookup(m, &t)
}

func adjustSaturation(m *Image, factor float64) {
	f := float32(factor)
	for p := m.Pix; len(p) >= 3; p = p[3:] {
		l := byte(luma(p[0], p[1], p[2]))
		p[0], p[1], p[2] = blend(l, p[0], f), blend(l, p[1], f), blend(l, p[2], f)
	}
}

// adjustHue turns the hue by a part of the circle, in Pillow's 8-bit HSV: saturation and value pass
// through bytes too, so that even a turn of 0 changes the picture a little.
func adjustHue(m *Image, turn float64) {
	shift := byte(int(turn * 255))
	var wheel [256]sector
	for h := range wheel {
		x := float64(h) * 6 / 255
		wheel[h] = sector{int(x) % 6, float32(x - math.Floor(x))}
	}
	for p := m.Pix; len(p) >= 3; p = p[3:] {
		h, s, v := toHSV(p[0], p[1], p[2])
		if s == 0 {
			p[0], p[1], p[2] = v, v, v
			continue
		}
		p[0], p[1], p[2] = fromHSV(&wheel[h+shift], s, v)
	}
}

// toHSV is Pillow's: quotients are float32, the rest float64.
func toHSV(r, g, b byte) (h, s, v byte) {
	most, least := max(r, g, b), min(r, g, b)
	if most == least {
		return 0, 0, most
	}
	spread := float32(most - least)
	rc, gc, bc := float32(most-r)/spread, float32(most-g)/spread, float32(most-b)/spread
	var hue float32
	switch most {
	case r:
		hue = bc - gc
	case g:
		hue = float32(2 + float64(rc) - float64(bc))
	default:
		hue = float32(4 + float64(gc) - float64(rc))
	}
	x := float64(hue)/6 + 1
	if x >= 1 {
		x--
	}
	sat := spread / float32(most)
	return byte(float64(float32(x)) * 255), byte(float64(sat) * 255), most
}

// sector is a sixth of the colour circle and the way into it.
type sector struct {
	i int
	f float32
}

// fromHSV needs a saturation above 0.
func fromHSV(h *sector, s, v byte) (r, g, b byte) {
	fs, value := float32(float64(s)/255), float64(v)
	at := func(k float64) byte { return byte(int(float64(value*k) + 0.5)) }
	p := at(1 - float64(fs))
	q := at(1 - float64(fs*h.f))
	t := at(1 - float64(float64(fs)*(1-float64(h.f))))
	switch h.i {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}

func posterize(m *Image, bits int) {
	mask := byte(0xff << (8 - max(0, min(8, bits))))
	for i := range m.Pix {
		m.Pix[i] &= mask
	}
}

func solarize(m *Image, threshold float64) {
	var t [256]byte
	for v := range t {
		if t[v] = byte(v); float64(v) >= threshold {
			t[v] = byte(255 - v)
		}
	}
	lookup(m, &t)
}

func histograms(m *Image) (h [3][256]int) {
	for p := m.Pix; len(p) >= 3; p = p[3:] {
		h[0][p[0]]++
		h[1][p[1]]++
		h[2][p[2]]++
	}
	return h
}

func lookup3(m *Image, t *[3][256]byte) {
	for p := m.Pix; len(p) >= 3; p = p[3:] {
		p[0], p[1], p[2] = t[0][p[0]], t[1][p[1]], t[2][p[2]]
	}
}

func autoContrast(m *Image) {
	h := histograms(m)
	var t [3][256]byte
	for c := range t {
		lo, hi := 0, 255
		for lo < 255 && h[c][lo] == 0 {
			lo++
		}
		for hi > 0 && h[c][hi] == 0 {
			hi--
		}
		scale := 255 / float64(max(1, hi-lo))
		offset := -float64(lo) * scale
		for v := range 256 {
			if t[c][v] = byte(v); hi > lo {
				t[c][v] = byte(max(0, min(255, int(float64(float64(v)*scale)+offset))))
			}
		}
	}
	lookup3(m, &t)
}

func equalize(m *Image) {
	h := histograms(m)
	var t [3][256]byte
	for c := range t {
		sum, last := 0, 0
		for _, n := range h[c] {
			if n > 0 {
				sum, last = sum+n, n
			}
		}
		step := (sum - last) / 255
		n := step / 2
		for v := range 256 {
			if t[c][v] = byte(v); step > 0 {
				t[c][v] = byte(min(255, n/step))
				n += h[c][v]
			}
		}
	}
	lookup3(m, &t)
}

// adjustSharpness blends from Pillow's SMOOTH filter (weights 1, in the middle 5, of 13); the border
// stays as it is. scratch is grown as needed.
func adjustSharpness(m *Image, factor float64, scratch *[]byte) {
	f := float32(factor)
	n := 3 * m.W * m.H
	if cap(*scratch) < n {
		*scratch = make([]byte, n)
	}
	src := (*scratch)[:n]
	copy(src, m.Pix[:n])
	stride := 3 * m.W
	for y := range m.H {
		for i := range stride {
			at := y*stride + i
			d := src[at]
			if y > 0 && y < m.H-1 && i >= 3 && i < stride-3 {
				sum := 4 * int(src[at])
				for _, o := range [3]int{at - stride, at, at + stride} {
					sum += int(src[o-3]) + int(src[o]) + int(src[o+3])
				}
				d = byte((2*sum + 13) / 26)
			}
			m.Pix[at] = blend(d, src[at], f)
		}
	}
}
