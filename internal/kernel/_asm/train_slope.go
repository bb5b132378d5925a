package main

// The gradients behind activations, dy*act'(x), written once for all
// instruction sets like the activations of curves.go. At a kink the side is
// ref.ActSlope's.

// slopeUnit is a unit with the selections that the kinks need.
type slopeUnit interface {
	unit
	// without makes d zero where x > y, or with or x >= y; choose makes it s
	// there. For a NaN nothing changes. t is free.
	without(or bool, d, x, y, t int)
	choose(or bool, d, s, x, y, t int)
}

// slope is an activation's: constants fills the registers from c on, body has x
// in r[0] and leaves the slope in the register it returns, never r[4].
type slope struct {
	mode      int
	constants func(u slopeUnit, c int)
	body      func(u slopeUnit, r [5]int, c int) int
}

var slopes = []slope{
	{modeHSwish,
		func(u slopeUnit, c int) {
			u.param(c, "scale")
			u.number(c+1, 3)
			u.number(c+2, -3)
			u.number(c+3, 6)
			u.calc("mul", c+3, c+3, c)
		},
		func(u slopeUnit, r [5]int, c int) int {
			u.calc("add", r[1], r[0], r[0])
			u.calc("add", r[1], r[1], c+1)
			u.calc("mul", r[1], r[1], c)
			u.choose(false, r[1], c+3, r[0], c+1, r[2])
			u.without(false, r[1], c+2, r[0], r[2])
			return r[1]
		}},
	{modeHSigmoid,
		func(u slopeUnit, c int) {
			u.param(c, "scale")
			u.number(c+1, 3)
			u.number(c+2, -3)
		},
		func(u slopeUnit, r [5]int, c int) int {
			u.copy(r[1], c)
			u.without(true, r[1], r[0], c+1, r[2])
			u.without(true, r[1], c+2, r[0], r[2])
			return r[1]
		}},
	{modeLeaky,
		func(u slopeUnit, c int) {
			u.param(c, "scale")
			u.number(c+1, 1)
			u.number(c+2, 0)
		},
		func(u slopeUnit, r [5]int, c int) int {
			u.copy(r[1], c+1)
			u.choose(true, r[1], c, c+2, r[0], r[2])
			return r[1]
		}},
	{modeHardSigmoid,
		func(u slopeUnit, c int) {
			u.param(c, "scale")
			u.param(c+1, "lo")
			u.number(c+2, 0)
			u.number(c+3, 1)
		},
		func(u slopeUnit, r [5]int, c int) int {
			u.calc("mul", r[0], r[0], c)
			u.calc("add", r[0], r[0], c+1)
			u.copy(r[1], c)
			u.without(true, r[1], r[0], c+3, r[2])
			u.without(true, r[1], c+2, r[0], r[2])
			return r[1]
		}},
	{modeSigmoid,
		func(u slopeUnit, c int) { powerConstants(u, -1, c) },
		func(u slopeUnit, r [5]int, c int) int {
			s := sigmoid(u, r, c)
			u.calc("sub", r[1], c, s)
			u.calc("mul", r[1], r[1], s)
			return r[1]
		}},
	{modeSwish,
		func(u slopeUnit, c int) { powerConstants(u, -1, c) },
		func(u slopeUnit, r [5]int, c int) int {
			s := sigmoid(u, r, c)
			u.calc("sub", r[1], c, s)
			u.calc("mul", r[1], r[1], r[0])
			u.calc("add", r[1], r[1], c)
			u.calc("mul", r[1], r[1], s)
			return r[1]
		}},
}

// sigmoid is 1/(1 + e^-x) in the register it returns, neither r[0], r[1] nor
// r[4].
func sigmoid(u unit, r [5]int, c int) int {
	e := power(u, -1, r, c)
	u.calc("add", e, e, c)
	u.calc("div", e, c, e)
	return e
}

// behind is a whole routine's part for one activation: body leaves dy*act'(x)
// in r[0]; load brings dy, which the constants of a power leave no register
// before.
type behind struct {
	mode      int
	constants func(u slopeUnit, c int)
	body      func(u slopeUnit, r [5]int, c int, load func(d int))
}

// behinds are the slopes, and last the clip, which takes dy as it is or a zero
// without a sign.
func behinds() (all []behind) {
	for _, s := range slopes {
		all = append(all, behind{s.mode, s.constants, func(u slopeUnit, r [5]int, c int, load func(d int)) {
			d := s.body(u, r, c)
			load(r[4])
			u.calc("mul", r[0], r[4], d)
		}})
	}
	return append(all, behind{modeClip,
		func(u slopeUnit, c int) {
			u.param(c, "lo")
			u.param(c+1, "hi")
		},
		func(u slopeUnit, r [5]int, c int, load func(d int)) {
			load(r[4])
			u.without(true, r[4], c, r[0], r[2])
			u.without(true, r[4], r[0], c+1, r[2])
			u.copy(r[0], r[4])
		}})
}

func (u unitX86) without(or bool, d, x, y, t int) {
	keep := 10 // not x > y
	if or {
		keep = 9 // not x >= y
	}
	if u.evex {
		k := 1 + d/5 // one of its own for each set of registers
		u.a.p("VCMPPS $%d, %s, %s, K%d", keep, u.s.v(y), u.s.v(x), k)
		u.a.p("VMOVAPS.Z %s, K%d, %s", u.s.v(d), k, u.s.v(d))
		return
	}
	u.a.p("VCMPPS $%d, %s, %s, %s", keep, u.s.v(y), u.s.v(x), u.s.v(t))
	u.a.p("VANDPS %s, %s, %s", u.s.v(t), u.s.v(d), u.s.v(d))
}

func (u unitX86) choose(or bool, d, s, x, y, t int) {
	is := 14 // x > y
	if or {
		is = 13 // x >= y
	}
	if u.evex {
		k := 1 + d/5
		u.a.p("VCMPPS $%d, %s, %s, K%d", is, u.s.v(y), u.s.v(x), k)
		u.a.p("VMOVAPS %s, K%d, %s", u.s.v(s), k, u.s.v(d))
		return
	}
	u.a.p("VCMPPS $%d, %s, %s, %s", is, u.s.v(y), u.s.v(x), u.s.v(t))
	u.a.p("VBLENDVPS %s, %s, %s, %s", u.s.v(t), u.s.v(s), u.s.v(d), u.s.v(d))
}

func compareNEON(or bool) string {
	if or {
		return "fcmge"
	}
	return "fcmgt"
}

func (u unitNEON) without(or bool, d, x, y, t int) {
	u.a.op(compareNEON(or), t, x, y)
	u.a.clear(d, t)
}

func (u unitNEON) choose(or bool, d, s, x, y, t int) {
	u.a.op(compareNEON(or), t, x, y)
	u.a.p("VBIT V%d.B16, V%d.B16, V%d.B16", t, s, d)
}

// slopeFile writes mapSlope: n elements of y = b*act'(x), a multiple of 8.
func slopeFile(a *asm) {
	var pool []uint32
	for _, s := range isas {
		b := &elemBlock
		a.begin("mapSlope"+s.name, b)
		a.p("MOVQ %s, SI", b.at("x"))
		a.p("MOVQ %s, BX", b.at("b"))
		a.p("MOVQ %s, DX", b.at("y"))
		a.p("MOVQ %s, CX", b.at("n"))
		a.p("MOVQ %s, AX", b.at("mode"))
		all := behinds()
		for i, k := range all {
			if i == len(all)-1 {
				k.loopX86(a, s, &pool)
				break
			}
			next := a.fresh("slope")
			a.p("CMPQ AX, $%d", k.mode)
			a.p("JNE %s", next)
			k.loopX86(a, s, &pool)
			a.label(next)
		}
	}
	a.numbers(pool)
}

// loopX86 goes through the elements, the most at a time first, and returns.
func (k behind) loopX86(a *asm, s isa, pool *[]uint32) {
	// As in mapCurves.
	c, groups := 5, []struct {
		s    isa
		sets int
	}{{s, 1}}
	if s.regs == 32 {
		c, groups[0].sets = 16, 2
		groups = append(groups, groups[0])
		groups[1].s, groups[1].sets = isa{s.name, "Y", 8, s.regs}, 1
	}
	k.constants(unitX86{a, s, s.regs == 32, pool}, c)
	for _, g := range groups {
		loop, rest := a.fresh("loop"), a.fresh("rest")
		a.label(loop)
		a.p("SUBQ $%d, CX", g.sets*g.s.lanes)
		a.p("JLT %s", rest)
		var bodies []func(a *asm)
		for set := range g.sets {
			bodies = append(bodies, func(a *asm) {
				u := unitX86{a, g.s, s.regs == 32, pool}
				r := [5]int{5 * set, 5*set + 1, 5*set + 2, 5*set + 3, 5*set + 4}
				at := set * g.s.bytes()
				a.p("VMOVUPS %d(SI), %s", at, g.s.v(r[0]))
				k.body(u, r, c, func(d int) { a.p("VMOVUPS %d(BX), %s", at, g.s.v(d)) })
				a.p("VMOVUPS %s, %d(DX)", g.s.v(r[0]), at)
			})
		}
		a.together(bodies...)
		for _, reg := range []string{"SI", "BX", "DX"} {
			a.p("ADDQ $%d, %s", 4*g.sets*g.s.lanes, reg)
		}
		a.p("JMP %s", loop)
		a.label(rest)
		a.p("ADDQ $%d, CX", g.sets*g.s.lanes)
	}
	a.end()
}

func slopeNEON(a *asm) {
	b := &elemBlock
	a.beginNEON("mapSlopeNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"b", "R2"}, {"y", "R3"}, {"n", "R4"}, {"mode", "R5"}} {
		a.fetch(b, f[0], f[1])
	}
	all := behinds()
	for i, k := range all {
		if i == len(all)-1 {
			k.loopNEON(a)
			return
		}
		next := a.fresh("slope")
		a.p("CMP $%d, R5", k.mode)
		a.p("BNE %s", next)
		k.loopNEON(a)
		a.label(next)
	}
}

// loopNEON goes through the elements by eights and returns.
func (k behind) loopNEON(a *asm) {
	const c = 16
	k.constants(unitNEON{a}, c)
	loop := a.fresh("loop")
	a.label(loop)
	a.p("FLDPQ.P 32(R1), (F0, F5)")
	set := func(first, at int) func(*asm) {
		return func(a *asm) {
			k.body(unitNEON{a}, [5]int{first, first + 1, first + 2, first + 3, first + 4}, c,
				func(d int) { a.p("FMOVQ %d(R2), F%d", at, d) })
		}
	}
	a.together(set(0, 0), set(5, 16))
	a.p("ADD $32, R2")
	a.p("FSTPQ.P (F0, F5), 32(R3)")
	a.p("SUBS $8, R4")
	a.p("BNE %s", loop)
	a.p("RET")
}

func init() {
	for _, s := range isas {
		functions = append(functions, function{"mapSlope" + s.name, elemBlock.name, "mapSlope" + s.name + " computes b*act'(x) of n elements."})
	}
}
