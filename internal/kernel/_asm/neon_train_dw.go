package main

import "fmt"

// The gradients of depthwise convolutions on NEON; train_dw.go says what each
// routine does. Channels go by eight, four and one.

func trainDWNEON(a *asm) {
	dwTapsNEON(a)
	dwGradTapsNEON(a)
}

// aheadNEON gives body n loads in turn, step bytes apart from reg on, each on
// its way while the one before is at work, for processors that run instructions
// in order. It takes four registers from v on.
func (a *asm) aheadNEON(channels int, reg, step, free string, v, n int, body func(i, v int)) {
	a.lanesNEON(true, channels, false, reg, v)
	for i := range n {
		if i+1 < n {
			a.p("ADD %s, %s, %s", step, reg, free)
			reg = free
			a.lanesNEON(true, channels, false, reg, v+2*((i+1)%2))
		}
		body(i, v+2*(i%2))
	}
}

func dwTapsNEON(a *asm) {
	b := &tapsBlock
	a.beginNEON("dwTapsNEON", b)
	for _, f := range [][2]string{{"xStep", "R8"}, {"yStep", "R9"}, {"wStep", "R10"}, {"channels", "R11"}, {"rows", "R1"}, {"cols", "R2"}} {
		a.fetch(b, f[0], f[1])
	}
	a.p("ADD R1<<1, R1, R1")
	a.p("ADD R2, R1")
	var labels [9]string
	for i := range labels {
		labels[i] = a.fresh("window")
		a.p("CMP $%d, R1", 4+i)
		a.p("BEQ %s", labels[i])
	}
	a.p("RET")
	for i, label := range labels {
		a.label(label)
		a.p("MOVD $0, R12") // bytes of channels done
		a.channelsNEON("R11", func(channels int) { dwWindowNEON(a, i/3+1, i%3+1, channels) })
		a.p("RET")
	}
}

// dwWindowNEON is some channels of all outputs.
func dwWindowNEON(a *asm, rows, cols, channels int) {
	b, vecs := &tapsBlock, (channels+3)/4
	weight := func(r, c int) int { return 4 + vecs*(r*cols+c) }
	x := func(r int) string { return fmt.Sprintf("R%d", 1+r) }
	for r := range rows {
		a.fetch(b, fmt.Sprintf("w%d", r), "R13")
		a.p("ADD R12, R13")
		for c := range cols {
			a.lanesNEON(true, channels, false, "R13", weight(r, c))
			if c+1 < cols {
				a.p("ADD R10, R13")
			}
		}
		a.fetch(b, fmt.Sprintf("x%d", r), x(r))
		a.p("ADD R12, %s", x(r))
	}
	a.fetch(b, "y", "R4")
	a.p("ADD R12, R4")
	a.fetch(b, "n", "R5")
	loop := a.fresh("output")
	a.label(loop)
	for r := range rows {
		a.aheadNEON(channels, x(r), "R8", "R6", 24, cols, func(c, x int) {
			for v := range vecs {
				if r+c == 0 {
					a.op("fmul", v, x+v, weight(r, c)+v)
				} else {
					a.mulAdd(v, x+v, weight(r, c)+v)
				}
			}
		})
		a.p("ADD R8, %s", x(r))
	}
	a.lanesNEON(false, channels, false, "R4", 0)
	a.p("ADD R9, R4")
	a.p("SUBS $1, R5")
	a.p("BNE %s", loop)
	a.p("ADD $%d, R12", 4*channels)
}

func dwGradTapsNEON(a *asm) {
	b := &gradTapsBlock
	a.beginNEON("dwGradTapsNEON", b)
	for _, f := range [][2]string{{"tap", "R8"}, {"xCol", "R9"}, {"dyCol", "R10"}, {"channels", "R11"}, {"sumStride", "R13"}, {"xRow", "R14"}, {"dyRow", "R15"}, {"taps", "R1"}} {
		a.fetch(b, f[0], f[1])
	}
	var labels [5]string
	for i := range labels {
		labels[i] = a.fresh("taps")
		a.p("CMP $%d, R1", 1+i)
		a.p("BEQ %s", labels[i])
	}
	a.p("RET")
	for i, label := range labels {
		a.label(label)
		a.p("MOVD $0, R12") // bytes of channels done
		a.channelsNEON("R11", func(channels int) { dwTapSumsNEON(a, 1+i, channels) })
		a.p("RET")
	}
}

// dwTapSumsNEON is some channels of all outputs. There are two sums each, for
// even and odd outputs, so that chains are short.
func dwTapSumsNEON(a *asm, taps, channels int) {
	b, vecs := &gradTapsBlock, (channels+3)/4
	const odd, dy, in = 10, 20, 22
	each := func(f func(t int)) {
		a.fetch(b, "sums", "R7")
		a.p("ADD R12, R7")
		for t := range taps {
			f(t)
			if t+1 < taps {
				a.p("ADD R13, R7")
			}
		}
	}
	each(func(t int) {
		a.lanesNEON(true, channels, false, "R7", 2*t)
		for v := range vecs {
			a.zeroNEON(odd + 2*t + v)
		}
	})
	a.fetch(b, "x", "R1")
	a.p("ADD R12, R1")
	a.fetch(b, "dy", "R2")
	a.p("ADD R12, R2")
	a.fetch(b, "rows", "R3")
	row, pair, last, next := a.fresh("row"), a.fresh("pair"), a.fresh("last"), a.fresh("next")
	output := func(first int) {
		a.lanesNEON(true, channels, false, "R5", dy)
		a.aheadNEON(channels, "R4", "R8", "R19", in, taps, func(t, x int) {
			for v := range vecs {
				a.mulAdd(first+2*t+v, x+v, dy+v)
			}
		})
		a.p("ADD R9, R4")
		a.p("ADD R10, R5")
	}
	a.label(row)
	a.p("MOVD R1, R4")
	a.p("MOVD R2, R5")
	a.fetch(b, "cols", "R6")
	a.p("SUBS $2, R6")
	a.p("BLT %s", last)
	a.label(pair)
	output(0)
	output(odd)
	a.p("SUBS $2, R6")
	a.p("BGE %s", pair)
	a.label(last)
	a.p("ADDS $2, R6")
	a.p("BEQ %s", next)
	output(0)
	a.label(next)
	a.p("ADD R14, R1")
	a.p("ADD R15, R2")
	a.p("SUBS $1, R3")
	a.p("BNE %s", row)
	each(func(t int) {
		for v := range vecs {
			a.op("fadd", 2*t+v, 2*t+v, odd+2*t+v)
		}
		a.lanesNEON(false, channels, false, "R7", 2*t)
	})
	a.p("ADD $%d, R12", 4*channels)
}
