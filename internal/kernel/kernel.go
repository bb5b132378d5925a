// Package kernel holds the numeric kernels: functions over slices and ints
// that know nothing of graphs. Every operation has its reference (package
// ref), a portable Go path, and where it matters assembly per instruction set,
// written by the generator in _asm; all are always compiled and a table per
// operation lists them, best first.
//
// A kernel's work is divided into tasks by the shape alone, never by the
// number of threads. Tasks run in any order and at the same time, each with
// scratch of its own, and together write every element of the result. An
// element's arithmetic and its order depend neither on the batch nor on the
// task that computes it, so results have the same bits for any batch size and
// any number of threads. Run allocates nothing and panics on arguments that do
// not fit: callers check shapes first.
package kernel

import (
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The argument blocks in float32; package ref documents the fields. The same
// blocks in float64 go to the reference kernels directly.
type (
	ActKind       = ref.ActKind
	Act           = ref.Act
	ConvShape     = ref.ConvShape
	Conv          = ref.ConvArgs[float32]
	Activation    = ref.ActivationArgs[float32]
	GlobalAvgPool = ref.GlobalAvgPoolArgs[float32]
	Pool          = ref.PoolArgs[float32]
	Binary        = ref.BinaryArgs[float32]
	Softmax       = ref.SoftmaxArgs[float32]
	BatchNorm     = ref.BatchNormArgs[float32]
	Resize        = ref.ResizeArgs[float32]
	Pad           = ref.PadArgs[float32]
	Concat        = ref.ConcatArgs[float32]
	Transpose     = ref.TransposeArgs[float32]
)

// ConvKernel is one implementation of convolution.
type ConvKernel struct {
	// Name follows the grammar op, data type, shape limits, tile,
	// instruction set.
	Name string
	// Impl is the rung: one of cpu.Rungs.
	Impl      string
	Available func() bool
	Accepts   func(s *ConvShape) bool
	// PackedLen is the length of the packed weights, Pack their making from
	// [O,C/Groups,KH,KW]. Neither depends on the batch, the size of the
	// picture or its layout, so one packing serves a layer at all of them.
	PackedLen func(s *ConvShape) int
	Pack      func(s *ConvShape, oihw, dst []float32)
	// PackTurned, if not nil, is Pack for the convolution GradInputConv(forward),
	// from the weights of the forward one; false where it does not know how.
	PackTurned func(forward *ConvShape, oihw, dst []float32) bool
	// Tasks is the number of independent pieces, ScratchLen the scratch each
	// worker needs.
	Tasks      func(s *ConvShape) int
	ScratchLen func(s *ConvShape) int
	Run        func(a *Conv, task int, scratch []float32)
	// Bind, if not nil, is Run with the division of work of a shape worked
	// out once.
	Bind func(s *ConvShape) func(a *Conv, task int, scratch []float32)
	// MaxError bounds |y - exact| before the activation, relative to the sum
	// of the magnitudes of the products, the bias and the residual.
	MaxError float64
}

// Kernel is one implementation of an operation with the argument block A.
// Accepts, Tasks and ScratchLen read the block's sizes, never its slices.
type Kernel[A any] struct {
	Name, Impl string
	Available  func() bool
	Accepts    func(a *A) bool
	Tasks      func(a *A) int
	ScratchLen func(a *A) int
	Run        func(a *A, task int, scratch []float32)
	// Reduce, if not nil, follows when all tasks are done.
	Reduce *Reduction[A]
	// MaxError bounds the error relative to the largest magnitude among the
	// inputs of an element and the element itself; 0 is exact.
	MaxError float64
}

// SelectConv gives the first kernel that is available, accepts the shape and
// lies within the rung impl: "ref" is the reference alone, "go" the portable
// path or, where that has nothing, the reference. An empty impl is cpu.Limit.
func SelectConv(s *ConvShape, impl string) *ConvKernel {
	limit, table := rung(impl), ConvKernels()
	for i := range table {
		k := &table[i]
		if cpu.Rung(k.Impl) <= limit && k.Available() && k.Accepts(s) {
			return k
		}
	}
	panic("kernel: unknown implementation " + impl)
}

// Select is SelectConv for the other operations' tables.
func Select[A any](table []Kernel[A], a *A, impl string) *Kernel[A] {
	limit := rung(impl)
	for i := range table {
		k := &table[i]
		if cpu.Rung(k.Impl) <= limit && k.Available() && k.Accepts(a) {
			return k
		}
	}
	panic("kernel: unknown implementation " + impl)
}

func rung(impl string) int {
	if impl == "" {
		impl, _ = cpu.Limit()
	}
	return cpu.Rung(impl)
}

// SelectActivation and its siblings choose a kernel for an operation.
func SelectActivation(a *Activation, impl string) *Kernel[Activation] {
	return Select(ActivationKernels(), a, impl)
}

// SelectGlobalAvgPool chooses a kernel for a mean over pictures.
func SelectGlobalAvgPool(a *GlobalAvgPool, impl string) *Kernel[GlobalAvgPool] {
	return Select(GlobalAvgPoolKernels(), a, impl)
}

// SelectPool chooses a kernel for a mean or maximum over windows.
func SelectPool(a *Pool, impl string) *Kernel[Pool] { return Select(PoolKernels(), a, impl) }

// SelectBinary chooses a kernel for arithmetic of two operands.
func SelectBinary(a *Binary, impl string) *Kernel[Binary] { return Select(BinaryKernels(), a, impl) }

// SelectSoftmax chooses a kernel for the softmax of rows.
func SelectSoftmax(a *Softmax, impl string) *Kernel[Softmax] {
	return Select(SoftmaxKernels(), a, impl)
}

// SelectBatchNorm chooses a kernel for an unfolded batch norm.
func SelectBatchNorm(a *BatchNorm, impl string) *Kernel[BatchNorm] {
	return Select(BatchNormKernels(), a, impl)
}

// SelectResize chooses a kernel for a resize.
func SelectResize(a *Resize, impl string) *Kernel[Resize] { return Select(ResizeKernels(), a, impl) }

// SelectPad chooses a kernel for padding.
func SelectPad(a *Pad, impl string) *Kernel[Pad] { return Select(PadKernels(), a, impl) }

// SelectConcat chooses a kernel for joining.
func SelectConcat(a *Concat, impl string) *Kernel[Concat] { return Select(ConcatKernels(), a, impl) }

// SelectTranspose chooses a kernel for reordering axes.
func SelectTranspose(a *Transpose, impl string) *Kernel[Transpose] {
	return Select(TransposeKernels(), a, impl)
}
