package main

import "fmt"

// Depthwise convolutions of bytes on NEON: tiles of seven outputs by eight
// channels, as for float32s. Channels left over are the last eight once more,
// partly computed twice.
//
// With dot products, a column's bytes of up to four kernel rows are brought
// together channel by channel, and one instruction multiplies four of them for
// four channels: two do for a column and an output what takes six of SMLAL.
// Inputs become signed, so that what lies outside of the picture must be
// there, as zero points: rows of it in memory, columns in a register.
//
// Without, or where weights have zero points, differences of inputs from their
// zero point meet differences of weights in 16 bits, and what lies outside is
// left out.

var intDWBlock = block{"intDWArgs", "intDWArgs are the arguments of a depthwise routine of bytes; offsets and strides are in bytes.", []field{
	{"x", "*uint8", "first byte of the picture"},
	{"outside", "*uint8", "a row of zero points"},
	{"w", "*byte", "blocks of eight channels: flags, constants, weights"},
	{"y", "*uint8", "first output of the first tile"},
	{"table", "*uint8", "256 results to look up, or nil"},
	{"off0", "int", "from x to the first column of the first tile in the first kernel row used"},
	{"off1", "int", "in the second one, with dot products, and so on"},
	{"off2", "int", ""},
	{"off3", "int", ""},
	{"off4", "int", ""},
	{"above", "int", "mask of kernel rows that begin at outside, with dot products"},
	{"rowStride", "int", "between kernel rows"},
	{"colStride", "int", "between columns"},
	{"yStride", "int", "between outputs"},
	{"rows", "int", "kernel rows used"},
	{"wSkip", "int", "from the constants of a block to the weights of the first one"},
	{"blockSize", "int", "of a block of weights"},
	{"tiles", "int", "counted down"},
	{"xTile", "int", "between tiles of inputs"},
	{"yTile", "int", "between tiles of outputs"},
	{"cols", "int", "mask of columns inside the picture"},
	{"outs", "int", "mask of outputs inside the row"},
	{"channels", "int", ""},
	{"way", "int", "to rescale"},
	{"xZero", "uint32", "with dot products 128 less"},
	{"yZero", "uint32", ""},
	{"lo", "uint32", ""},
	{"hi", "uint32", ""},
}}

// intDW is one depthwise routine.
type intDW struct {
	dwKind
	dot bool
}

func (d intDW) name() string {
	if d.dot {
		return fmt.Sprintf("intDW%dS%dDotNEON", d.k, d.stride)
	}
	return fmt.Sprintf("intDW%dS%dNEON", d.k, d.stride)
}

func intDWNEON(a *asm) {
	for _, k := range dwKinds {
		intDW{k, true}.emit(a)
		intDW{k, false}.emit(a)
	}
}

const intDWBlockChannels = 8

// The registers of a depthwise routine: addresses of kernel rows from R1 on, of
// columns in them from R20 on.
const (
	intDWColStride = "R6"
	intDWYStride   = "R7"
	intDWOuts      = "R8"
	intDWTiles     = "R9"
	intDWLast      = "R10" // where the last eight channels begin
	intDWY         = "R11"
	intDWChannel   = "R12"
	intDWPanel     = "R13"
	intDWWeights   = "R14"
	intDWCols      = "R15"
	intDWAt        = "R19"
)

// tile is the registers of the sums.
func (d intDW) tile() intTile {
	return intTile{dwTile, 2, func(t, v int) int { return 2*t + v }}
}

// The other vector registers: weights of up to five columns, of which dot
// products have two each, and what is constant.
const (
	intDWTaps = 2 * dwTile
	intDWRaw  = 24
	intDWIn   = 26
	intDWLow  = 28 // places of the bytes of channels 0 to 3, with dot products
	intDWFlip = 30
	intDWZero = 31
)

// constants fills the registers that stay.
func (d intDW) constants(a *asm) {
	a.splatByte(&intDWBlock, "xZero", intDWZero)
	if !d.dot {
		return
	}
	a.p("VMOVI $128, V%d.B16", intDWFlip)
	// Byte r of channel c is that of row r: two rows lie in a register.
	for i := range 4 {
		var places uint64
		for j := range 8 {
			places |= uint64(2*i+j/4+j%4*8) << (8 * j)
		}
		a.p("MOVD $%#x, R26", places)
		a.p("VMOV R26, V%d.D[%d]", intDWLow+i/2, i%2)
	}
}

func (d intDW) emit(a *asm) {
	b := &intDWBlock
	a.beginNEON(d.name(), b)
	a.fetch(b, "x", "R25")
	rows := 1
	if d.dot {
		rows = d.k
		a.fetch(b, "above", "R24")
	}
	for r := range rows {
		a.fetch(b, fmt.Sprintf("off%d", r), "R26")
		a.p("ADD R26, R25, %s", rowReg(r))
		if d.dot {
			inside := a.fresh("inside")
			a.p("TBZ $%d, R24, %s", r, inside)
			a.fetch(b, "outside", "R23")
			a.p("ADD R26, R23, %s", rowReg(r))
			a.label(inside)
		}
	}
	for _, f := range [][2]string{{"colStride", intDWColStride}, {"yStride", intDWYStride}, {"outs", intDWOuts}, {"tiles", intDWTiles},
		{"channels", intDWLast}, {"y", intDWY}, {"cols", intDWCols}} {
		a.fetch(b, f[0], f[1])
	}
	a.p("SUB $%d, %s", intDWBlockChannels, intDWLast)
	d.constants(a)
	tile, block, next, done := a.fresh("tile"), a.fresh("block"), a.fresh("next"), a.fresh("done")
	a.label(tile)
	a.p("MOVD $0, %s", intDWChannel)
	a.fetch(b, "w", intDWPanel)
	a.label(block)
	d.chunk(a)
	a.fetch(b, "blockSize", "R26")
	a.p("ADD R26, %s", intDWPanel)
	a.p("CMP %s, %s", intDWLast, intDWChannel)
	a.p("BEQ %s", next)
	a.p("ADD $%d, %s", intDWBlockChannels, intDWChannel)
	a.p("CMP %s, %s", intDWLast, intDWChannel)
	a.p("CSEL LT, %s, %s, %s", intDWChannel, intDWLast, intDWChannel)
	a.p("B %s", block)
	a.label(next)
	a.fetch(b, "xTile", "R26")
	for r := range rows {
		a.p("ADD R26, %s", rowReg(r))
	}
	a.fetch(b, "yTile", "R26")
	a.p("ADD R26, %s", intDWY)
	a.p("SUBS $1, %s", intDWTiles)
	a.p("BNE %s", tile)
	a.label(done)
	a.p("RET")
}

// chunk is eight channels of a tile.
func (d intDW) chunk(a *asm) {
	t := d.tile()
	a.p("FLDPQ %d(%s), (F%d, F%d)", t.constant(0, 0), intDWPanel, t.acc(0, 0), t.acc(0, 1))
	for o := 1; o < dwTile; o++ {
		a.move(t.acc(o, 0), t.acc(0, 0))
		a.move(t.acc(o, 1), t.acc(0, 1))
	}
	if d.dot {
		a.p("ADD $%d, %s, %s", t.panelBytes(), intDWPanel, intDWWeights)
		for r := 0; r < d.k; r += 4 {
			d.dotRows(a, r, min(4, d.k-r))
		}
	} else {
		d.mulRows(a)
	}
	out := t.finish(a, &intDWBlock, intDWPanel, intDWTaps)
	a.p("ADD %s, %s, %s", intDWChannel, intDWY, intDWAt)
	for i, v := range out {
		skip := a.fresh("out")
		a.p("TBZ $%d, %s, %s", i, intDWOuts, skip)
		a.p("FMOVD F%d, (%s)", v, intDWAt)
		a.label(skip)
		a.p("ADD %s, %s", intDWYStride, intDWAt)
	}
	// The table has taken what stays.
	kept := a.fresh("kept")
	a.fetch(&intDWBlock, "table", "R26")
	a.p("CBZ R26, %s", kept)
	d.constants(a)
	a.label(kept)
}

// columns calls product for each pair of a column j and an output t that it
// reaches with tap k.
func (d intDW) columns(j int, product func(t, k int)) {
	for t := range dwTile {
		if k := j - t*d.stride; k >= 0 && k < d.k {
			product(t, k)
		}
	}
}

// dotRows is n kernel rows from r on.
func (d intDW) dotRows(a *asm, r, n int) {
	sums := d.tile()
	column := func(i int) string { return fmt.Sprintf("R%d", 20+i) }
	for i := range n {
		a.p("ADD %s, %s, %s", intDWChannel, rowReg(r+i), column(i))
	}
	for k := range d.k {
		a.p("FLDPQ.P 32(%s), (F%d, F%d)", intDWWeights, intDWTaps+2*k, intDWTaps+2*k+1)
	}
	table := fmt.Sprintf("[V%d.B16]", intDWRaw)
	if n > 2 {
		table = fmt.Sprintf("[V%d.B16, V%d.B16]", intDWRaw, intDWRaw+1)
	}
	for j := range (dwTile-1)*d.stride + d.k {
		outside, ready := a.fresh("outside"), a.fresh("column")
		a.p("TBZ $%d, %s, %s", j, intDWCols, outside)
		for i := range n {
			if i%2 == 0 {
				a.p("FMOVD (%s), F%d", column(i), intDWRaw+i/2)
			} else {
				a.p("VLD1 (%s), V%d.D[1]", column(i), intDWRaw+i/2)
			}
		}
		for v := range 2 {
			a.p("VTBL V%d.B16, %s, V%d.B16", intDWLow+v, table, intDWIn+v)
			a.bitwise("eor", intDWIn+v, intDWIn+v, intDWFlip)
		}
		a.p("B %s", ready)
		a.label(outside)
		a.move(intDWIn, intDWZero)
		a.move(intDWIn+1, intDWZero)
		a.label(ready)
		d.columns(j, func(t, k int) {
			for v := range 2 {
				a.dot(sums.acc(t, v), intDWIn+v, intDWTaps+2*k+v)
			}
		})
		for i := range n {
			a.p("ADD %s, %s", intDWColStride, column(i))
		}
	}
}

// mulRows is the kernel rows inside of the picture.
func (d intDW) mulRows(a *asm) {
	sums := d.tile()
	a.fetch(&intDWBlock, "rows", "R20")
	a.fetch(&intDWBlock, "rowStride", "R21")
	a.fetch(&intDWBlock, "wSkip", "R26")
	a.p("ADD R26, %s, %s", intDWPanel, intDWWeights)
	a.p("ADD %s, R1, R22", intDWChannel) // a kernel row's first column
	row := a.fresh("row")
	a.label(row)
	for k := range d.k {
		a.p("FMOVQ.P 16(%s), F%d", intDWWeights, intDWTaps+k)
	}
	a.p("MOVD R22, %s", intDWAt)
	for j := range (dwTile-1)*d.stride + d.k {
		skip := a.fresh("col")
		x := intDWIn + j%2
		a.p("TBZ $%d, %s, %s", j, intDWCols, skip)
		a.p("FMOVD (%s), F%d", intDWAt, x)
		a.long("usubl", b8, x, x, intDWZero)
		d.columns(j, func(t, k int) {
			a.long("smlal", h4, sums.acc(t, 0), x, intDWTaps+k)
			a.long("smlal", h8, sums.acc(t, 1), x, intDWTaps+k)
		})
		a.label(skip)
		a.p("ADD %s, %s", intDWColStride, intDWAt)
	}
	a.p("ADD R21, R22")
	a.p("SUBS $1, R20")
	a.p("BNE %s", row)
}
