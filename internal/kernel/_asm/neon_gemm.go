package main

import "fmt"

// Products on NEON. A tile is up to six rows of sixteen outputs: 24 sums, a
// register with four inputs of each row, and two registers of weights, 32 in
// all. Four inputs then cost 6 loads of inputs and 16 of weights for 96
// products, 0.23 loads a product. Each loaded vector of inputs feeds four
// steps, its lanes one after the other, so nothing is broadcast.

// neonTile is a block of outputs held in registers: rows by vectors.
type neonTile struct{ rows, vecs int }

func (t neonTile) acc(r, j int) int { return r*t.vecs + j }

// in is the register with inputs of row r.
func (t neonTile) in(r int) int { return t.rows*t.vecs + r }

// temp is the first register that holds neither.
func (t neonTile) temp() int { return t.in(t.rows) }

// accs are the registers with sums.
func (t neonTile) accs() (all []int) {
	for i := range t.rows * t.vecs {
		all = append(all, i)
	}
	return all
}

// rowReg is the address of the next inputs of row r.
func rowReg(r int) string { return fmt.Sprintf("R%d", 1+r) }

// The other registers of a product.
const (
	neonX       = "R9" // first row of the tile
	neonXStride = "R10"
	neonY       = "R11"
	neonRes     = "R12"
	neonRows    = "R13"
	neonAhead   = "R14"
	neonW       = "R15"
	neonRun     = "R19" // counts down
	neonSegs    = "R20" // counts down
	neonYStride = "R21"
	neonStep    = "R22" // of neonAhead
	neonRunAll  = "R23"
	neonBack    = "R24" // from the end of a run to the next
)

func gemmNEON(a *asm) {
	b := &gemmBlock
	a.beginNEON("gemmNEON", b)
	for _, f := range [][2]string{{"x", neonX}, {"xStride", neonXStride}, {"y", neonY}, {"res", neonRes}, {"rows", neonRows},
		{"ahead", neonAhead}, {"yStride", neonYStride}, {"aheadStep", neonStep}, {"run", neonRunAll}, {"segStride", neonBack}} {
		a.fetch(b, f[0], f[1])
	}
	a.p("SUB %s<<2, %s", neonRunAll, neonBack)
	a.fetch(b, "width", "R26")
	a.p("CMP $8, R26")
	a.p("BEQ quad")
	a.p("CMP $1, R26")
	a.p("BEQ width1")
	for _, width := range []int{2, 1} {
		a.label(fmt.Sprintf("width%d", width))
		most := 6
		if width == 1 {
			most = 8
		}
		size := func(n int) string { return fmt.Sprintf("rows%dwidth%d", n, width) }
		for rows := most; rows >= 1; rows-- {
			a.label(size(rows))
			a.p("CMP $%d, %s", rows, neonRows)
			if rows > 1 {
				a.p("BLT %s", size(rows-1))
			} else {
				a.p("BLT done")
			}
			if rows == most {
				// One row alone has too few sums to hide the latency of
				// adding: the last two tiles share.
				a.p("CMP $%d, %s", most+1, neonRows)
				a.p("BEQ %s", size(most/2+1))
			}
			neonTile{rows, 2 * width}.emit(a)
			a.p("SUB $%d, %s", rows, neonRows)
			a.p("B %s", size(rows))
		}
		if width == 2 {
			a.p("B done")
		}
	}
	a.label("quad")
	quadNEON(a)
	a.label("done")
	a.p("MOVD %s, %d(R0)", neonAhead, b.off("ahead"))
	a.p("RET")
}

// bias starts every row's sums.
func (t neonTile) bias(a *asm) {
	a.fetch(&gemmBlock, "bias", "R26")
	for j := 0; j < t.vecs; j += 2 {
		a.p("FLDPQ %d(R26), (F%d, F%d)", 16*j, t.acc(0, j), t.acc(0, j+1))
	}
	for r := 1; r < t.rows; r++ {
		for j := range t.vecs {
			a.move(t.acc(r, j), t.acc(0, j))
		}
	}
}

// emit computes one tile and moves on by its rows.
func (t neonTile) emit(a *asm) {
	b := &gemmBlock
	t.bias(a)
	a.fetch(b, "w", neonW)
	a.fetch(b, "segs", neonSegs)
	for r := range t.rows {
		if r == 0 {
			a.p("MOVD %s, %s", neonX, rowReg(0))
		} else {
			a.p("ADD %s, %s, %s", neonXStride, rowReg(r-1), rowReg(r))
		}
	}
	a.p("ADD %s, %s, %s", neonXStride, rowReg(t.rows-1), neonX)
	seg, four, rest, one, segEnd, last := a.fresh("seg"), a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("segend"), a.fresh("sums")
	a.label(seg)
	a.p("SUBS $4, %s, %s", neonRunAll, neonRun)
	a.p("BLT %s", rest)
	a.label(four)
	for r := range t.rows {
		a.p("FMOVQ.P 16(%s), F%d", rowReg(r), t.in(r))
	}
	t.steps(a, 4)
	if t.rows > 1 {
		a.p("ADD %s, %s", neonStep, neonAhead)
	}
	a.p("SUBS $4, %s", neonRun)
	a.p("BGE %s", four)
	a.label(rest)
	a.p("ADDS $4, %s", neonRun)
	a.p("BEQ %s", segEnd)
	a.label(one)
	for r := range t.rows {
		a.p("FMOVS.P 4(%s), F%d", rowReg(r), t.in(r))
	}
	t.steps(a, 1)
	a.p("SUBS $1, %s", neonRun)
	a.p("BNE %s", one)
	a.label(segEnd)
	a.p("SUBS $1, %s", neonSegs)
	a.p("BEQ %s", last)
	for r := range t.rows {
		a.p("ADD %s, %s", neonBack, rowReg(r))
	}
	a.p("B %s", seg)
	a.label(last)
	t.epilogue(a)
}

// steps multiplies n inputs of every row by n rows of the panel. A vector of
// weights is loaded while the one before is at work, for processors that run
// instructions in order.
func (t neonTile) steps(a *asm, n int) {
	spare := 32 - t.temp()
	weights := func(i int) int { return t.temp() + i%spare }
	load := func(i int) {
		if i < n*t.vecs {
			a.p("FMOVQ %d(%s), F%d", 16*i, neonW, weights(i))
		}
	}
	load(0)
	for i := range n * t.vecs {
		load(i + 1)
		for r := range t.rows {
			a.mulAddLane(t.acc(r, i%t.vecs), weights(i), t.in(r), i/t.vecs)
		}
		switch {
		case n != 4 || i%2 == 0:
		case t.rows == 1:
			// One row is bound by the weights' way from memory.
			if i%4 == 3 {
				a.p("PRFM %d(%s), PLDL1KEEP", 2048+16*(i-3), neonW)
			}
		case i == t.vecs-1 || i == 3*t.vecs-1:
			// Two lines at most, in between the products.
			a.p("PRFM %d(%s), PLDL2KEEP", i/t.vecs*32, neonAhead)
		}
	}
	a.p("ADD $%d, %s", 16*n*t.vecs, neonW)
}

// epilogue applies the activation, adds the residual and stores. The addresses
// of outputs and residuals end at the next tile's.
func (t neonTile) epilogue(a *asm) {
	epilogueNEON(a, &gemmBlock, t.accs(), 28)
	store := a.fresh("store")
	a.p("CBZ %s, %s", neonRes, store)
	for r := range t.rows {
		for j := 0; j < t.vecs; j += 2 {
			a.p("FLDPQ %d(%s), (F28, F29)", 16*j, neonRes)
			a.op("fadd", t.acc(r, j), t.acc(r, j), 28)
			a.op("fadd", t.acc(r, j+1), t.acc(r, j+1), 29)
		}
		a.p("ADD %s, %s", neonYStride, neonRes)
	}
	a.label(store)
	for r := range t.rows {
		for j := 0; j < t.vecs; j += 2 {
			a.p("FSTPQ (F%d, F%d), %d(%s)", t.acc(r, j), t.acc(r, j+1), 16*j, neonY)
		}
		a.p("ADD %s, %s", neonYStride, neonY)
	}
}

// quadNEON is one row times four full panels at once, for the matrix-vector
// products: sixteen chains instead of four hide the latency of adding.
func quadNEON(a *asm) {
	const panels, spare = 4, 12
	t := neonTile{1, 16}
	t.bias(a)
	a.fetch(&gemmBlock, "w", "R1")
	for p := 1; p < panels; p++ {
		a.p("ADD %s<<6, R%d, R%d", neonRunAll, p, p+1)
	}
	used := 0
	steps := func(n int) {
		for u := range n {
			for j := 0; j < t.vecs; j += 2 {
				w := t.temp() + used%spare
				used += 2
				a.p("FLDPQ %d(R%d), (F%d, F%d)", 64*u+j%4*16, 1+j/4, w, w+1)
				a.mulAddLane(t.acc(0, j), w, t.in(0), u)
				a.mulAddLane(t.acc(0, j+1), w+1, t.in(0), u)
			}
			if n > 1 {
				for p := range panels {
					a.p("PRFM %d(R%d), PLDL1KEEP", 1024+64*u, 1+p)
				}
			}
		}
		for p := range panels {
			a.p("ADD $%d, R%d", 64*n, 1+p)
		}
	}
	four, rest, one, last := a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("sums")
	a.p("SUBS $4, %s, %s", neonRunAll, neonRun)
	a.p("BLT %s", rest)
	a.label(four)
	a.p("FMOVQ.P 16(%s), F%d", neonX, t.in(0))
	steps(4)
	a.p("SUBS $4, %s", neonRun)
	a.p("BGE %s", four)
	a.label(rest)
	a.p("ADDS $4, %s", neonRun)
	a.p("BEQ %s", last)
	a.label(one)
	a.p("FMOVS.P 4(%s), F%d", neonX, t.in(0))
	steps(1)
	a.p("SUBS $1, %s", neonRun)
	a.p("BNE %s", one)
	a.label(last)
	t.epilogue(a)
}
