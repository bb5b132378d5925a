package hdf5

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Kinds of version 2 B-trees: links and attributes by the hash of their names.
const (
	treeLinks = 5
	treeAttrs = 8
)

const maxLevels = 32 // of a version 2 B-tree or of the tables of a heap

// dense visits the links or attributes that an object keeps in a fractal heap,
// by walking the version 2 B-tree that indexes them.
func (f *File) dense(heapAt, treeAt uint64, kind int, visit func(*cursor) error) error {
	h, err := f.fractalHeap(heapAt)
	if err != nil {
		return err
	}
	// A record of the tree begins with what leads to the object: for links a
	// hash and the heap's id, for attributes the id and more.
	return f.tree2(treeAt, kind, func(rec cursor) error {
		if kind == treeLinks {
			rec.skip(4)
		}
		id := rec.sub(h.idBytes)
		if kind == treeAttrs {
			if flags := rec.u8(); flags&2 != 0 {
				return fmt.Errorf("offset %d: attributes shared through a heap are not supported", rec.at)
			}
		}
		if err := rec.err("tree record"); err != nil {
			return err
		}
		obj, err := h.object(&id)
		if err != nil {
			return err
		}
		return visit(&obj)
	})
}

// tree2 visits the records of a version 2 B-tree in order.
func (f *File) tree2(at uint64, kind int, visit func(cursor) error) error {
	c, err := f.checked(at, uint64(4+2+4+2+2+2+f.offBytes+2+f.lenBytes+4), "tree header")
	if err != nil {
		return err
	}
	if err := c.signature("BTHD"); err != nil {
		return err
	}
	version, got := c.u8(), c.u8()
	node, record, depth := c.size(4), c.u16(), c.u16()
	c.skip(2)
	root, count := f.addr(&c), c.u16()
	switch {
	case version != 0 || got != kind:
		return fmt.Errorf("offset %d: a tree of version %d and kind %d, want 0 and %d", at, version, got, kind)
	case record < 8 || node < 16+record || node > 1<<20 || depth > maxLevels:
		return fmt.Errorf("offset %d: a tree of %d levels with nodes of %d bytes and records of %d", at, depth, node, record)
	}
	if root == undefined {
		return nil
	}
	t := tree2{f: f, node: node, record: record, kind: kind, visit: visit, seen: map[uint64]bool{}}
	// How many records a node of each level and all below it can hold gives
	// the widths of the counts beside its pointers.
	leaf := (node - 10) / record
	t.widths = []int{byteWidth(uint64(leaf))}
	total := uint64(leaf)
	t.totals = []int{0}
	for level := 1; level <= depth; level++ {
		pointer := f.offBytes + t.widths[0] + t.totals[level-1]
		most := (node - 10 - pointer) / (record + pointer)
		if most < 1 {
			return fmt.Errorf("offset %d: tree nodes of %d bytes are too small for %d levels", at, node, depth)
		}
		hi, lo := bits.Mul64(uint64(most)+1, total)
		if hi != 0 || lo+uint64(most) < lo {
			return fmt.Errorf("offset %d: a tree of %d levels", at, depth)
		}
		total = lo + uint64(most)
		t.totals = append(t.totals, byteWidth(total))
	}
	return t.walk(root, count, depth)
}

// byteWidth is the number of bytes that v takes.
func byteWidth(v uint64) int { return max(1, (bits.Len64(v)+7)/8) }

type tree2 struct {
	f            *File
	node, record int
	kind         int
	widths       []int // of a count of records in a node
	totals       []int // by level: of a count of all records below a node
	visit        func(cursor) error
	seen         map[uint64]bool
}

func (t *tree2) walk(at uint64, count, level int) error {
	if t.seen[at] {
		return fmt.Errorf("offset %d: a tree node is reached twice", at)
	}
	t.seen[at] = true
	pointer := 0
	if level > 0 {
		pointer = t.f.offBytes + t.widths[0] + t.totals[level-1]
	}
	n := 6 + count*t.record + 4
	if level > 0 {
		n += (count + 1) * pointer
	}
	if n > t.node {
		return fmt.Errorf("offset %d: %d records do not fit a tree node of %d bytes", at, count, t.node)
	}
	c, err := t.f.checked(at, uint64(n), "tree node")
	if err != nil {
		return err
	}
	want := "BTLF"
	if level > 0 {
		want = "BTIN"
	}
	if err := c.signature(want); err != nil {
		return err
	}
	if version, kind := c.u8(), c.u8(); version != 0 || kind != t.kind {
		return fmt.Errorf("offset %d: a tree node of version %d and kind %d", at, version, kind)
	}
	records := make([]cursor, count)
	for i := range records {
		records[i] = c.sub(t.record)
	}
	for i := range count + 1 {
		if level > 0 {
			child, below := t.f.addr(&c), clampInt(c.uint(t.widths[0]))
			c.skip(t.totals[level-1])
			if err := c.err("tree node"); err != nil {
				return err
			}
			if err := t.walk(child, below, level-1); err != nil {
				return err
			}
		}
		if i < count {
			if err := t.visit(records[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// fractal is a heap of objects in blocks of doubling sizes.
type fractal struct {
	f          *File
	at         uint64
	idBytes    int
	width      int    // blocks in a row of the table
	start      uint64 // bytes of a block of the first two rows
	maxDirect  uint64
	rows       int // of the root, 0 where the root is a block of objects
	root       uint64
	space      uint64 // addresses inside the heap
	offBytes   int    // of an address inside the heap
	lenBytes   int    // of an object's length
	sums       bool   // blocks of objects carry checksums
	maxManaged uint64
	blocks     map[uint64]cursor // read so far, by address
}

func (f *File) fractalHeap(at uint64) (*fractal, error) {
	n := 26 + 12*f.lenBytes + 3*f.offBytes
	c, err := f.checked(at, uint64(n), "fractal heap")
	if err != nil {
		return nil, err
	}
	if err := c.signature("FRHP"); err != nil {
		return nil, err
	}
	h := &fractal{f: f, at: at, blocks: map[uint64]cursor{}}
	version := c.u8()
	h.idBytes = c.u16()
	filters, flags := c.u16(), c.u8()
	h.sums = flags&2 != 0
	h.maxManaged = c.uint(4)
	c.skip(f.lenBytes + f.offBytes) // huge objects
	c.skip(f.lenBytes + f.offBytes) // free space
	c.skip(8 * f.lenBytes)          // statistics
	h.width = c.u16()
	h.start, h.maxDirect = f.length(&c), f.length(&c)
	maxBits := c.u16()
	c.skip(2)
	h.root = f.addr(&c)
	h.rows = c.u16()
	if err := c.err("fractal heap"); err != nil {
		return nil, err
	}
	switch {
	case version != 0:
		return nil, fmt.Errorf("offset %d: fractal heap version %d is not supported", at, version)
	case filters != 0:
		return nil, fmt.Errorf("offset %d: a fractal heap with filters is not supported", at)
	case h.width == 0 || h.width > 1024 || bits.OnesCount64(h.start) != 1 || bits.OnesCount64(h.maxDirect) != 1 ||
		h.start > h.maxDirect || h.maxDirect > 1<<30 || maxBits == 0 || maxBits > 64 || h.rows > 64:
		return nil, fmt.Errorf("offset %d: a fractal heap with %d blocks of %d to %d bytes in a row", at, h.width, h.start, h.maxDirect)
	}
	h.offBytes = (maxBits + 7) / 8
	h.lenBytes = min((bits.Len64(h.maxDirect)+6)/8, byteWidth(h.maxManaged))
	return h, nil
}

// object finds the object of an id.
func (h *fractal) object(id *cursor) (cursor, error) {
	at := id.offset()
	switch kind := id.u8(); {
	case kind>>6 != 0:
		return cursor{}, fmt.Errorf("offset %d: heap id of version %d is not supported", at, kind>>6)
	case kind>>4&3 == 2: // tiny: the object is in the id
		n := kind&15 + 1
		obj := id.sub(n)
		return obj, obj.err("tiny object")
	case kind>>4&3 != 0:
		return cursor{}, fmt.Errorf("offset %d: objects outside the heap's blocks are not supported", at)
	}
	off, n := id.uint(h.offBytes), id.uint(h.lenBytes)
	if err := id.err("heap id"); err != nil {
		return cursor{}, err
	}
	if h.rows == 0 {
		return h.direct(h.root, 0, h.start, off, n)
	}
	return h.indirect(h.root, 0, h.rows, off, n, 0)
}

// blockSize is the size of the blocks of a row.
func (h *fractal) blockSize(row int) uint64 {
	if row < 2 {
		return h.start
	}
	if row-1 >= bits.LeadingZeros64(h.start) {
		return 1 << 62
	}
	return h.start << (row - 1)
}

// direct takes an object out of a block of objects that begins at the heap's
// address begin.
func (h *fractal) direct(at, begin, size, off, n uint64) (cursor, error) {
	c, ok := h.blocks[at]
	if !ok {
		var err error
		if c, err = h.f.block(at, size, "heap block"); err != nil {
			return c, err
		}
		if err := c.signature("FHDB"); err != nil {
			return c, err
		}
		if err := h.verify(&c); err != nil {
			return c, err
		}
		h.blocks[at] = c
	}
	if off < begin || off-begin > size || n > size-(off-begin) {
		return c, fmt.Errorf("offset %d: a heap object of %d bytes at %d does not fit its block", at, n, off)
	}
	c.pos = int(off - begin)
	if err := h.f.charge(n, "heap object"); err != nil {
		return c, err
	}
	obj := c.sub(int(n))
	return obj, obj.err("heap object")
}

// verify checks the checksum of a block of objects, which counts as zero in
// its own sum.
func (h *fractal) verify(c *cursor) error {
	if !h.sums {
		return nil
	}
	c.skip(1 + h.f.offBytes + h.offBytes)
	field := c.bytes(4)
	if err := c.err("heap block"); err != nil {
		return err
	}
	want := binary.LittleEndian.Uint32(field)
	clear(field)
	if got := lookup3(c.b); got != want {
		return fmt.Errorf("offset %d: the heap block is damaged: its checksum is %08x, the file says %08x", c.at, got, want)
	}
	return nil
}

// indirect looks for an object through a table of blocks.
func (h *fractal) indirect(at, begin uint64, rows int, off, n uint64, depth int) (cursor, error) {
	if depth > maxLevels {
		return cursor{}, fmt.Errorf("offset %d: a heap of over %d levels", at, maxLevels)
	}
	c, ok := h.blocks[at]
	if !ok {
		var err error
		size := 5 + h.f.offBytes + h.offBytes + rows*h.width*h.f.offBytes + 4
		if c, err = h.f.checked(at, uint64(size), "heap table"); err != nil {
			return c, err
		}
		if err := c.signature("FHIB"); err != nil {
			return c, err
		}
		h.blocks[at] = c
	}
	for row := range rows {
		size := h.blockSize(row)
		if off-begin >= size*uint64(h.width) && size < 1<<48 {
			begin += size * uint64(h.width)
			continue
		}
		col := (off - begin) / size
		if col >= uint64(h.width) {
			break
		}
		c.pos = 5 + h.f.offBytes + h.offBytes + (row*h.width+int(col))*h.f.offBytes
		child := h.f.addr(&c)
		if err := c.err("heap table"); err != nil {
			return c, err
		}
		begin += col * size
		if size <= h.maxDirect {
			return h.direct(child, begin, size, off, n)
		}
		// The rows of a table below: as many as its space fills.
		below := bits.Len64(size) - bits.Len64(h.start*uint64(h.width)) + 1
		if below < 1 {
			break
		}
		return h.indirect(child, begin, below, off, n, depth+1)
	}
	return cursor{}, fmt.Errorf("offset %d: the heap has no object at %d", h.at, off)
}
