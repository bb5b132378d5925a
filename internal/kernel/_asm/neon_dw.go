package main

import "fmt"

// Depthwise convolutions on NEON: a tile of seven outputs by a block of eight
// channels, two registers: fourteen chains of sums. What channels are left
// over go by four and one, in the lanes of the last block.

// neonBlock is the channels of a block of weights.
const neonBlock = 8

func (d dwKind) nameNEON() string { return fmt.Sprintf("dw%dS%dNEON", d.k, d.stride) }

func dwNEON(a *asm) {
	for _, k := range dwKinds {
		k.emitNEON(a)
	}
}

func (d dwKind) emitNEON(a *asm) {
	b := &dwBlock
	a.beginNEON(d.nameNEON(), b)
	a.fetch(b, "x", "R1")
	a.fetch(b, "xOff", "R2")
	a.p("ADD R2, R1")
	for _, f := range [][2]string{{"y", "R2"}, {"res", "R3"}, {"colStride", "R4"}, {"rowStride", "R5"}, {"yStride", "R6"},
		{"cols", "R7"}, {"outs", "R8"}, {"tiles", "R9"}, {"channels", "R10"}, {"wSkip", "R11"}} {
		a.fetch(b, f[0], f[1])
	}
	a.p("LSL $2, R10")
	tile, eight, four, one, next, done := a.fresh("tile"), a.fresh("eight"), a.fresh("four"), a.fresh("one"), a.fresh("next"), a.fresh("done")
	a.label(tile)
	a.p("MOVD $0, R12") // bytes of channels done
	a.fetch(b, "w", "R13")
	left := func(bytes int, otherwise string) {
		a.p("SUB R12, R10, R26")
		a.p("CMP $%d, R26", bytes)
		a.p("BLT %s", otherwise)
	}
	a.label(eight)
	left(32, four)
	d.chunkNEON(a, 8)
	a.p("ADD R11, R14, R13") // the next block
	a.p("B %s", eight)
	a.label(four)
	left(16, one)
	d.chunkNEON(a, 4)
	a.p("ADD $16, R13")
	a.label(one)
	left(4, next)
	d.chunkNEON(a, 1)
	a.p("ADD $4, R13")
	a.p("B %s", one)
	a.label(next)
	a.fetch(b, "xTile", "R26")
	a.p("ADD R26, R1")
	a.fetch(b, "yTile", "R26")
	a.p("ADD R26, R2")
	a.p("CBZ R3, %s", done)
	a.p("ADD R26, R3")
	a.label(done)
	a.p("SUBS $1, R9")
	a.p("BNE %s", tile)
	a.p("RET")
}

// chunkNEON is some channels at byte R12 of a tile, with weights at R13, which
// R14 leaves behind the last kernel row used.
func (d dwKind) chunkNEON(a *asm, channels int) {
	vecs := (channels + 3) / 4
	regs := func(v int) string {
		if channels == 8 {
			return fmt.Sprintf("(F%d, F%d)", v, v+1)
		}
		return fmt.Sprintf("F%d", v)
	}
	load := func(mem string, v int) {
		a.p("%s %s, %s", map[int]string{8: "FLDPQ", 4: "FMOVQ", 1: "FMOVS"}[channels], mem, regs(v))
	}
	store := func(mem string, v int) {
		a.p("%s %s, %s", map[int]string{8: "FSTPQ", 4: "FMOVQ", 1: "FMOVS"}[channels], regs(v), mem)
	}
	acc := func(t, v int) int { return t*vecs + v }
	tap := func(k, v int) int { return (dwTile+k)*vecs + v }
	in := func(j int) int { return (dwTile + d.k + j%2) * vecs }

	a.fetch(&dwBlock, "bias", "R26")
	a.p("ADD R12, R26")
	load("(R26)", acc(0, 0))
	for t := 1; t < dwTile; t++ {
		for v := range vecs {
			a.move(acc(t, v), acc(0, v))
		}
	}
	a.p("MOVD R13, R14")
	a.p("ADD R12, R1, R15") // a kernel row's first column
	a.fetch(&dwBlock, "rows", "R20")
	row := a.fresh("row")
	a.label(row)
	for k := range d.k {
		load(fmt.Sprintf("%d(R14)", 4*neonBlock*k), tap(k, 0))
	}
	a.p("MOVD R15, R19")
	for j := range (dwTile-1)*d.stride + d.k {
		skip := a.fresh("col")
		a.p("TBZ $%d, R7, %s", j, skip)
		load("(R19)", in(j))
		for t := range dwTile {
			if k := j - t*d.stride; k >= 0 && k < d.k {
				for v := range vecs {
					a.mulAdd(acc(t, v), in(j)+v, tap(k, v))
				}
			}
		}
		a.label(skip)
		a.p("ADD R4, R19")
	}
	a.p("ADD $%d, R14", 4*neonBlock*d.k)
	a.p("ADD R5, R15")
	a.p("SUBS $1, R20")
	a.p("BNE %s", row)

	var accs []int
	for i := range dwTile * vecs {
		accs = append(accs, i)
	}
	epilogueNEON(a, &dwBlock, accs, dwTile*vecs)

	stores := a.fresh("store")
	a.p("CBZ R3, %s", stores)
	a.p("ADD R12, R3, R19")
	for t := range dwTile {
		skip := a.fresh("out")
		a.p("TBZ $%d, R8, %s", t, skip)
		load("(R19)", dwTile*vecs)
		for v := range vecs {
			a.op("fadd", acc(t, v), acc(t, v), dwTile*vecs+v)
		}
		a.label(skip)
		a.p("ADD R6, R19")
	}
	a.label(stores)
	a.p("ADD R12, R2, R19")
	for t := range dwTile {
		skip := a.fresh("out")
		a.p("TBZ $%d, R8, %s", t, skip)
		store("(R19)", acc(t, 0))
		a.label(skip)
		a.p("ADD R6, R19")
	}
	a.p("ADD $%d, R12", 4*channels)
}
