package main

// The steps of optimizers that divide by roots, written once for all
// instruction sets. Nothing depends on an element's place in a vector.

// updateBlock is what such a step's routine takes.
var updateBlock = block{"updateArgs", "updateArgs are the arguments of an optimizer's step; see ref.Update.", []field{
	{"s", "*float32", "the state"},
	{"p", "*float32", ""},
	{"q", "*float32", ""},
	{"d", "*float32", "what decays; nil for none"},
	{"y", "*float32", "may be one of the others"},
	{"n", "int", "elements, a multiple of a vector's"},
	{"keep", "float32", "factor of what is kept"},
	{"rate", "float32", "factor of what is new"},
	{"decay", "float32", "factor of d"},
	{"epsilon", "float32", ""},
	{"first", "float32", "factor of p"},
	{"second", "float32", "factor of q"},
}}

// updateUnit is arithmetic on registers, given by number, results first.
type updateUnit interface {
	calc(op string, d, x, y int)
	// mulAdd is d += x*y, reduce d -= x*y.
	mulAdd(d, x, y int)
	reduce(d, x, y int)
	sqrt(d, x int)
}

// updateNumbers are the block's numbers in the order of their registers.
var updateNumbers = []string{"keep", "rate", "decay", "epsilon", "first", "second"}

// updateKind is a routine: body has s, p, q and d in r[0] to r[3] and leaves
// the result in r[0]; c is the first number's register.
type updateKind struct {
	name, doc string
	reads     []string // of p, q
	body      func(u updateUnit, r [4]int, c int, decays bool)
}

var updateKinds = []updateKind{
	{"meanSquare", "computes keep*s + rate*g*g with g = p + decay*d.", []string{"p"},
		func(u updateUnit, r [4]int, c int, decays bool) {
			if decays {
				u.mulAdd(r[1], r[3], c+2)
			}
			u.calc("mul", r[1], r[1], r[1])
			u.calc("mul", r[0], r[0], c)
			u.mulAdd(r[0], r[1], c+1)
		}},
	{"rmsMomentum", "computes keep*s + rate*g/sqrt(q + epsilon) with g = p + decay*d.", []string{"p", "q"},
		func(u updateUnit, r [4]int, c int, decays bool) {
			if decays {
				u.mulAdd(r[1], r[3], c+2)
			}
			u.calc("add", r[2], r[2], c+3)
			u.sqrt(r[2], r[2])
			u.calc("mul", r[1], r[1], c+1)
			u.calc("div", r[1], r[1], r[2])
			u.calc("mul", r[0], r[0], c)
			u.calc("add", r[0], r[0], r[1])
		}},
	{"adamStep", "computes s - rate*(decay*d + first*p/(sqrt(second*q) + epsilon)).", []string{"p", "q"},
		func(u updateUnit, r [4]int, c int, decays bool) {
			u.calc("mul", r[2], r[2], c+5)
			u.sqrt(r[2], r[2])
			u.calc("add", r[2], r[2], c+3)
			u.calc("mul", r[1], r[1], c+4)
			u.calc("div", r[1], r[1], r[2])
			if decays {
				u.mulAdd(r[1], r[3], c+2)
			}
			u.reduce(r[0], r[1], c+1)
		}},
}

func (u unitX86) mulAdd(d, x, y int) {
	u.a.p("VFMADD231PS %s, %s, %s", u.s.v(y), u.s.v(x), u.s.v(d))
}
func (u unitX86) sqrt(d, x int)       { u.a.p("VSQRTPS %s, %s", u.s.v(x), u.s.v(d)) }
func (u unitNEON) mulAdd(d, x, y int) { u.a.mulAdd(d, x, y) }
func (u unitNEON) sqrt(d, x int)      { u.a.op2("fsqrt", d, x) }

func updateFile(a *asm) {
	for _, s := range isas {
		for _, k := range updateKinds {
			k.emit(a, s)
		}
	}
}

func (k updateKind) emit(a *asm, s isa) {
	const c = 8
	b := &updateBlock
	a.begin(k.name+s.name, b)
	inputs := append([]string{"s"}, k.reads...)
	regs := []string{"SI", "BX", "R8", "R10"}
	for i, name := range inputs {
		a.p("MOVQ %s, %s", b.at(name), regs[i])
	}
	a.p("MOVQ %s, R10", b.at("d"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	for i, name := range updateNumbers {
		a.p("VBROADCASTSS %s, %s", b.at(name), s.v(c+i))
	}
	a.p("XORL R9, R9")
	plain := a.fresh("plain")
	a.p("TESTQ R10, R10")
	a.p("JEQ %s", plain)
	for _, decays := range []bool{true, false} {
		loop := a.fresh("loop")
		if !decays {
			a.label(plain)
		}
		a.label(loop)
		for i := range inputs {
			a.p("VMOVUPS (%s)(R9*4), %s", regs[i], s.v(i))
		}
		if decays {
			a.p("VMOVUPS (R10)(R9*4), %s", s.v(3))
		}
		k.body(unitX86{a: a, s: s}, [4]int{0, 1, 2, 3}, c, decays)
		a.p("VMOVUPS %s, (DX)(R9*4)", s.v(0))
		a.p("ADDQ $%d, R9", s.lanes)
		a.p("CMPQ R9, CX")
		a.p("JLT %s", loop)
		a.end()
	}
}

func updateNEON(a *asm) {
	for _, k := range updateKinds {
		k.emitNEON(a)
	}
	linearNEON(a)
	nesterovNEON(a)
}

// emitNEON takes eights, two registers of each input.
func (k updateKind) emitNEON(a *asm) {
	const c = 16
	b := &updateBlock
	a.beginNEON(k.name+"NEON", b)
	inputs := append([]string{"s"}, k.reads...)
	regs := []string{"R1", "R2", "R3", "R4"}
	for i, name := range inputs {
		a.fetch(b, name, regs[i])
	}
	a.fetch(b, "d", "R4")
	a.fetch(b, "y", "R5")
	a.fetch(b, "n", "R6")
	for i, name := range updateNumbers {
		a.splat(b, name, c+i)
	}
	plain := a.fresh("plain")
	a.p("CBZ R4, %s", plain)
	for _, decays := range []bool{true, false} {
		loop := a.fresh("loop")
		if !decays {
			a.label(plain)
		}
		a.label(loop)
		for i := range inputs {
			a.p("FLDPQ.P 32(%s), (F%d, F%d)", regs[i], i, 4+i)
		}
		if decays {
			a.p("FLDPQ.P 32(R4), (F3, F7)")
		}
		body := func(first int) func(*asm) {
			return func(a *asm) {
				k.body(unitNEON{a}, [4]int{first, first + 1, first + 2, first + 3}, c, decays)
			}
		}
		a.together(body(0), body(4))
		a.p("FSTPQ.P (F0, F4), 32(R5)")
		a.p("SUBS $8, R6")
		a.p("BNE %s", loop)
		a.p("RET")
	}
}

// linearNEON computes p*x + (q*b + r*c).
func linearNEON(a *asm) {
	two := a.fresh("two")
	a.scaledNEON("linearNEON", func() {
		a.load(0, 1, "R2")
		a.load(2, 1, "R1")
		a.op("fmul", 0, 0, 17)
		a.op("fmul", 1, 1, 17)
		a.p("CBZ R3, %s", two)
		a.load(4, 1, "R3")
		a.mulAdd(0, 4, 18)
		a.mulAdd(1, 5, 18)
		a.label(two)
		a.mulAdd(0, 2, 16)
		a.mulAdd(1, 3, 16)
	})
}

// nesterovNEON computes x - r*(b + p*x + q*c).
func nesterovNEON(a *asm) {
	a.scaledNEON("nesterovNEON", func() {
		a.load(0, 1, "R1")
		a.load(2, 1, "R2")
		a.load(4, 1, "R3")
		for v := range 2 {
			a.mulAdd(2+v, v, 16)
			a.mulAdd(2+v, 4+v, 17)
		}
		for v := range 2 {
			unitNEON{a}.reduce(v, 2+v, 18)
		}
	})
}

// scaledNEON is a routine of a linearBlock: body makes eight results in V0 and
// V1, with x, b and c at R1 to R3 and p, q and r in V16 to V18.
func (a *asm) scaledNEON(name string, body func()) {
	b := &linearBlock
	a.beginNEON(name, b)
	for _, f := range [][2]string{{"x", "R1"}, {"b", "R2"}, {"c", "R3"}, {"y", "R4"}, {"n", "R5"}} {
		a.fetch(b, f[0], f[1])
	}
	for i, name := range []string{"p", "q", "r"} {
		a.splat(b, name, 16+i)
	}
	loop := a.fresh("loop")
	a.label(loop)
	body()
	a.store(0, 1, "R4")
	a.p("SUBS $8, R5")
	a.p("BNE %s", loop)
	a.p("RET")
}

func init() {
	for _, s := range isas {
		for _, k := range updateKinds {
			functions = append(functions, function{k.name + s.name, updateBlock.name, k.name + s.name + " " + k.doc})
		}
	}
}
