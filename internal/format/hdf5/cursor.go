package hdf5

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

const undefined = math.MaxUint64 // an address that points nowhere

// cursor reads fields off a block of the file. Its first failure stays: later
// reads give zeros, and err says where the block ended.
type cursor struct {
	b    []byte
	pos  int
	at   uint64 // of b in the file
	fail bool
}

func (c *cursor) left() int      { return len(c.b) - c.pos }
func (c *cursor) offset() uint64 { return c.at + uint64(c.pos) }

func (c *cursor) err(what string) error {
	if c.fail {
		return fmt.Errorf("offset %d: %s is cut off", c.offset(), what)
	}
	return nil
}

// bytes takes n bytes, or nil and the failure.
func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > c.left() || c.fail {
		c.fail = true
		return nil
	}
	b := c.b[c.pos : c.pos+n : c.pos+n]
	c.pos += n
	return b
}

func (c *cursor) skip(n int) { c.bytes(n) }

// uint takes a little-endian number of n bytes, 1 to 8.
func (c *cursor) uint(n int) uint64 {
	var v uint64
	for i, x := range c.bytes(n) {
		v |= uint64(x) << (8 * i)
	}
	return v
}

func (c *cursor) u8() int  { return int(c.uint(1)) }
func (c *cursor) u16() int { return int(c.uint(2)) }

// size takes a number of n bytes that counts bytes in memory. One that no
// memory could hold comes back as the largest, which every check refuses.
func (c *cursor) size(n int) int { return clampInt(c.uint(n)) }

func clampInt(v uint64) int { return int(min(v, math.MaxInt32)) }

// sub takes the next n bytes as a block of their own.
func (c *cursor) sub(n int) cursor {
	at := c.offset()
	return cursor{b: c.bytes(n), at: at, fail: c.fail}
}

// align8 skips to a multiple of eight bytes from the block's start.
func (c *cursor) align8() { c.skip(min((8-c.pos%8)%8, c.left())) }

// signature checks the four letters a block begins with.
func (c *cursor) signature(want string) error {
	at := c.offset()
	if got := c.bytes(len(want)); string(got) != want {
		return fmt.Errorf("offset %d: want %s, got %q", at, want, got)
	}
	return nil
}

// addr takes an address and makes it absolute; undefined stays.
func (f *File) addr(c *cursor) uint64 {
	v := c.uint(f.offBytes)
	if v == math.MaxUint64>>(64-8*f.offBytes) {
		return undefined
	}
	if sum, over := bits.Add64(v, f.base, 0); over == 0 {
		return sum
	}
	return undefined - 1 // past every file: refused where it is read
}

// length takes a field of the size of lengths.
func (f *File) length(c *cursor) uint64 { return c.uint(f.lenBytes) }

// inside checks that a stretch lies within the file.
func (f *File) inside(at, n uint64, what string) error {
	if at == undefined {
		return fmt.Errorf("%s has no address", what)
	}
	if at > uint64(f.size) || n > uint64(f.size)-at {
		return fmt.Errorf("offset %d: %s of %d bytes ends after the file of %d bytes", at, what, n, f.size)
	}
	return nil
}

// charge counts bytes of metadata against the limit.
func (f *File) charge(n uint64, what string) error {
	if n > uint64(f.meta) {
		return fmt.Errorf("%s: more metadata than the limit of %d bytes", what, f.lim.MaxMetaBytes)
	}
	f.meta -= int64(n)
	return nil
}

// block reads n bytes of metadata.
func (f *File) block(at, n uint64, what string) (cursor, error) {
	if err := f.inside(at, n, what); err != nil {
		return cursor{}, err
	}
	if err := f.charge(n, what); err != nil {
		return cursor{}, err
	}
	b := make([]byte, n)
	if err := f.readAt(b, at); err != nil {
		return cursor{}, err
	}
	return cursor{b: b, at: at}, nil
}

func (f *File) readAt(b []byte, at uint64) error {
	if n, err := f.r.ReadAt(b, int64(at)); n < len(b) {
		return fmt.Errorf("offset %d: reading %d bytes: %w", at, len(b), err)
	}
	return nil
}

// checked is block for a structure that ends in a checksum; the checksum is
// verified and cut off.
func (f *File) checked(at, n uint64, what string) (cursor, error) {
	c, err := f.block(at, n, what)
	if err != nil {
		return c, err
	}
	if len(c.b) < 4 {
		return c, fmt.Errorf("offset %d: %s is too short", at, what)
	}
	body := len(c.b) - 4
	if got, want := lookup3(c.b[:body]), binary.LittleEndian.Uint32(c.b[body:]); got != want {
		return c, fmt.Errorf("offset %d: %s is damaged: its checksum is %08x, the file says %08x", at, what, got, want)
	}
	c.b = c.b[:body]
	return c, nil
}

// lookup3 is Bob Jenkins's hash of that name with a seed of 0, the checksum of
// HDF5's newer metadata.
func lookup3(p []byte) uint32 {
	a := 0xdeadbeef + uint32(len(p))
	b, c := a, a
	rot := bits.RotateLeft32
	for len(p) > 12 {
		a += binary.LittleEndian.Uint32(p)
		b += binary.LittleEndian.Uint32(p[4:])
		c += binary.LittleEndian.Uint32(p[8:])
		a = (a - c) ^ rot(c, 4)
		c += b
		b = (b - a) ^ rot(a, 6)
		a += c
		c = (c - b) ^ rot(b, 8)
		b += a
		a = (a - c) ^ rot(c, 16)
		c += b
		b = (b - a) ^ rot(a, 19)
		a += c
		c = (c - b) ^ rot(b, 4)
		b += a
		p = p[12:]
	}
	if len(p) == 0 {
		return c
	}
	var last [12]byte
	copy(last[:], p)
	a += binary.LittleEndian.Uint32(last[:])
	b += binary.LittleEndian.Uint32(last[4:])
	c += binary.LittleEndian.Uint32(last[8:])
	c = (c ^ b) - rot(b, 14)
	a = (a ^ c) - rot(c, 11)
	b = (b ^ a) - rot(a, 25)
	c = (c ^ b) - rot(b, 16)
	a = (a ^ c) - rot(c, 4)
	b = (b ^ a) - rot(a, 14)
	c = (c ^ b) - rot(b, 24)
	return c
}
