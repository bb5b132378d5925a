package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const signature = "\x89HDF\r\n\x1a\n"

// superblock finds the file's header, at the start or after a user block of
// 512 bytes or a larger power of two, and returns the address of the root.
func (f *File) superblock() (uint64, error) {
	for at := int64(0); at <= f.size-int64(len(signature)); at = max(512, at*2) {
		head := make([]byte, 8)
		if err := f.readAt(head, uint64(at)); err != nil {
			return 0, err
		}
		if string(head) == signature {
			return f.readSuperblock(uint64(at))
		}
		if at > 1<<40 {
			break
		}
	}
	return 0, errors.New("no signature: this is no HDF5 file")
}

func (f *File) readSuperblock(at uint64) (uint64, error) {
	// The longest superblock takes 108 bytes.
	c, err := f.block(at, min(128, uint64(f.size)-at), "superblock")
	if err != nil {
		return 0, err
	}
	c.skip(len(signature))
	version := c.u8()
	var root uint64
	switch version {
	case 0, 1:
		c.skip(4) // versions of parts that have one each
		f.offBytes, f.lenBytes = c.u8(), c.u8()
		c.skip(1 + 2 + 2 + 4)
		if version == 1 {
			c.skip(4)
		}
		if err := f.checkSizes(&c); err != nil {
			return 0, err
		}
		f.base = c.uint(f.offBytes)
		c.skip(3 * f.offBytes) // free space, end of file, driver
		c.skip(f.offBytes)     // name of the root: none
		root = f.addr(&c)
	case 2, 3:
		f.offBytes, f.lenBytes = c.u8(), c.u8()
		c.skip(1)
		if err := f.checkSizes(&c); err != nil {
			return 0, err
		}
		f.base = c.uint(f.offBytes)
		c.skip(2 * f.offBytes) // extension, end of file
		root = f.addr(&c)
		end := c.pos
		if sum := uint32(c.uint(4)); !c.fail && sum != lookup3(c.b[:end]) {
			return 0, fmt.Errorf("offset %d: the superblock is damaged: its checksum is %08x, the file says %08x", at, lookup3(c.b[:end]), sum)
		}
	default:
		return 0, fmt.Errorf("offset %d: superblock version %d is not supported", at, version)
	}
	if err := c.err("superblock"); err != nil {
		return 0, err
	}
	if root == undefined {
		return 0, fmt.Errorf("offset %d: the file has no root group", at)
	}
	return root, nil
}

func (f *File) checkSizes(c *cursor) error {
	if err := c.err("superblock"); err != nil {
		return err
	}
	for _, n := range []int{f.offBytes, f.lenBytes} {
		if n != 2 && n != 4 && n != 8 {
			return fmt.Errorf("offset %d: addresses of %d bytes and lengths of %d bytes are not supported", c.offset(), f.offBytes, f.lenBytes)
		}
	}
	return nil
}

// message is one entry of an object header.
type message struct {
	kind byte
	body cursor
}

// Kinds of messages.
const (
	msgSpace        = 0x01
	msgLinkInfo     = 0x02
	msgType         = 0x03
	msgOldFill      = 0x04
	msgFill         = 0x05
	msgLink         = 0x06
	msgExternal     = 0x07
	msgLayout       = 0x08
	msgGroupInfo    = 0x0a
	msgFilters      = 0x0b
	msgAttr         = 0x0c
	msgContinuation = 0x10
	msgSymbols      = 0x11
	msgAttrInfo     = 0x15
)

const (
	maxMessages = 65536
	maxBlocks   = 4096
)

// extent is a stretch of the file.
type extent struct{ at, n uint64 }

// header reads all messages of an object header, whatever its version and its
// number of blocks.
func (f *File) header(at uint64) ([]message, error) {
	c, err := f.block(at, min(64, uint64(f.size)-min(at, uint64(f.size))), "object header")
	if err != nil {
		return nil, err
	}
	v2 := len(c.b) >= 4 && string(c.b[:4]) == "OHDR"
	h := headerReader{f: f, v2: v2, seen: map[uint64]bool{at: true}}
	if !v2 {
		if version := c.u8(); version != 1 {
			return nil, fmt.Errorf("offset %d: no object header (version %d)", at, version)
		}
		c.skip(1 + 2 + 4)
		n := c.uint(4)
		if c.fail {
			return nil, c.err("object header")
		}
		h.todo = append(h.todo, extent{at + 16, n})
	} else {
		c.skip(4)
		if version := c.u8(); version != 2 {
			return nil, fmt.Errorf("offset %d: object header version %d is not supported", at, version)
		}
		flags := c.u8()
		if flags&0x20 != 0 {
			c.skip(16)
		}
		if flags&0x10 != 0 {
			c.skip(4)
		}
		n := c.uint(1 << (flags & 3))
		if c.fail {
			return nil, c.err("object header")
		}
		if n > uint64(f.size) {
			return nil, fmt.Errorf("offset %d: object header of %d bytes", at, n)
		}
		h.ordered = flags&4 != 0
		block, err := f.checked(at, uint64(c.pos)+n+4, "object header")
		if err != nil {
			return nil, err
		}
		block.pos = c.pos
		if err := h.messages(block); err != nil {
			return nil, err
		}
	}
	for len(h.todo) > 0 {
		e := h.todo[0]
		h.todo = h.todo[1:]
		if h.seen[e.at] {
			return nil, fmt.Errorf("offset %d: a part of the object header at %d is reached twice", e.at, at)
		}
		h.seen[e.at] = true
		if len(h.seen) > maxBlocks {
			return nil, fmt.Errorf("offset %d: an object header of more than %d parts", at, maxBlocks)
		}
		var block cursor
		if v2 {
			if block, err = f.checked(e.at, e.n, "object header continuation"); err == nil {
				err = block.signature("OCHK")
			}
		} else {
			block, err = f.block(e.at, e.n, "object header part")
		}
		if err == nil {
			err = h.messages(block)
		}
		if err != nil {
			return nil, err
		}
	}
	return h.out, nil
}

type headerReader struct {
	f       *File
	v2      bool
	ordered bool // messages carry their creation order
	seen    map[uint64]bool
	todo    []extent
	out     []message
}

// messages takes a block of a header apart.
func (h *headerReader) messages(c cursor) error {
	prefix := 8
	if h.v2 {
		prefix = 4
		if h.ordered {
			prefix = 6
		}
	}
	for c.left() >= prefix {
		var kind, size int
		var flags byte
		if h.v2 {
			p := c.bytes(prefix)
			kind, size, flags = int(p[0]), int(binary.LittleEndian.Uint16(p[1:])), p[3]
		} else {
			p := c.bytes(prefix)
			kind, size, flags = int(binary.LittleEndian.Uint16(p)), int(binary.LittleEndian.Uint16(p[2:])), p[4]
		}
		body := c.sub(size)
		if body.fail {
			return fmt.Errorf("offset %d: a header message of %d bytes does not fit", c.offset(), size)
		}
		if kind == 0 || kind > 0x18 {
			continue // padding, or newer than anything we look for
		}
		if len(h.out) >= maxMessages {
			return fmt.Errorf("offset %d: more than %d header messages", c.offset(), maxMessages)
		}
		if kind == msgContinuation {
			at := h.f.addr(&body)
			n := h.f.length(&body)
			if err := body.err("continuation"); err != nil {
				return err
			}
			h.todo = append(h.todo, extent{at, n})
			continue
		}
		if flags&2 != 0 {
			var err error
			if body, err = h.f.shared(body, kind); err != nil {
				return err
			}
		}
		h.out = append(h.out, message{byte(kind), body})
	}
	return nil
}

// shared follows a message that lies in another object's header, as the
// committed types of h5py do.
func (f *File) shared(c cursor, kind int) (cursor, error) {
	at := c.offset()
	version, where := c.u8(), c.u8()
	switch {
	case version == 1:
		c.skip(6)
	case version == 2, version == 3 && where != 1:
	default:
		return c, fmt.Errorf("offset %d: messages shared through a heap are not supported", at)
	}
	target := f.addr(&c)
	if err := c.err("shared message"); err != nil {
		return c, err
	}
	// Only the first block is searched: following that header's own shared
	// messages or continuations could go on for ever.
	found, err := f.firstBlock(target, kind)
	if err != nil {
		return c, err
	}
	return found, nil
}

// firstBlock finds an unshared message in the first part of a header.
func (f *File) firstBlock(at uint64, kind int) (cursor, error) {
	c, err := f.block(at, min(64, uint64(f.size)-min(at, uint64(f.size))), "shared message's header")
	if err != nil {
		return c, err
	}
	prefix := 8
	if len(c.b) >= 4 && string(c.b[:4]) == "OHDR" {
		prefix = 4
		c.skip(5)
		flags := c.u8()
		if flags&0x20 != 0 {
			c.skip(16)
		}
		if flags&0x10 != 0 {
			c.skip(4)
		}
		if flags&4 != 0 {
			prefix = 6
		}
		n := c.uint(1 << (flags & 3))
		if c.fail {
			return c, c.err("shared message's header")
		}
		at, c = at+uint64(c.pos), cursor{}
		if c, err = f.block(at, n, "shared message's header"); err != nil {
			return c, err
		}
	} else {
		c.skip(8)
		n := c.uint(4)
		if c.fail {
			return c, c.err("shared message's header")
		}
		if c, err = f.block(at+16, n, "shared message's header"); err != nil {
			return c, err
		}
	}
	for c.left() >= prefix {
		p := c.bytes(prefix)
		k, n, flags := int(p[0]), 0, byte(0)
		if prefix == 8 {
			k, n, flags = int(binary.LittleEndian.Uint16(p)), int(binary.LittleEndian.Uint16(p[2:])), p[4]
		} else {
			n, flags = int(binary.LittleEndian.Uint16(p[1:])), p[3]
		}
		body := c.sub(n)
		if body.fail {
			break
		}
		if k == kind && flags&2 == 0 {
			return body, nil
		}
	}
	return c, fmt.Errorf("offset %d: the shared message of kind %d is not there", at, kind)
}
