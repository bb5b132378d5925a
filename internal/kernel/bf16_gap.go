//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// halfGapBlock is the channels of a task.
const halfGapBlock = 128

func vecGlobalAvgPoolBF16Kernels() []Kernel[GlobalAvgPoolBF16] {
	return []Kernel[GlobalAvgPoolBF16]{{
		Name: "gapBF16AVX512BF16", Impl: "avx512", Available: cpu.BF16, MaxError: 1e-6,
		Accepts:    func(a *GlobalAvgPoolBF16) bool { return a.H*a.W > 0 },
		Tasks:      func(a *GlobalAvgPoolBF16) int { return a.N * ceilDiv(a.C, halfGapBlock) },
		ScratchLen: noScratch[GlobalAvgPoolBF16],
		// Each row is summed on its own, then the rows.
		Run: func(a *GlobalAvgPoolBF16, task int, _ []float32) {
			blocks := ceilDiv(a.C, halfGapBlock)
			n := task / blocks
			lo, hi := chunk(task%blocks, halfGapBlock, a.C)
			sumPixelsBF16AVX512(&rowsArgs{x: &a.X[n*a.H*a.W*a.Pixel+lo/2], y: &a.Y[n*a.C+lo], xStride: 4 * a.Pixel,
				rows: a.H, part: a.W, channels: hi - lo, count: float32(a.H * a.W)})
		},
	}}
}
