//go:build amd64 && !purego

package kernel

import (
	"math"
	"unsafe"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The elementwise operations of bytes in assembly. The routines of AVX-512
// take any number of elements, those of AVX2 multiples of sixteen, and the
// portable path the rest.

// qelemVec is an instruction set.
type qelemVec struct {
	isa, impl string
	available func() bool
	wide      bool
}

var qelemVecs = [...]qelemVec{{"AVX512", "avx512", cpu.AVX512, true}, {"AVX2", "avx2", cpu.AVX2, false}}

// qelemKernels registers an operation in every instruction set.
func qelemKernels[A any](name string, accepts func(*A) bool, tasks, scratch func(*A) int, run func(v *qelemVec, a *A, task int, scratch []float32)) (kernels []Kernel[A]) {
	for i := range qelemVecs {
		v := &qelemVecs[i]
		kernels = append(kernels, Kernel[A]{
			Name: name + v.isa, Impl: v.impl, Available: v.available, Accepts: accepts, Tasks: tasks, ScratchLen: scratch,
			Run: func(a *A, task int, scratch []float32) { run(v, a, task, scratch) },
		})
	}
	return kernels
}

func anyArgs[A any](*A) bool { return true }

// whole is how many of n elements the routines take.
func (v *qelemVec) whole(n int) int {
	if v.wide {
		return n
	}
	return n &^ 15
}

func vecTableKernels() []Kernel[Table] {
	kernels := qelemKernels("tableU8", anyArgs[Table], tableTasks, noScratch[Table], func(v *qelemVec, a *Table, task int, _ []float32) {
		lo, hi := chunk(task, chunkElems, a.Len)
		v.lookUp(a.Table, a.X[lo:hi], a.Y[lo:hi])
	})
	kernels[0].Available = cpu.VBMI
	kernels[0].Name = "tableU8VBMI"
	return kernels
}

// lookUp writes what a table has for x to y. AVX-512 has it with VBMI alone.
func (v *qelemVec) lookUp(table *[256]uint8, x, y []uint8) {
	n := len(x)
	if v.wide && !cpu.VBMI() {
		v = &qelemVecs[1]
	}
	if n = v.whole(n); n > 0 {
		b := qelemArgs{x: &x[0], b: &table[0], y: &y[0], n: n}
		if v.wide {
			lookUpAVX512(&b)
		} else {
			lookUpAVX2(&b)
		}
	}
	lookUpBytes(table, x[n:], y[n:])
}

func vecQuantizeKernels() []Kernel[Quantize] {
	return qelemKernels("quantizeU8", anyArgs[Quantize], quantizeTasks, noScratch[Quantize], func(v *qelemVec, a *Quantize, task int, _ []float32) {
		lo, hi := chunk(task, chunkElems, a.Len)
		n := v.whole(hi - lo)
		if n > 0 {
			b := qelemArgs{x: (*uint8)(unsafe.Pointer(&a.X[lo])), y: &a.Y[lo], n: n, scale: a.Scale, xTerm: uint32(a.Zero),
				lo: uint32(a.Lo), hi: uint32(a.Hi), most: float32(int(a.Hi) - int(a.Zero))}
			if a.Even {
				b.even = 1
			}
			if v.wide {
				quantizeBytesAVX512(&b)
			} else {
				quantizeBytesAVX2(&b)
			}
		}
		quantizeGo(a, a.X[lo+n:hi], a.Y[lo+n:hi])
	})
}

func vecDequantizeKernels() []Kernel[Dequantize] {
	return qelemKernels("dequantizeU8", anyArgs[Dequantize], dequantizeTasks, noScratch[Dequantize], func(v *qelemVec, a *Dequantize, task int, _ []float32) {
		lo, hi := chunk(task, chunkElems, a.Len)
		n := v.whole(hi - lo)
		if n > 0 {
			b := qelemArgs{x: &a.X[lo], y: (*uint8)(unsafe.Pointer(&a.Y[lo])), n: n, scale: a.Scale, xTerm: uint32(-int32(a.Zero))}
			if v.wide {
				dequantizeBytesAVX512(&b)
			} else {
				dequantizeBytesAVX2(&b)
			}
		}
		dequantizeGo(a, a.X[lo+n:hi], a.Y[lo+n:hi])
	})
}

func vecQMeanKernels() []Kernel[QMean] {
	return qelemKernels("meanU8", anyArgs[QMean], qmeanTasks, qmeanScratch, func(v *qelemVec, a *QMean, task int, scratch []float32) {
		meanOf(a, task, scratch, v.sumLine())
	})
}

func vecQPoolKernels() []Kernel[QPool] {
	return qelemKernels("poolU8", func(a *QPool) bool { return !a.Max }, qpoolTasks, qpoolScratch, func(v *qelemVec, a *QPool, task int, scratch []float32) {
		poolOf(a, task, scratch, v.sumLine())
	})
}

// sumLine is the function of that name by vectors.
func (v *qelemVec) sumLine() func(sums []int32, x []uint8, pixels, stride int) {
	if v.wide {
		return sumLineAVX512
	}
	return sumLineAVX2
}

// sumMost is how many bytes a word has room to add up.
const sumMost = 256

func sumLineAVX512(sums []int32, x []uint8, pixels, stride int) {
	for p := 0; p < pixels && len(sums) > 0; p += sumMost {
		b := qelemArgs{x: &x[p*stride], y: (*uint8)(unsafe.Pointer(&sums[0])), n: len(sums), rows: min(sumMost, pixels-p), xRow: stride}
		sumBytesAVX512(&b)
	}
}

func sumLineAVX2(sums []int32, x []uint8, pixels, stride int) {
	n := len(sums) &^ 15
	for p := 0; p < pixels && n > 0; p += sumMost {
		b := qelemArgs{x: &x[p*stride], y: (*uint8)(unsafe.Pointer(&sums[0])), n: n, rows: min(sumMost, pixels-p), xRow: stride}
		sumBytesAVX2(&b)
	}
	if n < len(sums) {
		sumLine(sums[n:], x[n:], pixels, stride)
	}
}

func vecQBinaryKernels() []Kernel[QBinary] {
	return qelemKernels("binaryU8", acceptQBinary, qbinaryTasks, qbinaryScratch, runVecQBinary)
}

// acceptQBinary takes what is a table, one operand being one byte, and sums and
// products of rows with the usual multipliers: half of one operand of a sum,
// and right shifts that leave room for everything.
func acceptQBinary(a *QBinary) bool {
	if a.Float {
		return false
	}
	if singleByte(a.AShape) || singleByte(a.BShape) {
		return true
	}
	p, _ := planQBinary(a)
	if p.innerA != 1 || p.innerB != 1 || !shortEnoughShift(a) {
		return false
	}
	switch {
	case a.Fn == ref.Mul:
		return true
	case a.Fn != ref.Add:
		return false
	case halves(a.AMult, a.AShift):
		return rightShift(a.BShift)
	}
	return halves(a.BMult, a.BShift) && rightShift(a.AShift)
}

func singleByte(shape [4]int) bool { return shape == [4]int{1, 1, 1, 1} }

// halves reports the multiplier of a half.
func halves(mult, shift int32) bool { return mult == 1<<30 && shift == 0 }

// rightShift reports a shift that the short way of requantization takes, for
// sums up to 2^28.
func rightShift(shift int32) bool { return shift >= -22 && shift <= 0 }

// shortEnoughShift is rightShift of the result, whose sums are doubled by as
// much as there is room for: products of two bytes are small.
func shortEnoughShift(a *QBinary) bool {
	return rightShift(a.Shift) || a.Fn == ref.Mul && a.Shift > 0 && a.Shift <= 13
}

// shortTerm is what the short way of requantization adds to twice a product,
// and what to negative ones at last; see the generator.
func shortTerm(shift int32, zero uint8, single bool) (term int, tie uint32) {
	n := uint(max(-shift, 0))
	term = int(zero) << (n + 32)
	if single {
		return term + 1<<(n+31), 0
	}
	if n > 0 {
		tie = math.MaxUint32
	}
	return term + 1<<n>>1<<32 + 1<<31, tie
}

func runVecQBinary(v *qelemVec, a *QBinary, task int, _ []float32) {
	if singleByte(a.AShape) || singleByte(a.BShape) {
		runSingleByte(v, a, task)
		return
	}
	b := qelemArgs{m2: int(a.Mult), n2: uint32(max(-a.Shift, 0)), l2: uint32(1 + max(a.Shift, 0)), lo: uint32(a.Lo), hi: uint32(a.Hi)}
	b.k2, b.tie2 = shortTerm(a.Shift, a.YZero, a.Single)
	swap := a.Fn == ref.Add && !halves(a.AMult, a.AShift)
	if a.Fn == ref.Mul {
		b.xTerm, b.bTerm = uint32(-int32(a.AZero)), uint32(-int32(a.BZero))
	} else {
		x, z, mult, shift := a.AZero, a.BZero, a.BMult, a.BShift
		if swap {
			x, z, mult, shift = a.BZero, a.AZero, a.AMult, a.AShift
		}
		b.xTerm, b.bTerm = uint32(-int32(x)<<19), uint32(-int32(z)<<21)
		b.m1, b.n1 = int(mult), uint32(-shift)
		b.k1, b.tie1 = shortTerm(shift, 0, a.Single)
	}
	qbinaryRows(a, task, func(_ binaryPlan, ia, ib, iy, n, rows, stepA, stepB int) {
		whole := v.whole(n)
		if whole > 0 {
			c := b
			c.x, c.b, c.y, c.n, c.rows = &a.A[ia], &a.B[ib], &a.Y[iy], whole, rows
			c.xRow, c.bRow, c.yRow = stepA, stepB, n
			if swap {
				c.x, c.b, c.xRow, c.bRow = c.b, c.x, c.bRow, c.xRow
			}
			switch {
			case v.wide && a.Fn == ref.Mul:
				mulBytesAVX512(&c)
			case v.wide:
				addBytesAVX512(&c)
			case a.Fn == ref.Mul:
				mulBytesAVX2(&c)
			default:
				addBytesAVX2(&c)
			}
		}
		for r := range rows {
			for i := whole; i < n; i++ {
				a.Y[iy+r*n+i] = qbinaryOne(a, a.A[ia+r*stepA+i], a.B[ib+r*stepB+i])
			}
		}
	})
}

// runSingleByte has one operand that is a byte: the operation is a table.
func runSingleByte(v *qelemVec, a *QBinary, task int) {
	var table [256]uint8
	x := a.A
	if singleByte(a.AShape) {
		x = a.B
		for i := range table {
			table[i] = qbinaryOne(a, a.A[0], uint8(i))
		}
	} else {
		for i := range table {
			table[i] = qbinaryOne(a, uint8(i), a.B[0])
		}
	}
	p, _ := planQBinary(a)
	lo, hi := chunk(task, chunkElems, p.total)
	v.lookUp(&table, x[lo:hi], a.Y[lo:hi])
}
