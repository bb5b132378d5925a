package jpeg

import mathbits "math/bits"

// dcFirst reads the difference of the mean of one block.
func (d *decoder) dcFirst(c *component, blk *[64]int16) {
	b := &d.bits
	b.refill()
	s, ok := c.dcTab.decode(b)
	if !ok {
		d.damage++
	}
	if s > 0 {
		c.pred += extend(b.take(uint(s&15)), uint(s&15))
	}
	blk[0] = int16(c.pred << d.al)
}

// dcRefine reads one more bit of the mean.
func (d *decoder) dcRefine(blk *[64]int16) {
	b := &d.bits
	b.refill()
	if b.take(1) != 0 {
		blk[0] |= 1 << d.al
	}
}

// eob notes a run of blocks without further coefficients, of which the current one is the first.
func (d *decoder) eob(r byte) {
	d.eobrun = 1<<r + int(d.bits.take(uint(r)))
}

// acFirst reads a band of coefficients for the first time. The caller has seen to eobrun.
func (d *decoder) acFirst(t *huffman, blk *[64]int16, set *uint64) {
	b := &d.bits
	for k := d.ss; k <= d.se; k++ {
		b.refill()
		e := t.look[b.acc>>(64-lookBits)]
		if e&(entryLong|entrySymbol) == 0 {
			b.acc <<= e & entryBits
			b.n -= uint(e & entryBits)
			k += int(e >> 8 & 15)
			blk[d.mcu.order[uint8(k)]&63] = int16(e>>16) << d.al
			*set |= 1 << min(k, 63)
			continue
		}
		rs, ok := t.decode(b)
		if !ok {
			d.damage++
		}
		r, s := rs>>4, uint(rs&15)
		if s == 0 {
			if r != 15 {
				d.eob(r)
				d.eobrun--
				return
			}
			k += 15
			continue
		}
		k += int(r)
		blk[d.mcu.order[uint8(k)]&63] = int16(extend(b.take(s), s) << d.al)
		*set |= 1 << min(k, 63)
	}
}

// acRefine reads one more bit of every coefficient of a band that is not zero, and those which the
// bit makes nonzero. set says which are not zero, in zigzag order: most are, and stepping from one
// to the next saves looking at every one in every scan.
func (d *decoder) acRefine(t *huffman, blk *[64]int16, set *uint64) {
	b, order := &d.bits, d.mcu.order
	bit := int16(1) << d.al
	k, nz := d.ss, *set
	if d.eobrun == 0 {
		for ; k <= d.se; k++ {
			b.refill()
			rs, ok := t.decode(b)
			if !ok {
				d.damage++
			}
			r, s := int(rs>>4), rs&15
			var v int16
			if s != 0 {
				if s != 1 {
					d.damage++
				}
				v = -bit
				if b.take(1) != 0 {
					v = bit
				}
			} else if r != 15 {
				d.eob(byte(r))
				break
			}
			for k <= d.se {
				zeros := min(mathbits.TrailingZeros64(nz>>k), d.se-k+1)
				if r < zeros {
					k += r
					break
				}
				r -= zeros
				if k += zeros; k <= d.se {
					b.correct(&blk[order[uint8(k)]&63], bit)
					k++
				}
			}
			if s != 0 {
				blk[order[uint8(k)]&63] = v
				nz |= 1 << min(k, 63)
			}
		}
	}
	if d.eobrun > 0 {
		if k <= d.se {
			for m := nz >> k << k & (^uint64(0) >> (63 - d.se)); m != 0; m &= m - 1 {
				b.correct(&blk[order[mathbits.TrailingZeros64(m)]&63], bit)
			}
		}
		d.eobrun--
	}
	*set = nz
}

// correct reads whether to move a coefficient away from zero by a bit it does not have yet.
func (b *bits) correct(p *int16, bit int16) {
	if b.n == 0 {
		b.refill()
	}
	yes := int64(b.acc) < 0
	b.acc <<= 1
	b.n--
	if yes && *p&bit == 0 {
		if *p >= 0 {
			*p += bit
		} else {
			*p -= bit
		}
	}
}
