package tensor

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestHalfRoundTrip: every half comes back from its float32.
func TestHalfRoundTrip(t *testing.T) {
	for h := range 1 << 16 {
		f := HalfToFloat32(uint16(h))
		got := Float32ToHalf(f)
		if f != f {
			if g := HalfToFloat32(got); g == g {
				t.Fatalf("%04x is no number, came back as %04x", h, got)
			}
			continue
		}
		if got != uint16(h) {
			t.Fatalf("%04x = %g came back as %04x", h, f, got)
		}
	}
}

// TestHalfNearest: no neighbour is nearer, and of two as near the even one is taken.
func TestHalfNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := float32(rapid.Float64Range(-70000, 70000).Draw(t, "f") * math.Pow(2, float64(rapid.IntRange(-40, 0).Draw(t, "e"))))
		if rapid.Bool().Draw(t, "tie") {
			h := rapid.Uint16Range(0, 0x7bfe).Draw(t, "h")
			f = (HalfToFloat32(h) + HalfToFloat32(h+1)) / 2
		}
		h := Float32ToHalf(f)
		d := math.Abs(float64(HalfToFloat32(h)) - float64(f))
		if math.Abs(float64(f)) >= 65520 {
			if h&0x7fff != 0x7c00 {
				t.Fatalf("%g gave %04x, not infinity", f, h)
			}
			return
		}
		for _, n := range []uint16{h - 1, h + 1} {
			if n&0x7fff >= 0x7c00 || (n^h)&0x8000 != 0 {
				continue
			}
			e := math.Abs(float64(HalfToFloat32(n)) - float64(f))
			if e < d || e == d && h&1 == 1 {
				t.Fatalf("%g gave %04x, %04x is better", f, h, n)
			}
		}
	})
}

func TestFromFloat32As(t *testing.T) {
	values := []float32{0, 1, -2.5, 65504, 1e-7, 1.0009765625, 3.1415927}
	for dt, want := range map[DType]float64{F32: 0, F16: 1.0 / 2048, BF16: 1.0 / 256} {
		x, err := FromFloat32As("w", dt, Shape{7}, values)
		if err != nil {
			t.Fatal(err)
		}
		got, err := x.Float32s()
		if err != nil || x.DType != dt {
			t.Fatal(x.DType, err)
		}
		for i, v := range values {
			if math.Abs(float64(got[i]-v)) > want*math.Abs(float64(v))+1e-7*want*1e3 {
				t.Errorf("%v: %g came back as %g", dt, v, got[i])
			}
		}
	}
	if _, err := FromFloat32As("w", F16, Shape{2}, []float32{1, 65520}); err == nil || !strings.Contains(err.Error(), `"w"`) || !strings.Contains(err.Error(), "element 1") {
		t.Errorf("65520 as float16: %v", err)
	}
	if _, err := FromFloat32As("w", I8, Shape{1}, []float32{1}); err == nil {
		t.Error("int8 was accepted")
	}
}
