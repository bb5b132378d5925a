package main

import (
	"math"
	"strings"
)

// The activations that only the elementwise routines know, written once for
// all instruction sets. Each element is computed on its own, by the same
// instructions in a full register and in an eight, so its bits do not depend
// on its place.

// The modes of mapAct beyond those of the epilogues.
const (
	modeLeaky       = modeHSigmoid + 1 + iota // x < 0 ? scale*x : x
	modeHardSigmoid                           // min(max(scale*x + lo, 0), 1)
	modeSigmoid                               // 1 / (1 + e^-x)
	modeSwish                                 // x / (1 + e^-x)
	modeExp                                   // e^(x - lo) of x <= lo
)

// unit writes arithmetic on registers of one size, given by number. Results
// come first.
type unit interface {
	// number and param put a constant and a field of the block in every lane.
	number(d int, v float64)
	param(d int, field string)
	copy(d, x int)
	// calc is d = x op y with op add, sub, mul, div, max or min; the last two
	// keep a NaN in x.
	calc(op string, d, x, y int)
	// horner is p*x + c, or c - p*x. It uses p or spare and returns first the
	// one that holds the result.
	horner(minus bool, p, spare, x, c int) (int, int)
	// reduce is d -= x*y.
	reduce(d, x, y int)
	// nearest is n = x rounded to an integer, which exponent later multiplies
	// p by as a power of 2. In between it needs n or k, as the instruction set
	// has it; horner never overwrites the one that is needed.
	nearest(n, k, x int)
	exponent(p, n, k int)
	// beyond makes e zero, or else infinite, where x < low; k is free.
	beyond(zero bool, e, x, low, k int)
	// exponents is the range that nearest and exponent can do, in e^x.
	exponents() (low, high float64)
	// leaky is x *= a where x is negative; t is free.
	leaky(x, a, t int)
}

// curve is an activation: constants fills the registers from c on, body
// replaces r[0] and has the others to itself.
type curve struct {
	mode      int
	constants func(u unit, c int)
	body      func(u unit, r [5]int, c int)
}

var curves = []curve{
	{modeLeaky,
		func(u unit, c int) { u.param(c, "scale") },
		func(u unit, r [5]int, c int) { u.leaky(r[0], c, r[1]) }},
	{modeHardSigmoid,
		func(u unit, c int) {
			u.param(c, "scale")
			u.param(c+1, "lo")
			u.number(c+2, 0)
			u.number(c+3, 1)
		},
		func(u unit, r [5]int, c int) {
			u.calc("mul", r[0], r[0], c)
			u.calc("add", r[0], r[0], c+1)
			u.calc("max", r[0], r[0], c+2)
			u.calc("min", r[0], r[0], c+3)
		}},
	{modeSigmoid,
		func(u unit, c int) { powerConstants(u, -1, c) },
		func(u unit, r [5]int, c int) {
			e := power(u, -1, r, c)
			u.calc("add", e, e, c)
			u.calc("div", r[0], c, e)
		}},
	{modeSwish,
		func(u unit, c int) { powerConstants(u, -1, c) },
		func(u unit, r [5]int, c int) {
			e := power(u, -1, r, c)
			u.calc("add", e, e, c)
			u.calc("div", r[0], r[0], e)
		}},
	{modeExp,
		func(u unit, c int) { powerConstants(u, 1, c) },
		func(u unit, r [5]int, c int) {
			u.param(r[1], "lo") // each time: the constants leave it no register
			u.calc("sub", r[0], r[0], r[1])
			u.copy(r[0], power(u, 1, r, c))
		}},
}

// powerCoefficients are of r^2 to r^6 in e^r = 1 + r + ..., for the least
// maximum of the relative error, 4e-9, where |r| <= ln(2)/2.
var powerCoefficients = [5]float64{0.49999994, 0.16666521, 0.04166839, 0.0083687454, 0.0013814541}

// leastPower and greatestPower are the exponents whose power and its parts are
// normal numbers.
const leastPower, greatestPower = -86.6, 88.37

// powerConstants are eleven: 1, the limits of x, log2(e), ln(2) in two parts
// and the coefficients. The sign of the exponent, -1 for e^-x, is in them.
func powerConstants(u unit, sign float64, c int) {
	low, high := u.exponents()
	if sign < 0 {
		low, high = -high, -low
	}
	ln2 := float64(float32(math.Ln2))
	u.number(c, 1)
	u.number(c+1, low)
	u.number(c+2, high)
	u.number(c+3, sign*math.Log2E)
	u.number(c+4, sign*ln2)
	u.number(c+5, sign*(math.Ln2-ln2))
	s := 1.0
	for i, v := range powerCoefficients {
		s *= sign
		u.number(c+6+i, s*v)
	}
}

// power is e^(sign*x): 2^n times the polynomial of what is left,
// 1 + sign*r*(1 + sign*r*(c2 + ...)). It returns the register of the result and
// leaves x, which is r[0]. Beyond the limits it is 0 or infinite. A NaN stays.
func power(u unit, sign float64, r [5]int, c int) int {
	x, rest, n, p, k := r[0], r[1], r[2], r[3], r[4]
	u.calc("max", rest, x, c+1)
	u.calc("min", rest, rest, c+2)
	u.calc("mul", n, rest, c+3)
	u.nearest(n, k, n)
	u.reduce(rest, n, c+4)
	u.reduce(rest, n, c+5)
	u.copy(p, c+10)
	spare := n
	for _, i := range []int{9, 8, 7, 6, 0} {
		p, spare = u.horner(false, p, spare, rest, c+i)
	}
	p, spare = u.horner(sign < 0, p, spare, rest, c)
	u.exponent(p, n, k)
	u.beyond(sign > 0, p, x, c+1, k)
	return p
}

// together writes bodies that have nothing to do with each other line by line
// in turn, for processors that do not reorder much.
func (a *asm) together(bodies ...func(a *asm)) {
	var lines [][]string
	for _, body := range bodies {
		one := &asm{}
		body(one)
		lines = append(lines, strings.SplitAfter(one.String(), "\n"))
	}
	for i := range lines[0] {
		for _, l := range lines {
			a.WriteString(l[i])
		}
	}
}
