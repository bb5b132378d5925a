package main

// elemBlock is what an elementwise routine takes. Lengths are in elements.
var elemBlock = block{"elemArgs", "elemArgs are the arguments of the elementwise routines; lengths are in elements.", []field{
	{"x", "*float32", "first operand"},
	{"b", "*float32", "second operand"},
	{"y", "*float32", "result"},
	{"n", "int", "elements, a multiple of 8; or rows"},
	{"m", "int", "see the routines"},
	{"stride", "int", "see the routines"},
	{"mode", "int", ""},
	{"yStride", "int", "see the routines"},
	{"lo", "float32", "least result (clip), or addend"},
	{"hi", "float32", "greatest result (clip)"},
	{"scale", "float32", "factor"},
	{"pad", "float32", ""},
}}

// elemKinds are the routines.
var elemKinds = []string{"scalePanel", "scaleRows", "sumPixels", "mapAct", "mapAdd", "mapMul", "mapSub"}

func elemFile(a *asm) {
	constants(a)
	var pool []uint32
	for _, s := range isas {
		scalePanel(a, s)
		scaleRows(a, s)
		sumPixels(a, s)
		pool = append(pool, mapAct(a, s)...)
		mapBinary(a, s, "mapAdd", "VADDPS")
		mapBinary(a, s, "mapMul", "VMULPS")
		mapBinary(a, s, "mapSub", "VSUBPS")
	}
	a.numbers(pool)
}

// constants are the numbers of the hard swish.
func constants(a *asm) {
	a.raw("\nDATA three<>+0(SB)/4, $0x40400000\nGLOBL three<>(SB), RODATA|NOPTR, $4")
	a.raw("\nDATA six<>+0(SB)/4, $0x40c00000\nGLOBL six<>(SB), RODATA|NOPTR, $4")
}

func (a *asm) zero(s isa, i int) {
	if s.regs == 32 {
		a.p("VPXORD %s, %s, %s", s.v(i), s.v(i), s.v(i))
	} else {
		a.p("VXORPS %s, %s, %s", s.v(i), s.v(i), s.v(i))
	}
}

// scalePanel multiplies each of n rows of m eights by an element of b.
func scalePanel(a *asm, s isa) {
	b := &elemBlock
	a.begin("scalePanel"+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, BX", b.at("b"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	a.p("MOVQ %s, R8", b.at("m"))
	row, wide := a.fresh("row"), a.fresh("wide")
	a.label(row)
	a.p("VBROADCASTSS (BX), Y0")
	a.p("MOVQ R8, R9")
	a.label(wide)
	a.p("VMULPS (SI), Y0, Y1")
	a.p("VMOVUPS Y1, (DX)")
	a.p("ADDQ $32, SI")
	a.p("ADDQ $32, DX")
	a.p("DECQ R9")
	a.p("JNE %s", wide)
	a.p("ADDQ $4, BX")
	a.p("DECQ CX")
	a.p("JNE %s", row)
	a.end()
}

// scaleRows multiplies n rows of m eights, stride bytes apart, by b; the
// results are mode bytes apart.
func scaleRows(a *asm, s isa) {
	b := &elemBlock
	a.begin("scaleRows"+s.name, b)
	a.p("MOVQ %s, R8", b.at("x"))
	a.p("MOVQ %s, R9", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	row, one, next := a.fresh("row"), a.fresh("one"), a.fresh("next")
	a.label(row)
	a.p("MOVQ %s, BX", b.at("b"))
	a.p("MOVQ R8, SI")
	a.p("MOVQ R9, DX")
	a.p("MOVQ %s, AX", b.at("m"))
	for _, g := range []struct {
		s    isa
		vecs int
		next string
	}{{s, 4, one}, {avx2, 1, next}} {
		eights := g.vecs * g.s.lanes / 8
		loop := a.fresh("eights")
		a.label(loop)
		a.p("SUBQ $%d, AX", eights)
		a.p("JLT %s", g.next)
		for i := range g.vecs {
			a.p("VMOVUPS %d(SI), %s", i*g.s.bytes(), g.s.v(i))
			a.p("VMULPS %d(BX), %s, %s", i*g.s.bytes(), g.s.v(i), g.s.v(i))
			a.p("VMOVUPS %s, %d(DX)", g.s.v(i), i*g.s.bytes())
		}
		for _, r := range []string{"SI", "BX", "DX"} {
			a.p("ADDQ $%d, %s", 32*eights, r)
		}
		a.p("JMP %s", loop)
		if g.vecs == 4 {
			a.label(one)
			a.p("ADDQ $%d, AX", eights)
		}
	}
	a.label(next)
	a.p("ADDQ %s, R8", b.at("stride"))
	a.p("ADDQ %s, R9", b.at("mode"))
	a.p("DECQ CX")
	a.p("JNE %s", row)
	a.end()
}

// sumPixels adds up mode eights of channels over n rows of m pixels, stride
// bytes apart, each row on its own first, and divides by scale.
func sumPixels(a *asm, s isa) {
	b := &elemBlock
	a.begin("sumPixels"+s.name, b)
	a.p("MOVQ %s, BX", b.at("x"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, R8", b.at("stride"))
	a.p("MOVQ %s, AX", b.at("mode"))
	one, done := a.fresh("one"), a.fresh("done")
	for _, g := range []struct {
		s    isa
		vecs int
		next string
	}{{s, 4, one}, {avx2, 1, done}} {
		loop, row, pixel := a.fresh("channels"), a.fresh("row"), a.fresh("pixel")
		eights := g.vecs * g.s.lanes / 8
		a.label(loop)
		a.p("SUBQ $%d, AX", eights)
		a.p("JLT %s", g.next)
		a.p("MOVQ BX, SI")
		a.p("MOVQ %s, CX", b.at("n"))
		for i := range g.vecs {
			a.zero(s, i)
		}
		a.label(row)
		for i := range g.vecs {
			a.zero(s, 4+i)
		}
		a.p("MOVQ %s, R9", b.at("m"))
		a.label(pixel)
		for i := range g.vecs {
			a.p("VADDPS %d(SI), %s, %s", i*g.s.bytes(), g.s.v(4+i), g.s.v(4+i))
		}
		a.p("ADDQ R8, SI")
		a.p("DECQ R9")
		a.p("JNE %s", pixel)
		for i := range g.vecs {
			a.p("VADDPS %s, %s, %s", g.s.v(4+i), g.s.v(i), g.s.v(i))
		}
		a.p("DECQ CX")
		a.p("JNE %s", row)
		a.p("VBROADCASTSS %s, %s", b.at("scale"), g.s.v(8))
		for i := range g.vecs {
			a.p("VDIVPS %s, %s, %s", g.s.v(8), g.s.v(i), g.s.v(i))
			a.p("VMOVUPS %s, %d(DX)", g.s.v(i), i*g.s.bytes())
		}
		a.p("ADDQ $%d, BX", 32*eights)
		a.p("ADDQ $%d, DX", 32*eights)
		a.p("JMP %s", loop)
		if g.vecs == 4 {
			a.label(one)
			a.p("ADDQ $%d, AX", eights)
		}
	}
	a.label(done)
	a.end()
}

// mapAct applies the activation of mode to n elements, or a curve to m rows of
// them, stride bytes apart, the results yStride bytes apart. It returns the
// constants it names.
func mapAct(a *asm, s isa) (pool []uint32) {
	b := &elemBlock
	a.begin("mapAct"+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	curved := a.fresh("curves")
	a.p("MOVQ %s, AX", b.at("mode"))
	a.p("CMPQ AX, $%d", curves[0].mode)
	a.p("JGE %s", curved)
	four, rest, one, done := a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("done")
	a.p("SUBQ $%d, CX", 4*s.lanes)
	a.p("JLT %s", rest)
	a.label(four)
	var accs []sum
	for i := range 4 {
		a.p("VMOVUPS %d(SI), %s", i*s.bytes(), s.v(i))
		accs = append(accs, sum{s.v(i), 0})
	}
	epilogue(a, s, b, accs, 4, false)
	for i := range 4 {
		a.p("VMOVUPS %s, %d(DX)", s.v(i), i*s.bytes())
	}
	a.p("ADDQ $%d, SI", 4*s.bytes())
	a.p("ADDQ $%d, DX", 4*s.bytes())
	a.p("SUBQ $%d, CX", 4*s.lanes)
	a.p("JGE %s", four)
	a.label(rest)
	a.p("ADDQ $%d, CX", 4*s.lanes)
	a.p("JEQ %s", done)
	a.label(one)
	a.p("VMOVUPS (SI), Y0")
	epilogue(a, avx2, b, []sum{{"Y0", 0}}, 4, false)
	a.p("VMOVUPS Y0, (DX)")
	a.p("ADDQ $32, SI")
	a.p("ADDQ $32, DX")
	a.p("SUBQ $8, CX")
	a.p("JNE %s", one)
	a.label(done)
	a.end()
	a.label(curved)
	return mapCurves(a, s)
}

// mapBinary combines n elements of x with those of b, then clips.
func mapBinary(a *asm, s isa, name, op string) {
	b := &elemBlock
	a.begin(name+s.name, b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, BX", b.at("b"))
	a.p("MOVQ %s, DX", b.at("y"))
	a.p("MOVQ %s, CX", b.at("n"))
	a.p("VBROADCASTSS %s, %s", b.at("lo"), s.v(8))
	a.p("VBROADCASTSS %s, %s", b.at("hi"), s.v(9))
	four, rest, one, done := a.fresh("four"), a.fresh("rest"), a.fresh("one"), a.fresh("done")
	a.p("SUBQ $%d, CX", 4*s.lanes)
	a.p("JLT %s", rest)
	a.label(four)
	for i := range 4 {
		a.p("VMOVUPS %d(SI), %s", i*s.bytes(), s.v(i))
		a.p("%s %d(BX), %s, %s", op, i*s.bytes(), s.v(i), s.v(i))
		a.p("VMAXPS %s, %s, %s", s.v(i), s.v(8), s.v(i))
		a.p("VMINPS %s, %s, %s", s.v(i), s.v(9), s.v(i))
	}
	for i := range 4 {
		a.p("VMOVUPS %s, %d(DX)", s.v(i), i*s.bytes())
	}
	a.p("ADDQ $%d, SI", 4*s.bytes())
	a.p("ADDQ $%d, BX", 4*s.bytes())
	a.p("ADDQ $%d, DX", 4*s.bytes())
	a.p("SUBQ $%d, CX", 4*s.lanes)
	a.p("JGE %s", four)
	a.label(rest)
	a.p("ADDQ $%d, CX", 4*s.lanes)
	a.p("JEQ %s", done)
	a.label(one)
	a.p("VMOVUPS (SI), Y0")
	a.p("%s (BX), Y0, Y0", op)
	a.p("VMAXPS Y0, Y8, Y0")
	a.p("VMINPS Y0, Y9, Y0")
	a.p("VMOVUPS Y0, (DX)")
	a.p("ADDQ $32, SI")
	a.p("ADDQ $32, BX")
	a.p("ADDQ $32, DX")
	a.p("SUBQ $8, CX")
	a.p("JNE %s", one)
	a.label(done)
	a.end()
}
