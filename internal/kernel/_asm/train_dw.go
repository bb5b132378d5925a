package main

import "fmt"

func fmtMem(disp int, base string) string { return fmt.Sprintf("%d(%s)", disp, base) }

// tapsBlock is what a routine of a strided depthwise convolution's gradient
// takes: outputs a fixed step apart, each the sum of a small window of inputs
// times weights. Strides are in bytes.
var tapsBlock = block{"tapsArgs", "tapsArgs are the arguments of a window's routine; strides are in bytes.", []field{
	{"x0", "*float32", "first input of each row of the window, of the first output"},
	{"x1", "*float32", ""},
	{"x2", "*float32", ""},
	{"w0", "*float32", "weights of the first tap of each row"},
	{"w1", "*float32", ""},
	{"w2", "*float32", ""},
	{"y", "*float32", "first output"},
	{"xStep", "int", "between the inputs of two outputs, and of two columns of the window"},
	{"wStep", "int", "between the weights of two columns"},
	{"yStep", "int", "between outputs"},
	{"n", "int", "outputs, at least one"},
	{"rows", "int", "of the window, one to three"},
	{"cols", "int", "of the window, one to three"},
	{"channels", "int", ""},
}}

// gradTapsBlock is what the routine of a depthwise weight's gradient takes: for
// one row of the window the sums, over rows and columns of outputs, of an
// output's gradient times each input of the window's row.
var gradTapsBlock = block{"gradTapsArgs", "gradTapsArgs are the arguments of a depthwise weight's gradient; strides are in bytes.", []field{
	{"x", "*float32", "input of the first tap and the first output"},
	{"dy", "*float32", "gradient of the first output"},
	{"sums", "*float32", "of the first tap"},
	{"xRow", "int", "between the inputs of two rows of outputs"},
	{"xCol", "int", "between the inputs of two outputs"},
	{"tap", "int", "between the inputs of two taps"},
	{"dyRow", "int", "between rows of gradients"},
	{"dyCol", "int", "between gradients"},
	{"sumStride", "int", "between the sums of two taps"},
	{"rows", "int", "of outputs, at least one"},
	{"cols", "int", "of outputs, at least one"},
	{"taps", "int", "one to five"},
	{"channels", "int", ""},
}}

func trainDWFile(a *asm) {
	tailMask(a)
	for _, s := range isas {
		dwTaps(a, s)
		dwGradTaps(a, s)
	}
}

// byChannels runs a body for each vector of channels at byte R14, the last one
// masked.
func byChannels(a *asm, s isa, channels string, body func(masked bool)) {
	a.p("XORL R14, R14")
	full, rest, end := a.fresh("full"), a.fresh("rest"), a.fresh("end")
	a.label(full)
	a.p("MOVQ %s, CX", channels)
	a.p("SHLQ $2, CX")
	a.p("LEAQ %d(R14), AX", s.bytes())
	a.p("CMPQ AX, CX")
	a.p("JGT %s", rest)
	body(false)
	a.p("ADDQ $%d, R14", s.bytes())
	a.p("JMP %s", full)
	a.label(rest)
	a.p("CMPQ R14, CX")
	a.p("JGE %s", end)
	body(true)
	a.label(end)
}

func dwTaps(a *asm, s isa) {
	b := &tapsBlock
	a.begin("dwTaps"+s.name, b)
	lanesMask(a, s, b.at("channels"))
	a.p("MOVQ %s, R8", b.at("xStep"))
	a.p("MOVQ %s, R9", b.at("yStep"))
	a.p("MOVQ %s, R10", b.at("wStep"))
	a.p("MOVQ %s, AX", b.at("rows"))
	a.p("LEAQ (AX)(AX*2), AX")
	a.p("ADDQ %s, AX", b.at("cols"))
	var labels [10]string
	for i := range 9 {
		labels[i] = a.fresh("window")
		a.p("CMPQ AX, $%d", 4+i)
		a.p("JEQ %s", labels[i])
	}
	a.p("VZEROUPPER")
	a.p("RET")
	for i := range 9 {
		rows, cols := i/3+1, i%3+1
		a.label(labels[i])
		byChannels(a, s, b.at("channels"), func(masked bool) {
			// Weights stay in registers from 4 on.
			for r := range rows {
				a.p("MOVQ %s, R12", b.at(fmt.Sprintf("w%d", r)))
				a.p("ADDQ R14, R12")
				for c := range cols {
					a.load(s, masked, "(R12)", s.v(4+r*cols+c))
					if c+1 < cols {
						a.p("ADDQ R10, R12")
					}
				}
				a.p("MOVQ %s, %s", b.at(fmt.Sprintf("x%d", r)), []string{"AX", "BX", "DX"}[r])
				a.p("ADDQ R14, %s", []string{"AX", "BX", "DX"}[r])
			}
			a.p("MOVQ %s, R13", b.at("y"))
			a.p("ADDQ R14, R13")
			a.p("MOVQ %s, R11", b.at("n"))
			loop := a.fresh("output")
			a.label(loop)
			for r := range rows {
				for c := range cols {
					mem := []string{"(%s)", "(%s)(R8*1)", "(%s)(R8*2)"}[c]
					mem = fmt.Sprintf(mem, []string{"AX", "BX", "DX"}[r])
					w := s.v(4 + r*cols + c)
					op := "VFMADD231PS %s, %s, %s"
					if r+c == 0 {
						op = "VMULPS %s, %s, %s"
					}
					if masked {
						a.load(s, true, mem, s.v(1))
						mem = s.v(1)
					}
					a.p(op, mem, w, s.v(0))
				}
			}
			a.store(s, masked, s.v(0), "(R13)")
			for r := range rows {
				a.p("ADDQ R8, %s", []string{"AX", "BX", "DX"}[r])
			}
			a.p("ADDQ R9, R13")
			a.p("DECQ R11")
			a.p("JNE %s", loop)
		})
		a.p("VZEROUPPER")
		a.p("RET")
	}
}

func dwGradTaps(a *asm, s isa) {
	b := &gradTapsBlock
	a.begin("dwGradTaps"+s.name, b)
	lanesMask(a, s, b.at("channels"))
	a.p("MOVQ %s, R8", b.at("tap"))
	a.p("LEAQ (R8)(R8*2), R9")
	a.p("MOVQ %s, R10", b.at("xCol"))
	a.p("MOVQ %s, R11", b.at("dyCol"))
	a.p("MOVQ %s, AX", b.at("taps"))
	var labels [6]string
	for taps := 1; taps <= 5; taps++ {
		labels[taps] = a.fresh("taps")
		a.p("CMPQ AX, $%d", taps)
		a.p("JEQ %s", labels[taps])
	}
	a.p("VZEROUPPER")
	a.p("RET")
	for taps := 1; taps <= 5; taps++ {
		a.label(labels[taps])
		byChannels(a, s, b.at("channels"), func(masked bool) {
			each := func(f func(t int)) {
				a.p("MOVQ %s, R13", b.at("sums"))
				a.p("ADDQ R14, R13")
				for t := range taps {
					f(t)
					if t+1 < taps {
						a.p("ADDQ %s, R13", b.at("sumStride"))
					}
				}
			}
			// Two sums each, for even and odd outputs, so that chains are short.
			each(func(t int) {
				a.load(s, masked, "(R13)", s.v(t))
				a.zero(s, 5+t)
			})
			a.p("MOVQ %s, AX", b.at("x"))
			a.p("ADDQ R14, AX")
			a.p("MOVQ %s, BX", b.at("dy"))
			a.p("ADDQ R14, BX")
			a.p("MOVQ %s, R12", b.at("rows"))
			row, pair, last, next := a.fresh("row"), a.fresh("pair"), a.fresh("last"), a.fresh("next")
			output := func(first int) {
				a.load(s, masked, "(BX)", s.v(10))
				for t := range taps {
					mem := []string{"(SI)", "(SI)(R8*1)", "(SI)(R8*2)", "(SI)(R9*1)", "(SI)(R8*4)"}[t]
					if masked {
						a.load(s, true, mem, s.v(11))
						mem = s.v(11)
					}
					a.p("VFMADD231PS %s, %s, %s", mem, s.v(10), s.v(first+t))
				}
				a.p("ADDQ R10, SI")
				a.p("ADDQ R11, BX")
			}
			a.label(row)
			a.p("MOVQ AX, SI")
			a.p("MOVQ BX, DX")
			a.p("MOVQ %s, CX", b.at("cols"))
			a.p("SUBQ $2, CX")
			a.p("JLT %s", last)
			a.label(pair)
			output(0)
			output(5)
			a.p("SUBQ $2, CX")
			a.p("JGE %s", pair)
			a.label(last)
			a.p("ADDQ $2, CX")
			a.p("JEQ %s", next)
			output(0)
			a.label(next)
			a.p("ADDQ %s, AX", b.at("xRow"))
			a.p("MOVQ DX, BX")
			a.p("ADDQ %s, BX", b.at("dyRow"))
			a.p("DECQ R12")
			a.p("JNE %s", row)
			each(func(t int) {
				a.p("VADDPS %s, %s, %s", s.v(5+t), s.v(t), s.v(t))
				a.store(s, masked, s.v(t), "(R13)")
			})
		})
		a.p("VZEROUPPER")
		a.p("RET")
	}
}

func init() {
	for _, s := range isas {
		functions = append(functions,
			function{"dwTaps" + s.name, tapsBlock.name, "dwTaps" + s.name + " computes outputs from small windows, channel by channel."},
			function{"dwGradTaps" + s.name, gradTapsBlock.name, "dwGradTaps" + s.name + " adds to the sums of some taps."})
	}
}
