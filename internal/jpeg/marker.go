package jpeg

import (
	"bytes"
	"fmt"
)

// Markers.
const (
	mSOF0  = 0xc0
	mSOF1  = 0xc1
	mSOF2  = 0xc2
	mDHT   = 0xc4
	mJPG   = 0xc8
	mDAC   = 0xcc
	mSOF15 = 0xcf
	mRST0  = 0xd0
	mRST7  = 0xd7
	mSOI   = 0xd8
	mEOI   = 0xd9
	mSOS   = 0xda
	mDQT   = 0xdb
	mDNL   = 0xdc
	mDRI   = 0xdd
	mAPP0  = 0xe0
	mAPP1  = 0xe1
	mAPP14 = 0xee
	mAPP15 = 0xef
	mCOM   = 0xfe
	mTEM   = 0x01
)

// component is one colour plane.
type component struct {
	id, tq   byte
	h, v     int // sampling factors; 1, 1 when it is the only one
	cols     int // blocks across that hold pixels
	rows     int
	stride   int // blocks across in whole MCUs
	size     int // samples a block gives, one side: 8, or less when scaled
	w, hgt   int // samples of the plane that count, after scaling
	quant    [64]int16
	hasQuant bool
	dc, ac   byte // table numbers of the current scan
	dcTab    *huffman
	acTab    *huffman
	pred     int32
	coef     []int16  // stride x whole rows of blocks of 64, row-major; nil when decoded in one pass
	set      []uint64 // of progressive files: which coefficients of each block are not zero, in zigzag order
	means    int      // blocks for which a mean was read
	known    precision

	group      int // rows of the plane in a group of maxV output rows
	up         upsampling
	hexp, vexp int
	buf        []byte // the strip: keep rows of the one before, then those of this one
	pitch      int    // bytes of a row in buf
	first      int    // row of the plane that is first in buf
	line       []byte // one row brought to full width
}

type decoder struct {
	data []byte
	pos  int // next byte of data that is outside entropy-coded segments
	opt  Options
	k    kernels

	width, height int
	progressive   bool
	comps         []component
	maxH, maxV    int
	mcuX, mcuY    int
	color         Color
	jfif, adobe   bool
	transform     byte
	exif          []byte
	quant         [4]*[64]int16 // in zigzag order
	dcTab, acTab  [4]*huffmanSpec
	restart       int

	scan     []*component // of the current scan
	ss, se   int
	ah, al   uint
	scans    int
	eobrun   int
	lastGood int  // last row of MCUs for which the current scan had data
	pending  byte // a marker that was read but not handled; 0 for none
	atEnd    bool // no more markers: the file is at its end, with or without EOI
	sawEOI   bool
	short    bool // entropy-coded data ended early at the end of the file
	lacking  bool // entropy-coded data ended early anywhere
	damage   int
	bits     bits
	mcu      mcu
}

func (d *decoder) fail(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...), Offset: d.pos}
}

func (d *decoder) malformed(format string, args ...any) error {
	return d.fail(ErrMalformed, format, args...)
}

// damaged steps over an irregularity, or refuses it in strict mode.
func (d *decoder) damaged(format string, args ...any) error {
	d.damage++
	if d.opt.Mode == Strict {
		return d.malformed(format, args...)
	}
	return nil
}

// newDecoder reads everything up to the first scan.
func newDecoder(data []byte, o Options) (*decoder, error) {
	d := &decoder{data: data, opt: o}
	if !bytes.HasPrefix(data, []byte{0xff, mSOI}) {
		return nil, d.malformed("does not begin with the marker SOI")
	}
	d.pos = 2
	ok, err := d.nextScan()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, d.malformed("ends before the first scan")
	}
	return d, nil
}

func (d *decoder) config() Config {
	c := Config{Width: d.width, Height: d.height, Color: d.color, Progressive: d.progressive, EXIF: d.exif,
		multi: d.multi()}
	for i := range d.comps {
		c.Sampling = append(c.Sampling, [2]int{d.comps[i].h, d.comps[i].v})
	}
	return c
}

// multi says, once the first scan is known, that coefficients must be kept.
func (d *decoder) multi() bool { return d.progressive || len(d.scan) < len(d.comps) }

// marker finds the next marker, or 0 at the end of the file.
func (d *decoder) marker() (byte, error) {
	if m := d.pending; m != 0 {
		d.pending = 0
		return m, nil
	}
	skipped := 0
	for d.pos+1 < len(d.data) {
		if d.data[d.pos] != 0xff {
			i := bytes.IndexByte(d.data[d.pos:], 0xff)
			if i < 0 {
				break
			}
			d.pos += i
			skipped += i
			continue
		}
		m := d.data[d.pos+1]
		switch m {
		case 0xff:
			d.pos++
		case 0:
			d.pos += 2
			skipped += 2
		default:
			if skipped > 0 {
				if err := d.damaged("%d bytes outside any segment", skipped); err != nil {
					return 0, err
				}
			}
			d.pos += 2
			return m, nil
		}
	}
	d.pos = len(d.data)
	return 0, nil
}

// nextScan handles segments up to and including the header of a scan. It returns false at the end of
// the picture.
func (d *decoder) nextScan() (bool, error) {
	for {
		m, err := d.marker()
		if err != nil {
			return false, err
		}
		switch {
		case m == 0:
			d.atEnd = true
			return false, nil
		case m == mEOI:
			d.atEnd, d.sawEOI = true, true
			return false, nil
		case m == mSOI:
			return false, d.malformed("a second SOI")
		case m >= mRST0 && m <= mRST7 || m == mTEM:
			continue // no payload; libjpeg steps over them too
		case m == mJPG || m >= 0xf0 && m <= 0xfd || m < 0xc0:
			return false, d.fail(ErrUnsupported, "marker %#02x", m)
		}
		p, err := d.segment(m)
		if err != nil {
			return false, err
		}
		if p == nil { // cut short
			d.atEnd = true
			return false, nil
		}
		switch m {
		case mSOF0, mSOF1, mSOF2:
			err = d.frame(m, p)
		case mDHT:
			err = d.huffmanTables(p)
		case mDQT:
			err = d.quantTables(p)
		case mDRI:
			if len(p) != 2 {
				return false, d.malformed("DRI of %d bytes", len(p))
			}
			d.restart = int(p[0])<<8 | int(p[1])
		case mSOS:
			return true, d.scanHeader(p)
		case mAPP0:
			if len(p) >= 14 && bytes.HasPrefix(p, []byte("JFIF\x00")) {
				d.jfif = true
			}
		case mAPP1:
			if d.exif == nil && len(p) > 6 && bytes.HasPrefix(p, []byte("Exif\x00")) {
				d.exif = p[6:]
			}
		case mAPP14:
			if len(p) >= 12 && bytes.HasPrefix(p, []byte("Adobe")) {
				d.adobe, d.transform = true, p[11]
			}
		case mDAC: // conditions arithmetic coding, which frames say for themselves
		default:
			if m > mSOF2 && m <= mSOF15 {
				what := map[byte]string{0xc3: "lossless", 0xc9: "arithmetic coding", 0xca: "arithmetic coding", 0xcb: "lossless"}[m]
				if what == "" {
					what = "hierarchical or unknown"
				}
				err = d.fail(ErrUnsupported, "frame of type SOF%d (%s)", m-mSOF0, what)
			}
		}
		if err != nil {
			return false, err
		}
	}
}

// segment returns the payload after a marker, nil when the file ends inside it.
func (d *decoder) segment(m byte) ([]byte, error) {
	if d.pos+2 > len(d.data) {
		d.pos = len(d.data)
		return nil, nil
	}
	n := int(d.data[d.pos])<<8 | int(d.data[d.pos+1])
	if n < 2 {
		return nil, d.malformed("segment %#02x of length %d", m, n)
	}
	if d.pos+n > len(d.data) {
		d.pos = len(d.data)
		return nil, nil
	}
	p := d.data[d.pos+2 : d.pos+n : d.pos+n]
	d.pos += n
	return p, nil
}

func (d *decoder) quantTables(p []byte) error {
	for len(p) > 0 {
		wide, n := p[0]>>4, p[0]&15
		size := 64
		if wide != 0 {
			size = 128
		}
		if n > 3 || len(p) < 1+size {
			return d.malformed("quantization table %d of %d bytes", n, len(p)-1)
		}
		t := new([64]int16)
		for i := range 64 {
			var v uint16
			if wide != 0 {
				v = uint16(p[1+2*i])<<8 | uint16(p[2+2*i])
			} else {
				v = uint16(p[1+i])
			}
			t[i] = int16(v)
		}
		d.quant[n] = t
		p = p[1+size:]
	}
	return nil
}

func (d *decoder) huffmanTables(p []byte) error {
	for len(p) > 0 {
		if len(p) < 17 {
			return d.malformed("Huffman table cut short")
		}
		class, n := p[0]>>4, p[0]&15
		total := 0
		for _, c := range p[1:17] {
			total += int(c)
		}
		if class > 1 || n > 3 || total > 256 || len(p) < 17+total {
			return d.malformed("Huffman table %#02x of %d codes", p[0], total)
		}
		t := &huffmanSpec{counts: [16]byte(p[1:17]), symbols: p[17 : 17+total]}
		if class == 0 {
			d.dcTab[n] = t
		} else {
			d.acTab[n] = t
		}
		p = p[17+total:]
	}
	return nil
}
