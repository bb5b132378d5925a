package kernel

import (
	"sync"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The tables, best first. One line registers a kernel and so gives it its
// test, fuzz target, benchmark and place in the selection.

// ConvKernels lists the convolutions. The list is made once and not to be
// changed.
func ConvKernels() []ConvKernel { return convKernels() }

var convKernels = sync.OnceValue(func() []ConvKernel {
	return append(vecConvKernels(),
		dwGo("dwconvF32K3S1T4Go", acceptDepthwise(3, 1)),
		dwGo("dwconvF32K3S2T2Go", acceptDepthwise(3, 2)),
		dwGo("dwconvF32K5S1T4Go", acceptDepthwise(5, 1)),
		dwGo("dwconvF32K5S2T2Go", acceptDepthwise(5, 2)),
		dwGo("dwconvF32Go", acceptDepthwise(0, 0)),
		gemmGo("pwconvF32T2x4Go", acceptPointwise),
		gemmGo("convF32T2x4Go", acceptGemm),
		refConv,
	)
})

func dwGo(name string, accepts func(*ConvShape) bool) ConvKernel {
	return ConvKernel{
		Name: name, Impl: "go", Available: always, Accepts: accepts,
		PackedLen: dwPackedLen, Pack: packDepthwise,
		Tasks: dwTasks, ScratchLen: dwScratch, Run: runDepthwise, MaxError: convError,
	}
}

func gemmGo(name string, accepts func(*ConvShape) bool) ConvKernel {
	return ConvKernel{
		Name: name, Impl: "go", Available: always, Accepts: accepts,
		PackedLen: gemmPackedLen, Pack: packGemm,
		Tasks: gemmTasks, ScratchLen: gemmScratch, Run: runGemm, MaxError: convError,
	}
}

// ActivationKernels lists the activations.
func ActivationKernels() []Kernel[Activation] {
	return append(vecActivationKernels(),
		goKernel("actF32Go", 1e-6, activationTasks, noScratch[Activation], runActivation),
		refKernel("actF32Ref", 1e-6, ref.Activation[float32]),
	)
}

// GlobalAvgPoolKernels lists the means over pictures.
func GlobalAvgPoolKernels() []Kernel[GlobalAvgPool] {
	return append(vecGlobalAvgPoolKernels(),
		goKernel("gapF32Go", 1e-6, gapTasks, noScratch[GlobalAvgPool], runGlobalAvgPool),
		refKernel("gapF32Ref", 1e-6, ref.GlobalAvgPool[float32]),
	)
}

// PoolKernels lists the means and maxima over windows.
func PoolKernels() []Kernel[Pool] {
	return []Kernel[Pool]{
		goKernel("poolF32Go", 1e-6, poolTasks, noScratch[Pool], runPool),
		refKernel("poolF32Ref", 1e-6, ref.Pool[float32]),
	}
}

// BinaryKernels lists the arithmetic of two operands.
func BinaryKernels() []Kernel[Binary] {
	return append(vecBinaryKernels(),
		goKernel("binaryF32Go", 1e-6, binaryTasks, noScratch[Binary], runBinary),
		refKernel("binaryF32Ref", 1e-6, ref.Binary[float32]),
	)
}

// SoftmaxKernels lists the softmaxes.
func SoftmaxKernels() []Kernel[Softmax] {
	return append(vecSoftmaxKernels(),
		goKernel("softmaxF32Go", 1e-6, softmaxTasks, noScratch[Softmax], runSoftmax),
		refKernel("softmaxF32Ref", 1e-6, ref.Softmax[float32]),
	)
}

// BatchNormKernels lists the unfolded batch norms.
func BatchNormKernels() []Kernel[BatchNorm] {
	return []Kernel[BatchNorm]{
		goKernel("batchnormF32Go", 1e-6, batchNormTasks, func(a *BatchNorm) int { return a.C }, runBatchNorm),
		refKernel("batchnormF32Ref", 1e-6, ref.BatchNorm[float32]),
	}
}

// ResizeKernels lists the resizes.
func ResizeKernels() []Kernel[Resize] {
	return []Kernel[Resize]{
		goKernel("resizeF32Go", 1e-6, resizeTasks, noScratch[Resize], runResize),
		refKernel("resizeF32Ref", 1e-6, ref.Resize[float32]),
	}
}

// PadKernels lists the paddings.
func PadKernels() []Kernel[Pad] {
	return []Kernel[Pad]{
		goKernel("padF32Go", 0, padTasks[float32], noScratch[Pad], runPad[float32]),
		refKernel("padF32Ref", 0, ref.Pad[float32]),
	}
}

// ConcatKernels lists the joins.
func ConcatKernels() []Kernel[Concat] {
	return []Kernel[Concat]{
		goKernel("concatF32Go", 0, concatTasks[float32], noScratch[Concat], runConcat[float32]),
		refKernel("concatF32Ref", 0, ref.Concat[float32]),
	}
}

// TransposeKernels lists the reorderings of axes.
func TransposeKernels() []Kernel[Transpose] {
	return []Kernel[Transpose]{
		goKernel("transposeF32Go", 0, transposeTasks[float32], noScratch[Transpose], runTranspose[float32]),
		refKernel("transposeF32Ref", 0, ref.Transpose[float32]),
	}
}

func always() bool { return true }

// refConv is the reference: any shape, any layout, one task, weights as they
// come.
var refConv = ConvKernel{
	Name: "convF32Ref", Impl: "ref", Available: always,
	Accepts:    func(*ConvShape) bool { return true },
	PackedLen:  func(s *ConvShape) int { return s.O * (s.C / s.Groups) * s.KH * s.KW },
	Pack:       func(_ *ConvShape, oihw, dst []float32) { copy(dst, oihw) },
	Tasks:      func(*ConvShape) int { return 1 },
	ScratchLen: func(*ConvShape) int { return 0 },
	Run:        func(a *Conv, _ int, _ []float32) { ref.Conv(a) },
	MaxError:   convError,
}

// convError is what a float32 sum of up to some thousands of products in
// sequence keeps to: half an ulp a step, growing as a random walk.
const convError = 1e-5

// refKernel registers a reference function as a kernel of one task.
func refKernel[A any](name string, maxError float64, run func(*A)) Kernel[A] {
	return Kernel[A]{
		Name: name, Impl: "ref", Available: always,
		Accepts:    func(*A) bool { return true },
		Tasks:      func(*A) int { return 1 },
		ScratchLen: noScratch[A],
		Run:        func(a *A, _ int, _ []float32) { run(a) },
		MaxError:   maxError,
	}
}

// goKernel registers a portable function that takes any arguments.
func goKernel[A any](name string, maxError float64, tasks, scratch func(*A) int, run func(*A, int, []float32)) Kernel[A] {
	return Kernel[A]{
		Name: name, Impl: "go", Available: always,
		Accepts: func(*A) bool { return true },
		Tasks:   tasks, ScratchLen: scratch, Run: run, MaxError: maxError,
	}
}

func noScratch[A any](*A) int { return 0 }
