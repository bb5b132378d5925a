// Package zipfile opens zip archives that come from outside, for the tensor
// formats built on zip (PyTorch's, NumPy's npz). It adds to archive/zip what a
// hostile file calls for: bounds on the directory, on the number of entries
// and on the bytes that reading may produce, checked before memory is taken.
package zipfile

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// Limits bound an archive. A field of zero or less means its default.
type Limits struct {
	MaxEntries    int   // default 131072
	MaxEntryBytes int64 // one entry, expanded; default 2 GiB
	MaxTotalBytes int64 // everything that is read, expanded; default 4 GiB
	MaxRatio      int64 // expanded bytes a byte of the file; default 8, beyond a first 64 MiB
	// MaxDirectoryBytes bounds the archive's directory, which is held in memory; default 8 MiB.
	MaxDirectoryBytes int64
	SkipChecksum      bool // accept entries whose CRC-32 does not match
}

const (
	freeBytes = 64 << 20 // what may be expanded whatever the file's size
)

// Archive is an open archive.
type Archive struct {
	Files  []*zip.File
	byName map[string]*zip.File
	lim    Limits
	left   int64 // bytes that may still be expanded
}

// Open reads the directory of an archive of the given size.
func Open(r io.ReaderAt, size int64, lim *Limits) (*Archive, error) {
	a := &Archive{}
	if lim != nil {
		a.lim = *lim
	}
	l := &a.lim
	if l.MaxEntries <= 0 {
		l.MaxEntries = 131072
	}
	if l.MaxEntryBytes <= 0 {
		l.MaxEntryBytes = 2 << 30
	}
	if l.MaxTotalBytes <= 0 {
		l.MaxTotalBytes = 4 << 30
	}
	if l.MaxRatio <= 0 {
		l.MaxRatio = 8
	}
	if l.MaxDirectoryBytes <= 0 {
		l.MaxDirectoryBytes = 8 << 20
	}
	a.left = l.MaxTotalBytes
	if size < (math.MaxInt64-freeBytes)/l.MaxRatio {
		a.left = min(a.left, freeBytes+size*l.MaxRatio)
	}
	src := &budgetReaderAt{r: r, left: l.MaxDirectoryBytes, limit: l.MaxDirectoryBytes}
	zr, err := zip.NewReader(src, size)
	if err != nil {
		return nil, fmt.Errorf("zip: %w", err)
	}
	src.open = true
	if len(zr.File) > l.MaxEntries {
		return nil, fmt.Errorf("zip: %d entries, over the limit of %d", len(zr.File), l.MaxEntries)
	}
	a.Files = zr.File
	a.byName = make(map[string]*zip.File, len(zr.File))
	stored := uint64(0)
	for _, f := range zr.File {
		if err := checkName(f.Name); err != nil {
			return nil, err
		}
		if a.byName[f.Name] != nil {
			return nil, fmt.Errorf("zip: entry %q occurs twice", f.Name)
		}
		a.byName[f.Name] = f
		stored += f.CompressedSize64
		if f.CompressedSize64 > uint64(size) || stored > uint64(size) {
			return nil, fmt.Errorf("zip: entry %q: entries are longer than the file of %d bytes: they overlap or are cut off", f.Name, size)
		}
	}
	return a, nil
}

func checkName(name string) error {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\\x00") {
		return fmt.Errorf("zip: entry name %q is refused", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return fmt.Errorf("zip: entry name %q leaves the archive: refused", name)
		}
	}
	return nil
}

// Lookup is the entry of that exact name, or nil.
func (a *Archive) Lookup(name string) *zip.File { return a.byName[name] }

// Read returns the bytes of an entry. It counts against the archive's total.
func (a *Archive) Read(f *zip.File) ([]byte, error) {
	n := f.UncompressedSize64
	switch {
	case f.Flags&1 != 0:
		return nil, fmt.Errorf("zip: entry %q is encrypted", f.Name)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return nil, fmt.Errorf("zip: entry %q: compression method %d is not supported", f.Name, f.Method)
	case f.Method == zip.Store && n != f.CompressedSize64:
		return nil, fmt.Errorf("zip: entry %q is stored, yet its two sizes are %d and %d", f.Name, f.CompressedSize64, n)
	case n > uint64(a.lim.MaxEntryBytes) || n > math.MaxInt:
		return nil, fmt.Errorf("zip: entry %q expands to %d bytes, over the limit of %d", f.Name, n, a.lim.MaxEntryBytes)
	case n > uint64(a.left):
		return nil, fmt.Errorf("zip: entry %q expands to %d bytes, of which only %d are left for a file of this size", f.Name, n, a.left)
	}
	a.left -= int64(n)
	rc, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("zip: entry %q: %w", f.Name, err)
	}
	defer rc.Close()
	b := make([]byte, n)
	if _, err := io.ReadFull(rc, b); err != nil && !(a.lim.SkipChecksum && errors.Is(err, zip.ErrChecksum)) {
		return nil, fmt.Errorf("zip: entry %q: %w", f.Name, err)
	}
	// The end has to be here, and reaching it verifies the checksum.
	var one [1]byte
	k, err := rc.Read(one[:])
	switch {
	case k != 0 || err == nil:
		return nil, fmt.Errorf("zip: entry %q is longer than the %d bytes it declares", f.Name, n)
	case errors.Is(err, zip.ErrChecksum) && a.lim.SkipChecksum:
	case err != io.EOF:
		return nil, fmt.Errorf("zip: entry %q: %w", f.Name, err)
	}
	return b, nil
}

// budgetReaderAt fails once too much has been read before open is set: the
// directory of an archive may lie about its own length.
type budgetReaderAt struct {
	r           io.ReaderAt
	left, limit int64
	open        bool
}

func (b *budgetReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.open {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, fmt.Errorf("directory of more than %d bytes", b.limit)
		}
	}
	return b.r.ReadAt(p, off)
}
