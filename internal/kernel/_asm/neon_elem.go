package main

// The elementwise routines on NEON; elem.go says what each does. Eights are
// pairs of registers.

func elemNEON(a *asm) {
	scalePanelNEON(a)
	scaleRowsNEON(a)
	sumPixelsNEON(a)
	mapActNEON(a)
	mapBinaryNEON(a, "mapAdd", "fadd")
	mapBinaryNEON(a, "mapMul", "fmul")
	mapBinaryNEON(a, "mapSub", "fsub")
}

// neonGroups are the eights of one turn of a loop, the most first.
var neonGroups = []int{4, 1}

// load and store move registers from v on, pair by pair; the address moves on.
func (a *asm) load(v, eights int, from string) {
	for i := range eights {
		a.p("FLDPQ.P 32(%s), (F%d, F%d)", from, v+2*i, v+2*i+1)
	}
}
func (a *asm) store(v, eights int, to string) {
	for i := range eights {
		a.p("FSTPQ.P (F%d, F%d), 32(%s)", v+2*i, v+2*i+1, to)
	}
}

// eights loops over the eights that register n counts, in groups; body does
// one group.
func (a *asm) eights(n string, body func(eights int)) {
	for _, g := range neonGroups {
		loop, next := a.fresh("eights"), a.fresh("next")
		a.label(loop)
		a.p("SUBS $%d, %s", g, n)
		a.p("BLT %s", next)
		body(g)
		a.p("B %s", loop)
		a.label(next)
		a.p("ADD $%d, %s", g, n)
	}
}

func scalePanelNEON(a *asm) {
	b := &elemBlock
	a.beginNEON("scalePanelNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"b", "R2"}, {"y", "R3"}, {"n", "R4"}, {"m", "R5"}} {
		a.fetch(b, f[0], f[1])
	}
	row, wide := a.fresh("row"), a.fresh("wide")
	a.label(row)
	a.p("FMOVS.P 4(R2), F0")
	a.p("MOVD R5, R6")
	a.label(wide)
	a.load(1, 1, "R1")
	a.mulLane(1, 1, 0, 0)
	a.mulLane(2, 2, 0, 0)
	a.store(1, 1, "R3")
	a.p("SUBS $1, R6")
	a.p("BNE %s", wide)
	a.p("SUBS $1, R4")
	a.p("BNE %s", row)
	a.p("RET")
}

func scaleRowsNEON(a *asm) {
	b := &elemBlock
	a.beginNEON("scaleRowsNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"b", "R2"}, {"y", "R3"}, {"n", "R4"}, {"m", "R5"}, {"stride", "R6"}, {"mode", "R7"}} {
		a.fetch(b, f[0], f[1])
	}
	row := a.fresh("row")
	a.label(row)
	for _, r := range [][2]string{{"R1", "R8"}, {"R2", "R9"}, {"R3", "R10"}, {"R5", "R11"}} {
		a.p("MOVD %s, %s", r[0], r[1])
	}
	a.eights("R11", func(eights int) {
		a.load(0, eights, "R8")
		a.load(16, eights, "R9")
		for i := range 2 * eights {
			a.op("fmul", i, i, 16+i)
		}
		a.store(0, eights, "R10")
	})
	a.p("ADD R6, R1")
	a.p("ADD R7, R3")
	a.p("SUBS $1, R4")
	a.p("BNE %s", row)
	a.p("RET")
}

func sumPixelsNEON(a *asm) {
	b := &elemBlock
	a.beginNEON("sumPixelsNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"y", "R3"}, {"n", "R4"}, {"m", "R5"}, {"stride", "R6"}, {"mode", "R7"}} {
		a.fetch(b, f[0], f[1])
	}
	a.eights("R7", func(eights int) {
		// The total, a row's sum, a pixel.
		const total, line, pixel = 0, 8, 16
		row, next := a.fresh("row"), a.fresh("pixel")
		a.p("MOVD R1, R8")
		a.p("MOVD R4, R9")
		for i := range 2 * eights {
			a.zeroNEON(total + i)
		}
		a.label(row)
		for i := range 2 * eights {
			a.zeroNEON(line + i)
		}
		a.p("MOVD R5, R10")
		a.label(next)
		for i := range eights {
			a.p("FLDPQ %d(R8), (F%d, F%d)", 32*i, pixel+2*i, pixel+2*i+1)
		}
		for i := range 2 * eights {
			a.op("fadd", line+i, line+i, pixel+i)
		}
		a.p("ADD R6, R8")
		a.p("SUBS $1, R10")
		a.p("BNE %s", next)
		for i := range 2 * eights {
			a.op("fadd", total+i, total+i, line+i)
		}
		a.p("SUBS $1, R9")
		a.p("BNE %s", row)
		a.splat(b, "scale", pixel)
		for i := range 2 * eights {
			a.op("fdiv", total+i, total+i, pixel)
		}
		a.store(total, eights, "R3")
		a.p("ADD $%d, R1", 32*eights)
	})
	a.p("RET")
}

func mapActNEON(a *asm) {
	b := &elemBlock
	a.beginNEON("mapActNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"y", "R3"}, {"n", "R4"}} {
		a.fetch(b, f[0], f[1])
	}
	a.p("LSR $3, R4")
	curved := a.fresh("curves")
	a.fetch(b, "mode", "R5")
	a.p("CMP $%d, R5", curves[0].mode)
	a.p("BGE %s", curved)
	a.eights("R4", func(eights int) {
		a.load(0, eights, "R1")
		accs := []int{0, 1, 2, 3, 4, 5, 6, 7}[:2*eights]
		epilogueNEON(a, b, accs, 8)
		a.store(0, eights, "R3")
	})
	a.p("RET")
	a.label(curved)
	mapCurvesNEON(a)
}

func mapBinaryNEON(a *asm, name, op string) {
	b := &elemBlock
	a.beginNEON(name+"NEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"b", "R2"}, {"y", "R3"}, {"n", "R4"}} {
		a.fetch(b, f[0], f[1])
	}
	const lo, hi = 16, 17
	a.splat(b, "lo", lo)
	a.splat(b, "hi", hi)
	a.p("LSR $3, R4")
	a.eights("R4", func(eights int) {
		a.load(0, eights, "R1")
		a.load(8, eights, "R2")
		for i := range 2 * eights {
			a.op(op, i, i, 8+i)
			a.op("fmax", i, i, lo)
			a.op("fmin", i, i, hi)
		}
		a.store(0, eights, "R3")
	})
	a.p("RET")
}
