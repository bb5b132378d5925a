//go:build !(amd64 || arm64) || purego

package kernel

func vecTableKernels() []Kernel[Table]           { return nil }
func vecQuantizeKernels() []Kernel[Quantize]     { return nil }
func vecDequantizeKernels() []Kernel[Dequantize] { return nil }
func vecQMeanKernels() []Kernel[QMean]           { return nil }
func vecQBinaryKernels() []Kernel[QBinary]       { return nil }
