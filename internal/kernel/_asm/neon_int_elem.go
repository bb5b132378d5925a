package main

// Elementwise routines on bytes on NEON. They take rows of a multiple of eight
// bytes; results may overwrite an operand.

var intElemBlock = block{"intElemArgs", "intElemArgs are the arguments of the elementwise routines of bytes; strides are in bytes.", []field{
	{"x", "*uint8", "first operand"},
	{"b", "*uint8", "second operand"},
	{"y", "*uint8", "result"},
	{"sums", "*int32", "of a picture's pixels"},
	{"floats", "*float32", "what is rounded to bytes, or what bytes become"},
	{"table", "*uint8", "256 results"},
	{"n", "int", "eights of a row, or of all elements"},
	{"rows", "int", "rows, or pixels of a sum"},
	{"xStride", "int", "between rows of the first operand, 0 for one that repeats"},
	{"bStride", "int", "of the second"},
	{"yStride", "int", "of the result"},
	{"way", "int", "to rescale"},
	{"even", "int", "whether ties go to even numbers"},
	{"xZero", "uint32", ""},
	{"bZero", "uint32", ""},
	{"yZero", "uint32", ""},
	{"lo", "uint32", ""},
	{"hi", "uint32", ""},
	{"xMult", "uint32", "multipliers and shifts, not to the left, of the first operand"},
	{"xShift", "uint32", ""},
	{"bMult", "uint32", "of the second"},
	{"bShift", "uint32", ""},
	{"yMult", "uint32", "and of the result"},
	{"yShift", "uint32", ""},
	{"scale", "float32", ""},
}}

// intElemNames are the routines with what they do.
var intElemNames = [][2]string{
	{"intTableNEON", "looks sixteen bytes at a time up."},
	{"intAddNEON", "adds rows."},
	{"intSubNEON", "subtracts rows."},
	{"intMulNEON", "multiplies rows."},
	{"intSumNEON", "sums up the pixels of a picture."},
	{"intQuantizeNEON", "rounds float32s to bytes."},
	{"intDequantizeNEON", "gives bytes their value."},
}

func intElemNEON(a *asm) {
	intTableNEON(a)
	intBinaryNEON(a, "intAddNEON", "add")
	intBinaryNEON(a, "intSubNEON", "sub")
	intBinaryNEON(a, "intMulNEON", "")
	intSumNEON(a)
	intQuantizeNEON(a)
	intDequantizeNEON(a)
}

// What the elementwise routines keep in registers: multiplier and two of the
// same shift for each operand and the result, zero points, clamp; two are free.
const (
	intX, intB, intY       = 16, 19, 22
	intXZero, intBZero     = 25, 26
	intYZero, intLo, intHi = 27, 28, 29
	intTemp                = 30
)

// intScale loads a multiplier and its shift, which is widened for the way
// roundOnce.
func intScale(a *asm, name string, v int, once bool) {
	b := &intElemBlock
	a.splat(b, name+"Mult", v)
	a.splat(b, name+"Shift", v+1)
	if once {
		a.widenLeft("sshll", s2, v+1, v+1, 0)
		a.move(v+2, v+1)
	}
}

// intResult loads what the result needs.
func intResult(a *asm, once bool) {
	b := &intElemBlock
	intScale(a, "y", intY, once)
	a.splat(b, "yZero", intYZero)
	a.splatByte(b, "lo", intLo)
	a.splatByte(b, "hi", intHi)
}

// intNarrow adds the zero point to the sums, two or four registers from v on,
// and makes them clamped bytes of register v.
func intNarrow(a *asm, v, vecs int) {
	for i := range vecs {
		a.same("add", s4, v+i, v+i, intYZero)
	}
	intClamp(a, v, vecs)
}

func intClamp(a *asm, v, vecs int) {
	for i := 0; i < vecs; i += 2 {
		a.narrowNEON("sqxtn", h4, v+i, v+i)
		a.narrowNEON("sqxtn", h8, v+i, v+i+1)
	}
	a.narrowNEON("sqxtun", b8, v, v)
	if vecs == 4 {
		a.narrowNEON("sqxtun", b16, v, v+2)
	}
	a.same("umax", b16, v, v, intLo)
	a.same("umin", b16, v, v, intHi)
}

// loadBytes and storeBytes move sixteen or eight bytes, four or two registers of
// sums' worth; the address moves on.
func (a *asm) loadBytes(v, vecs int, from string) {
	a.p("%s.P %d(%s), F%d", map[int]string{2: "FMOVD", 4: "FMOVQ"}[vecs], 4*vecs, from, v)
}
func (a *asm) storeBytes(v, vecs int, to string) {
	a.p("%s.P F%d, %d(%s)", map[int]string{2: "FMOVD", 4: "FMOVQ"}[vecs], v, 4*vecs, to)
}

// differences are the bytes of register from less a zero point as 16 bits in
// registers v and, of sixteen, v+1.
func (a *asm) differences(v, vecs, from, zero int) {
	if vecs == 4 {
		a.long("usubl", b16, v+1, from, zero)
	}
	a.long("usubl", b8, v, from, zero)
}

// sixteens calls body for the sixteens and a last eight that register n counts
// in eights.
func (a *asm) sixteens(n string, body func(vecs int)) {
	loop, eight, end := a.fresh("sixteen"), a.fresh("eight"), a.fresh("end")
	a.label(loop)
	a.p("SUBS $2, %s", n)
	a.p("BLT %s", eight)
	body(4)
	a.p("B %s", loop)
	a.label(eight)
	a.p("TBZ $0, %s, %s", n, end)
	body(2)
	a.label(end)
}

func intTableNEON(a *asm) {
	b := &intElemBlock
	a.beginNEON("intTableNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"y", "R3"}, {"n", "R4"}, {"table", "R5"}} {
		a.fetch(b, f[0], f[1])
	}
	a.loadTable("R5")
	a.p("VMOVI $64, V15.B16")
	for _, vecs := range []int{4, 1} {
		loop, next := a.fresh("table"), a.fresh("next")
		var regs []int
		for i := range vecs {
			regs = append(regs, i)
		}
		a.label(loop)
		a.p("SUBS $%d, R4", 2*vecs)
		a.p("BLT %s", next)
		for _, v := range regs {
			a.loadBytes(v, 4, "R1")
		}
		a.lookUp(regs, 8, 15)
		for _, v := range regs {
			a.storeBytes(v, 4, "R3")
		}
		a.p("B %s", loop)
		a.label(next)
		a.p("ADD $%d, R4", 2*vecs)
	}
	a.p("RET")
}

// intBinaryNEON adds or subtracts, or with no name multiplies.
func intBinaryNEON(a *asm, name, op string) {
	b := &intElemBlock
	a.beginNEON(name, b)
	for _, f := range [][2]string{{"x", "R1"}, {"b", "R2"}, {"y", "R3"}, {"n", "R4"}, {"rows", "R5"}, {"xStride", "R6"}, {"bStride", "R7"}, {"yStride", "R8"}, {"way", "R9"}} {
		a.fetch(b, f[0], f[1])
	}
	a.splatByte(b, "xZero", intXZero)
	a.splatByte(b, "bZero", intBZero)
	once := a.fresh("once")
	a.p("CMP $%d, R9", roundOnce)
	a.p("BEQ %s", once)
	for _, way := range []int{roundTwiceE, roundOnce} {
		if way == roundOnce {
			a.label(once)
		}
		if op != "" {
			intScale(a, "x", intX, way == roundOnce)
			intScale(a, "b", intB, way == roundOnce)
		}
		intResult(a, way == roundOnce)
		row := a.fresh("row")
		a.label(row)
		for i := range 4 {
			a.p("MOVD R%d, R%d", 1+i, 11+i)
		}
		a.sixteens("R14", func(vecs int) {
			sums := []int{0, 1, 2, 3}[:vecs]
			a.loadBytes(8, vecs, "R11")
			a.loadBytes(12, vecs, "R12")
			a.differences(9, vecs, 8, intXZero)
			a.differences(13, vecs, 12, intBZero)
			if op == "" {
				for i := range vecs {
					a.long("smull", []arrangement{h4, h8}[i%2], i, 9+i/2, 13+i/2)
				}
			} else {
				for _, o := range [][4]int{{0, 9, intX, 8}, {4, 13, intB, 12}} {
					sum, d, scale := o[0], o[1], o[2]
					for i := range vecs / 2 {
						a.shiftLeft(h8, d+i, d+i, 5)
					}
					var all []int
					for i := range vecs {
						a.widenLeft("sshll", []arrangement{h4, h8}[i%2], sum+i, d+i/2, 15)
						all = append(all, sum+i)
					}
					a.rescale(way, all, scale, scale+1, intTemp, intTemp+1)
				}
				for i := range vecs {
					a.same(op, s4, i, i, 4+i)
				}
			}
			a.rescale(way, sums, intY, intY+1, intTemp, intTemp+1)
			intNarrow(a, 0, vecs)
			a.storeBytes(0, vecs, "R13")
		})
		a.p("ADD R6, R1")
		a.p("ADD R7, R2")
		a.p("ADD R8, R3")
		a.p("SUBS $1, R5")
		a.p("BNE %s", row)
		a.p("RET")
	}
}

// intSumNEON adds up to 256 pixels in 16 bits and those sums in 32.
func intSumNEON(a *asm) {
	b := &intElemBlock
	a.beginNEON("intSumNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"sums", "R3"}, {"n", "R4"}, {"rows", "R5"}, {"xStride", "R6"}} {
		a.fetch(b, f[0], f[1])
	}
	a.sixteens("R4", func(vecs int) {
		const short, pixel = 4, 6
		few, next := a.fresh("few"), a.fresh("pixel")
		for i := range vecs {
			a.zeroNEON(i)
		}
		a.p("MOVD R1, R10")
		a.p("MOVD R5, R11")
		a.label(few)
		a.zeroNEON(short)
		a.zeroNEON(short + 1)
		a.p("MOVD $256, R12")
		a.p("CMP R12, R11")
		a.p("CSEL LT, R11, R12, R12")
		a.p("SUB R12, R11")
		a.label(next)
		a.p("%s (R10), F%d", map[int]string{2: "FMOVD", 4: "FMOVQ"}[vecs], pixel)
		a.addWide("uaddw", b8, short, pixel)
		if vecs == 4 {
			a.addWide("uaddw", b16, short+1, pixel)
		}
		a.p("ADD R6, R10")
		a.p("SUBS $1, R12")
		a.p("BNE %s", next)
		for i := range vecs {
			a.addWide("uaddw", []arrangement{h4, h8}[i%2], i, short+i/2)
		}
		a.p("CBNZ R11, %s", few)
		a.store(0, vecs/2, "R3")
		a.p("ADD $%d, R1", 4*vecs)
	})
	a.p("RET")
}

// intQuantizeNEON divides, rounds, adds the zero point and clamps. What is no
// number becomes the least first.
func intQuantizeNEON(a *asm) {
	b := &intElemBlock
	a.beginNEON("intQuantizeNEON", b)
	for _, f := range [][2]string{{"floats", "R1"}, {"y", "R3"}, {"n", "R4"}, {"even", "R5"}} {
		a.fetch(b, f[0], f[1])
	}
	const scale, least = 24, 25
	a.splat(b, "scale", scale)
	a.splat(b, "yZero", intYZero)
	a.splatByte(b, "lo", intLo)
	a.splatByte(b, "hi", intHi)
	a.p("MOVW $0xff800000, R26")
	a.p("VDUP R26, V%d.S4", least)
	even, done := a.fresh("even"), a.fresh("done")
	a.p("CBNZ R5, %s", even)
	for _, round := range []string{"fcvtas", "fcvtns"} {
		if round == "fcvtns" {
			a.label(even)
		}
		a.sixteens("R4", func(vecs int) {
			a.load(0, vecs/2, "R1")
			for i := range vecs {
				a.op("fdiv", i, i, scale)
				a.op("fmaxnm", i, i, least)
				a.op2(round, i, i)
				a.same("sqadd", s4, i, i, intYZero)
			}
			intClamp(a, 0, vecs)
			a.storeBytes(0, vecs, "R3")
		})
		if round == "fcvtas" {
			a.p("B %s", done)
		}
	}
	a.label(done)
	a.p("RET")
}

func intDequantizeNEON(a *asm) {
	b := &intElemBlock
	a.beginNEON("intDequantizeNEON", b)
	for _, f := range [][2]string{{"x", "R1"}, {"floats", "R3"}, {"n", "R4"}} {
		a.fetch(b, f[0], f[1])
	}
	const scale = 24
	a.splat(b, "scale", scale)
	a.splatByte(b, "xZero", intXZero)
	a.sixteens("R4", func(vecs int) {
		a.loadBytes(8, vecs, "R1")
		a.differences(9, vecs, 8, intXZero)
		for i := range vecs {
			a.widenLeft("sshll", []arrangement{h4, h8}[i%2], i, 9+i/2, 0)
			a.op2("scvtf", i, i)
			a.op("fmul", i, i, scale)
		}
		a.store(0, vecs/2, "R3")
	})
	a.p("RET")
}
