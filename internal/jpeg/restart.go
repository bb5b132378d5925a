package jpeg

// restarts follows the restart intervals of a scan and what is left of its data.
type restarts struct {
	d     *decoder
	left  int  // MCUs to the next restart marker
	index int  // number of the next marker, 0..7
	empty bool // the data of this interval is used up; its MCUs stay zero
}

// before is called before each MCU.
func (r *restarts) before() error {
	d := r.d
	if d.restart == 0 {
		return nil
	}
	if r.left > 0 {
		r.left--
		return nil
	}
	r.left = d.restart - 1
	for _, c := range d.scan {
		c.pred = 0
	}
	d.eobrun = 0
	b := &d.bits
	if left := b.end*8 - (b.pos*8 - int(b.n)); left >= 8 {
		if err := d.damaged("%d bytes before a restart marker", left/8); err != nil {
			return err
		}
	}
	m := b.marker
	d.pos = b.next
	if !b.ended {
		var err error
		if m, err = d.marker(); err != nil {
			return err
		}
	}
	want := r.index
	r.index = (r.index + 1) & 7
	if m != byte(mRST0+want) {
		if err := d.damaged("marker %#02x where RST%d is expected", m, want); err != nil {
			return err
		}
		var keep bool
		if m, keep = d.resync(m, want); keep {
			// The interval has no data; the marker found ends it.
			b.start(d.data, d.pos)
			b.ended, b.marker = true, m
			clear(b.buf[:windowPad])
			return nil
		}
	}
	b.start(d.data, d.pos)
	r.empty = false
	return nil
}

// resync decides what a marker other than the expected one means, as libjpeg does: a marker of the
// next two intervals ends this one empty, one of the two before is stepped over, and so on.
func (d *decoder) resync(m byte, want int) (byte, bool) {
	for {
		switch {
		case m == 0: // end of the file
			return 0, true
		case m < mSOF0: // not a marker at all; look further
		case m < mRST0 || m > mRST7:
			return m, true
		default:
			switch (int(m) - mRST0 - want) & 7 {
			case 1, 2:
				return m, true
			case 6, 7: // an earlier one; look further
			default:
				return m, false
			}
		}
		m, _ = d.marker() // strict mode does not come here
	}
}

// after is called after each MCU that was read.
func (r *restarts) after() error {
	d := r.d
	if !d.bits.over() {
		return nil
	}
	r.empty = true
	d.lacking = true
	if d.bits.marker == 0 {
		d.short = true
		if d.opt.Mode != Tolerant {
			return d.malformed("the file ends early, inside scan %d", d.scans)
		}
	}
	return d.damaged("marker %#02x inside the data of scan %d", d.bits.marker, d.scans)
}
