package jpeg

import "encoding/binary"

// order says where the k-th coefficient of the file's zigzag order lies in a block.
type order [256]uint8

// newOrder extends 64 places to what sequential decoding may ask for: runs in broken data lead up to
// 15 beyond the last coefficient and land on it, as in libjpeg; ends of blocks lead beyond pastEnd.
func newOrder(place func(row, col int) int) *order {
	o := &order{}
	row, col := 0, 0
	for k := range 64 {
		o[k] = uint8(place(row, col))
		up := (row+col)%2 == 0
		switch {
		case up && col == 7 || !up && row != 7 && col == 0:
			row++
		case !up && row == 7 || up && row == 0:
			col++
		case up:
			row, col = row-1, col+1
		default:
			row, col = row+1, col-1
		}
	}
	for k := 64; k < len(o); k++ {
		o[k] = o[63]
		if k >= pastEnd {
			o[k] = 64
		}
	}
	return o
}

// block holds 64 coefficients and, behind them, what decoding may scribble.
type block [128]int16

// coefs are the coefficients alone.
func (b *block) coefs() *[64]int16 { return (*[64]int16)(b[:]) }

// mcu is the minimum coded unit of a sequential scan: at most ten blocks. The assembly knows its layout.
type mcu struct {
	n      int
	dc, ac [10]*huffman
	pred   [10]*int32
	end    [10]uint8 // place after the last coefficient of each block, in zigzag order
	order  *order
	blocks [10]block
}

// plan notes what the blocks of a scan need.
func (m *mcu) plan(scan []*component) {
	m.n = 0
	for _, c := range scan {
		n := c.h * c.v
		if len(scan) == 1 {
			n = 1
		}
		for range n {
			m.dc[m.n], m.ac[m.n], m.pred[m.n] = c.dcTab, c.acTab, &c.pred
			m.n++
		}
	}
}

// readMCU decodes the blocks of one MCU, which must be zero, and returns how many codes were bad.
// The reader must have an MCU's bytes at hand.
func readMCU(b *bits, m *mcu) (bad int) {
	for i := range m.n {
		end, n := b.block(&m.blocks[i], m.order, m.dc[i], m.ac[i], m.pred[i])
		m.end[i] = uint8(end)
		bad += n
	}
	return bad
}

// block decodes one block and returns the place after its last coefficient in zigzag order.
func (b *bits) block(blk *block, o *order, dc, ac *huffman, pred *int32) (end, bad int) {
	acc, n, pos, buf := b.acc, b.n, b.pos, b.buf

	acc |= binary.BigEndian.Uint64(buf[pos:]) >> (n & 63)
	pos += int((63 - n) >> 3)
	n |= 56
	e := dc.look[acc>>(64-lookBits)]
	diff := int32(int16(e >> 16))
	if e&(entryLong|entrySymbol) == 0 {
		acc <<= e & entryBits
		n -= uint(e & entryBits)
	} else {
		b.acc, b.n = acc, n
		s, missing := dc.symbolOf(b, e)
		bad += missing
		diff = extend(b.take(uint(s&15)), uint(s&15))
		acc, n = b.acc, b.n
	}
	*pred += diff
	blk[0] = int16(*pred)

	k := uint(1)
	for k < 64 {
		acc |= binary.BigEndian.Uint64(buf[pos:]) >> (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56
		e := ac.look[acc>>(64-lookBits)]
		if e&(entryLong|entrySymbol) == 0 {
			acc <<= e & entryBits
			n -= uint(e & entryBits)
			k += uint(e >> 8 & 255)
			blk[o[uint8(k)]&127] = int16(e >> 16)
			k++
			continue
		}
		b.acc, b.n = acc, n
		s, missing := ac.symbolOf(b, e)
		bad += missing
		size := uint(s & 15)
		v := extend(b.take(size), size)
		acc, n = b.acc, b.n
		switch {
		case size > 0:
			k += uint(s >> 4)
			blk[o[uint8(k)]&127] = int16(v)
			k++
		case s == 0xf0:
			k += 16
		default:
			k += pastEnd + 1
		}
	}
	b.acc, b.n, b.pos = acc, n, pos
	if k > pastEnd {
		return int(k - pastEnd - 1), bad
	}
	return 64, bad
}

// symbolOf finishes an entry that did not resolve everything.
func (t *huffman) symbolOf(b *bits, e uint32) (symbol byte, bad int) {
	if e&entryLong != 0 {
		s, ok := t.long(b)
		if !ok {
			bad = 1
		}
		return s, bad
	}
	b.acc <<= e & entryBits
	b.n -= uint(e & entryBits)
	return byte(e >> 8), 0
}
