package kernel

func vecFakeQuantKernels() []Kernel[FakeQuant]         { return nil }
func vecFakeQuantGradKernels() []Kernel[FakeQuantGrad] { return nil }
func vecMinMaxKernels() []Kernel[MinMax]               { return nil }
