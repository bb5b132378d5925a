//go:build !amd64 || purego

package kernel

// The vector kernels of training are amd64's: elsewhere the portable ones do the
// work.

func vecStatsKernels() []Kernel[ChannelStats]                    { return nil }
func vecBatchNormTrainKernels() []Kernel[BatchNormTrain]         { return nil }
func vecBatchNormGradSumsKernels() []Kernel[BatchNormGradSums]   { return nil }
func vecBatchNormGradInputKernels() []Kernel[BatchNormGradInput] { return nil }
func vecGradWeightKernels() []Kernel[ConvGradWeight]             { return nil }
func vecGradInputKernels() []Kernel[ConvGradInput]               { return nil }
func vecUpdateKernels() []Kernel[Update]                         { return nil }
func vecRootKernels() []Kernel[Update]                           { return nil }
func vecSumToKernels() []Kernel[SumTo]                           { return nil }
