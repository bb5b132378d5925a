//go:build !amd64 || purego

package kernel

// There are no vector kernels for this build: the portable ones do the work.

func vecConvKernels() []ConvKernel                     { return nil }
func vecActivationKernels() []Kernel[Activation]       { return nil }
func vecGlobalAvgPoolKernels() []Kernel[GlobalAvgPool] { return nil }
func vecBinaryKernels() []Kernel[Binary]               { return nil }

func vecStatsKernels() []Kernel[ChannelStats]                    { return nil }
func vecBatchNormTrainKernels() []Kernel[BatchNormTrain]         { return nil }
func vecBatchNormGradSumsKernels() []Kernel[BatchNormGradSums]   { return nil }
func vecBatchNormGradInputKernels() []Kernel[BatchNormGradInput] { return nil }
func vecGradWeightKernels() []Kernel[ConvGradWeight]             { return nil }
func vecGradInputKernels() []Kernel[ConvGradInput]               { return nil }
func vecUpdateKernels() []Kernel[Update]                         { return nil }
func vecSumToKernels() []Kernel[SumTo]                           { return nil }
