//go:build (!amd64 && !arm64) || purego

package kernel

// The elementwise operations of bytes in assembly are for amd64 and arm64.

func vecQBinaryKernels() []Kernel[QBinary]       { return nil }
func vecTableKernels() []Kernel[Table]           { return nil }
func vecQuantizeKernels() []Kernel[Quantize]     { return nil }
func vecDequantizeKernels() []Kernel[Dequantize] { return nil }
func vecQPoolKernels() []Kernel[QPool]           { return nil }
func vecQMeanKernels() []Kernel[QMean]           { return nil }
