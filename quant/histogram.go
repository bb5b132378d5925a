package quant

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/pass"
)

// histogram counts the elements of a value. Its bins are equally wide, a power
// of two, and grow in pairs when an element falls outside: so its content
// depends on the elements, not on their order.
type histogram struct {
	counts   [2 * half]int64
	exponent int // a bin is 2^exponent wide; bin half begins at zero
	width    float64
	n        int64
	lo, hi   float32
	bad      bool // an element was no number
}

// half is the number of bins on either side of zero.
const half = 2048

func newHistogram() *histogram {
	h := &histogram{exponent: -40, lo: float32(math.Inf(1)), hi: float32(math.Inf(-1))}
	h.width = math.Ldexp(1, h.exponent)
	return h
}

func (h *histogram) add(values []float32) {
	lo, hi := h.lo, h.hi
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	if l, u := float64(lo), float64(hi); math.IsInf(l, 0) || math.IsInf(u, 0) || l-l != 0 || u-u != 0 {
		h.bad = h.bad || len(values) > 0
		return
	}
	h.lo, h.hi = lo, hi
	for float64(hi) >= half*h.width || -float64(lo) > half*h.width {
		h.widen()
	}
	inverse := 1 / h.width
	for _, v := range values {
		x := float64(v) * inverse // exact
		i := int(x)
		if x < float64(i) { // to the bin below, not towards zero
			i--
		}
		h.counts[half+i]++
	}
	h.n += int64(len(values))
}

// widen joins neighbouring bins.
func (h *histogram) widen() {
	for i := range half / 2 {
		h.counts[half+i] = h.counts[half+2*i] + h.counts[half+2*i+1]
		h.counts[half-1-i] = h.counts[half-1-2*i] + h.counts[half-2-2*i]
	}
	for i := half / 2; i < half; i++ {
		h.counts[half+i], h.counts[half-1-i] = 0, 0
	}
	h.exponent++
	h.width *= 2
}

// join adds another histogram's counts.
func (h *histogram) join(o *histogram) {
	for h.exponent < o.exponent {
		h.widen()
	}
	for o.exponent < h.exponent {
		o.widen()
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.lo, h.hi = min(h.lo, o.lo), max(h.hi, o.hi)
	h.bad = h.bad || o.bad
}

// center is the middle of a bin.
func (h *histogram) center(i int) float64 { return (float64(i-half) + 0.5) * h.width }

// minMax is the range of all elements.
func (h *histogram) minMax() pass.Range {
	if h.n == 0 {
		return pass.Range{}
	}
	return pass.Range{Lo: h.lo, Hi: h.hi}
}

// percentile is the range without the outermost elements, a part of tail on
// either side.
func (h *histogram) percentile(tail float64) pass.Range {
	r := h.minMax()
	cut := int64(tail * float64(h.n))
	if cut == 0 {
		return r
	}
	var below, above int64
	for i := range h.counts {
		if below += h.counts[i]; below > cut {
			r.Lo = max(r.Lo, float32(float64(i-half)*h.width))
			break
		}
	}
	for i := len(h.counts) - 1; i >= 0; i-- {
		if above += h.counts[i]; above > cut {
			r.Hi = min(r.Hi, float32(float64(i+1-half)*h.width))
			break
		}
	}
	return r
}

// leastError is the range whose 256 steps have the least mean squared error:
// narrower ranges have finer steps and cut more off.
func (h *histogram) leastError() pass.Range {
	r := h.minMax()
	lo, hi := math.Min(float64(r.Lo), 0), math.Max(float64(r.Hi), 0)
	if hi-lo <= 0 {
		return r
	}
	best, least := pass.Range{Lo: float32(lo), Hi: float32(hi)}, math.Inf(1)
	at := func(l, u float64) {
		if e := h.error(l, u); e < least {
			least, best = e, pass.Range{Lo: float32(l), Hi: float32(u)}
		}
	}
	const steps = 40
	for i := range steps { // both sides alike, then each alone
		f := 1 - float64(i)/steps*0.9
		at(lo*f, hi*f)
	}
	l, u := float64(best.Lo), float64(best.Hi)
	for i := range steps / 2 {
		f := 1.2 - float64(i)/steps
		at(math.Max(l*f, lo), u)
		at(l, math.Min(u*f, hi))
	}
	return best
}

// error is the sum of the squared errors of the elements in a range's integers.
func (h *histogram) error(lo, hi float64) float64 {
	step := (hi - lo) / 255
	if step <= 0 {
		return math.Inf(1)
	}
	zero := math.Round(-lo / step)
	low, high := -zero*step, (255-zero)*step
	inside := step * step / 12
	sum := 0.0
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		v := h.center(i)
		var d float64
		switch {
		case v < low-step/2:
			d = (low - v) * (low - v)
		case v > high+step/2:
			d = (v - high) * (v - high)
		case h.width < step: // many bins a step: the error is spread evenly
			d = inside
		default:
			q := math.Round(v/step) * step
			d = (v-q)*(v-q) + h.width*h.width/12
		}
		if i == half || i == half-1 {
			// Most of what is in the bins at zero is zero itself, which is exact.
			d = math.Min(d, h.width*h.width/3)
		}
		sum += float64(n) * d
	}
	return sum
}
