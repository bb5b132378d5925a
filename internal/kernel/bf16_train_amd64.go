//go:build amd64 && !purego

package kernel

import "github.com/mobilenet-go/mobilenet/internal/cpu"

// The gradient of a pointwise convolution's weight by products of bfloat16:
// the sum, over pixels, of the outer products of a pixel's gradients and its
// inputs. The instruction sums pairs, so the rows of two pixels are rounded
// and interleaved first; a step of pixels stays in the second-level cache
// while the tiles of sums pass over it. A task is a chunk of pixels and a
// block of rows of the sums.

// pairOuterPlan is how a shape is divided. The pairs that are broadcast are
// called u, those that make vectors v: one is the gradients, the other the
// inputs.
type pairOuterPlan struct {
	swap             bool // vectors of gradients, not of inputs
	direct           bool // one chunk, summed in place
	u, v             int
	uStride, vStride int // float32s between rows of pairs
	pixels           int
	chunks, px       int
	blocks, ub       int
	step             int // pixels packed at a time, an even number
}

const (
	// pairChunk is the pixels of a chunk at least, pairPartial the elements of
	// all partial sums at most, pairTasks the tasks aimed at.
	pairChunk   = 512
	pairPartial = 1 << 20
	pairTasks   = 8
	// pairRowsTile is the rows of the largest tile, pairVectors the pairs of
	// its two vectors.
	pairRowsTile = 14
	pairVectors  = 32
	// pairBytes is what a step's pairs take at most, pairLeast and pairMost
	// its pixels.
	pairBytes           = 320 << 10
	pairLeast, pairMost = 64, 256
)

func planPairOuter(a *ConvGradWeight) (p pairOuterPlan) {
	p.pixels = a.N * a.OH * a.OW
	p.swap = ceilDiv(a.O, pairVectors)*a.C < ceilDiv(a.C, pairVectors)*a.O
	if p.u, p.v = a.O, a.C; p.swap {
		p.u, p.v = p.v, p.u
	}
	p.chunks = max(1, min(p.pixels/pairChunk, pairPartial/max(p.u*p.v, 1), 4*pairTasks))
	if a.Add {
		p.chunks = 1
	}
	p.px = ceilDiv(ceilDiv(p.pixels, p.chunks), 2) * 2
	p.chunks = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	p.direct = p.chunks == 1 && !p.swap
	p.blocks = 1
	if !a.Add {
		p.blocks = ceilDiv(pairTasks, p.chunks)
	}
	p.ub = ceilDiv(ceilDiv(p.u, p.blocks), pairRowsTile) * pairRowsTile
	p.blocks = max(1, ceilDiv(p.u, max(p.ub, 1)))
	p.uStride, p.vStride = pairStride(min(p.ub, p.u)), pairStride(p.v)
	p.step = max(pairLeast, min(pairMost, pairBytes/2/(p.uStride+p.vStride)&^1))
	p.step = min(p.step, p.px)
	return p
}

// pairStride is the distance of rows of pairs: an odd number of lines, so that
// a column's lines share no set of the first-level cache. Two vectors can be
// read at any place.
func pairStride(n int) int { return (ceilDiv(n, pairVectors)*2 + 1) * 16 }

func (p *pairOuterPlan) scratch() int { return (p.step + 1) / 2 * (p.uStride + p.vStride) }

func vecBF16GradWeightKernels() []Kernel[ConvGradWeight] {
	return []Kernel[ConvGradWeight]{{
		Name: "pwconvgradwBF16AVX512BF16", Impl: "avx512", Available: cpu.BF16, MaxError: gradWeightError,
		Accepts: func(a *ConvGradWeight) bool {
			return a.BF16 == BF16{Parts: 1} && a.Groups == 1 && pointwise(&a.ConvShape) && a.C > 0 && a.O > 0 && a.N*a.OH*a.OW > 0
		},
		Tasks: func(a *ConvGradWeight) int {
			p := planPairOuter(a)
			return p.chunks * p.blocks
		},
		ScratchLen: func(a *ConvGradWeight) int { p := planPairOuter(a); return p.scratch() },
		Run:        runPairOuter,
		Reduce: &Reduction[ConvGradWeight]{
			Len: func(a *ConvGradWeight) int {
				if p := planPairOuter(a); !p.direct {
					return p.chunks * p.u * p.v
				}
				return 0
			},
			At: gradWeightPartial,
			Tasks: func(a *ConvGradWeight) int {
				if p := planPairOuter(a); p.direct {
					return 0
				}
				return gradWeightMergeTasks(a)
			},
			Merge: mergePairOuter,
		},
	}}
}

func runPairOuter(a *ConvGradWeight, task int, scratch []float32) {
	p := planPairOuter(a)
	at, u0 := task/p.blocks, task%p.blocks*p.ub
	u1 := min(u0+p.ub, p.u)
	sums := a.DWeight
	if !p.direct {
		sums = a.Partial[at*p.u*p.v:][:p.u*p.v]
	}
	if !a.Add {
		clear(sums[u0*p.v : u1*p.v])
	}
	u, v := a.DY, a.X
	if p.swap {
		u, v = v, u
	}
	us, vs := scratch[:(p.step+1)/2*p.uStride], scratch[(p.step+1)/2*p.uStride:]
	lo, hi := chunk(at, p.px, p.pixels)
	for ; lo < hi; lo += p.step {
		n := min(p.step, hi-lo)
		pairRowsAVX512(&pairArgs{x: &u[lo*p.u+u0], y: &us[0], xStride: 4 * p.u, yStride: 4 * p.uStride, yBlock: 64, rows: n, channels: u1 - u0})
		pairRowsAVX512(&pairArgs{x: &v[lo*p.v], y: &vs[0], xStride: 4 * p.v, yStride: 4 * p.vStride, yBlock: 64, rows: n, channels: p.v})
		args := pairOuterArgs{u: &us[0], uStride: 4 * p.uStride, vStride: 4 * p.vStride, sumStride: 4 * p.v, pairs: (n + 1) / 2, us: u1 - u0}
		for j := 0; j < p.v; j += pairVectors {
			args.v, args.vs, args.sums = &vs[j], min(pairVectors, p.v-j), &sums[u0*p.v+j]
			outerBF16AVX512(&args)
		}
	}
}

// mergePairOuter adds up the chunks of some output channels.
func mergePairOuter(a *ConvGradWeight, task int) {
	p := planPairOuter(a)
	lo, hi := chunk(task, 16, a.O)
	size := p.u * p.v
	if !p.swap {
		first := a.Partial[lo*a.C : hi*a.C]
		for at := 1; at < p.chunks; at++ {
			isaAVX512.addTo(first, a.Partial[at*size+lo*a.C:][:len(first)])
		}
		copy(a.DWeight[lo*a.C:hi*a.C], first)
		return
	}
	// Columns lo to hi of the sums.
	for c := range a.C {
		first := a.Partial[c*a.O:][lo:hi]
		for at := 1; at < p.chunks; at++ {
			for i, s := range a.Partial[at*size+c*a.O:][lo:hi] {
				first[i] += s
			}
		}
		for i, s := range first {
			a.DWeight[(lo+i)*a.C+c] = s
		}
	}
}
