package dataset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet/internal/format/zipfile"
)

// source is a listing of files that can be opened by name.
type source struct {
	files, dirs []string // slash-separated, sorted; without hidden ones
	problems    []Problem
	openName    func(name string) (io.ReadCloser, error)
	// anywhere lets a CSV file name paths outside the listing: those of the computer.
	anywhere bool
}

func (s *source) open(name string) (io.ReadCloser, error) { return s.openName(name) }

// maxList bounds lists of pictures and classes, which are read whole.
const maxList = 256 << 20

// read returns a list file of the data set.
func (s *source) read(name string) ([]byte, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err != nil {
		return nil, plain(err)
	}
	if len(b) > maxList {
		return nil, fmt.Errorf("longer than %d bytes", maxList)
	}
	return b, nil
}

// plain drops the path, which the message has already, from an error of the file system.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Scan is Open without Validate: what the data doctor looks at. Errors are left for sources that cannot
// be listed at all.
func Scan(name string, o *Options) (*Dataset, error) {
	opt := o.withDefaults()
	st, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, plain(err))
	}
	var d *Dataset
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case st.IsDir():
		s, err := listFS(os.DirFS(name), opt)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		dir := name
		s.anywhere = true
		s.openName = func(n string) (io.ReadCloser, error) { return os.Open(osPath(dir, n)) }
		d, err = arrange(s, opt)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	case ext == ".csv" || ext == ".tsv":
		dir := filepath.Dir(name)
		s := &source{anywhere: true, openName: func(n string) (io.ReadCloser, error) { return os.Open(osPath(dir, n)) }}
		d, err = arrangeCSV(s, []string{filepath.Base(name)}, "", opt)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	default:
		if d, err = scanZip(name, st.Size(), opt); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	d.Root = name
	return d, nil
}

// osPath is where a name of the listing, or a path of a CSV file, lies.
func osPath(dir, name string) string {
	if p := filepath.FromSlash(name); filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// ScanFS is Scan for a file system.
func ScanFS(fsys fs.FS, o *Options) (*Dataset, error) {
	opt := o.withDefaults()
	s, err := listFS(fsys, opt)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	d, err := arrange(s, opt)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return d, nil
}

func hidden(base string) bool {
	return strings.HasPrefix(base, ".") || base == "__MACOSX" || base == "Thumbs.db" || base == "desktop.ini"
}

// listFS walks a file system. What cannot be read becomes a problem.
func listFS(fsys fs.FS, o Options) (*source, error) {
	s := &source{openName: func(n string) (io.ReadCloser, error) { return fsys.Open(n) }}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if name == "." {
				return plain(err)
			}
			s.problems = append(s.problems, Problem{"unreadable", name, plain(err).Error()})
			return nil
		}
		if name != "." && hidden(path.Base(name)) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			if name != "." {
				s.dirs = append(s.dirs, name)
			}
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			// Links to files are followed when they are opened; links to folders could make circles.
			if st, err := fs.Stat(fsys, name); err == nil && st.IsDir() {
				s.problems = append(s.problems, Problem{"link", name, "a link to a folder is not followed"})
				return nil
			}
		} else if !d.Type().IsRegular() {
			s.problems = append(s.problems, Problem{"not-a-picture", name, "neither a file nor a folder"})
			return nil
		}
		if len(s.files) >= o.MaxFiles {
			return fmt.Errorf("more than %d files", o.MaxFiles)
		}
		s.files = append(s.files, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(s.files)
	slices.Sort(s.dirs)
	return s, nil
}

// Bounds on a zip file.
const (
	maxZipDirectory = 256 << 20
	freeZip         = 1 << 30 // what may be expanded in all, whatever the file's size; beyond it:
	maxZipRatio     = 50
)

// scanZip reads a zip file's directory; the pictures are read in place. Names that leave the archive,
// entries that overlap and sums that no pictures have are refused.
func scanZip(name string, size int64, o Options) (d *Dataset, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, plain(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	a, err := zipfile.Open(f, size, &zipfile.Limits{MaxEntries: o.MaxFiles, MaxDirectoryBytes: maxZipDirectory})
	if err != nil {
		var magic [2]byte
		if _, e := f.ReadAt(magic[:], 0); e != nil || string(magic[:]) != "PK" {
			return nil, errors.New("neither a folder, a zip file nor a CSV file")
		}
		return nil, err
	}
	s := &source{}
	total := uint64(0)
	dirs := map[string]bool{}
	for _, e := range a.Files {
		n := strings.TrimSuffix(e.Name, "/")
		if slices.ContainsFunc(strings.Split(n, "/"), hidden) {
			continue
		}
		for p := path.Dir(n); p != "." && !dirs[p]; p = path.Dir(p) {
			dirs[p] = true
		}
		if n != e.Name {
			dirs[n] = true
			continue
		}
		if e.Flags&1 != 0 {
			s.problems = append(s.problems, Problem{"unreadable", n, "the entry is encrypted"})
			continue
		}
		if total += e.UncompressedSize64; total > freeZip && total/maxZipRatio > uint64(size) {
			return nil, fmt.Errorf("zip: its entries expand to more than %d times the file's size: refused", maxZipRatio)
		}
		s.files = append(s.files, n)
	}
	for n := range dirs {
		s.dirs = append(s.dirs, n)
	}
	slices.Sort(s.files)
	slices.Sort(s.dirs)
	s.openName = func(n string) (io.ReadCloser, error) {
		e := a.Lookup(n)
		if e == nil {
			return nil, fs.ErrNotExist
		}
		return e.Open()
	}
	if d, err = arrange(s, o); err != nil {
		return nil, err
	}
	d.Layout += " in zip"
	d.close = f.Close
	return d, nil
}
