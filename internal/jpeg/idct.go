package jpeg

import "encoding/binary"

// The accurate integer inverse transform of Loeffler, Ligtenberg and Moschytz as the Independent JPEG
// Group scales it: constants times 2^13, two fractional bits kept between the passes. Sums are taken
// modulo 2^32, dequantized values and the sums that are multiplied modulo 2^16, and results between the
// passes saturate to 16 bits: what the vector code of libjpeg-turbo does, so that broken files too
// give the same samples, here and in every implementation.

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

// even transforms the values 0, 2, 4, 6 of a pass; r is added for rounding.
func even(s0, s2, s4, s6, r int32) (e0, e1, e2, e3 int32) {
	z := (s2 + s6) * f0541
	t2, t3 := z-s6*f1847, z+s2*f0765
	t0, t1 := int32(int16(s0+s4))<<13+r, int32(int16(s0-s4))<<13+r
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3
}

// odd transforms the values 1, 3, 5, 7 of a pass.
func odd(s1, s3, s5, s7 int32) (t0, t1, t2, t3 int32) {
	z1, z2, z3, z4 := s7+s1, s5+s3, int32(int16(s7+s3)), int32(int16(s5+s1))
	z5 := (z3 + z4) * f1175
	z1, z2 = z1*-f0899, z2*-f2562
	z3, z4 = z5-z3*f1961, z5-z4*f0390
	return s7*f0298 + z1 + z3, s5*f2053 + z2 + z4, s3*f3072 + z2 + z3, s1*f1501 + z1 + z4
}

func sat16(v int32) int32 {
	if v != int32(int16(v)) {
		return v>>31 ^ 0x7fff
	}
	return v
}

// level is a column that has nothing but its first value, after the first pass. It saturates, except
// where all columns are like that: there libjpeg-turbo's shortcut wraps. unused is a row that the
// transform does not look at.
func level(v int32, blk *[64]int16, unused int) int32 {
	v <<= 2
	if v == int32(int16(v)) {
		return v
	}
	for i, c := range blk[8:] {
		if c != 0 && i/8+1 != unused {
			return sat16(v)
		}
	}
	return int32(int16(v))
}

func dequant(c, q int16) int32 { return int32(c * q) } // modulo 2^16

// idct8 writes the 8x8 samples of a block to rows of dst that are pitch apart. Columns without
// anything below their first row, common in photographs, need no arithmetic.
func idct8(dst []byte, pitch int, blk, q *[64]int16) {
	var ws [64]int32
	for x := range 8 {
		s0 := dequant(blk[x], q[x])
		if blk[8+x]|blk[16+x]|blk[24+x]|blk[32+x]|blk[40+x]|blk[48+x]|blk[56+x] == 0 {
			s0 = level(s0, blk, 8)
			ws[x], ws[8+x], ws[16+x], ws[24+x] = s0, s0, s0, s0
			ws[32+x], ws[40+x], ws[48+x], ws[56+x] = s0, s0, s0, s0
			continue
		}
		s1, s2, s3 := dequant(blk[8+x], q[8+x]), dequant(blk[16+x], q[16+x]), dequant(blk[24+x], q[24+x])
		s4, s5, s6 := dequant(blk[32+x], q[32+x]), dequant(blk[40+x], q[40+x]), dequant(blk[48+x], q[48+x])
		s7 := dequant(blk[56+x], q[56+x])
		e0, e1, e2, e3 := even(s0, s2, s4, s6, 1<<10)
		t0, t1, t2, t3 := odd(s1, s3, s5, s7)
		ws[x], ws[56+x] = sat16((e0+t3)>>11), sat16((e0-t3)>>11)
		ws[8+x], ws[48+x] = sat16((e1+t2)>>11), sat16((e1-t2)>>11)
		ws[16+x], ws[40+x] = sat16((e2+t1)>>11), sat16((e2-t1)>>11)
		ws[24+x], ws[32+x] = sat16((e3+t0)>>11), sat16((e3-t0)>>11)
	}
	for y := range 8 {
		w := (*[8]int32)(ws[8*y:])
		e0, e1, e2, e3 := even(w[0], w[2], w[4], w[6], 1<<17+128<<18)
		t0, t1, t2, t3 := odd(w[1], w[3], w[5], w[7])
		d := (*[8]byte)(dst[y*pitch:])
		d[0], d[7] = clip((e0+t3)>>18), clip((e0-t3)>>18)
		d[1], d[6] = clip((e1+t2)>>18), clip((e1-t2)>>18)
		d[2], d[5] = clip((e2+t1)>>18), clip((e2-t1)>>18)
		d[3], d[4] = clip((e3+t0)>>18), clip((e3-t0)>>18)
	}
	*blk = [64]int16{}
}

// flat fills a size x size block that has only a mean.
func flat(dst []byte, pitch, size int, dc, q int16) {
	v := uint64(clip((int32(dc*q<<2)+16)>>5+128)) * 0x0101010101010101
	switch size {
	case 8:
		for y := range 8 {
			binary.LittleEndian.PutUint64(dst[y*pitch:], v)
		}
	case 4:
		for y := range 4 {
			binary.LittleEndian.PutUint32(dst[y*pitch:], uint32(v))
		}
	default:
		binary.LittleEndian.PutUint16(dst, uint16(v))
		binary.LittleEndian.PutUint16(dst[pitch:], uint16(v))
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
		if blk[8+x]|blk[16+x]|blk[24+x]|blk[40+x]|blk[48+x]|blk[56+x] == 0 {
			v := level(a[0], blk, 4)
			ws[0][x], ws[1][x], ws[2][x], ws[3][x] = v, v, v, v
			continue
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
	v := (int32(blk[0])*int32(q[0]) + 4) >> 3
	dst[0] = clip(v<<22>>22 + 128) // libjpeg's table of limits has 1024 entries
	*blk = [64]int16{}
}
