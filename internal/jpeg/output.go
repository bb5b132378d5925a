package jpeg

import "fmt"

// kernels are the hot loops, in one of their implementations.
type kernels struct {
	// place is where a coefficient lies in a block; the transforms expect it there.
	place func(row, col int) int
	mcu   func(b *bits, m *mcu) (bad int)
	// The transforms write size x size samples to rows of dst that are pitch apart, and clear blk.
	idct8, idct4, idct2 func(dst []byte, pitch int, blk, q *[64]int16)
	h2v1                func(dst, in []byte)
	h2v2                func(dst, near, far []byte)
	ycc                 func(dst, y, cb, cr []byte)
}

func genericKernels() kernels {
	return kernels{
		place: func(row, col int) int { return 8*row + col },
		mcu:   readMCU,
		idct8: idct8, idct4: idct4, idct2: idct2,
		h2v1: triangleH2, h2v2: triangleH2V2, ycc: yccRow,
	}
}

// output turns strips of planes into rows of pixels.
type output struct {
	d       *decoder
	w, h    int
	size    int // samples a block of the largest component gives, one side
	context bool
	strip   int // rows of pixels in a strip (one row of MCUs)
	next    int // row of pixels to emit
	dst     []byte
	row     func(y int, rgb []byte) error
	line    []byte
	planes  [4][]byte
}

// layout decides the size of every plane and takes memory for its strip.
func (d *decoder) layout() (*output, error) {
	o := &output{d: d, size: 8 / d.opt.Scale}
	o.w, o.h = ceil(d.width*o.size, 8), ceil(d.height*o.size, 8)
	o.strip = d.maxV * o.size
	for i := range d.comps {
		c := &d.comps[i]
		// Chroma that is sampled less is scaled less, where that saves upsampling.
		c.size = o.size
		for c.size < 8 && d.maxH*o.size%(c.h*c.size*2) == 0 && d.maxV*o.size%(c.v*c.size*2) == 0 {
			c.size *= 2
		}
		c.w = ceil(d.width*c.h*c.size, 8*d.maxH)
		c.hgt = ceil(d.height*c.v*c.size, 8*d.maxV)
		hin, vin := c.h*c.size/o.size, c.v*c.size/o.size
		c.group = vin
		if d.maxH%hin != 0 || d.maxV%vin != 0 {
			return nil, d.fail(ErrUnsupported, "component %d is sampled %dx%d of %dx%d, which is no whole ratio", i, c.h, c.v, d.maxH, d.maxV)
		}
		c.hexp, c.vexp = d.maxH/hin, d.maxV/vin
		fancy := o.size > 1
		switch {
		case c.hexp == 1 && c.vexp == 1:
			c.up = upNone
		case c.hexp == 2 && c.vexp == 1 && fancy && c.w > 2:
			c.up = upH2V1
		case c.hexp == 1 && c.vexp == 2 && fancy:
			c.up = upH1V2
			o.context = true
		case c.hexp == 2 && c.vexp == 2 && fancy && c.w > 2:
			c.up = upH2V2
			o.context = true
		default:
			c.up = upRepeat
		}
	}
	for i := range d.comps {
		c := &d.comps[i]
		c.pitch = c.stride * c.size
		c.buf = make([]byte, c.pitch*(c.v*c.size+c.keep(o)))
		c.first = -c.keep(o)
		if c.up != upNone {
			c.line = make([]byte, max(2*c.w, o.w)+64)
		}
	}
	return o, nil
}

// keep is how many rows of a strip are needed after it: the group whose lower neighbours were not
// known, and one more above it.
func (c *component) keep(o *output) int {
	if !o.context {
		return 0
	}
	return c.group + 1
}

// at is where block column bx, block row by of the current strip goes.
func (c *component) at(o *output, bx, by int) []byte {
	return c.buf[(c.keep(o)+by*c.size)*c.pitch+bx*c.size:]
}

// shift makes room for the next strip.
func (c *component) shift(o *output) {
	rows := c.v * c.size
	copy(c.buf, c.buf[rows*c.pitch:])
	c.first += rows
}

// rowAt is row y of the plane, the first or last one beyond its ends.
func (c *component) rowAt(y int) []byte {
	y = min(max(y, 0), c.hgt-1) - c.first
	return c.buf[y*c.pitch:][:c.w:c.w]
}

// full returns row y of the picture from a plane, brought to full width.
func (c *component) full(o *output, y int) []byte {
	k := &o.d.k
	switch c.up {
	case upNone:
		return c.rowAt(y)[:o.w]
	case upH2V1:
		k.h2v1(c.line[:2*c.w], c.rowAt(y))
	case upH2V2:
		k.h2v2(c.line[:2*c.w], c.rowAt(y/2), c.rowAt(y/2-1+2*(y&1)))
	case upH1V2:
		triangleV2(c.line[:c.w], c.rowAt(y/2), c.rowAt(y/2-1+2*(y&1)), y&1)
	default:
		repeat(c.line[:o.w], c.rowAt(y/c.vexp), c.hexp)
	}
	return c.line[:o.w]
}

// emit writes the rows that strip s, now in the planes' buffers, completes.
func (o *output) emit(s int) error {
	d := o.d
	end := (s + 1) * o.strip
	if o.context {
		end -= d.maxV
	}
	if s == d.mcuY-1 {
		end = o.h
	}
	end = min(end, o.h)
	for ; o.next < end; o.next++ {
		y := o.next
		dst := o.line
		if o.dst != nil {
			dst = o.dst[3*o.w*y:][: 3*o.w : 3*o.w]
		}
		p := &o.planes
		for i := range d.comps {
			p[i] = d.comps[i].full(o, y)
		}
		switch d.color {
		case Gray:
			grayRow(dst, p[0])
		case YCbCr:
			d.k.ycc(dst, p[0], p[1], p[2])
		case RGB:
			rgbRow(dst, p[0], p[1], p[2])
		case CMYK:
			cmykRow(dst, p[0], p[1], p[2], p[3])
		case YCCK:
			d.k.ycc(dst, p[0], p[1], p[2])
			inkRow(dst, p[3])
		}
		if o.row != nil {
			if err := o.row(y, dst); err != nil {
				return err
			}
		}
	}
	for i := range d.comps {
		d.comps[i].shift(o)
	}
	return nil
}

// put transforms a block to its place and clears it.
func (o *output) put(c *component, dst []byte, blk *[64]int16, last uint8) {
	switch {
	case c.size == 1:
		idct1(dst, blk, &c.quant)
	case last <= 1:
		flat(dst, c.pitch, c.size, blk[0], c.quant[0])
		blk[0] = 0
	case c.size == 8:
		o.d.k.idct8(dst, c.pitch, blk, &c.quant)
	case c.size == 4:
		o.d.k.idct4(dst, c.pitch, blk, &c.quant)
	default:
		o.d.k.idct2(dst, c.pitch, blk, &c.quant)
	}
}

// begin checks what the caller gave and prepares the output.
func (d *decoder) begin(dst []byte, row func(int, []byte) error) (*output, error) {
	if m := d.config().Memory(); d.opt.MaxMemory >= 0 && m > d.opt.MaxMemory {
		return nil, d.fail(ErrLimit, "%dx%d: decoding takes %d bytes, the limit is %d", d.width, d.height, m, d.opt.MaxMemory)
	}
	o, err := d.layout()
	if err != nil {
		return nil, err
	}
	if row == nil {
		if int64(len(dst)) < 3*int64(o.w)*int64(o.h) {
			return nil, fmt.Errorf("jpeg: %dx%d pixels need %d bytes, the buffer has %d", o.w, o.h, 3*int64(o.w)*int64(o.h), len(dst))
		}
		o.dst = dst
	} else {
		o.row, o.line = row, make([]byte, 3*o.w)
	}
	return o, nil
}
