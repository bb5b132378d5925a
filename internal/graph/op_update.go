package graph

import "fmt"

// UpdateKind is the formula of an Update.
type UpdateKind uint8

// The formulas, with s the state that is renewed, g the gradient, p the
// parameter, lr and t one number each, and d = g + Decay*p.
const (
	// UpdateVelocity(s, g, p): A*s + d, the velocity of SGD.
	UpdateVelocity UpdateKind = iota
	// UpdateSGD(p, v, lr): p - Rate*lr*v.
	UpdateSGD
	// UpdateNesterov(p, v, lr, g): p - Rate*lr*(d + A*v).
	UpdateNesterov
	// UpdateMean(s, g, p): A*s + (1-A)*Rate*d, a moving average; p only
	// where Decay is not 0.
	UpdateMean
	// UpdateMeanSquare(s, g, p): A*s + (1-A)*d*d.
	UpdateMeanSquare
	// UpdateRMSMomentum(s, g, ms, lr, p): A*s + Rate*lr*d/sqrt(ms+Epsilon).
	UpdateRMSMomentum
	// UpdateAdam(p, m, v, lr, t): p - Rate*lr*(Decay*p +
	// (m/(1-A^t)) / (sqrt(v/(1-B^t)) + Epsilon)).
	UpdateAdam
	// UpdateAccumulate(s, g, keep): keep*s + g.
	UpdateAccumulate
	// UpdateBlend(s, g, rate): (1-rate)*s + rate*g, an average whose rate is
	// given at each step: g itself at 1, s unchanged at 0.
	UpdateBlend
	numUpdates
)

// Update is an elementwise step of an optimizer or an average. Every state
// variable has an Update of its own.
type Update struct {
	Fn                         UpdateKind
	A, B, Decay, Rate, Epsilon float64
}

func (Update) Kind() string { return "update" }

// Operands gives the positions of what an Update reads: of the second to
// fourth array and of the two numbers, -1 where the formula has none. The
// first array is always input 0.
func (u Update) Operands() (arrays [3]int, numbers [2]int) {
	arrays, numbers = [3]int{-1, -1, -1}, [2]int{-1, -1}
	switch u.Fn {
	case UpdateVelocity, UpdateMean, UpdateMeanSquare:
		arrays[0] = 1
		if u.Decay != 0 {
			arrays[1] = 2
		}
	case UpdateSGD:
		arrays[0], numbers[0] = 1, 2
	case UpdateNesterov:
		arrays[0], numbers[0], arrays[1] = 1, 2, 3
	case UpdateRMSMomentum:
		arrays[0], arrays[1], numbers[0] = 1, 2, 3
		if u.Decay != 0 {
			arrays[2] = 4
		}
	case UpdateAdam:
		arrays[0], arrays[1], numbers[0], numbers[1] = 1, 2, 3, 4
	case UpdateAccumulate, UpdateBlend:
		arrays[0], numbers[0] = 1, 2
	}
	return arrays, numbers
}

func (u Update) Infer(in []Type) (Type, error) {
	if u.Fn >= numUpdates {
		return Type{}, fmt.Errorf("unknown update %d", u.Fn)
	}
	arrays, numbers := u.Operands()
	want := 1
	for _, at := range arrays {
		want = max(want, at+1)
	}
	for _, at := range numbers {
		want = max(want, at+1)
	}
	if err := arity(in, want); err != nil {
		return Type{}, err
	}
	for _, at := range arrays {
		if at >= 0 && in[at].Shape.Len() != in[0].Shape.Len() {
			return Type{}, fmt.Errorf("input %d is %v, the state %v", at, in[at].Shape, in[0].Shape)
		}
	}
	for _, at := range numbers {
		if at >= 0 && in[at].Shape.Len() != 1 {
			return Type{}, fmt.Errorf("input %d is %v, not one number", at, in[at].Shape)
		}
	}
	return in[0], nil
}

func (Update) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 4 * elems(out)} }

// Assign gives a Variable its value of the next step. Inputs: the variable,
// the value. It is the only writer: all reads of a step see the old value.
type Assign struct{}

func (Assign) Kind() string { return "assign" }

func (Assign) Infer(in []Type) (Type, error) {
	if err := arity(in, 2); err != nil {
		return Type{}, err
	}
	if !in[0].Shape.Equal(in[1].Shape) {
		return Type{}, fmt.Errorf("value %v for a variable %v", in[1].Shape, in[0].Shape)
	}
	return in[0], nil
}

func (Assign) Cost([]Type, Type) Cost { return Cost{} }
