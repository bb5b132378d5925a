package torchpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// legacyMagic opens the format before PyTorch 1.6, as a pickled integer.
var legacyMagic = []byte{0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19}

const legacyVersion = 1001

// IsLegacy reports whether a file that begins with head is in the legacy format.
func IsLegacy(head []byte) bool {
	return len(head) > 0 && head[0] == opProto && bytes.Contains(head[:min(len(head), 32)], legacyMagic)
}

// readLegacy decodes five pickles in a row (magic number, version, system,
// object, storage keys) and finds the storages that follow: each a count of
// elements in 8 bytes, then the elements. They are little-endian whatever the
// system entry says, as PyTorch wrote them swapped on big-endian machines.
func (f *File) readLegacy(size int64) error {
	var head [32]byte
	n, err := f.r.ReadAt(head[:min(size, 32)], 0)
	if err != nil && err != io.EOF {
		return err
	}
	if !IsLegacy(head[:n]) {
		return errors.New("neither a zip archive nor a legacy checkpoint of torch.save")
	}
	f.legacyN = size
	src := newSource(f.r, 0, size)
	next := func(what string, persist func(Value) (Value, error)) (Value, error) {
		m := newMachine(src, &f.opt)
		m.persist = persist
		v, err := m.run()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return v, nil
	}
	v, err := next("magic number", nil)
	if err != nil {
		return err
	}
	if b, ok := v.(*BigInt); !ok || !bytes.Equal(b.Raw, legacyMagic) {
		return errors.New("magic number of a legacy checkpoint is damaged")
	}
	if v, err = next("version", nil); err != nil {
		return err
	}
	if v != int64(legacyVersion) {
		return fmt.Errorf("legacy checkpoint of a version other than %d", legacyVersion)
	}
	if _, err = next("system", nil); err != nil {
		return err
	}
	if f.Root, err = next("object", f.persistLegacy); err != nil {
		return err
	}
	if v, err = next("storage keys", nil); err != nil {
		return err
	}
	keys, ok := v.(*List)
	if !ok {
		return fmt.Errorf("storage keys are a %s, not a list", kind(v))
	}
	return f.locate(keys.Items, src.pos())
}

func (f *File) locate(keys []Value, at int64) error {
	for _, k := range keys {
		key, ok := legacyKey(k)
		if !ok {
			return fmt.Errorf("storage key is a %s", kind(k))
		}
		root := f.roots[key]
		if root == nil || root.fileAt >= 0 {
			return fmt.Errorf("storage %s is listed twice or belongs to no tensor", printable(key))
		}
		var b [8]byte
		if f.legacyN-at < 8 {
			return fmt.Errorf("file ends at byte %d where storage %s should begin: truncated", f.legacyN, printable(key))
		}
		if n, err := f.r.ReadAt(b[:], at); n < 8 {
			return fmt.Errorf("reading at offset %d: %w", at, err)
		}
		at += 8
		elems := binary.LittleEndian.Uint64(b[:])
		if elems != uint64(root.bytes/int64(root.width)) {
			return fmt.Errorf("storage %s at offset %d has %d elements where %d are declared", printable(key), at-8, elems, root.bytes/int64(root.width))
		}
		if root.bytes > f.legacyN-at {
			return fmt.Errorf("storage %s at offset %d has %d bytes where %d are left: truncated", printable(key), at, root.bytes, f.legacyN-at)
		}
		root.fileAt = at
		at += root.bytes
	}
	for key, root := range f.roots {
		if root.fileAt < 0 && root.bytes > 0 {
			return fmt.Errorf("storage %s is referred to but not listed", printable(key))
		}
	}
	return nil
}

// legacyKey accepts the text of current files and the integers of old ones.
func legacyKey(v Value) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// persistLegacy resolves ("storage", type, key, location, elements, view),
// where view is None or (key, offset, elements).
func (f *File) persistLegacy(id Value) (Value, error) {
	t, ok := id.(Tuple)
	if !ok || len(t) < 5 || len(t) > 6 || t[0] != "storage" {
		if ok && len(t) > 0 && t[0] == "module" {
			return nil, errors.New("holds a whole module: save model.state_dict() instead")
		}
		return nil, fmt.Errorf("refers to a %s that is not a storage", kind(id))
	}
	class, ok1 := t[1].(Global)
	key, ok2 := legacyKey(t[2])
	elems, ok3 := t[4].(int64)
	dt, ok4 := storageDType(strings.TrimPrefix(class.Name, "_"))
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, fmt.Errorf("refers to a storage by a %s, a %s and a %s", kind(t[1]), kind(t[2]), kind(t[4]))
	}
	offset, n := int64(0), elems
	if len(t) == 6 && t[5] != nil {
		view, ok := t[5].(Tuple)
		if !ok || len(view) != 3 {
			return nil, fmt.Errorf("views a storage by a %s", kind(t[5]))
		}
		offset, ok1 = view[1].(int64)
		n, ok2 = view[2].(int64)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("views a storage by a %s and a %s", kind(view[1]), kind(view[2]))
		}
	}
	return f.storage(key, dt, elems, offset, n)
}
