package jpeg

import "errors"

// run decodes everything behind the header of the first scan.
func (d *decoder) run(dst []byte, row func(int, []byte) error) (Result, error) {
	d.k = bestKernels(d.opt.Generic)
	d.mcu.order = newOrder(d.k.place)
	o, err := d.begin(dst, row)
	if err != nil {
		return Result{}, err
	}
	var coverage float64
	if d.multi() {
		coverage, err = d.allScans(o)
	} else {
		coverage, err = d.onePass(o)
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Width: o.w, Height: o.h, Coverage: coverage, Complete: !d.lacking && (d.sawEOI || !d.multi()), Damage: d.damage}, nil
}

// onePass decodes a file of one sequential scan, strip by strip.
func (d *decoder) onePass(o *output) (float64, error) {
	if err := d.startScan(); err != nil {
		return 0, err
	}
	m := &d.mcu
	r := restarts{d: d, left: d.restart}
	good := 0
	for my := range d.mcuY {
		for mx := range d.mcuX {
			if err := r.before(); err != nil {
				return 0, err
			}
			if r.empty {
				for i := range m.n {
					m.end[i] = 1
				}
			} else {
				d.bits.ensure()
				d.damage += d.k.mcu(&d.bits, m)
				if err := r.after(); err != nil {
					return 0, err
				}
				if !r.empty {
					good++
				}
			}
			i := 0
			for _, c := range d.scan {
				for by := range c.v {
					for bx := range c.h {
						o.put(c, c.at(o, mx*c.h+bx, by), m.blocks[i].coefs(), m.end[i])
						i++
					}
				}
			}
		}
		if err := o.emit(my); err != nil {
			return 0, err
		}
	}
	if err := d.endScan(); err != nil {
		return 0, err
	}
	if d.opt.Mode == Strict {
		if more, err := d.nextScan(); err != nil {
			return 0, err
		} else if more || !d.sawEOI {
			return 0, d.malformed("no end marker behind the picture")
		}
	}
	return float64(good) / float64(d.mcuX*d.mcuY), nil
}

// allScans collects the coefficients of all scans and then makes the pixels.
func (d *decoder) allScans(o *output) (float64, error) {
	for i := range d.comps {
		c := &d.comps[i]
		c.coef = make([]int16, 64*c.stride*d.mcuY*c.v)
		if d.progressive {
			c.set = make([]uint64, c.stride*d.mcuY*c.v)
		}
	}
	for more := true; more; {
		err := d.startScan()
		if err == nil {
			err = d.collect()
		}
		if err == nil {
			err = d.endScan()
		}
		if err == nil {
			more, err = d.nextScan()
		}
		if err != nil {
			if d.opt.Mode != Tolerant || d.scans < 2 || errors.Is(err, ErrLimit) {
				return 0, err
			}
			d.damage++ // keep what the scans before gave
			d.lacking = true
			break
		}
	}
	coverage := 1.0
	for i := range d.comps {
		c := &d.comps[i]
		coverage = min(coverage, float64(c.means)/float64(c.cols*c.rows))
	}
	if !d.sawEOI && d.opt.Mode != Tolerant {
		return 0, d.malformed("the file ends early: no end marker")
	}
	smooth := d.smoothing()
	var s smoother
	for my := range d.mcuY {
		for i := range d.comps {
			c := &d.comps[i]
			n := min(c.v, c.rows-my*c.v)
			for by := range n {
				row := my*c.v + by
				if smooth {
					s.startRow(d, c, my, by, n)
					for bx := range c.cols {
						blk := s.block(bx)
						o.put(c, c.at(o, bx, by), blk, lastOf(blk))
					}
					continue
				}
				for bx := range c.cols {
					blk := (*[64]int16)(c.coef[64*(row*c.stride+bx):])
					last := uint8(64)
					if c.set == nil {
						last = lastOf(blk)
					} else if c.set[row*c.stride+bx] == 0 {
						last = 1
					}
					o.put(c, c.at(o, bx, by), blk, last)
				}
			}
		}
		if err := o.emit(my); err != nil {
			return 0, err
		}
	}
	return coverage, nil
}

// lastOf is 1 for a block that has only a mean, else 64.
func lastOf(blk *[64]int16) uint8 {
	any := int16(0)
	for _, v := range blk[1:] {
		any |= v
	}
	if any == 0 {
		return 1
	}
	return 64
}

// collect reads one scan into the coefficients of its components.
func (d *decoder) collect() error {
	single := len(d.scan) == 1
	cols, rows, per := d.mcuX, d.mcuY, 1
	if single {
		cols, rows, per = d.scan[0].cols, d.scan[0].rows, d.scan[0].v
	}
	r := restarts{d: d, left: d.restart}
	good := 0
	for my := range rows {
		for mx := 0; mx < cols; mx++ {
			if d.eobrun > 0 && d.restart == 0 && !r.empty {
				d.lastGood = my / per
				n := d.skip(d.scan[0], my, mx)
				good += n
				if mx += n; mx == cols {
					break
				}
			}
			if err := r.before(); err != nil {
				return err
			}
			if r.empty {
				if d.restart == 0 {
					return d.cover(good, cols*rows)
				}
				continue
			}
			d.lastGood = my / per
			d.bits.ensure()
			for _, c := range d.scan {
				if single {
					d.one(c, my*c.stride+mx)
					break
				}
				for by := range c.v {
					for bx := range c.h {
						d.one(c, (my*c.v+by)*c.stride+mx*c.h+bx)
					}
				}
			}
			if err := r.after(); err != nil {
				return err
			}
			if !r.empty {
				good++
			}
		}
	}
	return d.cover(good, cols*rows)
}

// skip steps over blocks of a row, from column mx, to which a run of ended blocks has nothing to add.
func (d *decoder) skip(c *component, my, mx int) int {
	run := min(d.eobrun, c.cols-mx)
	if d.ah > 0 {
		band := ^uint64(0) >> (63 - d.se) >> d.ss << d.ss
		for i, set := range c.set[my*c.stride+mx:][:run] {
			if set&band != 0 {
				run = i
				break
			}
		}
	}
	d.eobrun -= run
	return run
}

// cover notes for how many blocks a scan gave means.
func (d *decoder) cover(good, all int) error {
	if d.ss == 0 && d.ah == 0 {
		for _, c := range d.scan {
			c.means = max(c.means, int(int64(c.cols*c.rows)*int64(good)/int64(all)))
		}
	}
	return nil
}

// one reads what the current scan says of block i of a component.
func (d *decoder) one(c *component, i int) {
	blk := (*[64]int16)(c.coef[64*i:])
	switch {
	case !d.progressive:
		b := &d.mcu.blocks[0]
		_, bad := d.bits.block(b, d.mcu.order, c.dcTab, c.acTab, &c.pred)
		d.damage += bad
		*blk = *b.coefs()
		*b = block{}
	case d.ss == 0 && d.ah == 0:
		d.dcFirst(c, blk)
	case d.ss == 0:
		d.dcRefine(blk)
	case d.ah == 0:
		if d.eobrun > 0 {
			d.eobrun--
		} else {
			d.acFirst(c.acTab, blk, &c.set[i])
		}
	default:
		d.acRefine(c.acTab, blk, &c.set[i])
	}
}

// endScan leaves the reader behind the entropy-coded data.
func (d *decoder) endScan() error {
	b := &d.bits
	d.pos, d.pending = b.next, b.marker
	left := b.end*8 - (b.pos*8 - int(b.n))
	if d.damage > 0 && d.opt.Mode == Strict {
		return d.malformed("%d codes that do not exist in scan %d", d.damage, d.scans)
	}
	if left >= 8 {
		return d.damaged("%d bytes behind the data of a scan", left/8)
	}
	return nil
}
