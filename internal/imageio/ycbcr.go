package imageio

import "image"

// fromYCbCr converts planes that someone else decoded, the way libjpeg does (and so Pillow): chroma is brought to
// full size by a triangle filter ("fancy upsampling", 3/4 of the nearer and 1/4 of the further
// sample) where it is halved, by repetition for rarer ratios, and then converted by 16-bit fixed
// point JFIF equations. Go's own conversion repeats chroma, which shifts colours along edges.
func fromYCbCr(m *image.YCbCr) (*Image, error) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	out, err := New(w, h)
	if err != nil {
		return nil, err
	}
	cw, ch := (w+1)/2, (h+1)/2 // halved chroma; the planes themselves are padded beyond
	ratio := m.SubsampleRatio
	// libjpeg has no triangle filter for a chroma row of one or two samples.
	tooNarrow := cw <= 2 && (ratio == image.YCbCrSubsampleRatio422 || ratio == image.YCbCrSubsampleRatio420)
	cb, cr := make([]byte, 2*cw), make([]byte, 2*cw)
	sum := make([]int32, cw)
	for y := range h {
		yrow := m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y+y):]
		ub, ur := cb, cr
		at := func(plane []byte, cy, n int) []byte { return plane[cy*m.CStride:][:n:n] }
		cy := y / 2
		near := max(0, min(ch-1, cy-1+2*(y&1))) // the further of the two chroma rows around y
		switch {
		case ratio == image.YCbCrSubsampleRatio444:
			ub, ur = at(m.Cb, y, w), at(m.Cr, y, w)
		case ratio == image.YCbCrSubsampleRatio422 && !tooNarrow:
			triangleH2(cb, at(m.Cb, y, cw))
			triangleH2(cr, at(m.Cr, y, cw))
		case ratio == image.YCbCrSubsampleRatio420 && !tooNarrow:
			triangleH2V2(cb, at(m.Cb, cy, cw), at(m.Cb, near, cw), sum)
			triangleH2V2(cr, at(m.Cr, cy, cw), at(m.Cr, near, cw), sum)
		case ratio == image.YCbCrSubsampleRatio440:
			triangleV2(cb[:w], at(m.Cb, cy, w), at(m.Cb, near, w), y&1)
			triangleV2(cr[:w], at(m.Cr, cy, w), at(m.Cr, near, w), y&1)
		default:
			for x := range w {
				o := m.COffset(m.Rect.Min.X+x, m.Rect.Min.Y+y)
				cb[x], cr[x] = m.Cb[o], m.Cr[o]
			}
		}
		jfifRow(out.Row(y), yrow[:w], ub[:w], ur[:w])
	}
	return out, nil
}

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

// triangleH2V2 doubles a row in both directions, in being the nearer and far the further row.
func triangleH2V2(dst, in, far []byte, sum []int32) {
	n := len(in)
	dst, far, sum = dst[:2*n], far[:n], sum[:n]
	for i, v := range in {
		sum[i] = 3*int32(v) + int32(far[i])
	}
	dst[0], dst[2*n-1] = byte((4*sum[0]+8)>>4), byte((4*sum[n-1]+7)>>4)
	for i := 1; i < n; i++ {
		a, b := sum[i-1], sum[i]
		dst[2*i-1] = byte((3*a + b + 7) >> 4)
		dst[2*i] = byte((3*b + a + 8) >> 4)
	}
}

// triangleV2 doubles vertically; parity 0 is the upper row of a pair.
func triangleV2(dst, in, far []byte, parity int) {
	in, far = in[:len(dst)], far[:len(dst)]
	for i := range dst {
		dst[i] = byte((3*uint32(in[i]) + uint32(far[i]) + 1 + uint32(parity)) >> 2)
	}
}

// jfifRow converts one row by the JFIF equations: 1.402, 0.344136, 0.714136 and 1.772 in 16-bit fixed point.
func jfifRow(dst, y, cb, cr []byte) {
	cb, cr = cb[:len(y)], cr[:len(y)]
	dst = dst[:3*len(y)]
	for i, l := range y {
		v, b, r := int32(l), int32(cb[i])-128, int32(cr[i])-128
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0] = clip8(v + (91881*r+32768)>>16)
		d[1] = clip8(v + (-22554*b-46802*r+32768)>>16)
		d[2] = clip8(v + (116130*b+32768)>>16)
	}
}

func clip8(v int32) byte {
	if uint32(v) > 255 {
		return byte(^(v >> 31)) // 0 below, 255 above
	}
	return byte(v)
}
