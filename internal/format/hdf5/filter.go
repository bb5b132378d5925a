package hdf5

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
)

// Filters that are read.
const (
	filterDeflate  = 1
	filterShuffle  = 2
	filterFletcher = 3
)

const maxFilters = 32

// filter is a step of the pipeline that chunks were written through.
type filter struct {
	id     int
	values []uint32
}

func readFilters(c *cursor) ([]filter, error) {
	at := c.offset()
	version, n := c.u8(), c.u8()
	switch version {
	case 1:
		c.skip(6)
	case 2:
	default:
		return nil, fmt.Errorf("offset %d: filter list version %d is not supported", at, version)
	}
	if n > maxFilters {
		return nil, fmt.Errorf("offset %d: %d filters, over the limit of %d", at, n, maxFilters)
	}
	var out []filter
	for range n {
		fl := filter{id: c.u16()}
		name := 0
		if version == 1 || fl.id >= 256 {
			name = c.u16()
		}
		c.skip(2)
		count := c.u16()
		if version == 1 {
			name = (name + 7) / 8 * 8
		}
		c.skip(name)
		if count > c.left()/4 {
			c.fail = true
		}
		if err := c.err("filter list"); err != nil {
			return nil, err
		}
		for range count {
			fl.values = append(fl.values, uint32(c.uint(4)))
		}
		if version == 1 && count%2 != 0 {
			c.skip(min(4, c.left()))
		}
		out = append(out, fl)
	}
	return out, c.err("filter list")
}

// buffer is scratch memory for n bytes, other than the one b lies in.
func (r *chunkReader) buffer(i, n int) []byte {
	if cap(r.scratch[i]) < n {
		r.scratch[i] = make([]byte, n)
	}
	return r.scratch[i][:n]
}

// unfilter undoes the pipeline, last filter first. The bytes given may be
// overwritten.
func (r *chunkReader) unfilter(b []byte, mask uint64) ([]byte, error) {
	// Checksums are the only thing a filter adds to a whole chunk.
	most := r.g.bytes + 4*maxFilters
	next := 0
	for i := len(r.d.filters) - 1; i >= 0; i-- {
		if skipped(mask, i) {
			continue
		}
		fl := &r.d.filters[i]
		switch fl.id {
		case filterDeflate:
			z, err := zlib.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, fmt.Errorf("deflate: %w", err)
			}
			out := r.buffer(next, most)
			n, err := io.ReadFull(z, out)
			if err == nil {
				return nil, fmt.Errorf("deflate: more than the chunk's %d bytes", r.g.bytes)
			}
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				return nil, fmt.Errorf("deflate: %w", err)
			}
			// ReadFull hides whether the stream or the data ended early.
			if _, err := z.Read(make([]byte, 1)); err != io.EOF {
				return nil, fmt.Errorf("deflate: %w", err)
			}
			b, next = out[:n], 1-next
		case filterShuffle:
			elem := r.d.typ.size
			if len(fl.values) > 0 {
				elem = clampInt(uint64(fl.values[0]))
			}
			if elem < 1 {
				return nil, fmt.Errorf("shuffle: elements of %d bytes", elem)
			}
			out := r.buffer(next, len(b))
			n := len(b) / elem
			for j := range min(elem, len(b)) {
				plane := b[j*n : (j+1)*n]
				for k, x := range plane {
					out[k*elem+j] = x
				}
			}
			copy(out[n*elem:], b[n*elem:])
			b, next = out, 1-next
		case filterFletcher:
			if len(b) < 4 {
				return nil, fmt.Errorf("Fletcher-32: a chunk of %d bytes", len(b))
			}
			want := binary.LittleEndian.Uint32(b[len(b)-4:])
			b = b[:len(b)-4]
			if got := fletcher32(b); got != want {
				return nil, fmt.Errorf("Fletcher-32: the chunk is damaged: its checksum is %08x, the file says %08x", got, want)
			}
		default:
			return nil, fmt.Errorf("filter %d is not supported (deflate, shuffle and Fletcher-32 are): write the file with gzip or without compression", fl.id)
		}
	}
	return b, nil
}

// fletcher32 is the checksum over 16-bit big-endian words, an odd last byte
// being the high half of a word.
func fletcher32(b []byte) uint32 {
	var lo, hi uint32
	for len(b) > 1 {
		n := min(len(b)/2, 360) // sums stay below 2^32
		for range n {
			lo += uint32(binary.BigEndian.Uint16(b))
			hi += lo
			b = b[2:]
		}
		lo, hi = lo&0xffff+lo>>16, hi&0xffff+hi>>16
	}
	if len(b) == 1 {
		lo += uint32(b[0]) << 8
		hi += lo
		lo, hi = lo&0xffff+lo>>16, hi&0xffff+hi>>16
	}
	lo, hi = lo&0xffff+lo>>16, hi&0xffff+hi>>16
	return hi<<16 | lo
}
