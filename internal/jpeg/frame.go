package jpeg

// frame reads the frame header: size, components, sampling.
func (d *decoder) frame(m byte, p []byte) error {
	if d.comps != nil {
		return d.malformed("a second frame header")
	}
	if len(p) < 6 || len(p) != 6+3*int(p[5]) {
		return d.malformed("frame header of %d bytes", len(p))
	}
	if p[0] != 8 {
		return d.fail(ErrUnsupported, "%d bits a sample; 8 can be read", p[0])
	}
	d.height, d.width = int(p[1])<<8|int(p[2]), int(p[3])<<8|int(p[4])
	d.progressive = m == mSOF2
	n := int(p[5])
	if d.width == 0 {
		return d.malformed("declares %dx%d pixels", d.width, d.height)
	}
	if d.height == 0 {
		return d.fail(ErrUnsupported, "height is left to the marker DNL")
	}
	if n != 1 && n != 3 && n != 4 {
		return d.fail(ErrUnsupported, "%d components; 1, 3 and 4 can be read", n)
	}
	if px := int64(d.width) * int64(d.height); d.opt.MaxPixels >= 0 && px > d.opt.MaxPixels {
		return d.fail(ErrLimit, "%dx%d: %d pixels, the limit is %d; reduce it first", d.width, d.height, px, d.opt.MaxPixels)
	}
	d.comps = make([]component, n)
	d.maxH, d.maxV = 1, 1
	for i := range d.comps {
		c := &d.comps[i]
		c.id, c.h, c.v, c.tq = p[6+3*i], int(p[7+3*i]>>4), int(p[7+3*i]&15), p[8+3*i]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return d.malformed("component %d is sampled %dx%d", i, c.h, c.v)
		}
		if n == 1 {
			c.h, c.v = 1, 1 // blocks follow one another whatever is declared
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
	}
	for i := range d.comps {
		c := &d.comps[i]
		c.cols, c.rows = ceil(d.width*c.h, 8*d.maxH), ceil(d.height*c.v, 8*d.maxV)
	}
	d.mcuX, d.mcuY = ceil(d.width, 8*d.maxH), ceil(d.height, 8*d.maxV)
	for i := range d.comps {
		c := &d.comps[i]
		c.stride = d.mcuX * c.h
		for k := range c.known.now {
			c.known.now[k] = -1
		}
	}
	return nil
}

// guessColor follows libjpeg: a JFIF marker means YCbCr, Adobe's says, else the identifiers decide.
func (d *decoder) guessColor() {
	switch len(d.comps) {
	case 1:
		d.color = Gray
	case 3:
		ids := [3]byte{d.comps[0].id, d.comps[1].id, d.comps[2].id}
		d.color = YCbCr
		if !d.jfif && (d.adobe && d.transform == 0 || !d.adobe && ids == [3]byte{'R', 'G', 'B'}) {
			d.color = RGB
		}
	case 4:
		d.color = YCCK
		if !d.adobe || d.transform == 0 {
			d.color = CMYK
		}
	}
}

// scanHeader reads SOS: the components that take part and, in progressive files, the band.
func (d *decoder) scanHeader(p []byte) error {
	if d.comps == nil {
		return d.malformed("a scan before the frame header")
	}
	if len(p) < 1 || p[0] < 1 || p[0] > 4 || len(p) != 4+2*int(p[0]) {
		return d.malformed("scan header of %d bytes", len(p))
	}
	d.scans++
	if d.opt.MaxScans >= 0 && d.scans > d.opt.MaxScans {
		return d.fail(ErrLimit, "more than %d scans", d.opt.MaxScans)
	}
	n := int(p[0])
	d.scan = d.scan[:0]
	blocks := 0
	for i := range n {
		id, tables := p[1+2*i], p[2+2*i]
		var c *component
		for j := range d.comps {
			if d.comps[j].id == id && !d.inScan(&d.comps[j]) {
				c = &d.comps[j]
				break
			}
		}
		if c == nil {
			return d.malformed("a scan of component %d, which the frame does not have or the scan has twice", id)
		}
		c.dc, c.ac = tables>>4, tables&15
		d.scan = append(d.scan, c)
		blocks += c.h * c.v
	}
	if n > 1 && blocks > len(d.mcu.blocks) {
		return d.malformed("%d blocks in an MCU; 10 are allowed", blocks)
	}
	d.ss, d.se, d.ah, d.al = int(p[1+2*n]), int(p[2+2*n]), uint(p[3+2*n]>>4), uint(p[3+2*n]&15)
	if !d.progressive {
		d.ss, d.se, d.ah, d.al = 0, 63, 0, 0 // libjpeg does not look at them either
	} else if d.ss == 0 && d.se != 0 || d.ss > d.se || d.se > 63 || d.ss > 0 && n > 1 ||
		d.ah != 0 && d.al != d.ah-1 || d.al > 13 {
		return d.malformed("scan %d has coefficients %d to %d, bits %d to %d", d.scans, d.ss, d.se, d.ah, d.al)
	}
	if d.scans == 1 {
		d.guessColor()
	}
	return nil
}

func (d *decoder) inScan(c *component) bool {
	for _, s := range d.scan {
		if s == c {
			return true
		}
	}
	return false
}

// startScan checks the tables of a scan and resets what a scan begins with.
func (d *decoder) startScan() error {
	for _, c := range d.scan {
		if !c.hasQuant { // the tables of the first scan of a component hold
			if c.tq > 3 || d.quant[c.tq] == nil {
				return d.malformed("quantization table %d is missing", c.tq)
			}
			for k, q := range d.quant[c.tq] {
				c.quant[d.mcu.order[k]&63] = q
			}
			c.hasQuant = true
		}
		var err error
		if d.ss == 0 && d.ah == 0 {
			if c.dcTab, err = d.tableFor("DC", &d.dcTab, c.dc, codesDC); err != nil {
				return err
			}
		}
		if d.se > 0 {
			kind := codesAC
			if d.progressive && d.ah == 0 {
				kind = codesACBand
			} else if d.progressive {
				kind = codesRefine
			}
			if c.acTab, err = d.tableFor("AC", &d.acTab, c.ac, kind); err != nil {
				return err
			}
		}
		c.pred = 0
	}
	if d.progressive {
		for _, c := range d.scan {
			d.tell(c)
		}
	}
	d.eobrun = 0
	d.bits.start(d.data, d.pos)
	d.mcu.plan(d.scan)
	return nil
}

// tableFor returns a Huffman table by its number, ready for use.
func (d *decoder) tableFor(class string, specs *[4]*huffmanSpec, n byte, kind coding) (*huffman, error) {
	if n < 2 && specs[n] == nil && !d.progressive {
		specs[n] = standardTable(class, n)
	}
	if n > 3 || specs[n] == nil {
		return nil, d.malformed("Huffman table %s %d is missing", class, n)
	}
	t, err := specs[n].table(kind)
	if err != nil {
		return nil, d.malformed("Huffman table %s %d: %v", class, n, err)
	}
	return t, nil
}
