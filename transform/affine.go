package transform

import "math"

// affine moves the picture in place as Pillow's transform(AFFINE, NEAREST) does: the pixel (x, y) of
// the result is that of the source at (a[0]x + a[1]y + a[2], a[3]x + a[4]y + a[5]), black outside.
// Positions are in 16-bit fixed point, as Pillow's are.
func affine(m *Image, a [6]float64, scratch *[]byte) {
	n := 3 * m.W * m.H
	if cap(*scratch) < n {
		*scratch = make([]byte, n)
	}
	src := (*scratch)[:n]
	copy(src, m.Pix[:n])
	fix := func(v float64) int64 { return int64(math.Floor(v*65536 + 0.5)) }
	a0, a1, a3, a4 := fix(a[0]), fix(a[1]), fix(a[3]), fix(a[4])
	x0 := fix(a[2] + a[0]*0.5 + a[1]*0.5)
	y0 := fix(a[5] + a[3]*0.5 + a[4]*0.5)
	for y := range m.H {
		row, xx, yy := m.Row(y), x0, y0
		for i := 0; i < len(row); i += 3 {
			d := row[i : i+3 : i+3]
			d[0], d[1], d[2] = 0, 0, 0
			if sx, sy := xx>>16, yy>>16; sx >= 0 && sx < int64(m.W) && sy >= 0 && sy < int64(m.H) {
				p := src[3*(int(sy)*m.W+int(sx)):]
				d[0], d[1], d[2] = p[0], p[1], p[2]
			}
			xx, yy = xx+a0, yy+a3
		}
		x0, y0 = x0+a1, y0+a4
	}
}

func shearX(m *Image, s float64, scratch *[]byte) {
	affine(m, [6]float64{1, math.Tan(math.Atan(s)), 0, 0, 1, 0}, scratch)
}

func shearY(m *Image, s float64, scratch *[]byte) {
	affine(m, [6]float64{1, 0, 0, math.Tan(math.Atan(s)), 1, 0}, scratch)
}

// translate moves the picture by whole pixels to the right and down.
func translate(m *Image, dx, dy int, scratch *[]byte) {
	affine(m, [6]float64{1, 0, -float64(dx), 0, 1, -float64(dy)}, scratch)
}

// rotate turns counterclockwise around the centre, as Pillow's rotate does.
func rotate(m *Image, degrees float64, scratch *[]byte) {
	// Pillow reduces the angle, and rounds the matrix to 15 places.
	degrees = math.Mod(degrees, 360)
	if degrees < 0 {
		degrees += 360
	}
	t := -degrees * (math.Pi / 180)
	round := func(v float64) float64 { return math.RoundToEven(v*1e15) / 1e15 }
	c, s := round(math.Cos(t)), round(math.Sin(t))
	cx, cy := float64(m.W)/2, float64(m.H)/2
	a := [6]float64{c, s, 0, -s, c, 0}
	a[2] = float64(a[0]*-cx) + float64(a[1]*-cy) + cx
	a[5] = float64(a[3]*-cx) + float64(a[4]*-cy) + cy
	affine(m, a, scratch)
}
