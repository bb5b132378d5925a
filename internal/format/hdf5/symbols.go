package hdf5

import (
	"bytes"
	"fmt"
)

// treeNode reads the node of a version 1 B-tree and checks that it is of the
// kind and the level expected; level -1 accepts any. Levels are a byte and fall
// by one from a node to its children, so trees end.
func (f *File) treeNode(at uint64, kind, level, keyBytes int) (c cursor, gotLevel, children int, err error) {
	head, err := f.block(at, uint64(8+2*f.offBytes), "tree node")
	if err != nil {
		return c, 0, 0, err
	}
	if err := head.signature("TREE"); err != nil {
		return c, 0, 0, err
	}
	gotKind, gotLevel, children := head.u8(), head.u8(), head.u16()
	switch {
	case gotKind != kind:
		return c, 0, 0, fmt.Errorf("offset %d: a tree of kind %d, want %d", at, gotKind, kind)
	case level >= 0 && gotLevel != level:
		return c, 0, 0, fmt.Errorf("offset %d: a tree node of level %d below one of level %d", at, gotLevel, level+1)
	}
	n := uint64(children)*uint64(keyBytes+f.offBytes) + uint64(keyBytes)
	c, err = f.block(at+uint64(len(head.b)), n, "tree node")
	return c, gotLevel, children, err
}

// symbolTable lists the links of a group kept in a B-tree of any depth.
func (f *File) symbolTable(links []link, tree, heap uint64, path string) ([]link, error) {
	head, err := f.block(heap, uint64(8+2*f.lenBytes+f.offBytes), "local heap")
	if err != nil {
		return nil, err
	}
	if err := head.signature("HEAP"); err != nil {
		return nil, err
	}
	head.skip(4)
	size := f.length(&head)
	head.skip(f.lenBytes)
	names, err := f.block(f.addr(&head), size, "local heap")
	if err != nil {
		return nil, err
	}
	seen := map[uint64]bool{}
	var walk func(at uint64, level int) error
	walk = func(at uint64, level int) error {
		if seen[at] {
			return fmt.Errorf("offset %d: a tree node is reached twice", at)
		}
		seen[at] = true
		c, level, children, err := f.treeNode(at, 0, level, f.lenBytes)
		if err != nil {
			return err
		}
		for range children {
			c.skip(f.lenBytes)
			child := f.addr(&c)
			if level > 0 {
				err = walk(child, level-1)
			} else {
				links, err = f.symbolNode(links, child, names, path)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return links, walk(tree, -1)
}

// symbolNode reads a leaf of a group's tree.
func (f *File) symbolNode(links []link, at uint64, names cursor, path string) ([]link, error) {
	c, err := f.block(at, 8, "symbol node")
	if err != nil {
		return nil, err
	}
	if err := c.signature("SNOD"); err != nil {
		return nil, err
	}
	if v := c.u8(); v != 1 {
		return nil, fmt.Errorf("offset %d: symbol node version %d is not supported", at, v)
	}
	c.skip(1)
	count := c.u16()
	c, err = f.block(at+8, uint64(count)*uint64(2*f.offBytes+24), "symbol node")
	if err != nil {
		return nil, err
	}
	for range count {
		here := c.offset()
		nameAt := c.uint(f.offBytes)
		target := f.addr(&c)
		cache := c.uint(4)
		c.skip(4 + 16)
		if nameAt >= uint64(len(names.b)) {
			return nil, fmt.Errorf("offset %d: a link's name lies outside the heap", here)
		}
		name := names.b[nameAt:]
		end := bytes.IndexByte(name[:min(len(name), maxName+1)], 0)
		if end < 0 {
			return nil, fmt.Errorf("offset %d: a link's name of over %d bytes", here, maxName)
		}
		if cache == 2 {
			f.note("%s: link %q leads to a name, not to an object: left out", path, name[:end])
			continue
		}
		if links, err = f.addLink(links, string(name[:end]), target); err != nil {
			return nil, fmt.Errorf("offset %d: %w", here, err)
		}
	}
	return links, nil
}
