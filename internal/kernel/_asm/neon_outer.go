package main

import "fmt"

// The outer products of weights' gradients on NEON. Panels are of sixteen
// numbers, four registers, or eight. Six rows of sixteen are 24 sums; the
// numbers that are broadcast come as lanes, so a pixel costs 4 loads for 24
// products of vectors.

func outerNEON(a *asm) {
	b := &outerBlock
	a.beginNEON("outerNEON", b)
	for _, f := range [][2]string{{"uStride", "R8"}, {"vStride", "R9"}, {"sumStride", "R10"}, {"u", "R1"}, {"v", "R2"}, {"sums", "R3"}, {"us", "R11"}, {"vs", "R12"}} {
		a.fetch(b, f[0], f[1])
	}
	one, end := a.fresh("one"), a.fresh("end")
	a.p("CMP $8, R12")
	a.p("BLE %s", one)
	for _, vecs := range []int{4, 2} {
		sizes := []int{6, 4, 2, 1}
		if vecs == 2 {
			a.label(one)
			sizes = []int{8, 4, 2, 1}
		}
		for _, rows := range sizes {
			loop, next := a.fresh("tile"), a.fresh("next")
			a.label(loop)
			a.p("CMP $%d, R11", rows)
			a.p("BLT %s", next)
			outerTileNEON(a, rows, vecs)
			a.p("ADD $%d, R1", 4*rows)
			a.p("SUB $%d, R11", rows)
			a.p("B %s", loop)
			a.label(next)
		}
		if vecs == 4 {
			a.p("B %s", end)
		}
	}
	a.label(end)
	a.p("RET")
}

func outerTileNEON(a *asm, rows, vecs int) {
	acc := func(r, j int) int { return r*vecs + j }
	x, u := rows*vecs, rows*vecs+vecs
	for i := range rows * vecs {
		a.zeroNEON(i)
	}
	// The sums come from afar: they are on their way while the pixels pass.
	a.p("MOVD R3, R13")
	for range rows {
		a.p("PRFM (R13), PLDL1KEEP")
		a.p("ADD R10, R13")
	}
	a.p("MOVD R1, R4")
	a.p("MOVD R2, R5")
	a.fetch(&outerBlock, "pixels", "R6")
	loop := a.fresh("pixel")
	a.label(loop)
	switch rows {
	case 8:
		a.p("FLDPQ (R4), (F%d, F%d)", u, u+1)
	case 6:
		a.p("FMOVQ (R4), F%d", u)
		a.p("FMOVD 16(R4), F%d", u+1)
	default:
		a.p("%s (R4), F%d", map[int]string{4: "FMOVQ", 2: "FMOVD", 1: "FMOVS"}[rows], u)
	}
	a.p("ADD R8, R4")
	for j := 0; j < vecs; j += 2 {
		a.p("FLDPQ %d(R5), (F%d, F%d)", 16*j, x+j, x+j+1)
	}
	a.p("ADD R9, R5")
	// Vector by vector: the first ones' products hide the others' way, for
	// processors that run instructions in order.
	for j := range vecs {
		for r := range rows {
			a.mulAddLane(acc(r, j), x+j, u+r/4, r%4)
		}
	}
	a.p("SUBS $1, R6")
	a.p("BNE %s", loop)
	for r := range rows {
		for j := 0; j < vecs; j += 2 {
			pair := fmt.Sprintf("(F%d, F%d)", x, x+1)
			a.p("FLDPQ %d(R3), %s", 16*j, pair)
			a.op("fadd", acc(r, j), acc(r, j), x)
			a.op("fadd", acc(r, j+1), acc(r, j+1), x+1)
			a.p("FSTPQ (F%d, F%d), %d(R3)", acc(r, j), acc(r, j+1), 16*j)
		}
		a.p("ADD R10, R3")
	}
}
