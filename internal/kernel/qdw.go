package kernel

import (
	"encoding/binary"
)

// Depthwise convolutions of bytes: the division into tasks, which all
// implementations share, and the portable one.

// qdwWork is the outputs aimed at in a task.
const qdwWork = 1 << 15

// qdwPlan divides the output: pictures, then bands of rows, then ranges of
// channels. Wide small pictures are divided by channels alone, so that what is
// packed is read once.
type qdwPlan struct {
	rows, bands   int // rows of a band, bands of a picture
	chans, ranges int // channels of a range, ranges of a pixel
}

// qdwChannels is what the channels of a range are a multiple of.
const qdwChannels = 64

func planQDW(s *QConvShape) qdwPlan {
	p := qdwPlan{rows: max(s.OH, 1), chans: s.O}
	if pixels := max(s.OH*s.OW, 1); pixels*qdwChannels <= qdwWork {
		p.chans = qdwWork / (pixels * qdwChannels) * qdwChannels
	} else {
		p.rows = max(1, qdwWork/max(s.OW*s.O, 1))
	}
	p.bands, p.ranges = ceilDiv(s.OH, p.rows), max(1, s.O/p.chans)
	return p
}

func qdwTasks(s *QConvShape) int {
	p := planQDW(s)
	return s.N * p.bands * p.ranges
}

// qdwPart is what a task computes.
type qdwPart struct {
	n, row, rows int
	lo, hi       int // channels
}

func (p qdwPlan) part(s *QConvShape, task int) (t qdwPart) {
	t.lo, t.hi = chunk(task%p.ranges, p.chans, s.O)
	if task%p.ranges == p.ranges-1 {
		t.hi = s.O // the last range has what is left over, too
	}
	task /= p.ranges
	lo, hi := chunk(task%p.bands, p.rows, s.OH)
	t.n, t.row, t.rows = task/p.bands, lo, hi-lo
	return t
}

// acceptQDepthwise takes depthwise convolutions with a whole number of outputs
// for each channel.
func acceptQDepthwise(s *QConvShape) bool {
	return s.C > 0 && s.Groups == s.C && s.O%s.C == 0 && s.KH*s.KW > 0 && s.O > 0
}

// sumOfWeights is the constant part of a sum: the bias less what the zero
// point of the input gives.
func sumOfWeights(a *QConv, o, taps int) int32 {
	sum := a.Bias[o]
	for t := range taps {
		sum -= int32(a.XZero) * offWeight(a, o, taps, t)
	}
	return sum
}

// offWeight is a depthwise weight less its zero point.
func offWeight(a *QConv, o, taps, t int) int32 {
	w := int32(a.Weight[o*taps+t])
	if a.HasWZero {
		w -= a.WZero[o]
	}
	return w
}

// qdwTaps is the taps rounded up to threes: the portable path goes over sums
// with three taps at a time.
func qdwTaps(s *QConvShape) int { return ceilDiv(s.KH*s.KW, 3) }

// The portable constants: bias, multiplier, shift of every channel, then the
// weights of three taps for each channel, all int32s but for these int16s.
func qdwGoPackedLen(s *QConvShape) int { return s.O * (12 + 6*qdwTaps(s)) }

func packQDWGo(a *QConv, dst []byte) {
	taps := a.KH * a.KW
	order := binary.NativeEndian
	for o := range a.O {
		order.PutUint32(dst[4*o:], uint32(sumOfWeights(a, o, taps)))
		order.PutUint32(dst[4*(a.O+o):], uint32(a.Mult[o]))
		order.PutUint32(dst[4*(2*a.O+o):], uint32(a.Shift[o]))
		for t := range 3 * qdwTaps(&a.QConvShape) {
			w := int32(0)
			if t < taps {
				w = offWeight(a, o, taps, t)
			}
			order.PutUint16(dst[12*a.O+2*((t/3*a.O+o)*3+t%3):], uint16(w))
		}
	}
}

// qdwGoScratch is a pixel of sums and one of zero points.
func qdwGoScratch(s *QConvShape) int { return s.O + ceilDiv(s.C, 4) }

// convDWU8Go is the portable one: any window, any number of outputs a channel.
var convDWU8Go = QConvKernel{
	Name: "dwconvU8Go", Impl: "go", Available: always, Accepts: acceptQDepthwise,
	PackedLen: qdwGoPackedLen, Pack: packQDWGo, Tasks: qdwTasks, ScratchLen: qdwGoScratch, Run: runQDWGo,
}

func runQDWGo(a *QConv, task int, scratch []float32) {
	t := planQDW(&a.QConvShape).part(&a.QConvShape, task)
	sums, zeros := Int32s(scratch[:a.O]), Bytes(scratch[a.O:])[:a.C]
	fillBytes(zeros, a.XZero)
	consts := int32sOf(a.Packed[:12*a.O])
	weights := int16sOf(a.Packed[12*a.O:])
	m := a.O / a.C
	for row := t.row; row < t.row+t.rows; row++ {
		for ow := range a.OW {
			acc := sums[t.lo:t.hi]
			copy(acc, consts[t.lo:t.hi])
			tap := func(k int) []uint8 {
				h, w := row*a.StrideH-a.PadTop+k/a.KW*a.DilationH, ow*a.StrideW-a.PadLeft+k%a.KW*a.DilationW
				if k >= a.KH*a.KW || h < 0 || h >= a.H || w < 0 || w >= a.W {
					return zeros
				}
				return a.X[((t.n*a.H+h)*a.W+w)*a.XPixel:][:a.C]
			}
			for k := range qdwTaps(&a.QConvShape) {
				x0, x1, x2, w := tap(3*k), tap(3*k+1), tap(3*k+2), weights[3*(k*a.O+t.lo):][:3*len(acc)]
				if m == 1 {
					threeTaps(acc, x0[t.lo:t.hi], x1[t.lo:t.hi], x2[t.lo:t.hi], w)
					continue
				}
				for i := range acc {
					c := (t.lo + i) / m
					acc[i] += int32(x0[c])*int32(w[3*i]) + int32(x1[c])*int32(w[3*i+1]) + int32(x2[c])*int32(w[3*i+2])
				}
			}
			y := a.Y[((t.n*a.OH+row)*a.OW+ow)*a.YPixel:][t.lo:t.hi]
			mult, shift := consts[a.O+t.lo:][:len(acc)], consts[2*a.O+t.lo:][:len(acc)]
			for i, v := range acc {
				v = int32(a.YZero) + a.Rescale(v, mult[i], shift[i])
				y[i] = uint8(min(max(v, int32(a.Lo)), int32(a.Hi)))
			}
			if a.HasTable {
				lookUpBytes(a.Table, y, y)
			}
		}
	}
}

// threeTaps adds three products to the sum of every channel.
func threeTaps(acc []int32, x0, x1, x2 []uint8, w []int16) {
	x0, x1, x2 = x0[:len(acc)], x1[:len(acc)], x2[:len(acc)]
	for i := range acc {
		v := (*[3]int16)(w)
		acc[i] += int32(x0[i])*int32(v[0]) + int32(x1[i])*int32(v[1]) + int32(x2[i])*int32(v[2])
		w = w[3:]
	}
}
