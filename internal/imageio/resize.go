package imageio

import "fmt"

// Rect is a rectangle of pixels: left, top, width, height.
type Rect struct{ X, Y, W, H int }

// Resizer resizes pictures. It keeps its tables and buffers between calls, so that a stream of
// pictures of few sizes allocates next to nothing. The zero value is ready; not for concurrent use.
type Resizer struct {
	x, y   axis
	tmp    []byte
	acc    []int32
	pick   []int32
	floats floatScratch
}

// Resize returns m resized to w x h as Pillow's Image.resize does, to the byte. Only Pillow's filters.
func Resize(m *Image, w, h int, f Filter) (*Image, error) {
	out, err := New(w, h)
	if err != nil {
		return nil, err
	}
	var r Resizer
	return out, r.ResizeCrop(out, m, w, h, 0, 0, f)
}

// ResizeCrop resizes m to w x h and writes to dst the part of that at (left, top) with dst's size,
// computing nothing else; the bytes are those of resizing whole and cropping. What lies outside
// w x h is black. Pillow's filters only.
func (r *Resizer) ResizeCrop(dst, m *Image, w, h, left, top int, f Filter) error {
	if f.Float() || f >= numFilters {
		return fmt.Errorf("imageio: filter %s does not give bytes; use ResizeFloat", f)
	}
	if err := m.Check(); err != nil {
		return err
	}
	if err := dst.Check(); err != nil {
		return err
	}
	if err := checkSides(w, h); err != nil {
		return err
	}
	x0, x1 := clampRange(left, dst.W, w)
	y0, y1 := clampRange(top, dst.H, h)
	if x0 > 0 || y0 > 0 || x1 < dst.W || y1 < dst.H {
		clear(dst.Pix[:3*dst.W*dst.H])
	}
	if x0 == x1 || y0 == y1 {
		return nil
	}
	out := Rect{x0, y0, x1 - x0, y1 - y0}
	if f == Nearest {
		r.nearest(dst, m, w, h, left, top, out)
		return nil
	}
	// Pillow skips a direction whose size does not change, and so its rounding.
	src, srcX, srcY := m, left+out.X, 0
	if h != m.H {
		r.y.build(axisKey{f, m.H, h, top + out.Y, out.H})
	} else {
		srcY = top + out.Y
	}
	if w != m.W {
		r.x.build(axisKey{f, m.W, w, left + out.X, out.W})
		lo, hi := srcY, srcY+out.H // rows that the vertical pass will read
		if h != m.H {
			lo, hi = r.y.lo, r.y.hi
		}
		if h == m.H {
			for y := lo; y < hi; y++ {
				r.x.row(dst.Row(out.Y + y - lo)[3*out.X:3*(out.X+out.W)], m.Row(y))
			}
			return nil
		}
		n := 3 * out.W * (hi - lo)
		if cap(r.tmp) < n {
			r.tmp = make([]byte, n)
		}
		tmp := &Image{W: out.W, H: hi - lo, Pix: r.tmp[:n]}
		for y := lo; y < hi; y++ {
			r.x.row(tmp.Row(y-lo), m.Row(y))
		}
		src, srcX, srcY = tmp, 0, lo
	}
	if h == m.H {
		for y := range out.H {
			copy(dst.Row(out.Y + y)[3*out.X:3*(out.X+out.W)], src.Row(srcY + y)[3*srcX:])
		}
		return nil
	}
	r.vertical(dst, out, src, srcX, srcY)
	return nil
}

// vertical is the second pass: src's rows, the first of which is the picture's row srcY, into dst.
func (r *Resizer) vertical(dst *Image, out Rect, src *Image, srcX, srcY int) {
	if cap(r.acc) < 3*out.W {
		r.acc = make([]int32, 3*out.W)
	}
	for y := range out.H {
		k := r.y.coef[r.y.start[y]:r.y.start[y+1]]
		off := 3 * ((int(r.y.first[y])-srcY)*src.W + srcX)
		verticalRow(dst.Row(out.Y + y)[3*out.X:3*(out.X+out.W)], src.Pix[min(off, len(src.Pix)):], 3*src.W, k, r.acc[:3*out.W])
	}
}

// row filters one row horizontally, four taps at a time: the conversions to arrays check bounds once
// for twelve bytes.
func (a *axis) row(dst, src []byte) {
	start := a.start[0]
	for i, first := range a.first {
		end := a.start[i+1]
		k := a.coef[start:end]
		start = end
		p := src[3*int(first):]
		s0, s1, s2 := int32(1<<(precision-1)), int32(1<<(precision-1)), int32(1<<(precision-1))
		for len(k) >= 4 {
			c, q := (*[4]int32)(k), (*[12]byte)(p)
			s0 += c[0]*int32(q[0]) + c[1]*int32(q[3]) + c[2]*int32(q[6]) + c[3]*int32(q[9])
			s1 += c[0]*int32(q[1]) + c[1]*int32(q[4]) + c[2]*int32(q[7]) + c[3]*int32(q[10])
			s2 += c[0]*int32(q[2]) + c[1]*int32(q[5]) + c[2]*int32(q[8]) + c[3]*int32(q[11])
			k, p = k[4:], p[12:]
		}
		if len(k) >= 2 {
			c, q := (*[2]int32)(k), (*[6]byte)(p)
			s0 += c[0]*int32(q[0]) + c[1]*int32(q[3])
			s1 += c[0]*int32(q[1]) + c[1]*int32(q[4])
			s2 += c[0]*int32(q[2]) + c[1]*int32(q[5])
			k, p = k[2:], p[6:]
		}
		if len(k) == 1 {
			q := (*[3]byte)(p)
			s0 += k[0] * int32(q[0])
			s1 += k[0] * int32(q[1])
			s2 += k[0] * int32(q[2])
		}
		d := (*[3]byte)(dst[3*i:])
		d[0], d[1], d[2] = clip8(s0>>precision), clip8(s1>>precision), clip8(s2>>precision)
	}
}

// verticalRow makes one output row out of len(k) rows, stride bytes apart. Up to four rows are summed
// in registers; of more, the sums go through acc four rows at a time.
func verticalRow(dst, src []byte, stride int, k, acc []int32) {
	n := len(dst)
	acc = acc[:n]
	row := func(i int) []byte { return src[i*stride:][:n:n] }
	const half = 1 << (precision - 1)
	switch len(k) {
	case 0:
		clear(dst)
		return
	case 1:
		a, k0 := row(0), k[0]
		for x := range dst {
			dst[x] = clip8((half + k0*int32(a[x])) >> precision)
		}
		return
	case 2:
		a, b, k0, k1 := row(0), row(1), k[0], k[1]
		for x := range dst {
			dst[x] = clip8((half + k0*int32(a[x]) + k1*int32(b[x])) >> precision)
		}
		return
	case 3:
		a, b, c, k0, k1, k2 := row(0), row(1), row(2), k[0], k[1], k[2]
		for x := range dst {
			dst[x] = clip8((half + k0*int32(a[x]) + k1*int32(b[x]) + k2*int32(c[x])) >> precision)
		}
		return
	}
	for x := range acc {
		acc[x] = half
	}
	i := 0
	for ; i+4 < len(k); i += 4 {
		a, b, c, d := row(i), row(i+1), row(i+2), row(i+3)
		k0, k1, k2, k3 := k[i], k[i+1], k[i+2], k[i+3]
		for x := range acc {
			acc[x] += k0*int32(a[x]) + k1*int32(b[x]) + k2*int32(c[x]) + k3*int32(d[x])
		}
	}
	// One to four rows are left; the last pass repeats the last row with weight 0 to fill up.
	last := len(k) - 1
	var w [4]int32
	copy(w[:], k[i:])
	a, b, c, d := row(i), row(min(i+1, last)), row(min(i+2, last)), row(min(i+3, last))
	for x, v := range acc {
		v += w[0]*int32(a[x]) + w[1]*int32(b[x]) + w[2]*int32(c[x]) + w[3]*int32(d[x])
		dst[x] = clip8(v >> precision)
	}
}

// nearest follows Pillow: positions are accumulated by repeated addition, not multiplied out.
func (r *Resizer) nearest(dst, m *Image, w, h, left, top int, out Rect) {
	r.pick = r.pick[:0]
	step := float64(m.W) / float64(w)
	pos := step * 0.5
	for x := range left + out.X + out.W {
		if x >= left+out.X {
			r.pick = append(r.pick, int32(3*min(int(pos), m.W-1)))
		}
		pos += step
	}
	step = float64(m.H) / float64(h)
	pos = step * 0.5
	for y := range top + out.Y + out.H {
		if y >= top+out.Y {
			src, d := m.Row(min(int(pos), m.H-1)), dst.Row(y - top)[3*out.X:]
			for i, at := range r.pick {
				p := src[at : at+3 : at+3]
				d[3*i], d[3*i+1], d[3*i+2] = p[0], p[1], p[2]
			}
		}
		pos += step
	}
}
