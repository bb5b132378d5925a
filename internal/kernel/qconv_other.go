//go:build !(amd64 || arm64) || purego

package kernel

func vecQConvKernels() []QConvKernel { return nil }
