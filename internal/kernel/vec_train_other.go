//go:build !(amd64 || arm64) || purego

package kernel

// There are no vector kernels of training for this build: the portable ones do the
// work.

func vecStatsKernels() []Kernel[ChannelStats]                    { return nil }
func vecBatchNormTrainKernels() []Kernel[BatchNormTrain]         { return nil }
func vecBatchNormGradSumsKernels() []Kernel[BatchNormGradSums]   { return nil }
func vecBatchNormGradInputKernels() []Kernel[BatchNormGradInput] { return nil }
func vecGradWeightKernels() []Kernel[ConvGradWeight]             { return nil }
func vecGradInputKernels() []Kernel[ConvGradInput]               { return nil }
func vecUpdateKernels() []Kernel[Update]                         { return nil }
func vecActivationGradKernels() []Kernel[ActivationGrad]         { return nil }
func vecPassNormKernels() []Kernel[BatchNormTrain]               { return nil }
func vecPassGradSumsKernels() []Kernel[BatchNormGradSums]        { return nil }
func vecPassGradInputKernels() []Kernel[BatchNormGradInput]      { return nil }
func vecRootKernels() []Kernel[Update]                           { return nil }
func vecSumToKernels() []Kernel[SumTo]                           { return nil }
