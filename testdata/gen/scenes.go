package main

import (
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
)

// scenes paints pictures of everyday things for the built-in model, so that
// the README's first command has something to name.
func scenes() error {
	for name, at := range map[string]func(x, y float64) rgb{"orange.jpg": orange, "school-bus.jpg": schoolBus} {
		f, err := os.Create(filepath.Join(dir, "everyday", name))
		if err != nil {
			return err
		}
		if err := jpeg.Encode(f, paint(320, at), &jpeg.Options{Quality: 90}); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

type rgb [3]float64

func (c rgb) mix(d rgb, t float64) rgb {
	t = min(max(t, 0), 1)
	for i := range c {
		c[i] += (d[i] - c[i]) * t
	}
	return c
}

func (c rgb) times(f float64) rgb { return rgb{c[0] * f, c[1] * f, c[2] * f} }

// paint samples each pixel nine times, so that edges are smooth.
func paint(side int, at func(x, y float64) rgb) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			var sum rgb
			for k := range 9 {
				c := at((float64(x)+(float64(k%3)+0.5)/3)/float64(side), (float64(y)+(float64(k/3)+0.5)/3)/float64(side))
				for i := range sum {
					sum[i] += c[i] / 9
				}
			}
			m.SetNRGBA(x, y, color.NRGBA{level(sum[0]), level(sum[1]), level(sum[2]), 255})
		}
	}
	return m
}

// noise is smooth and between 0 and 1: values on a grid, blended.
func noise(x, y float64) float64 {
	grid := func(i, j int) float64 {
		h := uint32(i)*0x9e3779b1 ^ uint32(j)*0x85ebca77
		h = (h ^ h>>15) * 0x2c1b3c6d
		h = (h ^ h>>12) * 0x297a2d39
		return float64(h^h>>15) / (1 << 32)
	}
	fx, fy := math.Floor(x), math.Floor(y)
	i, j, u, v := int(fx), int(fy), x-fx, y-fy
	u, v = u*u*(3-2*u), v*v*(3-2*v)
	return (grid(i, j)*(1-u)+grid(i+1, j)*u)*(1-v) + (grid(i, j+1)*(1-u)+grid(i+1, j+1)*u)*v
}

// orange is a fruit on a wooden table.
func orange(x, y float64) rgb {
	const cx, cy, r = 0.5, 0.52, 0.33
	grain := noise(4*x, 60*y+3*noise(3*x, 3*y))
	back := rgb{0.36, 0.22, 0.12}.mix(rgb{0.55, 0.36, 0.2}, grain)
	if y < 0.34 {
		back = rgb{0.62, 0.6, 0.55}.mix(rgb{0.75, 0.74, 0.7}, noise(5*x, 5*y))
	}
	if s := math.Hypot((x-cx-0.06)/0.4, (y-cy-0.3)/0.1); s < 1 {
		back = back.times(0.35 + 0.65*s*s)
	}
	dx, dy := (x-cx)/r, (y-cy)/r
	d := dx*dx + dy*dy
	if d >= 1 {
		return back
	}
	dz := math.Sqrt(1 - d)
	pores := noise(70*math.Asin(dx), 70*math.Asin(dy))
	light := max(0, -0.45*dx-0.6*dy+0.66*dz)
	c := rgb{0.97, 0.52, 0.06}.mix(rgb{0.9, 0.42, 0.03}, noise(6*dx+9, 6*dy))
	c = c.times(0.3 + 0.75*light - 0.16*pores)
	shine := math.Pow(max(0, -0.33*dx-0.45*dy+0.83*dz), 40)
	c = c.mix(rgb{1, 0.95, 0.85}, 0.5*shine*(0.6+0.6*pores))
	// The place of the stalk.
	if s := math.Hypot(dx-0.1, 1.6*(dy+0.62)); s < 0.16 {
		c = c.mix(rgb{0.35, 0.4, 0.12}, 1-s/0.16)
	}
	return c
}

// schoolBus is a yellow bus on a street, seen from its side.
func schoolBus(x, y float64) rgb {
	sky := rgb{0.55, 0.72, 0.92}.mix(rgb{0.85, 0.9, 0.95}, 1.6*y)
	c := sky.mix(rgb{1, 1, 1}, 1.5*(noise(5*x+2, 9*y)-0.55))
	if tree := 0.32 + 0.12*noise(7*x, 1) + 0.03*noise(40*x, 2); y > tree && y < 0.7 {
		c = rgb{0.12, 0.27, 0.1}.mix(rgb{0.3, 0.46, 0.2}, noise(45*x, 45*y))
	}
	if y > 0.68 {
		c = rgb{0.33, 0.33, 0.34}.mix(rgb{0.45, 0.45, 0.45}, noise(120*x, 160*y))
	}
	if s := math.Hypot((x-0.5)/0.5, (y-0.79)/0.05); s < 1 {
		c = c.times(0.4 + 0.6*s)
	}
	yellow := rgb{0.96, 0.7, 0.08}.times(1.05 - 0.35*math.Max(0, y-0.35))
	inside := func(x0, y0, x1, y1, r float64) bool {
		dx, dy := max(x0+r-x, 0, x-x1+r), max(y0+r-y, 0, y-y1+r)
		return math.Hypot(dx, dy) < r
	}
	body := inside(0.05, 0.3, 0.8, 0.75, 0.05)
	hood := inside(0.74, 0.5, 0.96, 0.75, 0.04)
	if body || hood {
		c = yellow
		switch {
		case y > 0.52 && y < 0.535, y > 0.6 && y < 0.612, y > 0.68 && y < 0.69:
			c = rgb{0.08, 0.07, 0.06}
		case body && y < 0.325:
			c = yellow.mix(rgb{1, 1, 0.9}, 0.4)
		case y > 0.72:
			c = rgb{0.15, 0.13, 0.1}
		}
	}
	glass := rgb{0.16, 0.2, 0.25}.mix(rgb{0.6, 0.7, 0.78}, 0.8*noise(3*x+2*y, 4*y))
	for i := range 6 {
		x0 := 0.085 + 0.098*float64(i)
		if inside(x0-0.008, 0.362, x0+0.083, 0.488, 0.014) {
			c = rgb{0.1, 0.09, 0.08}
		}
		if inside(x0, 0.37, x0+0.075, 0.48, 0.01) {
			c = glass
			if math.Abs(y-0.425) < 0.004 {
				c = rgb{0.1, 0.1, 0.1}
			}
		}
	}
	if inside(0.685, 0.37, 0.79, 0.7, 0.012) { // the door
		c = rgb{0.1, 0.09, 0.08}
		if inside(0.695, 0.38, 0.733, 0.69, 0.008) || inside(0.742, 0.38, 0.78, 0.69, 0.008) {
			c = glass
		}
	}
	if math.Hypot(x-0.945, y-0.6) < 0.018 {
		c = rgb{1, 0.98, 0.85}
	}
	for _, wx := range []float64{0.22, 0.845} {
		switch d := math.Hypot(x-wx, y-0.745); {
		case d < 0.03:
			c = rgb{0.75, 0.72, 0.66}.times(0.7 + 6*d)
		case d < 0.075:
			c = rgb{0.07, 0.07, 0.07}.times(1 + 3*noise(90*x, 90*y)*0.2)
		case d < 0.088 && y < 0.745 && (body || hood):
			c = rgb{0.2, 0.15, 0.05}
		}
	}
	return c
}
