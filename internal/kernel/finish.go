package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// finish is the epilogue of the portable convolutions: y = act(sum + bias) +
// residual for a run of channels of one pixel. It may overwrite sum; residual
// is nil or as long as y, and may be y itself.
func finish(act *Act, sum, bias, residual, y []float32) {
	if residual == nil {
		biasAct(act, sum, bias, y)
		return
	}
	sum, bias, residual = sum[:len(y)], bias[:len(y)], residual[:len(y)]
	if act.Kind == ref.Linear {
		for i := range y {
			y[i] = sum[i] + bias[i] + residual[i]
		}
		return
	}
	for i := range y {
		sum[i] += bias[i]
	}
	activate(*act, sum, sum)
	for i := range y {
		y[i] = sum[i] + residual[i]
	}
}

// biasAct is y = act(x + bias); y must not be x. The switch is outside of the
// loops. Go's min and max have no branches to mispredict and keep a NaN.
func biasAct(act *Act, x, bias, y []float32) {
	x, bias = x[:len(y)], bias[:len(y)]
	a, b := act.A, act.B
	switch act.Kind {
	case ref.Linear:
		for i := range y {
			y[i] = x[i] + bias[i]
		}
	case ref.ReLU:
		for i := range y {
			y[i] = max(x[i]+bias[i], 0)
		}
	case ref.ReLU6:
		var nan float32
		for i := range y {
			v := x[i] + bias[i]
			nan += v
			y[i] = clamp6(v)
		}
		if nan != nan {
			for i := range y {
				y[i] = min(max(x[i]+bias[i], 0), 6)
			}
		}
	case ref.HSwish:
		for i := range y {
			v := x[i] + bias[i]
			y[i] = v * clamp6(v+3) * a
		}
	default:
		for i := range y {
			y[i] = x[i] + bias[i]
		}
		activate(Act{Kind: act.Kind, A: a, B: b}, y, y)
	}
}

// clamp6 is min(max(v, 0), 6) of anything but a NaN, a quarter cheaper than
// with floats: the positive ones are ordered like their bits, the negative ones
// are negative as integers. A NaN is lost, so the caller must see to it.
func clamp6(v float32) float32 {
	return math.Float32frombits(uint32(min(max(int32(math.Float32bits(v)), 0), sixBits)))
}

const sixBits = 0x40c00000 // of float32(6)

// activate is y = act(x); y may be x.
func activate(act Act, x, y []float32) {
	x = x[:len(y)]
	a, b := act.A, act.B
	switch act.Kind {
	case ref.Linear:
		copy(y, x)
	case ref.ReLU:
		for i, v := range x {
			y[i] = max(v, 0)
		}
	case ref.ReLU6:
		for i, v := range x {
			y[i] = min(max(v, 0), 6)
		}
	case ref.Clip:
		for i, v := range x {
			y[i] = min(max(v, a), b)
		}
	case ref.HSwish:
		for i, v := range x {
			y[i] = v * clamp6(v+3) * a
		}
	case ref.HSigmoid:
		for i, v := range x {
			y[i] = min(max(v+3, 0), 6) * a
		}
	case ref.HardSigmoid:
		for i, v := range x {
			y[i] = min(max(a*v+b, 0), 1)
		}
	case ref.Sigmoid:
		for i, v := range x {
			y[i] = 1 / (1 + exp(-v))
		}
	case ref.Swish:
		for i, v := range x {
			y[i] = v / (1 + exp(-v))
		}
	default:
		for i, v := range x {
			y[i] = ref.ApplyAct(act, v)
		}
	}
}

// exp is e^x within 2e-7 of itself, several times faster than in float64: 2^n
// times the Taylor series of e^r with |r| <= ln(2)/2. Below -87 it is 0, above
// 88 infinite, a little short of what float32 holds.
func exp(x float32) float32 {
	if x < -87 {
		return 0
	}
	if x > 88 {
		return float32(math.Inf(1))
	}
	// Adding 1.5*2^23 rounds to an integer, which then stands in the low bits.
	const round = 3 << 22
	t := x*float32(math.Log2E) + round
	n := t - round
	// ln 2 in two parts; the product with the first is exact.
	const high, low = 0.693359375, math.Ln2 - 0.693359375
	r := x - n*high
	r -= n * low
	p := 1 + r*(1+r*(1./2+r*(1./6+r*(1./24+r*(1./120+r*(1./720+r*(1./5040)))))))
	return p * math.Float32frombits(math.Float32bits(t)<<23+127<<23)
}
