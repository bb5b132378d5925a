//go:build (amd64 || arm64) && !purego

package kernel

import (
	"math"
	"unsafe"
)

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
	// Whether a step's numbers are copied to lie as the tiles read them, which
	// pays for small tiles only: large ones have the time to fetch what does
	// not stay in the first-level cache.
	packU, packV bool
}

const (
	// outerPixels is the pixels of a chunk at least, outerPartial the
	// elements of all partial sums at most, outerTasks the tasks aimed at.
	outerPixels  = 512
	outerPartial = 1 << 20
	outerTasks   = 8
	// outerRows is the rows of the largest tile.
	outerRows = 14
	// packTiles is the tiles that must read a copy for it to be worth it.
	packTiles = 5
)

func (v *vecISA) acceptOuter(a *ConvGradWeight) bool {
	p := v.planOuter(a)
	return a.Groups == 1 && p.k > 0 && a.O > 0 && p.pixels > 0 && (v.lanes == 16 || p.v%v.lanes == 0)
}

func (v *vecISA) planOuter(a *ConvGradWeight) (p vecOuter) {
	p.k = a.KH * a.KW * (a.C / a.Groups)
	p.gather = !pointwise(&a.ConvShape)
	p.pixels = a.N * a.OH * a.OW
	// Panels of two vectors along the side that fills them better: one vector
	// alone takes as long as two.
	width := 2 * v.lanes
	plain, swapped := ceilDiv(p.k, width)*a.O, ceilDiv(a.O, width)*p.k
	if v.lanes == 8 {
		// Only whole vectors can be.
		plain, swapped = plain+p.k%8*a.O*4, swapped+a.O%8*p.k*4
	}
	p.swap = swapped < plain
	if p.u, p.v = a.O, p.k; p.swap {
		p.u, p.v = p.v, p.u
	}
	size := p.u * p.v
	p.chunks = max(1, min(p.pixels/outerPixels, outerPartial/max(size, 1), 4*outerTasks))
	if a.Add {
		p.chunks = 1
	}
	p.px = ceilDiv(p.pixels, p.chunks)
	p.chunks = max(1, ceilDiv(p.pixels, max(p.px, 1)))
	p.direct = p.chunks == 1 && !p.swap && !p.gather
	p.blocks = 1
	if !p.gather && !a.Add {
		p.blocks = ceilDiv(outerTasks, p.chunks)
	}
	p.ub = ceilDiv(ceilDiv(p.u, p.blocks), outerRows) * outerRows
	p.blocks = max(1, ceilDiv(p.u, max(p.ub, 1)))
	if v.lanes == 8 {
		p.packU, p.packV = p.v >= packTiles*2*v.lanes, p.ub >= packTiles*outerRows
	}
	p.step = max(48, min(128, (1<<17)/max(p.ub+p.v, 1)))
	return p
}

// scratch is the lengths of the three copies: gathered inputs, u and v.
func (p *vecOuter) scratch(lanes int) (gathered, u, w int) {
	if p.gather {
		gathered = p.step * p.k
	}
	if p.packU {
		u = p.step * ceilDiv(min(p.ub, p.u), outerRows) * outerRows
	}
	if p.packV {
		w = p.step * ceilDiv(p.v, 2*lanes) * 2 * lanes
	}
	return gathered, u, w
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
				p := v.planOuter(a)
				gathered, u, w := p.scratch(v.lanes)
				return gathered + u + w
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
	if !a.Add {
		clear(sums[u0*p.v : u1*p.v])
	}
	conv := Conv{ConvShape: a.ConvShape, X: a.X}
	gathered, us, ws := p.scratch(v.lanes)
	rows, packedU, packedV := scratch[:gathered], scratch[gathered:][:us], scratch[gathered+us:][:ws]
	lo, hi := chunk(at, p.px, p.pixels)
	tiles := ceilDiv(u1-u0, v.tileRows()) * ceilDiv(p.v, 2*v.lanes)
	steps := ceilDiv(hi-lo, p.step)
	for i := 0; lo < hi; lo, i = lo+p.step, i+1 {
		n := min(p.step, hi-lo)
		// What is fetched ahead is spread over all pixels of all tiles.
		ahead, aheadStep := uintptr(unsafe.Pointer(&a.DY[0])), 0
		if p.chunks*p.blocks == 1 {
			if share := aheadShare(a.Ahead, a.AheadToo, i, steps); len(share) > 0 {
				ahead, aheadStep = uintptr(unsafe.Pointer(&share[0])), min(64, ceilDiv(4*len(share), n*tiles))
			}
		}
		var x []float32
		if p.gather {
			for i := range n {
				gatherRow(&conv, 0, lo+i, rows[i*p.k:][:p.k])
			}
			x = rows
		} else {
			x = a.X[lo*p.k:]
		}
		o := outerSums{v: v, u: a.DY[lo*a.O:], w: x, uStride: a.O, wStride: p.k, n: n, vs: p.v, sums: sums, ahead: ahead, aheadStep: aheadStep}
		if p.swap {
			o.u, o.w, o.uStride, o.wStride = o.w, o.u, o.wStride, o.uStride
		}
		o.run(u0, u1, packedU, packedV)
	}
}

// tileRows is the rows of the largest tile of the routine.
func (v *vecISA) tileRows() int {
	if v.lanes == 16 {
		return 14
	}
	return 6
}

// outerSums adds the outer products of some pixels to sums.
type outerSums struct {
	v                *vecISA
	u, w             []float32
	uStride, wStride int
	n, vs            int
	sums             []float32
	ahead            uintptr // an address, which may run past the end
	aheadStep        int
}

// run does rows u0 to u1 of the sums. u and w are copied first where there is
// memory for it: u tile by tile, w by panels of two vectors.
func (o *outerSums) run(u0, u1 int, packedU, packedV []float32) {
	width := 2 * o.v.lanes
	if len(packedU) > 0 {
		for i := u0; i < u1; i += outerRows {
			packColumns(o.u[i:], o.uStride, o.n, min(outerRows, u1-i), packedU[(i-u0)*o.n:])
		}
	}
	if len(packedV) > 0 {
		for j := 0; j < o.vs; j += width {
			packColumns(o.w[j:], o.wStride, o.n, min(width, o.vs-j), packedV[j*o.n:])
		}
	}
	args := outerArgs{uStride: 4 * o.uStride, vStride: 4 * o.wStride, sumStride: 4 * o.vs, pixels: o.n, ahead: o.ahead, aheadStep: o.aheadStep}
	for j := 0; j < o.vs; j += width {
		args.v, args.vs = &o.w[j], min(width, o.vs-j)
		if len(packedV) > 0 {
			args.v, args.vStride = &packedV[j*o.n], 4*args.vs
		}
		if len(packedU) == 0 {
			args.u, args.us, args.sums = &o.u[u0], u1-u0, &o.sums[u0*o.vs+j]
			o.v.outer(&args)
			continue
		}
		for i := u0; i < u1; i += outerRows {
			args.us = min(outerRows, u1-i)
			args.u, args.uStride, args.sums = &packedU[(i-u0)*o.n], 4*args.us, &o.sums[i*o.vs+j]
			o.v.outer(&args)
		}
	}
}

// packColumns copies the first columns of some rows.
func packColumns(x []float32, stride, rows, cols int, y []float32) {
	switch cols {
	case outerRows:
		for i := range rows {
			*(*[outerRows]float32)(y[i*outerRows:]) = *(*[outerRows]float32)(x[i*stride:])
		}
	case 32:
		for i := range rows {
			*(*[32]float32)(y[i*32:]) = *(*[32]float32)(x[i*stride:])
		}
	default:
		for i := range rows {
			copy(y[i*cols:][:cols], x[i*stride:])
		}
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
