package kernel

import (
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The argument blocks of training in float32.
type (
	ConvGradInput           = ref.ConvGradInputArgs[float32]
	ConvGradWeight          = ref.ConvGradWeightArgs[float32]
	ActivationGrad          = ref.ActivationGradArgs[float32]
	SoftmaxGrad             = ref.SoftmaxGradArgs[float32]
	ChannelStats            = ref.ChannelStatsArgs[float32]
	ChannelSum              = ref.ChannelSumArgs[float32]
	BatchNormTrain          = ref.BatchNormTrainArgs[float32]
	BatchNormGradSums       = ref.BatchNormGradSumsArgs[float32]
	BatchNormGradInput      = ref.BatchNormGradInputArgs[float32]
	SumTo                   = ref.SumToArgs[float32]
	Expand                  = ref.ExpandArgs[float32]
	Reduce                  = ref.ReduceArgs[float32]
	ClipFactor              = ref.ClipFactorArgs[float32]
	PoolGrad                = ref.PoolGradArgs[float32]
	ResizeGrad              = ref.ResizeGradArgs[float32]
	Slice                   = ref.SliceArgs[float32]
	SoftmaxCrossEntropy     = ref.SoftmaxCrossEntropyArgs[float32]
	SoftmaxCrossEntropyGrad = ref.SoftmaxCrossEntropyGradArgs[float32]
	Random                  = ref.RandomArgs[float32]
	Update                  = ref.UpdateArgs[float32]
	FakeQuant               = ref.FakeQuantArgs[float32]
	FakeQuantGrad           = ref.FakeQuantGradArgs[float32]
	FakeQuantWeight         = ref.FakeQuantWeightArgs[float32]
	MinMax                  = ref.MinMaxArgs[float32]
)

// Reduction is the second half of a kernel whose tasks leave partial sums. The
// sums lie in memory that the caller provides, in chunks that follow from the
// shape; when all tasks are done the merge adds them up, in the order of the
// chunks.
type Reduction[A any] struct {
	// Len is the memory that is needed, At where a block keeps it.
	Len func(a *A) int
	At  func(a *A) *[]float32
	// Tasks and Merge are the tasks of the merge. They need no scratch.
	Tasks func(a *A) int
	Merge func(a *A, task int)
}

// The tables of training, best first.

// ConvGradInputKernels lists the gradients of convolutions' inputs.
func ConvGradInputKernels() []Kernel[ConvGradInput] {
	return append(vecGradInputKernels(),
		goKernel("convgradxF32Go", gradInputError, convGradInputTasks, convGradInputScratch, runConvGradInput),
		refKernel("convgradxF32Ref", gradInputError, ref.ConvGradInput[float32]),
	)
}

// ConvGradWeightKernels lists the gradients of convolutions' weights.
func ConvGradWeightKernels() []Kernel[ConvGradWeight] {
	dw := goKernel("dwconvgradwF32Go", gradWeightError, dwGradWeightTasks, noScratch[ConvGradWeight], runDWGradWeight)
	dw.Accepts = func(a *ConvGradWeight) bool { return a.Groups == a.C && a.O == a.C }
	dw.Reduce = &Reduction[ConvGradWeight]{Len: dwGradWeightPartial, At: gradWeightPartial, Tasks: gradWeightMergeTasks, Merge: func(a *ConvGradWeight, task int) { mergeDWGradWeight(a, task, dwGradWeightTasks(a)) }}
	dense := goKernel("convgradwF32Go", gradWeightError, gradWeightTasks, gradWeightScratch, runGradWeight)
	dense.Reduce = &Reduction[ConvGradWeight]{Len: gradWeightPartialLen, At: gradWeightPartial, Tasks: gradWeightMergeTasks, Merge: mergeGradWeight}
	return append(vecGradWeightKernels(), dw, dense, refKernel("convgradwF32Ref", gradWeightError, ref.ConvGradWeight[float32]))
}

// gradWeightError is what sums of many thousands of products keep to.
const gradWeightError = 2e-5

// gradInputError is what a sum of some thousand products keeps to, against the
// largest of its factors.
const gradInputError = 5e-5

// ActivationGradKernels lists the gradients of activations.
func ActivationGradKernels() []Kernel[ActivationGrad] {
	return append(vecActivationGradKernels(),
		goKernel("actgradF32Go", 2e-6, func(a *ActivationGrad) int { return ceilDiv(a.Len, chunkElems) }, noScratch[ActivationGrad], runActivationGrad),
		refKernel("actgradF32Ref", 2e-6, ref.ActivationGrad[float32]),
	)
}

// SoftmaxGradKernels lists the gradients of softmaxes.
func SoftmaxGradKernels() []Kernel[SoftmaxGrad] {
	return []Kernel[SoftmaxGrad]{refKernel("softmaxgradF32Ref", 1e-6, ref.SoftmaxGrad[float32])}
}

// ChannelStatsKernels lists the statistics of channels.
func ChannelStatsKernels() []Kernel[ChannelStats] {
	k := goKernel("chanstatsF32Go", 2e-6, func(a *ChannelStats) int { return rowChunks(a.Rows, a.C) }, noScratch[ChannelStats], runChannelStats)
	k.Reduce = &Reduction[ChannelStats]{
		Len:   func(a *ChannelStats) int { return rowChunks(a.Rows, a.C) * 2 * a.C },
		At:    func(a *ChannelStats) *[]float32 { return &a.Partial },
		Tasks: func(a *ChannelStats) int { return mergeTasks(a.C) },
		Merge: func(a *ChannelStats, task int) {
			mergeStats(a.Partial, a.Y, a.Rows, a.C, rowsOfChunk(a.Rows, a.C), task)
		},
	}
	return append(vecStatsKernels(), k, refKernel("chanstatsF32Ref", 2e-6, ref.ChannelStats[float32]))
}

// ChannelSumKernels lists the sums of channels.
func ChannelSumKernels() []Kernel[ChannelSum] {
	k := goKernel("chansumF32Go", 1e-5, func(a *ChannelSum) int { return rowChunks(a.Rows, a.C) }, noScratch[ChannelSum], runChannelSum)
	k.Reduce = &Reduction[ChannelSum]{
		Len:   func(a *ChannelSum) int { return rowChunks(a.Rows, a.C) * a.C },
		At:    func(a *ChannelSum) *[]float32 { return &a.Partial },
		Tasks: func(a *ChannelSum) int { return mergeTasks(a.C) },
		Merge: func(a *ChannelSum, task int) { mergeSums(a.Partial, a.Y, rowChunks(a.Rows, a.C), a.C, task) },
	}
	return []Kernel[ChannelSum]{k, refKernel("chansumF32Ref", 1e-5, ref.ChannelSum[float32])}
}

// BatchNormTrainKernels lists the batch norms of batch statistics.
func BatchNormTrainKernels() []Kernel[BatchNormTrain] {
	return append(slices.Concat(vecBatchNormTrainKernels(), vecPassNormKernels()),
		goKernel("bntrainF32Go", 5e-6, func(a *BatchNormTrain) int { return ceilDiv(a.Rows, normRows(a.C)) },
			func(a *BatchNormTrain) int { return a.C }, runBatchNormTrain),
		refKernel("bntrainF32Ref", 5e-6, ref.BatchNormTrain[float32]),
	)
}

// BatchNormGradSumsKernels lists the gradients of scales and offsets.
func BatchNormGradSumsKernels() []Kernel[BatchNormGradSums] {
	k := goKernel("bngradsumsF32Go", 2e-5, func(a *BatchNormGradSums) int { return rowChunks(a.Rows, a.C) },
		func(a *BatchNormGradSums) int { return 5 * a.C }, runBatchNormGradSums)
	k.Reduce = &Reduction[BatchNormGradSums]{
		Len:   func(a *BatchNormGradSums) int { return rowChunks(a.Rows, a.C) * 2 * a.C },
		At:    func(a *BatchNormGradSums) *[]float32 { return &a.Partial },
		Tasks: func(a *BatchNormGradSums) int { return mergeTasks(2 * a.C) },
		Merge: func(a *BatchNormGradSums, task int) {
			mergeSums(a.Partial, a.Y, rowChunks(a.Rows, a.C), 2*a.C, task)
		},
	}
	return append(slices.Concat(vecBatchNormGradSumsKernels(), vecPassGradSumsKernels()), k, refKernel("bngradsumsF32Ref", 2e-5, ref.BatchNormGradSums[float32]))
}

// BatchNormGradInputKernels lists the gradients of batch norms' inputs.
func BatchNormGradInputKernels() []Kernel[BatchNormGradInput] {
	return append(slices.Concat(vecBatchNormGradInputKernels(), vecPassGradInputKernels()),
		goKernel("bngradxF32Go", 1e-5, func(a *BatchNormGradInput) int { return ceilDiv(a.Rows, normRows(a.C)) },
			func(a *BatchNormGradInput) int { return 6 * a.C }, runBatchNormGradInput),
		refKernel("bngradxF32Ref", 1e-5, ref.BatchNormGradInput[float32]),
	)
}

// SumToKernels lists the sums over broadcast axes.
func SumToKernels() []Kernel[SumTo] {
	pixels := goKernel("sumtoF32PixelsGo", 1e-5, sumPixelsTasks, noScratch[SumTo], runSumPixels)
	pixels.Accepts = acceptSumPixels
	return append(vecSumToKernels(), pixels,
		goKernel("sumtoF32Go", 1e-5, sumToTasks, noScratch[SumTo], runSumTo),
		refKernel("sumtoF32Ref", 1e-5, ref.SumTo[float32]))
}

// ExpandKernels lists the broadcasts.
func ExpandKernels() []Kernel[Expand] {
	return []Kernel[Expand]{
		goKernel("expandF32Go", 1e-6, expandTasks, noScratch[Expand], runExpand),
		refKernel("expandF32Ref", 1e-6, ref.Expand[float32]),
	}
}

// ReduceKernels lists the reductions to one number.
func ReduceKernels() []Kernel[Reduce] {
	k := goKernel("reduceF32Go", 1e-5, func(a *Reduce) int { return ceilDiv(a.Len, chunkElems) }, noScratch[Reduce], runReduce)
	k.Reduce = &Reduction[Reduce]{
		Len:   func(a *Reduce) int { return ceilDiv(a.Len, chunkElems) },
		At:    func(a *Reduce) *[]float32 { return &a.Partial },
		Tasks: func(*Reduce) int { return 1 },
		Merge: mergeReduce,
	}
	return []Kernel[Reduce]{k, refKernel("reduceF32Ref", 1e-5, ref.Reduce[float32])}
}

// ClipFactorKernels lists the factors of clipping.
func ClipFactorKernels() []Kernel[ClipFactor] {
	return []Kernel[ClipFactor]{refKernel("clipF32Ref", 1e-6, ref.ClipFactor[float32])}
}

// PoolGradKernels lists the gradients of poolings.
func PoolGradKernels() []Kernel[PoolGrad] {
	return []Kernel[PoolGrad]{
		goKernel("poolgradF32Go", 2e-6, poolGradTasks, noScratch[PoolGrad], runPoolGrad),
		refKernel("poolgradF32Ref", 2e-6, ref.PoolGrad[float32]),
	}
}

// ResizeGradKernels lists the gradients of resizes.
func ResizeGradKernels() []Kernel[ResizeGrad] {
	return []Kernel[ResizeGrad]{
		goKernel("resizegradF32Go", 5e-6, func(a *ResizeGrad) int { return a.N }, noScratch[ResizeGrad], runResizeGrad),
		refKernel("resizegradF32Ref", 5e-6, ref.ResizeGrad[float32]),
	}
}

// SliceKernels lists the parts of values.
func SliceKernels() []Kernel[Slice] {
	return []Kernel[Slice]{
		goKernel("sliceF32Go", 0, sliceTasks, noScratch[Slice], runSlice),
		refKernel("sliceF32Ref", 0, ref.Slice[float32]),
	}
}

// SoftmaxCrossEntropyKernels lists the losses. They are a few numbers a
// picture: the reference does.
func SoftmaxCrossEntropyKernels() []Kernel[SoftmaxCrossEntropy] {
	return []Kernel[SoftmaxCrossEntropy]{refKernel("xentF32Ref", 1e-6, ref.SoftmaxCrossEntropy[float32])}
}

// SoftmaxCrossEntropyGradKernels lists the gradients of losses.
func SoftmaxCrossEntropyGradKernels() []Kernel[SoftmaxCrossEntropyGrad] {
	return []Kernel[SoftmaxCrossEntropyGrad]{
		goKernel("xentgradF32Go", 1e-6, func(a *SoftmaxCrossEntropyGrad) int { return a.N }, noScratch[SoftmaxCrossEntropyGrad], runCrossEntropyGrad),
		refKernel("xentgradF32Ref", 1e-6, ref.SoftmaxCrossEntropyGrad[float32]),
	}
}

// RandomKernels lists the masks.
func RandomKernels() []Kernel[Random] {
	return []Kernel[Random]{
		goKernel("randomF32Go", 1e-7, func(a *Random) int { return ceilDiv(a.Len, chunkElems) }, noScratch[Random], runRandom),
		refKernel("randomF32Ref", 1e-7, ref.Random[float32]),
	}
}

// UpdateKernels lists the steps of optimizers.
func UpdateKernels() []Kernel[Update] {
	return append(slices.Concat(vecUpdateKernels(), vecRootKernels()),
		goKernel("updateF32Go", 2e-6, func(a *Update) int { return ceilDiv(a.Len, chunkElems) }, noScratch[Update], runUpdate),
		refKernel("updateF32Ref", 2e-6, ref.Update[float32]),
	)
}
