package graph

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// SoftmaxCrossEntropy is the loss of each picture: inputs logits [N,K],
// targets [N,K], weights [N]; the result is [N]:
//
//	loss = weight * sum(-target * log(softmax(logits)))
//
// Targets are distributions, so smoothed labels, mixtures and another model's
// probabilities are all targets.
type SoftmaxCrossEntropy struct{}

func (SoftmaxCrossEntropy) Kind() string { return "softmax_cross_entropy" }

func (SoftmaxCrossEntropy) Infer(in []Type) (Type, error) {
	if err := arity(in, 3); err != nil {
		return Type{}, err
	}
	return in[2], lossOperands(in)
}

func (SoftmaxCrossEntropy) Cost(in []Type, _ Type) Cost { return Cost{Elementwise: 4 * elems(in[0])} }

// SoftmaxCrossEntropyGrad is the gradient of the logits. Inputs: logits,
// targets, weights and dy [N].
type SoftmaxCrossEntropyGrad struct{}

func (SoftmaxCrossEntropyGrad) Kind() string { return "softmax_cross_entropy_grad" }

func (SoftmaxCrossEntropyGrad) Infer(in []Type) (Type, error) {
	if err := arity(in, 4); err != nil {
		return Type{}, err
	}
	if !in[3].Shape.Equal(in[2].Shape) {
		return Type{}, fmt.Errorf("gradient %v of losses %v", in[3].Shape, in[2].Shape)
	}
	return in[0], lossOperands(in)
}

func (SoftmaxCrossEntropyGrad) Cost(in []Type, _ Type) Cost {
	return Cost{Elementwise: 4 * elems(in[0])}
}

func lossOperands(in []Type) error {
	if len(in[0].Shape) != 2 || !in[1].Shape.Equal(in[0].Shape) || !in[2].Shape.Equal(tensor.Shape{in[0].Shape[0]}) {
		return fmt.Errorf("logits %v, targets %v, weights %v", in[0].Shape, in[1].Shape, in[2].Shape)
	}
	return nil
}
