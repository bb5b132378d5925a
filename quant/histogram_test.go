package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

func normal(n int, scale float64) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64() * scale)
	}
	return out
}

// TestHistogramOrder: what is counted does not depend on the order or on how
// the elements are divided.
func TestHistogramOrder(t *testing.T) {
	v := append(normal(5000, 1), append(normal(500, 1e3), normal(500, 1e-6)...)...)
	whole := newHistogram()
	whole.add(v)
	back := newHistogram()
	for i := len(v); i > 0; i -= min(i, 77) {
		back.add(v[i-min(i, 77) : i])
	}
	a, b := newHistogram(), newHistogram()
	a.add(v[:100])
	b.add(v[100:])
	a.join(b)
	for name, h := range map[string]*histogram{"backwards": back, "joined": a} {
		if *h != *whole {
			t.Errorf("%s: another histogram", name)
		}
	}
	if whole.n != int64(len(v)) {
		t.Errorf("%d of %d elements", whole.n, len(v))
	}
}

// TestRanges: each method's range has the properties it is named for.
func TestRanges(t *testing.T) {
	v := normal(200000, 1)
	v[7], v[8] = 900, -3 // one far out
	h := newHistogram()
	h.add(v)
	all := h.minMax()
	if all.Hi != 900 || all.Lo > -3 {
		t.Errorf("minmax %v", all)
	}
	p := h.percentile(tail)
	if p.Hi < 3 || p.Hi > 10 || p.Lo > -3 || p.Lo < -10 {
		t.Errorf("percentile %v of normal numbers with one outlier", p)
	}
	if q := h.percentile(0); q != all {
		t.Errorf("percentile of nothing %v, want %v", q, all)
	}
	// The estimated error of the range found is no more than that of others,
	// and it is about the error that integers really make.
	m := h.leastError()
	for _, r := range [][2]float64{{float64(all.Lo), float64(all.Hi)}, {float64(p.Lo), float64(p.Hi)}, {-1, 1}} {
		if h.error(r[0], r[1]) < 0.98*h.error(float64(m.Lo), float64(m.Hi)) {
			t.Errorf("mse %v is worse than %v", m, r)
		}
	}
	v[7] = 3
	h = newHistogram()
	h.add(v)
	m = h.leastError()
	got, want := h.error(float64(m.Lo), float64(m.Hi)), 0.0
	step := float64(m.Hi-m.Lo) / 255
	zero := math.Round(-float64(m.Lo) / step)
	for _, x := range v {
		q := math.Min(math.Max(math.Round(float64(x)/step)+zero, 0), 255)
		d := float64(x) - (q-zero)*step
		want += d * d
	}
	if got < 0.8*want || got > 1.25*want {
		t.Errorf("estimated error %v, real error %v", got, want)
	}
}

// TestRangesEdges: zeros, one-sided values, single numbers and no numbers.
func TestRangesEdges(t *testing.T) {
	zero := newHistogram()
	zero.add(make([]float32, 100))
	one := newHistogram()
	one.add([]float32{5, 5, 5})
	tiny := newHistogram()
	tiny.add([]float32{1e-30, -1e-30})
	huge := newHistogram()
	huge.add([]float32{math.MaxFloat32, -math.MaxFloat32, 1})
	for name, h := range map[string]*histogram{"zero": zero, "one": one, "tiny": tiny, "huge": huge, "empty": newHistogram()} {
		for _, r := range []struct{ lo, hi float32 }{{h.minMax().Lo, h.minMax().Hi}, {h.percentile(tail).Lo, h.percentile(tail).Hi}, {h.leastError().Lo, h.leastError().Hi}} {
			if !(r.lo <= r.hi) {
				t.Errorf("%s: range %v", name, r)
			}
		}
	}
	if r := one.leastError(); r.Lo > 0 || r.Hi != 5 {
		t.Errorf("range %v of 5", r)
	}
	bad := newHistogram()
	bad.add([]float32{1, float32(math.NaN())})
	inf := newHistogram()
	inf.add([]float32{1, float32(math.Inf(1))})
	if !bad.bad || !inf.bad {
		t.Error("what is no number passes")
	}
}
