package jpeg

import (
	"bytes"
	"encoding/binary"
)

// Sizes of the window of entropy-coded bytes. One MCU takes at most 10 blocks of 64 codes of 32 bits,
// 2560 bytes; while that much (and a load beyond) is in the window nothing has to be checked inside.
const (
	windowSize = 32 << 10
	windowLow  = 2560 + 64
	windowPad  = 2560 + 64
)

// bits reads entropy-coded data. The bytes are copied to a window without their stuffing, so that
// the loops over codes load eight at a time.
type bits struct {
	acc uint64 // the next bits, at the top; those beyond n may be there already
	n   uint   // bits of acc that count
	pos int    // next byte of buf to count into acc
	end int    // bytes of buf that are data; zeros follow once ended
	buf []byte

	raw    []byte
	next   int  // next byte of raw to copy
	ended  bool // a marker or the end of the file was met
	marker byte // that marker; 0 at the end of the file
}

// start begins a segment at raw[pos:].
func (b *bits) start(raw []byte, pos int) {
	if b.buf == nil {
		b.buf = make([]byte, min(windowSize, len(raw))+windowPad)
	}
	b.acc, b.n, b.pos, b.end = 0, 0, 0, 0
	b.raw, b.next, b.ended, b.marker = raw, pos, false, 0
}

// ensure makes sure that one MCU can be read without looking at the window's end.
func (b *bits) ensure() {
	if b.end-b.pos < windowLow && !b.ended {
		b.fill()
	}
}

func (b *bits) fill() {
	b.end = copy(b.buf, b.buf[b.pos:b.end])
	b.pos = 0
	window := len(b.buf) - windowPad
	for b.end < window && !b.ended {
		src := b.raw[b.next:min(len(b.raw), b.next+window-b.end)]
		i := bytes.IndexByte(src, 0xff)
		if i < 0 {
			i = len(src)
		}
		b.end += copy(b.buf[b.end:window], src[:i])
		b.next += i
		if b.next == len(b.raw) {
			b.ended = true
			break
		}
		if i == len(src) {
			continue
		}
		m := b.next + 1
		for m < len(b.raw) && b.raw[m] == 0xff { // fill bytes; before a zero they count as one
			m++
		}
		switch {
		case m == len(b.raw):
			b.ended, b.next = true, m
		case b.raw[m] == 0:
			b.buf[b.end] = 0xff
			b.end++
			b.next = m + 1
		default:
			b.ended, b.marker, b.next = true, b.raw[m], m+1
		}
	}
	if b.ended {
		clear(b.buf[b.end : b.end+windowPad])
	}
}

// refill brings the bits that count to at least 56. Loading the same bytes again is harmless.
func (b *bits) refill() {
	b.acc |= binary.BigEndian.Uint64(b.buf[b.pos:]) >> (b.n & 63)
	b.pos += int((63 - b.n) >> 3)
	b.n |= 56
}

// over reports that more bits were taken than the segment has.
func (b *bits) over() bool { return b.ended && b.pos*8-int(b.n) > b.end*8 }

// take returns the next n bits, 0 to 16; they must have been refilled.
func (b *bits) take(n uint) uint32 {
	v := uint32(b.acc >> 1 >> (63 - n&63))
	b.acc <<= n & 63
	b.n -= n
	return v
}

// extend gives the signed value of s bits v.
func extend(v uint32, s uint) int32 {
	x := int32(v)
	return x + (((x<<1)>>(s&31))-1)>>31&(-1<<(s&31)+1)
}
