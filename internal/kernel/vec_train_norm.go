//go:build (amd64 || arm64) && !purego

package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The batch norms of training on vector registers. The mean is taken off first
// and the factor applied then, as the reference does: with the two made one the
// rounding is larger where the mean is, and more activations land on the wrong
// side of a kink.

// vecSlope is an activation whose slope the routines know.
func vecSlope(act Act) (mode int, lo, hi, scale float32, ok bool) {
	switch act.Kind {
	case ref.Linear:
		return modeLinear, 0, 0, 0, true
	case ref.ReLU:
		return modeClip, 0, float32(math.Inf(1)), 0, true
	case ref.ReLU6:
		return modeClip, 0, 6, 0, true
	case ref.Clip:
		return modeClip, act.A, act.B, 0, true
	case ref.HSwish:
		return modeHSwish, 0, 0, act.A, true
	}
	return 0, 0, 0, 0, false
}

const (
	// vecNormElems is the elements of a task.
	vecNormElems = 1 << 16
	// vecNormChunks is the chunks of a reduction at most.
	vecNormChunks = 32
	// vecNormBlock is the rows added up before they join the chunk's sum.
	vecNormBlock = 256
)

func vecNormRows(rows, c int) int { return max(1, vecNormElems/max(c, 1), min(64, ceilDiv(rows, 16))) }

// vecChunkRows is the rows of a chunk of a reduction.
func vecChunkRows(rows, c int) int {
	return max(1, ceilDiv(rows, vecNormChunks), vecNormElems/2/max(c, 1))
}

func vecRowChunks(rows, c int) int { return ceilDiv(rows, vecChunkRows(rows, c)) }

// factors gives gamma/sqrt(var+epsilon).
func factors(stats, gamma []float32, epsilon float64, factor []float32) {
	byStd(gamma, stats[len(factor):], epsilon, factor)
}

// byStd divides by the standard deviations.
func byStd(x, variance []float32, epsilon float64, y []float32) {
	x, variance = x[:len(y)], variance[:len(y)]
	for i := byStdVectors(x, variance, epsilon, y); i < len(y); i++ {
		y[i] = float32(float64(x[i]) / math.Sqrt(float64(variance[i])+epsilon))
	}
}

// stats leaves the mean of some rows and the sum of squared distances from it.
// The distances are first taken from the mean of the first rows: from anything
// further off, the mean's own part would cost digits. scratch has 3*c elements.
func (v *vecISA) stats(x []float32, stride, rows, c int, mean, squares, scratch []float32) {
	s0, s1, shift := scratch[:c], scratch[c:][:c], scratch[2*c:][:c]
	copy(shift, x)
	args := normArgs{a: &shift[0], s0: &s0[0], s1: &s1[0], xStride: 4 * stride, channels: c}
	block := func(at int) {
		clear(scratch[:2*c])
		args.x, args.rows = &x[at*stride], min(vecNormBlock, rows-at)
		v.normStats(&args)
	}
	block(0)
	n := float32(min(vecNormBlock, rows))
	for i, s := range s0 {
		shift[i] += s / n
	}
	clear(mean)
	clear(squares)
	for at := 0; at < rows; at += vecNormBlock {
		block(at)
		for i, s := range s0 {
			mean[i] += s
			squares[i] += s1[i]
		}
	}
	for i := range mean {
		s, n := float64(mean[i]), float64(rows)
		mean[i], squares[i] = float32(float64(shift[i])+s/n), float32(max(0, float64(squares[i])-s*s/n))
	}
}

func vecStatsKernels() (out []Kernel[ChannelStats]) {
	for _, v := range vecISAs {
		k := Kernel[ChannelStats]{
			Name: "chanstatsF32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 2e-6,
			Accepts:    func(a *ChannelStats) bool { return a.Rows > 0 && a.C > 0 },
			Tasks:      func(a *ChannelStats) int { return vecRowChunks(a.Rows, a.C) },
			ScratchLen: func(a *ChannelStats) int { return 3 * a.C },
			Run: func(a *ChannelStats, task int, scratch []float32) {
				lo, hi := chunk(task, vecChunkRows(a.Rows, a.C), a.Rows)
				out := a.Partial[task*2*a.C:][:2*a.C]
				v.stats(a.X[lo*a.C:], a.C, hi-lo, a.C, out[:a.C], out[a.C:], scratch)
			},
		}
		k.Reduce = &Reduction[ChannelStats]{
			Len:   func(a *ChannelStats) int { return vecRowChunks(a.Rows, a.C) * 2 * a.C },
			At:    func(a *ChannelStats) *[]float32 { return &a.Partial },
			Tasks: func(a *ChannelStats) int { return mergeTasks(a.C) },
			Merge: func(a *ChannelStats, task int) {
				mergeStats(a.Partial, a.Y, a.Rows, a.C, vecChunkRows(a.Rows, a.C), task)
			},
		}
		out = append(out, k)
	}
	return out
}

func vecBatchNormTrainKernels() (out []Kernel[BatchNormTrain]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[BatchNormTrain]{
			Name: "bntrainF32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 5e-6,
			Accepts: func(a *BatchNormTrain) bool {
				_, _, _, _, fused := vecAct(a.Act)
				return fused && a.C > 0
			},
			Tasks:      func(a *BatchNormTrain) int { return ceilDiv(a.Rows, vecNormRows(a.Rows, a.C)) },
			ScratchLen: func(a *BatchNormTrain) int { return a.C },
			Run:        v.runBatchNormTrain,
		})
	}
	return out
}

func (v *vecISA) runBatchNormTrain(a *BatchNormTrain, task int, scratch []float32) {
	c := a.C
	factor := scratch[:c]
	factors(a.Stats, a.Gamma, a.Epsilon, factor)
	lo, hi := chunk(task, vecNormRows(a.Rows, c), a.Rows)
	args := normArgs{x: &a.X[lo*c], y: &a.Y[lo*c], a: &factor[0], b: &a.Beta[0], p: &a.Stats[0], xStride: 4 * c, yStride: 4 * c, rows: hi - lo, channels: c}
	args.mode, args.lo, args.hi, args.scale, _ = vecAct(a.Act)
	v.normApply(&args)
}

func vecBatchNormGradSumsKernels() (out []Kernel[BatchNormGradSums]) {
	for _, v := range vecISAs {
		k := Kernel[BatchNormGradSums]{
			Name: "bngradsumsF32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 2e-5,
			Accepts: func(a *BatchNormGradSums) bool {
				_, _, _, _, ok := vecSlope(a.Act)
				return ok && a.C > 0 && a.Rows > 0
			},
			Tasks:      func(a *BatchNormGradSums) int { return vecRowChunks(a.Rows, a.C) },
			ScratchLen: func(a *BatchNormGradSums) int { return 3 * a.C },
			Run:        v.runBatchNormGradSums,
		}
		k.Reduce = vecGradSumsReduction()
		out = append(out, k)
	}
	return out
}

func vecGradSumsReduction() *Reduction[BatchNormGradSums] {
	return &Reduction[BatchNormGradSums]{
		Len:   func(a *BatchNormGradSums) int { return vecRowChunks(a.Rows, a.C) * 2 * a.C },
		At:    func(a *BatchNormGradSums) *[]float32 { return &a.Partial },
		Tasks: func(a *BatchNormGradSums) int { return mergeTasks(2 * a.C) },
		Merge: func(a *BatchNormGradSums, task int) {
			mergeSums(a.Partial, a.Y, vecRowChunks(a.Rows, a.C), 2*a.C, task)
		},
	}
}

// runBatchNormGradSums adds g and g*xhat, block by block.
func (v *vecISA) runBatchNormGradSums(a *BatchNormGradSums, task int, scratch []float32) {
	c := a.C
	factor, block := scratch[:c], scratch[c:][:2*c]
	factors(a.Stats, a.Gamma, a.Epsilon, factor)
	total := a.Partial[task*2*c:][:2*c]
	clear(total)
	args := normArgs{a: &factor[0], b: &a.Beta[0], p: &a.Stats[0], s0: &block[0], s1: &block[c], xStride: 4 * c, dyStride: 4 * c, channels: c}
	args.mode, args.lo, args.hi, args.scale, _ = vecSlope(a.Act)
	lo, hi := chunk(task, vecChunkRows(a.Rows, c), a.Rows)
	for ; lo < hi; lo += vecNormBlock {
		clear(block)
		args.x, args.dy, args.rows = &a.X[lo*c], &a.DY[lo*c], min(vecNormBlock, hi-lo)
		v.normGradSums(&args)
		for i, s := range block {
			total[i] += s
		}
	}
	byStd(total[c:], a.Stats[c:], a.Epsilon, total[c:])
}

func vecBatchNormGradInputKernels() (out []Kernel[BatchNormGradInput]) {
	for _, v := range vecISAs {
		out = append(out, Kernel[BatchNormGradInput]{
			Name: "bngradxF32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: 1e-5,
			Accepts: func(a *BatchNormGradInput) bool {
				_, _, _, _, ok := vecSlope(a.Act)
				return ok && a.C > 0
			},
			Tasks:      func(a *BatchNormGradInput) int { return ceilDiv(a.Rows, vecNormRows(a.Rows, a.C)) },
			ScratchLen: func(a *BatchNormGradInput) int { return 3 * a.C },
			Run: func(a *BatchNormGradInput, task int, scratch []float32) {
				lo, hi := chunk(task, vecNormRows(a.Rows, a.C), a.Rows)
				args := v.gradInputArgs(a, scratch)
				args.x, args.dy, args.y, args.rows = &a.X[lo*a.C], &a.DY[lo*a.C], &a.DX[lo*a.C], hi-lo
				v.normGradInput(&args)
			},
		})
	}
	return out
}

// gradInputArgs prepares the coefficients of a gradient in 3*C elements:
//
//	factor*g + (x-mean)*q + r = factor*(g - sums0/R - (x-mean)*sums1/(R*std))
func (v *vecISA) gradInputArgs(a *BatchNormGradInput, scratch []float32) normArgs {
	c := a.C
	factor, q, r := scratch[:c], scratch[c:][:c], scratch[2*c:][:c]
	factors(a.Stats, a.Gamma, a.Epsilon, factor)
	clear(q)
	clear(r)
	if !a.Frozen {
		variance, s0, s1 := a.Stats[c:][:c], a.Sums[:c], a.Sums[c:][:c]
		n := 1 / float64(sumRowsOf(a))
		for i := range q {
			f := float64(factor[i]) * n
			q[i] = float32(-f * float64(s1[i]) / math.Sqrt(float64(variance[i])+a.Epsilon))
			r[i] = float32(-f * float64(s0[i]))
		}
	}
	args := normArgs{a: &factor[0], b: &a.Beta[0], p: &a.Stats[0], q: &q[0], r: &r[0], xStride: 4 * c, dyStride: 4 * c, yStride: 4 * c, channels: c}
	args.mode, args.lo, args.hi, args.scale, _ = vecSlope(a.Act)
	return args
}
