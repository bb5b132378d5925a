package ref

import (
	"math"
	"testing"
)

// TestRescaleFloat holds ONNX Runtime's rounding: in float32, ties to even.
func TestRescaleFloat(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		x    int32
		m    float32
		want int32
	}{
		{1, 0.5, 0}, {3, 0.5, 2}, {5, 0.5, 2}, {-1, 0.5, 0}, {-3, 0.5, -2}, {7, 0.1, 1}, {-7, 0.1, -1},
		{8388609, 0x1p-24, 1}, {25165825, 0x1p-24, 2}, // the second is no float32: the tie before it is
		{math.MaxInt32, 1, 1 << 16}, {math.MinInt32, 1, -1 << 16},
		{1, inf, 1 << 16}, {0, inf, 0}, {math.MaxInt32, math.SmallestNonzeroFloat32, 0},
	} {
		if got := RescaleFloat(c.x, FloatMultiplier(c.m)); got != c.want {
			t.Errorf("%d * %v is %d, want %d", c.x, c.m, got, c.want)
		}
	}
}

// TestFloatSum is a sum of ONNX Runtime's that is a tie only if the zero
// points' part is fused as the sum itself is; without that it is 95.
func TestFloatSum(t *testing.T) {
	a := QBinaryArgs{Fn: Add, Float: true, AZero: 137, BZero: 130, YZero: 128, Hi: 255}
	a.Scales(float64(float32(0.03178011)), float64(float32(0.021092402)), float64(float32(0.03524611)))
	if got := a.one(91, 145); got != 96 {
		t.Errorf("%d, want 96", got)
	}
}
