package kernel

import "github.com/mobilenet-go/mobilenet/internal/kernel/ref"

// Training with products of bfloat16: the convolutions of BF16ConvKernels go
// forwards and backwards, and weights' gradients have kernels here. They take
// inputs and gradients in float32 and round them; sums are float32.

// ConvGradWeightBF16Kernels lists the gradients of weights whose factors are
// rounded to bfloat16 first, best first.
func ConvGradWeightBF16Kernels() []Kernel[ConvGradWeight] {
	return append(vecBF16GradWeightKernels(), refKernel("convgradwBF16Ref", gradWeightError, runRefGradWeightBF16))
}

// SelectConvGradWeight chooses a kernel for a weight's gradient, in the
// arithmetic that its shape says.
func SelectConvGradWeight(a *ConvGradWeight, impl string) *Kernel[ConvGradWeight] {
	if a.BF16 != (BF16{}) {
		return Select(ConvGradWeightBF16Kernels(), a, impl)
	}
	return Select(ConvGradWeightKernels(), a, impl)
}

// runRefGradWeightBF16 is the reference: exact sums of rounded factors.
func runRefGradWeightBF16(a *ConvGradWeight) {
	round := func(x []float32) []float64 {
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = float64(WidenBF16(RoundBF16(v)))
		}
		return out
	}
	b := ref.ConvGradWeightArgs[float64]{ConvShape: a.ConvShape, X: round(a.X), DY: round(a.DY), DWeight: make([]float64, len(a.DWeight))}
	ref.ConvGradWeight(&b)
	for i, v := range b.DWeight {
		if a.Add {
			v += float64(a.DWeight[i])
		}
		a.DWeight[i] = float32(v)
	}
}
