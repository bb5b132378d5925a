package imageio

import (
	"fmt"
	"math"
)

// floatScratch holds the tables of ResizeFloat between calls.
type floatScratch struct {
	x, y floatAxis
	rows []float32
	line []float32
}

// floatAxis is the filter of a stretch of output positions in floating point, as axis is in fixed.
type floatAxis struct {
	key    axisKey
	first  []int32
	start  []int32
	weight []float32
}

// ResizeFloat resizes m to w x h as TensorFlow does and writes the cw x ch part at (left, top) to dst
// as float32 R, G, B in 0..255, unrounded. What lies outside w x h is 0. len(dst) = 3*cw*ch.
// Pillow's filters are accepted too: their bytes are written as floats.
func (r *Resizer) ResizeFloat(dst []float32, cw, ch int, m *Image, w, h, left, top int, f Filter) error {
	if f >= numFilters {
		return fmt.Errorf("imageio: unknown filter %d", f)
	}
	if err := m.Check(); err != nil {
		return err
	}
	if err := checkSides(w, h); err != nil {
		return err
	}
	if err := checkSize(cw, ch); err != nil {
		return err
	}
	if len(dst) != 3*cw*ch {
		return fmt.Errorf("imageio: resize to %dx%dx3 into %d floats", ch, cw, len(dst))
	}
	if !f.Float() {
		b := &Image{W: cw, H: ch, Pix: make([]byte, 3*cw*ch)}
		if err := r.ResizeCrop(b, m, w, h, left, top, f); err != nil {
			return err
		}
		for i, v := range b.Pix {
			dst[i] = float32(v)
		}
		return nil
	}
	x0, x1 := clampRange(left, cw, w)
	y0, y1 := clampRange(top, ch, h)
	if x0 > 0 || y0 > 0 || x1 < cw || y1 < ch {
		clear(dst)
	}
	if x0 == x1 || y0 == y1 {
		return nil
	}
	s := &r.floats
	s.x.build(axisKey{f, m.W, w, left + x0, x1 - x0})
	s.y.build(axisKey{f, m.H, h, top + y0, y1 - y0})
	n := 3 * (x1 - x0)
	if f == TFBilinearAntialias || f == TFArea {
		r.separable(dst, m, cw, x0, y0, n)
		return nil
	}
	// Two taps a direction: TensorFlow blends each row first, then the two rows, by a + (b-a)*t.
	if cap(s.rows) < 2*n {
		s.rows = make([]float32, 2*n)
	}
	upper, lower := s.rows[:n], s.rows[n:2*n]
	upperRow, lowerRow := -1, -1
	for i := range y1 - y0 {
		k := s.y.weight[s.y.start[i]:s.y.start[i+1]]
		ya := int(s.y.first[i])
		yb := ya + len(k) - 1
		out := dst[3*((y0+i)*cw+x0):][:n]
		if upperRow != ya {
			if lowerRow == ya {
				upper, lower, upperRow, lowerRow = lower, upper, ya, upperRow
			} else {
				s.x.blend(upper, m.Row(ya))
				upperRow = ya
			}
		}
		if yb == ya {
			copy(out, upper)
			continue
		}
		if lowerRow != yb {
			s.x.blend(lower, m.Row(yb))
			lowerRow = yb
		}
		t := k[1]
		for j, a := range upper {
			out[j] = a + float32((lower[j]-a)*t)
		}
	}
	return nil
}

// blend interpolates one row between at most two neighbours each.
func (a *floatAxis) blend(dst []float32, src []byte) {
	for i, first := range a.first {
		p, d := src[3*int(first):], dst[3*i:3*i+3]
		k := a.weight[a.start[i]:a.start[i+1]]
		d[0], d[1], d[2] = float32(p[0]), float32(p[1]), float32(p[2])
		if len(k) == 2 {
			t := k[1]
			for c := range 3 {
				d[c] += float32((float32(p[3+c]) - d[c]) * t)
			}
		}
	}
}

// separable sums any number of taps: columns of each row first, then rows.
func (r *Resizer) separable(dst []float32, m *Image, cw, x0, y0, n int) {
	s := &r.floats
	if cap(s.line) < n {
		s.line = make([]float32, n)
	}
	line := s.line[:n]
	for i, first := range s.y.first {
		out := dst[3*((y0+i)*cw+x0):][:n]
		clear(out)
		for j, wy := range s.y.weight[s.y.start[i]:s.y.start[i+1]] {
			s.x.sum(line, m.Row(int(first)+j))
			for c, v := range line {
				out[c] += float32(v * wy)
			}
		}
	}
}

func (a *floatAxis) sum(dst []float32, src []byte) {
	for i, first := range a.first {
		var s0, s1, s2 float32
		p := src[3*int(first):]
		for j, w := range a.weight[a.start[i]:a.start[i+1]] {
			s0 += float32(w * float32(p[3*j]))
			s1 += float32(w * float32(p[3*j+1]))
			s2 += float32(w * float32(p[3*j+2]))
		}
		dst[3*i], dst[3*i+1], dst[3*i+2] = s0, s1, s2
	}
}

// build computes the taps of outputs [at, at+n), in float32 as TensorFlow does.
func (a *floatAxis) build(key axisKey) {
	if a.key == key && key.n > 0 {
		return
	}
	a.key = key
	a.first, a.start, a.weight = a.first[:0], a.start[:0], a.weight[:0]
	scale := float32(key.in) / float32(key.out)
	if key.f == TFBilinearAlign && key.out > 1 {
		scale = float32(key.in-1) / float32(key.out-1)
	}
	for i := key.at; i < key.at+key.n; i++ {
		a.start = append(a.start, int32(len(a.weight)))
		x := float32(i)
		switch key.f {
		case TFNearest:
			a.one(int(float32((x+0.5)*scale)), key.in)
		case TFNearestLegacy:
			a.one(int(float32(x*scale)), key.in)
		case TFBilinear:
			a.two(float32((x+0.5)*scale)-0.5, key.in)
		case TFBilinearLegacy, TFBilinearAlign:
			a.two(float32(x*scale), key.in)
		case TFBilinearAntialias:
			a.triangle(float32((x+0.5)*scale), max(scale, 1), key.in)
		case TFArea:
			a.area(float64(i), float64(key.in)/float64(key.out), key.in)
		}
	}
	a.start = append(a.start, int32(len(a.weight)))
}

func (a *floatAxis) one(at, in int) {
	a.first = append(a.first, int32(max(0, min(at, in-1))))
	a.weight = append(a.weight, 1)
}

// two keeps the fraction t in the second weight: blend and its caller use only that.
func (a *floatAxis) two(pos float32, in int) {
	floor := float32(math.Floor(float64(pos)))
	t := pos - floor
	lo, hi := max(int(floor), 0), min(int(floor)+1, in-1)
	if hi <= lo || t == 0 {
		a.one(lo, in)
		return
	}
	a.first = append(a.first, int32(lo))
	a.weight = append(a.weight, 1-t, t)
}

func (a *floatAxis) triangle(center, stretch float32, in int) {
	lo := max(0, int(math.Ceil(float64(center-stretch-0.5))))
	hi := min(in-1, int(math.Floor(float64(center+stretch-0.5))))
	a.first = append(a.first, int32(lo))
	from := len(a.weight)
	var total float32
	for x := lo; x <= hi; x++ {
		d := (float32(x) + 0.5 - center) / stretch
		w := max(0, 1-max(d, -d))
		a.weight = append(a.weight, w)
		total += w
	}
	for i := from; i < len(a.weight) && total != 0; i++ {
		a.weight[i] /= total
	}
}

// area weighs each input by how much of it the output's stretch covers.
func (a *floatAxis) area(i, scale float64, in int) {
	begin, end := i*scale, (i+1)*scale
	lo, hi := int(math.Floor(begin)), min(in, int(math.Ceil(end)))
	a.first = append(a.first, int32(lo))
	for x := lo; x < hi; x++ {
		covered := min(end, float64(x+1)) - max(begin, float64(x))
		a.weight = append(a.weight, float32(covered/scale))
	}
}
