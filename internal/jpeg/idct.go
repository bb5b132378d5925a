package jpeg

// The accurate integer inverse transform of Loeffler, Ligtenberg and Moschytz as the Independent JPEG
// Group scales it: constants times 2^13, two fractional bits kept between the passes. Every
// implementation here does the same integer arithmetic, modulo 2^32, dequantizes modulo 2^16 and
// saturates to 16 bits between the passes, so that all give the same samples for any coefficients.

const (
	f0298 = 2446
	f0390 = 3196
	f0541 = 4433
	f0765 = 6270
	f0899 = 7373
	f1175 = 9633
	f1501 = 12299
	f1847 = 15137
	f1961 = 16069
	f2053 = 16819
	f2562 = 20995
	f3072 = 25172
)

// butterfly is one pass over eight values; rounding is left to the caller.
func butterfly(a *[8]int32) {
	z1 := (a[2] + a[6]) * f0541
	t2 := z1 - a[6]*f1847
	t3 := z1 + a[2]*f0765
	t0 := (a[0] + a[4]) << 13
	t1 := (a[0] - a[4]) << 13
	e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2

	t0, t1, t2, t3 = a[7], a[5], a[3], a[1]
	z1, z2, z3, z4 := t0+t3, t1+t2, t0+t2, t1+t3
	z5 := (z3 + z4) * f1175
	z1, z2 = -z1*f0899, -z2*f2562
	z3, z4 = z5-z3*f1961, z5-z4*f0390
	t0 = t0*f0298 + z1 + z3
	t1 = t1*f2053 + z2 + z4
	t2 = t2*f3072 + z2 + z3
	t3 = t3*f1501 + z1 + z4

	a[0], a[7] = e0+t3, e0-t3
	a[1], a[6] = e1+t2, e1-t2
	a[2], a[5] = e2+t1, e2-t1
	a[3], a[4] = e3+t0, e3-t0
}

func sat16(v int32) int32 {
	if v != int32(int16(v)) {
		return v>>31 ^ 0x7fff
	}
	return v
}

func dequant(c, q int16) int32 { return int32(c * q) } // modulo 2^16

// idct8 writes the 8x8 samples of a block to rows of dst that are pitch apart.
func idct8(dst []byte, pitch int, blk, q *[64]int16) {
	var ws [64]int32
	var a [8]int32
	for x := range 8 {
		dc := dequant(blk[x], q[x])
		if blk[8+x]|blk[16+x]|blk[24+x]|blk[32+x]|blk[40+x]|blk[48+x]|blk[56+x] == 0 {
			dc = sat16(dc << 2)
			for y := range 8 {
				ws[8*y+x] = dc
			}
			continue
		}
		a[0] = dc
		for y := 1; y < 8; y++ {
			a[y] = dequant(blk[8*y+x], q[8*y+x])
		}
		butterfly(&a)
		for y, v := range a {
			ws[8*y+x] = sat16((v + 1<<10) >> 11)
		}
	}
	for y := range 8 {
		a = [8]int32(ws[8*y:])
		butterfly(&a)
		d := dst[y*pitch:][:8]
		for x, v := range a {
			d[x] = clip((v + 1<<17 + 128<<18) >> 18)
		}
	}
	*blk = [64]int16{}
}

// flat fills a size x size block that has only a mean.
func flat(dst []byte, pitch, size int, dc, q int16) {
	v := clip((sat16(dequant(dc, q)<<2)+16)>>5 + 128)
	for y := range size {
		d := dst[y*pitch:][:size]
		for x := range d {
			d[x] = v
		}
	}
}

// The reduced transforms give 4x4, 2x2 and 1x1 samples of a block of 8x8, for scaled decoding.

const (
	r0211 = 1730
	r0509 = 4176
	r0601 = 4926
	r0720 = 5906
	r0765 = 6270
	r0850 = 6967
	r0899 = 7373
	r1061 = 8697
	r1272 = 10426
	r1451 = 11893
	r1847 = 15137
	r2172 = 17799
	r2562 = 20995
	r3624 = 29692
)

// reduce4 is one pass over a[0..3] and a[5..7] to four values.
func reduce4(a *[8]int32) (v0, v1, v2, v3 int32) {
	t0 := a[0] << 14
	t2 := a[2]*r1847 - a[6]*r0765
	e0, e2 := t0+t2, t0-t2
	t0 = a[1]*r1061 - a[3]*r2172 + a[5]*r1451 - a[7]*r0211
	t2 = a[1]*r2562 + a[3]*r0899 - a[5]*r0601 - a[7]*r0509
	return e0 + t2, e2 + t0, e2 - t0, e0 - t2
}

func idct4(dst []byte, pitch int, blk, q *[64]int16) {
	var ws [4][8]int32
	var a [8]int32
	for x := range 8 {
		if x == 4 {
			continue // not used by the second pass
		}
		for y := range 8 {
			a[y] = dequant(blk[8*y+x], q[8*y+x])
		}
		v0, v1, v2, v3 := reduce4(&a)
		ws[0][x] = sat16((v0 + 1<<11) >> 12)
		ws[1][x] = sat16((v1 + 1<<11) >> 12)
		ws[2][x] = sat16((v2 + 1<<11) >> 12)
		ws[3][x] = sat16((v3 + 1<<11) >> 12)
	}
	for y := range 4 {
		v0, v1, v2, v3 := reduce4(&ws[y])
		d := dst[y*pitch:][:4]
		d[0] = clip((v0 + 1<<18 + 128<<19) >> 19)
		d[1] = clip((v1 + 1<<18 + 128<<19) >> 19)
		d[2] = clip((v2 + 1<<18 + 128<<19) >> 19)
		d[3] = clip((v3 + 1<<18 + 128<<19) >> 19)
	}
	*blk = [64]int16{}
}

func idct2(dst []byte, pitch int, blk, q *[64]int16) {
	var ws [2][8]int32
	for x := range 8 {
		if x == 2 || x == 4 || x == 6 {
			continue
		}
		e := dequant(blk[x], q[x]) << 15
		o := dequant(blk[8+x], q[8+x])*r3624 - dequant(blk[24+x], q[24+x])*r1272 +
			dequant(blk[40+x], q[40+x])*r0850 - dequant(blk[56+x], q[56+x])*r0720
		ws[0][x] = sat16((e + o + 1<<12) >> 13)
		ws[1][x] = sat16((e - o + 1<<12) >> 13)
	}
	for y := range 2 {
		a := &ws[y]
		e := a[0] << 15
		o := a[1]*r3624 - a[3]*r1272 + a[5]*r0850 - a[7]*r0720
		d := dst[y*pitch:][:2]
		d[0] = clip((e + o + 1<<19 + 128<<20) >> 20)
		d[1] = clip((e - o + 1<<19 + 128<<20) >> 20)
	}
	*blk = [64]int16{}
}

func idct1(dst []byte, blk, q *[64]int16) {
	dst[0] = clip((dequant(blk[0], q[0])+4)>>3 + 128)
	*blk = [64]int16{}
}
