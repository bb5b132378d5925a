package ref

import "math"

// The fixed-point arithmetic of integer networks, as TFLite's reference
// kernels and gemmlowp define it (Jacob et al., arXiv 1712.05877, section 2.2).

// QuantizeMultiplier writes a positive real number as m * 2^(shift-31) with m
// in [2^30,2^31). Numbers too small for it are 0.
func QuantizeMultiplier(real float64) (m int32, shift int32) {
	if real == 0 {
		return 0, 0
	}
	frac, exp := math.Frexp(real)
	q := int64(math.Round(frac * (1 << 31)))
	if q == 1<<31 {
		q /= 2
		exp++
	}
	if exp < -31 {
		return 0, 0
	}
	if exp > 30 {
		return math.MaxInt32, 30
	}
	return int32(q), int32(exp)
}

// Rescale multiplies x by m * 2^(shift-31), rounding the product to 32 bits
// and then its shift, or once with single.
func Rescale(x, m, shift int32, single bool) int32 {
	if single {
		total := 31 - shift
		return int32((int64(x)*int64(m) + 1<<(total-1)) >> total)
	}
	left, right := max(shift, 0), max(-shift, 0)
	return RoundingShift(DoublingHigh(x<<left, m), right)
}

// RescaleUp is Rescale with two roundings, both with ties upward:
//
//	(x*m + 2^30 + 2^(30-shift)) / 2^(31-shift), rounded down
//
// where shift is negative, else one rounding: a single one of 64 bits with
// another constant.
func RescaleUp(x, m, shift int32) int32 {
	total := 31 - shift
	term := int64(1) << (total - 1)
	if shift < 0 {
		term += 1 << 30
	}
	return int32((int64(x)*int64(m) + term) >> total)
}

// FloatMultiplier is a positive real number as RescaleFloat takes it, the bits
// of a float32.
func FloatMultiplier(real float32) int32 {
	return int32(math.Float32bits(min(real, math.MaxFloat32)))
}

// RescaleFloat multiplies x in float32 by the number that the bits of m are and
// rounds ties to even. Results stop at 2^16 on both sides, which is beyond any
// byte.
func RescaleFloat(x, m int32) int32 {
	v := float32(x) * math.Float32frombits(uint32(m))
	return int32(math.RoundToEven(float64(min(max(v, -1<<16), 1<<16))))
}

// DoublingHigh is the upper half of 2*a*b, rounded, ties upward; the one
// product that does not fit saturates.
func DoublingHigh(a, b int32) int32 {
	if a == math.MinInt32 && b == math.MinInt32 {
		return math.MaxInt32
	}
	return int32((int64(a)*int64(b) + 1<<30) >> 31)
}

// RoundingShift divides by 2^n, ties away from zero.
func RoundingShift(x, n int32) int32 {
	mask := int32(1)<<n - 1
	rest, half := x&mask, mask>>1
	if x < 0 {
		half++
	}
	y := x >> n
	if rest > half {
		y++
	}
	return y
}

// doublingHigh16 is DoublingHigh of 16 bits.
func doublingHigh16(a, b int16) int16 {
	if a == math.MinInt16 && b == math.MinInt16 {
		return math.MaxInt16
	}
	return int16((int32(a)*int32(b) + 1<<14) >> 15)
}
