package main

import "fmt"

// The batch norms of training on NEON; train_norm.go says what each routine
// does. A vector is eight channels, two registers; what is left over goes by
// four and by one, in the lanes of a register whose others are zero.

// The registers of four rows: parameters, inputs, gradients, what is free, and
// the constants of the slopes from the top.
const (
	neonNormX    = 6
	neonNormG    = 14
	neonNormTemp = 22
)

// lanesNEON moves some channels, 8, 4 or 1, from or to registers v on; with
// move the address goes on.
func (a *asm) lanesNEON(load bool, channels int, move bool, reg string, v int) {
	name := map[int]string{8: "FLDPQ", 4: "FMOVQ", 1: "FMOVS"}[channels]
	regs := fmt.Sprintf("F%d", v)
	if channels == 8 {
		regs = fmt.Sprintf("(F%d, F%d)", v, v+1)
		if !load {
			name = "FSTPQ"
		}
	}
	mem := fmt.Sprintf("(%s)", reg)
	if move {
		name, mem = name+".P", fmt.Sprintf("%d(%s)", 4*channels, reg)
	}
	if load {
		a.p("%s %s, %s", name, mem, regs)
	} else {
		a.p("%s %s, %s", name, regs, mem)
	}
}

// channelsNEON runs a body for the channels that a register counts, which it
// uses up: for eights, a four and ones.
func (a *asm) channelsNEON(count string, body func(channels int)) {
	for _, n := range []int{8, 4, 1} {
		loop, next := a.fresh("channels"), a.fresh("next")
		a.label(loop)
		a.p("SUBS $%d, %s", n, count)
		a.p("BLT %s", next)
		body(n)
		if n != 4 {
			a.p("B %s", loop)
		} else {
			a.p("B %s", a.skipped(next))
		}
		a.label(next)
		a.p("ADD $%d, %s", n, count)
		if n == 4 {
			a.label(a.skipped(next))
		}
	}
}

// skipped is a label behind another.
func (a *asm) skipped(label string) string { return label + "behind" }

func normNEON(a *asm) {
	for _, k := range normKinds {
		k.emitNEON(a)
	}
}

func (k normKind) emitNEON(a *asm) {
	a.beginNEON(k.name+"NEON", &normBlock)
	if !k.grad {
		k.loopsNEON(a, -1)
		return
	}
	// One loop for each slope.
	clip, hswish := a.fresh("clip"), a.fresh("hswish")
	a.fetch(&normBlock, "mode", "R26")
	a.p("CMP $%d, R26", modeClip)
	a.p("BEQ %s", clip)
	a.p("CMP $%d, R26", modeHSwish)
	a.p("BEQ %s", hswish)
	k.loopsNEON(a, modeLinear)
	a.label(clip)
	k.loopsNEON(a, modeClip)
	a.label(hswish)
	k.loopsNEON(a, modeHSwish)
}

// loopsNEON goes through the rows in groups of four and one by one, and
// returns.
func (k normKind) loopsNEON(a *asm, mode int) {
	b := &normBlock
	switch mode {
	case modeClip:
		a.splat(b, "lo", 30)
		a.splat(b, "hi", 31)
	case modeHSwish:
		// 2*scale and 3*scale make the slope, 6*scale is its end.
		a.splat(b, "scale", 0)
		a.op("fadd", 27, 0, 0)
		a.op("fadd", 28, 0, 27)
		a.op("fadd", 29, 28, 28)
		a.constant(30, 3)
		a.zeroNEON(31)
		a.op("fsub", 31, 31, 30)
	}
	a.fetch(b, "rows", "R22")
	for _, rows := range []int{4, 1} {
		loop, next := a.fresh("rows"), a.fresh("next")
		a.label(loop)
		a.p("CMP $%d, R22", rows)
		a.p("BLT %s", next)
		k.passNEON(a, rows, mode)
		a.p("SUB $%d, R22", rows)
		a.p("B %s", loop)
		a.label(next)
	}
	a.p("RET")
}

// passNEON is a group of rows, all channels.
func (k normKind) passNEON(a *asm, rows, mode int) {
	b := &normBlock
	// The rows' addresses; the block is left with those of the next group.
	for _, f := range []struct {
		on           bool
		name, stride string
		first        int
	}{{true, "x", "xStride", 1}, {k.grad, "dy", "dyStride", 5}, {k.writes, "y", "yStride", 9}} {
		if !f.on {
			continue
		}
		a.fetch(b, f.name, fmt.Sprintf("R%d", f.first))
		a.fetch(b, f.stride, "R23")
		for r := 1; r < rows; r++ {
			a.p("ADD R23, R%d, R%d", f.first+r-1, f.first+r)
		}
		a.p("ADD R23, R%d, R24", f.first+rows-1)
		a.p("MOVD R24, %d(R0)", b.off(f.name))
	}
	for _, f := range [][2]string{{"a", "R13"}, {"b", "R14"}, {"p", "R15"}, {"channels", "R21"}} {
		a.fetch(b, f[0], f[1])
	}
	if k.writes {
		a.fetch(b, "q", "R19")
		a.fetch(b, "r", "R20")
	} else {
		a.fetch(b, "s0", "R19")
		a.fetch(b, "s1", "R20")
	}
	a.channelsNEON("R21", func(channels int) { k.vectorNEON(a, rows, mode, channels) })
}

// vectorNEON is some channels of a group of rows.
func (k normKind) vectorNEON(a *asm, rows, mode, channels int) {
	vecs := (channels + 3) / 4
	x := func(r, v int) int { return neonNormX + 2*r + v }
	g := func(r, v int) int { return neonNormG + 2*r + v }
	param := func(reg string, i int) func(v int) int {
		a.lanesNEON(true, channels, true, reg, 2*i)
		return func(v int) int { return 2*i + v }
	}
	each := func(f func(r, v int)) {
		for r := range rows {
			for v := range vecs {
				f(r, v)
			}
		}
	}
	inputs := func(mean func(v int) int) {
		for r := range rows {
			a.lanesNEON(true, channels, true, fmt.Sprintf("R%d", 1+r), x(r, 0))
		}
		each(func(r, v int) { a.op("fsub", x(r, v), x(r, v), mean(v)) })
	}
	// sums adds the rows' numbers in pairs, then to s: less rounding, shorter
	// chains. It overwrites them.
	sums := func(s func(v int) int, of func(r, v int) int) {
		for step := 1; step < rows; step *= 2 {
			for r := 0; r < rows; r += 2 * step {
				for v := range vecs {
					a.op("fadd", of(r, v), of(r, v), of(r+step, v))
				}
			}
		}
		for v := range vecs {
			a.op("fadd", s(v), s(v), of(0, v))
		}
	}
	total := func(i int) func(v int) int {
		a.lanesNEON(true, channels, false, fmt.Sprintf("R%d", 19+i), 2*i)
		return func(v int) int { return 2*i + v }
	}
	store := func() {
		// The addresses move on by themselves: the next loads need not wait
		// for what is stored.
		for i, reg := range []string{"R19", "R20"} {
			a.lanesNEON(false, channels, false, reg, 2*i)
			a.p("ADD $%d, %s", 4*channels, reg)
		}
	}
	switch k.name {
	case "normStats":
		shift := param("R13", 2)
		s0, s1 := total(0), total(1)
		inputs(shift)
		each(func(r, v int) { a.mulAdd(s1(v), x(r, v), x(r, v)) })
		sums(s0, x)
		store()
	case "normApply":
		f, c, mean := param("R13", 0), param("R14", 1), param("R15", 2)
		inputs(mean)
		var accs []int
		each(func(r, v int) {
			a.move(g(r, v), c(v))
			a.mulAdd(g(r, v), x(r, v), f(v))
			accs = append(accs, g(r, v))
		})
		epilogueNEON(a, &normBlock, accs, neonNormTemp)
		for r := range rows {
			a.lanesNEON(false, channels, true, fmt.Sprintf("R%d", 9+r), g(r, 0))
		}
	case "normGradSums":
		f, c, mean := param("R13", 0), param("R14", 1), param("R15", 2)
		inputs(mean)
		k.slopesNEON(a, rows, mode, channels, f, c)
		s0, s1 := total(0), total(1)
		each(func(r, v int) { a.mulAdd(s1(v), x(r, v), g(r, v)) })
		sums(s0, g)
		store()
	case "normGradInput":
		f, c, mean := param("R13", 0), param("R14", 1), param("R15", 2)
		inputs(mean)
		k.slopesNEON(a, rows, mode, channels, f, c)
		p, q := param("R19", 1), param("R20", 2)
		for r := range rows {
			t := func(v int) int { return neonNormTemp + 2*(r%2) + v }
			for v := range vecs {
				a.move(t(v), q(v))
				a.mulAdd(t(v), x(r, v), p(v))
				a.mulAdd(t(v), g(r, v), f(v))
			}
			a.lanesNEON(false, channels, true, fmt.Sprintf("R%d", 9+r), t(0))
		}
	}
}

// slopesNEON makes the gradients behind the activation of all rows. What a
// test takes away is false for a NaN, which so stays.
func (k normKind) slopesNEON(a *asm, rows, mode, channels int, f, c func(v int) int) {
	for r := range rows {
		a.lanesNEON(true, channels, true, fmt.Sprintf("R%d", 5+r), neonNormG+2*r)
		if mode == modeLinear {
			continue
		}
		for v := range (channels + 3) / 4 {
			x, g := neonNormX+2*r+v, neonNormG+2*r+v
			z, t := neonNormTemp+v, neonNormTemp+2+v
			a.move(z, c(v))
			a.mulAdd(z, x, f(v))
			if mode == modeClip {
				a.op("fcmge", t, 30, z)
				a.clear(g, t)
				a.op("fcmge", t, z, 31)
				a.clear(g, t)
				continue
			}
			const slope = 26
			a.move(slope, 28)
			a.mulAdd(slope, z, 27)
			a.op("fcmgt", t, z, 30)
			a.p("VBIT V%d.B16, V%d.B16, V%d.B16", t, 29, slope)
			a.op("fmul", g, g, slope)
			a.op("fcmgt", t, 31, z)
			a.clear(g, t)
		}
	}
}

// clear is d &^= mask.
func (a *asm) clear(d, mask int) {
	a.word(uint32(0x4e601c00|mask<<16|d<<5|d), "bic v%d.16b, v%d.16b, v%d.16b", d, d, mask)
}
