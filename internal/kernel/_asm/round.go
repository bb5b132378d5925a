package main

// The routines of fake quantization, a register of elements at a time.

// roundBlock is what they take.
var roundBlock = block{"roundArgs", "roundArgs are the arguments of fake quantization.", []field{
	{"x", "*float32", ""},
	{"b", "*float32", "the gradient of the result"},
	{"y", "*float32", "may be x or b"},
	{"n", "int", "elements, a multiple of a vector's"},
	{"inv", "float32", "factor of x"},
	{"lo", "float32", "bounds of steps"},
	{"hi", "float32", ""},
	{"scale", "float32", "of a step"},
	{"none", "int", "not 0 where there were NaNs"},
}}

func roundFunctions() (all []function) {
	for _, s := range isas {
		all = append(all, roundNames(s.name)...)
	}
	return all
}

func roundNames(suffix string) []function {
	return []function{
		{"roundSteps" + suffix, roundBlock.name, "roundSteps" + suffix + " computes round(min(max(x*inv, lo), hi)) * scale."},
		{"roundGrad" + suffix, roundBlock.name, "roundGrad" + suffix + " computes b where round(x*inv) is in [lo,hi], 0 elsewhere."},
		{"extremes" + suffix, roundBlock.name, "extremes" + suffix + " computes the least and the greatest of each lane."},
	}
}

func roundFile(a *asm) {
	for _, s := range isas {
		roundSteps(a, s)
		roundGrad(a, s)
		extremes(a, s)
	}
}

// nearest is d = n rounded to integers, ties to even.
func (a *asm) nearest(s isa, n, d int) {
	if s.lanes == 16 {
		a.p("VRNDSCALEPS $8, %s, %s", s.v(n), s.v(d))
	} else {
		a.p("VROUNDPS $8, %s, %s", s.v(n), s.v(d))
	}
}

// beginRound loads the arrays and the four numbers to registers 12 to 15.
func (a *asm) beginRound(name string, s isa) (loop string) {
	b := &roundBlock
	a.begin(name+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, BX", b.at("b"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	for i, name := range []string{"inv", "lo", "hi", "scale"} {
		a.p("VBROADCASTSS %s, %s", b.at(name), s.v(12+i))
	}
	a.p("XORL R9, R9")
	return a.fresh("loop")
}

func (a *asm) endLoop(s isa, loop string) {
	a.p("ADDQ $%d, R9", s.lanes)
	a.p("CMPQ R9, CX")
	a.p("JLT %s", loop)
}

// zeroX86 clears a register.
func (a *asm) zeroX86(s isa, v int) {
	if s.lanes == 16 {
		a.p("VPXORD %s, %s, %s", s.v(v), s.v(v), s.v(v))
	} else {
		a.p("VXORPS %s, %s, %s", s.v(v), s.v(v), s.v(v))
	}
}

func roundSteps(a *asm, s isa) {
	loop := a.beginRound("roundSteps", s)
	a.zeroX86(s, 11)
	a.label(loop)
	a.p("VMULPS (SI)(R9*4), %s, %s", s.v(12), s.v(0))
	// Of a NaN and a bound the NaN is left: it is the second operand.
	a.p("VMAXPS %s, %s, %s", s.v(0), s.v(13), s.v(0))
	a.p("VMINPS %s, %s, %s", s.v(0), s.v(14), s.v(0))
	a.nearest(s, 0, 0)
	a.p("VADDPS %s, %s, %s", s.v(11), s.v(0), s.v(0)) // no -0
	a.p("VMULPS %s, %s, %s", s.v(15), s.v(0), s.v(0))
	a.p("VMOVUPS %s, (DX)(R9*4)", s.v(0))
	a.endLoop(s, loop)
	a.end()
}

// Predicates of comparisons: less, false for NaNs; one is a NaN.
const (
	lessThan = 0x11
	notOrder = 3
)

func roundGrad(a *asm, s isa) {
	loop := a.beginRound("roundGrad", s)
	a.label(loop)
	a.p("VMULPS (SI)(R9*4), %s, %s", s.v(12), s.v(0))
	a.nearest(s, 0, 0)
	if s.lanes == 16 {
		a.p("VCMPPS $%d, %s, %s, K1", lessThan, s.v(13), s.v(0))
		a.p("VCMPPS $%d, %s, %s, K2", lessThan, s.v(0), s.v(14))
		a.p("KORW K1, K2, K1")
		a.p("KNOTW K1, K1")
		a.p("VMOVUPS.Z (BX)(R9*4), K1, %s", s.v(0))
	} else {
		a.p("VCMPPS $%d, %s, %s, %s", lessThan, s.v(13), s.v(0), s.v(1))
		a.p("VCMPPS $%d, %s, %s, %s", lessThan, s.v(0), s.v(14), s.v(2))
		a.p("VORPS %s, %s, %s", s.v(1), s.v(2), s.v(1))
		a.p("VANDNPS (BX)(R9*4), %s, %s", s.v(1), s.v(0))
	}
	a.p("VMOVUPS %s, (DX)(R9*4)", s.v(0))
	a.endLoop(s, loop)
	a.end()
}

// extremes leaves the least of the lanes at y, the greatest after them.
func extremes(a *asm, s isa) {
	loop := a.beginRound("extremes", s)
	a.p("VMOVUPS (SI), %s", s.v(0))
	a.p("VMOVUPS (SI), %s", s.v(1))
	if s.lanes == 16 {
		a.p("KXORW K1, K1, K1")
	} else {
		a.zeroX86(s, 2)
	}
	a.label(loop)
	a.p("VMOVUPS (SI)(R9*4), %s", s.v(3))
	a.p("VMINPS %s, %s, %s", s.v(3), s.v(0), s.v(0))
	a.p("VMAXPS %s, %s, %s", s.v(3), s.v(1), s.v(1))
	if s.lanes == 16 {
		a.p("VCMPPS $%d, %s, %s, K2", notOrder, s.v(3), s.v(3))
		a.p("KORW K1, K2, K1")
	} else {
		a.p("VCMPPS $%d, %s, %s, %s", notOrder, s.v(3), s.v(3), s.v(3))
		a.p("VORPS %s, %s, %s", s.v(3), s.v(2), s.v(2))
	}
	a.endLoop(s, loop)
	a.p("VMOVUPS %s, (DX)", s.v(0))
	a.p("VMOVUPS %s, %d(DX)", s.v(1), s.bytes())
	if s.lanes == 16 {
		a.p("KMOVW K1, AX")
	} else {
		a.p("VMOVMSKPS %s, AX", s.v(2))
	}
	a.p("MOVQ AX, %s", roundBlock.at("none"))
	a.end()
}

// The same on NEON, whose minimum and maximum keep NaNs.

func roundNEON(a *asm) {
	begin := func(name string) (loop string) {
		b := &roundBlock
		a.beginNEON(name+"NEON", b)
		for _, f := range [][2]string{{"x", "R1"}, {"b", "R2"}, {"y", "R4"}, {"n", "R5"}} {
			a.fetch(b, f[0], f[1])
		}
		for i, name := range []string{"inv", "lo", "hi", "scale"} {
			a.splat(b, name, 16+i)
		}
		return a.fresh("loop")
	}
	next := func(loop string) {
		a.p("SUBS $8, R5")
		a.p("BNE %s", loop)
	}
	nearest := func(v int) { a.word(uint32(0x4e218800|v<<5|v), "frintn v%d.4s, v%d.4s", v, v) }

	loop := begin("roundSteps")
	a.zeroNEON(20)
	a.label(loop)
	a.load(0, 1, "R1")
	for v := range 2 {
		a.op("fmul", v, v, 16)
		a.op("fmax", v, v, 17)
		a.op("fmin", v, v, 18)
		nearest(v)
		a.op("fadd", v, v, 20) // no -0
		a.op("fmul", v, v, 19)
	}
	a.store(0, 1, "R4")
	next(loop)
	a.p("RET")

	loop = begin("roundGrad")
	a.label(loop)
	a.load(0, 1, "R1")
	a.load(4, 1, "R2")
	for v := range 2 {
		a.op("fmul", v, v, 16)
		nearest(v)
		a.op("fcmgt", 2, 17, v) // below
		a.op("fcmgt", 3, v, 18) // above
		a.p("VORR V2.B16, V3.B16, V2.B16")
		a.word(uint32(0x4e601c00|2<<16|(4+v)<<5|v), "bic v%d.16b, v%d.16b, v2.16b", v, 4+v)
	}
	a.store(0, 1, "R4")
	next(loop)
	a.p("RET")

	loop = begin("extremes")
	a.p("VLD1 (R1), [V0.S4]")
	a.move(1, 0)
	a.label(loop)
	a.load(2, 1, "R1")
	for v := range 2 {
		a.op("fmin", 0, 0, 2+v)
		a.op("fmax", 1, 1, 2+v)
	}
	next(loop)
	a.store(0, 1, "R4")
	a.p("RET")
}
