package jpeg

import "encoding/binary"

// mcu decodes one MCU of a sequential scan to d.blocks, of which the first n must be zero. tables
// names the component of each block.
func (d *decoder) mcu(of []*component) error {
	b := &d.bits
	b.ensure()
	for i, c := range of {
		d.blockEnd[i] = uint8(b.block(&d.blocks[i&15%10], d.dcTab[c.dc&3], d.acTab[c.ac&3], &c.pred, &d.damage))
	}
	return nil
}

// block decodes one block and returns the place after the last coefficient that was set, in zigzag order.
func (b *bits) block(blk *[64]int16, dc, ac *huffman, pred *int32, damage *int) int {
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
		var s uint
		if e&entryLong != 0 {
			b.acc, b.n = acc, n
			sym, ok := dc.long(b)
			acc, n = b.acc, b.n
			if !ok {
				*damage++
			}
			s = uint(sym)
		} else {
			acc <<= e & entryBits
			n -= uint(e & entryBits)
			s = uint(e >> 8 & 255)
		}
		diff = 0
		if s &= 15; s > 0 {
			diff = extend(uint32(acc>>(64-s)), s)
			acc <<= s
			n -= s
		}
	}
	*pred += diff
	blk[0] = int16(*pred)

	last := 1
	for k := 1; k < 64; k++ {
		acc |= binary.BigEndian.Uint64(buf[pos:]) >> (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56
		e := ac.look[acc>>(64-lookBits)]
		if e&(entryLong|entrySymbol) == 0 {
			acc <<= e & entryBits
			n -= uint(e & entryBits)
			k += int(e >> 8 & 15)
			blk[zigzag[k]&63] = int16(e >> 16)
			last = k + 1
			continue
		}
		var s uint
		if e&entryLong != 0 {
			b.acc, b.n = acc, n
			sym, ok := ac.long(b)
			acc, n = b.acc, b.n
			if !ok {
				*damage++
			}
			s = uint(sym)
		} else {
			acc <<= e & entryBits
			n -= uint(e & entryBits)
			s = uint(e >> 8 & 255)
		}
		r := int(s >> 4)
		if s &= 15; s == 0 {
			if r != 15 {
				break
			}
			k += 15
			continue
		}
		k += r
		blk[zigzag[k]&63] = int16(extend(uint32(acc>>(64-s)), s))
		last = k + 1
		acc <<= s
		n -= s
	}
	b.acc, b.n, b.pos = acc, n, pos
	return min(last, 64)
}
