package kernel

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The argument blocks of operations on bytes; package ref documents them.
type (
	QConvShape = ref.QConvShape
	QConv      = ref.QConvArgs
	QBinary    = ref.QBinaryArgs
	Table      = ref.TableArgs
	Quantize   = ref.QuantizeArgs
	Dequantize = ref.DequantizeArgs
	QPool      = ref.QPoolArgs
	QMean      = ref.QMeanArgs
	QSoftmax   = ref.QSoftmaxArgs
	ArgMax     = ref.ArgMaxArgs
	ToFloat    = ref.ToFloatArgs

	ByteConcat    = ref.ConcatArgs[uint8]
	BytePad       = ref.PadArgs[uint8]
	ByteTranspose = ref.TransposeArgs[uint8]
	ByteResize    = ref.ByteResizeArgs
)

// QConvKernel is one implementation of convolution of bytes. All of them give
// the bytes of the reference.
type QConvKernel struct {
	// Name follows the grammar op, data type, shape limits, tile,
	// instruction set.
	Name string
	// Impl is the rung: one of cpu.Rungs.
	Impl      string
	Available func() bool
	Accepts   func(s *QConvShape) bool
	// PackedLen is the bytes of the packed constants, Pack their making from
	// Weight, WZero, Bias, Mult and Shift. Neither depends on the batch or the
	// size of the picture, so one packing serves a layer at all of them.
	PackedLen func(s *QConvShape) int
	Pack      func(a *QConv, dst []byte)
	// Tasks is the number of independent pieces, ScratchLen the scratch each
	// worker needs, in float32s.
	Tasks      func(s *QConvShape) int
	ScratchLen func(s *QConvShape) int
	// Run reads X, Packed and Table and writes Y. The memory of Packed and the
	// scratch begins at a cache line.
	Run func(a *QConv, task int, scratch []float32)
}

// SelectQConv gives the first kernel that is available, accepts the shape and
// lies within the rung impl, as SelectConv does.
func SelectQConv(s *QConvShape, impl string) *QConvKernel {
	limit, table := rung(impl), QConvKernels()
	for i := range table {
		k := &table[i]
		if cpu.Rung(k.Impl) <= limit && k.Available() && k.Accepts(s) {
			return k
		}
	}
	panic("kernel: unknown implementation " + impl)
}

// QConvKernels lists the convolutions of bytes, best first.
func QConvKernels() []QConvKernel { return qconvKernels() }

var qconvKernels = sync.OnceValue(func() []QConvKernel {
	return slices.Concat(vecQDepthwise(), vecQConvKernels(), goQConvKernels(), []QConvKernel{refQConv})
})

// goQConvKernels lists the portable ones.
func goQConvKernels() []QConvKernel {
	return []QConvKernel{convDWU8Go, convU8Go}
}

// refQConv is the reference: any shape, one task, constants as they come.
var refQConv = QConvKernel{
	Name: "convU8Ref", Impl: "ref", Available: always,
	Accepts:    func(*QConvShape) bool { return true },
	PackedLen:  func(*QConvShape) int { return 0 },
	Pack:       func(*QConv, []byte) {},
	Tasks:      func(*QConvShape) int { return 1 },
	ScratchLen: func(*QConvShape) int { return 0 },
	Run:        func(a *QConv, _ int, _ []float32) { ref.QConv(a) },
}

// QBinaryKernels lists the arithmetic of two operands of bytes.
func QBinaryKernels() []Kernel[QBinary] {
	portable := goKernel("binaryU8Go", 0, qbinaryTasks, qbinaryScratch, runQBinary)
	portable.Accepts = func(a *QBinary) bool { return !a.Float }
	return append(vecQBinaryKernels(),
		portable,
		refKernel("binaryU8Ref", 0, ref.QBinary),
	)
}

// TableKernels lists the look-ups.
func TableKernels() []Kernel[Table] {
	return append(vecTableKernels(),
		goKernel("tableU8Go", 0, tableTasks, noScratch[Table], runTable),
		refKernel("tableU8Ref", 0, ref.Table),
	)
}

// QuantizeKernels lists the roundings to bytes.
func QuantizeKernels() []Kernel[Quantize] {
	return append(vecQuantizeKernels(),
		goKernel("quantizeU8Go", 0, quantizeTasks, noScratch[Quantize], runQuantize),
		refKernel("quantizeU8Ref", 0, ref.Quantize),
	)
}

// DequantizeKernels lists the ways back to real numbers.
func DequantizeKernels() []Kernel[Dequantize] {
	return append(vecDequantizeKernels(),
		goKernel("dequantizeU8Go", 0, dequantizeTasks, noScratch[Dequantize], runDequantize),
		refKernel("dequantizeU8Ref", 0, ref.Dequantize),
	)
}

// QPoolKernels lists the means and maxima of bytes over windows.
func QPoolKernels() []Kernel[QPool] {
	return append(vecQPoolKernels(),
		goKernel("poolU8Go", 0, qpoolTasks, qpoolScratch, runQPool),
		refKernel("poolU8Ref", 0, ref.QPool),
	)
}

// QMeanKernels lists the means of bytes over pictures.
func QMeanKernels() []Kernel[QMean] {
	return append(vecQMeanKernels(),
		goKernel("meanU8Go", 0, qmeanTasks, qmeanScratch, runQMean),
		refKernel("meanU8Ref", 0, ref.QMean),
	)
}

// QSoftmaxKernels lists the softmaxes of rows of bytes.
func QSoftmaxKernels() []Kernel[QSoftmax] {
	return []Kernel[QSoftmax]{
		goKernel("softmaxU8Go", 0, qsoftmaxTasks, noScratch[QSoftmax], runQSoftmax),
		refKernel("softmaxU8Ref", 0, ref.QSoftmax),
	}
}

// ArgMaxKernels lists the choices of the greatest byte.
func ArgMaxKernels() []Kernel[ArgMax] {
	return []Kernel[ArgMax]{
		goKernel("argmaxU8Go", 0, argMaxTasks, noScratch[ArgMax], runArgMax),
		refKernel("argmaxU8Ref", 0, ref.ArgMax),
	}
}

// ByteConcatKernels lists the joins of bytes.
func ByteConcatKernels() []Kernel[ByteConcat] {
	return []Kernel[ByteConcat]{
		goKernel("concatU8Go", 0, concatTasks[uint8], noScratch[ByteConcat], runConcat[uint8]),
		refKernel("concatU8Ref", 0, ref.Concat[uint8]),
	}
}

// BytePadKernels lists the paddings of bytes.
func BytePadKernels() []Kernel[BytePad] {
	return []Kernel[BytePad]{
		goKernel("padU8Go", 0, padTasks[uint8], noScratch[BytePad], runPad[uint8]),
		refKernel("padU8Ref", 0, ref.Pad[uint8]),
	}
}

// ByteTransposeKernels lists the reorderings of axes of bytes.
func ByteTransposeKernels() []Kernel[ByteTranspose] {
	return []Kernel[ByteTranspose]{
		goKernel("transposeU8Go", 0, transposeTasks[uint8], noScratch[ByteTranspose], runTranspose[uint8]),
		refKernel("transposeU8Ref", 0, ref.Transpose[uint8]),
	}
}

// ByteResizeKernels lists the resizes of bytes.
func ByteResizeKernels() []Kernel[ByteResize] {
	return []Kernel[ByteResize]{
		goKernel("resizeU8Go", 0, byteResizeTasks, noScratch[ByteResize], runByteResize),
		refKernel("resizeU8Ref", 0, ref.ByteResize),
	}
}

// ToFloatKernels lists the ways from indices to float32s.
func ToFloatKernels() []Kernel[ToFloat] {
	return []Kernel[ToFloat]{refKernel("tofloatI32Ref", 0, ref.ToFloat)}
}

// Bytes is the memory of float32s as bytes: four an element.
func Bytes(f []float32) []byte {
	if len(f) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))
}

// Float32s is the memory of bytes, which begins at a multiple of four, as
// float32s.
func Float32s(b []byte) []float32 {
	if len(b) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)
}

// Int32s is the memory of float32s as int32s.
func Int32s(f []float32) []int32 {
	if len(f) == 0 {
		return nil
	}
	return unsafe.Slice((*int32)(unsafe.Pointer(&f[0])), len(f))
}

// float64s is the memory of bytes, which begins at a multiple of eight, as
// float64s.
func float64s(b []byte) []float64 {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*float64)(unsafe.Pointer(&b[0])), len(b)/8)
}
