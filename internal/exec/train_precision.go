package exec

import (
	"fmt"

	"github.com/mobilenet-go/mobilenet/internal/kernel"
)

// Training in bf16 multiplies in bfloat16 and computes everything else in
// float32: variables, what optimizers keep, norms, activations, depthwise
// convolutions and all sums. What is stored as bfloat16 tells findStored. Pointwise convolutions round what they
// multiply, forwards, for the gradient of their input and for that of their
// weight. Products of one pixel a picture, the classifier and the gates, stay
// float32: they are few. So do dense windows: of the family only the first
// layer has one.

// TrainPrecisions are the precisions that training knows.
func TrainPrecisions() []string { return []string{string(FP32), string(BF16)} }

// resolveTraining is Precision.Resolve for training.
func resolveTraining(opt Options) (Used, error) {
	if err := opt.Precision.CheckPrecision(); err != nil {
		return Used{}, err
	}
	if opt.Precision == BF16x3 {
		return Used{}, fmt.Errorf("training computes in %s or %s, not in %s", FP32, BF16, BF16x3)
	}
	return opt.Precision.Resolve(opt.Impl), nil
}

// Used is the precision the program computes in.
func (p *TrainProgram) Used() Used { return p.used }

// narrow reports products that are made in bfloat16.
func (p *TrainProgram) narrow(s *kernel.ConvShape) bool {
	return p.used.Precision == BF16 && s.Groups == 1 && s.KH*s.KW == 1 && s.OH*s.OW > 1
}

// selectConv chooses the kernel of a convolution, and its arithmetic, which
// the shape then tells.
func (p *TrainProgram) selectConv(s *kernel.ConvShape) *kernel.ConvKernel {
	if p.narrow(s) {
		half := *s
		half.BF16 = kernel.BF16{Parts: 1}
		if k := kernel.SelectConv(&half, p.impl); k.Impl != "ref" {
			*s = half
			return k
		}
	}
	return kernel.SelectConv(s, p.impl)
}

// narrowWeight sets the arithmetic of a weight's gradient.
func (p *TrainProgram) narrowWeight(a *kernel.ConvGradWeight) {
	if !p.narrow(&a.ConvShape) {
		return
	}
	half := *a
	half.BF16 = kernel.BF16{Parts: 1}
	if kernel.SelectConvGradWeight(&half, p.impl).Impl != "ref" {
		a.BF16 = half.BF16
	}
}
