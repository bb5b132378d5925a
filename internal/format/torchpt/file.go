// Package torchpt reads checkpoints written by torch.save, in the zip format
// of PyTorch 1.6 and later and in the legacy format before it, as data only.
//
// Such files are pickles, and a pickle can name any Python function to be
// called while it is read. The machine here knows an allow-list of names whose
// effect is building data, and builds that data itself. Any other name is
// refused with its offset; nothing is ever run.
//
// Sources: torch/serialization.py and torch/_utils.py of PyTorch 1.13 and 2.x,
// Lib/pickletools.py of CPython.
package torchpt

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/mobilenet-go/mobilenet/internal/format/zipfile"
	"github.com/mobilenet-go/mobilenet/tensor"
)

// File is a decoded checkpoint. The object tree is in memory, the storages are
// read on demand: r has to stay open until the last Load. A File is not safe
// for concurrent use.
type File struct {
	Root   Value
	Legacy bool // the format before PyTorch 1.6

	opt     Options
	r       io.ReaderAt
	roots   map[string]*rootStorage
	zip     *zipfile.Archive // nil for a legacy file
	prefix  string           // of the archive's entries, "archive/"
	swap    bool             // storages are big-endian
	left    int64            // bytes that may still be taken for tensors
	legacyN int64            // size of a legacy file
}

// Read decodes a checkpoint of either format. Tensors' bytes are not read yet.
func Read(r io.ReaderAt, size int64, opt *Options) (*File, error) {
	f := &File{opt: opt.withDefaults(), r: r, roots: map[string]*rootStorage{}}
	f.left = f.opt.MaxTensorBytes
	if size < (math.MaxInt64-freeBytes)/f.opt.MaxRatio {
		f.left = min(f.left, freeBytes+size*f.opt.MaxRatio)
	}
	var head [4]byte
	if size < int64(len(head)) {
		return nil, fmt.Errorf("torch: %d bytes are too few for a checkpoint", size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("torch: %w", err)
	}
	var err error
	if head == [4]byte{'P', 'K', 3, 4} {
		err = f.readZip(size)
	} else {
		f.Legacy = true
		err = f.readLegacy(size)
	}
	if err != nil {
		return nil, fmt.Errorf("torch: %w", err)
	}
	return f, nil
}

// storage registers a reference to part of a root storage: elems elements of
// type dt from offset on, out of rootElems.
func (f *File) storage(key string, dt tensor.DType, rootElems, offset, elems int64) (*Storage, error) {
	size := int64(dt.Size())
	if rootElems < 0 || rootElems > math.MaxInt64/size {
		return nil, fmt.Errorf("refers to storage %q of %d elements", printable(key), rootElems)
	}
	if offset < 0 || elems < 0 || offset > rootElems || elems > rootElems-offset {
		return nil, fmt.Errorf("views elements %d to %d of storage %s of %d elements", offset, offset+elems, printable(key), rootElems)
	}
	root := f.roots[key]
	if root == nil {
		root = &rootStorage{key: key, bytes: rootElems * size, width: int(size), fileAt: -1}
		f.roots[key] = root
	}
	if root.bytes != rootElems*size || root.width != int(size) {
		return nil, fmt.Errorf("refers to storage %s as %d bytes of %v, after %d bytes of another type", printable(key), rootElems*size, dt, root.bytes)
	}
	return &Storage{Key: key, DType: dt, Elems: elems, offset: offset, root: root}, nil
}

// Load reads the tensor's bytes. Contiguous tensors of one storage share its
// memory; a strided view is copied into row-major order.
func (f *File) Load(name string, t *Tensor) (*tensor.Tensor, error) {
	out, err := f.load(name, t)
	if err != nil {
		return nil, fmt.Errorf("torch: tensor %q: %w", name, err)
	}
	return out, nil
}

func (f *File) load(name string, t *Tensor) (*tensor.Tensor, error) {
	n := t.Shape.Len() * t.DType.Size() // both checked by setView
	if n == 0 {
		return tensor.New(name, t.DType, t.Shape, nil)
	}
	if err := f.fetch(t.Storage.root, t.DType.Size()); err != nil {
		return nil, err
	}
	data := t.Storage.root.data
	start := t.Storage.offset*int64(t.Storage.DType.Size()) + t.Offset*int64(t.DType.Size())
	if start < 0 || start > int64(len(data)) {
		return nil, errors.New("begins outside its storage")
	}
	data = data[start:]
	if t.contiguous() {
		if n > len(data) {
			return nil, errors.New("ends outside its storage")
		}
		return tensor.New(name, t.DType, t.Shape, data[:n:n])
	}
	if err := f.take(int64(n)); err != nil {
		return nil, err
	}
	out := make([]byte, n)
	t.gather(out, data)
	return tensor.New(name, t.DType, t.Shape, out)
}

// take counts bytes about to be allocated.
func (f *File) take(n int64) error {
	if n > f.left || n > math.MaxInt {
		return fmt.Errorf("takes %d bytes, of which only %d are left for a file of this size", n, f.left)
	}
	f.left -= n
	return nil
}

// fetch reads a storage once.
func (f *File) fetch(root *rootStorage, width int) error {
	if root.data != nil || root.bytes == 0 {
		return nil
	}
	if f.Legacy {
		if root.fileAt < 0 {
			return fmt.Errorf("storage %s is not in the file", printable(root.key))
		}
		if err := f.take(root.bytes); err != nil {
			return err
		}
		data := make([]byte, root.bytes)
		if _, err := io.ReadFull(io.NewSectionReader(f.r, root.fileAt, root.bytes), data); err != nil {
			return fmt.Errorf("storage %s: %w", printable(root.key), err)
		}
		root.data = data
		return nil
	}
	entry := f.zip.Lookup(f.prefix + "data/" + root.key)
	if entry == nil {
		return fmt.Errorf("storage %s is not in the archive", printable(root.key))
	}
	if entry.UncompressedSize64 != uint64(root.bytes) {
		return fmt.Errorf("storage %s has %d bytes where %d are declared", printable(root.key), entry.UncompressedSize64, root.bytes)
	}
	if err := f.take(root.bytes); err != nil {
		return err
	}
	data, err := f.zip.Read(entry)
	if err != nil {
		return err
	}
	if f.swap {
		for i := 0; i+width <= len(data); i += width {
			slices.Reverse(data[i : i+width])
		}
	}
	root.data = data
	return nil
}
