package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

func runActivationGrad(a *ActivationGrad, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	activationGrad(a.Act, a.X[lo:hi], a.DY[lo:hi], a.DX[lo:hi])
}

// activationGrad is dx = dy * act'(x); dx may be x or dy.
func activationGrad(act Act, x, dy, dx []float32) {
	x, dy = x[:len(dx)], dy[:len(dx)]
	p := act.A
	switch act.Kind {
	case ref.Linear:
		copy(dx, dy)
	case ref.ReLU:
		for i, v := range x {
			dx[i] = masked(dy[i], positive(v))
		}
	case ref.ReLU6:
		for i, v := range x {
			dx[i] = masked(dy[i], within6(v))
		}
	case ref.HSwish:
		// The three slopes are chosen by the bits, without a branch.
		steep := math.Float32bits(6 * p)
		for i, v := range x {
			s, bits := math.Float32bits((2*v+3)*p), math.Float32bits(v)
			if bits > minusThreeBits {
				s = 0
			}
			if int32(bits) > threeBits {
				s = steep
			}
			dx[i] = dy[i] * math.Float32frombits(s)
		}
	case ref.HSigmoid:
		for i, v := range x {
			s := p
			if v <= -3 || v >= 3 {
				s = 0
			}
			dx[i] = dy[i] * s
		}
	case ref.Swish:
		for i, v := range x {
			s := 1 / (1 + exp(-v))
			dx[i] = dy[i] * (s * (1 + v*(1-s)))
		}
	case ref.Sigmoid:
		for i, v := range x {
			s := 1 / (1 + exp(-v))
			dx[i] = dy[i] * (s * (1 - s))
		}
	default:
		for i, v := range x {
			dx[i] = dy[i] * ref.ActSlope(act, v)
		}
	}
}

const (
	threeBits      = 0x40400000 // of float32(3)
	minusThreeBits = 0xc0400000
)

// positive and within6 are all ones where v > 0, and where 0 < v < 6. Branches
// on the sign of activations are mispredicted half of the time; floats are
// ordered like their bits.
func positive(v float32) (m uint32) {
	if int32(math.Float32bits(v)) > 0 {
		m = ^uint32(0)
	}
	return m
}

func within6(v float32) (m uint32) {
	if math.Float32bits(v)-1 < sixBits-1 {
		m = ^uint32(0)
	}
	return m
}

func masked(g float32, mask uint32) float32 {
	return math.Float32frombits(math.Float32bits(g) & mask)
}

// runCrossEntropyGrad takes each exponential once, in float32.
func runCrossEntropyGrad(a *SoftmaxCrossEntropyGrad, task int, _ []float32) {
	x, t, dx := a.X[task*a.K:][:a.K], a.Target[task*a.K:][:a.K], a.DX[task*a.K:][:a.K]
	top := float32(math.Inf(-1))
	for _, v := range x {
		top = max(top, v)
	}
	sum, total := 0.0, 0.0
	for i, v := range x {
		e := exp(v - top)
		dx[i] = e
		sum += float64(e)
		total += float64(t[i])
	}
	f := a.DY[task] * a.Weight[task]
	scale := float32(total / sum)
	for i, e := range dx {
		dx[i] = f * (e*scale - t[i])
	}
}

func runRandom(a *Random, task int, _ []float32) {
	key := ref.RandomKey(uint64(a.Seed[0]), uint64(a.Seed[1]), uint64(a.Step[0]), a.Stream)
	lo, hi := chunk(task, chunkElems, a.Len)
	kept := float32(1 / (1 - a.Rate))
	for i := lo; i < hi; i++ {
		a.Y[i] = 0
		if ref.RandomKeep(key, i, a.Rate) {
			a.Y[i] = kept
		}
	}
}

func runUpdate(a *Update, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	part := func(x []float32) []float32 {
		if x == nil {
			return nil
		}
		return x[lo:hi]
	}
	s, p, q, r, y := part(a.S), part(a.P), part(a.Q), part(a.R), part(a.Y)
	A, decay := float32(a.A), float32(a.Decay)
	rest, rate := float32(1-a.A), float32(a.Rate)
	if a.U != nil && a.Fn != ref.UpdateMean {
		rate *= a.U[0]
	}
	switch {
	case a.Fn == ref.UpdateVelocity && decay == 0:
		for i := range y {
			y[i] = A*s[i] + p[i]
		}
	case a.Fn == ref.UpdateVelocity:
		for i := range y {
			y[i] = A*s[i] + (p[i] + decay*q[i])
		}
	case a.Fn == ref.UpdateSGD:
		for i := range y {
			y[i] = s[i] - rate*p[i]
		}
	case a.Fn == ref.UpdateMean && decay == 0:
		rest *= rate
		for i := range y {
			y[i] = A*s[i] + rest*p[i]
		}
	case a.Fn == ref.UpdateMeanSquare && decay == 0:
		for i := range y {
			y[i] = A*s[i] + rest*(p[i]*p[i])
		}
	case a.Fn == ref.UpdateMeanSquare:
		for i := range y {
			d := p[i] + decay*q[i]
			y[i] = A*s[i] + rest*(d*d)
		}
	case a.Fn == ref.UpdateRMSMomentum:
		epsilon := float32(a.Epsilon)
		for i := range y {
			d := p[i]
			if decay != 0 {
				d += decay * r[i]
			}
			y[i] = A*s[i] + rate*d/float32(math.Sqrt(float64(q[i]+epsilon)))
		}
	default:
		one := *a
		one.Len, one.S, one.P, one.Q, one.R, one.Y = hi-lo, s, p, q, r, y
		ref.Update(&one)
	}
}
