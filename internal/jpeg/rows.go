package jpeg

// upsampling is how a plane is brought to full size.
type upsampling int

const (
	upNone   upsampling = iota
	upH2V1              // triangle filter across
	upH1V2              // triangle filter down
	upH2V2              // both
	upRepeat            // any other factors: samples are repeated
)

// triangleH2 doubles a row: each output is 3/4 of its own sample and 1/4 of the next one on its side.
// The rounding alternates (1, 2) so that no drift adds up. len(in) > 2, len(dst) = 2*len(in).
func triangleH2(dst, in []byte) {
	n := len(in)
	dst = dst[:2*n]
	dst[0], dst[2*n-1] = in[0], in[n-1]
	for i := 1; i < n; i++ {
		a, b := uint32(in[i-1]), uint32(in[i])
		dst[2*i-1] = byte((3*a + b + 2) >> 2)
		dst[2*i] = byte((3*b + a + 1) >> 2)
	}
}

// triangleH2V2 doubles a row in both directions, near being the nearer and far the further row.
func triangleH2V2(dst, near, far []byte) {
	n := len(near)
	dst, far = dst[:2*n], far[:n]
	a := 3*uint32(near[0]) + uint32(far[0])
	dst[0] = byte((4*a + 8) >> 4)
	for i := 1; i < n; i++ {
		b := 3*uint32(near[i]) + uint32(far[i])
		dst[2*i-1] = byte((3*a + b + 7) >> 4)
		dst[2*i] = byte((3*b + a + 8) >> 4)
		a = b
	}
	dst[2*n-1] = byte((4*a + 7) >> 4)
}

// triangleV2 doubles vertically; parity 0 is the upper row of a pair.
func triangleV2(dst, near, far []byte, parity int) {
	near, far = near[:len(dst)], far[:len(dst)]
	for i := range dst {
		dst[i] = byte((3*uint32(near[i]) + uint32(far[i]) + 1 + uint32(parity)) >> 2)
	}
}

// repeat copies each sample n times until dst is full.
func repeat(dst, in []byte, n int) {
	for i, v := range in {
		if i*n >= len(dst) {
			return
		}
		for j := i * n; j < min(i*n+n, len(dst)); j++ {
			dst[j] = v
		}
	}
}

func clip(v int32) byte {
	if uint32(v) > 255 {
		return byte(^(v >> 31)) // 0 below, 255 above
	}
	return byte(v)
}

// yccRow converts by the JFIF equations: 1.402, 0.34414, 0.71414 and 1.772 in 16-bit fixed point.
func yccRow(dst, y, cb, cr []byte) {
	cb, cr = cb[:len(y)], cr[:len(y)]
	dst = dst[:3*len(y)]
	for i, l := range y {
		v, b, r := int32(l), int32(cb[i])-128, int32(cr[i])-128
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0] = clip(v + (91881*r+32768)>>16)
		d[1] = clip(v + (-22554*b-46802*r+32768)>>16)
		d[2] = clip(v + (116130*b+32768)>>16)
	}
}

func grayRow(dst, y []byte) {
	dst = dst[:3*len(y)]
	for i, v := range y {
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0], d[1], d[2] = v, v, v
	}
}

func rgbRow(dst, r, g, b []byte) {
	g, b = g[:len(r)], b[:len(r)]
	dst = dst[:3*len(r)]
	for i, v := range r {
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0], d[1], d[2] = v, g[i], b[i]
	}
}

// cmykRow converts inverted inks as Pillow does: each darkens what black leaves, in rounded 255ths.
func cmykRow(dst, c, m, y, k []byte) {
	m, y, k = m[:len(c)], y[:len(c)], k[:len(c)]
	dst = dst[:3*len(c)]
	for i := range c {
		white := int32(k[i])
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0] = clip(white - mulDiv255(255-int32(c[i]), white))
		d[1] = clip(white - mulDiv255(255-int32(m[i]), white))
		d[2] = clip(white - mulDiv255(255-int32(y[i]), white))
	}
}

func mulDiv255(a, b int32) int32 {
	t := a*b + 128
	return (t>>8 + t) >> 8
}

// inkRow undoes YCCK in place: dst holds what yccRow made, whose complement is the ink.
func inkRow(dst, k []byte) {
	for i, v := range k {
		white := int32(v)
		for j := 3 * i; j < 3*i+3; j++ {
			dst[j] = clip(white - mulDiv255(int32(dst[j]), white))
		}
	}
}
