package ref

// ByteResizeArgs changes the size of bytes [N,H,W,C] to [N,OH,OW,C] in
// TFLite's arithmetic. The bytes of int8s (Signed) are interpolated in fixed
// point with ten bits of fraction, those of uint8s in float32.
type ByteResizeArgs struct {
	N, H, W, C, OH, OW int
	Nearest, Signed    bool
	Rule               ResizeRule
	X, Y               []uint8
}

// ByteResize computes it by its definition.
func ByteResize(a *ByteResizeArgs) {
	for i := range a.N * a.OH * a.OW * a.C {
		c, ow, oh, n := i%a.C, i/a.C%a.OW, i/a.C/a.OW%a.OH, i/a.C/a.OW/a.OH
		v, h := ByteResizeSource(oh, a.H, a.OH, a), ByteResizeSource(ow, a.W, a.OW, a)
		at := func(y, x int) uint8 { return a.X[((n*a.H+y)*a.W+x)*a.C+c] }
		switch {
		case a.Nearest:
			a.Y[i] = at(v.Lo, h.Lo)
		case a.Signed:
			q := func(y, x int) int64 { return int64(at(y, x)) - 128 }
			v0, v1, h0, h1 := int64(1<<10-v.Fixed), int64(v.Fixed), int64(1<<10-h.Fixed), int64(h.Fixed)
			sum := q(v.Lo, h.Lo)*v0*h0 + q(v.Hi, h.Lo)*v1*h0 + q(v.Lo, h.Hi)*v0*h1 + q(v.Hi, h.Hi)*v1*h1
			a.Y[i] = uint8(roundTwenty(sum) + 128)
		default:
			// The conversions keep products from being fused into sums.
			q := func(y, x int) float32 { return float32(at(y, x)) }
			v0, v1, h0, h1 := 1-v.Frac, v.Frac, 1-h.Frac, h.Frac
			sum := float32(q(v.Lo, h.Lo) * float32(v0*h0))
			sum += float32(q(v.Lo, h.Hi) * float32(v0*h1))
			sum += float32(q(v.Hi, h.Lo) * float32(v1*h0))
			sum += float32(q(v.Hi, h.Hi) * float32(v1*h1))
			a.Y[i] = uint8(sum + 0.5)
		}
	}
}

// roundTwenty divides by 2^20, ties away from zero.
func roundTwenty(v int64) int64 {
	if v > 0 {
		return (v + 1<<19) / (1 << 20)
	}
	return (v - 1<<19) / (1 << 20)
}

// ByteSource is where a line of the result comes from: two lines of the
// source and the second one's weight, in float32 and in 1024ths.
type ByteSource struct {
	Lo, Hi int
	Frac   float32
	Fixed  int32
}

// ByteResizeSource gives the source of line i of out lines from in lines.
func ByteResizeSource(i, in, out int, a *ByteResizeArgs) ByteSource {
	scale := float32(in) / float32(out)
	fixed := (in<<10 + out/2) / out
	if a.Rule == AlignCorners && out > 1 {
		scale = float32(in-1) / float32(out-1)
		fixed = ((in-1)<<10 + (out-1)/2) / (out - 1)
	}
	half := a.Rule == HalfPixel
	switch {
	case a.Nearest:
		at := float32(i) * scale
		if half {
			at = (float32(i) + 0.5) * scale
		}
		if a.Rule == AlignCorners {
			at += 0.5
		}
		lo := min(int(at), in-1)
		return ByteSource{Lo: lo, Hi: lo}
	case a.Signed:
		at := i * fixed
		if half {
			at += fixed/2 - 1<<9
		}
		lo := min(max(at/(1<<10), 0), in-1)
		return ByteSource{Lo: lo, Hi: min((at+1<<10-1)/(1<<10), in-1), Fixed: int32(at - lo<<10)}
	}
	at := float32(i) * scale
	if half {
		at = float32((float32(i)+0.5)*scale) - 0.5
	}
	lo := min(int(max(at, 0)), in-1)
	hi := lo
	if at > float32(lo) {
		hi = lo + 1
	}
	return ByteSource{Lo: lo, Hi: min(hi, in-1), Frac: at - float32(lo)}
}
