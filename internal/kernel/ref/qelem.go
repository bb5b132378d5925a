package ref

import "math"

// TableArgs looks every byte up.
type TableArgs struct {
	Len   int
	Table *[256]uint8
	X, Y  []uint8
}

// Table applies a table.
func Table(a *TableArgs) {
	for i, x := range a.X[:a.Len] {
		a.Y[i] = a.Table[x]
	}
}

// QBinaryArgs is TFLite's integer addition, subtraction or multiplication of
// bytes, broadcast like BinaryArgs: shapes are four extents, those of A and B
// either the result's or 1.
//
//	Add, Sub: s_a = Rescale((a-AZero)<<20, AMult, AShift), s_b alike;
//	          y = clamp(YZero + Rescale(s_a ± s_b, Mult, Shift))
//	Mul:      y = clamp(YZero + Rescale((a-AZero)*(b-BZero), Mult, Shift))
//
// With Float it is ONNX Runtime's, with the integers as they are (Signed says
// that they are int8s) and every sum and product of float32s rounded once:
//
//	Add, Sub: y = clamp(round(a*AFactor + (b*BFactor + Fixed)))
//	Mul:      y = clamp(YZero + RescaleFloat((a-AZero)*(b-BZero), Mult))
type QBinaryArgs struct {
	Fn                         BinaryKind
	AShape, BShape             [4]int
	AZero, BZero, YZero        uint8
	Lo, Hi                     uint8
	AMult, AShift              int32
	BMult, BShift, Mult, Shift int32
	Single, Float, Signed      bool
	AFactor, BFactor, Fixed    float32
	A, B, Y                    []uint8
}

// qAddShift is the left shift that leaves room for the fraction of a sum.
const qAddShift = 20

// QBinary computes a binary operation of bytes by its definition.
func QBinary(a *QBinaryArgs) {
	var out, sa, sb [4]int
	na, nb := 1, 1
	for i := 3; i >= 0; i-- {
		out[i] = max(a.AShape[i], a.BShape[i])
		if a.AShape[i] > 1 {
			sa[i] = na
		}
		if a.BShape[i] > 1 {
			sb[i] = nb
		}
		na, nb = na*a.AShape[i], nb*a.BShape[i]
	}
	y := 0
	for i := range out[0] {
		for j := range out[1] {
			for k := range out[2] {
				for l := range out[3] {
					p := a.A[i*sa[0]+j*sa[1]+k*sa[2]+l*sa[3]]
					q := a.B[i*sb[0]+j*sb[1]+k*sb[2]+l*sb[3]]
					a.Y[y] = a.one(p, q)
					y++
				}
			}
		}
	}
}

func (a *QBinaryArgs) one(p, q uint8) uint8 {
	x, z := int32(p)-int32(a.AZero), int32(q)-int32(a.BZero)
	if a.Float {
		return a.float(p, q, x*z)
	}
	var v int32
	if a.Fn == Mul {
		v = x * z
	} else {
		x = Rescale(x<<qAddShift, a.AMult, a.AShift, a.Single)
		z = Rescale(z<<qAddShift, a.BMult, a.BShift, a.Single)
		if v = x + z; a.Fn == Sub {
			v = x - z
		}
	}
	return clampByte(int32(a.YZero)+Rescale(v, a.Mult, a.Shift, a.Single), a.Lo, a.Hi)
}

// float is one result with Float; product is that of the operands.
func (a *QBinaryArgs) float(p, q uint8, product int32) uint8 {
	if a.Fn == Mul {
		return clampByte(int32(a.YZero)+RescaleFloat(product, a.Mult), a.Lo, a.Hi)
	}
	bias := a.bias()
	// Products are exact in float64, so each line rounds as a fused
	// multiplication and addition of float32s.
	v := float32(float64(int32(q)-bias)*float64(a.BFactor) + float64(a.Fixed))
	v = float32(float64(int32(p)-bias)*float64(a.AFactor) + float64(v))
	return clampByte(bias+int32(math.RoundToEven(float64(min(max(v, -1<<16), 1<<16)))), a.Lo, a.Hi)
}

// bias is what bytes in memory are above the integers they stand for.
func (a *QBinaryArgs) bias() int32 {
	if a.Signed {
		return 128
	}
	return 0
}

// floatScales is Scales with Float; zero points must be there.
func (a *QBinaryArgs) floatScales(sa, sb, sy float32) {
	if a.Fn == Mul {
		a.Mult = FloatMultiplier(sa * sb / sy)
		return
	}
	most := float32(math.MaxFloat32 / 1024) // so that sums are finite
	a.AFactor, a.BFactor = min(sa/sy, most), min(sb/sy, most)
	if a.Fn == Sub {
		a.BFactor = -a.BFactor
	}
	bias := a.bias()
	az, bz := float64(int32(a.AZero)-bias), float32(int32(a.BZero)-bias)
	// Fused like the sums themselves: a ulp here decides ties there.
	zeros := float32(float64(a.AFactor)*az + float64(float32(a.BFactor*bz)))
	a.Fixed = float32(int32(a.YZero)-bias) - zeros
}

// Scales works out the multipliers of QBinaryArgs from the scales of the
// operands and the result, those of a product in float32 as TFLite does.
func (a *QBinaryArgs) Scales(sa, sb, sy float64) {
	if a.Float {
		a.floatScales(float32(sa), float32(sb), float32(sy))
		return
	}
	if a.Fn == Mul {
		a.Mult, a.Shift = QuantizeMultiplier(float64(float32(sa) * float32(sb) / float32(sy)))
		return
	}
	twice := 2 * max(sa, sb)
	a.AMult, a.AShift = QuantizeMultiplier(sa / twice)
	a.BMult, a.BShift = QuantizeMultiplier(sb / twice)
	a.Mult, a.Shift = QuantizeMultiplier(twice / ((1 << qAddShift) * sy))
}

// QuantizeArgs turns float32s into bytes: round(x/Scale) + Zero, clamped. The
// quotient is float64 and ties go away from zero as in TFLite, or, if Even, it
// is float32 and they go to even as in ONNX Runtime.
type QuantizeArgs struct {
	Len    int
	Scale  float32
	Zero   uint8
	Lo, Hi uint8
	Even   bool
	X      []float32
	Y      []uint8
}

// Quantize computes it by its definition.
func Quantize(a *QuantizeArgs) {
	for i, x := range a.X[:a.Len] {
		var v float64
		if a.Even {
			v = math.RoundToEven(float64(x / a.Scale))
		} else {
			v = math.Round(float64(x) / float64(a.Scale))
		}
		if v += float64(a.Zero); !(v >= float64(a.Lo)) { // not a number counts as the least
			v = float64(a.Lo)
		}
		a.Y[i] = uint8(min(v, float64(a.Hi)))
	}
}

// DequantizeArgs turns bytes into float32s: Scale * (x - Zero).
type DequantizeArgs struct {
	Len   int
	Scale float32
	Zero  uint8
	X     []uint8
	Y     []float32
}

// Dequantize computes it by its definition.
func Dequantize(a *DequantizeArgs) {
	for i, x := range a.X[:a.Len] {
		a.Y[i] = a.Scale * float32(int32(x)-int32(a.Zero))
	}
}

// ToFloatArgs turns int32s into float32s.
type ToFloatArgs struct {
	Len int
	X   []int32
	Y   []float32
}

// ToFloat computes it by its definition.
func ToFloat(a *ToFloatArgs) {
	for i, x := range a.X[:a.Len] {
		a.Y[i] = float32(x)
	}
}
