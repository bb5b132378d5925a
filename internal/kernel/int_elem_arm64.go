//go:build arm64 && !purego

package kernel

import (
	"github.com/mobilenet-go/mobilenet/internal/cpu"
	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// Elementwise operations on bytes on NEON. The routines take eights of bytes;
// what is left over is the reference's.

func intKernel[A any](name string, accepts func(*A) bool, tasks func(*A) int, run func(*A, int)) Kernel[A] {
	return Kernel[A]{
		Name: name, Impl: "neon", Available: cpu.NEON, Accepts: accepts, Tasks: tasks, ScratchLen: noScratch[A],
		Run: func(a *A, task int, _ []float32) { run(a, task) },
	}
}

func vecTableKernels() []Kernel[Table] {
	return []Kernel[Table]{intKernel("tableU8NEON", func(*Table) bool { return true },
		func(a *Table) int { return ceilDiv(a.Len, chunkElems) },
		func(a *Table, task int) {
			lo, hi := chunk(task, chunkElems, a.Len)
			if n := (hi - lo) / 16; n > 0 {
				intTableNEON(&intElemArgs{x: &a.X[lo], y: &a.Y[lo], table: &a.Table[0], n: 2 * n})
				lo += 16 * n
			}
			lookUpBytes(a.Table, a.X[lo:hi], a.Y[lo:hi])
		})}
}

func vecQuantizeKernels() []Kernel[Quantize] {
	return []Kernel[Quantize]{intKernel("quantizeU8NEON", func(*Quantize) bool { return true },
		func(a *Quantize) int { return ceilDiv(a.Len, chunkElems) },
		func(a *Quantize, task int) {
			lo, hi := chunk(task, chunkElems, a.Len)
			if n := (hi - lo) / 8; n > 0 {
				args := intElemArgs{floats: &a.X[lo], y: &a.Y[lo], n: n, scale: a.Scale,
					yZero: uint32(a.Zero), lo: uint32(a.Lo), hi: uint32(a.Hi)}
				if a.Even {
					args.even = 1
				}
				intQuantizeNEON(&args)
				lo += 8 * n
			}
			if lo < hi {
				rest := *a
				rest.Len, rest.X, rest.Y = hi-lo, a.X[lo:hi], a.Y[lo:hi]
				ref.Quantize(&rest)
			}
		})}
}

func vecDequantizeKernels() []Kernel[Dequantize] {
	return []Kernel[Dequantize]{intKernel("dequantizeU8NEON", func(*Dequantize) bool { return true },
		func(a *Dequantize) int { return ceilDiv(a.Len, chunkElems) },
		func(a *Dequantize, task int) {
			lo, hi := chunk(task, chunkElems, a.Len)
			if n := (hi - lo) / 8; n > 0 {
				intDequantizeNEON(&intElemArgs{x: &a.X[lo], floats: &a.Y[lo], n: n, scale: a.Scale, xZero: uint32(a.Zero)})
				lo += 8 * n
			}
			if lo < hi {
				rest := *a
				rest.Len, rest.X, rest.Y = hi-lo, a.X[lo:hi], a.Y[lo:hi]
				ref.Dequantize(&rest)
			}
		})}
}

// intTwiceOnce is the way to rescale.
func intTwiceOnce(single bool) int {
	if single {
		return roundOnce
	}
	return roundTwiceEvery
}

// intShift is a shift as the elementwise routines take it; ok is false for one
// to the left, which they leave out.
func intShift(shift int32, single bool) (code uint32, ok bool) {
	if single {
		return uint32(shift - 31), true
	}
	return uint32(shift), shift <= 0
}

// intMeanChannels is the channels of a task.
const intMeanChannels = 64

func vecQMeanKernels() []Kernel[QMean] {
	return []Kernel[QMean]{intKernel("meanU8NEON",
		func(a *QMean) bool { return a.C > 0 && a.H*a.W > 0 },
		func(a *QMean) int { return a.N * ceilDiv(a.C, intMeanChannels) }, runIntMean)}
}

func runIntMean(a *QMean, task int) {
	per := ceilDiv(a.C, intMeanChannels)
	n, part := task/per, task%per
	lo, hi := chunk(part, intMeanChannels, a.C)
	x, y := a.X[n*a.H*a.W*a.C:], a.Y[n*a.C:]
	var sums [intMeanChannels]int32
	args := intElemArgs{x: &x[lo], sums: &sums[0], n: (hi - lo) / 8, rows: a.H * a.W, xStride: a.C}
	if args.n > 0 {
		intSumNEON(&args)
	}
	for c := lo + args.n*8; c < hi; c++ {
		for p := range a.H * a.W {
			sums[c-lo] += int32(x[p*a.C+c])
		}
	}
	for c := lo; c < hi; c++ {
		y[c] = a.Mean(sums[c-lo])
	}
}

func vecQBinaryKernels() []Kernel[QBinary] {
	return []Kernel[QBinary]{intKernel("binaryU8NEON", acceptIntBinary,
		func(a *QBinary) int { return planIntBinary(a).tasks }, runIntBinary)}
}

// intBinary is how an operation is divided: a single row into pieces, several
// into runs of those along one dimension.
type intBinary struct {
	binaryPlan
	per, chunks, tasks int // rows of a task, tasks of the dimension, all tasks
}

func planIntBinary(a *QBinary) intBinary {
	p := intBinary{binaryPlan: planBinary(&Binary{AShape: a.AShape, BShape: a.BShape})}
	if p.size == [3]int{1, 1, 1} {
		p.tasks = ceilDiv(p.inner, chunkElems)
		return p
	}
	p.per = rowsPerTask(p.inner)
	p.chunks = ceilDiv(p.size[2], p.per)
	p.tasks = p.size[0] * p.size[1] * p.chunks
	return p
}

func acceptIntBinary(a *QBinary) bool {
	if a.Float {
		return false
	}
	ok := a.Fn == ref.Mul
	if a.Fn == ref.Add || a.Fn == ref.Sub {
		_, x := intShift(a.AShift, a.Single)
		_, b := intShift(a.BShift, a.Single)
		ok = x && b
	}
	_, y := intShift(a.Shift, a.Single)
	p := planIntBinary(a)
	return ok && y && p.innerA == 1 && p.innerB == 1 && p.inner >= 8 && p.total > 0
}

func runIntBinary(a *QBinary, task int) {
	p := planIntBinary(a)
	rows, n, x, z, y := 1, 0, 0, 0, 0
	if p.chunks == 0 {
		lo, hi := chunk(task, chunkElems, p.inner)
		n, x, z, y = hi-lo, lo, lo, lo
	} else {
		outer, r0 := task/p.chunks, task%p.chunks*p.per
		i, j := outer/p.size[1], outer%p.size[1]
		rows, n = min(p.per, p.size[2]-r0), p.inner
		x = i*p.strideA[0] + j*p.strideA[1] + r0*p.strideA[2]
		z = i*p.strideB[0] + j*p.strideB[1] + r0*p.strideB[2]
		y = (outer*p.size[2] + r0) * p.inner
	}
	args := intElemArgs{n: n / 8, rows: rows, xStride: p.strideA[2], bStride: p.strideB[2], yStride: p.inner,
		way: intTwiceOnce(a.Single), xZero: uint32(a.AZero), bZero: uint32(a.BZero), yZero: uint32(a.YZero),
		lo: uint32(a.Lo), hi: uint32(a.Hi), xMult: uint32(a.AMult), bMult: uint32(a.BMult), yMult: uint32(a.Mult)}
	args.xShift, _ = intShift(a.AShift, a.Single)
	args.bShift, _ = intShift(a.BShift, a.Single)
	args.yShift, _ = intShift(a.Shift, a.Single)
	if args.n > 0 {
		args.x, args.b, args.y = &a.A[x], &a.B[z], &a.Y[y]
		switch a.Fn {
		case ref.Add:
			intAddNEON(&args)
		case ref.Sub:
			intSubNEON(&args)
		default:
			intMulNEON(&args)
		}
	}
	if rest := n % 8; rest > 0 {
		one := *a
		one.AShape, one.BShape = [4]int{1, 1, 1, rest}, [4]int{1, 1, 1, rest}
		for r := range rows {
			from := n - rest + r*p.inner
			one.A, one.B, one.Y = a.A[x+r*p.strideA[2]+n-rest:], a.B[z+r*p.strideB[2]+n-rest:], a.Y[y+from:]
			ref.QBinary(&one)
		}
	}
}
