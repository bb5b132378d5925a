package mobilenet

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"path"
	"runtime"
	"strings"
	"sync"
)

// Picture is a file still to be opened.
type Picture struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Result is what became of one picture.
type Result struct {
	Name        string
	Predictions []Prediction
	// Scores is the network's raw output, one number a row, with the
	// background's row if there is one.
	Scores []float32
	// Coverage is the part of the picture that its file held, 1 unless the
	// file is damaged.
	Coverage float64
	Timing   Timing
	Err      error
}

// ClassifyAll classifies a sequence of pictures on all processors and gives
// the results in the sequence's order. A picture that cannot be read gives a
// Result with an Err and does not stop the rest; a cancelled context ends the
// sequence.
func (c *Classifier) ClassifyAll(ctx context.Context, pictures iter.Seq[Picture]) iter.Seq[Result] {
	return parallel(ctx, c.workers(), pictures, func(p Picture, solo bool) Result { return c.open(ctx, p, solo) })
}

// ClassifyFS is ClassifyAll for the pictures below the given roots of a file
// system, in lexical order; no roots means all of it. Files are taken by the
// ending of their names.
func (c *Classifier) ClassifyFS(ctx context.Context, fsys fs.FS, roots ...string) iter.Seq[Result] {
	return c.ClassifyAll(ctx, Pictures(fsys, roots...))
}

// Pictures lists the picture files below the roots of a file system. A file
// named as a root is taken whatever its ending; a folder that cannot be read
// gives a Picture that cannot be opened.
func Pictures(fsys fs.FS, roots ...string) iter.Seq[Picture] {
	if len(roots) == 0 {
		roots = []string{"."}
	}
	return func(yield func(Picture) bool) {
		for _, root := range roots {
			err := fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
				pic := Picture{Name: name, Open: func() (io.ReadCloser, error) {
					if err != nil {
						return nil, err
					}
					return fsys.Open(name)
				}}
				if err == nil && (d.IsDir() || (name != root && !isPicture(name))) {
					return nil
				}
				if !yield(pic) {
					return fs.SkipAll
				}
				return nil
			})
			if err != nil {
				return
			}
		}
	}
}

// isPicture goes by the ending, so that a folder's other files are left alone.
func isPicture(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".jpe", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff":
		return true
	}
	return false
}

// open reads and scores a picture file.
func (c *Classifier) open(ctx context.Context, p Picture, solo bool) Result {
	f, err := p.Open()
	if err != nil {
		return Result{Name: p.Name, Err: err}
	}
	defer f.Close()
	r := c.one(ctx, f, solo)
	r.Name = p.Name
	return r
}

// parallel is the sequence of do(item) in the items' order, computed by as
// many goroutines as the classifier may use. A single worker keeps the
// network's own parallelism; several run one picture each.
func parallel[T any](ctx context.Context, workers int, items iter.Seq[T], do func(item T, solo bool) Result) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		if workers < 2 {
			for item := range items {
				if ctx.Err() != nil || !yield(do(item, false)) {
					return
				}
			}
			return
		}
		type job struct {
			item T
			done chan Result
		}
		ctx, cancel := context.WithCancel(ctx)
		jobs := make(chan job)
		order := make(chan chan Result, 2*workers)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		for range workers {
			wg.Go(func() {
				for j := range jobs {
					j.done <- do(j.item, true)
				}
			})
		}
		wg.Go(func() {
			defer close(order)
			defer close(jobs)
			for item := range items {
				j := job{item, make(chan Result, 1)}
				select {
				case order <- j.done:
				case <-ctx.Done():
					return
				}
				select {
				case jobs <- j:
				case <-ctx.Done():
					j.done <- Result{Err: ctx.Err()}
					return
				}
			}
		})
		for done := range order {
			r := <-done
			if ctx.Err() != nil || !yield(r) {
				return
			}
		}
	}
}

// workers is the number of pictures handled at once.
func (c *Classifier) workers() int {
	n := c.m.Threads()
	return min(n, runtime.GOMAXPROCS(0))
}
