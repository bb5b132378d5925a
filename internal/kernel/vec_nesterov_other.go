//go:build !arm64 || purego

package kernel

func vecNesterovKernels() []Kernel[Update] { return nil }
