//go:build !amd64 || purego

package kernel

func vecBF16ConvKernels() []ConvKernel                         { return nil }
func vecGlobalAvgPoolBF16Kernels() []Kernel[GlobalAvgPoolBF16] { return nil }
func vecBF16GradWeightKernels() []Kernel[ConvGradWeight]       { return nil }

func vecStoreBF16([]float32, []uint16) bool { return false }
func vecLoadBF16([]uint16, []float32) bool  { return false }
