package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

func tableTasks(a *Table) int { return ceilDiv(a.Len, chunkElems) }

func runTable(a *Table, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	lookUpBytes(a.Table, a.X[lo:hi], a.Y[lo:hi])
}

// A binary operation of bytes goes by rows, as planBinary finds them: rows that
// are long are cut, rows that are short are put together.

func planQBinary(a *QBinary) (p binaryPlan, rows int) {
	p = planBinary(&Binary{AShape: a.AShape, BShape: a.BShape})
	return p, p.total / max(p.inner, 1)
}

func qbinaryTasks(a *QBinary) int {
	p, rows := planQBinary(a)
	if rows == 1 {
		return ceilDiv(p.inner, chunkElems)
	}
	return ceilDiv(rows, rowsPerTask(p.inner))
}

// qbinaryRows calls f for runs of rows of a task: of the same length, and as
// far from one another as steps say, in the operands and the result.
func qbinaryRows(a *QBinary, task int, f func(p binaryPlan, ia, ib, iy, n, rows, stepA, stepB int)) {
	p, rows := planQBinary(a)
	if rows == 1 {
		lo, hi := chunk(task, chunkElems, p.inner)
		f(p, lo*p.innerA, lo*p.innerB, lo, hi-lo, 1, 0, 0)
		return
	}
	lo, hi := chunk(task, rowsPerTask(p.inner), rows)
	for lo < hi {
		ia, ib, row := 0, 0, lo
		for d := 2; d >= 0; d-- {
			at := row % p.size[d]
			row /= p.size[d]
			ia, ib = ia+at*p.strideA[d], ib+at*p.strideB[d]
		}
		run := min(p.size[2]-lo%p.size[2], hi-lo)
		f(p, ia, ib, lo*p.inner, p.inner, run, p.strideA[2], p.strideB[2])
		lo += run
	}
}

// qbinaryScratch holds what every byte of either operand becomes.
func qbinaryScratch(*QBinary) int { return 512 }

func runQBinary(a *QBinary, task int, scratch []float32) {
	terms := Int32s(scratch[:512])
	x, z := (*[256]int32)(terms[:256]), (*[256]int32)(terms[256:])
	for i := range x {
		x[i], z[i] = int32(i)-int32(a.AZero), int32(i)-int32(a.BZero)
		if a.Fn == ref.Mul {
			continue
		}
		x[i] = ref.Rescale(x[i]<<20, a.AMult, a.AShift, a.Single)
		z[i] = ref.Rescale(z[i]<<20, a.BMult, a.BShift, a.Single)
		if a.Fn == ref.Sub {
			z[i] = -z[i]
		}
	}
	qbinaryRows(a, task, func(p binaryPlan, ia, ib, iy, n, rows, stepA, stepB int) {
		for r := range rows {
			u, v, y := a.A[ia+r*stepA:], a.B[ib+r*stepB:], a.Y[iy+r*n:][:n]
			u, v = u[:(n-1)*p.innerA+1], v[:(n-1)*p.innerB+1]
			for i := range y {
				s, t := x[u[i*p.innerA]], z[v[i*p.innerB]]
				if a.Fn == ref.Mul {
					s *= t
				} else {
					s += t
				}
				s = int32(a.YZero) + ref.Rescale(s, a.Mult, a.Shift, a.Single)
				y[i] = uint8(min(max(s, int32(a.Lo)), int32(a.Hi)))
			}
		}
	})
}

func quantizeTasks(a *Quantize) int { return ceilDiv(a.Len, chunkElems) }

func runQuantize(a *Quantize, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	quantizeGo(a, a.X[lo:hi], a.Y[lo:hi])
}

// quantizeGo clamps before it rounds, which the clamp's being integers allows,
// and rounds by adding: a number as great as 1.5*2^23 has no fraction, and what
// is just below a half makes no whole of what is below.
func quantizeGo(a *Quantize, x []float32, y []uint8) {
	const whole = 3 << 22
	const half, sign = 0x3fdfffffffffffff, 1 << 63
	least, most := float32(int(a.Lo)-int(a.Zero)), float32(int(a.Hi)-int(a.Zero))
	y = y[:len(x)]
	if a.Even {
		for i, v := range x {
			v /= a.Scale
			if v = min(v, most); !(v > least) { // not a number counts as the least
				v = least
			}
			y[i] = uint8(int32(v+whole-whole) + int32(a.Zero))
		}
		return
	}
	for i, u := range x {
		v := float64(u) / float64(a.Scale)
		if v = min(v, float64(most)); !(v > float64(least)) {
			v = float64(least)
		}
		v += math.Float64frombits(half | math.Float64bits(v)&sign)
		y[i] = uint8(int32(v) + int32(a.Zero))
	}
}

func dequantizeTasks(a *Dequantize) int { return ceilDiv(a.Len, chunkElems) }

func runDequantize(a *Dequantize, task int, _ []float32) {
	lo, hi := chunk(task, chunkElems, a.Len)
	dequantizeGo(a, a.X[lo:hi], a.Y[lo:hi])
}

func dequantizeGo(a *Dequantize, x []uint8, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = a.Scale * float32(int32(v)-int32(a.Zero))
	}
}

// qbinaryOne is one element of a binary operation.
func qbinaryOne(a *QBinary, p, q uint8) uint8 {
	x, z := int32(p)-int32(a.AZero), int32(q)-int32(a.BZero)
	v := x * z
	if a.Fn != ref.Mul {
		x = ref.Rescale(x<<20, a.AMult, a.AShift, a.Single)
		z = ref.Rescale(z<<20, a.BMult, a.BShift, a.Single)
		if v = x + z; a.Fn == ref.Sub {
			v = x - z
		}
	}
	v = int32(a.YZero) + ref.Rescale(v, a.Mult, a.Shift, a.Single)
	return uint8(min(max(v, int32(a.Lo)), int32(a.Hi)))
}
