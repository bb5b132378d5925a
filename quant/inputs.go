package quant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mobilenet-go/mobilenet/internal/imageio"
	"github.com/mobilenet-go/mobilenet/transform"
)

// each calls do for 0 to n-1 on all processors; prepare makes the do of one
// goroutine. It returns the first error.
func each(ctx context.Context, n, workers int, prepare func() (func(i int) error, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(1, min(n, workers)) {
		wg.Go(func() {
			do, err := prepare()
			for err == nil && ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				err = do(i)
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// processors is the number of goroutines that work on pictures side by side.
func processors() int { return runtime.GOMAXPROCS(0) }

// crops are pictures as a network's recipe cuts them, a byte a sample.
type crops struct {
	recipe transform.Recipe
	pix    [][]byte
}

// source is a picture file.
type source struct {
	name string
	open func() (io.ReadCloser, error)
}

// readCrops decodes, resizes and crops pictures. Those that cannot be read are
// nil, with their errors.
func readCrops(ctx context.Context, r transform.Recipe, list []source, tick func()) (*crops, []error, error) {
	c := &crops{recipe: r.Resolved(), pix: make([][]byte, len(list))}
	bad := make([]error, len(list))
	err := each(ctx, len(list), processors(), func() (func(int) error, error) {
		p, err := transform.NewPipeline(r)
		return func(i int) error {
			defer tick()
			dst := make([]byte, p.Len())
			if err := readCrop(p, list[i], dst); err != nil {
				bad[i] = fmt.Errorf("%s: %w", list[i].name, err)
				return nil
			}
			c.pix[i] = dst
			return nil
		}, err
	})
	return c, bad, err
}

func readCrop(p *transform.Pipeline, s source, dst []byte) error {
	f, err := s.open()
	if err != nil {
		return plain(err)
	}
	defer f.Close()
	m, _, err := imageio.Decode(f, &imageio.Options{Mode: imageio.Normal, IgnoreOrientation: p.Recipe().IgnoreOrientation})
	if err != nil {
		return err
	}
	return p.ApplyBytes(m, dst)
}

// plain drops the path, which the message has already.
func plain(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// only keeps the pictures of some indices.
func (c *crops) only(keep func(i int) bool) *crops {
	out := &crops{recipe: c.recipe}
	for i, p := range c.pix {
		if p != nil && keep(i) {
			out.pix = append(out.pix, p)
		}
	}
	return out
}

// filler writes pictures as a network's input. It serves one goroutine.
type filler struct{ table [3][256]float32 }

// newFiller works the recipe's values out for every byte. The bytes are in the
// recipe's channel order already.
func (c *crops) newFiller() (*filler, error) {
	r := c.recipe
	r.Resize, r.Fraction = transform.ResizeNone, 1
	r.Width, r.Height = 256, 1
	p, err := transform.NewPipeline(r)
	if err != nil {
		return nil, err
	}
	f := &filler{}
	pix, out := make([]byte, 3*256), make([]float32, 3*256)
	for v := range 256 {
		pix[3*v], pix[3*v+1], pix[3*v+2] = byte(v), byte(v), byte(v)
	}
	if err := p.ApplyCropped(&transform.Image{W: 256, H: 1, Pix: pix}, out); err != nil {
		return nil, err
	}
	for i, v := range out {
		f.table[i%3][i/3] = v
	}
	return f, nil
}

func (f *filler) fill(pix []byte, in []float32) error {
	if len(pix) != len(in) {
		return fmt.Errorf("a picture of %d values for an input of %d", len(pix), len(in))
	}
	for i := 0; i+3 <= len(pix); i += 3 {
		in[i], in[i+1], in[i+2] = f.table[0][pix[i]], f.table[1][pix[i+1]], f.table[2][pix[i+2]]
	}
	return nil
}
