package kernel

// The scalar product tiles of the portable path. A tile sums the products of
// some pixels' rows of k inputs with a panel of four output channels, packed
// [k][4] so that the loop walks it in one go.
//
// Shape of the tile, measured on amd64 (multiply-adds per nanosecond at about
// 3.7 GHz, one core): MULSS and ADDSS need a copy for every product, three
// instructions a multiply-add, so six-wide dispatch allows 2 a cycle. Eight
// sums leave the compiler seven of its fifteen registers for operands; with
// nine it still manages (3x3: 5.6), with ten or twelve it spills (5x2: 5.3,
// 4x3: 3.5). 2x4 reaches 5.0 with four steps unrolled, 5.6 with eight, 6.1
// with sixteen (1.6 a cycle), against 4x2's 5.8, and unlike 4x2 does not need
// its inputs interleaved first. Without unrolling the compiler hoists all
// products over the sums and spills: 2.4.
//
// Every element is summed over k in order, from zero, by the same expression
// in every tile: so tails and batches have the same bits (also where the
// compiler fuses multiply and add, as it does on arm64).

// tile2x4 runs a panel w of k inputs over n rows of inputs, stride apart, two
// by two, and puts the sums width apart. It leaves an odd last row.
func tile2x4(x []float32, stride, k, n int, panel, sums []float32, width int) {
	for i := 0; i+2 <= n; i += 2 {
		x0, x1, w := x[i*stride:][:k], x[(i+1)*stride:][:k], panel
		var a0, a1, a2, a3, b0, b1, b2, b3 float32
		for len(w) >= 64 {
			p, q, v := (*[16]float32)(x0), (*[16]float32)(x1), (*[64]float32)(w)
			x, z := p[0], q[0]
			a0, b0, a1, b1 = a0+x*v[0], b0+z*v[0], a1+x*v[1], b1+z*v[1]
			a2, b2, a3, b3 = a2+x*v[2], b2+z*v[2], a3+x*v[3], b3+z*v[3]
			x, z = p[1], q[1]
			a0, b0, a1, b1 = a0+x*v[4], b0+z*v[4], a1+x*v[5], b1+z*v[5]
			a2, b2, a3, b3 = a2+x*v[6], b2+z*v[6], a3+x*v[7], b3+z*v[7]
			x, z = p[2], q[2]
			a0, b0, a1, b1 = a0+x*v[8], b0+z*v[8], a1+x*v[9], b1+z*v[9]
			a2, b2, a3, b3 = a2+x*v[10], b2+z*v[10], a3+x*v[11], b3+z*v[11]
			x, z = p[3], q[3]
			a0, b0, a1, b1 = a0+x*v[12], b0+z*v[12], a1+x*v[13], b1+z*v[13]
			a2, b2, a3, b3 = a2+x*v[14], b2+z*v[14], a3+x*v[15], b3+z*v[15]
			x, z = p[4], q[4]
			a0, b0, a1, b1 = a0+x*v[16], b0+z*v[16], a1+x*v[17], b1+z*v[17]
			a2, b2, a3, b3 = a2+x*v[18], b2+z*v[18], a3+x*v[19], b3+z*v[19]
			x, z = p[5], q[5]
			a0, b0, a1, b1 = a0+x*v[20], b0+z*v[20], a1+x*v[21], b1+z*v[21]
			a2, b2, a3, b3 = a2+x*v[22], b2+z*v[22], a3+x*v[23], b3+z*v[23]
			x, z = p[6], q[6]
			a0, b0, a1, b1 = a0+x*v[24], b0+z*v[24], a1+x*v[25], b1+z*v[25]
			a2, b2, a3, b3 = a2+x*v[26], b2+z*v[26], a3+x*v[27], b3+z*v[27]
			x, z = p[7], q[7]
			a0, b0, a1, b1 = a0+x*v[28], b0+z*v[28], a1+x*v[29], b1+z*v[29]
			a2, b2, a3, b3 = a2+x*v[30], b2+z*v[30], a3+x*v[31], b3+z*v[31]
			x, z = p[8], q[8]
			a0, b0, a1, b1 = a0+x*v[32], b0+z*v[32], a1+x*v[33], b1+z*v[33]
			a2, b2, a3, b3 = a2+x*v[34], b2+z*v[34], a3+x*v[35], b3+z*v[35]
			x, z = p[9], q[9]
			a0, b0, a1, b1 = a0+x*v[36], b0+z*v[36], a1+x*v[37], b1+z*v[37]
			a2, b2, a3, b3 = a2+x*v[38], b2+z*v[38], a3+x*v[39], b3+z*v[39]
			x, z = p[10], q[10]
			a0, b0, a1, b1 = a0+x*v[40], b0+z*v[40], a1+x*v[41], b1+z*v[41]
			a2, b2, a3, b3 = a2+x*v[42], b2+z*v[42], a3+x*v[43], b3+z*v[43]
			x, z = p[11], q[11]
			a0, b0, a1, b1 = a0+x*v[44], b0+z*v[44], a1+x*v[45], b1+z*v[45]
			a2, b2, a3, b3 = a2+x*v[46], b2+z*v[46], a3+x*v[47], b3+z*v[47]
			x, z = p[12], q[12]
			a0, b0, a1, b1 = a0+x*v[48], b0+z*v[48], a1+x*v[49], b1+z*v[49]
			a2, b2, a3, b3 = a2+x*v[50], b2+z*v[50], a3+x*v[51], b3+z*v[51]
			x, z = p[13], q[13]
			a0, b0, a1, b1 = a0+x*v[52], b0+z*v[52], a1+x*v[53], b1+z*v[53]
			a2, b2, a3, b3 = a2+x*v[54], b2+z*v[54], a3+x*v[55], b3+z*v[55]
			x, z = p[14], q[14]
			a0, b0, a1, b1 = a0+x*v[56], b0+z*v[56], a1+x*v[57], b1+z*v[57]
			a2, b2, a3, b3 = a2+x*v[58], b2+z*v[58], a3+x*v[59], b3+z*v[59]
			x, z = p[15], q[15]
			a0, b0, a1, b1 = a0+x*v[60], b0+z*v[60], a1+x*v[61], b1+z*v[61]
			a2, b2, a3, b3 = a2+x*v[62], b2+z*v[62], a3+x*v[63], b3+z*v[63]
			x0, x1, w = x0[16:], x1[16:], w[64:]
		}
		for len(w) >= 16 {
			p, q, v := (*[4]float32)(x0), (*[4]float32)(x1), (*[16]float32)(w)
			x, z := p[0], q[0]
			a0, b0, a1, b1 = a0+x*v[0], b0+z*v[0], a1+x*v[1], b1+z*v[1]
			a2, b2, a3, b3 = a2+x*v[2], b2+z*v[2], a3+x*v[3], b3+z*v[3]
			x, z = p[1], q[1]
			a0, b0, a1, b1 = a0+x*v[4], b0+z*v[4], a1+x*v[5], b1+z*v[5]
			a2, b2, a3, b3 = a2+x*v[6], b2+z*v[6], a3+x*v[7], b3+z*v[7]
			x, z = p[2], q[2]
			a0, b0, a1, b1 = a0+x*v[8], b0+z*v[8], a1+x*v[9], b1+z*v[9]
			a2, b2, a3, b3 = a2+x*v[10], b2+z*v[10], a3+x*v[11], b3+z*v[11]
			x, z = p[3], q[3]
			a0, b0, a1, b1 = a0+x*v[12], b0+z*v[12], a1+x*v[13], b1+z*v[13]
			a2, b2, a3, b3 = a2+x*v[14], b2+z*v[14], a3+x*v[15], b3+z*v[15]
			x0, x1, w = x0[4:], x1[4:], w[16:]
		}
		x1 = x1[:len(x0)]
		for i, x := range x0 {
			z, v := x1[i], (*[4]float32)(w[4*i:])
			a0, b0, a1, b1 = a0+x*v[0], b0+z*v[0], a1+x*v[1], b1+z*v[1]
			a2, b2, a3, b3 = a2+x*v[2], b2+z*v[2], a3+x*v[3], b3+z*v[3]
		}
		*(*[4]float32)(sums[i*width:]) = [4]float32{a0, a1, a2, a3}
		*(*[4]float32)(sums[(i+1)*width:]) = [4]float32{b0, b1, b2, b3}
	}
}

// tile1x8 is one pixel by two panels; len(v) = len(w) = 4*len(x).
func tile1x8(x, w, v []float32, y *[8]float32) {
	var a0, a1, a2, a3, b0, b1, b2, b3 float32
	for len(w) >= 16 {
		p, u, v4 := (*[4]float32)(x), (*[16]float32)(w), (*[16]float32)(v)
		z := p[0]
		a0, a1, a2, a3 = a0+z*u[0], a1+z*u[1], a2+z*u[2], a3+z*u[3]
		b0, b1, b2, b3 = b0+z*v4[0], b1+z*v4[1], b2+z*v4[2], b3+z*v4[3]
		z = p[1]
		a0, a1, a2, a3 = a0+z*u[4], a1+z*u[5], a2+z*u[6], a3+z*u[7]
		b0, b1, b2, b3 = b0+z*v4[4], b1+z*v4[5], b2+z*v4[6], b3+z*v4[7]
		z = p[2]
		a0, a1, a2, a3 = a0+z*u[8], a1+z*u[9], a2+z*u[10], a3+z*u[11]
		b0, b1, b2, b3 = b0+z*v4[8], b1+z*v4[9], b2+z*v4[10], b3+z*v4[11]
		z = p[3]
		a0, a1, a2, a3 = a0+z*u[12], a1+z*u[13], a2+z*u[14], a3+z*u[15]
		b0, b1, b2, b3 = b0+z*v4[12], b1+z*v4[13], b2+z*v4[14], b3+z*v4[15]
		x, w, v = x[4:], w[16:], v[16:]
	}
	for i, z := range x {
		u, v4 := (*[4]float32)(w[4*i:]), (*[4]float32)(v[4*i:])
		a0, a1, a2, a3 = a0+z*u[0], a1+z*u[1], a2+z*u[2], a3+z*u[3]
		b0, b1, b2, b3 = b0+z*v4[0], b1+z*v4[1], b2+z*v4[2], b3+z*v4[3]
	}
	*y = [8]float32{a0, a1, a2, a3, b0, b1, b2, b3}
}

// tile1x4 is one pixel by one panel; len(w) = 4*len(x).
func tile1x4(x, w []float32, y *[4]float32) {
	var a0, a1, a2, a3 float32
	for len(w) >= 16 {
		p, u := (*[4]float32)(x), (*[16]float32)(w)
		z := p[0]
		a0, a1, a2, a3 = a0+z*u[0], a1+z*u[1], a2+z*u[2], a3+z*u[3]
		z = p[1]
		a0, a1, a2, a3 = a0+z*u[4], a1+z*u[5], a2+z*u[6], a3+z*u[7]
		z = p[2]
		a0, a1, a2, a3 = a0+z*u[8], a1+z*u[9], a2+z*u[10], a3+z*u[11]
		z = p[3]
		a0, a1, a2, a3 = a0+z*u[12], a1+z*u[13], a2+z*u[14], a3+z*u[15]
		x, w = x[4:], w[16:]
	}
	for i, z := range x {
		u := (*[4]float32)(w[4*i:])
		a0, a1, a2, a3 = a0+z*u[0], a1+z*u[1], a2+z*u[2], a3+z*u[3]
	}
	*y = [4]float32{a0, a1, a2, a3}
}
