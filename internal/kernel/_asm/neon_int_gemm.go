package main

import "fmt"

// Products of bytes on NEON. Rows of inputs have been copied and made signed,
// so that a tile reads them in place whatever the convolution.
//
// With dot products (SDOT) the tile is that of float32s: a register holds
// sixteen inputs of a row, whose four lanes feed one step each, and a register
// of weights four inputs of four outputs; 6 x 16 outputs are 24 sums.
//
// Without, a sum is a register of four partial sums along the inputs: sixteen
// products are made in 16 bits, two by two, and added to it. That holds while
// no weight is -128, or else two products could be 2^15; there each product
// goes its own way. A tile is 3 x 8.

// intGemmBlock's panels begin with two flags of 32 bits: whether a shift is to the
// left, and whether a weight is -128. Bias, multipliers, shifts to the left, the
// other shifts and the weights' zero points follow, 32 bits each. For roundUp
// what it adds stands for the shifts to the left; in 64 bits the other shifts
// are those of the product.
var intGemmBlock = block{"intGemmArgs", "intGemmArgs are the arguments of a product routine of bytes; strides are in bytes.", []field{
	{"x", "*uint8", "first row of signed inputs"},
	{"w", "*byte", "panel: flags, constants, weights"},
	{"y", "*uint8", "first output"},
	{"sums", "*int32", "of the rows' unsigned inputs, or nil without zero points of weights"},
	{"table", "*uint8", "256 results to look up, or nil"},
	{"xStride", "int", "between rows of inputs"},
	{"yStride", "int", "between rows of outputs"},
	{"k", "int", "inputs: fours of them, sixteens without dot products"},
	{"rows", "int", ""},
	{"width", "int", "eights of outputs"},
	{"way", "int", "to rescale"},
	{"yZero", "uint32", ""},
	{"lo", "uint32", ""},
	{"hi", "uint32", ""},
	{"pad", "uint32", ""},
}}

// intHeader is the flags' bytes.
const intHeader = 16

// intTile is the registers of a tile's sums on their way to bytes: rows of some
// vectors.
type intTile struct {
	rows, vecs int
	acc        func(r, j int) int
}

// constant is the place of a panel's constants from its beginning, in the
// order bias, multipliers, left, right, zero points.
func (t intTile) constant(i, j int) int { return intHeader + 16*(i*t.vecs+j) }

// column is the sums of vector j.
func (t intTile) column(j int) (all []int) {
	for r := range t.rows {
		all = append(all, t.acc(r, j))
	}
	return all
}

// panelBytes is the place of the weights.
func (t intTile) panelBytes() int { return t.constant(5, 0) }

// zeros takes the weights' zero points times the rows' sums off. Four registers
// from temp on are free; the rows' sums are read on.
func (t intTile) zeros(a *asm, panel, sums string, temp int) {
	none := a.fresh("nosums")
	a.p("CBZ %s, %s", sums, none)
	// Each row's sum lies in memory, no more of them than there are rows.
	for j := range t.vecs {
		a.p("FMOVQ %d(%s), F%d", t.constant(4, j), panel, temp)
		for r := range t.rows {
			a.p("FMOVS %d(%s), F%d", 4*r, sums, temp+1+r%2)
			a.mulSubLane(t.acc(r, j), temp, temp+1+r%2, 0)
		}
	}
	a.p("ADD $%d, %s", 4*t.rows, sums)
	a.label(none)
}

// finish rescales, clamps and looks up; it returns the registers of the rows'
// bytes. Registers from temp to temp+7 are free, and with a table all that hold
// no sums.
func (t intTile) finish(a *asm, b *block, panel string, temp int) (out []int) {
	mult, shift, t1, t2, zero := temp, temp+1, temp+3, temp+4, temp+7
	once, up, twice, done := a.fresh("once"), a.fresh("up"), a.fresh("twice"), a.fresh("rescaled")
	every, float := a.fresh("every"), a.fresh("float")
	a.splatInt(b, "yZero", zero)
	a.fetch(b, "way", "R25")
	a.p("MOVW (%s), R26", panel)
	a.p("CMP $%d, R25", roundFloat)
	a.p("BEQ %s", float)
	a.p("CMP $%d, R25", roundOnce)
	a.p("BEQ %s", once)
	a.p("CBZW R26, %s", twice)
	a.p("BGT %s", up)
	for j := range t.vecs {
		a.p("FMOVQ %d(%s), F%d", t.constant(2, j), panel, mult)
		for _, v := range t.column(j) {
			a.same("sshl", s4, v, v, mult)
		}
	}
	a.label(twice)
	a.p("CMP $%d, R25", roundTwiceE)
	a.p("BEQ %s", every)
	for _, way := range []int{roundTwice, roundTwiceE, roundOnce, roundUp, roundFloat} {
		switch way {
		case roundTwiceE:
			a.label(every)
		case roundOnce:
			a.label(once)
		case roundUp:
			a.label(up)
		case roundFloat:
			a.label(float)
		}
		for j := range t.vecs {
			a.p("FMOVQ %d(%s), F%d", t.constant(1, j), panel, mult)
			if way != roundFloat {
				a.p("FMOVQ %d(%s), F%d", t.constant(3, j), panel, shift)
			}
			if way == roundOnce || way == roundUp {
				a.widenLeft("sshll", s4, shift+1, shift, 0)
				a.widenLeft("sshll", s2, shift, shift, 0)
			}
			if way == roundUp {
				a.p("FMOVQ %d(%s), F%d", t.constant(2, j), panel, t2+1)
				a.widenLeft("sshll", s4, t2+2, t2+1, 0)
				a.widenLeft("sshll", s2, t2+1, t2+1, 0)
			}
			a.rescale(way, t.column(j), mult, shift, t1, t2)
			add := "add"
			if way == roundFloat {
				add = "sqadd" // results end with 32 bits
			}
			for _, v := range t.column(j) {
				a.same(add, s4, v, v, zero)
			}
		}
		if way != roundFloat {
			a.p("B %s", done)
		}
	}
	a.label(done)
	for r := range t.rows {
		for j := 0; j < t.vecs; j += 2 {
			a.narrowNEON("sqxtn", h4, t.acc(r, j), t.acc(r, j))
			a.narrowNEON("sqxtn", h8, t.acc(r, j), t.acc(r, j+1))
		}
		a.narrowNEON("sqxtun", b8, t.acc(r, 0), t.acc(r, 0))
		if t.vecs == 4 {
			a.narrowNEON("sqxtun", b16, t.acc(r, 0), t.acc(r, 2))
		}
	}
	a.splatByte(b, "lo", temp)
	a.splatByte(b, "hi", temp+1)
	for r := range t.rows {
		v := t.acc(r, 0)
		a.same("umax", b16, v, v, temp)
		a.same("umin", b16, v, v, temp+1)
		out = append(out, v)
	}
	store := a.fresh("store")
	a.fetch(b, "table", "R26")
	a.p("CBZ R26, %s", store)
	// The table takes half of the registers.
	for r, v := range out {
		if v != r {
			a.move(r, v)
		}
	}
	a.loadTable("R26")
	a.p("VMOVI $64, V15.B16")
	for r := 0; r < t.rows; r += 4 {
		var four []int
		for i := r; i < min(r+4, t.rows); i++ {
			four = append(four, i)
		}
		a.lookUp(four, 8, 15)
	}
	for r := t.rows - 1; r >= 0; r-- {
		if out[r] != r {
			a.move(out[r], r)
		}
	}
	a.label(store)
	return out
}

// store writes the rows' bytes to consecutive rows of outputs.
func (t intTile) store(a *asm, out []int, y, yStride string) {
	for _, v := range out {
		if t.vecs == 4 {
			a.p("FMOVQ F%d, (%s)", v, y)
		} else {
			a.p("FMOVD F%d, (%s)", v, y)
		}
		a.p("ADD %s, %s", yStride, y)
	}
}

func intGemmNEON(a *asm) {
	intGemmDotNEON(a)
	intGemmMulNEON(a)
	intRowsNEON(a)
}

// The registers of a product beside those of the rows, R1 to R8: neonX to neonW
// as in the product of float32s.
const (
	intSums  = "R12"
	intPanel = "R14"
)

// beginInt loads what both routines use.
func beginInt(a *asm, name string) {
	b := &intGemmBlock
	a.beginNEON(name, b)
	for _, f := range [][2]string{{"x", neonX}, {"xStride", neonXStride}, {"y", neonY}, {"sums", intSums}, {"rows", neonRows},
		{"yStride", neonYStride}, {"k", neonRunAll}, {"w", intPanel}} {
		a.fetch(b, f[0], f[1])
	}
}

// intSizes emits tiles of most rows and fewer, which together take all rows.
func intSizes(a *asm, most int, prefix, done string, emit func(rows int)) {
	size := func(n int) string { return fmt.Sprintf("%srows%d", prefix, n) }
	for rows := most; rows >= 1; rows-- {
		a.label(size(rows))
		a.p("CMP $%d, %s", rows, neonRows)
		if rows > 1 {
			a.p("BLT %s", size(rows-1))
		} else {
			a.p("BLT %s", done)
		}
		if rows == most && most > 4 {
			// The last two tiles share.
			a.p("CMP $%d, %s", most+1, neonRows)
			a.p("BEQ %s", size(most/2+1))
		}
		emit(rows)
		a.p("SUB $%d, %s", rows, neonRows)
		a.p("B %s", size(rows))
	}
}

// rowAddresses sets the addresses of a tile's rows and moves on.
func rowAddresses(a *asm, rows int) {
	for r := range rows {
		if r == 0 {
			a.p("MOVD %s, %s", neonX, rowReg(0))
		} else {
			a.p("ADD %s, %s, %s", neonXStride, rowReg(r-1), rowReg(r))
		}
	}
	a.p("ADD %s, %s, %s", neonXStride, rowReg(rows-1), neonX)
}

func intGemmDotNEON(a *asm) {
	beginInt(a, "intGemmDotNEON")
	a.fetch(&intGemmBlock, "width", "R26")
	a.p("CMP $1, R26")
	a.p("BEQ onerows8")
	intSizes(a, 6, "two", "done", func(rows int) { dotTile(a, neonTile{rows, 4}) })
	intSizes(a, 8, "one", "done", func(rows int) { dotTile(a, neonTile{rows, 2}) })
	a.label("done")
	a.p("RET")
}

// dotTile computes one tile and moves on by its rows.
func dotTile(a *asm, t neonTile) {
	q := intTile{t.rows, t.vecs, t.acc}
	// Few sums do not hide the latency of adding: a lone row or two have a set
	// of them for each step.
	sets := 1
	if t.rows*t.vecs <= 4 {
		sets = 4
	} else if t.rows*t.vecs <= 8 {
		sets = 2
	}
	n := t.rows * t.vecs
	in := func(r int) int { return n*sets + r }
	temp := in(t.rows)
	for j := 0; j < t.vecs; j += 2 {
		a.p("FLDPQ %d(%s), (F%d, F%d)", q.constant(0, j), intPanel, t.acc(0, j), t.acc(0, j+1))
	}
	for r := 1; r < t.rows; r++ {
		for j := range t.vecs {
			a.move(t.acc(r, j), t.acc(0, j))
		}
	}
	q.zeros(a, intPanel, intSums, n)
	for i := n; i < n*sets; i++ {
		a.zeroNEON(i)
	}
	rowAddresses(a, t.rows)
	a.p("ADD $%d, %s, %s", q.panelBytes(), intPanel, neonW)
	four, rest, one, sums := a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("sums")
	steps := func(count int) {
		spare := min(32-temp, 8)
		weights := func(i int) int { return temp + i%spare }
		load := func(i int) {
			if i < count*t.vecs {
				a.p("FMOVQ %d(%s), F%d", 16*i, neonW, weights(i))
			}
		}
		load(0)
		for i := range count * t.vecs {
			load(i + 1)
			for r := range t.rows {
				step := i / t.vecs
				a.dotLane(step%sets*n+t.acc(r, i%t.vecs), weights(i), in(r), step)
			}
			if t.rows == 1 && i%4 == 3 && count == 4 {
				// One row is bound by the weights' way from memory.
				a.p("PRFM %d(%s), PLDL1KEEP", 2048+16*(i-3), neonW)
			}
		}
		a.p("ADD $%d, %s", 16*count*t.vecs, neonW)
	}
	a.p("SUBS $4, %s, %s", neonRunAll, neonRun)
	a.p("BLT %s", rest)
	a.label(four)
	for r := range t.rows {
		a.p("FMOVQ.P 16(%s), F%d", rowReg(r), in(r))
	}
	steps(4)
	a.p("SUBS $4, %s", neonRun)
	a.p("BGE %s", four)
	a.label(rest)
	a.p("ADDS $4, %s", neonRun)
	a.p("BEQ %s", sums)
	a.label(one)
	for r := range t.rows {
		a.p("FMOVS.P 4(%s), F%d", rowReg(r), in(r))
	}
	steps(1)
	a.p("SUBS $1, %s", neonRun)
	a.p("BNE %s", one)
	a.label(sums)
	for s := 1; s < sets; s++ {
		for i := range n {
			a.same("add", s4, i, i, s*n+i)
		}
	}
	q.store(a, q.finish(a, &intGemmBlock, intPanel, 24), neonY, neonYStride)
}

func intGemmMulNEON(a *asm) {
	beginInt(a, "intGemmMulNEON")
	intSizes(a, 3, "", "done", func(rows int) { mulTile(a, rows) })
	a.label("done")
	a.p("RET")
}

// mulTile is a tile of rows by eight outputs without dot products.
func mulTile(a *asm, rows int) {
	const outs, in, weight, temp = 8, 24, 27, 29
	sum := func(r, o int) int { return r*outs + o }
	q := intTile{rows, 2, func(r, j int) int { return sum(r, 4*j) }}
	for i := range rows * outs {
		a.zeroNEON(i)
	}
	rowAddresses(a, rows)
	a.p("ADD $%d, %s, %s", q.panelBytes(), intPanel, neonW)
	a.p("MOVW 4(%s), R26", intPanel)
	a.p("MOVD %s, %s", neonRunAll, neonRun)
	apart, sums := a.fresh("apart"), a.fresh("sums")
	a.p("CBNZW R26, %s", apart)
	for _, together := range []bool{true, false} {
		loop := a.fresh("sixteen")
		if !together {
			a.label(apart)
		}
		a.label(loop)
		for r := range rows {
			a.p("FMOVQ.P 16(%s), F%d", rowReg(r), in+r)
		}
		a.p("FMOVQ (%s), F%d", neonW, weight)
		for o := range outs {
			w := weight + o%2
			if o+1 < outs {
				a.p("FMOVQ %d(%s), F%d", 16*(o+1), neonW, weight+(o+1)%2)
			}
			for r := range rows {
				a.long("smull", b8, temp+r, in+r, w)
			}
			for r := range rows {
				if together {
					a.long("smlal", b16, temp+r, in+r, w)
				} else {
					a.pairs("sadalp", h8, sum(r, o), temp+r)
					a.long("smull", b16, temp+r, in+r, w)
				}
			}
			for r := range rows {
				a.pairs("sadalp", h8, sum(r, o), temp+r)
			}
		}
		a.p("ADD $%d, %s", 16*outs, neonW)
		a.p("SUBS $1, %s", neonRun)
		a.p("BNE %s", loop)
		if together {
			a.p("B %s", sums)
		}
	}
	a.label(sums)
	for r := range rows {
		for o := 0; o < outs; o += 4 {
			a.same("addp", s4, sum(r, o), sum(r, o), sum(r, o+1))
			a.same("addp", s4, sum(r, o+2), sum(r, o+2), sum(r, o+3))
			a.same("addp", s4, sum(r, o), sum(r, o), sum(r, o+2))
		}
	}
	a.p("FLDPQ %d(%s), (F24, F25)", q.constant(0, 0), intPanel)
	for r := range rows {
		for j := range 2 {
			a.same("add", s4, q.acc(r, j), q.acc(r, j), 24+j)
		}
	}
	q.zeros(a, intPanel, intSums, 24)
	q.store(a, q.finish(a, &intGemmBlock, intPanel, 24), neonY, neonYStride)
}

var intRowsBlock = block{"intRowsArgs", "intRowsArgs are the arguments of intRowsNEON; strides are in bytes.", []field{
	{"x", "*uint8", "first row"},
	{"y", "*uint8", "where it goes, or x itself"},
	{"sums", "*int32", "of the rows, or nil"},
	{"xStride", "int", "between rows"},
	{"yStride", "int", "between them where they go"},
	{"n", "int", "bytes of a row"},
	{"padded", "int", "bytes of it where it goes: zeros fill up the last sixteen"},
	{"rows", "int", ""},
}}

// intRowsNEON copies rows, takes 128 off every byte and sums up the bytes as they
// were.
func intRowsNEON(a *asm) {
	b := &intRowsBlock
	a.beginNEON("intRowsNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"y", "R2"}, {"sums", "R3"}, {"xStride", "R4"}, {"yStride", "R5"}, {"n", "R6"}, {"padded", "R7"}, {"rows", "R8"}} {
		a.fetch(b, f[0], f[1])
	}
	const flip, total, x, zero = 0, 1, 2, 6
	a.p("VMOVI $128, V%d.B16", flip)
	a.zeroNEON(zero)
	row, loop, rest, eight, one, next, last := a.fresh("row"), a.fresh("sixteen"), a.fresh("rest"), a.fresh("eight"), a.fresh("one"), a.fresh("next"), a.fresh("last")
	a.label(row)
	a.p("MOVD R1, R9")
	a.p("MOVD R2, R10")
	a.zeroNEON(total)
	// The sum of a byte's sixteen places: pairs in 16 bits, those in 32.
	add := func() {
		a.zeroNEON(x + 1)
		a.pairs("uadalp", b16, x+1, x)
		a.pairs("uadalp", h8, total, x+1)
	}
	a.p("SUBS $16, R6, R11")
	a.p("BLT %s", rest)
	a.label(loop)
	a.p("FMOVQ.P 16(R9), F%d", x)
	add()
	a.bitwise("eor", x, x, flip)
	a.p("FMOVQ.P F%d, 16(R10)", x)
	a.p("SUBS $16, R11")
	a.p("BGE %s", loop)
	a.label(rest)
	a.p("ADDS $16, R11")
	a.p("BEQ %s", next)
	// The rest in V4, from the last byte to the first.
	a.zeroNEON(x)
	a.p("TBZ $3, R11, %s", eight)
	a.p("FMOVD.P 8(R9), F%d", x)
	add()
	a.bitwise("eor", x, x, flip)
	a.p("FMOVD.P F%d, 8(R10)", x)
	a.label(eight)
	a.p("ANDS $7, R11, R11")
	a.p("BEQ %s", next)
	a.label(one)
	a.p("MOVBU.P 1(R9), R12")
	a.zeroNEON(x)
	a.p("VMOV R12, V%d.B[0]", x)
	add()
	a.p("EOR $128, R12, R12")
	a.p("MOVB.P R12, 1(R10)")
	a.p("SUBS $1, R11")
	a.p("BNE %s", one)
	a.label(next)
	// Zeros up to the padded length.
	a.p("ADD R7, R2, R12")
	pad, padded := a.fresh("pad"), a.fresh("padded")
	a.label(pad)
	a.p("CMP R12, R10")
	a.p("BHS %s", padded)
	a.p("MOVB.P ZR, 1(R10)")
	a.p("B %s", pad)
	a.label(padded)
	a.p("CBZ R3, %s", last)
	a.p("VADDV V%d.S4, V%d", total, total)
	a.p("FMOVS.P F%d, 4(R3)", total)
	a.label(last)
	a.p("ADD R4, R1")
	a.p("ADD R5, R2")
	a.p("SUBS $1, R8")
	a.p("BNE %s", row)
	a.p("RET")
}
