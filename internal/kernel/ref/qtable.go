package ref

import "math"

// Every function of one byte is a table. In the functions below scales and
// zero points are those of the bytes in memory.

// TableSpec is the scale, zero point and clamp of a table's two ends.
type TableSpec struct {
	XScale, YScale float32
	XZero, YZero   uint8
	Lo, Hi         uint8
}

// RescaleTable changes the scale in fixed point, as TFLite's QUANTIZE does.
func RescaleTable(s TableSpec, single bool) (t [256]uint8) {
	m, shift := QuantizeMultiplier(float64(s.XScale) / float64(s.YScale))
	for i := range t {
		t[i] = clampByte(int32(s.YZero)+Rescale(int32(i)-int32(s.XZero), m, shift, single), s.Lo, s.Hi)
	}
	return t
}

// JoinTable changes the scale in float32, as TFLite's legacy concatenation
// does.
func JoinTable(s TableSpec) (t [256]uint8) {
	scale := s.XScale * (1 / s.YScale)
	// The conversions keep the products from being fused with the sum.
	bias := float32(-float32(s.XZero) * scale)
	for i := range t {
		v := math.Round(float64(float32(float32(i)*scale) + bias))
		t[i] = clampByte(int32(v)+int32(s.YZero), s.Lo, s.Hi)
	}
	return t
}

// HSwishTable is h-swish in TFLite's 16-bit arithmetic: the input is taken
// seven bits up, scaled to the output and, apart, to what relu6(x+3)/6 becomes
// in sixteen bits; the product is truncated.
func HSwishTable(s TableSpec) (t [256]uint8) {
	hires := s.XScale * (1.0 / 128)
	outMult, outShift := multiplier16(float64(hires / s.YScale))
	reluMult, reluShift := multiplier16(float64(hires / (3.0 / 32768)))
	for i := range t {
		x := int16(int32(i)-int32(s.XZero)) << 7
		scaled := doublingHigh16(x, outMult)
		gate := x
		if reluShift > 0 {
			gate = shiftLeft16(gate, reluShift-1)
		}
		gate = doublingHigh16(gate, reluMult)
		if reluShift > 0 {
			gate = shiftLeft16(gate, 1)
		}
		if reluShift < 0 {
			gate = int16(RoundingShift(int32(gate), -reluShift))
		}
		gate = int16((int32(gate) + 1<<15) >> 1)
		y := truncatedHigh16(gate, scaled)
		y = int16(RoundingShift(int32(y), -outShift))
		t[i] = clampByte(int32(y)+int32(s.YZero), s.Lo, s.Hi)
	}
	return t
}

// multiplier16 is QuantizeMultiplier with the upper 16 bits of the number.
func multiplier16(real float64) (m int16, shift int32) {
	m32, shift := QuantizeMultiplier(real)
	if m32 >= math.MaxInt32-1<<15 {
		return math.MaxInt16, shift
	}
	return int16((m32 + 1<<15) >> 16), shift
}

// shiftLeft16 saturates.
func shiftLeft16(x int16, n int32) int16 {
	return int16(min(max(int64(x)<<n, math.MinInt16), math.MaxInt16))
}

// truncatedHigh16 is the upper half of 2*a*b, without rounding.
func truncatedHigh16(a, b int16) int16 {
	if a == math.MinInt16 && b == math.MinInt16 {
		return math.MaxInt16
	}
	return int16(int32(a) * int32(b) / (1 << 15))
}

// ONNXAct is an activation as ONNX Runtime computes it, operation by operation:
// h-swish and h-sigmoid by x/6 + 1/2. Tables of coarse steps have ties that
// another order would decide otherwise. The conversions keep products from
// being fused with sums.
func ONNXAct(a Act, x float32) float32 {
	sixth := float32(1.0 / 6)
	switch {
	case a.Kind == HSwish && a.A == sixth:
		return x * hardSigmoid(x, sixth, 0.5)
	case a.Kind == HSigmoid && a.A == sixth:
		return hardSigmoid(x, sixth, 0.5)
	case a.Kind == HardSigmoid:
		return hardSigmoid(x, a.A, a.B)
	}
	return ApplyAct(a, x)
}

func hardSigmoid(x, a, b float32) float32 { return max(min(float32(x*a)+b, 1), 0) }

// FloatTable computes f in float32 and rounds: ties away from zero after a
// multiplication by the reciprocal of the scale, as TFLite does, or ties to
// even after a division, as ONNX Runtime does.
func FloatTable(s TableSpec, f func(x float32) float32, even bool) (t [256]uint8) {
	for i := range t {
		y := f(s.XScale * float32(int32(i)-int32(s.XZero)))
		v := math.Round(float64(y * (1 / s.YScale)))
		if even {
			v = math.RoundToEven(float64(y / s.YScale))
		}
		t[i] = clampByte(int32(min(max(v, -1<<20), 1<<20))+int32(s.YZero), s.Lo, s.Hi)
	}
	return t
}

// LeakyTable is TFLite's leaky ReLU: two changes of scale, one for each sign.
func LeakyTable(s TableSpec, alpha float32) (t [256]uint8) {
	m, shift := QuantizeMultiplier(float64(s.XScale / s.YScale))
	ma, shiftA := QuantizeMultiplier(float64(s.XScale * alpha / s.YScale))
	for i := range t {
		v := int32(i) - int32(s.XZero)
		if v < 0 {
			v = Rescale(v, ma, shiftA, false)
		} else {
			v = Rescale(v, m, shift, false)
		}
		t[i] = clampByte(int32(s.YZero)+v, s.Lo, s.Hi)
	}
	return t
}
