package graph

import "fmt"

// ChannelStats gives the mean and the biased variance of each channel over
// all pixels of the batch: [...,C] to [2,C].
type ChannelStats struct{}

func (ChannelStats) Kind() string { return "channel_stats" }

func (ChannelStats) Infer(in []Type) (Type, error) {
	if err := arity(in, 1); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if len(s) == 0 || s.Len() == 0 {
		return Type{}, fmt.Errorf("input %v has no elements to average", s)
	}
	return F32(2, s[len(s)-1]), nil
}

// Cost counts the sum and the sum of squares.
func (ChannelStats) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: 2 * elems(in[0])} }

// BatchNormTrain normalises each channel by given statistics and applies an
// activation:
//
//	y = act((x - mean) / sqrt(var + Epsilon) * gamma + beta)
//
// Inputs: x, gamma, beta, stats, the last as ChannelStats gives it. A
// gradient flows through the statistics where they are ChannelStats of x.
type BatchNormTrain struct {
	Epsilon float64
	Act     Act
}

func (BatchNormTrain) Kind() string { return "batch_norm_train" }

func (b BatchNormTrain) Infer(in []Type) (Type, error) {
	if err := arity(in, 4); err != nil {
		return Type{}, err
	}
	if err := normOperands(in[0], in[1:3], in[3], b.Epsilon); err != nil {
		return Type{}, err
	}
	return in[0], b.Act.Check()
}

func (b BatchNormTrain) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 2 * elems(out)} }

// BatchNormGradSums gives, for each channel, the sum of g and of g*xhat, where
// xhat is the normalised input and g = dy * act'(xhat*gamma + beta): the
// gradients of beta and gamma. Inputs: x, dy, gamma, beta, stats; the result
// is [2,C].
type BatchNormGradSums struct {
	Epsilon float64
	Act     Act
}

func (BatchNormGradSums) Kind() string { return "batch_norm_grad_sums" }

func (b BatchNormGradSums) Infer(in []Type) (Type, error) {
	if err := arity(in, 5); err != nil {
		return Type{}, err
	}
	if !in[1].Shape.Equal(in[0].Shape) {
		return Type{}, fmt.Errorf("gradient %v of %v", in[1].Shape, in[0].Shape)
	}
	if err := normOperands(in[0], in[2:4], in[4], b.Epsilon); err != nil {
		return Type{}, err
	}
	return in[4], b.Act.Check()
}

func (b BatchNormGradSums) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: 4 * elems(in[0])} }

// BatchNormGradInput is the gradient of a batch norm's input. Inputs: x, dy,
// gamma, beta, stats and, unless Frozen, the sums of BatchNormGradSums:
//
//	dx = gamma/sqrt(var+Epsilon) * (g - sums0/R - xhat*sums1/R)
//
// with R pixels. Where the statistics do not come from x (Frozen) they are
// constants and dx = gamma/sqrt(var+Epsilon) * g.
type BatchNormGradInput struct {
	Epsilon float64
	Act     Act
	Frozen  bool
}

func (BatchNormGradInput) Kind() string { return "batch_norm_grad_input" }

func (b BatchNormGradInput) Infer(in []Type) (Type, error) {
	want := 6
	if b.Frozen {
		want = 5
	}
	if err := arity(in, want); err != nil {
		return Type{}, err
	}
	if !in[1].Shape.Equal(in[0].Shape) || !b.Frozen && !in[5].Shape.Equal(in[4].Shape) {
		return Type{}, fmt.Errorf("gradient %v of %v, or sums unlike the statistics %v", in[1].Shape, in[0].Shape, in[4].Shape)
	}
	if err := normOperands(in[0], in[2:4], in[4], b.Epsilon); err != nil {
		return Type{}, err
	}
	return in[0], b.Act.Check()
}

func (b BatchNormGradInput) Cost(_ []Type, out Type) Cost { return Cost{Elementwise: 4 * elems(out)} }

func normOperands(x Type, affine []Type, stats Type, epsilon float64) error {
	if len(x.Shape) == 0 {
		return fmt.Errorf("input has no channels")
	}
	c := x.Shape[len(x.Shape)-1]
	for _, t := range affine {
		if len(t.Shape) != 1 || t.Shape[0] != c {
			return fmt.Errorf("scale or offset %v for %d channels", t.Shape, c)
		}
	}
	if s := stats.Shape; len(s) != 2 || s[0] != 2 || s[1] != c {
		return fmt.Errorf("statistics %v for %d channels", s, c)
	}
	if !(epsilon >= 0) {
		return fmt.Errorf("epsilon %v", epsilon)
	}
	return nil
}
