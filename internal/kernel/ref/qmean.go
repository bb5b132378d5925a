package ref

import "math"

// MeanRule says how the sum of a channel's bytes becomes their mean at the
// scale of the result. TFLite has a rule for each way its operator is used.
type MeanRule uint8

const (
	// MeanExact rescales the sum of x - XZero by the quotient of the scales over
	// the number of pixels.
	MeanExact MeanRule = iota
	// MeanBias rescales the sum of the integers themselves and adds the zero
	// points' share, which is rounded apart: uint8s, axes kept.
	MeanBias
	// MeanDivided rescales the sum of x - XZero by the quotient of the scales,
	// then divides, ties away from zero: int8s, axes kept.
	MeanDivided
	// MeanFloat computes in float32: axes dropped.
	MeanFloat
	// MeanTruncated divides the sum of the integers themselves, toward zero:
	// axes dropped, result stored as the input is.
	MeanTruncated
)

// QMeanArgs is the mean of each channel of a picture of bytes. Mult, Shift,
// Bias and Factor follow from the scales: SetScales.
type QMeanArgs struct {
	N, H, W, C   int
	XZero, YZero uint8
	Lo, Hi       uint8
	Rule         MeanRule
	// Signed says that the integers are int8s; Single and Float choose the
	// rounding of MeanExact, see QConvShape.
	Signed, Single, Float bool
	Mult, Shift           int32
	Bias                  int32   // of MeanBias
	Factor                float32 // of MeanFloat
	X, Y                  []uint8
}

// SetScales works out what follows from the scales of input and result; the
// zero points, the extents and the rule must be there.
func (a *QMeanArgs) SetScales(sx, sy float32) {
	n := a.H * a.W
	switch a.Rule {
	case MeanExact:
		if a.Float {
			a.Mult = FloatMultiplier(sx / (sy * float32(n)))
			return
		}
		a.Mult, a.Shift = QuantizeMultiplier(float64(sx) / (float64(n) * float64(sy)))
	case MeanBias:
		share := float32(a.integer(int32(a.XZero))) * sx / sy
		a.Bias = -int32(math.Round(float64(share)))
		a.Mult, a.Shift = QuantizeMultiplier(float64(sx / (float32(n) * sy)))
	case MeanDivided:
		a.Mult, a.Shift = QuantizeMultiplier(float64(sx) / float64(sy))
	case MeanFloat:
		a.Factor = sx / sy
	}
}

// integer is the integer that a byte in memory stands for.
func (a *QMeanArgs) integer(x int32) int32 {
	if a.Signed {
		return x - 128
	}
	return x
}

// Mean is the result for a channel whose bytes in memory have a sum.
func (a *QMeanArgs) Mean(sum int32) uint8 {
	n := int32(a.H * a.W)
	own := sum // of the integers themselves
	if a.Signed {
		own -= 128 * n
	}
	sum -= n * int32(a.XZero)
	y := int32(a.YZero)
	switch a.Rule {
	case MeanExact:
		if a.Float {
			y += RescaleFloat(sum, a.Mult)
			break
		}
		y += Rescale(sum, a.Mult, a.Shift, a.Single)
	case MeanBias:
		y += a.Bias + Rescale(own, a.Mult, a.Shift, a.Single)
	case MeanDivided:
		y += roundedMean(Rescale(sum, a.Mult, a.Shift, a.Single), n)
	case MeanFloat:
		// The conversions keep the products from being fused with the sum.
		bias := float32(-float32(a.integer(int32(a.XZero))) * a.Factor)
		y += int32(math.Round(float64(float32(float32(own)/float32(n)*a.Factor) + bias)))
	case MeanTruncated:
		y = own / n
		if a.Signed {
			y += 128
		}
	}
	return clampByte(y, a.Lo, a.Hi)
}

// QMean computes it by its definition.
func QMean(a *QMeanArgs) {
	for n := range a.N {
		for c := range a.C {
			var sum int32
			for p := range a.H * a.W {
				sum += int32(a.X[(n*a.H*a.W+p)*a.C+c])
			}
			a.Y[n*a.C+c] = a.Mean(sum)
		}
	}
}
