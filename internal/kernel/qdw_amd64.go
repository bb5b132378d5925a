//go:build amd64 && !purego

package kernel

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mobilenet-go/mobilenet/internal/cpu"
)

// The depthwise convolutions of bytes in assembly. See the generator's qdw.go
// for how sums lie in registers.

// vecQDepthwise lists them, best first.
func vecQDepthwise() (kernels []QConvKernel) {
	for _, v := range []qdwVec{{vnni: true}, {}} {
		isa, impl, available := "AVX2", "avx2", cpu.AVX2
		if v.vnni {
			isa, impl, available = "VNNI", "avx512", cpu.VNNI
		}
		for _, k := range []int{3, 5} {
			for _, stride := range []int{1, 2} {
				accepts := func(s *QConvShape) bool {
					return s.Groups == s.C && s.O == s.C && s.KH == k && s.KW == k && s.StrideW == stride &&
						(stride == 1 || s.DilationW == 1) && (v.vnni || s.C >= qdwNarrow)
				}
				kernels = append(kernels, QConvKernel{
					Name: fmt.Sprintf("dwconvU8K%dS%d%s", k, stride, isa), Impl: impl, Available: available, Accepts: accepts,
					PackedLen: v.packedLen, Pack: v.pack,
					Tasks: qdwTasks, ScratchLen: func(*QConvShape) int { return 16 }, Run: v.run,
				})
			}
		}
	}
	return kernels
}

// qdwVec is an instruction set: AVX-512 with products by dots of four bytes,
// or AVX2 with those of two words.
type qdwVec struct{ vnni bool }

// qdwNarrow is the channels of the narrowest block; AVX2 knows no other.
const qdwNarrow = 16

// qdwBlocks is some blocks of channels that one call computes.
type qdwBlocks struct {
	first, width int // the first channel, the channels of a block
	blocks       int
	there        int // channels of the last block that there are
	at, size     int // in the packed constants: of the first, of each
}

// qdwHead is the bytes before the weights of a block: how many groups of them
// there are beyond the first, and whether some sums are shifted to the left.
const qdwHead = 64

// rows and accs are the kernel rows of a product and the registers of sums.
func (v qdwVec) rows() int {
	if v.vnni {
		return 4
	}
	return 2
}

func (v qdwVec) accs() int { return v.rows() }

// groups is the groups of weights there is room for: those beyond a signed
// byte are sums of at most three.
func (v qdwVec) groups(s *QConvShape) int {
	if v.vnni && s.HasWZero {
		return 3
	}
	return 1
}

// groupBytes is the size of a group of a block: [kernel column][set][register].
func (v qdwVec) groupBytes(s *QConvShape, width int) int {
	return s.KW * ceilDiv(s.KH, v.rows()) * width * 4
}

func (v qdwVec) size(s *QConvShape, width int) int {
	return qdwHead + v.groups(s)*v.groupBytes(s, width) + v.accs()*(shortBlock+quantBlock)
}

// split gives the calls that channels lo to hi take. AVX2, without masks, goes
// over some channels twice to end where they end.
func (v qdwVec) split(s *QConvShape, lo, hi int) (list [2]qdwBlocks) {
	wide := qdwNarrow
	if v.vnni {
		wide = 64
	}
	full := (hi - lo) / wide
	at := lo / wide * v.size(s, wide)
	list[0] = qdwBlocks{first: lo, width: wide, blocks: full, there: wide, at: at, size: v.size(s, wide)}
	rest := hi - lo - full*wide
	if rest == 0 {
		return list
	}
	b := qdwBlocks{first: lo + full*wide, width: wide, blocks: 1, there: rest, at: at + full*v.size(s, wide)}
	switch {
	case !v.vnni:
		b.first, b.there = hi-wide, wide
	case rest <= 16:
		b.width = 16
	case rest <= 32:
		b.width = 32
	}
	b.size = v.size(s, b.width)
	list[1] = b
	return list
}

func (v qdwVec) packedLen(s *QConvShape) int {
	list := v.split(s, 0, s.O)
	if last := list[1]; last.blocks > 0 {
		return last.at + last.size
	}
	return list[0].blocks * list[0].size
}

func (v qdwVec) pack(a *QConv, dst []byte) {
	clear(dst)
	for _, list := range v.split(&a.QConvShape, 0, a.O) {
		for i := range list.blocks {
			v.packBlock(a, list.first+i*list.width, list.width, dst[list.at+i*list.size:][:list.size])
		}
	}
}

// channel is where lane l of register i lies in a block.
func (v qdwVec) channel(i, l int) int { return l/4*4*v.accs() + 4*i + l%4 }

func (v qdwVec) packBlock(a *QConv, first, width int, dst []byte) {
	taps, lanes, sets := a.KH*a.KW, width/v.accs(), ceilDiv(a.KH, v.rows())
	groups, groupBytes := v.groups(&a.QConvShape), v.groupBytes(&a.QConvShape, width)
	used := 0
	for i := range v.accs() {
		for l := range lanes {
			o := first + v.channel(i, l)
			if o >= a.O {
				continue
			}
			for kw := range a.KW {
				for set := range sets {
					at := qdwHead + ((kw*sets+set)*v.accs()+i)*lanes*4 + 4*l
					used = max(used, v.packDot(a, o, taps, kw, set, groups, groupBytes, dst[at:]))
				}
			}
		}
	}
	binary.NativeEndian.PutUint64(dst, uint64(used))
	if shiftsLeft(a) {
		dst[9] = 1
	}
	consts := dst[qdwHead+groups*groupBytes:]
	for i := range v.accs() {
		b := QConv{QConvShape: QConvShape{O: lanes, YZero: a.YZero, Single: a.Single, Up: a.Up, Float: a.Float},
			Bias: make([]int32, lanes), Mult: make([]int32, lanes), Shift: make([]int32, lanes)}
		for l := range lanes {
			b.Shift[l] = -1
			if o := first + v.channel(i, l); o < a.O {
				b.Bias[l], b.Mult[l], b.Shift[l] = sumOfWeights(a, o, taps), a.Mult[o], a.Shift[o]
				if !shortEnough(a, o, taps) {
					dst[8] = 1
				}
			}
		}
		packShort(&b, consts[i*shortBlock:])
		packQuant(&b, 0, b.Bias, consts[v.accs()*shortBlock+i*quantBlock:])
	}
}

// The constants of the short way of requantization; see the generator.
const (
	shortBias  = 64 * iota // int32
	shortMult              // int32
	shortOdd               // int32 in 64 bits
	shortEven              // int64
	shortOdds              // int64
	shortShift             // int32
	shortBlock
)

// shortEnough reports that no sum of a channel leaves the numbers that the
// short way can hold.
func shortEnough(a *QConv, o, taps int) bool {
	most := int64(sumOfWeights(a, o, taps))
	most = max(most, -most)
	for t := range taps {
		w := int64(offWeight(a, o, taps, t))
		most += math.MaxUint8 * max(w, -w)
	}
	n := -int64(a.Shift[o])
	if a.Float || n < 0 || n > 22 || n == 0 && a.Twice() {
		return false
	}
	return most < 1<<30 && most+1<<n>>1+math.MaxUint8<<n < 1<<31-2
}

// packShort writes the constants of the short way.
func packShort(a *QConv, dst []byte) {
	order := binary.NativeEndian
	for l, m := range a.Mult {
		n := uint(min(max(-a.Shift[l], 0), 22))
		term := uint64(a.YZero)<<(n+32) + uint64(1)<<(n+31)
		switch {
		case a.Twice():
			term = uint64(a.YZero)<<(n+32) + uint64(1)<<n>>1<<32 + 1<<31
		case a.Up && n > 0:
			term += 1 << 31
		}
		order.PutUint32(dst[shortBias+4*l:], uint32(a.Bias[l]))
		order.PutUint32(dst[shortShift+4*l:], uint32(n))
		order.PutUint32(dst[shortMult+4*l:], uint32(m))
		if l%2 == 0 {
			order.PutUint64(dst[shortEven+4*l:], term)
		} else {
			order.PutUint32(dst[shortOdd+4*l-4:], uint32(m))
			order.PutUint64(dst[shortOdds+4*l-4:], term)
		}
	}
}

// packDot writes the weights of one dot: a kernel column's rows of a set, the
// last one for whatever places are left. What does not fit into a place goes
// on to the next of its row. It gives the last group it needs.
func (v qdwVec) packDot(a *QConv, o, taps, kw, set, groups, groupBytes int, dst []byte) (used int) {
	rows := min(v.rows(), a.KH-set*v.rows())
	for r := range rows {
		rest := offWeight(a, o, taps, (set*v.rows()+r)*a.KW+kw)
		for g := 0; rest != 0; g++ {
			for place := r; place < v.rows() && (place == r || r == rows-1); place++ {
				if !v.vnni {
					binary.NativeEndian.PutUint16(dst[2*place:], uint16(rest))
					rest = 0
					break
				}
				w := min(max(rest, math.MinInt8), math.MaxInt8)
				dst[g*groupBytes+place] = uint8(w)
				if rest -= w; w != 0 {
					used = max(used, g)
				}
			}
		}
	}
	return used
}

func (v qdwVec) run(a *QConv, task int, scratch []float32) {
	s := &a.QConvShape
	t := planQDW(s).part(s, task)
	zeros := Bytes(scratch[:16])
	fillBytes(zeros, a.XZero)
	b := qdwArgs{
		zero: &zeros[0], height: a.H, rowStride: a.W * a.XPixel, colStride: a.DilationW * a.XPixel,
		top: t.row*a.StrideH - a.PadTop, down: a.StrideH, dilation: a.DilationH, rows: t.rows,
		yRow: a.OW * a.YPixel, yCol: a.DilationW * a.YPixel,
		lo: uint32(a.Lo), hi: uint32(a.Hi),
	}
	b.tie = math.MaxUint32
	if !a.Twice() {
		b.single, b.tie = roundOnceOrFloat(&a.QConvShape), 0
	}
	looked := false
	if a.HasTable && v.vnni && cpu.VBMI() {
		b.table, looked = &a.Table[0], true
	}
	for _, list := range v.split(s, t.lo, t.hi) {
		if list.blocks == 0 {
			continue
		}
		b.mask = -1
		b.full = 1
		if list.there < list.width {
			b.mask, b.full = 1<<list.there-1, 0
		}
		b.w = &a.Packed[list.at]
		b.wBlock, b.consts = list.size, list.size-v.accs()*(shortBlock+quantBlock)
		for phase := range min(a.DilationW, a.OW) {
			// Outputs a dilation apart share their columns.
			at := phase - a.PadLeft
			column := (at%a.DilationW + a.DilationW) % a.DilationW
			b.left = (at - column) / a.DilationW
			b.width = max(ceilDiv(a.W-column, a.DilationW), 0)
			b.outs = ceilDiv(a.OW-phase, a.DilationW)
			b.x = &a.X[t.n*a.H*a.W*a.XPixel+min(column, a.W-1)*a.XPixel+list.first]
			b.y = &a.Y[((t.n*a.OH+t.row)*a.OW+phase)*a.YPixel+list.first]
			b.blocks = list.blocks
			v.call(a.KW, a.StrideW, list.width, &b)
		}
	}
	if a.HasTable && !looked {
		t.lookUp(a)
	}
}

// call enters the routine; by name, lest the arguments go to the heap.
func (v qdwVec) call(k, stride, width int, b *qdwArgs) {
	if !v.vnni {
		width = 0
	}
	switch {
	case k == 3 && stride == 1:
		switch width {
		case 64:
			qdw3S1VNNI64(b)
		case 32:
			qdw3S1VNNI32(b)
		case 16:
			qdw3S1VNNI16(b)
		default:
			qdw3S1AVX2(b)
		}
	case k == 3:
		switch width {
		case 64:
			qdw3S2VNNI64(b)
		case 32:
			qdw3S2VNNI32(b)
		case 16:
			qdw3S2VNNI16(b)
		default:
			qdw3S2AVX2(b)
		}
	case stride == 1:
		switch width {
		case 64:
			qdw5S1VNNI64(b)
		case 32:
			qdw5S1VNNI32(b)
		case 16:
			qdw5S1VNNI16(b)
		default:
			qdw5S1AVX2(b)
		}
	default:
		switch width {
		case 64:
			qdw5S2VNNI64(b)
		case 32:
			qdw5S2VNNI32(b)
		case 16:
			qdw5S2VNNI16(b)
		default:
			qdw5S2AVX2(b)
		}
	}
}
