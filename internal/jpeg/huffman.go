package jpeg

import (
	"errors"
	mathbits "math/bits"
)

// lookBits is how many bits one look at a table resolves: nearly every code of a photograph, and
// mostly the value behind it.
const lookBits = 10

// An entry of huffman.look is, from the low bits up: bits to drop (8, with flags), the run of zeros or
// the symbol (8), the value (16).
const (
	entryBits   = 31
	entrySymbol = 1 << 6 // only the code was resolved; its value follows
	entryLong   = 1 << 7 // the code is longer than lookBits
	// pastEnd, as a run, ends a block: it leads to a place that nobody reads.
	pastEnd = 128
)

// coding is what a table is for.
type coding int

const (
	codesDC     coding = iota
	codesAC            // of sequential files: a symbol may end the block
	codesACBand        // of progressive files: a symbol may end many blocks
	codesRefine        // of progressive files too: no value follows, or one bit
	codings
)

// huffman is a table ready for decoding. The assembly knows its layout.
type huffman struct {
	look [1 << lookBits]uint32
	// For longer codes: the largest code of each length, and where its symbols begin.
	max    [18]int32
	offset [18]int32
	symbol [256]byte
}

// huffmanSpec is a table as the file has it; it is made ready when a scan needs it.
type huffmanSpec struct {
	counts  [16]byte
	symbols []byte
	ready   [codings]*huffman
}

func (h *huffmanSpec) table(kind coding) (*huffman, error) {
	if h.ready[kind] == nil {
		t, err := newHuffman(h.counts, h.symbols, kind)
		if err != nil {
			return nil, err
		}
		h.ready[kind] = t
	}
	return h.ready[kind], nil
}

func newHuffman(counts [16]byte, symbols []byte, kind coding) (*huffman, error) {
	t := &huffman{}
	copy(t.symbol[:], symbols)
	for i := range t.look {
		t.look[i] = entryLong
	}
	code, p := int32(0), 0
	for l := 1; l <= 16; l++ {
		n := int(counts[l-1])
		t.max[l] = -1
		if n > 0 {
			t.offset[l] = int32(p) - code
			for range n {
				s := t.symbol[p]
				if kind == codesDC && s > 15 {
					return nil, errors.New("a DC symbol above 15")
				}
				if l <= lookBits && code < 1<<l {
					t.fill(uint32(code), uint(l), s, kind)
				}
				code++
				p++
			}
			t.max[l] = code - 1
			if code >= 1<<l {
				return nil, errors.New("more codes than their lengths allow")
			}
		}
		code <<= 1
	}
	t.max[17] = 1 << 30 // ends the search
	return t, nil
}

// fill enters a code of l bits under every continuation.
func (t *huffman) fill(code uint32, l uint, s byte, kind coding) {
	run, size := uint32(s>>4), uint(s&15)
	first := code << (lookBits - l)
	for i := range uint32(1) << (lookBits - l) {
		e := uint32(l) | entrySymbol | uint32(s)<<8
		switch {
		case size > 0 && l+size <= lookBits && kind != codesRefine:
			v := i >> (lookBits - l - size)
			e = uint32(l+size) | run<<8 | uint32(uint16(extend(v, size)))<<16
		case size == 0 && kind == codesDC:
			e = uint32(l)
		case size == 0 && kind == codesAC && run == 15:
			e = uint32(l) | 15<<8 // sixteen zeros, the last of them written
		case size == 0 && kind == codesAC:
			e = uint32(l) | pastEnd<<8
		}
		t.look[first+i] = e
	}
}

// long decodes a code of more than lookBits bits. ok is false, and the symbol 0, when there is none.
func (t *huffman) long(b *bits) (symbol byte, ok bool) {
	w := int32(b.acc >> 47) // 17 bits
	l := uint(lookBits + 1)
	for w>>(17-l) > t.max[l] {
		l++
	}
	b.acc <<= l
	b.n -= l
	if l > 16 {
		return 0, false
	}
	return t.symbol[(w>>(17-l)+t.offset[l])&255], true
}

// decode reads one symbol and leaves its value bits. The bits must have been refilled.
func (t *huffman) decode(b *bits) (symbol byte, ok bool) {
	e := t.look[b.acc>>(64-lookBits)]
	if e&entryLong != 0 {
		return t.long(b)
	}
	if e&entrySymbol == 0 {
		return t.undo(b, e), true
	}
	b.acc <<= e & entryBits
	b.n -= uint(e & entryBits)
	return byte(e >> 8), true
}

// undo takes from an entry with a value the symbol alone.
func (t *huffman) undo(b *bits, e uint32) byte {
	v := int32(int16(e >> 16))
	size := uint(mathbits.Len32(uint32(max(v, -v))))
	l := uint(e&entryBits) - size
	b.acc <<= l
	b.n -= l
	return byte(e>>8)<<4 | byte(size)
}
