package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// draft is a file that appears under its name only when it is complete: until
// then an older one stays as it was.
type draft struct {
	*os.File
	path string // the name to come
	dir  string // the folder beside it that holds the draft; "" for a device, which is written at once
}

func newDraft(path string) (*draft, error) {
	st, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && !st.Mode().IsRegular() {
		// A pipe or a device stays itself; a folder is an error.
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return &draft{File: f}, nil
	}
	if err == nil {
		// Of a link the file is replaced, not the link.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".mobilenet-draft-*")
	if err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, "draft"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &draft{f, path, dir}, nil
}

// keep closes the file and gives it its name.
func (d *draft) keep() error {
	if err := d.Close(); err != nil || d.dir == "" {
		return err
	}
	return os.Rename(d.Name(), d.path)
}

// drop removes what is left of the draft, all of it unless it was kept.
func (d *draft) drop() {
	_ = d.Close() // closed already where it was kept
	if d.dir != "" {
		_ = os.RemoveAll(d.dir) // a hidden folder may stay; nothing to add to the answer
	}
}
