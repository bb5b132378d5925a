package kernel

import (
	"math"

	"github.com/mobilenet-go/mobilenet/internal/kernel/ref"
)

// The reductions over the pixels of a batch go by chunks of rows that follow
// from the shape; a chunk's rows are added up by blocks, which keeps the error
// small.

const (
	mostChunks = 64
	// blockRows is the rows added up before they join the chunk's sum.
	blockRows = 64
	// mergeChannels is the channels of a task of a merge.
	mergeChannels = 256
)

// rowsOfChunk is the rows of a chunk, rowChunks how many there are.
func rowsOfChunk(rows, c int) int {
	return max(ceilDiv(rows, mostChunks), rowsPerTask(c), 1)
}

// normRows is the rows of a task of the elementwise halves, so many that what
// is worked out once a channel costs little.
func normRows(c int) int { return 4 * rowsPerTask(c) }

func rowChunks(rows, c int) int { return ceilDiv(rows, rowsOfChunk(rows, c)) }

func mergeTasks(c int) int { return ceilDiv(c, mergeChannels) }

// channelBlock is the channels added up at a time, in sums on the stack.
const channelBlock = 64

// sumRows adds up rows lo to hi of channels of x, block by block.
func sumRows(x []float32, stride, lo, hi int, sums []float32) {
	var total [channelBlock]float32
	for lo < hi {
		var block [channelBlock]float32
		end := min(lo+blockRows, hi)
		for ; lo < end; lo++ {
			for i, v := range x[lo*stride:][:len(sums)] {
				block[i&(channelBlock-1)] += v
			}
		}
		for i := range total {
			total[i] += block[i]
		}
	}
	copy(sums, total[:])
}

func runChannelSum(a *ChannelSum, task int, _ []float32) {
	lo, hi := chunk(task, rowsOfChunk(a.Rows, a.C), a.Rows)
	for c := 0; c < a.C; c += channelBlock {
		end := min(c+channelBlock, a.C)
		sumRows(a.X[c:], a.C, lo, hi, a.Partial[task*a.C+c:task*a.C+end])
	}
}

// mergeSums adds up chunks of n sums each.
func mergeSums(partial, y []float32, chunks, n, task int) {
	lo, hi := chunk(task, mergeChannels, n)
	for i := lo; i < hi; i++ {
		sum := 0.0
		for at := range chunks {
			sum += float64(partial[at*n+i])
		}
		y[i] = float32(sum)
	}
}

// runChannelStats leaves a chunk's mean and its sum of squared distances from
// that mean.
func runChannelStats(a *ChannelStats, task int, _ []float32) {
	lo, hi := chunk(task, rowsOfChunk(a.Rows, a.C), a.Rows)
	out := a.Partial[task*2*a.C:][:2*a.C]
	for c := 0; c < a.C; c += channelBlock {
		end := min(c+channelBlock, a.C)
		mean, squares := out[c:end], out[a.C+c:a.C+end]
		sumRows(a.X[c:], a.C, lo, hi, mean)
		for i := range mean {
			mean[i] /= float32(hi - lo)
		}
		var total [channelBlock]float32
		for at := lo; at < hi; {
			var block [channelBlock]float32
			last := min(at+blockRows, hi)
			for ; at < last; at++ {
				x := a.X[at*a.C+c:][:len(mean)]
				for i, m := range mean {
					d := x[i] - m
					block[i&(channelBlock-1)] += d * d
				}
			}
			for i := range total {
				total[i] += block[i]
			}
		}
		copy(squares, total[:])
	}
}

// mergeStats joins the means and squared distances of chunks of that many
// rows.
func mergeStats(partial, y []float32, rows, c, size, task int) {
	chunks := ceilDiv(rows, size)
	lo, hi := chunk(task, mergeChannels, c)
	for i := lo; i < hi; i++ {
		sum, squares := 0.0, 0.0
		for at := range chunks {
			from, to := chunk(at, size, rows)
			sum += float64(to-from) * float64(partial[at*2*c+i])
		}
		mean := sum / float64(rows)
		for at := range chunks {
			from, to := chunk(at, size, rows)
			d := float64(partial[at*2*c+i]) - mean
			squares += float64(partial[(at*2+1)*c+i]) + float64(to-from)*d*d
		}
		y[i], y[c+i] = float32(mean), float32(squares/float64(rows))
	}
}

// inverseStd fills 1/sqrt(var+eps).
func inverseStd(stats []float32, epsilon float64, dst []float32) {
	for c := range dst {
		dst[c] = float32(1 / math.Sqrt(float64(stats[len(dst)+c])+epsilon))
	}
}

func runBatchNormTrain(a *BatchNormTrain, task int, factor []float32) {
	factor = factor[:a.C]
	inverseStd(a.Stats, a.Epsilon, factor)
	for c := range factor {
		factor[c] *= a.Gamma[c]
	}
	lo, hi := chunk(task, normRows(a.C), a.Rows)
	for r := lo; r < hi; r++ {
		y := a.Y[r*a.C:][:a.C]
		normalise(a.X[r*a.C:], a.Stats, factor, a.Beta, y)
		if a.Act.Kind != ref.Linear {
			activate(a.Act, y, y)
		}
	}
}

// normalise is y = (x-mean)*factor + beta.
func normalise(x, mean, factor, beta, y []float32) {
	x, mean, factor, beta = x[:len(y)], mean[:len(y)], factor[:len(y)], beta[:len(y)]
	for c := range y {
		y[c] = float32((x[c]-mean[c])*factor[c]) + beta[c]
	}
}

// runBatchNormGradSums adds g and g*xhat block by block, as sumRows does.
func runBatchNormGradSums(a *BatchNormGradSums, task int, scratch []float32) {
	c := a.C
	inv, factor, z, block := scratch[:c], scratch[c:][:c], scratch[2*c:][:c], scratch[3*c:][:2*c]
	inverseStd(a.Stats, a.Epsilon, inv)
	for i := range factor {
		factor[i] = inv[i] * a.Gamma[i]
	}
	total := a.Partial[task*2*c:][:2*c]
	clear(total)
	lo, hi := chunk(task, rowsOfChunk(a.Rows, c), a.Rows)
	for lo < hi {
		clear(block)
		end := min(lo+blockRows, hi)
		s0, s1 := block[:c], block[c:][:c]
		for ; lo < end; lo++ {
			x := a.X[lo*c:][:c]
			normalise(x, a.Stats, factor, a.Beta, z)
			activationGrad(a.Act, z, a.DY[lo*c:], z)
			mean := a.Stats[:len(z)]
			for i, g := range z {
				s0[i] += g
				s1[i] += g * (x[i] - mean[i])
			}
		}
		addScaled(total, block, 1)
	}
	for i, v := range inv {
		total[c+i] *= v
	}
}

// sumRowsOf is the rows that the sums were taken over.
func sumRowsOf(a *BatchNormGradInput) int {
	if a.Of > 0 {
		return a.Of
	}
	return a.Rows
}

func runBatchNormGradInput(a *BatchNormGradInput, task int, scratch []float32) {
	c := a.C
	factor, z, k0, k1 := scratch[:c], scratch[c:][:c], scratch[2*c:][:c], scratch[3*c:][:c]
	inverseStd(a.Stats, a.Epsilon, factor)
	clear(k0)
	clear(k1)
	for i := range factor {
		if !a.Frozen {
			k0[i] = a.Sums[i] / float32(sumRowsOf(a))
			k1[i] = a.Sums[c+i] / float32(sumRowsOf(a)) * factor[i]
		}
		factor[i] *= a.Gamma[i]
	}
	lo, hi := chunk(task, normRows(c), a.Rows)
	for r := lo; r < hi; r++ {
		x, dx := a.X[r*c:][:c], a.DX[r*c:][:c]
		normalise(x, a.Stats, factor, a.Beta, z)
		activationGrad(a.Act, z, a.DY[r*c:], z)
		mean, k0, k1, factor := a.Stats[:len(z)], k0[:len(z)], k1[:len(z)], factor[:len(z)]
		for i, g := range z {
			dx[i] = factor[i] * (g - k0[i] - (x[i]-mean[i])*k1[i])
		}
	}
}
