//go:build !(amd64 || arm64) || purego

package kernel

// There are no vector kernels of fake quantization for this build.

func vecFakeQuantKernels() []Kernel[FakeQuant]         { return nil }
func vecFakeQuantGradKernels() []Kernel[FakeQuantGrad] { return nil }
func vecMinMaxKernels() []Kernel[MinMax]               { return nil }
