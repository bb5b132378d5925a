//go:build !(amd64 || arm64) || purego

package kernel

// There are no vector kernels for this build: the portable ones do the work.

func vecConvKernels() []ConvKernel                     { return nil }
func vecActivationKernels() []Kernel[Activation]       { return nil }
func vecGlobalAvgPoolKernels() []Kernel[GlobalAvgPool] { return nil }
func vecBinaryKernels() []Kernel[Binary]               { return nil }
func vecSoftmaxKernels() []Kernel[Softmax]             { return nil }
