package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobilenet-go/mobilenet"
)

// pictures lists what the arguments stand for, in their order: files, the
// pictures below folders, the matches of patterns, and "-" for standard input.
// What cannot be found is a picture that cannot be opened, so that the rest is
// done.
func (a *app) pictures(args []string) []mobilenet.Picture {
	var out []mobilenet.Picture
	for _, arg := range args {
		if arg == "-" {
			out = append(out, mobilenet.Picture{Name: "-", Open: func() (io.ReadCloser, error) { return io.NopCloser(a.stdin), nil }})
			continue
		}
		if _, err := os.Stat(arg); err == nil || !hasPattern(arg) {
			out = append(out, named(arg)...)
			continue
		}
		// The shell has left the pattern alone: it was quoted, or the shell
		// does not do that.
		matches, err := filepath.Glob(arg)
		switch {
		case err != nil:
			out = append(out, broken(arg, fmt.Errorf("the pattern cannot be read: %w", err)))
		case len(matches) == 0:
			out = append(out, broken(arg, errors.New("no file matches the pattern")))
		}
		for _, m := range matches {
			out = append(out, named(m)...)
		}
	}
	return out
}

func hasPattern(s string) bool { return strings.ContainsAny(s, "*?[") }

// named is a file, or the pictures below a folder.
func named(path string) []mobilenet.Picture {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return []mobilenet.Picture{broken(path, plain(err))}
	case !st.IsDir():
		return []mobilenet.Picture{file(path)}
	}
	below := slices.Collect(prefixed(path, mobilenet.Pictures(os.DirFS(path))))
	if len(below) == 0 {
		return []mobilenet.Picture{broken(path, errors.New("no pictures in the folder"))}
	}
	return below
}

func file(path string) mobilenet.Picture {
	return mobilenet.Picture{Name: path, Open: func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, plain(err)
		}
		return f, nil
	}}
}

func broken(name string, err error) mobilenet.Picture {
	return mobilenet.Picture{Name: name, Open: func() (io.ReadCloser, error) { return nil, err }}
}

// prefixed names the pictures of a folder by the way to them from here.
func prefixed(folder string, pics iter.Seq[mobilenet.Picture]) iter.Seq[mobilenet.Picture] {
	return func(yield func(mobilenet.Picture) bool) {
		for p := range pics {
			p.Name = filepath.Join(folder, filepath.FromSlash(p.Name))
			if !yield(p) {
				return
			}
		}
	}
}

// plain drops the operation and the path, which the message's line has
// already, from an error of the file system.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
