//go:build amd64 && !purego

package kernel

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
	uStride, vStride int // float32s between rows of pairs, by tiles those of turned ones
	pixels           int
	chunks, px       int
	blocks, ub, us   int // us: of the largest block
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

func (v *halfISA) planOuter(a *ConvGradWeight) (p pairOuterPlan) {
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
	p.us = min(p.ub, p.u)
	p.uStride, p.vStride = pairStride(p.us), pairStride(p.v)
	p.step = max(pairLeast, min(pairMost, pairBytes/2/(p.uStride+p.vStride)&^31))
	p.step = min(p.step, ceilDiv(p.px, 2)*2)
	if v.tiles {
		p.uStride = pairStride((p.step + 1) / 2)
	}
	return p
}

// pairStride is the distance of rows of pairs: an odd number of lines, so that
// a column's lines share no set of the first-level cache. Two vectors can be
// read at any place.
func pairStride(n int) int { return (ceilDiv(n, pairVectors)*2 + 1) * 16 }

// scratch is the lengths of a step's u and v, and of sixteen rows of u that
// are still to be turned.
func (v *halfISA) outerScratch(p *pairOuterPlan) (us, vs, rows int) {
	pairs := (p.step + 1) / 2
	if !v.tiles {
		return pairs * p.uStride, pairs * p.vStride, 0
	}
	return ceilDiv(p.us, 16) * 16 * p.uStride, ceilDiv(pairs, 16) * 16 * p.vStride, 16 * pairStride(p.us)
}

func vecBF16GradWeightKernels() (out []Kernel[ConvGradWeight]) {
	for _, v := range []*halfISA{&halfAMX, &halfAVX512} {
		out = append(out, v.gradWeightKernel())
	}
	return out
}

func (v *halfISA) gradWeightKernel() Kernel[ConvGradWeight] {
	return Kernel[ConvGradWeight]{
		Name: "pwconvgradwBF16" + v.suffix, Impl: v.impl, Available: v.available, MaxError: gradWeightError,
		Accepts: func(a *ConvGradWeight) bool {
			return a.BF16 == BF16{Parts: 1} && a.Groups == 1 && pointwise(&a.ConvShape) && a.C > 0 && a.O > 0 && a.N*a.OH*a.OW > 0
		},
		Tasks: func(a *ConvGradWeight) int {
			p := v.planOuter(a)
			return p.chunks * p.blocks
		},
		ScratchLen: func(a *ConvGradWeight) int {
			p := v.planOuter(a)
			us, vs, rows := v.outerScratch(&p)
			return us + vs + rows
		},
		Run: v.runOuter,
		Reduce: &Reduction[ConvGradWeight]{
			Len: func(a *ConvGradWeight) int {
				if p := v.planOuter(a); !p.direct {
					return p.chunks * p.u * p.v
				}
				return 0
			},
			At: gradWeightPartial,
			Tasks: func(a *ConvGradWeight) int {
				if p := v.planOuter(a); p.direct {
					return 0
				}
				return gradWeightMergeTasks(a)
			},
			Merge: func(a *ConvGradWeight, task int) { mergePairs(a, v.planOuter(a), task) },
		},
	}
}

func (v *halfISA) runOuter(a *ConvGradWeight, task int, scratch []float32) {
	p := v.planOuter(a)
	at, u0 := task/p.blocks, task%p.blocks*p.ub
	u1 := min(u0+p.ub, p.u)
	sums := a.DWeight
	if !p.direct {
		sums = a.Partial[at*p.u*p.v:][:p.u*p.v]
	}
	if !a.Add {
		clear(sums[u0*p.v : u1*p.v])
	}
	us, vs := a.DY, a.X
	if p.swap {
		us, vs = vs, us
	}
	lo, hi := chunk(at, p.px, p.pixels)
	for ; lo < hi; lo += p.step {
		n := min(p.step, hi-lo)
		if v.tiles {
			v.outerTiles(&p, us[lo*p.u+u0:], vs[lo*p.v:], n, u1-u0, sums[u0*p.v:], scratch)
		} else {
			v.outerVectors(&p, us[lo*p.u+u0:], vs[lo*p.v:], n, u1-u0, sums[u0*p.v:], scratch)
		}
	}
}

// outerVectors adds the outer products of n pixels' numbers to sums.
func (v *halfISA) outerVectors(p *pairOuterPlan, u, w []float32, n, us int, sums, scratch []float32) {
	uLen, vLen, _ := v.outerScratch(p)
	up, vp := scratch[:uLen], scratch[uLen:][:vLen]
	pairRowsAVX512(&pairArgs{x: &u[0], y: &up[0], xStride: 4 * p.u, yStride: 4 * p.uStride, yBlock: 64, rows: n, channels: us})
	pairRowsAVX512(&pairArgs{x: &w[0], y: &vp[0], xStride: 4 * p.v, yStride: 4 * p.vStride, yBlock: 64, rows: n, channels: p.v})
	args := pairOuterArgs{u: &up[0], uStride: 4 * p.uStride, vStride: 4 * p.vStride, sumStride: 4 * p.v, pairs: (n + 1) / 2, us: us}
	for j := 0; j < p.v; j += pairVectors {
		args.v, args.vs, args.sums = &vp[j], min(pairVectors, p.v-j), &sums[j]
		outerBF16AVX512(&args)
	}
}

// outerTiles does so by tiles, which take sixteen pairs of pixels a step: what
// is left of the last is zeros.
func (v *halfISA) outerTiles(p *pairOuterPlan, u, w []float32, n, us int, sums, scratch []float32) {
	uLen, vLen, rowsLen := v.outerScratch(p)
	up, vp, rows := scratch[:uLen], scratch[uLen:][:vLen], scratch[uLen+vLen:][:rowsLen]
	steps := ceilDiv(n, 32)
	rowStride := pairStride(p.us)
	clear(vp[(n+1)/2*p.vStride : steps*16*p.vStride])
	pairRowsAVX512(&pairArgs{x: &w[0], y: &vp[0], xStride: 4 * p.v, yStride: 4 * p.vStride, yBlock: 64, rows: n, channels: p.v})
	for i := range steps {
		pixels := min(32, n-32*i)
		clear(rows[(pixels+1)/2*rowStride:])
		pairRowsAVX512(&pairArgs{x: &u[32*i*p.u], y: &rows[0], xStride: 4 * p.u, yStride: 4 * rowStride, yBlock: 64, rows: pixels, channels: us})
		turnPairsAVX512(&turnArgs{x: &rows[0], y: &up[16*i], xStride: 4 * rowStride, yStride: 4 * p.uStride, count: ceilDiv(us, 16)})
	}
	args := pairTileArgs{uStride: 4 * p.uStride, vStride: 4 * p.vStride, sumStride: 4 * p.v, steps: steps}
	for j := 0; j < p.v; j += pairVectors {
		args.v, args.vs = &vp[j], min(pairVectors, p.v-j)
		// Whole blocks of 32 rows, then what is left.
		for i := 0; i < us; i += args.us {
			if args.us = us - i; args.us > 32 {
				args.us &^= 31
			}
			args.u, args.sums = &up[i*p.uStride], &sums[i*p.v+j]
			args.config = outerConfig(args.us, args.vs)
			outerBF16AMX(&args)
		}
	}
}

// outerConfig is the memory of LDTILECFG for sums of us rows, 32 at a time, by
// vs columns. Tiles that are not used are left out: they may not be named.
func outerConfig(us, vs int) (c [64]byte) {
	c[0] = 1
	tall, wide := min(max(us-16, 0), 16), min(max(vs-16, 0), 16)
	us, vs = min(us, 16), min(vs, 16)
	for t, s := range [8][2]int{{us, vs}, {us, wide}, {tall, vs}, {tall, wide}, {us, 16}, {tall, 16}, {16, vs}, {16, wide}} {
		if s[0] > 0 && s[1] > 0 {
			c[16+2*t], c[48+t] = byte(4*s[1]), byte(s[0])
		}
	}
	return c
}

// mergePairs adds up the chunks of some output channels.
func mergePairs(a *ConvGradWeight, p pairOuterPlan, task int) {
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
