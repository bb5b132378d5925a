//go:build amd64 && !purego

package kernel

import "math"

// The gradient of a dense convolution's weight on vector registers: the sum,
// over pixels, of the outer products of a pixel's gradients and its inputs. A
// task is a chunk of pixels and a block of rows of the result. A convolution
// that is not pointwise has its inputs gathered first.

// vecOuter is how a shape is divided. The numbers that are broadcast are
// called u, those that make vectors v: one is the gradients, the other the
// inputs.
type vecOuter struct {
	k          int  // inputs of a pixel
	gather     bool // they are copied
	swap       bool // vectors of gradients, not of inputs
	direct     bool // one chunk, summed in place
	u, v       int
	pixels     int
	chunks, px int
	blocks, ub int
	step       int // pixels that stay in the second-level cache
}

const (
	// outerPixels is the pixels of a chunk at least, outerPartial the
	// elements of all partial sums at most, outerTasks the tasks aimed at.
	outerPixels  = 512
	outerPartial = 1 << 20
	outerTasks   = 16
)

func (v *vecISA) acceptOuter(a *ConvGradWeight) bool {
	p := v.planOuter(a)
	return a.Groups == 1 && p.k > 0 && a.O > 0 && p.pixels > 0 && (v.lanes == 16 || p.v%v.lanes == 0)
}

func (v *vecISA) planOuter(a *ConvGradWeight) (p vecOuter) {
	p.k = a.KH * a.KW * (a.C / a.Groups)
	p.gather = !pointwise(&a.ConvShape)
	p.pixels = a.N * a.OH * a.OW
	// Vectors along the side that fills them better.
	plain, swapped := ceilDiv(p.k, v.lanes)*a.O, ceilDiv(a.O, v.lanes)*p.k
	if v.lanes == 8 {
		plain, swapped = plain+p.k%8*a.O*4, swapped+a.O%8*p.k*4
	}
	p.swap = swapped < plain
	if p.u, p.v = a.O, p.k; p.swap {
		p.u, p.v = p.v, p.u
	}
	size := p.u * p.v
	p.chunks = max(1, min(p.pixels/outerPixels, outerPartial/max(size, 1), 2*outerTasks))
	p.px = ceilDiv(p.pixels, p.chunks)
	p.chunks = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	p.direct = p.chunks == 1 && !p.swap && !p.gather
	p.blocks = 1
	if !p.gather {
		p.blocks = ceilDiv(outerTasks, p.chunks)
	}
	p.ub = ceilDiv(ceilDiv(p.u, p.blocks), 14) * 14
	p.blocks = max(1, ceilDiv(p.u, max(p.ub, 1)))
	p.step = max(48, min(128, (1<<16)/max(p.u+p.v, 1)))
	return p
}

func vecGradWeightKernels() (out []Kernel[ConvGradWeight]) {
	for _, v := range vecISAs {
		out = append(out, v.dwGradWeightKernel())
		k := Kernel[ConvGradWeight]{
			Name: "convgradwF32" + v.suffix, Impl: v.impl, Available: v.available, MaxError: gradWeightError,
			Accepts: v.acceptOuter,
			Tasks: func(a *ConvGradWeight) int {
				p := v.planOuter(a)
				return p.chunks * p.blocks
			},
			ScratchLen: func(a *ConvGradWeight) int {
				if p := v.planOuter(a); p.gather {
					return p.step * p.k
				}
				return 0
			},
			Run: v.runOuter,
		}
		k.Reduce = &Reduction[ConvGradWeight]{
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
			Merge: v.mergeOuter,
		}
		out = append(out, k)
	}
	return out
}

func (v *vecISA) runOuter(a *ConvGradWeight, task int, scratch []float32) {
	p := v.planOuter(a)
	at, u0 := task/p.blocks, task%p.blocks*p.ub
	u1 := min(u0+p.ub, p.u)
	sums := a.DWeight
	if !p.direct {
		sums = a.Partial[at*p.u*p.v:][:p.u*p.v]
	}
	clear(sums[u0*p.v : u1*p.v])
	conv := Conv{ConvShape: a.ConvShape, X: a.X}
	lo, hi := chunk(at, p.px, p.pixels)
	for ; lo < hi; lo += p.step {
		n := min(p.step, hi-lo)
		x, xStride := a.X[lo*p.k*btoi(!p.gather):], p.k
		if p.gather {
			for i := range n {
				gatherRow(&conv, 0, lo+i, scratch[i*p.k:][:p.k])
			}
			x = scratch
		}
		dy := a.DY[lo*a.O:]
		if p.swap {
			v.outerSums(x, xStride, dy, a.O, n, u0, u1, p.v, sums)
		} else {
			v.outerSums(dy, a.O, x, xStride, n, u0, u1, p.v, sums)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// outerSums adds the outer products of n pixels to rows u0 to u1 of the sums.
func (v *vecISA) outerSums(u []float32, uStride int, w []float32, vStride, n, u0, u1, vs int, sums []float32) {
	args := outerArgs{u: &u[u0], uStride: 4 * uStride, vStride: 4 * vStride, sumStride: 4 * vs, pixels: n, us: u1 - u0}
	for j := 0; j < vs; j += 2 * v.lanes {
		args.v, args.sums, args.vs = &w[j], &sums[u0*vs+j], min(2*v.lanes, vs-j)
		v.outer(&args)
	}
}

// mergeOuter adds up the chunks of some output channels.
func (v *vecISA) mergeOuter(a *ConvGradWeight, task int) {
	p := v.planOuter(a)
	lo, hi := chunk(task, 16, a.O)
	cg, taps, size := p.k/(a.KH*a.KW), a.KH*a.KW, p.u*p.v
	if p.swap {
		// Columns lo to hi of the sums.
		for k := range p.k {
			first := a.Partial[k*a.O:][lo:hi]
			for at := 1; at < p.chunks; at++ {
				for i, s := range a.Partial[at*size+k*a.O:][lo:hi] {
					first[i] += s
				}
			}
			to := k%cg*taps + k/cg
			for i, s := range first {
				a.DWeight[(lo+i)*p.k+to] = s
			}
		}
		return
	}
	first := a.Partial[lo*p.k : hi*p.k]
	for at := 1; at < p.chunks; at++ {
		v.addTo(first, a.Partial[at*size+lo*p.k:][:len(first)])
	}
	if taps == 1 {
		copy(a.DWeight[lo*p.k:hi*p.k], first)
		return
	}
	for o := lo; o < hi; o++ {
		for k, s := range first[(o-lo)*p.k:][:p.k] {
			a.DWeight[o*p.k+k%cg*taps+k/cg] = s
		}
	}
}

// addTo is y += x.
func (v *vecISA) addTo(y, x []float32) {
	n := len(y) &^ 7
	if n > 0 {
		v.mapAdd(&elemArgs{x: &y[0], b: &x[0], y: &y[0], n: n, lo: float32(math.Inf(-1)), hi: float32(math.Inf(1))})
	}
	for i := n; i < len(y); i++ {
		y[i] += x[i]
	}
}
