package main

// qamx is the product of bytes by tiles. Tiles 0 to 3 hold the sums of 32 rows
// by 32 outputs, 4 and 5 rows of inputs, 6 and 7 weights, whose panels are
// those of the vectors with runs of whole 64 inputs; a panel of one vector has
// no tiles 1, 3 and 7. The tiles are configured and released within the
// routine.
func qamx(a *asm) {
	b := &qgemmBlock
	a.begin("qgemmAMX", b)
	a.p("MOVQ %s, SI", b.at("x"))
	a.p("MOVQ %s, R8", b.at("xStride"))
	a.p("MOVQ R8, DX")
	a.p("SHLQ $4, DX")
	a.p("MOVQ %s, R13", b.at("y"))
	a.p("MOVQ %s, R14", b.at("sums"))
	a.p("MOVQ %s, R15", b.at("q"))
	a.p("MOVQ %s, CX", b.at("rows"))
	requantMask(a, avx512)
	a.p("MOVQ %s, AX", b.at("mask"))
	a.p("KMOVD AX, K3")
	a.tileConfig("DI", b.off("config"))
	a.p("MOVQ %s, R9", b.at("vecs"))
	a.p("SHLQ $6, R9")
	for _, vecs := range []int{2, 1} {
		loop, single, finish, other := a.fresh("block"), a.fresh("single"), a.fresh("finish"), a.fresh("other")
		if vecs == 2 {
			a.p("CMPQ R9, $64")
			a.p("JEQ %s", other)
		}
		a.label(loop)
		a.p("CMPQ CX, $16")
		a.p("JLE %s", single)
		qamxTiles(a, vecs, true)
		a.p("JMP %s", finish)
		a.label(single)
		qamxTiles(a, vecs, false)
		a.label(finish)
		a.p("MOVQ %s, AX", b.at("acc"))
		a.p("MOVQ $32, BX")
		a.p("CMPQ CX, BX")
		a.p("CMOVQLT CX, BX")
		for _, rows := range []int{4, 1} {
			t := qtile{tile: tile{s: avx512, rows: rows, vecs: vecs}}
			rest, next := a.fresh("rows"), a.fresh("next")
			a.label(rest)
			a.p("CMPQ BX, $%d", rows)
			a.p("JLT %s", next)
			t.start(a)
			for r := range rows {
				for j := range vecs {
					a.p("VPADDD %d(AX), %s, %s", 128*r+64*j, t.acc(r, j), t.acc(r, j))
				}
			}
			t.finish(a)
			a.p("ADDQ $%d, AX", 128*rows)
			a.p("SUBQ $%d, BX", rows)
			a.p("JMP %s", rest)
			a.label(next)
		}
		a.p("LEAQ (SI)(DX*2), SI")
		a.p("SUBQ $32, CX")
		a.p("JGT %s", loop)
		a.p("JMP doneAMX")
		if vecs == 2 {
			a.label(other)
		}
	}
	a.label("doneAMX")
	a.tileRelease()
	a.end()
}

// qamxTiles sums the products of 32 rows, or of up to 16, and stores the sums.
func qamxTiles(a *asm, vecs int, double bool) {
	b := &qgemmBlock
	halves := 1
	a.p("MOVQ SI, AX")
	if double {
		halves = 2
		a.p("LEAQ (SI)(DX*1), BX")
	}
	for h := range halves {
		for j := range vecs {
			a.tileZero(2*h + j)
		}
	}
	a.p("MOVQ %s, R10", b.at("w"))
	a.p("MOVQ %s, R11", b.at("run"))
	a.p("SHRQ $4, R11")
	loop := a.fresh("step")
	a.label(loop)
	a.tileLoad(0, "R10", "R9", 6)
	a.tileLoad(0, "AX", "R8", 4)
	a.tileBytes(4, 6, 0)
	if vecs == 2 {
		a.tileLoad(64, "R10", "R9", 7)
		a.tileBytes(4, 7, 1)
	}
	if double {
		a.tileLoad(0, "BX", "R8", 5)
		a.tileBytes(5, 6, 2)
		if vecs == 2 {
			a.tileBytes(5, 7, 3)
		}
		a.p("ADDQ $64, BX")
	}
	a.p("ADDQ $64, AX")
	a.p("ADDQ $%d, R10", 1024*vecs)
	a.p("DECQ R11")
	a.p("JNE %s", loop)
	a.p("MOVQ %s, AX", b.at("acc"))
	a.p("MOVQ $128, R11")
	for h := range halves {
		for j := range vecs {
			a.tileStore(2*h+j, h*16*128+j*64, "AX", "R11")
		}
	}
}
