package ref

import "testing"

// The vectors are of a port of TFLite's and gemmlowp's code: facts, section 13.
func TestFixedPoint(t *testing.T) {
	for _, c := range []struct {
		real     float64
		m, shift int32
	}{
		{1, 1073741824, 1}, {0.5, 1073741824, 0}, {0.25, 1073741824, -1}, {0.3, 1288490189, -1}, {0.0003, 1319413953, -11},
		{0.001953125, 1073741824, -8}, {1.7, 1825361101, 1}, {3.999999999, 2147483647, 2}, {1e-9, 1152921505, -29},
	} {
		if m, shift := QuantizeMultiplier(c.real); m != c.m || shift != c.shift {
			t.Errorf("%v: %d, %d, want %d, %d", c.real, m, shift, c.m, c.shift)
		}
	}
	for _, c := range []struct{ x, double, single int32 }{{1, 1, 0}, {-1, -1, 0}, {5, 2, 2}, {-5, -2, -2}, {127, 38, 38}, {123456, 37037, 37037}, {7654321, 2296297, 2296296}} {
		m, shift := QuantizeMultiplier(0.3)
		if d, s := Rescale(c.x, m, shift, false), Rescale(c.x, m, shift, true); d != c.double || s != c.single {
			t.Errorf("0.3*%d: %d, %d, want %d, %d", c.x, d, s, c.double, c.single)
		}
	}
	for _, c := range []struct{ a, b, want int32 }{{1 << 30, 1 << 30, 1 << 29}, {-1 << 31, -1 << 31, 1<<31 - 1}, {123456789, 987654321, 56779306}, {-123456789, 987654321, -56779306}, {3, 1 << 30, 2}, {-3, 1 << 30, -1}} {
		if got := DoublingHigh(c.a, c.b); got != c.want {
			t.Errorf("doubling high of %d, %d: %d, want %d", c.a, c.b, got, c.want)
		}
	}
	for _, c := range []struct{ x, n, want int32 }{{5, 1, 3}, {-5, 1, -3}, {6, 2, 2}, {-6, 2, -2}, {7, 2, 2}, {-7, 2, -2}, {1, 1, 1}, {-1, 1, -1}, {2, 2, 1}, {-2, 2, -1}} {
		if got := RoundingShift(c.x, c.n); got != c.want {
			t.Errorf("%d >> %d: %d, want %d", c.x, c.n, got, c.want)
		}
	}
}
