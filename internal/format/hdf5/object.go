package hdf5

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mobilenet-go/mobilenet/tensor"
)

const (
	maxName = 1024 // bytes of a link's or an attribute's name
	maxPath = 8192
)

// object reads the object whose header is at the address: a group with all
// below it, or a dataset, or neither where it is something else.
func (f *File) object(at uint64, path string, depth int) (*Group, *Dataset, error) {
	if err := f.count(path); err != nil {
		return nil, nil, err
	}
	f.seen[at] = true
	msgs, err := f.header(at)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	var group, data, typed bool
	for _, m := range msgs {
		switch m.kind {
		case msgSymbols, msgLinkInfo, msgLink, msgGroupInfo:
			group = true
		case msgLayout:
			data = true
		case msgType:
			typed = true
		}
	}
	switch {
	case data:
		d, err := f.dataset(msgs, path)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		return nil, d, nil
	case group:
		g, err := f.group(msgs, path, depth)
		return g, nil, err
	case typed:
		return nil, nil, nil // a type kept under a name
	}
	f.Notes = append(f.Notes, fmt.Sprintf("%s: neither a group nor a dataset", path))
	return nil, nil, nil
}

// count checks the number of objects and the memory their names take: paths
// grow with their depth, so that few bytes of a file can make long ones.
func (f *File) count(path string) error {
	if f.objects++; f.objects > f.lim.MaxObjects {
		return fmt.Errorf("%s: more objects than the limit of %d", clip(path), f.lim.MaxObjects)
	}
	if len(path) > maxPath {
		return fmt.Errorf("%s: a path of %d bytes, over the limit of %d", clip(path), len(path), maxPath)
	}
	return f.charge(uint64(len(path))+64, clip(path))
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// link is a name in a group with the address of the object.
type link struct {
	name string
	at   uint64
}

// group reads a group's attributes, and its members recursively.
func (f *File) group(msgs []message, path string, depth int) (*Group, error) {
	if depth > f.lim.MaxDepth {
		return nil, fmt.Errorf("%s: groups nested over the limit of %d", clip(path), f.lim.MaxDepth)
	}
	g := &Group{Path: path}
	wrap := func(err error) error { return fmt.Errorf("%s: %w", clip(path), err) }
	var err error
	if g.Attrs, err = f.attrs(msgs, path); err != nil {
		return nil, wrap(err)
	}
	var links []link
	for _, m := range msgs {
		switch m.kind {
		case msgSymbols:
			tree, heap := f.addr(&m.body), f.addr(&m.body)
			if err := m.body.err("symbol table"); err != nil {
				return nil, wrap(err)
			}
			if links, err = f.symbolTable(links, tree, heap, path); err != nil {
				return nil, wrap(err)
			}
		case msgLink:
			if links, err = f.link(links, &m.body, path); err != nil {
				return nil, wrap(err)
			}
		case msgLinkInfo:
			version, flags := m.body.u8(), m.body.u8()
			if version != 0 {
				return nil, wrap(fmt.Errorf("offset %d: link info version %d is not supported", m.body.at, version))
			}
			if flags&1 != 0 {
				m.body.skip(8)
			}
			heap, index := f.addr(&m.body), f.addr(&m.body)
			if err := m.body.err("link info"); err != nil {
				return nil, wrap(err)
			}
			if heap == undefined {
				continue // all links are messages
			}
			err = f.dense(heap, index, treeLinks, func(c *cursor) error {
				links, err = f.link(links, c, path)
				return err
			})
			if err != nil {
				return nil, wrap(err)
			}
		}
	}
	names := make(map[string]bool, len(links))
	for _, l := range links {
		if names[l.name] {
			return nil, wrap(fmt.Errorf("two links have the name %q", l.name))
		}
		names[l.name] = true
		full := strings.TrimSuffix(path, "/") + "/" + l.name
		if f.seen[l.at] {
			f.note("%s: another link to the object at offset %d: left out", full, l.at)
			continue
		}
		child, data, err := f.object(l.at, full, depth+1)
		if err != nil {
			return nil, err
		}
		if child != nil {
			g.Groups = append(g.Groups, child)
		}
		if data != nil {
			g.Datasets = append(g.Datasets, data)
		}
	}
	return g, nil
}

func (f *File) note(format string, args ...any) {
	if len(f.Notes) < 1000 {
		f.Notes = append(f.Notes, clip(fmt.Sprintf(format, args...)))
	}
}

// addLink checks a link's name and takes it into the list.
func (f *File) addLink(links []link, name string, at uint64) ([]link, error) {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || !utf8.ValidString(name):
		return nil, fmt.Errorf("a link with the name %q", clip(name))
	case len(name) > maxName:
		return nil, fmt.Errorf("link %q: a name of %d bytes, over the limit of %d", clip(name), len(name), maxName)
	case len(links) >= f.lim.MaxObjects:
		return nil, fmt.Errorf("more links than the limit of %d", f.lim.MaxObjects)
	}
	if err := f.charge(uint64(len(name))+32, "links"); err != nil {
		return nil, err
	}
	return append(links, link{name, at}), nil
}

// link reads a link message. Links to names rather than to objects are noted
// and left out.
func (f *File) link(links []link, c *cursor, path string) ([]link, error) {
	at := c.offset()
	if version := c.u8(); version != 1 {
		return nil, fmt.Errorf("offset %d: link version %d is not supported", at, version)
	}
	flags := c.u8()
	kind := 0
	if flags&8 != 0 {
		kind = c.u8()
	}
	if flags&4 != 0 {
		c.skip(8)
	}
	if flags&16 != 0 {
		c.skip(1)
	}
	name := string(c.bytes(c.size(1 << (flags & 3))))
	if err := c.err("link"); err != nil {
		return nil, err
	}
	if kind != 0 {
		f.note("%s: link %q leads to a name, not to an object: left out", path, name)
		return links, nil
	}
	target := f.addr(c)
	if err := c.err("link"); err != nil {
		return nil, err
	}
	return f.addLink(links, name, target)
}

// attrs reads the attributes of an object.
func (f *File) attrs(msgs []message, path string) (map[string]*Attr, error) {
	var out map[string]*Attr
	add := func(c *cursor) error {
		a, err := f.attr(c)
		if err != nil {
			return err
		}
		if err := f.count(a.Name); err != nil {
			return err
		}
		if out == nil {
			out = map[string]*Attr{}
		}
		if out[a.Name] != nil {
			return fmt.Errorf("two attributes have the name %q", a.Name)
		}
		out[a.Name] = a
		return nil
	}
	for _, m := range msgs {
		switch m.kind {
		case msgAttr:
			if err := add(&m.body); err != nil {
				return nil, err
			}
		case msgAttrInfo:
			version, flags := m.body.u8(), m.body.u8()
			if version != 0 {
				return nil, fmt.Errorf("offset %d: attribute info version %d is not supported", m.body.at, version)
			}
			if flags&1 != 0 {
				m.body.skip(2)
			}
			heap, index := f.addr(&m.body), f.addr(&m.body)
			if err := m.body.err("attribute info"); err != nil {
				return nil, err
			}
			if heap == undefined {
				continue
			}
			if err := f.dense(heap, index, treeAttrs, add); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// attr reads an attribute message with its value.
func (f *File) attr(c *cursor) (*Attr, error) {
	at := c.offset()
	version := c.u8()
	flags := c.u8()
	nameLen, typeLen, spaceLen := c.u16(), c.u16(), c.u16()
	if version < 1 || version > 3 {
		return nil, fmt.Errorf("offset %d: attribute version %d is not supported", at, version)
	}
	if version == 3 {
		c.skip(1)
	}
	part := func(n int) cursor {
		s := c.sub(n)
		if version == 1 {
			c.align8()
		}
		return s
	}
	// Alignment counts from the message's first byte, which is the block's.
	nameBytes, typ, space := part(nameLen), part(typeLen), part(spaceLen)
	if err := c.err("attribute"); err != nil {
		return nil, err
	}
	name := string(nameBytes.b)
	if i := strings.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	if name == "" || len(name) > maxName || !utf8.ValidString(name) {
		return nil, fmt.Errorf("offset %d: an attribute with the name %q", at, clip(name))
	}
	fail := func(err error) (*Attr, error) { return nil, fmt.Errorf("attribute %q: %w", clip(name), err) }
	var err error
	if version > 1 && flags&1 != 0 {
		if typ, err = f.shared(typ, msgType); err != nil {
			return fail(err)
		}
	}
	if version > 1 && flags&2 != 0 {
		if space, err = f.shared(space, msgSpace); err != nil {
			return fail(err)
		}
	}
	t, err := readType(&typ, 0)
	if err != nil {
		return fail(err)
	}
	shape, null, err := f.readSpace(&space)
	if err != nil {
		return fail(err)
	}
	a := &Attr{Name: name, Shape: shape, Type: t.name}
	if null || (!t.isString() && t.dtype == tensor.Invalid) {
		return a, nil
	}
	n, err := shape.Elems()
	if err != nil {
		return fail(err)
	}
	if n > c.left()/t.size {
		return fail(fmt.Errorf("offset %d: %d values of %d bytes in %d bytes", c.offset(), n, t.size, c.left()))
	}
	b := c.bytes(n * t.size)
	if t.isString() {
		if a.Strings, err = f.strings(&t, b); err != nil {
			return fail(err)
		}
		return a, nil
	}
	if err := f.charge(uint64(len(b)), "attribute"); err != nil {
		return fail(err)
	}
	b = append([]byte(nil), b...)
	t.toLittle(b)
	if a.Tensor, err = tensor.New(name, t.dtype, shape, b); err != nil {
		return fail(err)
	}
	return a, nil
}
