package ref

import "math"

// SoftmaxCrossEntropyArgs is the loss of each of N rows of K logits X against
// the distributions Target: Y[n] = Weight[n] * sum(-t*log(softmax(x))).
type SoftmaxCrossEntropyArgs[T Float] struct {
	N, K                 int
	X, Target, Weight, Y []T
}

// SoftmaxCrossEntropy works on logarithms, so that nothing overflows.
func SoftmaxCrossEntropy[T Float](a *SoftmaxCrossEntropyArgs[T]) {
	for n := range a.N {
		x, t := a.X[n*a.K:][:a.K], a.Target[n*a.K:][:a.K]
		top, log := logSum(x)
		loss := 0.0
		for i, p := range t {
			if p != 0 {
				loss -= float64(p) * (float64(x[i]) - top - log)
			}
		}
		a.Y[n] = T(loss * float64(a.Weight[n]))
	}
}

// logSum is the largest of x and log(sum(exp(x - largest))).
func logSum[T Float](x []T) (top, log float64) {
	top = math.Inf(-1)
	for _, v := range x {
		top = max(top, float64(v))
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	return top, math.Log(sum)
}

// SoftmaxCrossEntropyGradArgs is the gradient of the logits X: DX may be X.
type SoftmaxCrossEntropyGradArgs[T Float] struct {
	N, K                      int
	X, Target, Weight, DY, DX []T
}

// SoftmaxCrossEntropyGrad is dy*w*(softmax*sum(t) - t).
func SoftmaxCrossEntropyGrad[T Float](a *SoftmaxCrossEntropyGradArgs[T]) {
	for n := range a.N {
		x, t, dx := a.X[n*a.K:][:a.K], a.Target[n*a.K:][:a.K], a.DX[n*a.K:][:a.K]
		top, log := logSum(x)
		sum := 0.0
		for _, p := range t {
			sum += float64(p)
		}
		f := float64(a.DY[n]) * float64(a.Weight[n])
		for i, v := range x {
			dx[i] = T(f * (math.Exp(float64(v)-top-log)*sum - float64(t[i])))
		}
	}
}
