package main

import "math"

// unitNEON is the arithmetic on registers of four.
type unitNEON struct{ a *asm }

func (u unitNEON) number(d int, v float64) {
	u.a.p("MOVW $%#x, R6", math.Float32bits(float32(v)))
	u.a.p("VDUP R6, V%d.S4", d)
}

func (u unitNEON) param(d int, field string)   { u.a.splat(&elemBlock, field, d) }
func (u unitNEON) copy(d, x int)               { u.a.move(d, x) }
func (u unitNEON) calc(op string, d, x, y int) { u.a.op("f"+op, d, x, y) }

// horner adds to a copy of c, so that the result is in spare.
func (u unitNEON) horner(minus bool, p, spare, x, c int) (int, int) {
	u.a.move(spare, c)
	if minus {
		u.reduce(spare, p, x)
	} else {
		u.a.mulAdd(spare, p, x)
	}
	return spare, p
}

func (u unitNEON) reduce(d, x, y int) { u.a.p("VFMLS V%d.S4, V%d.S4, V%d.S4", y, x, d) }

func (u unitNEON) nearest(n, k, x int) {
	u.a.op2("fcvtns", k, x)
	u.a.op2("scvtf", n, k)
}

func (u unitNEON) exponent(p, _, k int) {
	u.a.p("VSHL $23, V%d.S4, V%d.S4", k, k)
	u.a.p("VADD V%d.S4, V%d.S4, V%d.S4", k, p, p)
}

func (u unitNEON) exponents() (low, high float64) { return leastPower, greatestPower }

func (u unitNEON) beyond(zero bool, e, x, low, k int) {
	u.a.op("fcmgt", k, low, x)
	if zero {
		u.a.word(uint32(0x4e601c00|k<<16|e<<5|e), "bic v%d.16b, v%d.16b, v%d.16b", e, e, k)
		return
	}
	// Ones moved to the exponent and the sign are minus infinity.
	u.a.p("VSHL $23, V%d.S4, V%d.S4", k, k)
	u.a.op("fsub", e, e, k)
}

func (u unitNEON) leaky(x, a, t int) {
	u.a.negative(t+1, x)
	u.a.op("fmul", t, x, a)
	u.a.p("VBIT V%d.B16, V%d.B16, V%d.B16", t+1, t, x)
}

// mapCurvesNEON is the rest of mapAct, for the modes from the first curve's
// on, which R5 holds; R1, R3 and R4 are x, y and the eights of a row.
func mapCurvesNEON(a *asm) {
	const c = 16
	b := &elemBlock
	for _, f := range [][2]string{{"m", "R7"}, {"stride", "R10"}, {"yStride", "R11"}} {
		a.fetch(b, f[0], f[1])
	}
	next := ""
	for i, curve := range curves {
		if i > 0 {
			a.label(next)
		}
		if i < len(curves)-1 {
			next = a.fresh("curve")
			a.p("CMP $%d, R5", curve.mode)
			a.p("BNE %s", next)
		}
		curve.constants(unitNEON{a}, c)
		row, loop := a.fresh("row"), a.fresh("loop")
		a.label(row)
		a.p("MOVD R1, R8")
		a.p("MOVD R3, R9")
		a.p("MOVD R4, R12")
		a.label(loop)
		a.p("FLDPQ.P 32(R8), (F0, F5)")
		body := func(first int) func(*asm) {
			return func(a *asm) {
				curve.body(unitNEON{a}, [5]int{first, first + 1, first + 2, first + 3, first + 4}, c)
			}
		}
		a.together(body(0), body(5))
		a.p("FSTPQ.P (F0, F5), 32(R9)")
		a.p("SUBS $1, R12")
		a.p("BNE %s", loop)
		a.p("ADD R10, R1")
		a.p("ADD R11, R3")
		a.p("SUBS $1, R7")
		a.p("BNE %s", row)
		a.p("RET")
	}
}
