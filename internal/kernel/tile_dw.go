package kernel

// The depthwise tiles of the portable path: some neighbouring outputs of a row,
// channel after channel, so that each input loaded serves up to three of them.
// Inputs of one kernel row lie step elements apart. Sums run over kh, then kw,
// in every tile. Each kernel row has a sum of its own, added to the rows before:
// chains of three additions instead of nine, whose latency cost a third.

// dw3s1 is four outputs of a 3x3 kernel with stride 1: six columns of three
// rows. Weights are [c][9].
func dw3s1(r0, r1, r2 []float32, step int, w, y0, y1, y2, y3 []float32) {
	n := len(y0)
	y1, y2, y3 = y1[:n], y2[:n], y3[:n]
	end := 5*step + n
	r0, r1, r2 = r0[:end], r1[:end], r2[:end]
	i1, i2, i3, i4, i5 := step, 2*step, 3*step, 4*step, 5*step
	for c := range y0 {
		v := (*[9]float32)(w[9*c:])
		p, q, s := v[0], v[1], v[2]
		x := r0[c]
		a0 := x * p
		x = r0[c+i1]
		a0, a1 := a0+x*q, x*p
		x = r0[c+i2]
		a0, a1, a2 := a0+x*s, a1+x*q, x*p
		x = r0[c+i3]
		a1, a2, a3 := a1+x*s, a2+x*q, x*p
		x = r0[c+i4]
		a2, a3 = a2+x*s, a3+x*q
		x = r0[c+i5]
		a3 += x * s
		p, q, s = v[3], v[4], v[5]
		x = r1[c]
		b0 := x * p
		x = r1[c+i1]
		b0, b1 := b0+x*q, x*p
		x = r1[c+i2]
		b0, b1, b2 := b0+x*s, b1+x*q, x*p
		x = r1[c+i3]
		b1, b2, b3 := b1+x*s, b2+x*q, x*p
		x = r1[c+i4]
		b2, b3 = b2+x*s, b3+x*q
		x = r1[c+i5]
		b3 += x * s
		a0, a1, a2, a3 = a0+b0, a1+b1, a2+b2, a3+b3
		p, q, s = v[6], v[7], v[8]
		x = r2[c]
		d0 := x * p
		x = r2[c+i1]
		d0, d1 := d0+x*q, x*p
		x = r2[c+i2]
		d0, d1, d2 := d0+x*s, d1+x*q, x*p
		x = r2[c+i3]
		d1, d2, d3 := d1+x*s, d2+x*q, x*p
		x = r2[c+i4]
		d2, d3 = d2+x*s, d3+x*q
		x = r2[c+i5]
		d3 += x * s
		a0, a1, a2, a3 = a0+d0, a1+d1, a2+d2, a3+d3
		y0[c], y1[c], y2[c], y3[c] = a0, a1, a2, a3
	}
}

// dw3s2 is two outputs of a 3x3 kernel with stride 2: five columns of three
// rows. Weights are [c][9].
func dw3s2(r0, r1, r2 []float32, step int, w, y0, y1 []float32) {
	n := len(y0)
	y1 = y1[:n]
	end := 4*step + n
	r0, r1, r2 = r0[:end], r1[:end], r2[:end]
	i1, i2, i3, i4 := step, 2*step, 3*step, 4*step
	for c := range y0 {
		v := (*[9]float32)(w[9*c:])
		p, q, s := v[0], v[1], v[2]
		x := r0[c+i2]
		a0, a1 := r0[c]*p+r0[c+i1]*q, x*p
		a0, a1 = a0+x*s, a1+r0[c+i3]*q
		a1 += r0[c+i4] * s
		p, q, s = v[3], v[4], v[5]
		x = r1[c+i2]
		b0, b1 := r1[c]*p+r1[c+i1]*q, x*p
		b0, b1 = b0+x*s, b1+r1[c+i3]*q
		b1 += r1[c+i4] * s
		a0, a1 = a0+b0, a1+b1
		p, q, s = v[6], v[7], v[8]
		x = r2[c+i2]
		d0, d1 := r2[c]*p+r2[c+i1]*q, x*p
		d0, d1 = d0+x*s, d1+r2[c+i3]*q
		d1 += r2[c+i4] * s
		a0, a1 = a0+d0, a1+d1
		y0[c], y1[c] = a0, a1
	}
}

// dw5s1 adds one kernel row to four outputs of a 5x5 kernel with stride 1:
// eight columns. Weights are [c][5].
func dw5s1(r []float32, step int, w, y0, y1, y2, y3 []float32) {
	n := len(y0)
	y1, y2, y3 = y1[:n], y2[:n], y3[:n]
	r = r[:7*step+n]
	i1, i2, i3, i4, i5, i6, i7 := step, 2*step, 3*step, 4*step, 5*step, 6*step, 7*step
	for c := range y0 {
		v := (*[5]float32)(w[5*c:])
		p, q, s, t, u := v[0], v[1], v[2], v[3], v[4]
		x := r[c]
		a0 := x * p
		x = r[c+i1]
		a0, a1 := a0+x*q, x*p
		x = r[c+i2]
		a0, a1, a2 := a0+x*s, a1+x*q, x*p
		x = r[c+i3]
		a0, a1, a2, a3 := a0+x*t, a1+x*s, a2+x*q, x*p
		x = r[c+i4]
		a0, a1, a2, a3 = a0+x*u, a1+x*t, a2+x*s, a3+x*q
		x = r[c+i5]
		a1, a2, a3 = a1+x*u, a2+x*t, a3+x*s
		x = r[c+i6]
		a2, a3 = a2+x*u, a3+x*t
		x = r[c+i7]
		a3 += x * u
		y0[c] += a0
		y1[c] += a1
		y2[c] += a2
		y3[c] += a3
	}
}

// dw5s2 adds one kernel row to two outputs of a 5x5 kernel with stride 2:
// seven columns. Weights are [c][5].
func dw5s2(r []float32, step int, w, y0, y1 []float32) {
	n := len(y0)
	y1 = y1[:n]
	r = r[:6*step+n]
	i1, i2, i3, i4, i5, i6 := step, 2*step, 3*step, 4*step, 5*step, 6*step
	for c := range y0 {
		v := (*[5]float32)(w[5*c:])
		p, q, s, t, u := v[0], v[1], v[2], v[3], v[4]
		x := r[c+i2]
		a0, a1 := r[c]*p+r[c+i1]*q, x*p
		a0 += x * s
		x = r[c+i3]
		a0, a1 = a0+x*t, a1+x*q
		x = r[c+i4]
		a0, a1 = a0+x*u, a1+x*s
		a1 += r[c+i5] * t
		a1 += r[c+i6] * u
		y0[c] += a0
		y1[c] += a1
	}
}

// dwTap adds one tap of any kernel to one output. Weights are [c].
func dwTap(x, w, y []float32) {
	x, w = x[:len(y)], w[:len(y)]
	for c, v := range w {
		y[c] += x[c] * v
	}
}
