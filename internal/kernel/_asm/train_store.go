package main

// storeBlock is what the routines that store and load float32s as bfloat16
// take.
var storeBlock = block{"storeArgs", "storeArgs are the arguments of the routines that store float32s as bfloat16 and load them.", []field{
	{"wide", "*float32", "float32s"},
	{"half", "*uint16", "bfloat16s"},
	{"n", "int", ""},
}}

var storeFunctions = []function{
	{"storeBF16AVX512", storeBlock.name, "storeBF16AVX512 rounds float32s to bfloat16."},
	{"loadBF16AVX512", storeBlock.name, "loadBF16AVX512 widens bfloat16s."},
}

func storeRows(a *asm) {
	b := &storeBlock
	for _, load := range []bool{false, true} {
		name := "storeBF16AVX512"
		if load {
			name = "loadBF16AVX512"
		}
		a.begin(name, b)
		a.p("MOVQ %s, SI", b.at("wide"))
		a.p("MOVQ %s, DX", b.at("half"))
		a.p("MOVQ %s, CX", b.at("n"))
		loop, tail, end := a.fresh("store"), a.fresh("tail"), a.fresh("end")
		a.label(loop)
		a.p("SUBQ $32, CX")
		a.p("JLT %s", tail)
		if load {
			a.widen("(DX)", "Z0")
			a.widen("32(DX)", "Z1")
			a.p("VMOVUPS Z0, (SI)")
			a.p("VMOVUPS Z1, 64(SI)")
		} else {
			a.p("VMOVUPS (SI), Z0")
			a.p("VMOVUPS 64(SI), Z1")
			a.narrow2("Z0", "Z1", "Z2")
			a.p("VMOVUPS Z2, (DX)")
		}
		a.p("ADDQ $128, SI")
		a.p("ADDQ $64, DX")
		a.p("JMP %s", loop)
		a.label(tail)
		a.p("ADDQ $32, CX")
		a.p("JEQ %s", end)
		a.p("MOVL $1, AX")
		a.p("SHLQ CX, AX")
		a.p("DECQ AX")
		a.p("KMOVD AX, K3")
		a.p("KMOVW AX, K1")
		a.p("SHRL $16, AX")
		a.p("KMOVW AX, K2")
		if load {
			a.p("VPMOVZXWD.Z (DX), K1, Z0")
			a.p("VPMOVZXWD.Z 32(DX), K2, Z1")
			for _, r := range []string{"Z0", "Z1"} {
				a.p("VPSLLD $16, %s, %s", r, r)
			}
			a.p("VMOVUPS Z0, K1, (SI)")
			a.p("VMOVUPS Z1, K2, 64(SI)")
		} else {
			a.p("VMOVUPS.Z (SI), K1, Z0")
			a.p("VMOVUPS.Z 64(SI), K2, Z1")
			a.narrow2("Z0", "Z1", "Z2")
			a.p("VMOVDQU16 Z2, K3, (DX)")
		}
		a.label(end)
		a.end()
	}
}
