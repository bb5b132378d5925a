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

var qdwBlock = block{"qdwArgs", "qdwArgs are the arguments of a depthwise routine of bytes; offsets and strides are in bytes.", []field{
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

// qdw is one depthwise routine.
type qdw struct {
	dwKind
	dot bool
}

func (d qdw) name() string {
	if d.dot {
		return fmt.Sprintf("qdw%dS%dDotNEON", d.k, d.stride)
	}
	return fmt.Sprintf("qdw%dS%dNEON", d.k, d.stride)
}

func qdwNEON(a *asm) {
	for _, k := range dwKinds {
		qdw{k, true}.emit(a)
		qdw{k, false}.emit(a)
	}
}

const qdwBlockChannels = 8

// The registers of a depthwise routine: addresses of kernel rows from R1 on, of
// columns in them from R20 on.
const (
	qdwColStride = "R6"
	qdwYStride   = "R7"
	qdwOuts      = "R8"
	qdwTiles     = "R9"
	qdwLast      = "R10" // where the last eight channels begin
	qdwY         = "R11"
	qdwChannel   = "R12"
	qdwPanel     = "R13"
	qdwWeights   = "R14"
	qdwCols      = "R15"
	qdwAt        = "R19"
)

// tile is the registers of the sums.
func (d qdw) tile() qTile {
	return qTile{dwTile, 2, func(t, v int) int { return 2*t + v }}
}

// The other vector registers: weights of up to five columns, of which dot
// products have two each, and what is constant.
const (
	qdwTaps = 2 * dwTile
	qdwRaw  = 24
	qdwIn   = 26
	qdwLow  = 28 // places of the bytes of channels 0 to 3, with dot products
	qdwFlip = 30
	qdwZero = 31
)

// constants fills the registers that stay.
func (d qdw) constants(a *asm) {
	a.splatByte(&qdwBlock, "xZero", qdwZero)
	if !d.dot {
		return
	}
	a.p("VMOVI $128, V%d.B16", qdwFlip)
	// Byte r of channel c is that of row r: two rows lie in a register.
	for i := range 4 {
		var places uint64
		for j := range 8 {
			places |= uint64(2*i+j/4+j%4*8) << (8 * j)
		}
		a.p("MOVD $%#x, R26", places)
		a.p("VMOV R26, V%d.D[%d]", qdwLow+i/2, i%2)
	}
}

func (d qdw) emit(a *asm) {
	b := &qdwBlock
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
	for _, f := range [][2]string{{"colStride", qdwColStride}, {"yStride", qdwYStride}, {"outs", qdwOuts}, {"tiles", qdwTiles},
		{"channels", qdwLast}, {"y", qdwY}, {"cols", qdwCols}} {
		a.fetch(b, f[0], f[1])
	}
	a.p("SUB $%d, %s", qdwBlockChannels, qdwLast)
	d.constants(a)
	tile, block, next, done := a.fresh("tile"), a.fresh("block"), a.fresh("next"), a.fresh("done")
	a.label(tile)
	a.p("MOVD $0, %s", qdwChannel)
	a.fetch(b, "w", qdwPanel)
	a.label(block)
	d.chunk(a)
	a.fetch(b, "blockSize", "R26")
	a.p("ADD R26, %s", qdwPanel)
	a.p("CMP %s, %s", qdwLast, qdwChannel)
	a.p("BEQ %s", next)
	a.p("ADD $%d, %s", qdwBlockChannels, qdwChannel)
	a.p("CMP %s, %s", qdwLast, qdwChannel)
	a.p("CSEL LT, %s, %s, %s", qdwChannel, qdwLast, qdwChannel)
	a.p("B %s", block)
	a.label(next)
	a.fetch(b, "xTile", "R26")
	for r := range rows {
		a.p("ADD R26, %s", rowReg(r))
	}
	a.fetch(b, "yTile", "R26")
	a.p("ADD R26, %s", qdwY)
	a.p("SUBS $1, %s", qdwTiles)
	a.p("BNE %s", tile)
	a.label(done)
	a.p("RET")
}

// chunk is eight channels of a tile.
func (d qdw) chunk(a *asm) {
	t := d.tile()
	a.p("FLDPQ %d(%s), (F%d, F%d)", t.constant(0, 0), qdwPanel, t.acc(0, 0), t.acc(0, 1))
	for o := 1; o < dwTile; o++ {
		a.move(t.acc(o, 0), t.acc(0, 0))
		a.move(t.acc(o, 1), t.acc(0, 1))
	}
	if d.dot {
		a.p("ADD $%d, %s, %s", t.panelBytes(), qdwPanel, qdwWeights)
		for r := 0; r < d.k; r += 4 {
			d.dotRows(a, r, min(4, d.k-r))
		}
	} else {
		d.mulRows(a)
	}
	out := t.finish(a, &qdwBlock, qdwPanel, qdwTaps)
	a.p("ADD %s, %s, %s", qdwChannel, qdwY, qdwAt)
	for i, v := range out {
		skip := a.fresh("out")
		a.p("TBZ $%d, %s, %s", i, qdwOuts, skip)
		a.p("FMOVD F%d, (%s)", v, qdwAt)
		a.label(skip)
		a.p("ADD %s, %s", qdwYStride, qdwAt)
	}
	// The table has taken what stays.
	kept := a.fresh("kept")
	a.fetch(&qdwBlock, "table", "R26")
	a.p("CBZ R26, %s", kept)
	d.constants(a)
	a.label(kept)
}

// columns calls product for each pair of a column j and an output t that it
// reaches with tap k.
func (d qdw) columns(j int, product func(t, k int)) {
	for t := range dwTile {
		if k := j - t*d.stride; k >= 0 && k < d.k {
			product(t, k)
		}
	}
}

// dotRows is n kernel rows from r on.
func (d qdw) dotRows(a *asm, r, n int) {
	sums := d.tile()
	column := func(i int) string { return fmt.Sprintf("R%d", 20+i) }
	for i := range n {
		a.p("ADD %s, %s, %s", qdwChannel, rowReg(r+i), column(i))
	}
	for k := range d.k {
		a.p("FLDPQ.P 32(%s), (F%d, F%d)", qdwWeights, qdwTaps+2*k, qdwTaps+2*k+1)
	}
	table := fmt.Sprintf("[V%d.B16]", qdwRaw)
	if n > 2 {
		table = fmt.Sprintf("[V%d.B16, V%d.B16]", qdwRaw, qdwRaw+1)
	}
	for j := range (dwTile-1)*d.stride + d.k {
		outside, ready := a.fresh("outside"), a.fresh("column")
		a.p("TBZ $%d, %s, %s", j, qdwCols, outside)
		for i := range n {
			if i%2 == 0 {
				a.p("FMOVD (%s), F%d", column(i), qdwRaw+i/2)
			} else {
				a.p("VLD1 (%s), V%d.D[1]", column(i), qdwRaw+i/2)
			}
		}
		for v := range 2 {
			a.p("VTBL V%d.B16, %s, V%d.B16", qdwLow+v, table, qdwIn+v)
			a.bitwise("eor", qdwIn+v, qdwIn+v, qdwFlip)
		}
		a.p("B %s", ready)
		a.label(outside)
		a.move(qdwIn, qdwZero)
		a.move(qdwIn+1, qdwZero)
		a.label(ready)
		d.columns(j, func(t, k int) {
			for v := range 2 {
				a.dot(sums.acc(t, v), qdwIn+v, qdwTaps+2*k+v)
			}
		})
		for i := range n {
			a.p("ADD %s, %s", qdwColStride, column(i))
		}
	}
}

// mulRows is the kernel rows inside of the picture.
func (d qdw) mulRows(a *asm) {
	sums := d.tile()
	a.fetch(&qdwBlock, "rows", "R20")
	a.fetch(&qdwBlock, "rowStride", "R21")
	a.fetch(&qdwBlock, "wSkip", "R26")
	a.p("ADD R26, %s, %s", qdwPanel, qdwWeights)
	a.p("ADD %s, R1, R22", qdwChannel) // a kernel row's first column
	row := a.fresh("row")
	a.label(row)
	for k := range d.k {
		a.p("FMOVQ.P 16(%s), F%d", qdwWeights, qdwTaps+k)
	}
	a.p("MOVD R22, %s", qdwAt)
	for j := range (dwTile-1)*d.stride + d.k {
		skip := a.fresh("col")
		x := qdwIn + j%2
		a.p("TBZ $%d, %s, %s", j, qdwCols, skip)
		a.p("FMOVD (%s), F%d", qdwAt, x)
		a.long("usubl", b8, x, x, qdwZero)
		d.columns(j, func(t, k int) {
			a.long("smlal", h4, sums.acc(t, 0), x, qdwTaps+k)
			a.long("smlal", h8, sums.acc(t, 1), x, qdwTaps+k)
		})
		a.label(skip)
		a.p("ADD %s, %s", qdwColStride, qdwAt)
	}
	a.p("ADD R21, R22")
	a.p("SUBS $1, R20")
	a.p("BNE %s", row)
}
