//go:build !arm64 || purego

package kernel

func neonQConvKernels() []QConvKernel { return nil }
