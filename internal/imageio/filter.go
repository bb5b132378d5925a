package imageio

import "math"

// Filter is a resampling rule. The first six are Pillow's (antialiased: the support grows with the
// reduction; 8-bit results), the others are TensorFlow's (float results, see ResizeFloat).
type Filter uint8

const (
	Bilinear Filter = iota // triangle of support 1
	Bicubic                // Keys' cubic with a = -0.5, support 2
	Nearest
	Box
	Hamming
	Lanczos             // support 3
	TFBilinear          // tf.image.resize: half-pixel centres, no antialias
	TFBilinearAntialias // tf.image.resize(antialias=True)
	TFBilinearLegacy    // TF 1 resize_bilinear, align_corners=False: no half-pixel centres
	TFBilinearAlign     // TF 1 resize_bilinear, align_corners=True
	TFNearest           // tf.image.resize(method="nearest"): half-pixel centres
	TFNearestLegacy     // TF 1 resize_nearest_neighbor: no half-pixel centres
	TFArea              // tf.image.resize(method="area")
	numFilters
)

var filterNames = [numFilters]string{
	"bilinear", "bicubic", "nearest", "box", "hamming", "lanczos",
	"tf-bilinear", "tf-bilinear-antialias", "tf-bilinear-legacy", "tf-bilinear-align",
	"tf-nearest", "tf-nearest-legacy", "tf-area",
}

// String returns the filter's name as recipes write it.
func (f Filter) String() string {
	if f >= numFilters {
		return "unknown"
	}
	return filterNames[f]
}

// Filters lists every filter, in order.
func Filters() []Filter {
	all := make([]Filter, numFilters)
	for i := range all {
		all[i] = Filter(i)
	}
	return all
}

// Float reports whether the filter gives fractional values (TensorFlow's) rather than bytes (Pillow's).
func (f Filter) Float() bool { return f >= TFBilinear && f < numFilters }

func (f Filter) support() float64 {
	switch f {
	case Box:
		return 0.5
	case Bicubic:
		return 2
	case Lanczos:
		return 3
	}
	return 1
}

// weight is the filter's value at x. The conversions forbid fused multiply-add, which would give
// other last bits on some machines.
func (f Filter) weight(x float64) float64 {
	switch f {
	case Box:
		if x > -0.5 && x <= 0.5 {
			return 1
		}
		return 0
	case Hamming:
		x = math.Abs(x)
		if x == 0 {
			return 1
		}
		if x >= 1 {
			return 0
		}
		x *= math.Pi
		return math.Sin(x) / x * (0.54 + float64(0.46*math.Cos(x)))
	case Bicubic:
		const a = -0.5
		x = math.Abs(x)
		if x < 1 {
			return float64(float64((float64((a+2.0)*x)-(a+3.0))*x)*x) + 1
		}
		if x < 2 {
			return (float64((float64((x-5)*x)+8)*x) - 4) * a
		}
		return 0
	case Lanczos:
		if x < -3 || x >= 3 {
			return 0
		}
		return sinc(x) * sinc(x/3)
	}
	return max(0, 1-math.Abs(x))
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// precision is the number of fractional bits of Pillow's coefficients: 8-bit samples and two bits of
// headroom for negative lobes leave 22 of 32.
const precision = 32 - 8 - 2

// axis holds the fixed-point filter of a stretch of output positions along one direction. Output i
// is the sum of in[first[i]+k] * coef[start[i]+k] for k < start[i+1]-start[i].
type axis struct {
	key          axisKey
	first, start []int32
	coef         []int32
	weights      []float64 // scratch
	lo, hi       int       // input positions used: [lo, hi)
}

type axisKey struct {
	f              Filter
	in, out, at, n int
}

// build computes the coefficients of outputs [at, at+n) of a resize from in to out samples, in
// double precision, normalised and rounded as Pillow does. Zero coefficients at either end are
// dropped: they change no bit of a sum.
func (a *axis) build(key axisKey) {
	if a.key == key && key.n > 0 {
		return
	}
	a.key = key
	a.first, a.start, a.coef = a.first[:0], a.start[:0], a.coef[:0]
	scale := float64(key.in) / float64(key.out)
	stretch := max(scale, 1)
	// The conversions forbid fusing these products into the sums below.
	support := float64(key.f.support() * stretch)
	inverse := 1 / stretch
	weights := a.weights
	a.lo, a.hi = key.in, 0
	for i := key.at; i < key.at+key.n; i++ {
		center := float64((float64(i) + 0.5) * scale)
		first := max(0, int(center-support+0.5))
		last := min(key.in, int(center+support+0.5))
		weights = weights[:0]
		total := 0.0
		for x := first; x < last; x++ {
			w := key.f.weight((float64(x) - center + 0.5) * inverse)
			weights = append(weights, w)
			total += w
		}
		from := len(a.coef)
		a.start = append(a.start, int32(from))
		for _, w := range weights {
			if total != 0 {
				w /= total
			}
			w = float64(w * (1 << precision))
			if w < 0 {
				w -= 0.5
			} else {
				w += 0.5
			}
			if c := int32(w); c != 0 || len(a.coef) > from {
				a.coef = append(a.coef, c)
			} else {
				first++
			}
		}
		for len(a.coef) > from && a.coef[len(a.coef)-1] == 0 {
			a.coef = a.coef[:len(a.coef)-1]
		}
		if len(a.coef) > from {
			a.lo, a.hi = min(a.lo, first), max(a.hi, first+len(a.coef)-from)
		}
		a.first = append(a.first, int32(first))
	}
	a.start = append(a.start, int32(len(a.coef)))
	a.lo, a.weights = min(a.lo, a.hi), weights
}
