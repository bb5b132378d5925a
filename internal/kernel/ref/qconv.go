package ref

// Bytes in memory. A quantized value lies in memory as uint8s whatever its
// type: an int8 is stored 128 above itself, and its zero point and clamp are
// given 128 higher too. Arithmetic on q - zero is the same then; operations
// whose rounding depends on the sign of q itself carry Signed.

// QConvShape is what a convolution of bytes is chosen, packed and divided by.
// Channel c of pixel p of the input is X[p*XPixel + c]; the output follows
// YPixel. Plain NHWC has XPixel = C.
type QConvShape struct {
	N, H, W, C           int
	OH, OW, O            int
	KH, KW               int
	StrideH, StrideW     int
	DilationH, DilationW int
	PadTop, PadLeft      int
	Groups               int
	XPixel, YPixel       int
	// XZero is the input's zero point, which padding is; YZero, Lo and Hi are
	// the output's zero point and clamp.
	XZero, YZero, Lo, Hi uint8
	// Single rounds once, see Rescale; Up rounds twice, see RescaleUp; Float
	// multiplies float32s, see RescaleFloat, and Shift is not used then.
	Single, Up, Float bool
	// HasWZero holds if some weight's zero point is not 0, HasTable if what is
	// clamped is looked up in Table.
	HasWZero, HasTable bool
}

// Normal returns s with zero strides, dilations, groups and pixel distances
// replaced by their defaults.
func (s QConvShape) Normal() QConvShape {
	for _, p := range []*int{&s.StrideH, &s.StrideW, &s.DilationH, &s.DilationW, &s.Groups} {
		*p = max(*p, 1)
	}
	if s.XPixel == 0 {
		s.XPixel = s.C
	}
	if s.YPixel == 0 {
		s.YPixel = s.O
	}
	return s
}

// QConvArgs is one convolution of bytes with everything fused into it:
//
//	acc = sum((x - XZero) * (w - WZero[o])) + Bias[o]
//	y   = Table[clamp(YZero + Rescale(acc, Mult[o], Shift[o]), Lo, Hi)]
//
// Weight is [O,C/Groups,KH,KW]: int8s as they are, uint8s less 128 with their
// zero points, so that w - WZero lies in [-255,255]. Bias, Mult, Shift and
// WZero have O elements; WZero is nil without HasWZero, Table without HasTable.
type QConvArgs struct {
	QConvShape
	X           []uint8
	Weight      []int8
	WZero       []int32
	Bias        []int32
	Mult, Shift []int32
	Table       *[256]uint8
	// Packed is everything that is constant as the kernel packed it; the
	// reference reads the slices above instead.
	Packed []byte
	// Ahead is memory that later steps read; a kernel may have it fetched while
	// it computes.
	Ahead []byte
	Y     []uint8
}

// QConv computes a convolution of bytes by its definition.
func QConv(a *QConvArgs) {
	cg, og := a.C/a.Groups, a.O/a.Groups
	for p := range a.N * a.OH * a.OW {
		n, oh, ow := p/(a.OH*a.OW), p/a.OW%a.OH, p%a.OW
		for o := range a.O {
			acc, wz := a.Bias[o], int32(0)
			if a.HasWZero {
				wz = a.WZero[o]
			}
			for kh := range a.KH {
				for kw := range a.KW {
					h, w := oh*a.StrideH-a.PadTop+kh*a.DilationH, ow*a.StrideW-a.PadLeft+kw*a.DilationW
					if h < 0 || h >= a.H || w < 0 || w >= a.W {
						continue
					}
					for i := range cg {
						x := a.X[((n*a.H+h)*a.W+w)*a.XPixel+o/og*cg+i]
						acc += (int32(x) - int32(a.XZero)) * (int32(a.Weight[((o*cg+i)*a.KH+kh)*a.KW+kw]) - wz)
					}
				}
			}
			y := clampByte(int32(a.YZero)+a.Rescale(acc, a.Mult[o], a.Shift[o]), a.Lo, a.Hi)
			if a.HasTable {
				y = a.Table[y]
			}
			a.Y[p*a.YPixel+o] = y
		}
	}
}

// ConvMultiplier is the multiplier of a convolution of scales sx and sw with a
// result of scale sy. TFLite multiplies sx and sw in float32 where it is narrow.
func ConvMultiplier(sx, sw, sy float32, narrow bool) (m, shift int32) {
	product := float64(sx) * float64(sw)
	if narrow {
		product = float64(sx * sw)
	}
	return QuantizeMultiplier(product / float64(sy))
}

// Rescale brings a sum to the scale of the output by the rounding of the shape.
func (s *QConvShape) Rescale(x, m, shift int32) int32 {
	switch {
	case s.Up:
		return RescaleUp(x, m, shift)
	case s.Float:
		return RescaleFloat(x, m)
	}
	return Rescale(x, m, shift, s.Single)
}

func clampByte(v int32, lo, hi uint8) uint8 { return uint8(min(max(v, int32(lo)), int32(hi))) }

// Twice reports the rounding of Rescale with two steps, ties away from zero
// the second time: Single and Up are one rounding of 64 bits.
func (s *QConvShape) Twice() bool { return !s.Single && !s.Up && !s.Float }
