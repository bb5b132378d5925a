package ref

import "math"

// UpdateKind is the formula of an update, in the order of the graph's own list.
type UpdateKind uint8

// The formulas; see Update.
const (
	UpdateVelocity UpdateKind = iota
	UpdateSGD
	UpdateNesterov
	UpdateMean
	UpdateMeanSquare
	UpdateRMSMomentum
	UpdateAdam
	UpdateAccumulate
	UpdateBlend
	NumUpdates
)

// UpdateArgs is an elementwise step of an optimizer on Len elements. S is the
// first input, P, Q and R the other arrays in the order of the formula, nil
// where it has none; U and V are one number each. Y may be S.
type UpdateArgs[T Float] struct {
	Len                        int
	Fn                         UpdateKind
	A, B, Decay, Rate, Epsilon float64
	S, P, Q, R, U, V, Y        []T
}

// Update computes the formula of every element.
func Update[T Float](a *UpdateArgs[T]) {
	A, decay, rate, epsilon := T(a.A), T(a.Decay), T(a.Rate), T(a.Epsilon)
	var u, m, v T
	if a.U != nil {
		u = a.U[0]
	}
	if a.Fn == UpdateAdam {
		t := float64(a.V[0])
		m, v = T(1-math.Pow(a.A, t)), T(1-math.Pow(a.B, t))
	}
	// decayed is the gradient with the weight decay's part.
	decayed := func(g, p []T, i int) T {
		if a.Decay == 0 {
			return g[i]
		}
		return g[i] + decay*p[i]
	}
	for i := range a.Len {
		s := a.S[i]
		switch a.Fn {
		case UpdateVelocity:
			s = A*s + decayed(a.P, a.Q, i)
		case UpdateSGD:
			s -= rate * u * a.P[i]
		case UpdateNesterov:
			s -= rate * u * (decayed(a.Q, a.S, i) + A*a.P[i])
		case UpdateMean:
			s = A*s + T(1-a.A)*rate*decayed(a.P, a.Q, i)
		case UpdateMeanSquare:
			d := decayed(a.P, a.Q, i)
			s = A*s + T(1-a.A)*d*d
		case UpdateRMSMomentum:
			s = A*s + rate*u*decayed(a.P, a.R, i)/T(math.Sqrt(float64(a.Q[i]+epsilon)))
		case UpdateAdam:
			s -= rate * u * (decay*s + (a.P[i]/m)/(T(math.Sqrt(float64(a.Q[i]/v)))+epsilon))
		case UpdateAccumulate:
			s = u*s + a.P[i]
		case UpdateBlend:
			s = (1-u)*s + u*a.P[i]
		}
		a.Y[i] = s
	}
}
