package transform

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Mixer mixes the pictures of a batch with each other and their targets alike, as the Mixup and CutMix
// of an Augment say. The zero value mixes nothing. It keeps a buffer; not for concurrent use.
type Mixer struct {
	Mixup, CutMix float64
	last, target  []float32
}

// Apply mixes picture i with picture i-1, and the first with the last: x is n pictures of h x w x 3,
// targets n distributions over the classes, in place. One draw of lambda holds for the batch.
func (m *Mixer) Apply(x []float32, w, h int, targets []float32, classes int, rng *rand.Rand) error {
	size := 3 * w * h
	if size < 1 || classes < 1 || len(x)%size != 0 || len(targets) != len(x)/size*classes {
		return fmt.Errorf("transform: a batch of %d values for %dx%d inputs and %d targets of %d classes do not fit", len(x), w, h, len(targets), classes)
	}
	n := len(x) / size
	if n < 2 || m.Mixup <= 0 && m.CutMix <= 0 {
		return nil
	}
	cut := m.CutMix > 0 && (m.Mixup <= 0 || rng.IntN(2) == 1)
	var lambda float64
	if cut {
		lambda = beta(m.CutMix, rng)
		// The rectangle keeps its drawn shape; what sticks out is cut off and counts less.
		half := 0.5 * math.Sqrt(1-lambda)
		rw, rh := int(half*float64(w)), int(half*float64(h))
		cx, cy := rng.IntN(w), rng.IntN(h)
		x0, x1 := max(0, cx-rw), min(w, cx+rw)
		y0, y1 := max(0, cy-rh), min(h, cy+rh)
		lambda = 1 - float64((x1-x0)*(y1-y0))/float64(w*h)
		m.roll(x, size, n, &m.last, func(dst, src []float32) {
			for y := y0; y < y1; y++ {
				copy(dst[3*(y*w+x0):3*(y*w+x1)], src[3*(y*w+x0):])
			}
		})
	} else {
		lambda = beta(m.Mixup, rng)
		m.roll(x, size, n, &m.last, mixWith(float32(lambda)))
	}
	m.roll(targets, classes, n, &m.target, mixWith(float32(lambda)))
	return nil
}

func mixWith(lambda float32) func(dst, src []float32) {
	return func(dst, src []float32) {
		for i, v := range src {
			dst[i] = float32(lambda*dst[i]) + float32((1-lambda)*v)
		}
	}
}

// roll calls f with each row and the row before it as it was; the first row's is the last.
func (m *Mixer) roll(x []float32, size, n int, keep *[]float32, f func(dst, src []float32)) {
	row := func(i int) []float32 { return x[i*size : (i+1)*size] }
	*keep = append((*keep)[:0], row(n-1)...)
	for i := n - 1; i > 0; i-- {
		f(row(i), row(i-1))
	}
	f(row(0), *keep)
}

// beta draws from the symmetric beta distribution.
func beta(alpha float64, rng *rand.Rand) float64 {
	a, b := gamma(alpha, rng), gamma(alpha, rng)
	if !(a+b > 0) {
		return float64(rng.IntN(2)) // both underflowed: alpha is tiny, all mass at the ends
	}
	return a / (a + b)
}

// gamma draws from the gamma distribution of scale 1 (Marsaglia and Tsang, 2000).
func gamma(shape float64, rng *rand.Rand) float64 {
	boost := 1.0
	if shape < 1 {
		boost = math.Pow(rng.Float64(), 1/shape)
		shape++
	}
	d := shape - 1./3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + float64(c*x)
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-rng.Float64()) < float64(0.5*x*x)+d-float64(d*v)+float64(d*math.Log(v)) {
			return boost * d * v
		}
	}
}
