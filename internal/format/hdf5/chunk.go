package hdf5

import (
	"fmt"
	"math/bits"

	"github.com/mobilenet-go/mobilenet/tensor"
)

// Kinds of chunk indexes.
const (
	indexTree     = 0 // version 1 B-tree
	indexSingle   = 1
	indexImplicit = 2
	indexFixed    = 3
)

// index says where the list of a dataset's chunks is.
type index struct {
	kind     int
	at       uint64
	size     uint64 // stored bytes of a single chunk, where filters make it differ
	mask     uint64 // filters that a single chunk skips
	pageBits int
	whole    bool // chunks over the edge are stored without filters
}

// chunk is one stored piece of a dataset.
type chunk struct {
	at, size uint64
	mask     uint64
	number   int // in the grid, row-major
}

// grid is how a dataset is cut.
type grid struct {
	dims   tensor.Shape // of a chunk
	counts tensor.Shape // of chunks along each axis
	n      int          // chunks
	bytes  int          // of a chunk
}

const maxChunks = 1 << 24

// newChunks reads by the chunked layout of version 4.
func (d *Dataset) newChunks(c *cursor, n int64) ([]byte, error) {
	flags, rank, width := c.u8(), c.u8(), c.u8()
	if width < 1 || width > 8 {
		return nil, fmt.Errorf("offset %d: chunk sizes in %d bytes", c.at, width)
	}
	dims := c.sub(rank * width)
	ix := index{kind: c.u8(), whole: flags&1 != 0}
	switch ix.kind {
	case indexSingle:
		if flags&2 != 0 {
			ix.size, ix.mask = d.f.length(c), c.uint(4)
		}
	case indexImplicit:
	case indexFixed:
		ix.pageBits = c.u8()
	case 4, 5:
		return nil, fmt.Errorf("offset %d: chunk indexes of growing datasets (kind %d) are not supported: write the file with libver='earliest'", c.at, ix.kind)
	default:
		return nil, fmt.Errorf("offset %d: chunk index of kind %d is not supported", c.at, ix.kind)
	}
	ix.at = d.f.addr(c)
	if err := c.err("layout"); err != nil {
		return nil, err
	}
	return d.chunks(&dims, rank, width, ix, n)
}

// chunks reads a dataset stored in pieces. The extents of a chunk follow in c,
// the size of an element last.
func (d *Dataset) chunks(c *cursor, rank, width int, ix index, n int64) ([]byte, error) {
	rank--
	if rank != len(d.Shape) || rank < 1 {
		return nil, fmt.Errorf("offset %d: chunks of %d dimensions for values of %d", c.at, rank, len(d.Shape))
	}
	g := grid{dims: make(tensor.Shape, rank), counts: make(tensor.Shape, rank), n: 1}
	padded := make(tensor.Shape, rank)
	for i := range g.dims {
		x := c.uint(width)
		if x == 0 || x > 1<<31-1 {
			return nil, fmt.Errorf("offset %d: a chunk's extent of %d", c.at, x)
		}
		g.dims[i] = int(x)
		g.counts[i] = d.Shape[i] / g.dims[i]
		if d.Shape[i]%g.dims[i] != 0 {
			g.counts[i]++
		}
		if int64(g.counts[i])*int64(g.n) > maxChunks {
			return nil, fmt.Errorf("offset %d: more than %d chunks", c.at, maxChunks)
		}
		g.n *= g.counts[i]
		if int64(g.counts[i])*int64(g.dims[i]) > 1<<31-1 {
			return nil, fmt.Errorf("offset %d: chunks %v of values %v", c.at, g.dims[:i+1], d.Shape)
		}
		padded[i] = g.counts[i] * g.dims[i]
	}
	elem := c.uint(width)
	if err := c.err("layout"); err != nil {
		return nil, err
	}
	if elem != uint64(d.typ.size) {
		return nil, fmt.Errorf("offset %d: elements of %d bytes in the chunks of a type of %d", c.at, elem, d.typ.size)
	}
	if n == 0 || ix.at == undefined {
		if err := d.f.take(n); err != nil {
			return nil, err
		}
		return d.filled(n), nil
	}
	// Reading expands every chunk once, so the whole grid is what counts.
	expanded, err := d.bytesOf(padded)
	if err != nil {
		return nil, err
	}
	if err := d.f.take(expanded); err != nil {
		return nil, err
	}
	one, err := g.dims.Elems()
	if err != nil {
		return nil, err
	}
	g.bytes = one * d.typ.size
	out := d.filled(n)
	r := chunkReader{d: d, g: &g, out: out, done: make([]uint64, (g.n+63)/64), whole: ix.whole}
	switch ix.kind {
	case indexTree:
		err = r.tree(ix.at, -1, map[uint64]bool{})
	case indexSingle:
		size := ix.size
		if size == 0 {
			size = uint64(g.bytes)
		}
		if g.n != 1 {
			return nil, fmt.Errorf("offset %d: a single chunk for %d", c.at, g.n)
		}
		err = r.read(chunk{ix.at, size, ix.mask, 0})
	case indexImplicit:
		for i := range g.n {
			if err = r.read(chunk{ix.at + uint64(i)*uint64(g.bytes), uint64(g.bytes), 0, i}); err != nil {
				break
			}
		}
	case indexFixed:
		err = r.fixed(ix)
	}
	return out, err
}

type chunkReader struct {
	d       *Dataset
	g       *grid
	out     []byte
	done    []uint64 // bit by number
	whole   bool
	stored  []byte // scratch
	scratch [2][]byte
}

// tree reads the chunks of a B-tree of any depth.
func (r *chunkReader) tree(at uint64, level int, seen map[uint64]bool) error {
	if seen[at] {
		return fmt.Errorf("offset %d: a tree node is reached twice", at)
	}
	seen[at] = true
	rank := len(r.g.dims)
	f := r.d.f
	c, level, children, err := f.treeNode(at, 1, level, 8+8*(rank+1))
	if err != nil {
		return err
	}
	for range children {
		here := c.offset()
		ch := chunk{size: c.uint(4), mask: c.uint(4)}
		inside := true
		for i := range rank {
			x := c.uint(8)
			if x%uint64(r.g.dims[i]) != 0 {
				return fmt.Errorf("offset %d: a chunk begins at %d along axis %d, no multiple of %d", here, x, i, r.g.dims[i])
			}
			x /= uint64(r.g.dims[i])
			inside = inside && x < uint64(r.g.counts[i])
			if inside {
				ch.number = ch.number*r.g.counts[i] + int(x)
			}
		}
		c.skip(8)
		ch.at = f.addr(&c)
		if level > 0 {
			if err := r.tree(ch.at, level-1, seen); err != nil {
				return err
			}
			continue
		}
		if !inside {
			continue // left from when the dataset was larger
		}
		if err := r.read(ch); err != nil {
			return err
		}
	}
	return nil
}

// fixed reads the chunks of a fixed-array index.
func (r *chunkReader) fixed(ix index) error {
	f := r.d.f
	h, err := f.checked(ix.at, uint64(8+f.lenBytes+f.offBytes+4), "chunk index")
	if err != nil {
		return err
	}
	if err := h.signature("FAHD"); err != nil {
		return err
	}
	version, filtered, width, pageBits := h.u8(), h.u8() == 1, h.u8(), h.u8()
	count, block := f.length(&h), f.addr(&h)
	sizeBytes := width - f.offBytes - 4
	switch {
	case version != 0:
		return fmt.Errorf("offset %d: chunk index version %d is not supported", ix.at, version)
	case !filtered && width != f.offBytes, filtered && (sizeBytes < 1 || sizeBytes > 8):
		return fmt.Errorf("offset %d: chunk index entries of %d bytes", ix.at, width)
	case count < uint64(r.g.n) || count > maxChunks:
		return fmt.Errorf("offset %d: an index of %d chunks for %d", ix.at, count, r.g.n)
	case block == undefined:
		return nil
	case pageBits < 1 || pageBits > 24:
		return fmt.Errorf("offset %d: chunk index pages of 2^%d entries", ix.at, pageBits)
	}
	page := 1 << pageBits
	prefix := 6 + f.offBytes
	entries := func(c *cursor, from, n int) error {
		for i := from; i < from+n; i++ {
			ch := chunk{at: f.addr(c), size: uint64(r.g.bytes), number: i}
			if filtered {
				ch.size, ch.mask = c.uint(sizeBytes), c.uint(4)
			}
			if i < r.g.n && ch.at != undefined {
				if err := r.read(ch); err != nil {
					return err
				}
			}
		}
		return c.err("chunk index")
	}
	if int(count) <= page {
		c, err := f.checked(block, uint64(prefix+int(count)*width+4), "chunk index")
		if err != nil {
			return err
		}
		if err := c.signature("FADB"); err != nil {
			return err
		}
		c.pos = prefix
		return entries(&c, 0, int(count))
	}
	pages := (int(count) + page - 1) / page
	c, err := f.checked(block, uint64(prefix+(pages+7)/8+4), "chunk index")
	if err != nil {
		return err
	}
	if err := c.signature("FADB"); err != nil {
		return err
	}
	c.pos = prefix
	present := c.bytes((pages + 7) / 8)
	at := block + uint64(prefix+(pages+7)/8+4)
	for p := range pages {
		n := min(page, int(count)-p*page)
		if present[p/8]&(0x80>>(p%8)) != 0 {
			c, err := f.checked(at, uint64(n*width+4), "chunk index page")
			if err != nil {
				return err
			}
			if err := entries(&c, p*page, n); err != nil {
				return err
			}
		}
		at += uint64(n*width + 4)
	}
	return nil
}

// read expands a chunk and copies what lies inside the dataset.
func (r *chunkReader) read(ch chunk) error {
	word, bit := ch.number/64, uint64(1)<<(ch.number%64)
	if r.done[word]&bit != 0 {
		return fmt.Errorf("offset %d: chunk %d occurs twice", ch.at, ch.number)
	}
	r.done[word] |= bit
	f, g := r.d.f, r.g
	// A filter may add a little to what it cannot compress; beyond that the
	// size is a lie.
	most := uint64(g.bytes) + uint64(g.bytes)/8 + 4096
	if ch.size > most {
		return fmt.Errorf("offset %d: %d bytes of storage for a chunk of %d", ch.at, ch.size, g.bytes)
	}
	if err := f.inside(ch.at, ch.size, "chunk"); err != nil {
		return err
	}
	if uint64(cap(r.stored)) < ch.size {
		r.stored = make([]byte, ch.size)
	}
	b := r.stored[:ch.size]
	if err := f.readAt(b, ch.at); err != nil {
		return err
	}
	// The place of the chunk's first element.
	at := make(tensor.Shape, len(g.dims))
	rest, edge := ch.number, false
	for i := len(at) - 1; i >= 0; i-- {
		at[i] = rest % g.counts[i] * g.dims[i]
		rest /= g.counts[i]
		edge = edge || at[i]+g.dims[i] > r.d.Shape[i]
	}
	if !(r.whole && edge) {
		var err error
		if b, err = r.unfilter(b, ch.mask); err != nil {
			return fmt.Errorf("offset %d: %w", ch.at, err)
		}
	}
	if len(b) != g.bytes {
		return fmt.Errorf("offset %d: a chunk of %d bytes expands to %d", ch.at, g.bytes, len(b))
	}
	r.copy(b, at)
	return nil
}

// copy puts a chunk into its place, run by run along the last axis.
func (r *chunkReader) copy(b []byte, at tensor.Shape) {
	dims, shape, elem := r.g.dims, r.d.Shape, r.d.typ.size
	rank := len(dims)
	last := rank - 1
	run := min(dims[last], shape[last]-at[last]) * elem
	pos := make([]int, rank) // inside the chunk
	for {
		src, dst := 0, 0
		for i := range rank {
			src = src*dims[i] + pos[i]
			dst = dst*shape[i] + at[i] + pos[i]
		}
		copy(r.out[dst*elem:dst*elem+run], b[src*elem:])
		i := last - 1
		for ; i >= 0; i-- {
			if pos[i]++; pos[i] < dims[i] && at[i]+pos[i] < shape[i] {
				break
			}
			pos[i] = 0
		}
		if i < 0 {
			return
		}
	}
}

// skipped reports whether a chunk's mask turns a filter off.
func skipped(mask uint64, filter int) bool { return filter < bits.UintSize && mask>>filter&1 != 0 }
