package main

// amxFile is the product by tiles. Tiles 0 to 3 hold the sums of 32 rows by 32
// outputs, 4 and 5 rows of inputs, 6 and 7 weights. The tiles are configured
// and released within the routine: no other code ever runs with tile state,
// which neither Go's scheduler nor a signal handler would keep.
func amxFile(a *asm) {
	constants(a)
	b := &halfBlock
	a.begin("gemmBF16AMX", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("MOVQ $64, R9")
	a.p("MOVQ R8, DX")
	a.p("SHLQ $4, DX")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R15", b.at("res"))
	a.p("MOVQ %s, CX", b.at("rows"))
	a.halfMasks()
	a.p("MOVQ %s, R10", b.at("bias"))
	a.p("VMOVUPS.Z (R10), K1, Z16")
	a.p("VMOVUPS.Z 64(R10), K2, Z17")
	a.tileConfig("DI", b.off("config"))
	a.label("blockAMX")
	a.p("CMPQ CX, $16")
	a.p("JLE singleAMX")
	amxBlock(a, true)
	a.p("JMP rowsAMX")
	a.label("singleAMX")
	amxBlock(a, false)
	a.label("rowsAMX")
	a.p("MOVQ %s, AX", b.at("sums"))
	a.p("MOVQ $32, BX")
	a.p("CMPQ CX, BX")
	a.p("CMOVQLT CX, BX")
	for _, rows := range []int{4, 1} {
		t := halfTile{tile{s: avx512, rows: rows, vecs: 2}}
		loop, next := a.fresh("rows"), a.fresh("next")
		a.label(loop)
		a.p("CMPQ BX, $%d", rows)
		a.p("JLT %s", next)
		for r := range rows {
			for j := range 2 {
				a.p("VADDPS %d(AX), Z%d, %s", 128*r+64*j, 16+j, t.acc(r, j))
			}
		}
		t.finish(a)
		a.p("ADDQ $%d, AX", 128*rows)
		a.p("SUBQ $%d, BX", rows)
		a.p("JMP %s", loop)
		a.label(next)
	}
	a.p("LEAQ (SI)(DX*2), SI")
	a.p("SUBQ $32, CX")
	a.p("JGT blockAMX")
	a.tileRelease()
	a.end()
}

// amxBlock sums the products of 32 rows, or of up to 16, and stores the sums.
func amxBlock(a *asm, double bool) {
	b := &halfBlock
	sums := []int{0, 1}
	if double {
		sums = []int{0, 1, 2, 3}
	}
	for _, t := range sums {
		a.tileZero(t)
	}
	bases := []string{"AX"}
	a.p("MOVQ SI, AX")
	if double {
		bases = []string{"AX", "BX"}
		a.p("LEAQ (SI)(DX*1), BX")
	}
	weights := []string{"R10", "R14"}
	a.p("MOVQ %s, R10", b.at("w"))
	a.p("MOVQ R10, R14")
	a.p("ADDQ %s, R14", b.at("wHalf"))
	a.p("MOVQ %s, R12", b.at("segs"))
	seg, loop, again, last := a.fresh("seg"), a.fresh("step"), a.fresh("again"), a.fresh("sums")
	a.label(seg)
	a.p("MOVQ %s, R11", b.at("k"))
	a.label(loop)
	a.tileLoad(0, "R10", "R9", 6)
	a.tileLoad(0, "AX", "R8", 4)
	a.tileProduct(4, 6, 0)
	a.tileLoad(0, "R14", "R9", 7)
	a.tileProduct(4, 7, 1)
	if double {
		a.tileLoad(0, "BX", "R8", 5)
		a.tileProduct(5, 6, 2)
		a.tileProduct(5, 7, 3)
	}
	for _, r := range weights {
		a.p("ADDQ $1024, %s", r)
	}
	for _, r := range bases {
		a.p("ADDQ $64, %s", r)
	}
	a.p("DECQ R11")
	a.p("JNE %s", loop)
	a.p("DECQ R12")
	a.p("JEQ %s", last)
	// The second segment takes the weights of the first again, and the parts
	// of the inputs lie behind each other; the third takes its inputs again.
	a.p("MOVQ %s, R11", b.at("part"))
	a.p("CMPQ R12, $1")
	a.p("JEQ %s", again)
	a.p("SHLQ $4, R11")
	for _, r := range weights {
		a.p("SUBQ R11, %s", r)
	}
	a.p("JMP %s", seg)
	a.label(again)
	for _, r := range bases {
		a.p("SUBQ R11, %s", r)
	}
	a.p("JMP %s", seg)
	a.label(last)
	a.p("MOVQ %s, AX", b.at("sums"))
	a.p("MOVQ $128, R11")
	for _, t := range sums {
		a.tileStore(t, t/2*16*128+t%2*64, "AX", "R11")
	}
}
